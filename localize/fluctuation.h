/* How bright emitters are, from how pixels beside each other vary together over the frames: nothing
 * has to be resolved. */
#ifndef ATM_FLUCTUATION_H
#define ATM_FLUCTUATION_H

#include "err.h"

#include <stddef.h>

enum { ATM_FLUCTUATION_FRAMES = 16 }; /* fewer say nothing */

struct atm_fluctuation {
    double brightness; /* E[A^3] / E[A^2] of the emitters' light A per frame, image units; NAN:
                          unknown */
    double error;      /* standard error */
};

/* Emitters that are on in a few frames each make light of any two pixels a covariance of
 * sum A^2 h(1) h(2), and that of any three a third cumulant of sum A^3 h(1) h(2) h(3), h the PSF;
 * sums over the field leave E[A^3] / E[A^2]. Different pixels have no noise in common, and neither
 * a background nor the structure that emitters sit on matters, as long as they do not change
 * (cumulants: Dertinger et al. 2009, doi:10.1073/pnas.0907866106; brightness: Qian and Elson 1990,
 * doi:10.1073/pnas.87.14.5479). What varies slowly makes it too large; emitters that are on in a
 * share p of the frames, smaller by 2 p. frames (count, H, W), from all over the movie; blank ones
 * are passed over. h: a Gaussian. */
enum atm_status atm_fluctuation_measure(const float *frames, ptrdiff_t count, ptrdiff_t height,
                                        ptrdiff_t width, double sigma_px,
                                        struct atm_fluctuation *result, struct atm_err *err);

#endif
