/* What the data say about themselves: PSF sigma, and brightness and density of the emitters. */
#include "mem.h"
#include "psf_spline.h"
#include "refine_private.h"

#include <gsl/gsl_multimin.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <omp.h>
#include <string.h>

/* So many emitters tell sigma and brightness well enough (sigma to half a per cent); frames beyond
 * are skipped, evenly. */
enum { EMITTERS_ENOUGH = 600 };

static ptrdiff_t stride_of(const struct atm_refine_input *inputs, ptrdiff_t count) {
    ptrdiff_t seeds = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        seeds += inputs[i].seed_count;
    return seeds > EMITTERS_ENOUGH ? (seeds + EMITTERS_ENOUGH - 1) / EMITTERS_ENOUGH : 1;
}

/* Refine every stride-th frame; the frame field of a row is the index of its input. */
static enum atm_status refine_all(struct atm_refine *refine, const struct atm_refine_input *inputs,
                                  ptrdiff_t count, ptrdiff_t stride, double sigma_px,
                                  const struct atm_refine_population *population,
                                  struct atm_table *out, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    out->count = 0;
    for (ptrdiff_t i = 0; i < count && !status; i += stride) {
        struct atm_refine_input input = inputs[i];
        input.sigma_px = sigma_px, input.frame = i;
        input.population = *population;
        status = atm_refine_frame(refine, &input, out, err);
    }
    return status;
}

/* ---- sigma ---- */

struct sigma_problem {
    struct atm_refine *refine;
    const struct atm_refine_input *inputs;
    const struct atm_table *table; /* emitters at the last sigma, by frame */
    struct atm_refine_population population;
    ptrdiff_t count, stride;
    enum atm_status status;
    struct atm_err *err;
};

/* So many parameters are refitted that the deviance alone prefers a sigma 1 to 2 % too small at 5
 * emitters per square micron, which then invites more emitters. The adjustment of Cox and Reid
 * (1987), half the log determinant of the information about them (with photons per sigma, which is
 * what sigma leaves alone in front of a background), is exact for isolated emitters only: near ones
 * have an information that falls with the fourth power of sigma over their distance, and all of it
 * would make sigma 1 to 4 % too large. Half of it was within 1 % on simulated movies of 1 to 6
 * emitters per square micron. */
static const double ADJUSTMENT = 0.5;
enum { WALK = 12 };
static const double FIRST_RATIO = 1.12, LATER_RATIO = 1.03; /* steps of sigma */

/* Deviance of all frames at a sigma, positions and photons refitted, so adjusted. */
static double deviance_at(double sigma_px, void *context) {
    struct sigma_problem *p = context;
    double sum = 0;
    ptrdiff_t next = 0;
    for (ptrdiff_t i = 0; i < p->count && !p->status; i += p->stride) {
        struct atm_refine_input input = p->inputs[i];
        input.sigma_px = sigma_px, input.population = p->population;
        input.seeds = p->table->rows + next;
        for (input.seed_count = 0; next < p->table->count && p->table->rows[next].frame == i;
             next++)
            input.seed_count++;
        /* always the areas of the starting sigma, so that the same pixels are summed */
        double area_sigma = p->inputs[0].sigma_px;
        ptrdiff_t areas = input.seed_count ? atm_refine_area_count(p->refine, area_sigma) : 0;
#pragma omp parallel for ordered schedule(dynamic) num_threads(p->refine->threads)
        for (ptrdiff_t k = 0; k < areas; k++) {
            struct atm_refine_worker *worker = &p->refine->workers[omp_get_thread_num()];
            struct atm_refine_area area = atm_refine_area(p->refine, area_sigma, k);
            struct atm_err own = {0};
            enum atm_status status = atm_refine_load(worker, &input, &area, 0, &own);
            if (!status)
                status = atm_tile_fit(&worker->tile, 0.05, 15, &own);
            const struct atm_fit *fit = &worker->tile.fit;
#pragma omp ordered
            {
                if (!status && fit->determined)
                    sum += fit->objective + ADJUSTMENT * (atm_envelope_log_det(&fit->factor) +
                                                          2 * (double)fit->count * log(sigma_px));
                atm_err_first(&p->status, p->err, status, &own);
            }
        }
    }
    return sum;
}

