/* A PSF that was measured or learned, as a cubic B-spline through its samples. */
#ifndef ATM_PSF_SPLINE_H
#define ATM_PSF_SPLINE_H

#include "err.h"
#include "fit_psf.h"

/* samples (size, size): light on a pixel whose centre is (column - c, row - c) / oversampling from
 * the emitter, c = (size - 1) / 2; any scale: the spline has unit mass. Copied. Not constant in
 * time: immutable, shared by threads. */
enum atm_status atm_spline_create(const float *samples, ptrdiff_t size, ptrdiff_t oversampling,
                                  struct atm_spline **spline, struct atm_err *err);
void atm_spline_destroy(struct atm_spline **spline);

ptrdiff_t atm_spline_half(const struct atm_spline *spline);
/* Sigma of the Gaussian most like it: by its mass within the half height, whose tails say little.
 */
double atm_spline_sigma(const struct atm_spline *spline);

/* Weights of the four coefficients around a place t in [0, 1) after the second, and their slopes.
 */
enum { ATM_SPLINE_TAPS = 4 };
void atm_spline_weights(double t, double weight[ATM_SPLINE_TAPS], double slope[ATM_SPLINE_TAPS]);

void atm_spline_fill(const struct atm_spline *spline, double x, double y, struct atm_patch *patch);
/* The same in single precision for one lane of a batch, over a whole window (window, window) of at
 * most 15 pixels a side, zero beyond the samples: d/dx, d/dy and the image itself, plane_step
 * apart, pixels pixel_step apart. */
void atm_spline_fill_lane(const struct atm_spline *spline, float x, float y, ptrdiff_t window,
                          float *out, ptrdiff_t plane_step, ptrdiff_t pixel_step);

#endif
