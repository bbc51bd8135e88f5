/* Convolution as one interface with several algorithms. Tensors are slabs; weights are those of
 * net.h (out, in, ky, kx), cross-correlation with zero padding (kernel - 1) / 2. A dense layer is a
 * 1x1 convolution of a 1x1 image. */
#ifndef ATM_CONV_H
#define ATM_CONV_H

#include "err.h"
#include "slab.h"
#include <stdbool.h>

enum { ATM_CONV_MAX_KERNEL = 31 };

struct conv_problem {
    struct slab x, y;   /* margins at least conv_margins() */
    int kernel, stride; /* odd; 1 or 2 */
    bool nearest;       /* x is upsampled by 2 first (stride 1 only) */
    bool bias, training;
    float slope;   /* LeakyReLU of the result; 1 for none */
    float x_slope; /* LeakyReLU that made x: input_grad returns the gradient before it */
};

/* Extent of the output; margins that x and y need (y for the gradient only). */
ptrdiff_t conv_extent(ptrdiff_t extent, int stride, bool nearest);
void conv_margins(const struct conv_problem *problem, ptrdiff_t *x, ptrdiff_t *y);
/* Multiplications and additions of one forward pass, as written (upsampling not folded). */
double conv_flop(const struct conv_problem *problem);

/* How many of them an algorithm leaves: upsampling folded into a 3x3 layer saves 2.25,
 * conv_winograd 4 and more. conv_fft has no such number and counts as written. */
struct conv_algorithm;
double conv_work(const struct conv_problem *problem, const struct conv_algorithm *algorithm);

/* Per training step in this order: load, forward, weight_grad, input_grad, with the same x and gy,
 * so that an algorithm may keep what it derived from them. load copies what it needs of the
 * weights. forward fills y. input_grad fills gx from gy. weight_grad adds to gw (out, in, k, k) and
 * gb (NULL without bias). One caller at a time; parallel inside, same bytes for any thread count.
 */
struct conv_algorithm {
    const char *name;
    bool (*fits)(const struct conv_problem *problem); /* this kind of layer */
    enum atm_status (*create)(const struct conv_problem *problem, void **state,
                              struct atm_err *err);
    void (*destroy)(void *state);
    void (*load)(void *state, const float *weight, const float *bias);
    void (*forward)(void *state, const float *x, float *y);
    void (*input_grad)(void *state, const float *gy, const float *x, float *gx);
    void (*weight_grad)(void *state, const float *x, const float *gy, float *gw, float *gb);
    size_t (*bytes)(const void *state);
};

extern const struct conv_algorithm conv_direct, conv_fft, conv_winograd;
/* How conv_fft covers an axis: `count` tiles of `tile` pixels, each transformed with what the
 * kernel reaches beside it (overlap-save). One tile is the whole image. */
struct fft_axis {
    ptrdiff_t extent; /* of the transform */
    ptrdiff_t tile, count;
};
struct fft_tiling {
    struct fft_axis y, x;
};
/* The fastest by the rule of conv_choose. */
struct fft_tiling conv_fft_tiling(const struct conv_problem *problem);
/* The fastest by a cost rule that is fitted to tests/bench/bench_conv.c: no race, no clock. */
const struct conv_algorithm *conv_choose(const struct conv_problem *problem);
/* All of them, NULL at the end. */
extern const struct conv_algorithm *const conv_algorithms[];

#endif