/* Minimum of the deviance around *sigma_px: walk by the ratio until three points bracket it, then
 * take the parabola through them in log sigma. */
static enum atm_status minimise(struct sigma_problem *p, double ratio, double *sigma_px) {
    double low = *sigma_px / ratio, mid = *sigma_px, high = *sigma_px * ratio;
    double at_low = deviance_at(low, p), at_mid = deviance_at(mid, p),
           at_high = deviance_at(high, p);
    for (int i = 0; i < WALK && at_low < at_mid && low > 0.3; i++) {
        high = mid, at_high = at_mid, mid = low, at_mid = at_low;
        at_low = deviance_at(low /= ratio, p);
    }
    for (int i = 0; i < WALK && at_high < at_mid && high < 20; i++) {
        low = mid, at_low = at_mid, mid = high, at_mid = at_high;
        at_high = deviance_at(high *= ratio, p);
    }
    const double fall = at_low - at_mid, rise = at_high - at_mid;
    *sigma_px = mid;
    if (fall > 0 && rise > 0) /* else at the end of the range, or flat: no emitters */
        *sigma_px *= pow(ratio, 0.5 * (fall - rise) / (fall + rise));
    return p->status;
}

/* ---- population ---- */

enum { POPULATION_LEAST = 30, EVALUATIONS = 400 };
static const double KNOWN_TO = 0.3; /* relative error of photons above which a row says little */
/* Two taken for one: twice as bright when they coincide, less when the fit follows only the
 * brighter. */
static const double PAIR_SHIFT = 0.6, PAIR_SD = 0.35;
/* Pairs abound before anything is known. Later they are rare, and the brighter half of a wide
 * population must not pass for them: the rest would look dimmer, be split more, and look dimmer
 * still. */
static const double PAIRS_FIRST = 0.8, PAIRS_LATER = 0.1;
static const double LEAST_SD = 0.03;                 /* no brightness is better known than this */
static const double CROWD_SIGMAS = 3, CROWDED = 0.5; /* a share of the emitters */

struct brightness {
    double *logs, *variances; /* of log photons, and of its error */
    ptrdiff_t count;
    double pairs_most; /* share of unresolved pairs that is believed */
    double anchor;     /* E[A^3] / E[A^2], or NAN: the mean is free */
};

/* Log mean of a log-normal with that anchor. */
static double anchored(double anchor, double log_sd) { return log(anchor) - 2.5 * log_sd * log_sd; }

static double bell(double d, double variance) {
    return exp(-0.5 * d * d / variance) / sqrt(2 * M_PI * variance);
}

/* Shares of dim emitters and unresolved pairs; the rest, at least a fifth, is the main part. */
static void shares_of(const gsl_vector *v, double pairs_most, double *dim, double *pairs) {
    double a = exp(gsl_vector_get(v, 2)), b = exp(gsl_vector_get(v, 3));
    *dim = 0.8 * a / (1 + a + b), *pairs = pairs_most * b / (1 + a + b);
}

/* Minus log-likelihood of (mean, log sd, log odds of dim ones and of pairs). */
static double surprise(const gsl_vector *v, void *context) {
    const struct brightness *b = context;
    double mean = gsl_vector_get(v, 0), sd = exp(gsl_vector_get(v, 1)) + LEAST_SD;
    double dim, pairs, sum = 0, pair_sd = fmax(PAIR_SD, sd);
    if (b->anchor > 0)
        mean = anchored(b->anchor, sd);
    shares_of(v, b->pairs_most, &dim, &pairs);
    for (ptrdiff_t i = 0; i < b->count; i++) {
        double d = b->logs[i] - mean, own = b->variances[i];
        sum += log((1 - dim - pairs) * bell(d, sd * sd + own) +
                   dim * exp(atm_brightness_dim(d, sqrt(sd * sd + own), NULL, NULL)) +
                   pairs * bell(d - PAIR_SHIFT, pair_sd * pair_sd + own) + 1e-300);
    }
    return -sum;
}

