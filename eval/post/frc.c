#include "frc.h"

#include "grid.h"
#include "mem.h"
#include "rng.h"
#include <complex.h>
#include <fftw3.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { SIDE = 1024, BINS = SIDE / 2 + 1, RINGS = SIDE / 2, SMOOTH = 5 };
/* The fading is the same in both halves and correlates in the innermost rings. */
enum { FIRST_RING = 4 };
/* Of a tile's side, at either end. */
static const double FADE = 0.125;
static const double THRESHOLD = 1.0 / 7;

/* Sums over a ring. */
struct ring {
    double cross, a, b;
};

struct frc {
    const struct atm_frc_options *options;
    struct atm_grid grid; /* cells are tiles */
    float fade[SIDE];
    fftwf_plan plan;
    struct ring *rings; /* owned (repeats, RINGS) */
};

/* Scratch of one thread: two pictures with room for their spectra, and the side of each group. */
struct scratch {
    float complex *a, *b; /* (SIDE, BINS) */
    unsigned char *half;  /* (groups) */
};

static bool scratch_init(struct scratch *s, ptrdiff_t groups) {
    *s = (struct scratch){atm_mem_alloc((size_t)SIDE * BINS, sizeof *s->a),
                          atm_mem_alloc((size_t)SIDE * BINS, sizeof *s->b),
                          atm_mem_alloc((size_t)groups, 1)};
    return s->a && s->b && s->half;
}

static void scratch_free(struct scratch *s) {
    atm_mem_free(s->a);
    atm_mem_free(s->b);
    atm_mem_free(s->half);
}

/* ---- one split ---- */

/* Cosine edges. */
static void make_fade(float fade[SIDE]) {
    for (int i = 0; i < SIDE; i++) {
        double edge = fmin(i + 0.5, SIDE - i - 0.5) / (FADE * SIDE);
        fade[i] = edge < 1 ? (float)(0.5 - 0.5 * cos(M_PI * edge)) : 1;
    }
}

static int pixel_of(double position) { return position > 0 ? (int)fmin(position, SIDE - 1) : 0; }

/* Rows of a picture have room for their spectrum: 2 BINS floats. */
static void draw_tile(const struct frc *f, ptrdiff_t tile, const struct scratch *s) {
    const struct atm_grid *g = &f->grid;
    const double scale = SIDE / g->cell;
    const double x0 = g->x0 + (double)(tile % g->across) * g->cell;
    const double y0 = g->y0 + (double)(tile / g->across) * g->cell;
    memset(s->a, 0, (size_t)SIDE * BINS * sizeof *s->a);
    memset(s->b, 0, (size_t)SIDE * BINS * sizeof *s->b);
    for (ptrdiff_t i = g->start[tile]; i < g->start[tile + 1]; i++) {
        int column = pixel_of((g->x[i] - x0) * scale), row = pixel_of((g->y[i] - y0) * scale);
        bool second = s->half[f->options->group[g->row[i]]];
        float *picture = (float *)(second ? s->b : s->a);
        picture[row * 2 * BINS + column] += f->fade[row] * f->fade[column];
    }
}

static void add_rings(const struct scratch *s, struct ring *rings) {
    for (int row = 0; row < SIDE; row++) {
        const double ky = row < SIDE / 2 ? row : row - SIDE;
        for (int k = 0; k < BINS; k++) {
            int ring = (int)(sqrt(ky * ky + (double)k * k) + 0.5);
            if (ring >= RINGS)
                break;
            double weight = k == 0 || k == SIDE / 2 ? 1 : 2; /* the other half plane is the same */
            const float complex a = s->a[row * BINS + k], b = s->b[row * BINS + k];
            double ar = (double)crealf(a), ai = (double)cimagf(a);
            double br = (double)crealf(b), bi = (double)cimagf(b);
            rings[ring].cross += weight * (ar * br + ai * bi);
            rings[ring].a += weight * (ar * ar + ai * ai);
            rings[ring].b += weight * (br * br + bi * bi);
        }
    }
}

static void split(const struct frc *f, ptrdiff_t repeat, const struct scratch *s) {
    struct atm_rng rng;
    struct ring *rings = f->rings + repeat * RINGS;
    atm_rng_init(&rng, f->options->seed, ATM_RNG_EVAL, (uint64_t)repeat);
    for (ptrdiff_t k = 0; k < f->options->groups; k++)
        s->half[k] = (unsigned char)(atm_rng_next(&rng) >> 63);
    for (ptrdiff_t tile = 0; tile < f->grid.across * f->grid.down; tile++) {
        if (f->grid.start[tile] == f->grid.start[tile + 1])
            continue;
        draw_tile(f, tile, s);
        fftwf_execute_dft_r2c(f->plan, (float *)s->a, s->a);
        fftwf_execute_dft_r2c(f->plan, (float *)s->b, s->b);
        add_rings(s, rings);
    }
}

