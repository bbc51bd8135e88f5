/* The atom of a network as a PSF. */
#include "mem.h"
#include "movie_psf.h"
#include "psf_solve.h"
#include "spot.h"

#include <gsl/gsl_sort.h>
#include <math.h>

enum { ATOMS_MOST = 1000, ATOMS_LEAST = 50, OVERSAMPLING = 4 };
enum { FIFTHS = 5, PLACES = 3, GROUP_LEAST = 10 };
/* Silent blocks are half of the sample; an atom has at least this part of the brightest's mass. */
static const double LEAST_MASS = 0.1;
static const double HALF_SIGMAS = 5;

struct atoms {
    ptrdiff_t count, side;
    float *images;        /* (count, side, side) */
    struct atm_loc *rows; /* (count): place in the image, photons = mass */
};

static void atoms_free(struct atoms *atoms) {
    atm_mem_free(atoms->images);
    atm_mem_free(atoms->rows);
}

/* Those of the rendered images that are atoms move to the front. */
static void select_atoms(struct atoms *atoms) {
    ptrdiff_t side = atoms->side, kept = 0;
    double largest = 0;
    for (ptrdiff_t i = 0; i < atoms->count; i++) {
        struct atm_spot_window window = {atoms->images + i * side * side, side, 0, 0, side, side};
        struct atm_spot_moments spot;
        atm_spot_measure(&window, &spot);
        atoms->rows[i] = atm_loc_empty();
        atoms->rows[i].x = spot.x, atoms->rows[i].y = spot.y, atoms->rows[i].sx = spot.sigma;
        atoms->rows[i].photons = spot.compact ? spot.mass : 0;
        largest = fmax(largest, atoms->rows[i].photons);
    }
    for (ptrdiff_t i = 0; i < atoms->count; i++) {
        if (!(atoms->rows[i].photons > LEAST_MASS * largest))
            continue;
        for (ptrdiff_t k = 0; k < side * side; k++)
            atoms->images[kept * side * side + k] = atoms->images[i * side * side + k];
        atoms->rows[kept++] = atoms->rows[i];
    }
    atoms->count = kept;
}

/* Of the model's sample, evenly. */
static enum atm_status render(const struct atm_model *model, struct atoms *atoms,
                              struct atm_err *err) {
    ptrdiff_t d = model->latent, n = model->latent_count;
    atoms->count = n = n < ATOMS_MOST ? n : ATOMS_MOST;
    atoms->side = atm_model_atom_side(model);
    float *latents = atm_mem_alloc((size_t)(n * d), sizeof *latents);
    atoms->images = atm_mem_alloc((size_t)(n * atoms->side * atoms->side), sizeof(float));
    atoms->rows = atm_mem_alloc((size_t)n, sizeof *atoms->rows);
    enum atm_status status =
        latents && atoms->images && atoms->rows ? ATM_OK : atm_err_memory(err, "the average atom");
    for (ptrdiff_t i = 0; i < n * d && !status; i++)
        latents[i] = model->latents[i / d * model->latent_count / n * d + i % d];
    if (!status)
        status = atm_model_render_atoms(model, n, latents, atoms->images, err);
    if (!status)
        select_atoms(atoms);
    if (!status && atoms->count < ATOMS_LEAST)
        status = atm_err_set(err, ATM_FAIL,
                             "only %td of the model's blocks look like an atom: train longer, or "
                             "on a movie with more emitters",
                             atoms->count);
    atm_mem_free(latents);
    return status;
}

static double median_sigma(const struct atoms *atoms) {
    double *values = atm_mem_alloc((size_t)atoms->count, sizeof *values);
    for (ptrdiff_t i = 0; i < atoms->count && values; i++)
        values[i] = atoms->rows[i].sx;
    if (values)
        gsl_sort(values, 1, (size_t)atoms->count);
    double median = values ? values[atoms->count / 2] : NAN;
    atm_mem_free(values);
    return sqrt(fmax(median * median - 1.0 / 12, 0.1)); /* without the pixel's own width */
}