/* Descend from one start; keep the result when it is the best so far. */
static void descend(gsl_multimin_fminimizer *m, struct brightness *b, double mean, double sd,
                    double *best, struct atm_refine_population *population) {
    double values[4] = {mean, log(sd), -2, -2}, steps[4] = {0.2, 0.2, 0.2, 0.2}, pairs;
    gsl_vector_view start = gsl_vector_view_array(values, 4);
    gsl_vector_view step = gsl_vector_view_array(steps, 4);
    gsl_multimin_function f = {surprise, 4, b};
    gsl_multimin_fminimizer_set(m, &f, &start.vector, &step.vector);
    for (int i = 0; i < EVALUATIONS && gsl_multimin_fminimizer_size(m) > 1e-3; i++)
        gsl_multimin_fminimizer_iterate(m);
    if (!(m->fval < *best))
        return;
    *best = m->fval;
    population->log_mean = gsl_vector_get(m->x, 0);
    population->log_sd = fmin(exp(gsl_vector_get(m->x, 1)) + LEAST_SD, 1.5);
    if (b->anchor > 0)
        population->log_mean = anchored(b->anchor, population->log_sd);
    shares_of(m->x, b->pairs_most, &population->dim_share, &pairs);
}

/* Best of several starts: the first pass leaves pairs that were taken for one, a second mode. */
static enum atm_status fit_population(struct brightness *b,
                                      struct atm_refine_population *population,
                                      struct atm_err *err) {
    gsl_multimin_fminimizer *m =
        gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, 4);
    double *sorted = atm_mem_alloc((size_t)b->count, sizeof *sorted), best = INFINITY;
    if (m && sorted) {
        memcpy(sorted, b->logs, (size_t)b->count * sizeof *sorted);
        gsl_sort(sorted, 1, (size_t)b->count);
        for (int k = 0; k < 6; k++) {
            double mean = gsl_stats_quantile_from_sorted_data(sorted, 1, (size_t)b->count,
                                                              0.25 * (k % 3 + 1));
            descend(m, b, mean, k < 3 ? 0.05 : 0.3, &best, population);
        }
    }
    enum atm_status status = m && sorted ? ATM_OK : atm_err_memory(err, "the population");
    atm_mem_free(sorted);
    gsl_multimin_fminimizer_free(m);
    return status;
}

static enum atm_status learn(const struct atm_table *table, double pixels, double pairs_most,
                             double anchor, struct atm_refine_population *population,
                             struct atm_err *err) {
    struct brightness b = {.pairs_most = pairs_most,
                           .anchor = anchor,
                           .logs = atm_mem_alloc((size_t)table->count, sizeof *b.logs),
                           .variances = atm_mem_alloc((size_t)table->count, sizeof *b.variances)};
    enum atm_status status = b.logs && b.variances ? ATM_OK : atm_err_memory(err, "the population");
    for (ptrdiff_t i = 0; i < table->count && !status; i++) {
        double error = table->rows[i].photons_unc / table->rows[i].photons;
        if (!(error < KNOWN_TO))
            continue;
        b.logs[b.count] = log(table->rows[i].photons);
        b.variances[b.count++] = error * error;
    }
    if (!status && b.count >= POPULATION_LEAST) {
        status = fit_population(&b, population, err);
        population->density = (double)table->count / pixels;
    }
    atm_mem_free(b.logs);
    atm_mem_free(b.variances);
    return status;
}

/* Share of the rows, which are in the order of their frames, that have another one within reach. */
static double crowded_share(const struct atm_table *table, double sigma_px) {
    const double reach = CROWD_SIGMAS * sigma_px;
    double near = 0;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *a = &table->rows[i];
        bool found = false;
        for (int way = -1; way <= 1; way += 2)
            for (ptrdiff_t j = i + way; !found && j >= 0 && j < table->count; j += way) {
                const struct atm_loc *b = &table->rows[j];
                if (b->frame != a->frame)
                    break;
                found = hypot(a->x - b->x, a->y - b->y) < reach;
            }
        near += found;
    }
    return table->count ? near / (double)table->count : 0;
}