static enum atm_status split_all(const struct frc *f, struct atm_err *err) {
    bool failed = false;
#pragma omp parallel
    {
        struct scratch scratch;
        bool good = scratch_init(&scratch, f->options->groups);
#pragma omp for schedule(dynamic)
        for (ptrdiff_t r = 0; r < f->options->repeats; r++)
            if (good)
                split(f, r, &scratch);
#pragma omp critical
        failed = failed || !good;
        scratch_free(&scratch);
    }
    return failed ? atm_err_memory(err, "the Fourier ring correlation") : ATM_OK;
}

/* ---- curves ---- */

/* Correlation over a few rings on either side. */
static double smoothed(const struct ring *rings, ptrdiff_t at) {
    double cross = 0, a = 0, b = 0;
    for (ptrdiff_t k = at - SMOOTH; k <= at + SMOOTH; k++) {
        if (k < FIRST_RING || k >= RINGS)
            continue;
        double width = (double)(SMOOTH + 1 - (k > at ? k - at : at - k));
        cross += width * rings[k].cross;
        a += width * rings[k].a;
        b += width * rings[k].b;
    }
    return a > 0 && b > 0 ? cross / sqrt(a * b) : 0;
}

/* Frequency (1/tile) where the curve falls below the threshold first, or NAN. */
static double crossing(const struct ring *rings) {
    double before = smoothed(rings, FIRST_RING + SMOOTH); /* further in there are too few pixels */
    for (ptrdiff_t k = FIRST_RING + SMOOTH + 1; k < RINGS; k++) {
        double here = smoothed(rings, k);
        if (before >= THRESHOLD && here < THRESHOLD)
            return (double)(k - 1) + (before - THRESHOLD) / (before - here);
        before = here;
    }
    return NAN;
}

/* Mean and spread of the splits; the curve of all of them. */
static void summarize(const struct frc *f, struct atm_frc *frc) {
    double sum = 0, square = 0;
    struct ring all[RINGS] = {{0, 0, 0}};
    for (ptrdiff_t r = 0; r < f->options->repeats; r++) {
        const struct ring *rings = f->rings + r * RINGS;
        double resolution = f->grid.cell / crossing(rings);
        for (ptrdiff_t k = 0; k < RINGS; k++) {
            all[k].cross += rings[k].cross;
            all[k].a += rings[k].a;
            all[k].b += rings[k].b;
        }
        if (isnan(resolution))
            continue;
        frc->crossed++;
        sum += resolution;
        square += resolution * resolution;
    }
    double n = (double)frc->crossed;
    frc->resolution = frc->crossed ? sum / n : NAN;
    frc->error = frc->crossed > 1 ? sqrt(fmax(square - sum * sum / n, 0) / (n - 1)) : (double)NAN;
    for (ptrdiff_t k = 1; k < RINGS; k++) {
        frc->frequency[k - 1] = (double)k / f->grid.cell;
        frc->correlation[k - 1] = smoothed(all, k);
    }
}

/* ---- together ---- */

static enum atm_status prepare(struct frc *f, const struct atm_locs *locs, struct atm_frc *frc,
                               struct atm_err *err) {
    enum atm_status status =
        atm_grid_init(&f->grid, locs->x, locs->y, locs->count, SIDE * f->options->pixel, err);
    if (status != ATM_OK)
        return status;
    f->rings = atm_mem_alloc((size_t)f->options->repeats * RINGS, sizeof *f->rings);
    frc->rings = RINGS - 1;
    frc->frequency = atm_mem_alloc(RINGS, sizeof *frc->frequency);
    frc->correlation = atm_mem_alloc(RINGS, sizeof *frc->correlation);
    float complex *block = atm_mem_alloc((size_t)SIDE * BINS, sizeof *block);
    if (block) /* in place */
        f->plan = fftwf_plan_dft_r2c_2d(SIDE, SIDE, (float *)block, block, FFTW_ESTIMATE);
    atm_mem_free(block);
    make_fade(f->fade);
    return f->rings && frc->frequency && frc->correlation && f->plan
               ? ATM_OK
               : atm_err_memory(err, "the Fourier ring correlation");
}

enum atm_status atm_frc_estimate(const struct atm_locs *locs, const struct atm_frc_options *options,
                                 struct atm_frc *frc, struct atm_err *err) {
    struct frc f = {.options = options};
    *frc = (struct atm_frc){.resolution = NAN, .error = NAN};
    enum atm_status status = prepare(&f, locs, frc, err);
    if (status == ATM_OK)
        status = split_all(&f, err);
    if (status == ATM_OK)
        summarize(&f, frc);
    if (f.plan)
        fftwf_destroy_plan(f.plan);
    atm_grid_free(&f.grid);
    atm_mem_free(f.rings);
    if (status != ATM_OK)
        atm_frc_free(frc);
    return status;
}

void atm_frc_free(struct atm_frc *frc) {
    atm_mem_free(frc->frequency);
    atm_mem_free(frc->correlation);
    frc->frequency = frc->correlation = NULL;
}
