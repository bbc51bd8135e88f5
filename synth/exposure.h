/* The simulated camera: from expected photons per pixel to ADU. */
#ifndef ATM_EXPOSURE_H
#define ATM_EXPOSURE_H

#include "movie.h"
#include "rng.h"

/* Replace unknown (NAN) values by those of an ideal camera: offset 0, gain 1, em_gain 1, qe 1, read
 * noise 0. The pixel size stays unknown. ATM_USAGE, naming the key, for values that no camera has.
 */
enum atm_status atm_exposure_resolve(struct atm_camera *camera, struct atm_err *err);

/* expected: (count) photons that arrive; adu: (count).
 *   n = Poisson(qe expected) photo-electrons; EM: s = Gamma(shape n, scale em_gain), s = 0 where n
 * = 0; else s = n; ADU = offset + (s + Normal(0, read_noise em_gain)) / gain The gamma law is the
 * high-gain limit of the multiplication register (Basden et al. 2003,
 * doi:10.1046/j.1365-8711.2003.07020.x): mean em_gain n, variance 2 em_gain^2 n
 * (excess noise factor 2). Read noise is in electrons before EM gain, hence the factor em_gain
 * behind it. Values are neither rounded nor clipped here: that is the file's sample type. rng NULL:
 * no noise, ADU = offset + qe expected em_gain / gain. camera must be resolved. Thread-safe; cannot
 * fail. */
void atm_exposure_execute(const struct atm_camera *camera, struct atm_rng *rng, ptrdiff_t count,
                          const double *expected, float *adu);

#endif
