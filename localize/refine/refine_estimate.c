/* What the data say about themselves: PSF sigma, and brightness and density of the emitters. */
#include "refine_private.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_min.h>
#include <gsl/gsl_sort.h>
#include <math.h>

/* Refine all frames; rows go to out, and ends[i] is its count after frame i. */
static enum atm_status refine_all(struct atm_refine *refine, const struct atm_refine_input *inputs,
                                  ptrdiff_t count, double sigma_px,
                                  const struct atm_refine_population *population,
                                  struct atm_table *out, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    out->count = 0;
    for (ptrdiff_t i = 0; i < count && !status; i++) {
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
    ptrdiff_t count;
    enum atm_status status;
    struct atm_err *err;
};

/* Deviance of all frames at a sigma, positions and photons refitted. */
static double deviance_at(double sigma_px, void *context) {
    struct sigma_problem *p = context;
    double sum = 0;
    ptrdiff_t next = 0;
    for (ptrdiff_t i = 0; i < p->count && !p->status; i++) {
        struct atm_refine_input input = p->inputs[i];
        input.sigma_px = sigma_px, input.population = (struct atm_refine_population){0};
        input.seeds = p->table->rows + next;
        for (input.seed_count = 0; next < p->table->count && p->table->rows[next].frame == i;
             next++)
            input.seed_count++;
        /* always the areas of the starting sigma, so that the same pixels are summed */
        double area_sigma = p->inputs[0].sigma_px;
        ptrdiff_t areas = atm_refine_area_count(p->refine, area_sigma);
        for (ptrdiff_t k = 0; k < areas && input.seed_count && !p->status; k++) {
            struct atm_refine_area area = atm_refine_area(p->refine, area_sigma, k);
            p->status = atm_refine_load(p->refine, &input, &area, 0, p->err);
            if (!p->status)
                p->status = atm_tile_fit(&p->refine->tile, 0.01, 15, p->err);
            sum += p->refine->tile.fit.deviance;
        }
    }
    return sum;
}

/* Minimum of the deviance around *sigma_px: walk until it is bracketed, then Brent's method. */
static enum atm_status minimise(struct sigma_problem *p, double *sigma_px) {
    const double ratio = 1.12;
    double low = *sigma_px / ratio, mid = *sigma_px, high = *sigma_px * ratio;
    double at_low = deviance_at(low, p), at_mid = deviance_at(mid, p),
           at_high = deviance_at(high, p);
    for (int i = 0; i < 12 && at_low < at_mid && low > 0.3; i++) {
        high = mid, at_high = at_mid, mid = low, at_mid = at_low;
        at_low = deviance_at(low /= ratio, p);
    }
    for (int i = 0; i < 12 && at_high < at_mid && high < 20; i++) {
        low = mid, at_low = at_mid, mid = high, at_mid = at_high;
        at_high = deviance_at(high *= ratio, p);
    }
    *sigma_px = mid;
    if (p->status || !(at_mid < at_low && at_mid < at_high))
        return p->status; /* at the end of the range, or flat: no emitters */
    gsl_function f = {deviance_at, p};
    gsl_min_fminimizer *m = gsl_min_fminimizer_alloc(gsl_min_fminimizer_brent);
    if (!m)
        return atm_err_memory(p->err, "the search for sigma");
    int code = gsl_min_fminimizer_set_with_values(m, &f, mid, at_mid, low, at_low, high, at_high);
    for (int i = 0; i < 20 && code == GSL_SUCCESS && !p->status; i++) {
        code = gsl_min_fminimizer_iterate(m);
        *sigma_px = gsl_min_fminimizer_x_minimum(m);
        if (gsl_min_fminimizer_x_upper(m) - gsl_min_fminimizer_x_lower(m) < 5e-4 * *sigma_px)
            break;
    }
    gsl_min_fminimizer_free(m);
    return p->status;
}

enum atm_status atm_refine_estimate_sigma(struct atm_refine *refine,
                                          const struct atm_refine_input *inputs, ptrdiff_t count,
                                          double *sigma_px, struct atm_err *err) {
    const struct atm_refine_population unknown = {0};
    struct atm_table table;
    enum atm_status status = ATM_OK;
    if (count < 1)
        return atm_err_set(err, ATM_FAIL, "no frames to estimate the PSF sigma from");
    atm_table_init(&table);
    double sigma = inputs[0].sigma_px;
    /* a wrong sigma leads to wrong numbers of emitters, which hold the next sigma back: repeat */
    for (int pass = 0; pass < 4 && !status; pass++) {
        double before = sigma;
        status = refine_all(refine, inputs, count, sigma, &unknown, &table, err);
        if (status || table.count == 0)
            break;
        struct sigma_problem problem = {refine, inputs, &table, count, ATM_OK, err};
        status = minimise(&problem, &sigma);
        if (fabs(sigma / before - 1) < 0.004)
            break;
    }
    if (!status)
        *sigma_px = sigma;
    atm_table_free(&table);
    return status;
}

/* ---- population ---- */

enum { POPULATION_PASSES = 3, POPULATION_LEAST = 30 };
static const double KNOWN_TO =
    0.3; /* relative error of the photons above which a row says little */
static const double OUTLIERS = 0.15, OUTLIER_LOG_SD = 1.5; /* merged, split and false emitters */
static const double LEAST_SD = 0.03; /* no brightness is better known than this */

/* Log-likelihood of the rows' log photons: normal about mean with variance sd^2 + own^2, or an
 * outlier. */
static double population_likelihood(const struct atm_table *table, double mean, double sd) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *loc = &table->rows[i];
        double own = loc->photons_unc / loc->photons, d = log(loc->photons) - mean;
        if (!(own < KNOWN_TO))
            continue;
        double narrow = sd * sd + own * own;
        double wide = narrow + OUTLIER_LOG_SD * OUTLIER_LOG_SD;
        sum += log((1 - OUTLIERS) * exp(-0.5 * d * d / narrow) / sqrt(narrow) +
                   OUTLIERS * exp(-0.5 * d * d / wide) / sqrt(wide));
    }
    return sum;
}

