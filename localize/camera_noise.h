/* A camera from its noise: the variance of a pixel rises with its mean, by one ADU^2 per ADU and
 * 1 / gain, and would be zero at the offset less the read noise's variance (over the gain). */
#ifndef ATM_CAMERA_NOISE_H
#define ATM_CAMERA_NOISE_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

/* Differences of successive frames at pixels without emitters, collected in cells: tiles of the
 * field over a stretch of frames. Zero-initialise. */
struct atm_noise_cells {
    struct atm_noise_cell {
        double mean;             /* of pixel values, ADU */
        double variance, shared; /* of a frame, ADU^2; its part that pixels side by side share */
        double count;            /* differences */
    } * cells;                   /* owned */
    ptrdiff_t count, capacity;
};

/* Add frames (count, H, W) of a stretch over which the background (count, H, W) is steady; ADU. A
 * pixel counts where the 24 pixels around it are at the background in both frames: its own value
 * has no part in the choice, so what is left is all its noise. */
enum atm_status atm_noise_cells_add(struct atm_noise_cells *cells, const float *image,
                                    const float *background, ptrdiff_t count, ptrdiff_t height,
                                    ptrdiff_t width, struct atm_err *err);
void atm_noise_cells_free(struct atm_noise_cells *cells);

/* Standard errors (_se) hold what the straight line through the cells tells and, where they scatter
 * more than noise does, that. known: gain to within 20 %. */
struct atm_camera_estimate {
    bool known;
    double gain, gain_se;       /* e- per ADU */
    double zero, zero_se;       /* ADU where the variance ends: offset - read_noise^2 / gain */
    double read_noise_most;     /* e-: no pixel is darker than the offset */
    double mean_low, mean_high; /* ADU, of the cells */
    double differences;
    double shared; /* part of the slope that may be light that blinks */
};
struct atm_camera_estimate atm_camera_estimate(const struct atm_noise_cells *cells);

/* What it says, in a line. */
enum { ATM_CAMERA_ESTIMATE_SIZE = 300 };
void atm_camera_estimate_text(const struct atm_camera_estimate *estimate,
                              char text[ATM_CAMERA_ESTIMATE_SIZE]);

#endif
