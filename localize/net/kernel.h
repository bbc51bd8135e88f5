/* The inner loops of every dense layer and direct convolution, as function pointers chosen once for
 * the processor. A pixel is a vector of ATM_LANES images, so kernels know no borders and no
 * shuffles: each output pixel is a sum over taps of weight times the input pixel at a fixed offset.
 */
#ifndef ATM_KERNEL_H
#define ATM_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* Versions of a function for newer processors, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ATM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ATM_CLONES
#endif

enum {
    ATM_LANES = 16,       /* images side by side in one pixel: one AVX-512 vector, two of AVX2 */
    ATM_KERNEL_CHUNK = 24 /* pixels that go through all channels together; divisible by all tiles */
};

/* All lanes of a pixel, for loops outside of the kernels: left to itself the compiler vectorizes a
 * loop over pixels and lanes across the pixels, with shuffles. */
typedef float atm_lanes __attribute__((vector_size(4 * ATM_LANES)));

/* Where a pixel is read and written; offsets in floats. */
struct tap_pos {
    int32_t in, out;
};

/* out[c][p] = lrelu(bias[c] + sum over t of weight[c][t] in[p.in + tap[t]]), or times the slope
 * where mask <= 0 instead of lrelu. */
struct tap_sum {
    const float *in;
    float *out;
    const struct tap_pos *pos;
    ptrdiff_t count;
    const ptrdiff_t *tap;
    ptrdiff_t taps;
    const float *weight; /* blocks of channels (kernel_block): [block][tap][channel in block] */
    const float *bias;   /* per channel, or NULL for 0 */
    ptrdiff_t channels, out_plane; /* distance between output channels */
    float slope;                   /* 1 for none */
    const float *mask;             /* NULL, or an array with the offsets of out */
};

/* sum[c * taps + t] += sum over p and lanes of grad[c * grad_plane + p.out] in[p.in + tap[t]]. */
struct tap_grad {
    const float *in, *grad;
    const struct tap_pos *pos;
    ptrdiff_t count;
    const ptrdiff_t *tap;
    ptrdiff_t taps;
    ptrdiff_t channels, grad_plane;
    float *sum;
};

/* Minimal filtering (conv_tiles.c): tiles of pixels become 6 x 6 components, which are multiplied
 * one by one and become pixels again. Each form is one axis, given as what the components are for
 * pixels d[] (in) and what pixels are for components m[] (out). p, q: interpolation points. */
enum {
    ATM_TILE = 6,
    ATM_TILE_COMPONENTS = ATM_TILE * ATM_TILE,
};
#define ATM_TILE_P 0.625F
#define ATM_TILE_Q 1.5F
enum tile_in {
    TILE_IN,      /* 6 pixels: d(t) = sum of d[i] t^i, divided by all roots but one of 0, +-p, +-q,
                     infinity */
    TILE_IN_UP,   /* 4 pixels, to be upsampled by 2: d1, d2, d0-d1, d1-d2, d2-d1, d3-d2 */
    TILE_IN_DOWN, /* 6 pixels, the adjoint of upsampling: d1+d2, d3+d4, d3-d1, d5-d3, d0-d2, d2-d4
                   */
    TILE_GRAD,    /* 4 pixels: transpose of TILE_OUT */
    TILE_INS
};
enum tile_out {
    TILE_OUT,    /* 4 pixels: y[i] = m0 0^i + m1 p^i + m2 (-p)^i + m3 q^i + m4 (-q)^i, + m5 at 3 */
    TILE_OUT_UP, /* 4 pixels: m0+m2, m0+m4, m1+m3, m1+m5 */
    TILE_OUT_DOWN, /* 2 pixels: m0+m2+m4, m1+m3+m5 */
    TILE_OUTS
};

/* One tile of one channel: out = lrelu(pixels + bias), or times the slope where mask <= 0 instead.
 */
struct tile_store {
    const float *in; /* components */
    float *out;
    ptrdiff_t row;           /* floats from one row of out to the next */
    ptrdiff_t rows, columns; /* of the tile that are inside of the image */
    float bias, slope;
    const float *mask; /* NULL, or laid out as out */
};

struct atm_kernels {
    const char *name;
    int block; /* largest block of channels: 8 or 4 */
    void (*sum)(const struct tap_sum *job);
    void (*grad)(const struct tap_grad *job);
    /* Components of the tile whose first pixel is `in`. */
    void (*tile_load[TILE_INS])(const float *in, ptrdiff_t row, float *out);
    void (*tile_store[TILE_OUTS])(const struct tile_store *job);
};

extern const struct atm_kernels atm_kernels_avx512, atm_kernels_avx2, atm_kernels_plain;
/* The best that this processor runs. */
const struct atm_kernels *atm_kernels_choose(void);

/* Size of the next block when `left` channels are left: 8, 6, 4, 2 or 1, at most `largest`. */
int atm_kernel_block(int largest, ptrdiff_t left);

#endif
