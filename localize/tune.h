/* What refinement needs to know of a movie and no file says: PSF width, noise, population. Measured
 * on a sample of the movie's own frames. */
#ifndef ATM_TUNE_H
#define ATM_TUNE_H

#include "seeds.h"

struct atm_tuning { /* zero-initialise */
    double sigma_px;
    struct atm_noise noise;
    struct atm_refine_population population;
    double threshold; /* of the likelihood ratio; 0: as refine.false_per_frame says */
    const float *variance, *saturation; /* of pixels: see atm_refine_input; borrowed */
    const struct atm_psf_image *psf; /* that is fitted with; NULL: as refine.psf says; borrowed */
    const struct atm_sink *sink;     /* asked between frames whether to stop; borrowed */
    float *where;                    /* of the population, owned */
};
void atm_tune_free(struct atm_tuning *tuning);
/* A workspace that fits with it. */
enum atm_status atm_tune_create_refine(const struct atm_source_info *info,
                                       const struct atm_refine_options *options,
                                       const struct atm_tuning *tuning, struct atm_refine **refine,
                                       struct atm_err *err);

/* The noise that refine.likelihood names, and pixels of their own; where photons are not known, a
 * first guess, to be measured later. */
enum atm_status atm_tune_camera(const struct atm_source_info *info, int likelihood,
                                struct atm_tuning *tuning, const struct atm_sink *sink,
                                struct atm_err *err);

/* tuning comes in with first guesses. sigma is left alone when options->sigma_px is set, the noise
 * when the camera is known. */
enum atm_status atm_tune_refinement(struct atm_source *source, struct atm_seeder *seeder,
                                    const struct atm_refine_options *options,
                                    struct atm_tuning *tuning, struct atm_err *err);

/* Noise of an unknown camera: the variance of the residuals (frame - model), in bins of the model's
 * value, as a straight line. Leaves noise alone when there is too little to fit. */
struct atm_residuals {
    const float *residual, *model, *leverage; /* (count); leverage: on average, what the fit took */
    ptrdiff_t count;
};
enum atm_status atm_tune_noise(const struct atm_residuals *residuals, struct atm_noise *noise,
                               struct atm_err *err);

#endif
