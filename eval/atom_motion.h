/* What the single coordinates of z do to an atom: motions of its spot, and whether it stays one. */
#ifndef ATM_ATOM_MOTION_H
#define ATM_ATOM_MOTION_H

#include "block_set.h"
#include <stdint.h>

/* Derivatives of the fitted spot of sampled active blocks by each coordinate of z, per standard
 * deviation that the coordinate has over all active blocks: d x, d y (px), d ln(amplitude). */
enum { ATM_MOTIONS = 3 };
struct atm_jacobians {
    ptrdiff_t count, latent;
    double *at; /* owned (count, latent, ATM_MOTIONS) */
};
/* Central differences of a tenth of a standard deviation, of at most `most` matched blocks, spread
 * evenly. blocks: indices into set->blocks.at. */
enum atm_status atm_jacobians_measure(const struct atm_block_set *set, const ptrdiff_t *blocks,
                                      ptrdiff_t count, ptrdiff_t most,
                                      struct atm_jacobians *jacobians, struct atm_err *err);
void atm_jacobians_free(struct atm_jacobians *jacobians);

/* 10 %, 50 % and 90 % quantiles over the sampled blocks. */
struct atm_quantiles {
    double low, median, high;
};
struct atm_motion {
    ptrdiff_t samples;
    struct atm_quantiles
        singular_ratio; /* s2 / s1 of the 2 x d0 matrix d(x, y) / dz: 1 two equal motions, 0 one */
    ptrdiff_t fastest[2];       /* the coordinates with the largest median speeds; -1: d0 is 1 */
    struct atm_quantiles angle; /* between those two motions, degrees, 0..90 */
    struct atm_quantiles speed_ratio; /* the slower of those two / the faster */
};
/* speed (latent): median of |d(x, y)| of each coordinate, px; growth (latent): of |d ln A|. */
enum atm_status atm_motion_summarise(const struct atm_jacobians *jacobians,
                                     struct atm_motion *motion, double *speed, double *growth,
                                     struct atm_err *err);

/* One coordinate of an active block is moved to a random place between the coordinate's 1 % and 99
 * % quantile over all active blocks; `most` blocks, spread evenly, the coordinates in turn. */
struct atm_validity {
    ptrdiff_t moved, dark; /* dark: no longer active in its image; not counted below */
    double valid;          /* share whose fit residual is below ATM_VALID_RESIDUAL */
    double residual_mean, residual_median;
    double valid_unmoved, residual_unmoved; /* share and mean of the same blocks as they were */
};
#define ATM_VALID_RESIDUAL 0.1
enum atm_status atm_validity_measure(const struct atm_block_set *set, ptrdiff_t most, uint64_t seed,
                                     struct atm_validity *validity, struct atm_err *err);

#endif
