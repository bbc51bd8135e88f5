/* From seeds to localizations: joint weighted fit of overlapping emitters, emitters added from the
 * residual and pruned by likelihood ratio, uncertainties from the joint Fisher matrix. */
#ifndef ATM_REFINE_H
#define ATM_REFINE_H

#include "ini.h"
#include "table.h"

struct atm_refine_options {
    int likelihood; /* ATM_NOISE_... of noise_model.h */
    int psf;        /* ATM_PSF_... of fit_psf.h: what the final fit has; or enum atm_refine_psf */
    char psf_file[ATM_KEY_TEXT_SIZE]; /* of a spline */
    double sigma_px;     /* PSF sigma; auto: from the model's atom, then from the data */
    int background;      /* enum atm_refine_background: fitted on top of the input's */
    double merge_radius; /* seeds nearer than this times sigma become one before fitting */
    double
        false_per_frame; /* expected false positives per frame and 1000 px: sets the LR threshold */
    int64_t rounds;      /* of fit, add from residual, prune */
    int64_t max_iterations;
    int population; /* enum atm_refine_use: what an input's population is used for */
};
/* Behind those of fit_psf.h. Gaussians, until atm_refine_set_psf says something else. */
enum atm_refine_psf {
    ATM_REFINE_PSF_AUTO = 4, /* learned, where it explains the movie better */
    ATM_REFINE_PSF_LEARNED,
};
enum atm_refine_background { ATM_REFINE_CONSTANT, ATM_REFINE_PLANE };
enum atm_refine_use {
    ATM_REFINE_POPULATION_NONE,
    ATM_REFINE_POPULATION_COUNT, /* how many emitters there are */
    ATM_REFINE_POPULATION_FIT,   /* also the final photons and positions (maximum a posteriori) */
};
extern const struct atm_section atm_refine_section;

/* Noise of one pixel with expected value mu (in the units of the image): variance = gain * (mu -
 * zero) + floor. A photon image of a Poisson camera: gain 1, zero 0, floor read_noise^2. Movies of
 * unknown cameras come in ADU with gain, zero, floor estimated from the stack. */
struct atm_noise {
    double gain, zero, floor;
};

/* What the movie's emitters are like, learned from the movie itself: log-normal photons (per
 * emitter and frame) and emitters per pixel and frame. log_sd 0: unknown. Where it is known, the
 * number of emitters that explain a blob is decided by evidence under it; else each must be worth
 * the threshold. */
struct atm_refine_population {
    double log_mean, log_sd; /* of photons */
    double density;          /* px^-2 */
    double dim_share;        /* of the emitters */
    bool told;               /* the mean follows from the anchor that was given */
    bool crowded;            /* most emitters have another one within 3 sigma */
    const float *where;      /* (H, W): density at a pixel over its mean; NULL: 1; borrowed */
};

struct atm_refine; /* workspace for frames of one size; not shared between threads */

enum atm_status atm_refine_create(const struct atm_refine_options *options, ptrdiff_t height,
                                  ptrdiff_t width, struct atm_refine **refine, struct atm_err *err);
void atm_refine_destroy(struct atm_refine **refine);
/* From now on atm_refine_frame fails with ATM_STOPPED when this wants to stop; borrowed. */
struct atm_sink;
void atm_refine_set_sink(struct atm_refine *refine, const struct atm_sink *sink);
/* From now on fit with this PSF, whatever refine.psf says. Copied. */
struct atm_psf_image;
enum atm_status atm_refine_set_psf(struct atm_refine *refine, const struct atm_psf_image *psf,
                                   struct atm_err *err);

/* image (H, W) in photons; background (H, W) start values of the background (the fit adds a smooth
 * correction); seeds: x, y, photons used, blocks carried over. Appends to out the localizations,
 * frame field = frame. Deterministic. sigma_px and noise are passed per call so that they can be
 * estimated. */
struct atm_refine_input {
    const float *image, *background;
    double sigma_px;
    struct atm_noise noise;
    const struct atm_loc *seeds;
    ptrdiff_t seed_count;
    int64_t frame;
    struct atm_refine_population population; /* zero: unknown */
    const float *variance;   /* (H, W), each pixel's own, on top of the noise (sCMOS read noise),
                              * image units squared; not finite: the pixel is left out. NULL: none */
    const float *saturation; /* (H, W): pixels from this value on are left out. NULL: none are */
    double threshold;        /* likelihood ratio, in deviance, that an emitter must be worth; 0: as
                              * false_per_frame says */
};
enum atm_status atm_refine_frame(struct atm_refine *refine, const struct atm_refine_input *input,
                                 struct atm_table *out, struct atm_err *err);

/* The input's seeds fitted as they are, none more or fewer: atm_refine_model is what they add up
 * to. */
enum atm_status atm_refine_again(struct atm_refine *refine, const struct atm_refine_input *input,
                                 struct atm_err *err);
/* What the threshold was held against: the deviance that each row of the last frame was worth by
 * itself, in their order; borrowed. */
const double *atm_refine_strengths(const struct atm_refine *refine);
/* Expected image of the fitted emitters and background of the last frame, (H, W); borrowed. */
const float *atm_refine_model(const struct atm_refine *refine);

/* PSF sigma from the data: maximises the likelihood over sigma on the given frames (seeds as
 * above), starting at inputs[0].sigma_px; only well-isolated emitters are used where there are
 * enough. */
enum atm_status atm_refine_estimate_sigma(struct atm_refine *refine,
                                          const struct atm_refine_input *inputs, ptrdiff_t count,
                                          double *sigma_px, struct atm_err *err);

/* Population from the data: refines the given frames without one, then a few times with what it
 * learned last. Some dozens of emitters are enough; with fewer the population stays zero (unknown).
 * anchor: E[A^3] / E[A^2] of the emitters' light as the movie's fluctuations tell it, which the
 * population then has; or NAN. */
enum atm_status atm_refine_estimate_population(struct atm_refine *refine,
                                               const struct atm_refine_input *inputs,
                                               ptrdiff_t count, double anchor,
                                               struct atm_refine_population *population,
                                               struct atm_err *err);

#endif
