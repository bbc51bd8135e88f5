#include "psf_solve.h"
#include "mem.h"
#include "psf_spline.h"

#include <gsl/gsl_cblas.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TAPS = ATM_SPLINE_TAPS, RIM = 3, ITERATIONS = 150, LINE_MOST = 4096 };
static const double ENOUGH = 1e-4; /* of the first gradient */

/* ---- One emitter on the grid ---- */

/* Along one axis: pixels first to last (none where last < first), and for the first of them its
 * first coefficient; pixels are `step` coefficients apart and share their weights. */
struct reach {
    ptrdiff_t first, last, coefficient;
    double weight[TAPS];
};

static struct reach reach_of(const struct atm_psf_image *psf, double centre, ptrdiff_t pixels) {
    double q = (double)psf->oversampling, middle = 0.5 * (double)(psf->size - 1);
    double span = (middle - 2) / q, slope[TAPS];
    struct reach r = {.first = (ptrdiff_t)fmax(ceil(centre - span), 0),
                      .last = (ptrdiff_t)fmin(floor(centre + span), (double)pixels - 1)};
    double u = q * ((double)r.first - centre) + middle;
    r.coefficient = (ptrdiff_t)floor(u) - 1;
    atm_spline_weights(u - floor(u), r.weight, slope);
    return r;
}

struct spot_reach {
    struct reach x, y;
};

static bool find_reach(const struct atm_psf_problem *p, const struct atm_psf_image *psf,
                       const struct atm_loc *row, struct spot_reach *reach) {
    if (!(fabs(row->x) < 1e6 && fabs(row->y) < 1e6))
        return false;
    reach->x = reach_of(psf, row->x, p->width), reach->y = reach_of(psf, row->y, p->height);
    return reach->x.last >= reach->x.first && reach->y.last >= reach->y.first;
}

/* image += photons * PSF of these coefficients */
static void render(const struct atm_psf_problem *p, const struct atm_psf_image *psf,
                   const struct atm_loc *row, const double *coefficients, double *image) {
    double line[LINE_MOST];
    struct spot_reach r;
    if (!find_reach(p, psf, row, &r))
        return;
    ptrdiff_t q = psf->oversampling, n = (r.x.last - r.x.first) * q + TAPS;
    for (ptrdiff_t y = r.y.first; y <= r.y.last; y++) {
        const double *c =
            coefficients + (r.y.coefficient + (y - r.y.first) * q) * psf->size + r.x.coefficient;
        for (ptrdiff_t i = 0; i < n; i++)
            line[i] = row->photons *
                      (r.y.weight[0] * c[i] + r.y.weight[1] * c[psf->size + i] +
                       r.y.weight[2] * c[2 * psf->size + i] + r.y.weight[3] * c[3 * psf->size + i]);
        double *to = image + y * p->width;
        for (ptrdiff_t x = r.x.first; x <= r.x.last; x++) {
            const double *l = line + (x - r.x.first) * q;
            for (int b = 0; b < TAPS; b++)
                to[x] += r.x.weight[b] * l[b];
        }
    }
}

/* The transpose: coefficients += photons * what each gives to the image */
static void gather(const struct atm_psf_problem *p, const struct atm_psf_image *psf,
                   const struct atm_loc *row, const double *image, double *coefficients) {
    double line[LINE_MOST];
    struct spot_reach r;
    if (!find_reach(p, psf, row, &r))
        return;
    ptrdiff_t q = psf->oversampling, n = (r.x.last - r.x.first) * q + TAPS;
    for (ptrdiff_t y = r.y.first; y <= r.y.last; y++) {
        double *c =
            coefficients + (r.y.coefficient + (y - r.y.first) * q) * psf->size + r.x.coefficient;
        const double *from = image + y * p->width;
        memset(line, 0, (size_t)n * sizeof *line);
        for (ptrdiff_t x = r.x.first; x <= r.x.last; x++) {
            double *l = line + (x - r.x.first) * q, value = row->photons * from[x];
            for (int b = 0; b < TAPS; b++)
                l[b] += r.x.weight[b] * value;
        }
        for (int a = 0; a < TAPS; a++)
            for (ptrdiff_t i = 0; i < n; i++)
                c[a * psf->size + i] += r.y.weight[a] * line[i];
    }
}