/* Maximum over a grid that is refined around the best point: two parameters, many local maxima. */
static void fit_population(const struct atm_table *table, double low, double high,
                           struct atm_refine_population *population) {
    double mean = 0.5 * (low + high), sd = 0.3, mean_reach = 0.5 * (high - low), sd_reach = log(10);
    double best = -INFINITY;
    for (int level = 0; level < 12; level++) {
        double centre = mean, middle = sd;
        for (int i = -10; i <= 10; i++)
            for (int j = -5; j <= 5; j++) {
                double m = centre + mean_reach * i / 10;
                double s = fmin(fmax(middle * exp(sd_reach * j / 5), LEAST_SD), 1.5);
                double value = population_likelihood(table, m, s);
                if (value > best)
                    best = value, mean = m, sd = s;
            }
        mean_reach *= 0.4, sd_reach *= 0.5;
    }
    population->log_mean = mean, population->log_sd = sd;
}

static bool learn(const struct atm_table *table, double pixels,
                  struct atm_refine_population *population) {
    ptrdiff_t known = 0;
    double low = INFINITY, high = -INFINITY;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *loc = &table->rows[i];
        if (!(loc->photons_unc / loc->photons < KNOWN_TO))
            continue;
        low = fmin(low, log(loc->photons)), high = fmax(high, log(loc->photons));
        known++;
    }
    if (known < POPULATION_LEAST)
        return false;
    fit_population(table, low, high, population);
    population->density = (double)table->count / pixels;
    return true;
}

enum atm_status atm_refine_estimate_population(struct atm_refine *refine,
                                               const struct atm_refine_input *inputs,
                                               ptrdiff_t count,
                                               struct atm_refine_population *population,
                                               struct atm_err *err) {
    *population = (struct atm_refine_population){0};
    int wanted = refine->options.population;
    if (wanted == ATM_REFINE_POPULATION_NONE || count < 1)
        return ATM_OK;
    /* photons as the data have them, not drawn to what was learned last */
    refine->options.population = ATM_REFINE_POPULATION_COUNT;
    struct atm_table table;
    atm_table_init(&table);
    double pixels = (double)(refine->height * refine->width) * (double)count;
    enum atm_status status = ATM_OK;
    for (int pass = 0; pass < POPULATION_PASSES && !status; pass++) {
        status = refine_all(refine, inputs, count, inputs[0].sigma_px, population, &table, err);
        if (status || !learn(&table, pixels, population))
            break;
        if (pass == 0) /* of unresolved emitters, too: let it decide gently first */
            population->log_sd = fmax(population->log_sd, 0.25);
    }
    refine->options.population = wanted;
    atm_table_free(&table);
    return status;
}
