/* Drift by redundant cross-correlation (Wang et al. 2014, doi:10.1364/OE.22.015982): all pairs of
 * segments are correlated, and the drifts are those that explain the pairs best, however wrong some
 * of them are. */
#include "drift_private.h"

#include "correlate.h"
#include "mem.h"
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

enum { MOST_MAP = 1100, REWEIGHTINGS = 12 };

struct pair {
    ptrdiff_t a, b;
    double dx, dy, weight;
};

struct rcc {
    const struct atm_drift_moved *moved;
    struct atm_drift_cut *cut;
    struct atm_drift_map map;
    struct atm_correlator *correlator;
    float complex *spectra; /* owned (segments, bins) */
    struct pair *pairs;     /* owned */
    ptrdiff_t pair_count;
};

/* ---- measuring ---- */

static enum atm_status transform_all(struct rcc *r, struct atm_err *err) {
    const size_t bins = atm_correlator_bins(r->correlator);
    float *padded = atm_mem_alloc(atm_correlator_pixels(r->correlator), sizeof *padded);
    r->spectra = atm_mem_alloc((size_t)r->cut->count * bins, sizeof *r->spectra);
    if (!padded || !r->spectra) {
        atm_mem_free(padded);
        return atm_err_memory(err, "the spectra of the segments");
    }
    for (ptrdiff_t k = 0; k < r->cut->count; k++) {
        struct atm_drift_segment *s = &r->cut->segments[k];
        const ptrdiff_t *first = r->moved->points->first;
        s->known = first[s->end] > first[s->first];
        atm_drift_map_clear(&r->map);
        atm_drift_map_add(&r->map, r->moved, first[s->first], first[s->end], 0, 0, 1);
        atm_correlator_transform(r->correlator, r->map.image, padded,
                                 r->spectra + (size_t)k * bins);
    }
    atm_mem_free(padded);
    return ATM_OK;
}

static enum atm_status list_pairs(struct rcc *r, struct atm_err *err) {
    const ptrdiff_t n = r->cut->count;
    r->pairs = atm_mem_alloc((size_t)(n * (n - 1) / 2), sizeof *r->pairs);
    if (!r->pairs)
        return atm_err_memory(err, "the pairs of segments");
    for (ptrdiff_t a = 0; a < n; a++)
        for (ptrdiff_t b = a + 1; b < n; b++)
            if (r->cut->segments[a].known && r->cut->segments[b].known)
                r->pairs[r->pair_count++] = (struct pair){a, b, 0, 0, 1};
    return ATM_OK;
}

static enum atm_status measure_pairs(struct rcc *r, struct atm_err *err) {
    const size_t bins = atm_correlator_bins(r->correlator);
    bool failed = false;
#pragma omp parallel
    {
        float complex *product = atm_mem_alloc(bins, sizeof *product);
        float *padded = atm_mem_alloc(atm_correlator_pixels(r->correlator), sizeof *padded);
        bool good = product && padded;
#pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < r->pair_count; i++) {
            struct pair *pair = &r->pairs[i];
            if (!good)
                continue;
            struct atm_correlator_peak peak =
                atm_correlator_meet(r->correlator, r->spectra + (size_t)pair->a * bins,
                                    r->spectra + (size_t)pair->b * bins, product, padded);
            pair->dx = peak.dx * r->map.pixel;
            pair->dy = peak.dy * r->map.pixel;
        }
#pragma omp critical
        failed = failed || !good;
        atm_mem_free(product);
        atm_mem_free(padded);
    }
    return failed ? atm_err_memory(err, "correlating segments") : ATM_OK;
}

/* ---- inversion ---- */

static double residual(const struct rcc *r, const struct pair *pair) {
    const struct atm_drift_segment *a = &r->cut->segments[pair->a], *b = &r->cut->segments[pair->b];
    return hypot(b->x - a->x - pair->dx, b->y - a->y - pair->dy);
}

/* Weighted least squares: for each segment, the sum over its pairs of w (d_b - d_a - measured) is
 * 0; the mean of all drifts is held at 0. */
