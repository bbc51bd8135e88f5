#include "disentangle.h"

#include "mem.h"
#include "neighbours.h"
#include "regression.h"
#include "rng.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

enum {
    LEAST_ROWS = 100,
    MOST_FITTED = 20000,
    MOST_HELD_OUT = 4000,
    MOST_PERMUTED = 1000,
    MOST_DEGREE = 7
};

/* ---- Rows ---- */

/* Evenly spread rows of a range, copied. */
struct sample {
    double *z, *factors; /* owned (count, latent), (count, ATM_FACTORS) */
    ptrdiff_t count, latent;
};

static void sample_free(struct sample *sample) {
    atm_mem_free(sample->z);
    atm_mem_free(sample->factors);
}

static enum atm_status take(const struct atm_factor_rows *rows, ptrdiff_t first, ptrdiff_t count,
                            ptrdiff_t most, struct sample *sample, struct atm_err *err) {
    ptrdiff_t n = count < most ? count : most, d = rows->latent;
    *sample = (struct sample){.count = n, .latent = d};
    sample->z = atm_mem_alloc((size_t)(n * d), sizeof *sample->z);
    sample->factors = atm_mem_alloc((size_t)(n * ATM_FACTORS), sizeof *sample->factors);
    if (!sample->z || !sample->factors)
        return atm_err_memory(err, "codes and factors");
    for (ptrdiff_t i = 0; i < n; i++) {
        ptrdiff_t row = first + i * count / n;
        memcpy(sample->z + i * d, rows->z + row * d, (size_t)d * sizeof *sample->z);
        memcpy(sample->factors + i * ATM_FACTORS, rows->factors + row * ATM_FACTORS,
               ATM_FACTORS * sizeof *sample->factors);
    }
    return ATM_OK;
}

/* ---- Regression ---- */

struct errors {
    double factor[ATM_FACTORS], relative; /* sums of squares; relative: of the amplitude */
};

static struct errors errors_of(const struct sample *sample, const double *predicted) {
    struct errors e = {{0}, 0};
    for (ptrdiff_t i = 0; i < sample->count; i++) {
        const double *v = sample->factors + i * ATM_FACTORS, *p = predicted + i * ATM_FACTORS;
        for (int k = 0; k < ATM_FACTORS; k++)
            e.factor[k] += (p[k] - v[k]) * (p[k] - v[k]);
        e.relative += pow((p[2] - v[2]) / v[2], 2);
    }
    return e;
}

/* What predicting the mean leaves. */
static struct errors spread_of(const struct sample *sample) {
    struct errors e = {{0}, 0};
    for (int k = 0; k < ATM_FACTORS; k++)
        e.factor[k] = gsl_stats_tss(sample->factors + k, ATM_FACTORS, (size_t)sample->count);
    return e;
}

static struct atm_prediction judge(const struct sample *sample, const double *predicted) {
    struct errors e = errors_of(sample, predicted), spread = spread_of(sample);
    double position = e.factor[0] + e.factor[1], n = (double)sample->count;
    return (struct atm_prediction){1 - position / (spread.factor[0] + spread.factor[1]),
                                   1 - e.factor[2] / spread.factor[2], sqrt(position / n),
                                   sqrt(e.relative / n)};
}

static enum atm_status polynomial(const struct atm_regression_rows *fitted,
                                  const struct sample *held_out, int most_degree, int *degree,
                                  double *predicted, struct atm_err *err) {
    struct atm_regression *map = NULL;
    enum atm_status status = atm_regression_fit(fitted, most_degree, &map, err);
    for (ptrdiff_t i = 0; !status && i < held_out->count; i++)
        atm_regression_predict(map, held_out->z + i * held_out->latent,
                               predicted + i * ATM_FACTORS);
    *degree = map ? atm_regression_degree(map) : 0;
    atm_regression_destroy(&map);
    return status;
}

/* ---- DCI: importance by permutation ---- */

/* 1 - entropy of the shares of `count` values that stand `stride` apart, in units of log(count). */
static double concentration(const double *values, ptrdiff_t count, ptrdiff_t stride, double *sum) {
    double entropy = 0;
    *sum = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        *sum += values[i * stride];
    for (ptrdiff_t i = 0; *sum > 0 && i < count; i++) {
        double p = values[i * stride] / *sum;
        entropy -= p > 0 ? p * log(p) : 0;
    }
    return count > 1 ? 1 - entropy / log((double)count) : 1;
}

/* importance (latent, ATM_FACTORS). */
static void fill_dci(const double *importance, ptrdiff_t latent, struct atm_disentangle *d) {
    double total = 0, weighted = 0, completeness = 0, sum;
    for (ptrdiff_t j = 0; j < latent; j++) {
        double c = concentration(importance + j * ATM_FACTORS, ATM_FACTORS, 1, &sum);
        weighted += sum * c, total += sum;
    }
    for (int k = 0; k < ATM_FACTORS; k++)
        completeness += concentration(importance + k, latent, ATM_FACTORS, &sum) / ATM_FACTORS;
    d->dci_disentanglement = total > 0 ? weighted / total : NAN;
    d->dci_completeness = completeness;
}