/* ---- Averages ---- */

/* Each image, divided by its mass, as a frame of one emitter of mass 1. */
struct lesson {
    struct atm_psf_frame *frames;
    struct atm_loc *rows;
    float *rest, *weight;
    double sigma_px;
    ptrdiff_t half;
};

static void lesson_free(struct lesson *lesson) {
    atm_mem_free(lesson->frames);
    atm_mem_free(lesson->rows);
    atm_mem_free(lesson->rest);
    atm_mem_free(lesson->weight);
}

static enum atm_status lesson_create(const struct atoms *atoms, struct lesson *lesson,
                                     struct atm_err *err) {
    ptrdiff_t pixels = atoms->side * atoms->side;
    lesson->sigma_px = median_sigma(atoms);
    lesson->half = (ptrdiff_t)fmin(ceil(HALF_SIGMAS * lesson->sigma_px) + 1,
                                   floor(0.5 * (double)atoms->side) + 1);
    lesson->frames = atm_mem_alloc((size_t)atoms->count, sizeof *lesson->frames);
    lesson->rows = atm_mem_alloc((size_t)atoms->count, sizeof *lesson->rows);
    lesson->rest = atm_mem_alloc((size_t)(atoms->count * pixels), sizeof *lesson->rest);
    lesson->weight = atm_mem_alloc((size_t)pixels, sizeof *lesson->weight);
    if (!lesson->frames || !lesson->rows || !lesson->rest || !lesson->weight)
        return atm_err_memory(err, "the average atom");
    for (ptrdiff_t k = 0; k < pixels; k++)
        lesson->weight[k] = 1e6F; /* there is no noise: far above what smoothness weighs */
    for (ptrdiff_t i = 0; i < atoms->count; i++) {
        lesson->rows[i] = atoms->rows[i];
        lesson->rows[i].photons = 1;
        for (ptrdiff_t k = i * pixels; k < (i + 1) * pixels; k++)
            lesson->rest[k] = atoms->images[k] / (float)atoms->rows[i].photons;
    }
    return ATM_OK;
}

/* Of the atoms whose group (count) is g; of all where group is NULL. image: freed by the caller. */
static enum atm_status average(const struct atoms *atoms, struct lesson *lesson, const int *group,
                               int g, struct atm_psf_image *image, struct atm_err *err) {
    const double variance = lesson->sigma_px * lesson->sigma_px;
    ptrdiff_t pixels = atoms->side * atoms->side, count = 0;
    for (ptrdiff_t i = 0; i < atoms->count; i++)
        if (!group || group[i] == g)
            lesson->frames[count++] = (struct atm_psf_frame){lesson->rest + i * pixels,
                                                             lesson->weight, &lesson->rows[i], 1};
    const struct atm_psf_problem problem = {
        .frames = lesson->frames,
        .count = count,
        .height = atoms->side,
        .width = atoms->side,
        .rough = 1 / (2 * M_PI * variance * variance * OVERSAMPLING * OVERSAMPLING),
        .rough_sigma_px = lesson->sigma_px,
        .rough_level = 1};
    enum atm_status status = atm_psf_image_create(lesson->half, OVERSAMPLING, image, err);
    return status ? status : atm_psf_solve(&problem, image, err);
}

/* ---- Variation ---- */

/* Root of the ratio of the summed squares of a - b and b. */
static double difference(const struct atm_psf_image *a, const struct atm_psf_image *b) {
    double sum = 0, whole = 0;
    for (ptrdiff_t i = 0; i < b->size * b->size; i++) {
        double d = (double)a->samples[i] - (double)b->samples[i];
        sum += d * d, whole += (double)b->samples[i] * (double)b->samples[i];
    }
    return whole > 0 ? sqrt(sum / whole) : NAN;
}

