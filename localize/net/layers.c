/* Layers that act on one item: lrelu, upsampling, reshape, window. */
#include "layers.h"
#include "layers_attend.h"
#include "layers_block.h"

#include <math.h>
#include <string.h>

enum { PIECE = 4096 }; /* floats that one thread takes at a time */

ATM_CLONES
static void lrelu_piece(ptrdiff_t n, float slope, float *y) {
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = y[i] > 0 ? y[i] : slope * y[i];
}

ATM_CLONES
static void lrelu_grad_piece(ptrdiff_t n, float slope, const float *y, float *gy) {
    for (ptrdiff_t i = 0; i < n; i++)
        gy[i] = y[i] > 0 ? gy[i] : slope * gy[i];
}

void layer_lrelu(const struct slab *s, float slope, float *y) {
    const ptrdiff_t n = slab_floats(s);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < n; i += PIECE)
        lrelu_piece(n - i < PIECE ? n - i : PIECE, slope, y + i);
}

void layer_lrelu_grad(const struct slab *s, float slope, const float *y, float *gy) {
    const ptrdiff_t n = slab_floats(s);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < n; i += PIECE)
        lrelu_grad_piece(n - i < PIECE ? n - i : PIECE, slope, y + i, gy + i);
}

static void add_scaled(float *to, const float *from, float weight) {
    for (int lane = 0; lane < ATM_LANES; lane++)
        to[lane] += weight * from[lane];
}

static void nearest_forward(const struct layer_call *call, const float *x, float *y) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t planes = slab_groups(out) * out->channels;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++)
        for (ptrdiff_t row = 0; row < out->height; row++)
            for (ptrdiff_t col = 0; col < out->width; col++)
                memcpy(y + slab_at(out, 0, i, row, col), x + slab_at(in, 0, i, row / 2, col / 2),
                       ATM_LANES * sizeof *y);
}

static void nearest_backward(const struct layer_call *call, const float *x, const float *gy,
                             float *gx) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t planes = slab_groups(in) * in->channels;
    (void)x;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++)
        for (ptrdiff_t row = 0; row < in->height; row++)
            for (ptrdiff_t col = 0; col < in->width; col++) {
                const float *from = gy + slab_at(out, 0, i, 2 * row, 2 * col);
                float sum[ATM_LANES] = {0};
                add_scaled(sum, from, 1);
                add_scaled(sum, from + ATM_LANES, 1);
                add_scaled(sum, from + slab_row(out), 1);
                add_scaled(sum, from + slab_row(out) + ATM_LANES, 1);
                memcpy(gx + slab_at(in, 0, i, row, col), sum, sizeof sum);
            }
}

/* Output i lies at input (i + 1/2) / 2 - 1/2: 3/4 of the nearer input, 1/4 of the farther one. */
static void bilinear_source(ptrdiff_t i, ptrdiff_t extent, ptrdiff_t *near, ptrdiff_t *far) {
    *near = i / 2;
    *far = i % 2 ? *near + 1 : *near - 1;
    *far = *far < 0 ? 0 : *far >= extent ? extent - 1 : *far;
}

static void bilinear_forward(const struct layer_call *call, const float *x, float *y) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t planes = slab_groups(out) * out->channels;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++)
        for (ptrdiff_t row = 0; row < out->height; row++)
            for (ptrdiff_t col = 0; col < out->width; col++) {
                ptrdiff_t r0, r1, c0, c1;
                bilinear_source(row, in->height, &r0, &r1);
                bilinear_source(col, in->width, &c0, &c1);
                float sum[ATM_LANES] = {0};
                add_scaled(sum, x + slab_at(in, 0, i, r0, c0), 0.5625F);
                add_scaled(sum, x + slab_at(in, 0, i, r0, c1), 0.1875F);
                add_scaled(sum, x + slab_at(in, 0, i, r1, c0), 0.1875F);
                add_scaled(sum, x + slab_at(in, 0, i, r1, c1), 0.0625F);
                memcpy(y + slab_at(out, 0, i, row, col), sum, sizeof sum);
            }
}