/* Importance of coordinate j for factor k: by how much shuffling j among the rows raises the
 * squared error of the neighbours' prediction, in units of the factor's variance. */
static enum atm_status permute(const struct atm_neighbours *neighbours, struct sample *sample,
                               uint64_t seed, double *importance, double *predicted,
                               struct atm_err *err) {
    size_t n = (size_t)sample->count, d = (size_t)sample->latent;
    double *column = atm_mem_alloc(2 * n, sizeof *column), *shuffled = column + n;
    if (!column)
        return atm_err_memory(err, "the importance of latents");
    atm_neighbours_predict(neighbours, sample->z, sample->count, predicted);
    struct errors plain = errors_of(sample, predicted), spread = spread_of(sample);
    for (size_t j = 0; j < d; j++) {
        struct atm_rng rng;
        for (size_t i = 0; i < n; i++)
            column[i] = shuffled[i] = sample->z[i * d + j];
        atm_rng_init(&rng, seed, ATM_RNG_EVAL, (uint64_t)j);
        gsl_ran_shuffle(&rng.gsl, shuffled, n, sizeof *shuffled);
        for (size_t i = 0; i < n; i++)
            sample->z[i * d + j] = shuffled[i];
        atm_neighbours_predict(neighbours, sample->z, sample->count, predicted);
        struct errors e = errors_of(sample, predicted);
        for (int k = 0; k < ATM_FACTORS; k++)
            importance[j * ATM_FACTORS + (size_t)k] =
                fmax(e.factor[k] - plain.factor[k], 0) / spread.factor[k];
        for (size_t i = 0; i < n; i++)
            sample->z[i * d + j] = column[i];
    }
    atm_mem_free(column);
    return ATM_OK;
}

static enum atm_status measure_dci(const struct atm_neighbours *neighbours,
                                   const struct atm_factor_rows *rows, uint64_t seed,
                                   double *predicted, struct atm_disentangle *d,
                                   struct atm_err *err) {
    struct sample sample = {0};
    double *importance = atm_mem_alloc((size_t)(rows->latent * ATM_FACTORS), sizeof *importance);
    enum atm_status status =
        importance ? take(rows, rows->train, rows->count - rows->train, MOST_PERMUTED, &sample, err)
                   : atm_err_memory(err, "the importance of latents");
    if (!status)
        status = permute(neighbours, &sample, seed, importance, predicted, err);
    if (!status)
        fill_dci(importance, rows->latent, d);
    sample_free(&sample);
    atm_mem_free(importance);
    return status;
}

/* predicted: room for the rows held out. */
static enum atm_status predict(const struct atm_factor_rows *rows, const struct sample *fitted,
                               const struct sample *held_out, uint64_t seed, double *predicted,
                               struct atm_disentangle *d, struct atm_err *err) {
    const struct atm_regression_rows values = {fitted->z, fitted->factors, fitted->count,
                                               fitted->latent, ATM_FACTORS};
    struct atm_neighbours *neighbours = NULL;
    int one;
    enum atm_status status = polynomial(&values, held_out, 1, &one, predicted, err);
    if (status)
        return status;
    d->linear = judge(held_out, predicted);
    status = polynomial(&values, held_out, MOST_DEGREE, &d->degree, predicted, err);
    if (status)
        return status;
    d->polynomial = judge(held_out, predicted);
    status = atm_neighbours_create(&values, &neighbours, err);
    if (status)
        return status;
    atm_neighbours_predict(neighbours, held_out->z, held_out->count, predicted);
    d->neighbours = judge(held_out, predicted);
    struct errors e = errors_of(held_out, predicted), spread = spread_of(held_out);
    d->dci_informativeness = 0;
    for (int k = 0; k < ATM_FACTORS; k++)
        d->dci_informativeness += (1 - e.factor[k] / spread.factor[k]) / ATM_FACTORS;
    status = measure_dci(neighbours, rows, seed, predicted, d, err);
    atm_neighbours_destroy(&neighbours);
    return status;
}

static enum atm_status regress(const struct atm_factor_rows *rows, uint64_t seed,
                               struct atm_disentangle *d, struct atm_err *err) {
    struct sample fitted = {0}, held_out = {0};
    double *predicted = NULL;
    enum atm_status status = take(rows, 0, rows->train, MOST_FITTED, &fitted, err);
    if (!status)
        status = take(rows, rows->train, rows->count - rows->train, MOST_HELD_OUT, &held_out, err);
    d->held_out = held_out.count;
    if (!status) {
        predicted = atm_mem_alloc((size_t)(held_out.count * ATM_FACTORS), sizeof *predicted);
        status = predicted ? predict(rows, &fitted, &held_out, seed, predicted, d, err)
                           : atm_err_memory(err, "predictions");
    }
    sample_free(&fitted);
    sample_free(&held_out);
    atm_mem_free(predicted);
    return status;
}

