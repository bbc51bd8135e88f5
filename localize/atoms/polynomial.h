/* Polynomials in several variables, for the calibration map. */
#ifndef ATM_POLYNOMIAL_H
#define ATM_POLYNOMIAL_H

#include "atoms.h"

enum { ATM_POLYNOMIAL_TERMS = 512 };

/* All monomials of total degree <= degree at z: atm_calibration_terms() values, lowest first. */
void atm_polynomial_terms(int latent, int degree, const double *z, double *terms);
/* Clamp to the calibrated domain and standardise. */
void atm_calibration_standardise(const struct atm_calibration *calibration, ptrdiff_t latent,
                                 const float *z, double *out);

#endif