static void bilinear_backward(const struct layer_call *call, const float *x, const float *gy,
                              float *gx) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t planes = slab_groups(in) * in->channels;
    (void)x;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++) {
        for (ptrdiff_t row = 0; row < in->height; row++)
            memset(gx + slab_at(in, 0, i, row, 0), 0, (size_t)in->width * ATM_LANES * sizeof *gx);
        for (ptrdiff_t row = 0; row < out->height; row++)
            for (ptrdiff_t col = 0; col < out->width; col++) {
                const float *from = gy + slab_at(out, 0, i, row, col);
                ptrdiff_t r0, r1, c0, c1;
                bilinear_source(row, in->height, &r0, &r1);
                bilinear_source(col, in->width, &c0, &c1);
                add_scaled(gx + slab_at(in, 0, i, r0, c0), from, 0.5625F);
                add_scaled(gx + slab_at(in, 0, i, r0, c1), from, 0.1875F);
                add_scaled(gx + slab_at(in, 0, i, r1, c0), from, 0.1875F);
                add_scaled(gx + slab_at(in, 0, i, r1, c1), from, 0.0625F);
            }
    }
}

/* Same elements in the order (C, H, W) of each item. */
static void copy_reshaped(const struct slab *from, const struct slab *to, const float *x,
                          float *y) {
    const ptrdiff_t area = from->height * from->width, elements = area * from->channels;
    const ptrdiff_t area_to = to->height * to->width, groups = slab_groups(from);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t g = 0; g < groups; g++)
        for (ptrdiff_t i = 0; i < elements; i++) {
            const ptrdiff_t p = i % area, q = i % area_to;
            memcpy(y + slab_at(to, g, i / area_to, q / to->width, q % to->width),
                   x + slab_at(from, g, i / area, p / from->width, p % from->width),
                   ATM_LANES * sizeof *y);
        }
}

static void reshape_forward(const struct layer_call *call, const float *x, float *y) {
    copy_reshaped(&call->x, &call->y, x, y);
}

static void reshape_backward(const struct layer_call *call, const float *x, const float *gy,
                             float *gx) {
    (void)x;
    copy_reshaped(&call->y, &call->x, gy, gx);
}

void layer_fill_window(ptrdiff_t height, ptrdiff_t width, float *window) {
    const double pi = 3.14159265358979323846;
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++)
            window[y * width + x] = (float)(sin(pi * ((double)y + 0.5) / (double)height) *
                                            sin(pi * ((double)x + 0.5) / (double)width));
}

static void apply_window(const struct slab *in, const struct slab *out, const float *window,
                         const float *x, float *y) {
    const ptrdiff_t planes = slab_groups(out) * out->channels;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++)
        for (ptrdiff_t row = 0; row < out->height; row++)
            for (ptrdiff_t col = 0; col < out->width; col++) {
                const float *from = x + slab_at(in, 0, i, row, col);
                float *to = y + slab_at(out, 0, i, row, col);
                for (int lane = 0; lane < ATM_LANES; lane++)
                    to[lane] = window[row * out->width + col] * from[lane];
            }
}

static void window_forward(const struct layer_call *call, const float *x, float *y) {
    apply_window(&call->x, &call->y, call->window, x, y);
}

static void window_backward(const struct layer_call *call, const float *x, const float *gy,
                            float *gx) {
    (void)x;
    apply_window(&call->y, &call->x, call->window, gy, gx);
}

const struct layer_ops *layer_ops_of(enum atm_layer_kind kind) {
    static const struct layer_ops ops[] = {
        [ATM_LAYER_NEAREST] = {nearest_forward, nearest_backward},
        [ATM_LAYER_BILINEAR] = {bilinear_forward, bilinear_backward},
        [ATM_LAYER_RESHAPE] = {reshape_forward, reshape_backward},
        [ATM_LAYER_WINDOW] = {window_forward, window_backward},
        [ATM_LAYER_SPLIT] = {split_forward, split_backward},
        [ATM_LAYER_SUM] = {sum_forward, sum_backward},
        [ATM_LAYER_MAX] = {max_forward, max_backward},
        [ATM_LAYER_PLACE] = {place_forward, place_backward},
        [ATM_LAYER_COORDINATES] = {coordinates_forward, coordinates_backward},
        [ATM_LAYER_ATTEND] = {attend_forward, attend_backward},
    };
    return ops[kind].forward ? &ops[kind] : NULL;
}
