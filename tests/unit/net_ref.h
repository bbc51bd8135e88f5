/* The plain definition of every layer, in double, one output element at a time: the specification
 * that the engine is compared with. Arrays are (N, C, H, W) in the caller's order. */
#ifndef NET_REF_H
#define NET_REF_H

#include "mem.h"
#include "net.h"
#include "rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ref_tensor {
    ptrdiff_t n, c, h, w;
    double *data; /* owned */
};

/* From -1 to 1. Owned by the caller. */
static inline float *random_floats(ptrdiff_t count, uint64_t index) {
    struct atm_rng rng;
    atm_rng_init(&rng, 8, ATM_RNG_TEST, index);
    float *data = atm_mem_alloc((size_t)count, sizeof *data);
    for (ptrdiff_t i = 0; i < count; i++)
        data[i] = (float)(2 * atm_rng_uniform(&rng) - 1);
    return data;
}

static inline struct ref_tensor ref_create(ptrdiff_t n, ptrdiff_t c, ptrdiff_t h, ptrdiff_t w) {
    struct ref_tensor t = {n, c, h, w, calloc((size_t)(n * c * h * w), sizeof(double))};
    assert(t.data);
    return t;
}
static inline ptrdiff_t ref_count(const struct ref_tensor *t) { return t->n * t->c * t->h * t->w; }
static inline double *ref_at(const struct ref_tensor *t, ptrdiff_t n, ptrdiff_t c, ptrdiff_t y,
                             ptrdiff_t x) {
    return t->data + ((n * t->c + c) * t->h + y) * t->w + x;
}
/* 0 outside of the image. */
static inline double ref_get(const struct ref_tensor *t, ptrdiff_t n, ptrdiff_t c, ptrdiff_t y,
                             ptrdiff_t x) {
    return y < 0 || x < 0 || y >= t->h || x >= t->w ? 0 : *ref_at(t, n, c, y, x);
}

#define REF_EACH(T, N, C, Y, X)                                                                    \
    for (ptrdiff_t N = 0; N < (T).n; N++)                                                          \
        for (ptrdiff_t C = 0; C < (T).c; C++)                                                      \
            for (ptrdiff_t Y = 0; Y < (T).h; Y++)                                                  \
                for (ptrdiff_t X = 0; X < (T).w; X++)

/* Cross-correlation with zero padding (kernel - 1) / 2; weight (out, in, k, k); bias may be NULL.
 */
static inline struct ref_tensor conv2d_ref(const struct ref_tensor *in, int out, int k, int stride,
                                           const double *weight, const double *bias) {
    const int pad = (k - 1) / 2;
    struct ref_tensor t =
        ref_create(in->n, out, (in->h + stride - 1) / stride, (in->w + stride - 1) / stride);
    REF_EACH(t, n, o, y, x) {
        double sum = bias ? bias[o] : 0;
        for (ptrdiff_t i = 0; i < in->c; i++)
            for (int ky = 0; ky < k; ky++)
                for (int kx = 0; kx < k; kx++)
                    sum += weight[((o * in->c + i) * k + ky) * k + kx] *
                           ref_get(in, n, i, y * stride + ky - pad, x * stride + kx - pad);
        *ref_at(&t, n, o, y, x) = sum;
    }
    return t;
}

static inline struct ref_tensor nearest_ref(const struct ref_tensor *in) {
    struct ref_tensor t = ref_create(in->n, in->c, 2 * in->h, 2 * in->w);
    REF_EACH(t, n, c, y, x) * ref_at(&t, n, c, y, x) = *ref_at(in, n, c, y / 2, x / 2);
    return t;
}

static inline double ref_lerp_weight(ptrdiff_t out, ptrdiff_t in, ptrdiff_t extent) {
    const double at = fmin(fmax(((double)out + 0.5) / 2 - 0.5, 0), (double)(extent - 1));
    return fmax(0, 1 - fabs(at - (double)in));
}

static inline struct ref_tensor bilinear_ref(const struct ref_tensor *in) {
    struct ref_tensor t = ref_create(in->n, in->c, 2 * in->h, 2 * in->w);
    REF_EACH(t, n, c, y, x)
    for (ptrdiff_t v = 0; v < in->h; v++)
        for (ptrdiff_t u = 0; u < in->w; u++)
            *ref_at(&t, n, c, y, x) += ref_lerp_weight(y, v, in->h) * ref_lerp_weight(x, u, in->w) *
                                       *ref_at(in, n, c, v, u);
    return t;
}

static inline struct ref_tensor dense_ref(const struct ref_tensor *in, int out,
                                          const double *weight, const double *bias) {
    const ptrdiff_t features = in->c * in->h * in->w;
    struct ref_tensor t = ref_create(in->n, out, 1, 1);
    for (ptrdiff_t n = 0; n < t.n; n++)
        for (ptrdiff_t o = 0; o < out; o++) {
            double sum = bias ? bias[o] : 0;
            for (ptrdiff_t i = 0; i < features; i++)
                sum += weight[o * features + i] * in->data[n * features + i];
            t.data[n * out + o] = sum;
        }
    return t;
}

static inline struct ref_tensor split_ref(const struct ref_tensor *in, ptrdiff_t per_cell) {
    const ptrdiff_t d = in->c / per_cell;
    struct ref_tensor t = ref_create(in->n * in->h * in->w * per_cell, d, 1, 1);
    REF_EACH(*in, b, c, cy, cx)
    *ref_at(&t, ((b * in->h + cy) * in->w + cx) * per_cell + c / d, c % d, 0, 0) =
        *ref_at(in, b, c, cy, cx);
    return t;
}