/* ---- The normal equations ---- */

struct equations {
    const struct atm_psf_problem *problem;
    struct atm_psf_image *psf;
    ptrdiff_t unknowns, pixels;
    bool *free;         /* (unknowns): within the circle */
    double *smoothness; /* (unknowns): precision of the Laplacian */
    double *parts;      /* (frames, unknowns) */
    double *images;     /* (frames, H, W) */
    double *solution, *gradient, *direction, *product, *curved;
};

/* Weights the image in place, its weighted mean taken out: the frame's background takes that. */
static void weigh(const struct atm_psf_frame *frame, ptrdiff_t pixels, double *image) {
    double sum = 0, mean = 0;
    for (ptrdiff_t i = 0; i < pixels; i++)
        sum += (double)frame->weight[i], mean += (double)frame->weight[i] * image[i];
    mean = sum > 0 ? mean / sum : 0;
    for (ptrdiff_t i = 0; i < pixels; i++)
        image[i] = frame->weight[i] > 0 ? (double)frame->weight[i] * (image[i] - mean) : 0;
}

/* What one frame's data say: of the rest where coefficients is NULL, else of their image. */
static void project(struct equations *e, ptrdiff_t t, const double *coefficients) {
    const struct atm_psf_problem *p = e->problem;
    const struct atm_psf_frame *frame = &p->frames[t];
    double *image = e->images + t * e->pixels, *part = e->parts + t * e->unknowns;
    memset(part, 0, (size_t)e->unknowns * sizeof *part);
    for (ptrdiff_t i = 0; i < e->pixels; i++)
        image[i] = coefficients || !(frame->weight[i] > 0) ? 0 : (double)frame->rest[i];
    for (ptrdiff_t i = 0; i < frame->count && coefficients; i++)
        render(p, e->psf, &frame->rows[i], coefficients, image);
    weigh(frame, e->pixels, image);
    for (ptrdiff_t i = 0; i < frame->count; i++)
        gather(p, e->psf, &frame->rows[i], image, part);
}

/* All frames, added in their order. */
static void project_all(struct equations *e, const double *coefficients, double *out) {
#pragma omp parallel for schedule(dynamic)
    for (ptrdiff_t t = 0; t < e->problem->count; t++)
        project(e, t, coefficients);
    memset(out, 0, (size_t)e->unknowns * sizeof *out);
    for (ptrdiff_t t = 0; t < e->problem->count; t++)
        cblas_daxpy((int)e->unknowns, 1, e->parts + t * e->unknowns, 1, out, 1);
    for (ptrdiff_t i = 0; i < e->unknowns; i++)
        out[i] = e->free[i] ? out[i] : 0;
}

/* Discrete Laplacian; what is beyond the grid counts as zero. It is its own transpose. */
static void laplace(const double *in, ptrdiff_t size, double *out) {
    for (ptrdiff_t y = 0; y < size; y++)
        for (ptrdiff_t x = 0; x < size; x++) {
            const double *c = in + y * size + x;
            out[y * size + x] = (x ? c[-1] : 0) + (x < size - 1 ? c[1] : 0) + (y ? c[-size] : 0) +
                                (y < size - 1 ? c[size] : 0) - 4 * c[0];
        }
}

static void multiply(struct equations *e, const double *in, double *out) {
    ptrdiff_t size = e->psf->size;
    project_all(e, in, out);
    laplace(in, size, e->curved);
    for (ptrdiff_t i = 0; i < e->unknowns; i++)
        e->curved[i] *= e->smoothness[i];
    laplace(e->curved, size, e->images); /* scratch of another step */
    for (ptrdiff_t i = 0; i < e->unknowns; i++)
        out[i] += e->free[i] ? e->images[i] : 0;
}

