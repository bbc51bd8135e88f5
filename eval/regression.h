/* Polynomial least squares from several variables to several, on plain arrays. */
#ifndef ATM_REGRESSION_H
#define ATM_REGRESSION_H

#include "err.h"
#include <stddef.h>

struct atm_regression_rows {
    const double *z;      /* borrowed (count, inputs) */
    const double *values; /* borrowed (count, outputs) */
    ptrdiff_t count, inputs, outputs;
};

struct atm_regression; /* a fitted map */

/* Degree 1..most_degree of the smallest squared error on every fifth row, each output weighted by
 * its variance, fitted to the other four fifths; degrees with fewer than five rows a coefficient,
 * or more than ATM_POLYNOMIAL_TERMS of them, are not tried. Inputs are standardised, and clamped to
 * the range of the rows. */
enum atm_status atm_regression_fit(const struct atm_regression_rows *rows, int most_degree,
                                   struct atm_regression **regression, struct atm_err *err);
void atm_regression_destroy(struct atm_regression **regression);
int atm_regression_degree(const struct atm_regression *regression);
/* Thread-safe. */
void atm_regression_predict(const struct atm_regression *regression, const double *z, double *out);

#endif
