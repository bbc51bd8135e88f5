#include "conv.h"

#include "conv_axis.h"

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
