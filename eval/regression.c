#include "regression.h"

#include "mem.h"
#include "polynomial.h"

#include <gsl/gsl_linalg.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { ROWS_PER_TERM = 5 };

/* Of the sum of squares of a term with mean square 1: dead coordinates must not be singular. */
static const double RIDGE = 1e-10;

struct atm_regression {
    ptrdiff_t inputs, outputs;
    int degree, terms;
    double *centre, *scale, *low, *high; /* owned by centre: (inputs) each */
    double *coefficients;                /* owned (outputs, terms) */
};

int atm_regression_degree(const struct atm_regression *r) { return r->degree; }

void atm_regression_destroy(struct atm_regression **regression) {
    if (!*regression)
        return;
    atm_mem_free((*regression)->centre);
    atm_mem_free((*regression)->coefficients);
    atm_mem_free(*regression);
    *regression = NULL;
}

static void expand(const struct atm_regression *r, const double *z, double *terms) {
    double standard[ATM_POLYNOMIAL_TERMS];
    for (ptrdiff_t j = 0; j < r->inputs; j++)
        standard[j] = (fmin(fmax(z[j], r->low[j]), r->high[j]) - r->centre[j]) / r->scale[j];
    atm_polynomial_terms((int)r->inputs, r->degree, standard, terms);
}

void atm_regression_predict(const struct atm_regression *r, const double *z, double *out) {
    double terms[ATM_POLYNOMIAL_TERMS];
    expand(r, z, terms);
    for (ptrdiff_t k = 0; k < r->outputs; k++) {
        out[k] = 0;
        for (int t = 0; t < r->terms; t++)
            out[k] += r->coefficients[k * r->terms + t] * terms[t];
    }
}

/* ---- Fitting one degree ---- */

static bool chooses(ptrdiff_t row) { return row % 5 == 4; }

/* The rows that are fitted and, below them, a weak ridge. */
static void fill(const struct atm_regression *r, const struct atm_regression_rows *rows,
                 gsl_matrix *terms, gsl_matrix *values) {
    size_t used = 0, n = (size_t)r->terms;
    double expanded[ATM_POLYNOMIAL_TERMS];
    gsl_matrix_set_zero(terms), gsl_matrix_set_zero(values);
    for (ptrdiff_t i = 0; i < rows->count; i++) {
        if (chooses(i))
            continue;
        expand(r, rows->z + i * rows->inputs, expanded);
        memcpy(gsl_matrix_ptr(terms, used, 0), expanded, n * sizeof *expanded);
        for (size_t k = 0; k < (size_t)r->outputs; k++)
            gsl_matrix_set(values, k, used, rows->values[i * rows->outputs + (ptrdiff_t)k]);
        used++;
    }
    for (size_t t = 0; t < n; t++)
        gsl_matrix_set(terms, used + t, t, sqrt(RIDGE * (double)used));
}

static enum atm_status solve(struct atm_regression *r, const struct atm_regression_rows *rows,
                             struct atm_err *err) {
    size_t n = (size_t)r->terms, m = (size_t)(rows->count - rows->count / 5) + n;
    gsl_matrix *terms = gsl_matrix_alloc(m, n), *values = gsl_matrix_alloc((size_t)r->outputs, m);
    gsl_matrix *reflectors = gsl_matrix_alloc(n, n);
    gsl_vector *solution = gsl_vector_alloc(m), *work = gsl_vector_alloc(n);
    enum atm_status status = terms && values && reflectors && solution && work
                                 ? ATM_OK
                                 : atm_err_memory(err, "a regression");
    if (!status) {
        fill(r, rows, terms, values);
        if (gsl_linalg_QR_decomp_r(terms, reflectors))
            status = atm_err_set(err, ATM_FAIL, "the least squares of a regression failed");
    }
    for (ptrdiff_t k = 0; !status && k < r->outputs; k++) {
        gsl_vector_view right = gsl_matrix_row(values, (size_t)k);
        if (gsl_linalg_QR_lssolve_r(terms, reflectors, &right.vector, solution, work))
            status = atm_err_set(err, ATM_FAIL, "the least squares of a regression failed");
        else
            memcpy(r->coefficients + k * r->terms, gsl_vector_ptr(solution, 0), n * sizeof(double));
    }
    gsl_matrix_free(terms), gsl_matrix_free(values), gsl_matrix_free(reflectors);
    gsl_vector_free(solution), gsl_vector_free(work);
    return status;
}

