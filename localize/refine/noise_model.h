/* What a camera makes of photons, by name: rows that say which parts of its noise the fit believes
 * in. All are written as variance = gain * (value - zero) + floor, so that the formulae of
 * likelihood.h serve them. */
#ifndef ATM_NOISE_MODEL_H
#define ATM_NOISE_MODEL_H

#include "camera.h"
#include "likelihood.h"
#include "refine.h"
#include <stdbool.h>

enum {
    ATM_NOISE_AUTO, /* the others' parts as the camera has them */
    ATM_NOISE_POISSON,
    ATM_NOISE_READ,
    ATM_NOISE_EMCCD,
    ATM_NOISE_SCMOS,
    ATM_NOISE_LEAST_SQUARES,
    ATM_NOISE_MODELS
};
struct atm_noise_model {
    const char *name;
    int formula;   /* ATM_LIKELIHOOD_... */
    bool excess;   /* electron multiplication doubles the variance of the light */
    bool read;     /* camera.read_noise, the same for all pixels */
    bool by_pixel; /* each pixel's own variance */
};
extern const struct atm_noise_model atm_noise_models[ATM_NOISE_MODELS];

/* The row that `chosen` means for a camera; by_pixel: it has a map of variances. */
const struct atm_noise_model *atm_noise_resolve(int chosen, const struct atm_camera *camera,
                                                bool by_pixel);
/* Noise of images in photons. */
struct atm_noise atm_noise_of(const struct atm_noise_model *model, const struct atm_camera *camera);

#endif
