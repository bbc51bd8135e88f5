/* Gaussian low-pass of images in the frequency domain: the discrete cosine transform, whose images
 * continue mirrored beyond their edges, so that nothing wraps around. */
#ifndef ATM_LOWPASS_H
#define ATM_LOWPASS_H

#include "err.h"
#include <stddef.h>

struct atm_lowpass;
/* Creating and destroying must not run beside other FFTW planning. */
enum atm_status atm_lowpass_create(ptrdiff_t height, ptrdiff_t width, struct atm_lowpass **lowpass,
                                   struct atm_err *err);
void atm_lowpass_destroy(struct atm_lowpass **lowpass);
/* Standard deviation of the Gaussian, px, >= 0; keep: part of the image that is left as it is,
 * 0..1. */
void atm_lowpass_set(struct atm_lowpass *lowpass, double sigma_px, double keep);
/* images (count, H, W), in place: keep times the image, plus (1 - keep) times the image convolved
 * with the Gaussian twice. With r a residual the result is half the gradient of keep |r|^2 + (1 -
 * keep) |G r|^2. Parallel; same bytes for any thread count. */
void atm_lowpass_twice(const struct atm_lowpass *lowpass, ptrdiff_t count, float *images);

#endif
