/* Joint maximum-likelihood fit of any number of overlapping emitters and a constant or planar
 * background in one window: Fisher scoring with Levenberg-Marquardt damping, analytic derivatives.
 */
#ifndef ATM_JOINT_FIT_H
#define ATM_JOINT_FIT_H

#include "brightness.h"
#include "envelope.h"
#include "fit_psf.h"
#include "likelihood.h"
#include <stdint.h>

struct atm_fit_problem {
    ptrdiff_t height, width;
    struct atm_pixels pixels; /* (height, width) */
    const double *base;       /* (height, width): expectation without the emitters and background */
    const struct atm_psf *psf;
    const struct atm_likelihood *likelihood;
    double x_min, x_max, y_min, y_max; /* where centres may be */
    struct atm_brightness brightness;  /* prior on amplitudes, counts */
    double position_precision;         /* px^-2 added to the information (not to the gradient) */
    int background_terms; /* 0: as base says; 1: a constant; 3: a plane, counts across the window */
    double background_min; /* at every pixel of the window */
    double
        give_up; /* objective beyond hope: stop when not even some more steps reach it; 0: never */
    double tolerance; /* stop when the next step promises less than this in deviance */
    int64_t max_iterations;
};

enum { ATM_FIT_BACKGROUND_TERMS = 3 };

struct atm_fit {
    /* results of the last run */
    double objective; /* deviance + prior, at the solution */
    double deviance;
    int64_t iterations;
    bool converged, determined; /* determined: factor holds; false only for values beyond double */
    double *mean, *residual, *weight; /* (height, width) at the solution */
    struct atm_patch *patches;        /* (spots) at the solution */
    int parameters; /* of a spot; spot i's are numbers parameters * i on, the background's the last
                     */
    struct atm_envelope information; /* Fisher matrix at the solution */
    struct atm_envelope factor;      /* and its Cholesky factor */
    /* scratch, owned; grows only */
    const struct atm_fit_problem *problem;
    ptrdiff_t count, size, plane;
    struct atm_spot *trial;
    double trial_background[ATM_FIT_BACKGROUND_TERMS];
    double *trial_mean, *trial_residual, *trial_weight;
    double *gradient, *step, *weighted, *patch_values;
    bool stale; /* the patches are those of a trial that was refused */
    ptrdiff_t spot_capacity, pixel_capacity, plane_capacity;
};

/* Fit spots[count] (in place; sorted by y for speed) and the background's terms. The window must
 * hold at least one pixel. Fails only for lack of memory. */
enum atm_status atm_fit_run(struct atm_fit *fit, const struct atm_fit_problem *problem,
                            struct atm_spot *spots, ptrdiff_t count,
                            double background[ATM_FIT_BACKGROUND_TERMS], struct atm_err *err);
void atm_fit_free(struct atm_fit *fit);

/* A background term at a pixel of a window: 1, or its place across the window from -1/2 to 1/2. */
double atm_fit_basis(ptrdiff_t height, ptrdiff_t width, int term, ptrdiff_t pixel);

/* out[k] = sum over the patch of image * its plane k */
void atm_fit_project(const struct atm_patch *patch, const double *image, ptrdiff_t width,
                     int parameters, double *out);
/* image += amplitude * PSF */
void atm_fit_render(const struct atm_patch *patch, double amplitude, double *image,
                    ptrdiff_t width);

#endif
