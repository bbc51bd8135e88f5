/* Joint maximum-likelihood fit of any number of overlapping emitters and a constant background in
 * one window: Fisher scoring with Levenberg-Marquardt damping, analytic derivatives. */
#ifndef ATM_JOINT_FIT_H
#define ATM_JOINT_FIT_H

#include "brightness.h"
#include "envelope.h"
#include "likelihood.h"
#include <stdint.h>

/* An emitter in counts (photons over the camera's gain); x, y in pixels of the window. */
struct atm_spot {
    double x, y, amplitude;
};

struct atm_fit_problem {
    ptrdiff_t height, width;
    struct atm_pixels pixels; /* (height, width) */
    const double *base;       /* (height, width): expectation without the emitters and background */
    double sigma_px;
    const struct atm_likelihood *likelihood;
    double x_min, x_max, y_min, y_max; /* where centres may be */
    struct atm_brightness brightness;  /* prior on amplitudes, counts */
    double position_precision;         /* px^-2 added to the information (not to the gradient) */
    bool fit_background;
    double background_min;
    double
        give_up; /* objective beyond hope: stop when not even some more steps reach it; 0: never */
    double tolerance; /* stop when the next step promises less than this in deviance */
    int64_t max_iterations;
};

struct atm_fit_axes { /* one emitter's support and its rows and columns */
    ptrdiff_t x0, y0, nx, ny;
    double *hx, *dx, *hy, *dy;
};

struct atm_fit {
    /* results of the last run */
    double objective; /* deviance + prior, at the solution */
    double deviance;
    int64_t iterations;
    bool converged, determined; /* determined: factor holds; false only for values beyond double */
    double *mean, *residual, *weight; /* (height, width) at the solution */
    struct atm_fit_axes *axes;        /* (spots) at the solution */
    struct atm_envelope
        information;            /* Fisher matrix at the solution; x, y, amplitude of each spot, */
    struct atm_envelope factor; /* then the background; and its Cholesky factor */
    /* scratch, owned; grows only */
    const struct atm_fit_problem *problem;
    ptrdiff_t count, size, span;
    struct atm_spot *trial;
    struct atm_fit_axes *trial_axes;
    double *trial_mean, *trial_residual, *trial_weight;
    double *gradient, *step, *weighted, *axes_values, *trial_axes_values;
    ptrdiff_t spot_capacity, pixel_capacity, span_capacity;
};

/* Fit spots[count] (in place; sorted by y for speed) and *background. The window must hold at least
 * one pixel. Fails only for lack of memory. */
enum atm_status atm_fit_run(struct atm_fit *fit, const struct atm_fit_problem *problem,
                            struct atm_spot *spots, ptrdiff_t count, double *background,
                            struct atm_err *err);
void atm_fit_free(struct atm_fit *fit);

/* 2 x 3 second moments of one spot against an image over its support:
 * out = sum image * {h, dh/dx, dh/dy} with h the unit PSF. */
void atm_fit_project(const struct atm_fit_axes *axes, const double *image, ptrdiff_t width,
                     double out[3]);
/* image += amplitude * PSF */
void atm_fit_render(const struct atm_fit_axes *axes, double amplitude, double *image,
                    ptrdiff_t width);
/* Support and rows of a spot in a window; arrays of axes must hold 2 * atm_psf_half + 1 numbers. */
void atm_fit_place(const struct atm_spot *spot, double sigma_px, ptrdiff_t height, ptrdiff_t width,
                   struct atm_fit_axes *axes);

#endif
