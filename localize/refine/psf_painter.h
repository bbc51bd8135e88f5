/* Images of emitters with one PSF, added up. */
#ifndef ATM_PSF_PAINTER_H
#define ATM_PSF_PAINTER_H

#include "err.h"
#include "fit_psf.h"
#include "table.h"

struct atm_psf_painter {
    struct atm_psf psf; /* its spline is borrowed */
    ptrdiff_t height, width;
    double *image;  /* owned, (height, width) */
    double *values; /* owned: planes of a patch */
};
enum atm_status atm_psf_painter_create(struct atm_psf_painter *painter, const struct atm_psf *psf,
                                       ptrdiff_t height, ptrdiff_t width, struct atm_err *err);
void atm_psf_painter_free(struct atm_psf_painter *painter);
void atm_psf_painter_clear(struct atm_psf_painter *painter);
/* An emitter at the row's place, of so many photons. */
void atm_psf_painter_add(struct atm_psf_painter *painter, const struct atm_loc *row,
                         double photons);

#endif
