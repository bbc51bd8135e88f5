/* Symmetric positive definite matrices with an envelope (skyline): row i holds the columns
 * first[i]..i. Emitters sorted along y couple only to near rows, and the background, which couples
 * to all, comes last: the factor then has the same envelope and costs a small part of a dense one.
 * Groups of any size are solved so, in one exact step: a tile of w pixels across with d emitters
 * per square pixel couples each only to those within a PSF's width, 3 w d * 9 sigma columns, so n
 * emitters cost n times that squared. Sweeps over parts would only approach the same answer, and
 * would leave out the parts' covariance from the uncertainties. */
#ifndef ATM_ENVELOPE_H
#define ATM_ENVELOPE_H

#include "clones.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct atm_envelope {
    ptrdiff_t size;
    ptrdiff_t *first; /* owned; first column kept of each row */
    ptrdiff_t *start; /* owned; value of column c in row r: values[start[r] + c] */
    double *values;   /* owned */
    double *inverse;  /* owned; of a factor: 1 / its diagonal */
    ptrdiff_t row_capacity, value_capacity;
};

/* Room for size rows; the caller then sets first[] and calls layout. Both grow only. */
enum atm_status atm_envelope_resize(struct atm_envelope *matrix, ptrdiff_t size,
                                    struct atm_err *err);
/* Place the rows by first[]; their values are what happens to be there. */
enum atm_status atm_envelope_layout(struct atm_envelope *matrix, struct atm_err *err);
void atm_envelope_free(struct atm_envelope *matrix);

static inline double *atm_envelope_row(const struct atm_envelope *matrix, ptrdiff_t row) {
    return matrix->values + matrix->start[row]; /* index by column; valid from first[row] */
}

/* factor = L with L L' = matrix + diag(damping * (matrix's diagonal)); same layout as matrix,
 * resized by the caller. False where the matrix is not positive definite. damping may be 0. */
bool atm_envelope_factor(const struct atm_envelope *matrix, double damping,
                         struct atm_envelope *factor);
/* vector := (L L')^-1 vector */
void atm_envelope_solve(const struct atm_envelope *factor, double *vector);
/* log det(L L') */
double atm_envelope_log_det(const struct atm_envelope *factor);
/* diagonal[i] = element (i, i) of (L L')^-1; scratch: size numbers. */
void atm_envelope_inverse_diagonal(const struct atm_envelope *factor, double *diagonal,
                                   double *scratch);

#endif
