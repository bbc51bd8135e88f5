#include "schedule.h"

#include <math.h>

/* The part of a phase, which ends at `end` (of all steps), that is over; 1 after it. */
static double over(const struct atm_train_options *options, double end, int64_t step) {
    const double last = end * (double)options->steps;
    return (double)step < last ? (double)step / last : 1;
}

static double rate(const struct atm_train_options *o, int64_t step) {
    const double total = (double)o->steps, s = (double)step;
    const double decay_from = total * (1 - o->decay_fraction);
    double value = o->rate;
    if (step < o->warmup_steps)
        value *= (s + 1) / (double)o->warmup_steps;
    if (s > decay_from)
        value *= 0.5 * (1 + cos(M_PI * (s - decay_from) / (total - decay_from)));
    return value;
}

struct atm_schedule atm_schedule_at(const struct atm_train_options *o, ptrdiff_t blocks,
                                    int64_t step) {
    const double grown = over(o, o->pursuit_grow, step), more = (double)(blocks - 1);
    const ptrdiff_t pursuit = 1 + (ptrdiff_t)(more * grown * grown);
    return (struct atm_schedule){
        .rate = rate(o, step),
        .penalty = over(o, o->penalty_start, step) == 1 && over(o, o->penalty_end, step) < 1
                       ? o->penalty
                       : 0,
        .blur_px = o->blur_px * (1 - over(o, o->blur_end, step)),
        .frames = 0.1 + 0.9 * over(o, o->curriculum, step),
        .pursuit = pursuit,
        .again = grown == 1 && o->pursuit_sweep && step % 2 == 1,
        .hole_px = grown < 1 ? o->hole_px * (double)pursuit : 0,
    };
}
