#include "conv.h"

#include "conv_axis.h"

#include <math.h>

const struct conv_algorithm *const conv_algorithms[] = {&conv_direct, &conv_fft, NULL};

ptrdiff_t conv_extent(ptrdiff_t extent, int stride, bool nearest) {
    return nearest ? 2 * extent : (extent + stride - 1) / stride;
}

static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

void conv_margins(const struct conv_problem *problem, ptrdiff_t *x, ptrdiff_t *y) {
    const struct slab *in = &problem->x, *out = &problem->y;
    struct axis forward, back;
    axis_forward(&forward, problem->kernel, problem->stride, problem->nearest);
    axis_transpose(&forward, &back);
    *x = larger(axis_margin(&forward, in->height, out->height),
                axis_margin(&forward, in->width, out->width));
    *y = larger(axis_margin(&back, out->height, in->height),
                axis_margin(&back, out->width, in->width));
}

double conv_flop(const struct conv_problem *problem) {
    const struct slab *y = &problem->y;
    return 2.0 * (double)(y->images * y->blocks * y->height * y->width) *
           (double)(y->channels * problem->x.channels) * problem->kernel * problem->kernel;
}

/* --- Choice --- */

/* Rates in FLOP/ns of one AVX-512 core at 115 (Zen 4), from tests/bench/bench_conv.c; only their
 * ratios matter. */
static const double direct_rate = 85, transform_rate = 13, product_rate = 60, sum_rate = 4;

/* Time of conv_fft for one step, or one forward pass: transforms of all channels and of the
 * filters, and the products per frequency. The weight gradient ends in a sum over lanes per
 * frequency, which is slow. */
static double fft_time(const struct conv_problem *p) {
    const double fy = (double)conv_fft_extent(p->x.height, p->kernel),
                 fx = (double)conv_fft_extent(p->x.width, p->kernel);
    const double in = (double)p->x.channels, out = (double)p->y.channels;
    const double transform = 5 * fy * fx * log2(fy * fx) * ATM_LANES / 2 / transform_rate;
    const double groups = (double)slab_groups(&p->x);
    const double product = fy * fx * groups * in * out * 4 * ATM_LANES;
    const double filters = ceil(in * out / (ATM_LANES / 2));
    const double forward = groups * (in + out) * transform + product / product_rate;
    if (!p->training)
        return forward;
    return 2 * forward + product / sum_rate + 2 * filters * transform;
}

static double direct_time(const struct conv_problem *p) {
    const double folded = p->nearest ? 2.25 : 1, passes = p->training ? 3 : 1;
    const double lanes = (double)(slab_groups(&p->x) * ATM_LANES) /
                         (double)(p->x.images * p->x.blocks); /* empty ones are computed too */
    return conv_flop(p) * passes * lanes / folded / direct_rate;
}

const struct conv_algorithm *conv_choose(const struct conv_problem *problem) {
    if (problem->nearest || problem->kernel < 7)
        return &conv_direct;
    return fft_time(problem) < direct_time(problem) ? &conv_fft : &conv_direct;
}
