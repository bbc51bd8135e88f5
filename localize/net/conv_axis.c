#include "conv_axis.h"

static int floor_half(int v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

/* Add kernel elements to the tap at this offset. */
static void add_tap(struct axis_phase *phase, int off, uint32_t mask) {
    int t = 0;
    while (t < phase->taps && phase->off[t] != off)
        t++;
    if (t == phase->taps) {
        phase->off[t] = off;
        phase->mask[t] = 0;
        phase->taps++;
    }
    phase->mask[t] |= mask;
}

void axis_forward(struct axis *axis, int kernel, int stride, bool nearest) {
    const int pad = (kernel - 1) / 2;
    *axis = (struct axis){
        .phases = nearest ? 2 : 1, .in_step = nearest ? 1 : stride, .out_step = nearest ? 2 : 1};
    for (int f = 0; f < axis->phases; f++) {
        axis->phase[f].first = f;
        for (int k = 0; k < kernel; k++)
            add_tap(&axis->phase[f], nearest ? floor_half(f + k - pad) : k - pad, (uint32_t)1 << k);
    }
}

/* Input in_step * j + f is read by output out_step * (j + (f - off) / in_step) + first. */
void axis_transpose(const struct axis *forward, struct axis *axis) {
    *axis = (struct axis){
        .phases = forward->in_step, .in_step = forward->out_step, .out_step = forward->in_step};
    for (int f = 0; f < axis->phases; f++) {
        axis->phase[f].first = f;
        for (int r = 0; r < forward->phases; r++) {
            const struct axis_phase *from = &forward->phase[r];
            for (int t = from->taps - 1; t >= 0; t--)
                if ((f - from->off[t]) % forward->in_step == 0)
                    add_tap(&axis->phase[f],
                            forward->out_step * ((f - from->off[t]) / forward->in_step) +
                                from->first,
                            from->mask[t]);
        }
    }
}

ptrdiff_t axis_count(const struct axis *axis, int phase, ptrdiff_t extent_out) {
    const ptrdiff_t left = extent_out - axis->phase[phase].first;
    return left <= 0 ? 0 : (left - 1) / axis->out_step + 1;
}

ptrdiff_t axis_margin(const struct axis *axis, ptrdiff_t extent_in, ptrdiff_t extent_out) {
    ptrdiff_t margin = 0;
    for (int f = 0; f < axis->phases; f++) {
        const ptrdiff_t last = axis->in_step * (axis_count(axis, f, extent_out) - 1);
        for (int t = 0; last >= 0 && t < axis->phase[f].taps; t++) {
            const ptrdiff_t off = axis->phase[f].off[t], over = last + off - (extent_in - 1);
            margin = -off > margin ? -off : margin;
            margin = over > margin ? over : margin;
        }
    }
    return margin;
}
