/* Layers that find one place in an image: the pixels' coordinates as channels, and means of values
 * under a softmax over the image (spatial attention). */
#include "layers_attend.h"

#include <math.h>
#include <string.h>

static void copy_rows(const struct slab *from, const struct slab *to, ptrdiff_t channels,
                      const float *x, float *y) {
    const ptrdiff_t groups = slab_groups(from), rows = groups * channels * from->height;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t row = i % from->height, c = i / from->height % channels,
                        g = i / from->height / channels;
        memcpy(y + slab_at(to, g, c, row, 0), x + slab_at(from, g, c, row, 0),
               (size_t)from->width * ATM_LANES * sizeof *y);
    }
}

void coordinates_forward(const struct layer_call *call, const float *x, float *y) {
    const struct slab *in = &call->x, *out = &call->y;
    copy_rows(in, out, in->channels, x, y);
    for (ptrdiff_t g = 0; g < slab_groups(out); g++)
        for (ptrdiff_t row = 0; row < out->height; row++)
            for (ptrdiff_t col = 0; col < out->width; col++) {
                float *to_x = y + slab_at(out, g, in->channels, row, col);
                float *to_y = y + slab_at(out, g, in->channels + 1, row, col);
                for (int lane = 0; lane < ATM_LANES; lane++) {
                    to_x[lane] = (float)(2 * col + 1) / (float)out->width - 1;
                    to_y[lane] = (float)(2 * row + 1) / (float)out->height - 1;
                }
            }
}

void coordinates_backward(const struct layer_call *call, const float *x, const float *gy,
                          float *gx) {
    (void)x;
    copy_rows(&call->y, &call->x, call->x.channels, gy, gx);
}

/* One head of one group of images: its score is channel `first`, its values follow. */
struct head {
    const struct slab *in;
    ptrdiff_t group, first, values;
    float top[ATM_LANES], scale[ATM_LANES]; /* greatest score, 1 / sum of exponentials */
};

/* The softmax's weight of a pixel in every lane. */
static void weights(const struct head *h, const float *x, ptrdiff_t row, ptrdiff_t col,
                    float weight[ATM_LANES]) {
    const float *score = x + slab_at(h->in, h->group, h->first, row, col);
    for (int lane = 0; lane < ATM_LANES; lane++)
        weight[lane] = expf(score[lane] - h->top[lane]) * h->scale[lane];
}

static struct head head_init(const struct layer_call *call, const float *x, ptrdiff_t index) {
    const ptrdiff_t heads = call->layer->out, width = call->x.channels / heads;
    struct head h = {.in = &call->x,
                     .group = index / heads,
                     .first = index % heads * width,
                     .values = width - 1};
    float sum[ATM_LANES] = {0}, weight[ATM_LANES];
    for (int lane = 0; lane < ATM_LANES; lane++)
        h.top[lane] = -INFINITY, h.scale[lane] = 1;
    for (ptrdiff_t row = 0; row < h.in->height; row++)
        for (ptrdiff_t col = 0; col < h.in->width; col++) {
            const float *score = x + slab_at(h.in, h.group, h.first, row, col);
            for (int lane = 0; lane < ATM_LANES; lane++)
                h.top[lane] = fmaxf(h.top[lane], score[lane]);
        }
    for (ptrdiff_t row = 0; row < h.in->height; row++)
        for (ptrdiff_t col = 0; col < h.in->width; col++) {
            weights(&h, x, row, col, weight);
            for (int lane = 0; lane < ATM_LANES; lane++)
                sum[lane] += weight[lane];
        }
    for (int lane = 0; lane < ATM_LANES; lane++)
        h.scale[lane] = 1 / sum[lane];
    return h;
}

void attend_forward(const struct layer_call *call, const float *x, float *y) {
    const ptrdiff_t heads = call->layer->out, all = slab_groups(&call->x) * heads;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < all; i++) {
        const struct head h = head_init(call, x, i);
        float weight[ATM_LANES];
        for (ptrdiff_t d = 0; d < h.values; d++)
            memset(y + slab_at(&call->y, h.group, i % heads * h.values + d, 0, 0), 0,
                   sizeof weight);
        for (ptrdiff_t row = 0; row < h.in->height; row++)
            for (ptrdiff_t col = 0; col < h.in->width; col++) {
                weights(&h, x, row, col, weight);
                for (ptrdiff_t d = 0; d < h.values; d++) {
                    const float *value = x + slab_at(h.in, h.group, h.first + 1 + d, row, col);
                    float *to = y + slab_at(&call->y, h.group, i % heads * h.values + d, 0, 0);
                    for (int lane = 0; lane < ATM_LANES; lane++)
                        to[lane] += weight[lane] * value[lane];
                }
            }
    }
}

/* With w the weights and y = sum w v: dv = w dy, dscore = w (sum_d dy v - sum_d dy y). */
void attend_backward(const struct layer_call *call, const float *x, const float *gy, float *gx) {
    const ptrdiff_t heads = call->layer->out, all = slab_groups(&call->x) * heads;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < all; i++) {
        const struct head h = head_init(call, x, i);
        float weight[ATM_LANES], mean[ATM_LANES] = {0};
        for (ptrdiff_t row = 0; row < h.in->height; row++)
            for (ptrdiff_t col = 0; col < h.in->width; col++) {
                float *to_score = gx + slab_at(h.in, h.group, h.first, row, col);
                weights(&h, x, row, col, weight);
                memset(to_score, 0, sizeof weight);
                for (ptrdiff_t d = 0; d < h.values; d++) {
                    const ptrdiff_t at = slab_at(h.in, h.group, h.first + 1 + d, row, col);
                    const float *from =
                        gy + slab_at(&call->y, h.group, i % heads * h.values + d, 0, 0);
                    for (int lane = 0; lane < ATM_LANES; lane++) {
                        gx[at + lane] = weight[lane] * from[lane];
                        to_score[lane] += from[lane] * x[at + lane];
                    }
                }
                for (int lane = 0; lane < ATM_LANES; lane++)
                    mean[lane] += weight[lane] * to_score[lane];
            }
        for (ptrdiff_t row = 0; row < h.in->height; row++)
            for (ptrdiff_t col = 0; col < h.in->width; col++) {
                float *to_score = gx + slab_at(h.in, h.group, h.first, row, col);
                weights(&h, x, row, col, weight);
                for (int lane = 0; lane < ATM_LANES; lane++)
                    to_score[lane] = weight[lane] * (to_score[lane] - mean[lane]);
            }
    }
}
