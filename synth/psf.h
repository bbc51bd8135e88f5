/* Point spread functions of simulated emitters: separable Gaussians on the pixel grid, one row of
 * weights per axis. Thread-safe; nothing is allocated. */
#ifndef ATM_PSF_H
#define ATM_PSF_H

#include <stddef.h>

/* An emitter reaches the pixels that touch a window of this many sigma to each side. What lies
 * beyond is dropped, not folded back: 4e-9 of the photons (integrated), or 1.5e-8 of the peak
 * (sampled), far below the 6e-8 of a float for anything that a camera resolves. */
enum { ATM_PSF_REACH_SIGMAS = 6, ATM_PSF_MAX_SIGMA_PX = 50 };

enum atm_psf_shape { ATM_PSF_INTEGRATED, ATM_PSF_SAMPLED };

/* weight[i] of pixel first + i along one axis for an emitter at centre_px.
 * integrated: the Gaussian's integral over the pixel; the weights sum to 1, so the amplitude of an
 *   emitter is its total number of photons. Variance about sigma^2 + 1/12 (the pixel's own).
 * sampled: exp(-(i - centre)^2 / (2 sigma^2)), as in the paper (hal-03962759); the amplitude of an
 *   emitter is the value that a pixel centred on it has, and its sum about 2 pi sigma^2 amplitude.
 */
struct atm_psf {
    const char *name; /* the configuration's choice */
    void (*profile)(double centre_px, double sigma_px, ptrdiff_t first, ptrdiff_t count,
                    double *weight);
};
extern const struct atm_psf atm_psfs[]; /* by enum atm_psf_shape */

/* Add one emitter at column x, row y (px, pixel centres at integers) to image (H, W), which may lie
 * anywhere, also outside. 0 < sigma_px <= ATM_PSF_MAX_SIGMA_PX. */
struct atm_psf_spot {
    double x, y, sigma_px, amplitude;
};
void atm_psf_add(const struct atm_psf *psf, const struct atm_psf_spot *spot, ptrdiff_t height,
                 ptrdiff_t width, double *image);

#endif
