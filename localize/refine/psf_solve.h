/* The PSF of a movie by linear least squares: coefficients of a cubic B-spline on a grid finer than
 * the pixels, all emitters at their places, neighbours and overlaps included. */
#ifndef ATM_PSF_SOLVE_H
#define ATM_PSF_SOLVE_H

#include "psf_image.h"
#include "table.h"

/* One frame. What the PSF is to explain beyond the prior: image minus the background and minus
 * every emitter with the prior as its PSF. A constant of each frame is left to its background. */
struct atm_psf_frame {
    const float *rest;          /* (H, W) */
    const float *weight;        /* (H, W): 1 / variance; 0 where the pixel says nothing */
    const struct atm_loc *rows; /* x, y in px, photons in the image's unit */
    ptrdiff_t count;
};
struct atm_psf_problem {
    const struct atm_psf_frame *frames;
    ptrdiff_t count, height, width;
    /* How rough what is added to the prior may be: standard deviation of the Laplacian between
     * neighbouring samples, in light on a pixel; in the middle, falling as a Gaussian of this
     * sigma to a level farther out. */
    double rough, rough_sigma_px, rough_level;
};

/* psf holds the prior and receives prior + what the frames ask for, within the circle that its
 * samples hold: of mass q^2 about, not exactly. Conjugate gradients on the normal equations. Same
 * bytes for any number of threads. */
enum atm_status atm_psf_solve(const struct atm_psf_problem *problem, struct atm_psf_image *psf,
                              struct atm_err *err);

#endif
