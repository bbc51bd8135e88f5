/* Pixel-integrated Gaussian PSF of unit mass, separable: one row and one column of numbers. */
#ifndef ATM_PIXEL_PSF_H
#define ATM_PIXEL_PSF_H

#include <stddef.h>

/* Pixels from the centre's pixel to the edge of the support; beyond it the PSF counts as zero (4.5
 * sigma: 7e-6 of the mass a side, far below the noise of any emitter that a camera can hold). */
ptrdiff_t atm_psf_half(double sigma_px);

/* value[i] = mass of the 1-D Gaussian at centre that falls on pixel first + i, and its derivative
 * slope[i] with respect to centre. Smith et al. 2010, doi:10.1038/nmeth.1449, equation 4. */
void atm_psf_axis(double centre, double sigma_px, ptrdiff_t first, ptrdiff_t count, double *value,
                  double *slope);

#endif
