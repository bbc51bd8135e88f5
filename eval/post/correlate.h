/* Where two pictures of one structure meet: cross-correlation by FFT. */
#ifndef ATM_CORRELATE_H
#define ATM_CORRELATE_H

#include "err.h"
#include <complex.h>
#include <stddef.h>

struct atm_correlator; /* plans; const after creation, usable from several threads at once */

/* For pictures of (height, width) that are shifted by up to `range` pixels along each axis; they
 * are padded, so that what leaves at one side does not come back at the other. Create and destroy
 * from one thread. */
enum atm_status atm_correlator_create(ptrdiff_t height, ptrdiff_t width, ptrdiff_t range,
                                      struct atm_correlator **correlator, struct atm_err *err);
void atm_correlator_destroy(struct atm_correlator **correlator);

/* Elements of a padded picture and of a spectrum; both blocks of atm_mem_alloc. */
size_t atm_correlator_pixels(const struct atm_correlator *correlator);
size_t atm_correlator_bins(const struct atm_correlator *correlator);

/* picture: (height, width); padded: scratch. */
void atm_correlator_transform(const struct atm_correlator *correlator, const float *picture,
                              float *padded, float complex *spectrum);

/* The shift (dx, dy) in pixels by which b has moved against a: the highest place of their
 * correlation within the range, refined by a parabola through its neighbours. product, padded:
 * scratch. height: the correlation there over its mean. */
struct atm_correlator_peak {
    double dx, dy, height;
};
struct atm_correlator_peak atm_correlator_meet(const struct atm_correlator *correlator,
                                               const float complex *a, const float complex *b,
                                               float complex *product, float *padded);

#endif
