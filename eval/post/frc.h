/* Resolution by Fourier ring correlation of two halves of the data (Nieuwenhuizen et al. 2013,
 * doi:10.1038/nmeth.2448). */
#ifndef ATM_FRC_H
#define ATM_FRC_H

#include "locs.h"

struct atm_frc_options {
    double pixel;      /* px, of the rendered halves */
    ptrdiff_t repeats; /* random splits */
    uint64_t seed;
    const uint32_t *group; /* borrowed (count): rows of one group stay in one half */
    ptrdiff_t groups;
};

struct atm_frc {
    double resolution; /* px: 1 / the spatial frequency where the curve falls below 1/7, mean over
                          splits */
    double error;      /* px: standard deviation over splits */
    ptrdiff_t crossed; /* splits with such a frequency; 0: resolution is NAN */
    ptrdiff_t rings;
    double *frequency, *correlation; /* owned (rings); 1/px; of all splits together, smoothed */
};

/* The field is cut into square tiles of 1024 rendered pixels, each faded out at its edges; sums
 * over rings go over all tiles. The same result for any thread count. */
enum atm_status atm_frc_estimate(const struct atm_locs *locs, const struct atm_frc_options *options,
                                 struct atm_frc *frc, struct atm_err *err);
void atm_frc_free(struct atm_frc *frc);

#endif
