/* Sums over the patches of emitters: where a joint fit spends its time. */
#ifndef ATM_FIT_SUMS_H
#define ATM_FIT_SUMS_H

#include "fit_psf.h"

/* weighted (parameters, ny, stride): planes of a patch times an image. */
void atm_fit_weigh(const struct atm_patch *patch, const double *image, ptrdiff_t width,
                   int parameters, double *weighted);
/* sums[k * parameters + m] = sum over the common pixels of a's weighted plane k times b's plane m:
 * the pair's block of the Fisher matrix up to amplitudes. */
void atm_fit_pair_sums(const struct atm_patch *a, const double *weighted, const struct atm_patch *b,
                       int parameters, double *sums);

#endif
