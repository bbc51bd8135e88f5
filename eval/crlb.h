/* The Cramer-Rao limit of positions: how well any unbiased fit of the right model could have done.
 */
#ifndef ATM_CRLB_H
#define ATM_CRLB_H

#include "movie.h"
#include "table.h"

struct atm_crlb_options {
    double sigma_px;          /* of the pixel-integrated Gaussian PSF */
    double background;        /* photons per pixel where the truth does not say; NAN unknown */
    struct atm_camera camera; /* qe, em_gain, read_noise; unknown: shot noise only */
};

/* Standard deviations in px per row of the truth. NAN where photons or background are unknown, for
 * emitters that cannot be told from a neighbour, and, in tables of more than ATM_CRLB_MOST rows,
 * for all rows but an even sample of that many. */
enum { ATM_CRLB_MOST = 50000 };
struct atm_crlb {
    double *x_px, *y_px; /* owned */
    ptrdiff_t known;
};

/* Inverse Fisher information of x, y, photons and a flat background (Smith et al. 2010,
 * doi:10.1038/nmeth.1449), together with those of the emitters nearer than 4 sigma in the same
 * frame (their own neighbours excepted), so the limit grows with overlap. Pixels outside of the
 * field tell nothing. A pixel of n expected photo-electrons has the variance n (2 n with EM gain) +
 * read_noise^2. */
enum atm_status atm_crlb_init(struct atm_crlb *crlb, const struct atm_table *truth,
                              const struct atm_crlb_options *options, struct atm_err *err);
void atm_crlb_free(struct atm_crlb *crlb);

#endif
