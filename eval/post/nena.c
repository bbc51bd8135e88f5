#include "nena.h"

#include "grid.h"
#include "mem.h"
#include <gsl/gsl_multimin.h>
#include <math.h>

enum { FEWEST = 200, ITERATIONS = 4000 };
/* How far to look, in median precisions; 8 are beyond five standard deviations of the difference.
 */
static const double REACH_PRECISIONS = 8, DEFAULT_PRECISION_PX = 0.2;

/* ---- counting ---- */

/* Distance to the nearest of rows first .. end - 1, INFINITY beyond the reach. */
static double nearest(const struct atm_grid *g, double x, double y, double reach, ptrdiff_t first,
                      ptrdiff_t end) {
    const struct atm_grid_window w = atm_grid_around(g, x, y, reach);
    double best = INFINITY;
    for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++)
        for (ptrdiff_t cx = w.cx0; cx <= w.cx1; cx++) {
            const ptrdiff_t cell = cy * g->across + cx;
            ptrdiff_t i = atm_grid_first(g, cell, first);
            for (; i < g->start[cell + 1] && (ptrdiff_t)g->row[i] < end; i++)
                best = fmin(best, hypot(g->x[i] - x, g->y[i] - y));
        }
    return best;
}

static void count_neighbours(const struct atm_locs *locs, const struct atm_grid *grid,
                             const ptrdiff_t *first, ptrdiff_t frames, struct atm_nena *nena) {
    const double reach = nena->width * ATM_NENA_BINS;
    for (ptrdiff_t f = 0; f + 1 < frames; f++)
        for (ptrdiff_t i = first[f]; i < first[f + 1]; i++) {
            double distance =
                nearest(grid, locs->x[i], locs->y[i], reach, first[f + 1], first[f + 2]);
            nena->count++;
            if (distance < reach)
                nena->found[(ptrdiff_t)(distance / nena->width)]++;
        }
}

/* ---- fitting ---- */

struct model {
    double s, same, b0, b1; /* px, 1, 1/px, 1/px^2 */
};

/* Probability that nothing is nearer than r. */
static double alone(const struct model *m, double r) {
    double near_self = -expm1(-r * r / (4 * m->s * m->s));
    return (1 - m->same * near_self) * exp(-m->b0 * r - 0.5 * m->b1 * r * r);
}

/* The logarithms, and for the share the logit, are free to take any value. */
static struct model model_of(const gsl_vector *v) {
    return (struct model){exp(gsl_vector_get(v, 0)), 1 / (1 + exp(-gsl_vector_get(v, 1))),
                          exp(gsl_vector_get(v, 2)), exp(gsl_vector_get(v, 3))};
}

static double minus_log_likelihood(const gsl_vector *v, void *context) {
    const struct atm_nena *nena = context;
    const struct model m = model_of(v);
    double sum = 0, before = 1, rest = (double)nena->count;
    for (int b = 0; b < ATM_NENA_BINS; b++) {
        double after = alone(&m, nena->width * (b + 1));
        sum -= nena->found[b] * log(fmax(before - after, 1e-300));
        rest -= nena->found[b];
        before = after;
    }
    return sum - rest * log(fmax(before, 1e-300));
}

static void expect(struct atm_nena *nena, const struct model *m) {
    for (int b = 0; b < ATM_NENA_BINS; b++)
        nena->expected[b] =
            (double)nena->count * (alone(m, nena->width * b) - alone(m, nena->width * (b + 1)));
}

/* Distance of the median of those found: a first guess of s sqrt(4 ln 2). */
static double guess(const struct atm_nena *nena, double found) {
    double sum = 0;
    int b = 0;
    while (b < ATM_NENA_BINS && sum + nena->found[b] < found / 3)
        sum += nena->found[b++];
    return fmax(nena->width, nena->width * b / 1.3);
}

static enum atm_status fit(struct atm_nena *nena, double found, struct atm_err *err) {
    gsl_multimin_fminimizer *minimizer =
        gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, 4);
    gsl_vector *start = gsl_vector_alloc(4), *size = gsl_vector_alloc(4);
    gsl_multimin_function function = {minus_log_likelihood, 4, nena};
    if (!minimizer || !start || !size) {
        gsl_multimin_fminimizer_free(minimizer);
        gsl_vector_free(start);
        gsl_vector_free(size);
        return atm_err_memory(err, "a fit");
    }
    double reach = nena->width * ATM_NENA_BINS;
    gsl_vector_set(start, 0, log(guess(nena, found)));
    gsl_vector_set(start, 1, 0);
    gsl_vector_set(start, 2, log(0.05 / reach));
    gsl_vector_set(start, 3, log(0.1 / (reach * reach)));
    gsl_vector_set_all(size, 0.7);
    int status = gsl_multimin_fminimizer_set(minimizer, &function, start, size);
    for (int n = 0; n < ITERATIONS && !status; n++) {
        status = gsl_multimin_fminimizer_iterate(minimizer);
        if (gsl_multimin_fminimizer_size(minimizer) < 1e-6)
            break;
    }
    const struct model m = model_of(minimizer->x);
    nena->precision = m.s;
    nena->same = m.same;
    expect(nena, &m);
    gsl_multimin_fminimizer_free(minimizer);
    gsl_vector_free(start);
    gsl_vector_free(size);
    return ATM_OK;
}

/* ---- together ---- */

static enum atm_status measure(const struct atm_locs *locs, double reach, struct atm_nena *nena,
                               struct atm_err *err) {
    struct atm_grid grid = {.start = NULL};
    ptrdiff_t frames = 0, *first = NULL;
    enum atm_status status = atm_locs_frames(locs, &frames, err);
    if (status == ATM_OK)
        status = atm_locs_index(locs, frames, &first, err);
    if (status == ATM_OK)
        status = atm_grid_init(&grid, locs->x, locs->y, locs->count, reach, err);
    if (status == ATM_OK) {
        *nena = (struct atm_nena){.width = reach / ATM_NENA_BINS};
        count_neighbours(locs, &grid, first, frames, nena);
    }
    atm_grid_free(&grid);
    atm_mem_free(first);
    return status;
}

enum atm_status atm_nena_estimate(const struct atm_locs *locs, struct atm_nena *nena,
                                  struct atm_err *err) {
    double precision, found = 0;
    enum atm_status status = atm_locs_median(locs, ATM_LOCS_PRECISION, &precision, err);
    if (status != ATM_OK)
        return status;
    status = measure(locs, REACH_PRECISIONS * (precision > 0 ? precision : DEFAULT_PRECISION_PX),
                     nena, err);
    if (status != ATM_OK)
        return status;
    for (int b = 0; b < ATM_NENA_BINS; b++)
        found += nena->found[b];
    if (found < FEWEST)
        return atm_err_set(err, ATM_FAIL,
                           "only %.0f localizations have a neighbour in the next frame, and %d are "
                           "needed; do not link blinks before",
                           found, FEWEST);
    return fit(nena, found, err);
}
