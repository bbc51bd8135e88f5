/* A PSF beside the Gaussian of the same width: picture, square root of it (for its wings), what the
 * Gaussian leaves, and profiles. */
#ifndef ATM_PSF_FIGURE_H
#define ATM_PSF_FIGURE_H

#include "psf_image.h"

/* path ends in .png. title: one line. */
enum atm_status atm_psf_figure(const char *path, const struct atm_psf_image *psf,
                               const struct atm_psf_measures *measures, const char *title,
                               struct atm_err *err);

#endif
