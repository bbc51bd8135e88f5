#include "exposure.h"

#include <gsl/gsl_randist.h>
#include <math.h>

/* A NAN becomes fallback; the comparison is written so that it also refuses what is left of them.
 */
static enum atm_status resolve(double *value, double fallback, double min, double max,
                               const char *key, struct atm_err *err) {
    if (isnan(*value))
        *value = fallback;
    if (*value >= min && *value <= max)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE, "camera.%s = %g cannot be simulated: set it to %g..%g", key,
                       *value, min, max);
}

enum atm_status atm_exposure_resolve(struct atm_camera *camera, struct atm_err *err) {
    enum atm_status status = resolve(&camera->offset, 0, -1e6, 1e6, "offset", err);
    if (status == ATM_OK)
        status = resolve(&camera->gain, 1, 1e-6, 1e6, "gain", err);
    if (status == ATM_OK)
        status = resolve(&camera->em_gain, 1, 1, 1e5, "em_gain", err);
    if (status == ATM_OK)
        status = resolve(&camera->qe, 1, 1e-3, 1, "qe", err);
    if (status == ATM_OK)
        status = resolve(&camera->read_noise, 0, 0, 1e5, "read_noise", err);
    return status;
}

/* Electrons behind the multiplication register. */
static double multiply(const struct atm_camera *camera, struct atm_rng *rng, unsigned electrons) {
    if (camera->em_gain == 1)
        return electrons;
    return electrons ? gsl_ran_gamma(&rng->gsl, electrons, camera->em_gain) : 0;
}

void atm_exposure_execute(const struct atm_camera *camera, struct atm_rng *rng, ptrdiff_t count,
                          const double *expected, float *adu) {
    double read_noise = camera->read_noise * camera->em_gain;
    for (ptrdiff_t i = 0; i < count; i++) {
        double detected = expected[i] * camera->qe, signal = detected * camera->em_gain;
        if (rng) {
            signal = multiply(camera, rng, gsl_ran_poisson(&rng->gsl, detected));
            if (read_noise > 0)
                signal += gsl_ran_gaussian_ziggurat(&rng->gsl, read_noise);
        }
        adu[i] = (float)(camera->offset + signal / camera->gain);
    }
}
