/* What a training does at a step, as its options say: pure functions of the step. */
#ifndef ATM_SCHEDULE_H
#define ATM_SCHEDULE_H

#include "atoms.h"

struct atm_schedule {
    double rate;    /* of Adam: linear warm-up, constant, then a cosine down to 0 */
    double penalty; /* weight of the block penalty */
    double blur_px; /* coarse to fine: a low-passed residual tells an atom of a spike that it does
                       not touch yet */
    double frames;  /* part of the frames that takes part, the dimmest */
    ptrdiff_t pursuit; /* blocks of a pursuit, 1..k. All k at once would find the same spike, and
                          their sum hardly learns; it grows as the square of the time, for the first
                          atoms need longest */
    bool again;        /* a pursuit's sweep is trained, not its first search */
    double hole_px;    /* radius of the part of each image that is shown, in proportion to those
                          blocks; 0: all */
};
struct atm_schedule atm_schedule_at(const struct atm_train_options *options, ptrdiff_t blocks,
                                    int64_t step);

#endif
