/* Is a sum of fewer atoms the image of fewer spikes? (DESIGN.md; the model's own claim.) */
#ifndef ATM_FEWER_ATOMS_H
#define ATM_FEWER_ATOMS_H

#include "block_match.h"
#include "block_set.h"
#include <stdint.h>

/* |sum of blocks - image of spikes|^2 / |image of spikes|^2: with every block, and after each
 * active block was deleted with probability 1/2, together with the spikes whose main block it was:
 * the matched one, or for a spike without, the nearest within the tolerance. Spikes that no block
 * stands for stay. */
struct atm_fewer {
    ptrdiff_t images;   /* in which at least one active block and one spike is left, and one block
                           deleted */
    double full, fewer; /* mean over these images */
    double full_median, fewer_median;
};
struct atm_fewer_options {
    ptrdiff_t images; /* looked at, the first ones */
    double sigma_px;  /* of a spike's image */
    uint64_t seed;
};
/* match: of set->blocks. */
enum atm_status atm_fewer_measure(const struct atm_block_set *set,
                                  const struct atm_block_match *match,
                                  const struct atm_fewer_options *options, struct atm_fewer *fewer,
                                  struct atm_err *err);

/* Which of one image's active blocks (from `first` on in the list) are deleted, and which spikes
 * with them. False when there is nothing to compare. */
bool atm_fewer_choose(const struct atm_block_match *match, ptrdiff_t image, uint64_t seed,
                      bool *block_deleted, bool *spike_deleted);

#endif
