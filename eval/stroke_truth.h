/* Blocks against the true strokes of synthetic images: which block covers which stroke, and how a
 * stroke's control points follow from its block. */
#ifndef ATM_STROKE_TRUTH_H
#define ATM_STROKE_TRUTH_H

#include "movie.h"
#include "strokes.h"

/* A true stroke and the block that covers it. */
struct atm_stroke_pair {
    struct atm_stroke stroke;
    const float *z; /* borrowed: d0 numbers of the block */
};

/* Intersection over union of each true stroke's pixels (ink above 1/2) with the block matched to it
 * (pixels above half of its own greatest value): Hungarian matching of the greatest sum over the
 * active blocks, one each, of those that share a tenth at least. iou[i] is 0 and block[i] -1 for a
 * stroke without one. atoms (blocks, height, width). scratch: room for height * width. */
struct atm_stroke_blocks {
    const float *atoms;
    const unsigned char *active;
    const float *greatest; /* of each block */
    ptrdiff_t count, height, width;
};
enum atm_status atm_stroke_cover(const struct atm_stroke *strokes, ptrdiff_t count,
                                 const struct atm_stroke_blocks *blocks, float *scratch,
                                 double iou[ATM_STROKES_MAX], ptrdiff_t block[ATM_STROKES_MAX],
                                 struct atm_err *err);

/* R^2 of the control points from z: polynomials fitted to three quarters of the pairs, scored on
 * every fourth; a stroke has no direction, so each counts in the one that fits better, in fitting
 * and in scoring. NAN for fewer than 100 pairs. */
enum atm_status atm_stroke_smoothness(const struct atm_stroke_pair *pairs, ptrdiff_t count,
                                      ptrdiff_t latent, double *r2, struct atm_err *err);

#endif
