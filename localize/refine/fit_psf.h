/* What one emitter looks like on the pixels around it: PSF models as one table, shared by the fits
 * of single emitters and of groups. A new model is one row here and its `fill`. */
#ifndef ATM_FIT_PSF_H
#define ATM_FIT_PSF_H

#include <stddef.h>

/* An emitter in counts (photons over the camera's gain); x, y, widths in pixels. */
struct atm_spot {
    double x, y, amplitude;
    double sx, sy; /* Gaussians of fitted width only */
};
/* Its parameters, in the order in which fits number them; a model without widths has three. */
enum { ATM_SPOT_X, ATM_SPOT_Y, ATM_SPOT_AMPLITUDE, ATM_SPOT_SX, ATM_SPOT_SY, ATM_SPOT_PARAMETERS };

struct atm_spline;
struct atm_psf {
    const struct atm_psf_kind *kind;
    double sigma_px;                 /* Gaussians: the width, or where its fit starts; others: */
    const struct atm_spline *spline; /* that of the Gaussian most like it. spline: borrowed */
};

/* Pixels of a window that an emitter reaches, and there its image at amplitude 1 (at
 * ATM_SPOT_AMPLITUDE) and the derivatives of that image. Rows are `stride` apart and end in zeros:
 * vectors may read past their end. */
struct atm_patch {
    ptrdiff_t x0, y0, nx, ny, stride;
    double *plane[ATM_SPOT_PARAMETERS]; /* (ny, stride) */
};

enum {
    ATM_PSF_GAUSSIAN,
    ATM_PSF_GAUSSIAN_ROUND,
    ATM_PSF_GAUSSIAN_ELLIPTIC,
    ATM_PSF_SPLINE,
    ATM_PSF_KINDS
};
struct atm_psf_kind {
    const char *name;
    int widths; /* fitted per emitter: 0, 1 (sx = sy) or 2 */
    /* Planes of a patch whose place is set. */
    void (*fill)(const struct atm_psf *psf, const struct atm_spot *spot, struct atm_patch *patch);
};
extern const struct atm_psf_kind atm_psf_kinds[ATM_PSF_KINDS];

static inline int atm_psf_parameters(const struct atm_psf *psf) {
    return ATM_SPOT_AMPLITUDE + 1 + psf->kind->widths;
}

/* Pixels from the centre's pixel to the edge of the support; beyond it the PSF counts as zero (4.5
 * sigma: 7e-6 of the mass a side, far below the noise of any emitter that a camera can hold). */
ptrdiff_t atm_psf_half(const struct atm_psf *psf);
/* Numbers that one plane of any patch needs at most, its rows padded. */
ptrdiff_t atm_psf_plane_size(const struct atm_psf *psf);
/* Place a spot in a window (height, width); values: parameters * plane_size numbers, aligned. */
void atm_psf_place(const struct atm_psf *psf, const struct atm_spot *spot, ptrdiff_t height,
                   ptrdiff_t width, double *values, struct atm_patch *patch);

/* Mass of the 1-D Gaussian at centre that falls on pixel first + i, and its derivatives with
 * respect to centre and (may be NULL) to sigma. Smith et al. 2010, doi:10.1038/nmeth.1449,
 * equation 4. */
struct atm_psf_axis {
    double *value, *slope, *widening;
};
void atm_psf_axis(double centre, double sigma_px, ptrdiff_t first, ptrdiff_t count,
                  struct atm_psf_axis axis);

#endif
