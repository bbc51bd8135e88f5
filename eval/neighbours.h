/* Regression by the mean of the nearest neighbours, on plain arrays: for maps that wind too much
 * for a polynomial. */
#ifndef ATM_NEIGHBOURS_H
#define ATM_NEIGHBOURS_H

#include "regression.h"

enum { ATM_NEIGHBOURS = 8 };

struct atm_neighbours; /* standardised copies of the rows */
enum atm_status atm_neighbours_create(const struct atm_regression_rows *rows,
                                      struct atm_neighbours **neighbours, struct atm_err *err);
void atm_neighbours_destroy(struct atm_neighbours **neighbours);

/* z (count, inputs), out (count, outputs): the mean of the ATM_NEIGHBOURS rows that are nearest to
 * z, each input in units of its standard deviation over the rows; fewer where there are fewer rows.
 * Compares with every row; parallel over z, the same for any number of threads. */
void atm_neighbours_predict(const struct atm_neighbours *neighbours, const double *z,
                            ptrdiff_t count, double *out);

#endif
