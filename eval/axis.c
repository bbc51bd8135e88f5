#include "axis.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "1e+06" reads better as "1e6". */
static void format_label(char label[24], double value) {
    snprintf(label, 24, "%.6g", value);
    char *exponent = strchr(label, 'e');
    if (!exponent)
        return;
    char sign = exponent[1], *digits = exponent + 2;
    while (*digits == '0' && digits[1])
        digits++;
    char *to = exponent + 1;
    if (sign == '-')
        *to++ = '-';
    memmove(to, digits, strlen(digits) + 1);
}

static void add_tick(struct atm_axis *axis, double value, bool labelled) {
    double position = atm_axis_position(axis, value);
    if (axis->tick_count == ATM_AXIS_TICKS || !(position > -1e-9 && position < 1 + 1e-9))
        return;
    struct atm_axis_tick *tick = &axis->ticks[axis->tick_count++];
    *tick = (struct atm_axis_tick){.value = value};
    if (labelled)
        format_label(tick->label, value);
}

/* 1, 2 or 5 times a power of ten that cuts the span in about `wanted` steps. */
static double round_step(double span, int wanted) {
    double raw = span / wanted, decade = pow(10, floor(log10(raw)));
    double steps = raw / decade;
    return decade * (steps <= 1.5 ? 1 : steps <= 3.5 ? 2 : steps <= 7.5 ? 5 : 10);
}

static void add_linear_ticks(struct atm_axis *axis, int wanted) {
    double step = round_step(axis->hi - axis->lo, wanted);
    double first = ceil(axis->lo / step - 1e-9);
    for (int i = 0; (first + i) * step <= axis->hi + 1e-9 * step && i < ATM_AXIS_TICKS; i++) {
        double value = (first + i) * step;
        add_tick(axis, fabs(value) < 1e-9 * step ? 0 : value, true);
    }
}

static void add_log_ticks(struct atm_axis *axis, int wanted) {
    double low = log10(axis->lo), high = log10(axis->hi), decades = high - low;
    int first = (int)floor(low + 1e-9), last = (int)floor(high + 1e-9);
    int stride = (int)ceil(decades / (1.5 * wanted));
    bool all_digits = decades < 0.6 * wanted;
    const char *labelled = decades < 0.12 * wanted  ? "234568" /* of the digits 2 to 9 */
                           : decades < 0.2 * wanted ? "235"
                           : decades < 0.4 * wanted ? "25"
                                                    : "";
    for (int decade = first; decade <= last; decade++) {
        double power = pow(10, decade);
        add_tick(axis, power, stride <= 1 || decade % stride == 0);
        for (int digit = 2; digit < 10 && all_digits; digit++)
            add_tick(axis, digit * power, strchr(labelled, '0' + digit) != NULL);
    }
}

static void widen_linear(struct atm_axis *axis, double lo, double hi) {
    double span = hi - lo, scale = fmax(fabs(lo), fabs(hi)), extra = 0.04 * span;
    if (!(span > 1e-12 * scale)) /* one value */
        extra = scale > 0 ? scale / 10 : 1;
    axis->lo = lo - extra;
    axis->hi = hi + extra;
    if (lo >= 0 && axis->lo < 0) /* no negative steps or losses */
        axis->lo = 0;
}

static void widen_log(struct atm_axis *axis, double lo, double hi) {
    double margin = pow(hi / lo, 0.04);
    if (!(margin > 1 + 1e-9))
        margin = 1.5;
    axis->lo = lo / margin;
    axis->hi = hi * margin;
}

void atm_axis_init(struct atm_axis *axis, double lo, double hi, int log, int wanted) {
    *axis = (struct atm_axis){.log = log};
    if (log)
        widen_log(axis, lo, hi);
    else
        widen_linear(axis, lo, hi);
    if (log && axis->hi / axis->lo > 2)
        add_log_ticks(axis, wanted);
    else
        add_linear_ticks(axis, wanted);
}

double atm_axis_position(const struct atm_axis *axis, double value) {
    if (!axis->log)
        return (value - axis->lo) / (axis->hi - axis->lo);
    return value > 0 ? log(value / axis->lo) / log(axis->hi / axis->lo) : NAN;
}

void atm_axis_init_words(struct atm_axis *axis, const char *const *words, int count) {
    *axis = (struct atm_axis){.lo = -0.5, .hi = count - 0.5};
    axis->tick_count = count < ATM_AXIS_TICKS ? count : ATM_AXIS_TICKS;
    for (int i = 0; i < axis->tick_count; i++) {
        axis->ticks[i].value = i;
        snprintf(axis->ticks[i].label, sizeof axis->ticks[i].label, "%.23s", words[i]);
    }
}
