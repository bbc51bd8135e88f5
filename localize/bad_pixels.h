/* Pixels of a camera that are always far brighter or darker than their neighbours: hot, stuck or
 * dead. To a network they are the brightest emitters of all. */
#ifndef ATM_BAD_PIXELS_H
#define ATM_BAD_PIXELS_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

enum { ATM_BAD_PIXELS_LOWEST = 4 };
struct atm_bad_pixels {
    ptrdiff_t height, width, frames;      /* frames: that were looked at */
    float *lowest[ATM_BAD_PIXELS_LOWEST]; /* (H, W): the least value in these frames, the second,
                                             ... */
    bool *is;                             /* (H, W) */
    ptrdiff_t *at, count;                 /* where is[] says so */
};

enum atm_status atm_bad_pixels_create(ptrdiff_t height, ptrdiff_t width, struct atm_bad_pixels *bad,
                                      struct atm_err *err);
void atm_bad_pixels_add(struct atm_bad_pixels *bad, const float *frame);
/* From the frames that were added. The darkest view of a pixel over these frames shows no emitter
 * that blinks. One that differs there from seven of its eight neighbours by six times the
 * differences among them (a spot sampled at its centre reaches that below a sigma of 0.53 px), and
 * by six standard deviations of their noise, is bad. Noise shows in the lowest four values of each,
 * which hardly any emitter reaches: of 32 normal values these span 0.82 standard deviations, of
 * fewer more. None are bad where there are fewer than 8 frames, or where more than 1 % of the
 * pixels would be: images are then like that. */
enum atm_status atm_bad_pixels_find(struct atm_bad_pixels *bad, struct atm_err *err);
/* They take the mean of their good neighbours. */
void atm_bad_pixels_mend(const struct atm_bad_pixels *bad, float *frame);
void atm_bad_pixels_free(struct atm_bad_pixels *bad);

#endif
