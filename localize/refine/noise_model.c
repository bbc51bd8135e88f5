#include "noise_model.h"

#include <math.h>

const struct atm_noise_model atm_noise_models[ATM_NOISE_MODELS] = {
    [ATM_NOISE_AUTO] = {"auto", ATM_LIKELIHOOD_POISSON, true, true, true},
    [ATM_NOISE_POISSON] = {"poisson", ATM_LIKELIHOOD_POISSON, false, false, false},
    [ATM_NOISE_READ] = {"read_noise", ATM_LIKELIHOOD_POISSON, false, true, false},
    [ATM_NOISE_EMCCD] = {"emccd", ATM_LIKELIHOOD_POISSON, true, true, false},
    [ATM_NOISE_SCMOS] = {"scmos", ATM_LIKELIHOOD_POISSON, false, true, true},
    [ATM_NOISE_LEAST_SQUARES] = {"least_squares", ATM_LIKELIHOOD_LEAST_SQUARES, true, true, true},
};

static bool multiplies(const struct atm_camera *camera) { return camera->em_gain > 1; }

const struct atm_noise_model *atm_noise_resolve(int chosen, const struct atm_camera *camera,
                                                bool by_pixel) {
    if (chosen != ATM_NOISE_AUTO)
        return &atm_noise_models[chosen];
    if (by_pixel && multiplies(camera))
        return &atm_noise_models[ATM_NOISE_AUTO]; /* no name has both */
    return &atm_noise_models[by_pixel                 ? ATM_NOISE_SCMOS
                             : multiplies(camera)     ? ATM_NOISE_EMCCD
                             : camera->read_noise > 0 ? ATM_NOISE_READ
                                                      : ATM_NOISE_POISSON];
}

struct atm_noise atm_noise_of(const struct atm_noise_model *model,
                              const struct atm_camera *camera) {
    /* emccd means it, whatever gain the file has; the others double where the camera multiplies */
    bool doubled =
        model == &atm_noise_models[ATM_NOISE_EMCCD] || (model->excess && multiplies(camera));
    double qe = isnan(camera->qe) ? 1 : camera->qe;
    double read = model->read && !isnan(camera->read_noise) ? camera->read_noise / qe : 0;
    return (struct atm_noise){(doubled ? 2 : 1) / qe, 0, read * read};
}
