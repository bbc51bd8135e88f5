/* Pairing of localizations with true emitters, frame by frame. */
#ifndef ATM_MATCH_H
#define ATM_MATCH_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

/* In the order of the choices of eval.matching. */
enum atm_match_method { ATM_MATCH_GREEDY, ATM_MATCH_HUNGARIAN };

/* x, y finite, origin anywhere but the same for both lists. */
struct atm_match_point {
    double x_nm, y_nm;
    int64_t frame;
    ptrdiff_t row; /* of the table that the point came from; -1 none */
};

struct atm_match_list {
    struct atm_match_point *points; /* sorted by frame */
    ptrdiff_t count;
};

/* A pair within the tolerance that may be made. */
struct atm_match_edge {
    double distance;
    ptrdiff_t truth, found;
};

/* pair (truth->count entries): index into found->points or -1. A pair's distance is <=
 * tolerance_nm.
 *
 * Greedy, as the challenge (Sage et al. 2019, doi:10.1038/s41592-019-0364-4): of all candidate
 * pairs of a frame the nearest is taken, then the nearest of those left, and so on; equal distances
 * by the order in the lists. Hungarian: the most pairs that are possible, and among such choices
 * the least sum of distances.
 *
 * Candidates come from bands as high as the tolerance, so the cost grows with the candidates, not
 * with all pairs. Fails on a tolerance that is not positive, or when a frame has more candidates
 * than memory reasonably holds. Thread-safe. */
enum atm_status atm_match_frames(const struct atm_match_list *truth,
                                 const struct atm_match_list *found, double tolerance_nm,
                                 enum atm_match_method method, ptrdiff_t *pair,
                                 struct atm_err *err);

#endif
