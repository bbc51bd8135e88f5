/* Inside of the refinement of frames, shared by its files: the workspace and the way from a frame
 * to tiles and back. */
#ifndef ATM_REFINE_PRIVATE_H
#define ATM_REFINE_PRIVATE_H

#include "model_choice.h"

/* What a thread needs to work on one tile. */
struct atm_refine_worker {
    const struct atm_refine *refine; /* that it belongs to */
    struct atm_tile tile;
    struct atm_choice *choice;
    /* standard deviations of the tile's parameters, then scratch of the same size; owned */
    double *spread;
    ptrdiff_t spread_capacity;
};

struct atm_refine {
    struct atm_refine_options options;
    ptrdiff_t height, width;
    float *model;              /* (height, width), owned */
    struct atm_spline *spline; /* owned; NULL for Gaussians */
    double *strengths;         /* (strength_count) of the rows of this frame, owned */
    ptrdiff_t strength_count, strength_capacity;
    bool estimating; /* what is reported is for estimates of sigma and population only */
    const struct atm_sink *sink; /* borrowed, may be NULL */
    int threads;
    struct atm_refine_worker *workers; /* (threads), owned: a frame's areas are shared out */
};

/* Along one axis: the tile with its margin, and the core whose emitters it reports. */
struct atm_refine_cut {
    ptrdiff_t start, length, core_start, core_end;
};
struct atm_refine_area {
    struct atm_refine_cut rows, columns;
};
ptrdiff_t atm_refine_area_count(const struct atm_refine *refine, double sigma_px);
struct atm_refine_area atm_refine_area(const struct atm_refine *refine, double sigma_px,
                                       ptrdiff_t index);

/* photons = (counts - shift) * gain: counts have a variance equal to their expectation */
struct atm_refine_scale {
    double gain, shift;
};
struct atm_refine_scale atm_refine_scale(struct atm_noise noise);

const struct atm_likelihood *atm_refine_likelihood(const struct atm_refine *refine,
                                                   struct atm_noise noise);
/* Deviance that an emitter must be worth. */
double atm_refine_threshold(const struct atm_refine *refine, const struct atm_refine_input *input);

/* Fill the tile with an area of the frame and with the seeds in it, those nearer than merge_px
 * merged. */
enum atm_status atm_refine_load(struct atm_refine_worker *worker,
                                const struct atm_refine_input *input,
                                const struct atm_refine_area *area, double merge_px,
                                struct atm_err *err);
/* Better starts for the emitters that stand alone. */
enum atm_status atm_refine_start(struct atm_tile *tile, struct atm_err *err);
/* Least squares: variances from the model as it stands, frozen during a fit (otherwise the weights
 * would pull the model up). */
void atm_refine_weigh(struct atm_tile *tile, struct atm_noise noise);

/* Append the fitted emitters of the area's core to out, whose rows from first on are this frame's;
 * and put the core's expectation into the model image. One area after the other, in their order. */
enum atm_status atm_refine_report(struct atm_refine *refine, struct atm_refine_worker *worker,
                                  const struct atm_refine_input *input,
                                  const struct atm_refine_area *area, ptrdiff_t first,
                                  struct atm_table *out, struct atm_err *err);

#endif
