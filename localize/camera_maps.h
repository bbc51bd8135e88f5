/* What a camera's own pixels are, measured on frames without light and on evenly lit ones: offset,
 * read noise and gain of each pixel by the slope of variance over mean (Janesick, Photon Transfer,
 * 2007; Huang et al. 2013, doi:10.1038/nmeth.2488). */
#ifndef ATM_CAMERA_MAPS_H
#define ATM_CAMERA_MAPS_H

#include "err.h"
#include "log.h"
#include <stddef.h>

enum { ATM_MOST_LEVELS = 64 };

struct atm_camera_measured {
    ptrdiff_t height, width, dark_frames, flat_frames;
    int levels;                                           /* of light */
    float *offset;                                        /* (H, W), owned, ADU */
    float *variance;                                      /* (H, W), owned, e-^2 */
    float *gain;                                          /* (H, W), owned, e-/ADU */
    double offset_median, gain_median, read_noise_median; /* ADU, e-/ADU, e- */
    double gain_spread; /* of the pixels, without the error of measurement; of 1 */
    double gain_error;  /* of measurement; of 1 */
    ptrdiff_t strange;  /* pixels whose gain could not be measured: the median */
};

/* darks: movies without light, taken as one; flats: movies, each of one level of light, evenly lit
 * and constant but for a lamp that flickers as a whole. gain: e-/ADU of all pixels where there are
 * no flats. Gains are drawn towards their median as far as their error asks for. Memory: six images
 * of doubles. */
enum atm_status atm_camera_measure(char *const *darks, int dark_count, char *const *flats,
                                   int flat_count, double gain, const struct atm_sink *sink,
                                   struct atm_camera_measured *measured, struct atm_err *err);
void atm_camera_measured_free(struct atm_camera_measured *measured);

#endif
