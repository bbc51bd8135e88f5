/* Inside eval: what a score is made of, as sums that add up over frames. */
#ifndef ATM_SCORE_SUMS_H
#define ATM_SCORE_SUMS_H

#include "score.h"
#include <stdbool.h>

enum atm_score_sum {
    ATM_SUM_TP,
    ATM_SUM_FP,
    ATM_SUM_FN,
    ATM_SUM_DX,
    ATM_SUM_DY,
    ATM_SUM_SQUARES,  /* dx^2 + dy^2 */
    ATM_SUM_ABSOLUTE, /* |dx| + |dy| */
    ATM_SUM_DISTANCE,
    ATM_SUM_LIMIT_SQUARES, /* dx^2 + dy^2 of pairs with a known limit, and their number, and */
    ATM_SUM_LIMIT_PAIRS,
    ATM_SUM_LIMIT, /* the limit's variances of x and y */
    ATM_SUM_STATED_SQUARES,
    ATM_SUM_STATED_PAIRS,
    ATM_SUM_STATED,
    ATM_SUM_PULL_X, /* pulls of the STATED_PAIRS */
    ATM_SUM_PULL_XX,
    ATM_SUM_PULL_Y,
    ATM_SUM_PULL_YY,
    ATM_SUM_PULL_WITHIN,
    ATM_SUM_RESOLVED_PULLS, /* those of pairs that are no blends: pulls, both axes, and squares */
    ATM_SUM_RESOLVED_SQUARES,
    ATM_SUM_PHOTON_PAIRS,
    ATM_SUM_RELATIVE, /* (found - true) / true photons */
    ATM_SUM_RELATIVE_SQUARES,
    ATM_SUM_T, /* photons, true and found, less a common origin so that the variances do not cancel
                */
    ATM_SUM_F,
    ATM_SUM_TT,
    ATM_SUM_FF,
    ATM_SUM_TF,
    ATM_SUM_PHOTON_PULLS,
    ATM_SUM_PHOTON_PULL,
    ATM_SUM_PHOTON_PULL_SQUARES,
    ATM_SUM_COUNT
};

struct atm_score_sums {
    double of[ATM_SUM_COUNT];
};

/* One pair: errors in nm (localization - truth), variances in nm^2, both axes; NAN unknown. */
struct atm_score_pair {
    double dx, dy;
    double limit_x, limit_y;   /* standard deviations */
    double stated_x, stated_y; /* standard deviations */
    double true_photons, found_photons, stated_photons, photon_origin;
    bool blend; /* the localization stands for a missed emitter too */
};
void atm_score_sums_add_pair(struct atm_score_sums *sums, const struct atm_score_pair *pair);
void atm_score_sums_add(struct atm_score_sums *sums, const struct atm_score_sums *other);
/* All figures but the median. */
void atm_score_sums_finish(const struct atm_score_sums *sums, struct atm_score *score);

#endif
