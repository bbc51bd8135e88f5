/* Inside eval: the range and the ticks of a plot's axis. */
#ifndef ATM_AXIS_H
#define ATM_AXIS_H

enum { ATM_AXIS_TICKS = 64 };

struct atm_axis_tick {
    double value;
    char label[24]; /* empty: a minor tick */
};

struct atm_axis {
    double lo, hi; /* lo < hi; log: lo > 0 */
    int log;
    struct atm_axis_tick ticks[ATM_AXIS_TICKS];
    int tick_count;
};

/* An axis that shows lo..hi (finite; log: positive), widened to a little more, with about `wanted`
 * labelled ticks at round values. Log: decades, with 2, 5 and more where there are few decades and
 * minor ticks at the other digits; over less than a third of a decade, the linear axis's ticks. */
void atm_axis_init(struct atm_axis *axis, double lo, double hi, int log, int wanted);

/* An axis of words: 0, 1, ... count - 1, each under its own. */
void atm_axis_init_words(struct atm_axis *axis, const char *const *words, int count);

/* 0 at lo .. 1 at hi. NAN for what the axis cannot show. */
double atm_axis_position(const struct atm_axis *axis, double value);

#endif
