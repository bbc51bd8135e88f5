/* Classical seeds: local maxima of a frame that was filtered with its PSF. What the network's seeds
 * are compared with. */
#ifndef ATM_PEAK_FINDER_H
#define ATM_PEAK_FINDER_H

#include "table.h"

struct atm_peak_finder; /* for frames of one size; not shared between threads */

enum atm_status atm_peak_finder_create(ptrdiff_t height, ptrdiff_t width, double sigma_px,
                                       struct atm_peak_finder **finder, struct atm_err *err);
void atm_peak_finder_destroy(struct atm_peak_finder **finder);

/* The least-squares photons of one emitter at each pixel centre, on equal noise, are the frame less
 * its background filtered with the PSF. Their local maxima among eight neighbours above threshold
 * (photons or ADU) replace the rows of seeds: x, y from parabolas through the maximum, photons,
 * blocks = 1, frame. */
enum atm_status atm_peak_finder_run(struct atm_peak_finder *finder, const float *image,
                                    const float *background, double threshold, int64_t frame,
                                    struct atm_table *seeds, struct atm_err *err);

#endif