/* Mean over the groups of their averages' difference from the average of all. */
static enum atm_status vary(const struct atoms *atoms, struct lesson *lesson, const int *group,
                            int groups, const struct atm_psf_image *all, double *variation,
                            struct atm_err *err) {
    double sum = 0, used = 0;
    enum atm_status status = ATM_OK;
    for (int g = 0; g < groups && !status; g++) {
        struct atm_psf_image own = {0};
        double members = 0;
        for (ptrdiff_t i = 0; i < atoms->count; i++)
            members += group[i] == g;
        if (members < GROUP_LEAST)
            continue;
        status = average(atoms, lesson, group, g, &own, err);
        double d = status ? 0 : difference(&own, all);
        sum += members * d * d, used += members;
        atm_psf_image_free(&own);
    }
    *variation = used > 0 ? sqrt(sum / used) : NAN;
    return status;
}

static void group_by_brightness(const struct atoms *atoms, size_t *order, int *group) {
    double *masses = &atoms->rows[0].photons;
    size_t n = (size_t)atoms->count;
    gsl_sort_index(order, masses, sizeof *atoms->rows / sizeof *masses, n);
    for (size_t i = 0; i < n; i++)
        group[order[i]] = (int)(i * FIFTHS / n);
}

static int third(double v, double low, double high) {
    int k = (int)(PLACES * (v - low) / fmax(high - low, 1e-9));
    return k < PLACES ? k : PLACES - 1;
}

static void group_by_place(const struct atoms *atoms, int *group) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (ptrdiff_t i = 0; i < atoms->count; i++) {
        low[0] = fmin(low[0], atoms->rows[i].x), high[0] = fmax(high[0], atoms->rows[i].x);
        low[1] = fmin(low[1], atoms->rows[i].y), high[1] = fmax(high[1], atoms->rows[i].y);
    }
    for (ptrdiff_t i = 0; i < atoms->count; i++)
        group[i] = PLACES * third(atoms->rows[i].y, low[1], high[1]) +
                   third(atoms->rows[i].x, low[0], high[0]);
}

static enum atm_status measure_variation(const struct atoms *atoms, struct lesson *lesson,
                                         const struct atm_psf_image *all, struct atm_atom_psf *psf,
                                         struct atm_err *err) {
    int *group = atm_mem_alloc((size_t)atoms->count, sizeof *group);
    size_t *order = atm_mem_alloc((size_t)atoms->count, sizeof *order);
    enum atm_status status = group && order ? ATM_OK : atm_err_memory(err, "the average atom");
    if (!status) {
        group_by_brightness(atoms, order, group);
        status = vary(atoms, lesson, group, FIFTHS, all, &psf->by_brightness, err);
    }
    if (!status) {
        group_by_place(atoms, group);
        status = vary(atoms, lesson, group, PLACES * PLACES, all, &psf->by_position, err);
    }
    atm_mem_free(group);
    atm_mem_free(order);
    return status;
}

enum atm_status atm_model_psf(const struct atm_model *model, struct atm_atom_psf *psf,
                              struct atm_err *err) {
    struct atoms atoms = {0};
    struct lesson lesson = {0};
    struct atm_psf_image all = {0};
    *psf = (struct atm_atom_psf){0};
    enum atm_status status = render(model, &atoms, err);
    if (!status)
        status = lesson_create(&atoms, &lesson, err);
    if (!status)
        status = average(&atoms, &lesson, NULL, 0, &all, err);
    if (!status)
        status = measure_variation(&atoms, &lesson, &all, psf, err);
    if (!status)
        status = atm_psf_image_measure(&all, &psf->measures, err);
    if (!status) {
        const struct atm_psf_resampling how = {psf->measures.x, psf->measures.y, lesson.half,
                                               OVERSAMPLING};
        status = atm_psf_image_resample(&all, &how, &psf->image, err);
    }
    if (!status)
        status = atm_psf_image_measure(&psf->image, &psf->measures, err);
    psf->atoms = atoms.count;
    if (status)
        atm_psf_image_free(&psf->image);
    atm_psf_image_free(&all);
    lesson_free(&lesson);
    atoms_free(&atoms);
    return status;
}