/* ---- MIG and SAP ---- */

enum atm_status atm_factor_bins(const double *values, ptrdiff_t stride, ptrdiff_t count,
                                uint8_t *bins, struct atm_err *err) {
    size_t *order = atm_mem_alloc((size_t)count, sizeof *order);
    double *column = atm_mem_alloc((size_t)count, sizeof *column);
    if (order && column) {
        for (ptrdiff_t i = 0; i < count; i++)
            column[i] = values[i * stride];
        gsl_sort_index(order, column, 1, (size_t)count);
        for (ptrdiff_t i = 0; i < count; i++)
            bins[order[i]] = (uint8_t)(i * ATM_FACTOR_BINS / count);
    }
    enum atm_status status = order && column ? ATM_OK : atm_err_memory(err, "mutual information");
    atm_mem_free(order);
    atm_mem_free(column);
    return status;
}

double atm_mutual_information(const uint8_t *a, const uint8_t *b, ptrdiff_t count) {
    double joint[ATM_FACTOR_BINS][ATM_FACTOR_BINS] = {{0}}, nats = 0;
    double of_a[ATM_FACTOR_BINS] = {0}, of_b[ATM_FACTOR_BINS] = {0}, one = 1 / (double)count;
    for (ptrdiff_t i = 0; i < count; i++)
        joint[a[i]][b[i]] += one, of_a[a[i]] += one, of_b[b[i]] += one;
    for (int i = 0; i < ATM_FACTOR_BINS; i++)
        for (int j = 0; j < ATM_FACTOR_BINS; j++)
            nats += joint[i][j] > 0 ? joint[i][j] * log(joint[i][j] / (of_a[i] * of_b[j])) : 0;
    return nats;
}

struct top_two {
    double first, second;
};

static void rank(struct top_two *top, double value) {
    if (value > top->first)
        top->second = top->first, top->first = value;
    else if (value > top->second)
        top->second = value;
}

static double squared_correlation(const struct atm_factor_rows *rows, ptrdiff_t j, int k) {
    double r = gsl_stats_correlation(rows->z + j, (size_t)rows->latent, rows->factors + k,
                                     ATM_FACTORS, (size_t)rows->count);
    return isfinite(r) ? r * r : 0; /* a dead coordinate */
}

/* Of one factor, over all rows: nothing is fitted. code: bins of one coordinate after the other. */
static void fill_gaps(const struct atm_factor_rows *rows, int k, const uint8_t *factor,
                      const uint8_t *code, struct atm_disentangle *d) {
    struct top_two information = {0, 0}, linear = {0, 0};
    for (ptrdiff_t j = 0; j < rows->latent; j++) {
        rank(&information, atm_mutual_information(code + j * rows->count, factor, rows->count));
        rank(&linear, squared_correlation(rows, j, k));
    }
    double entropy = atm_mutual_information(factor, factor, rows->count);
    d->mig_factor[k] = (information.first - information.second) / entropy;
    d->sap_factor[k] = linear.first - linear.second;
    d->mig += d->mig_factor[k] / ATM_FACTORS;
    d->sap += d->sap_factor[k] / ATM_FACTORS;
}

static enum atm_status compare(const struct atm_factor_rows *rows, struct atm_disentangle *d,
                               struct atm_err *err) {
    size_t n = (size_t)rows->count;
    uint8_t *code = atm_mem_alloc(n * ((size_t)rows->latent + 1), sizeof *code);
    if (!code)
        return atm_err_memory(err, "mutual information");
    uint8_t *factor = code + rows->latent * rows->count;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t j = 0; !status && j < rows->latent; j++)
        status =
            atm_factor_bins(rows->z + j, rows->latent, rows->count, code + j * rows->count, err);
    d->mig = d->sap = 0;
    for (int k = 0; !status && k < ATM_FACTORS; k++) {
        status = atm_factor_bins(rows->factors + k, ATM_FACTORS, rows->count, factor, err);
        if (!status)
            fill_gaps(rows, k, factor, code, d);
    }
    atm_mem_free(code);
    return status;
}

enum atm_status atm_disentangle_measure(const struct atm_factor_rows *rows, uint64_t seed,
                                        struct atm_disentangle *d, struct atm_err *err) {
    const struct atm_prediction none = {NAN, NAN, NAN, NAN};
    *d = (struct atm_disentangle){
        0, none, none, none, 0, NAN, {NAN, NAN, NAN}, NAN, {NAN, NAN, NAN}, NAN, NAN, NAN};
    if (rows->train < LEAST_ROWS || rows->count - rows->train < LEAST_ROWS)
        return ATM_OK;
    enum atm_status status = regress(rows, seed, d, err);
    return status ? status : compare(rows, d, err);
}