static double dot(const struct equations *e, const double *a, const double *b) {
    return cblas_ddot((int)e->unknowns, a, 1, b, 1);
}

static void solve(struct equations *e) {
    const int n = (int)e->unknowns;
    project_all(e, NULL, e->gradient);
    memcpy(e->direction, e->gradient, (size_t)n * sizeof *e->gradient);
    double square = dot(e, e->gradient, e->gradient), goal = ENOUGH * ENOUGH * square;
    for (int i = 0; i < ITERATIONS && square > goal; i++) {
        multiply(e, e->direction, e->product);
        double curvature = dot(e, e->direction, e->product);
        if (!(curvature > 0))
            break;
        double step = square / curvature, before = square;
        cblas_daxpy(n, step, e->direction, 1, e->solution, 1);
        cblas_daxpy(n, -step, e->product, 1, e->gradient, 1);
        square = dot(e, e->gradient, e->gradient);
        cblas_dscal(n, square / before, e->direction, 1);
        cblas_daxpy(n, 1, e->gradient, 1, e->direction, 1);
    }
}

/* ---- ---- */

static void set_circle(struct equations *e) {
    const struct atm_psf_problem *p = e->problem;
    double middle = 0.5 * (double)(e->psf->size - 1), q = (double)e->psf->oversampling;
    for (ptrdiff_t i = 0; i < e->unknowns; i++) {
        double r = hypot((double)(i % e->psf->size) - middle, (double)(i / e->psf->size) - middle);
        double u = r / (q * p->rough_sigma_px);
        double rough = p->rough * (p->rough_level + exp(-0.5 * u * u));
        e->free[i] = r < middle - RIM;
        e->smoothness[i] = 1 / (rough * rough);
    }
}

static enum atm_status prepare(struct equations *e, struct atm_err *err) {
    size_t n = (size_t)e->unknowns, frames = (size_t)e->problem->count;
    size_t scratch = frames * (size_t)e->pixels > n ? frames * (size_t)e->pixels : n;
    e->free = atm_mem_alloc(n, sizeof *e->free);
    e->parts = atm_mem_alloc(frames * n, sizeof *e->parts);
    e->images = atm_mem_alloc(scratch, sizeof *e->images);
    e->solution = atm_mem_alloc(6 * n, sizeof *e->solution);
    if (!e->free || !e->parts || !e->images || !e->solution)
        return atm_err_memory(err, "the PSF");
    e->gradient = e->solution + n, e->direction = e->gradient + n;
    e->product = e->direction + n, e->curved = e->product + n, e->smoothness = e->curved + n;
    set_circle(e);
    return ATM_OK;
}

/* Samples of the spline with these coefficients, added to the prior's. */
static void add_samples(const struct equations *e) {
    static const double at[3] = {1.0 / 6, 4.0 / 6, 1.0 / 6};
    ptrdiff_t size = e->psf->size;
    for (ptrdiff_t y = 1; y < size - 1; y++)
        for (ptrdiff_t x = 1; x < size - 1; x++) {
            double sum = 0;
            for (int k = 0; k < 9; k++)
                sum += at[k / 3] * at[k % 3] * e->solution[(y + k / 3 - 1) * size + x + k % 3 - 1];
            e->psf->samples[y * size + x] += (float)sum;
        }
}

enum atm_status atm_psf_solve(const struct atm_psf_problem *problem, struct atm_psf_image *psf,
                              struct atm_err *err) {
    struct equations e = {.problem = problem,
                          .psf = psf,
                          .unknowns = psf->size * psf->size,
                          .pixels = problem->height * problem->width};
    if (psf->size < 2 * RIM + 3 || psf->size > LINE_MOST)
        return atm_err_set(err, ATM_FAIL, "a PSF of %td samples a side cannot be measured",
                           psf->size);
    enum atm_status status = prepare(&e, err);
    if (!status) {
        solve(&e);
        add_samples(&e);
    }
    atm_mem_free(e.free);
    atm_mem_free(e.parts);
    atm_mem_free(e.images);
    atm_mem_free(e.solution);
    return status;
}
