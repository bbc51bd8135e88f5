#include "conv.h"

#include "conv_axis.h"
#include "whole.h"

#include <math.h>

const struct conv_algorithm *const conv_algorithms[] = {&conv_direct, &conv_fft, &conv_winograd,
                                                        NULL};

ptrdiff_t conv_extent(ptrdiff_t extent, int stride, bool nearest) {
    return nearest ? 2 * extent : (extent + stride - 1) / stride;
}

void conv_margins(const struct conv_problem *problem, ptrdiff_t *x, ptrdiff_t *y) {
    const struct slab *in = &problem->x, *out = &problem->y;
    struct axis forward, back;
    axis_forward(&forward, problem->kernel, problem->stride, problem->nearest);
    axis_transpose(&forward, &back);
    *x = atm_larger(axis_margin(&forward, in->height, out->height),
                    axis_margin(&forward, in->width, out->width));
    *y = atm_larger(axis_margin(&back, out->height, in->height),
                    axis_margin(&back, out->width, in->width));
}

double conv_flop(const struct conv_problem *problem) {
    const struct slab *y = &problem->y;
    return 2.0 * (double)(y->images * y->blocks * y->height * y->width) *
           (double)(y->channels * problem->x.channels) * problem->kernel * problem->kernel;
}

/* --- Choice --- */

/* Rates in FLOP/ns of one AVX-512 core at 110 (Zen 4), from tests/bench/bench_conv.c; only their
 * ratios matter. Transforms that do not fit into a core's second cache are slower, those of other
 * sizes than powers of two as well. */
static const double direct_rate = 95, transform_rate = 13, far_rate = 8, odd_size = 0.5;
static const double product_rate = 60;
/* Of conv_winograd: rate of its sums; ns per tile and channel of its transforms. */
static const double component_rate = 100, tile_time = 150;
static const double cache_bytes = 1 << 20;
/* ns per frequency and filter of the weight gradient: sums over lanes, and their way back. */
static const double filter_time = 15;

/* The next product of small primes, for which FFTW is fast. */
static ptrdiff_t good_size(ptrdiff_t least) {
    for (ptrdiff_t n = least;; n++) {
        ptrdiff_t rest = n;
        for (ptrdiff_t prime = 2; prime <= 7; prime++)
            while (rest % prime == 0)
                rest /= prime;
        if (rest == 1)
            return n;
    }
}

/* Time of conv_fft for one step, or one forward pass: transforms of all channels and of the
 * filters, and the products per frequency. */
static double fft_time(const struct conv_problem *p, const struct fft_tiling *t) {
    const double area = (double)(t->y.extent * t->x.extent);
    const double in = (double)p->x.channels, out = (double)p->y.channels;
    const double rate = area * ATM_LANES * sizeof(float) > cache_bytes ? far_rate : transform_rate;
    const bool power = !(t->y.extent & (t->y.extent - 1)) && !(t->x.extent & (t->x.extent - 1));
    const double transform =
        5 * area * log2(area) * ATM_LANES / 2 / (power ? rate : odd_size * rate);
    const double groups = (double)(slab_groups(&p->x) * t->y.count * t->x.count);
    const double product = area * groups * in * out * 4 * ATM_LANES;
    const double filters = ceil(in * out / (ATM_LANES / 2));
    const double forward = groups * (in + out) * transform + product / product_rate;
    if (!p->training)
        return forward;
    /* tiles of the gradient overlap for one use and not for the other */
    const double again = t->y.count * t->x.count > 1 ? groups * out * transform : 0;
    return 2 * forward + again + product / product_rate + area * in * out * filter_time +
           2 * filters * transform;
}

/* Whole images: the kernel may reach around the end into the zeros, no further. Tiles: what it
 * reaches on both sides is there. They begin at pixels that a stride keeps. */
static struct fft_axis cover_axis(ptrdiff_t extent, int kernel, int stride, ptrdiff_t size) {
    const ptrdiff_t whole = good_size(extent + (kernel - 1) / 2);
    const ptrdiff_t tile = (size - (kernel - 1)) / stride * stride;
    if (size >= whole || tile < size / 4)
        return (struct fft_axis){whole, extent, 1};
    return (struct fft_axis){size, tile, (extent + tile - 1) / tile};
}

struct fft_tiling conv_fft_tiling(const struct conv_problem *problem) {
    /* powers of two, which FFTW does twice as fast as their neighbours; 128 is too far */
    static const ptrdiff_t sizes[] = {PTRDIFF_MAX, 64, 32};
    struct fft_tiling best = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int kernel = problem->kernel, stride = problem->stride;
        const struct fft_tiling t = {cover_axis(problem->x.height, kernel, stride, sizes[i]),
                                     cover_axis(problem->x.width, kernel, stride, sizes[i])};
        if (i == 0 || fft_time(problem, &t) < fft_time(problem, &best))
            best = t;
    }
    return best;
}

static double direct_time(const struct conv_problem *p) {
    const double passes = p->training ? 3 : 1;
    const double lanes = (double)(slab_groups(&p->x) * ATM_LANES) /
                         (double)(p->x.images * p->x.blocks); /* empty ones are computed too */
    return conv_work(p, &conv_direct) * passes * lanes / direct_rate;
}

/* Sums and transforms of one pass: `taps` pieces of the kernel per channel read, each channel
 * written once. */
static double winograd_pass(const struct conv_problem *p, ptrdiff_t from, ptrdiff_t to) {
    const double pieces = (double)((p->kernel + 2) / 3), taps = (double)from * pieces * pieces;
    const double tiles =
        (double)(slab_groups(&p->x) * ((p->y.height + 3) / 4)) * (double)((p->y.width + 3) / 4);
    const double products = ATM_TILE_COMPONENTS * ATM_LANES * 2 * taps * (double)to;
    return tiles * (products / component_rate + (taps + (double)to) * tile_time);
}

static double winograd_time(const struct conv_problem *p) {
    const double forward = winograd_pass(p, p->x.channels, p->y.channels);
    const double weights = p->nearest ? direct_time(p) / 3 : forward;
    return p->training ? forward + weights + winograd_pass(p, p->y.channels, p->x.channels)
                       : forward;
}

/* Winograd for training only: its rounding depends on a pixel's place in its tile, and a frame that
 * is encoded in parts is to give the codes of the whole frame to the bit. */
const struct conv_algorithm *conv_choose(const struct conv_problem *problem) {
    const struct conv_algorithm *best = &conv_direct;
    double time = direct_time(problem);
    if (problem->training && conv_winograd.fits(problem) && winograd_time(problem) < time) {
        best = &conv_winograd;
        time = winograd_time(problem);
    }
    if (problem->kernel < 7 || !conv_fft.fits(problem))
        return best;
    const struct fft_tiling tiling = conv_fft_tiling(problem);
    return fft_time(problem, &tiling) < time ? &conv_fft : best;
}

double conv_work(const struct conv_problem *problem, const struct conv_algorithm *algorithm) {
    const double pieces = (problem->kernel + 2) / 3, k = problem->kernel;
    if (algorithm == &conv_winograd)
        return conv_flop(problem) * pieces * pieces * 9 / (k * k) / 4;
    return problem->nearest ? conv_flop(problem) / 2.25 : conv_flop(problem);
}
