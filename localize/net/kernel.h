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

struct atm_kernels {
    const char *name;
    int block; /* largest block of channels: 8 or 4 */
    void (*sum)(const struct tap_sum *job);
    void (*grad)(const struct tap_grad *job);
};

extern const struct atm_kernels atm_kernels_avx512, atm_kernels_avx2, atm_kernels_plain;
/* The best that this processor runs. */
const struct atm_kernels *atm_kernels_choose(void);

/* Size of the next block when `left` channels are left: 8, 6, 4, 2 or 1, at most `largest`. */
int atm_kernel_block(int largest, ptrdiff_t left);

#endif