/* Sum over the outputs of squared error / variance, on the rows that choose. */
static double assess(const struct atm_regression *r, const struct atm_regression_rows *rows,
                     double *predicted) {
    double loss = 0, *variance = predicted + r->outputs;
    for (ptrdiff_t k = 0; k < r->outputs; k++)
        variance[k] =
            gsl_stats_variance(rows->values + k, (size_t)rows->outputs, (size_t)rows->count);
    for (ptrdiff_t i = 0; i < rows->count; i++) {
        if (!chooses(i))
            continue;
        atm_regression_predict(r, rows->z + i * rows->inputs, predicted);
        for (ptrdiff_t k = 0; k < r->outputs; k++)
            loss += variance[k] > 0
                        ? pow(predicted[k] - rows->values[i * rows->outputs + k], 2) / variance[k]
                        : 0;
    }
    return loss;
}

/* ---- Choosing the degree ---- */

static enum atm_status create(const struct atm_regression_rows *rows, struct atm_regression **made,
                              struct atm_err *err) {
    size_t d = (size_t)rows->inputs, n = (size_t)rows->count;
    struct atm_regression *r = *made = atm_mem_alloc(1, sizeof *r);
    if (!r || !(r->centre = atm_mem_alloc(4 * d, sizeof *r->centre)))
        return atm_err_memory(err, "a regression");
    r->inputs = rows->inputs, r->outputs = rows->outputs;
    r->scale = r->centre + d, r->low = r->scale + d, r->high = r->low + d;
    for (size_t j = 0; j < d; j++) {
        r->centre[j] = gsl_stats_mean(rows->z + j, d, n);
        double sd = gsl_stats_sd_m(rows->z + j, d, n, r->centre[j]);
        r->scale[j] = sd > 0 ? sd : 1;
        gsl_stats_minmax(&r->low[j], &r->high[j], rows->z + j, d, n);
    }
    return ATM_OK;
}

static enum atm_status try_degrees(struct atm_regression *best,
                                   const struct atm_regression_rows *rows, int most_degree,
                                   double *predicted, struct atm_err *err) {
    double least = INFINITY;
    for (int degree = 1; degree <= most_degree; degree++) {
        struct atm_regression r = *best;
        r.degree = degree;
        r.terms = rows->inputs < ATM_POLYNOMIAL_TERMS
                      ? atm_calibration_terms((int)rows->inputs, degree)
                      : 0;
        if (!r.terms || (double)ROWS_PER_TERM * r.terms > (double)rows->count)
            break;
        r.coefficients = atm_mem_alloc((size_t)(rows->outputs * r.terms), sizeof(double));
        enum atm_status status =
            r.coefficients ? solve(&r, rows, err) : atm_err_memory(err, "a regression");
        double loss = status ? INFINITY : assess(&r, rows, predicted);
        bool better = loss < least;
        atm_mem_free(better ? best->coefficients : r.coefficients);
        if (status)
            return status;
        if (better)
            *best = r, least = loss;
    }
    return best->coefficients
               ? ATM_OK
               : atm_err_set(err, ATM_FAIL, "too few rows (%td) for a regression", rows->count);
}

enum atm_status atm_regression_fit(const struct atm_regression_rows *rows, int most_degree,
                                   struct atm_regression **regression, struct atm_err *err) {
    *regression = NULL;
    double *predicted = atm_mem_alloc(2 * (size_t)rows->outputs, sizeof *predicted);
    enum atm_status status =
        predicted ? create(rows, regression, err) : atm_err_memory(err, "a regression");
    if (!status)
        status = try_degrees(*regression, rows, most_degree, predicted, err);
    if (status)
        atm_regression_destroy(regression);
    atm_mem_free(predicted);
    return status;
}
