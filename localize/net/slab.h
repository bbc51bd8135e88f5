/* Layout of every tensor inside a plan: images lie side by side in the lanes of a pixel, so all
 * arithmetic is on whole vectors whatever the image size, and every layer is a loop over pixels.
 *
 *     data[((group * C + c) * (H + 2m) + y + m) * (W + 2m) + x + m][lane]
 *
 * group = (b / LANES) * blocks + block and lane = b % LANES for image b. The margin m is zero and
 * stays zero: it is the padding of the convolutions. Lanes without an image hold zeros or finite
 * numbers that nobody reads. */
#ifndef ATM_SLAB_H
#define ATM_SLAB_H

#include "kernel.h"

struct slab {
    ptrdiff_t images, blocks; /* items in the caller's order: image * blocks + block */
    ptrdiff_t channels, height, width, margin;
};

static inline ptrdiff_t slab_groups(const struct slab *s) {
    return (s->images + ATM_LANES - 1) / ATM_LANES * s->blocks;
}
static inline ptrdiff_t slab_row(const struct slab *s) {
    return (s->width + 2 * s->margin) * ATM_LANES;
}
static inline ptrdiff_t slab_plane(const struct slab *s) {
    return (s->height + 2 * s->margin) * slab_row(s);
}
static inline ptrdiff_t slab_floats(const struct slab *s) {
    return slab_groups(s) * s->channels * slab_plane(s);
}
/* First float of pixel (y, x). */
static inline ptrdiff_t slab_at(const struct slab *s, ptrdiff_t group, ptrdiff_t c, ptrdiff_t y,
                                ptrdiff_t x) {
    return (group * s->channels + c) * slab_plane(s) + (y + s->margin) * slab_row(s) +
           (x + s->margin) * ATM_LANES;
}

/* From and to (images * blocks, C, H, W); pack zeroes the lanes without an image. */
void slab_pack(const struct slab *s, const float *items, float *data);
void slab_unpack(const struct slab *s, const float *data, float *items);

#endif