enum { PASSES = 6 };

/* Emitters, population and, where wanted, sigma in turn: each holds the others back (two emitters
 * taken for one look like a bright one with a wide PSF). */
static enum atm_status learn_all(struct atm_refine *refine, const struct atm_refine_input *inputs,
                                 ptrdiff_t count, bool fit_sigma, double anchor, double *sigma_px,
                                 struct atm_refine_population *population, struct atm_err *err) {
    struct atm_table table;
    ptrdiff_t stride = stride_of(inputs, count), used = (count + stride - 1) / stride;
    double pixels = (double)(refine->height * refine->width) * (double)used;
    enum atm_status status = ATM_OK;
    refine->estimating = true;
    atm_table_init(&table);
    for (int pass = 0; pass < PASSES && !status; pass++) {
        struct atm_refine_population before = *population;
        double sigma = *sigma_px;
        status = refine_all(refine, inputs, count, stride, sigma, population, &table, err);
        if (status || table.count == 0)
            break;
        const bool blends = pass == 0 || anchor > 0;
        status = learn(&table, pixels, blends ? PAIRS_FIRST : PAIRS_LATER, anchor, population, err);
        if (pass == 0) /* unresolved emitters are among these: let it decide gently first */
            population->log_sd = population->log_sd > 0 ? fmax(population->log_sd, 0.25) : 0;
        if (anchor > 0)
            population->log_mean = anchored(anchor, population->log_sd);
        /* held tightly at a mean learned with the old sigma, they would hold sigma too */
        struct atm_refine_population loose = *population;
        loose.log_sd = loose.log_sd > 0 ? fmax(loose.log_sd, 0.1) : 0;
        struct sigma_problem problem = {refine, inputs, &table, loose, count, stride, ATM_OK, err};
        if (fit_sigma && !status)
            status = minimise(&problem, pass == 0 ? FIRST_RATIO : LATER_RATIO, sigma_px);
        bool same = fabs(*sigma_px / sigma - 1) < 0.003 &&
                    fabs(population->log_mean - before.log_mean) < 0.01 &&
                    fabs(population->log_sd - before.log_sd) < 0.02;
        if (pass > 0 && same)
            break;
    }
    refine->estimating = false;
    population->crowded = crowded_share(&table, *sigma_px) > CROWDED;
    atm_table_free(&table);
    return status;
}

enum atm_status atm_refine_estimate_sigma(struct atm_refine *refine,
                                          const struct atm_refine_input *inputs, ptrdiff_t count,
                                          double *sigma_px, struct atm_err *err) {
    if (count < 1)
        return atm_err_set(err, ATM_FAIL, "no frames to estimate the PSF sigma from");
    if (refine->spline) {
        *sigma_px = atm_spline_sigma(refine->spline);
        return ATM_OK;
    }
    struct atm_refine_population population = {0};
    double sigma = inputs[0].sigma_px;
    int wanted = refine->options.population;
    refine->options.population = ATM_REFINE_POPULATION_COUNT;
    enum atm_status status = learn_all(refine, inputs, count, true, NAN, &sigma, &population, err);
    refine->options.population = wanted;
    if (!status)
        *sigma_px = sigma;
    return status;
}

enum atm_status atm_refine_estimate_population(struct atm_refine *refine,
                                               const struct atm_refine_input *inputs,
                                               ptrdiff_t count, double anchor,
                                               struct atm_refine_population *population,
                                               struct atm_err *err) {
    *population = (struct atm_refine_population){0};
    int wanted = refine->options.population;
    if (wanted == ATM_REFINE_POPULATION_NONE || count < 1)
        return ATM_OK;
    double sigma = inputs[0].sigma_px;
    /* photons as the data have them, not drawn to what was learned last */
    refine->options.population = ATM_REFINE_POPULATION_COUNT;
    enum atm_status status =
        learn_all(refine, inputs, count, false, anchor, &sigma, population, err);
    population->told = anchor > 0;
    refine->options.population = wanted;
    return status;
}