static inline struct ref_tensor sum_ref(const struct ref_tensor *in, ptrdiff_t images, bool max) {
    const ptrdiff_t blocks = in->n / images;
    struct ref_tensor t = ref_create(images, in->c, in->h, in->w);
    REF_EACH(*in, n, c, y, x) {
        double *to = ref_at(&t, n / blocks, c, y, x);
        const double value = *ref_at(in, n, c, y, x);
        if (!max)
            *to += value;
        else if (n % blocks == 0 || value > *to)
            *to = value;
    }
    return t;
}

static inline struct ref_tensor place_ref(const struct ref_tensor *in,
                                          const struct atm_plan_size *size, int cell) {
    const ptrdiff_t edge = (in->h - cell) / 2,
                    blocks = size->grid_y * size->grid_x * size->per_cell;
    struct ref_tensor t = ref_create(size->images, in->c, size->grid_y * cell, size->grid_x * cell);
    REF_EACH(*in, n, c, y, x) {
        const ptrdiff_t at = n % blocks / size->per_cell;
        const ptrdiff_t row = at / size->grid_x * cell - edge + y,
                        column = at % size->grid_x * cell - edge + x;
        if (row >= 0 && column >= 0 && row < t.h && column < t.w)
            *ref_at(&t, n / blocks, c, row, column) += *ref_at(in, n, c, y, x);
    }
    return t;
}

static inline struct ref_tensor coordinates_ref(const struct ref_tensor *in) {
    struct ref_tensor t = ref_create(in->n, in->c + 2, in->h, in->w);
    REF_EACH(t, n, c, y, x)
    *ref_at(&t, n, c, y, x) = c < in->c    ? *ref_at(in, n, c, y, x)
                              : c == in->c ? 2 * ((double)x + 0.5) / (double)in->w - 1
                                           : 2 * ((double)y + 0.5) / (double)in->h - 1;
    return t;
}

static inline struct ref_tensor attend_ref(const struct ref_tensor *in, int heads) {
    const ptrdiff_t width = in->c / heads, d = width - 1;
    struct ref_tensor t = ref_create(in->n, heads * d, 1, 1);
    for (ptrdiff_t n = 0; n < t.n; n++)
        for (ptrdiff_t c = 0; c < t.c; c++) {
            double sum = 0, weighted = 0;
            for (ptrdiff_t y = 0; y < in->h; y++)
                for (ptrdiff_t x = 0; x < in->w; x++) {
                    const double weight = exp(*ref_at(in, n, c / d * width, y, x));
                    sum += weight;
                    weighted += weight * *ref_at(in, n, c / d * width + 1 + c % d, y, x);
                }
            t.data[n * t.c + c] = weighted / sum;
        }
    return t;
}

static inline struct ref_tensor layer_ref(const struct atm_layer *l,
                                          const struct atm_plan_size *size,
                                          const struct ref_tensor *in, const double *weight,
                                          const double *bias) {
    struct ref_tensor t;
    switch (l->kind) {
    case ATM_LAYER_CONV:
        return conv2d_ref(in, l->out, l->kernel, l->stride, weight, bias);
    case ATM_LAYER_DENSE:
        return dense_ref(in, l->out, weight, bias);
    case ATM_LAYER_NEAREST:
        return nearest_ref(in);
    case ATM_LAYER_BILINEAR:
        return bilinear_ref(in);
    case ATM_LAYER_SPLIT:
        return split_ref(in, size->per_cell);
    case ATM_LAYER_SUM:
    case ATM_LAYER_MAX:
        return sum_ref(in, size->images, l->kind == ATM_LAYER_MAX);
    case ATM_LAYER_PLACE:
        return place_ref(in, size, l->cell);
    case ATM_LAYER_COORDINATES:
        return coordinates_ref(in);
    case ATM_LAYER_ATTEND:
        return attend_ref(in, l->out);
    case ATM_LAYER_RESHAPE:
        t = ref_create(in->n, l->shape[0], l->shape[1], l->shape[2]);
        memcpy(t.data, in->data, (size_t)ref_count(in) * sizeof *t.data);
        return t;
    case ATM_LAYER_LRELU:
        t = ref_create(in->n, in->c, in->h, in->w);
        for (ptrdiff_t i = 0; i < ref_count(in); i++)
            t.data[i] = in->data[i] > 0 ? in->data[i] : (double)l->slope * in->data[i];
        return t;
    default: /* window */
        t = ref_create(in->n, in->c, in->h, in->w);
        REF_EACH(t, n, c, y, x)
        *ref_at(&t, n, c, y, x) = *ref_at(in, n, c, y, x) *
                                  sin(acos(-1) * ((double)y + 0.5) / (double)in->h) *
                                  sin(acos(-1) * ((double)x + 0.5) / (double)in->w);
        return t;
    }
}

/* A whole chain. params as in net.h, in double. The result is the caller's. */
static inline struct ref_tensor chain_ref(const struct atm_layer *layers, int count,
                                          const struct atm_net *net,
                                          const struct atm_plan_size *size, const double *params,
                                          const struct ref_tensor *input) {
    struct ref_tensor x = ref_create(input->n, input->c, input->h, input->w);
    memcpy(x.data, input->data, (size_t)ref_count(input) * sizeof *x.data);
    for (int i = 0, tensor = 0; i < count; i++) {
        const double *weight = NULL, *bias = NULL;
        if (layers[i].kind == ATM_LAYER_CONV || layers[i].kind == ATM_LAYER_DENSE) {
            weight = params + atm_net_tensor(net, tensor++)->offset;
            bias = layers[i].no_bias ? NULL : params + atm_net_tensor(net, tensor++)->offset;
        }
        const struct ref_tensor y = layer_ref(&layers[i], size, &x, weight, bias);
        free(x.data);
        x = y;
    }
    return x;
}

#endif