static void set_up(const struct rcc *r, gsl_matrix *matrix, gsl_vector *x, gsl_vector *y) {
    gsl_matrix_set_all(matrix, 1e-3 / (double)r->cut->count);
    gsl_vector_set_zero(x);
    gsl_vector_set_zero(y);
    for (ptrdiff_t i = 0; i < r->pair_count; i++) {
        const struct pair *p = &r->pairs[i];
        const size_t a = (size_t)p->a, b = (size_t)p->b;
        *gsl_matrix_ptr(matrix, a, a) += p->weight;
        *gsl_matrix_ptr(matrix, b, b) += p->weight;
        *gsl_matrix_ptr(matrix, a, b) -= p->weight;
        *gsl_matrix_ptr(matrix, b, a) -= p->weight;
        *gsl_vector_ptr(x, b) += p->weight * p->dx;
        *gsl_vector_ptr(x, a) -= p->weight * p->dx;
        *gsl_vector_ptr(y, b) += p->weight * p->dy;
        *gsl_vector_ptr(y, a) -= p->weight * p->dy;
    }
    for (size_t k = 0; k < matrix->size1; k++) /* segments without localizations */
        if (!r->cut->segments[k].known)
            *gsl_matrix_ptr(matrix, k, k) += 1;
}

/* Cauchy weights with the median residual as scale, which no minority of wrong pairs can move. */
static void reweight(const struct rcc *r, double *residuals) {
    for (ptrdiff_t i = 0; i < r->pair_count; i++)
        residuals[i] = residual(r, &r->pairs[i]);
    double scale = gsl_stats_median(residuals, 1, (size_t)r->pair_count);
    scale = fmax(2 * scale, 1e-3 * r->map.pixel);
    for (ptrdiff_t i = 0; i < r->pair_count; i++) {
        double ratio = residual(r, &r->pairs[i]) / scale;
        r->pairs[i].weight = 1 / (1 + ratio * ratio);
    }
}

static enum atm_status invert(struct rcc *r, struct atm_err *err) {
    const size_t n = (size_t)r->cut->count;
    gsl_matrix *matrix = gsl_matrix_alloc(n, n);
    gsl_vector *x = gsl_vector_alloc(n), *y = gsl_vector_alloc(n);
    double *residuals = atm_mem_alloc((size_t)r->pair_count, sizeof *residuals);
    bool good = matrix && x && y && residuals;
    for (int n_th = 0; n_th < REWEIGHTINGS && good; n_th++) {
        set_up(r, matrix, x, y);
        good = !gsl_linalg_cholesky_decomp1(matrix) && !gsl_linalg_cholesky_svx(matrix, x) &&
               !gsl_linalg_cholesky_svx(matrix, y);
        for (size_t k = 0; k < n && good; k++) {
            r->cut->segments[k].x = gsl_vector_get(x, k);
            r->cut->segments[k].y = gsl_vector_get(y, k);
        }
        if (good)
            reweight(r, residuals);
    }
    gsl_matrix_free(matrix);
    gsl_vector_free(x);
    gsl_vector_free(y);
    atm_mem_free(residuals);
    return good ? ATM_OK : atm_err_memory(err, "the drift of the segments");
}

enum atm_status atm_drift_rcc(const struct atm_drift_moved *moved,
                              const struct atm_drift_options *options, struct atm_drift_cut *cut,
                              struct atm_err *err) {
    struct rcc r = {.moved = moved, .cut = cut};
    enum atm_status status =
        atm_drift_map_init(&r.map, moved, options->pixel, 2 * options->pixel, MOST_MAP, err);
    if (status == ATM_OK)
        status = atm_correlator_create(r.map.height, r.map.width,
                                       (ptrdiff_t)(options->range / r.map.pixel) + 1, &r.correlator,
                                       err);
    if (status == ATM_OK)
        status = transform_all(&r, err);
    if (status == ATM_OK)
        status = list_pairs(&r, err);
    if (status == ATM_OK)
        status = measure_pairs(&r, err);
    if (status == ATM_OK && r.pair_count)
        status = invert(&r, err);
    atm_drift_map_free(&r.map);
    atm_correlator_destroy(&r.correlator);
    atm_mem_free(r.spectra);
    atm_mem_free(r.pairs);
    return status;
}
