/* Background of a stretch of frames, robust against emitters, and simple statistics of a movie. */
#ifndef ATM_BACKGROUND_H
#define ATM_BACKGROUND_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

/* All pixels have one value: a page that was dropped or blanked, not a picture. */
bool atm_frame_is_blank(const float *image, ptrdiff_t pixels);

/* Background level and its standard deviation from values in which most of the excess is emitters:
 * values far above the median, measured by the spread below it, are removed until nothing changes.
 * Sorts values. */
void atm_background_level(float *values, ptrdiff_t count, double *level, double *sd);

/* Smooth background of frames (count, H, W) that belong together: levels of tiles, interpolated
 * bilinearly between their centres, into map (H, W). Frames whose own level jumps are shifted:
 * offsets (count) receives what is to be added to the map for each. Blank frames do not count where
 * there are others. */
enum atm_status atm_background_estimate(const float *frames, ptrdiff_t count, ptrdiff_t height,
                                        ptrdiff_t width, float *map, float *offsets,
                                        struct atm_err *err);

/* Significant local maxima of (frame - background): heights (capacity) receives the values at the
 * peaks; returns their number. The frame is averaged over 3x3 pixels first; significant is 5
 * standard deviations. */
ptrdiff_t atm_background_peaks(const float *frame, const float *background, ptrdiff_t height,
                               ptrdiff_t width, double sd, float *heights, ptrdiff_t capacity);

#endif
