/* A PSF as samples of the light on a pixel: what files hold and what is learned from a movie. */
#ifndef ATM_PSF_IMAGE_H
#define ATM_PSF_IMAGE_H

#include "err.h"
#include <stddef.h>

struct atm_psf_image {
    float *samples; /* owned, (size, size): as atm_spline_create takes them, q^2 of total mass */
    ptrdiff_t size, oversampling; /* size: odd; oversampling q: samples a pixel */
};

/* Zeros for `half` pixels to each side. */
enum atm_status atm_psf_image_create(ptrdiff_t half, ptrdiff_t oversampling,
                                     struct atm_psf_image *image, struct atm_err *err);
void atm_psf_image_free(struct atm_psf_image *image);

/* The pixel-integrated Gaussian in its place. */
void atm_psf_image_gaussian(struct atm_psf_image *image, double sigma_px);

/* The same PSF on other samples, by its spline: its point (x, y) px from the middle comes into the
 * middle. Light beyond the new samples is lost, and the rest is of mass q^2 again. */
struct atm_psf_resampling {
    double x, y;
    ptrdiff_t half, oversampling;
};
enum atm_status atm_psf_image_resample(const struct atm_psf_image *from,
                                       const struct atm_psf_resampling *how,
                                       struct atm_psf_image *to, struct atm_err *err);

struct atm_psf_measures {
    double x, y;           /* px from the middle: the centre of the squared light */
    double fwhm_x, fwhm_y; /* px, through the brightest sample; the pixel's own width included */
    double sigma_px;       /* of the Gaussian most like it, without the pixel's own width */
};
/* The more samples a pixel the better; four will do. Fails for samples that are no PSF. */
enum atm_status atm_psf_image_measure(const struct atm_psf_image *image,
                                      struct atm_psf_measures *measures, struct atm_err *err);
/* Sum of samples a pixel apart. */
double atm_psf_image_mass(const struct atm_psf_image *image);
/* Part of the light that is farther than r px from the middle: from 0 to about 1. */
double atm_psf_image_beyond(const struct atm_psf_image *image, double r);

#endif
