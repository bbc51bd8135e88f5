/* How well the fits of a movie's frames explain them: sums over frames and over tiles of the field.
 * Frames are measured by any thread and added in their order, so that the sums are the same for any
 * number of threads; a journal can keep them. */
#ifndef ATM_FIT_TALLY_H
#define ATM_FIT_TALLY_H

#include "histogram.h"
#include "refine.h"

/* One frame. Deviance: twice the log-likelihood ratio of a perfect model to the fit, over what
 * noise alone makes of it (1 is a perfect fit) and that ratio's standard deviation for a perfect
 * fit. Unexplained: part of the signal's energy, sum (image - background)^2 beyond noise, that the
 * fit leaves. NAN where there was no fit. */
struct atm_frame_fit {
    float chi2, deviance, deviance_sd, unexplained;
};

enum { ATM_FIT_MOST_TILES = 32, ATM_FIT_TILE_PX = 16 };
struct atm_fit_grid {
    ptrdiff_t height, width; /* of the frames */
    ptrdiff_t tile_px, rows, columns;
};
/* Tiles of ATM_FIT_TILE_PX, larger where there would be more than ATM_FIT_MOST_TILES along a side.
 */
struct atm_fit_grid atm_fit_grid(ptrdiff_t height, ptrdiff_t width);

/* What is summed in a tile. left: sum of (image - fit)^2; noise: what that would be if only noise
 * were left, and its variance; signal: sum of (image - background)^2 less all noise. */
enum atm_fit_sum {
    ATM_FIT_DEVIANCE,
    ATM_FIT_EXPECTED, /* of the deviance, for a perfect fit: less one for each fitted parameter */
    ATM_FIT_VARIANCE, /* of the deviance */
    ATM_FIT_LEFT,
    ATM_FIT_NOISE,
    ATM_FIT_NOISE_VARIANCE,
    ATM_FIT_SIGNAL,
    ATM_FIT_BACKGROUND, /* per pixel, as the front end sees it */
    ATM_FIT_PIXELS,     /* of the background's sum */
    ATM_FIT_PARAMETERS, /* of the emitters */
    ATM_FIT_SUMS
};

/* A fitted frame: what went into the fit, the expectation that came out, and the rows it made. */
struct atm_fit_view {
    const struct atm_refine_input *input;
    const float *model; /* (height, width) */
    const struct atm_loc *rows;
    ptrdiff_t row_count;
    int parameters; /* of an emitter */
};
/* tiles (rows, columns, ATM_FIT_SUMS) is overwritten. scratch: ATM_FIT_SCRATCH * tile_px numbers.
 */
enum { ATM_FIT_SCRATCH = 6 };
void atm_fit_measure(const struct atm_fit_grid *grid, const struct atm_fit_view *view,
                     double *scratch, double *tiles, struct atm_frame_fit *frame);

/* All of a movie. One block of memory of doubles, which is what a journal keeps. */
struct atm_fit_tally {
    struct atm_fit_grid grid;
    double *tiles; /* owned: (rows, columns, ATM_FIT_SUMS), and behind them all below */
    struct atm_histogram *seeds;      /* photons of the network's blocks */
    struct atm_histogram *background; /* photons per pixel, of each tile and frame */
    double *localizations, *from_residual;
    size_t bytes; /* of the whole block */
};
enum atm_status atm_fit_tally_init(struct atm_fit_tally *tally, ptrdiff_t height, ptrdiff_t width,
                                   struct atm_err *err);
void atm_fit_tally_free(struct atm_fit_tally *tally);
/* A frame as atm_fit_measure left it. Its seeds are added by the caller. */
void atm_fit_tally_add(struct atm_fit_tally *tally, const double *tiles, const struct atm_loc *rows,
                       ptrdiff_t row_count);

#endif
