/* Layers between images and blocks. Lanes are images on both sides, so blocks are just further
 * groups: image group i has block groups i * blocks .. i * blocks + blocks - 1. */
#include "layers_block.h"

#include <string.h>

static void add_row(ptrdiff_t n, const float *from, float *to) {
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* Channel j * D + d of cell (cy, cx) <-> channel d of block (cy * gx + cx) * per_cell + j. */
static void copy_split(const struct layer_call *call, const float *from, float *to, bool forward) {
    const struct slab *image = &call->x, *block = &call->y;
    const ptrdiff_t groups = slab_groups(block), m = call->per_cell;
    for (ptrdiff_t g = 0; g < groups; g++)
        for (ptrdiff_t d = 0; d < block->channels; d++) {
            const ptrdiff_t b = g % block->blocks, cell = b / m;
            const ptrdiff_t at_image =
                slab_at(image, g / block->blocks, b % m * block->channels + d, cell / image->width,
                        cell % image->width);
            const ptrdiff_t at_block = slab_at(block, g, d, 0, 0);
            memcpy(to + (forward ? at_block : at_image), from + (forward ? at_image : at_block),
                   ATM_LANES * sizeof *to);
        }
}

void split_forward(const struct layer_call *call, const float *x, float *y) {
    copy_split(call, x, y, true);
}

void split_backward(const struct layer_call *call, const float *x, const float *gy, float *gx) {
    (void)x;
    copy_split(call, gy, gx, false);
}

void sum_forward(const struct layer_call *call, const float *x, float *y) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t rows = slab_groups(out) * out->channels * out->height;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t row = i % out->height, c = i / out->height % out->channels,
                        g = i / out->height / out->channels;
        float *to = y + slab_at(out, g, c, row, 0);
        memset(to, 0, (size_t)out->width * ATM_LANES * sizeof *to);
        for (ptrdiff_t b = 0; b < in->blocks; b++)
            add_row(out->width * ATM_LANES, x + slab_at(in, g * in->blocks + b, c, row, 0), to);
    }
}

void sum_backward(const struct layer_call *call, const float *x, const float *gy, float *gx) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t rows = slab_groups(in) * in->channels * in->height;
    (void)x;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t row = i % in->height, c = i / in->height % in->channels,
                        g = i / in->height / in->channels;
        memcpy(gx + slab_at(in, g, c, row, 0), gy + slab_at(out, g / in->blocks, c, row, 0),
               (size_t)in->width * ATM_LANES * sizeof *gx);
    }
}

void max_forward(const struct layer_call *call, const float *x, float *y) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t rows = slab_groups(out) * out->channels * out->height;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t row = i % out->height, c = i / out->height % out->channels,
                        g = i / out->height / out->channels;
        float *to = y + slab_at(out, g, c, row, 0);
        const ptrdiff_t n = out->width * ATM_LANES;
        memcpy(to, x + slab_at(in, g * in->blocks, c, row, 0), (size_t)n * sizeof *to);
        for (ptrdiff_t b = 1; b < in->blocks; b++) {
            const float *from = x + slab_at(in, g * in->blocks + b, c, row, 0);
            for (ptrdiff_t j = 0; j < n; j++)
                to[j] = from[j] > to[j] ? from[j] : to[j];
        }
    }
}

void max_backward(const struct layer_call *call, const float *x, const float *gy, float *gx) {
    const struct slab *in = &call->x, *out = &call->y;
    const ptrdiff_t rows = slab_groups(out) * out->channels * out->height;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t row = i % out->height, c = i / out->height % out->channels,
                        g = i / out->height / out->channels;
        const ptrdiff_t step = slab_at(in, 1, 0, 0, 0) - slab_at(in, 0, 0, 0, 0);
        for (ptrdiff_t j = 0; j < out->width * ATM_LANES; j++) {
            const ptrdiff_t at = slab_at(in, g * in->blocks, c, row, 0) + j;
            ptrdiff_t first = 0;
            for (ptrdiff_t b = 0; b < in->blocks; b++) {
                gx[at + b * step] = 0;
                first = x[at + b * step] > x[at + first * step] ? b : first;
            }
            gx[at + first * step] = gy[slab_at(out, g, c, row, 0) + j];
        }
    }
}

/* The part of a window that lies inside of the image. */
struct overlap {
    ptrdiff_t top, left;                 /* of the window in the image, may be negative */
    ptrdiff_t row0, row1, col0, columns; /* rows row0..row1 - 1 of the window */
};

static struct overlap window_overlap(const struct layer_call *call, ptrdiff_t block) {
    const struct slab *window = &call->x, *image = &call->y;
    const ptrdiff_t cell = call->layer->cell, at = block / call->per_cell;
    const ptrdiff_t edge = (window->height - cell) / 2;
    struct overlap o = {.top = at / call->grid_x * cell - edge,
                        .left = at % call->grid_x * cell - edge};
    o.row0 = o.top < 0 ? -o.top : 0;
    o.col0 = o.left < 0 ? -o.left : 0;
    o.row1 = o.top + window->height > image->height ? image->height - o.top : window->height;
    o.columns =
        (o.left + window->width > image->width ? image->width - o.left : window->width) - o.col0;
    return o;
}

/* to (+)= window * from, pixel by pixel; window NULL for 1. */
ATM_CLONES
static void add_windowed(ptrdiff_t columns, const float *window, const float *from, float *to) {
    const atm_lanes *add = (const atm_lanes *)from;
    atm_lanes *sum = (atm_lanes *)to;
    for (ptrdiff_t x = 0; x < columns; x++)
        sum[x] += (window ? window[x] : 1.0F) * add[x];
}

static const float *window_row(const struct layer_call *call, ptrdiff_t row, ptrdiff_t column) {
    return call->window ? call->window + row * call->x.width + column : NULL;
}

void place_forward(const struct layer_call *call, const float *x, float *y) {
    const struct slab *window = &call->x, *image = &call->y;
    const ptrdiff_t planes = slab_groups(image) * image->channels;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++) {
        const ptrdiff_t g = i / image->channels, c = i % image->channels;
        for (ptrdiff_t row = 0; row < image->height; row++)
            memset(y + slab_at(image, g, c, row, 0), 0,
                   (size_t)image->width * ATM_LANES * sizeof *y);
        for (ptrdiff_t b = 0; b < window->blocks; b++) {
            const struct overlap o = window_overlap(call, b);
            for (ptrdiff_t row = o.row0; row < o.row1; row++)
                add_windowed(o.columns, window_row(call, row, o.col0),
                             x + slab_at(window, g * window->blocks + b, c, row, o.col0),
                             y + slab_at(image, g, c, o.top + row, o.left + o.col0));
        }
    }
}

void place_backward(const struct layer_call *call, const float *x, const float *gy, float *gx) {
    const struct slab *window = &call->x, *image = &call->y;
    const ptrdiff_t planes = slab_groups(window) * window->channels;
    (void)x;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < planes; i++) {
        const ptrdiff_t g = i / window->channels, c = i % window->channels;
        const struct overlap o = window_overlap(call, g % window->blocks);
        for (ptrdiff_t row = 0; row < window->height; row++) {
            float *to = gx + slab_at(window, g, c, row, 0);
            memset(to, 0, (size_t)window->width * ATM_LANES * sizeof *to);
            if (row >= o.row0 && row < o.row1)
                add_windowed(
                    o.columns, window_row(call, row, o.col0),
                    gy + slab_at(image, g / window->blocks, c, o.top + row, o.left + o.col0),
                    to + o.col0 * ATM_LANES);
        }
    }
}

/* Blocks and lanes of a group back to the caller's order; -1 without an image. */
static ptrdiff_t block_item(const struct slab *s, ptrdiff_t group, ptrdiff_t lane) {
    const ptrdiff_t image = group / s->blocks * ATM_LANES + lane;
    return image < s->images ? image * s->blocks + group % s->blocks : -1;
}

ATM_CLONES
static void add_squares(ptrdiff_t columns, const float *window, const float *x, float *sum) {
    const atm_lanes *pixel = (const atm_lanes *)x;
    atm_lanes *sums = (atm_lanes *)sum;
    for (ptrdiff_t i = 0; i < columns; i++) {
        const atm_lanes v = (window ? window[i] : 1.0F) * pixel[i];
        *sums += v * v;
    }
}

void layer_block_energy(const struct layer_call *call, const float *x, double *energy) {
    const struct slab *s = &call->x;
    const ptrdiff_t groups = slab_groups(s);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t g = 0; g < groups; g++) {
        double sum[ATM_LANES] = {0};
        for (ptrdiff_t i = 0; i < s->channels * s->height; i++) {
            float part[ATM_LANES] __attribute__((aligned(64))) = {0};
            const ptrdiff_t row = i % s->height;
            add_squares(s->width, window_row(call, row, 0),
                        x + slab_at(s, g, i / s->height, row, 0), part);
            for (int lane = 0; lane < ATM_LANES; lane++)
                sum[lane] += part[lane];
        }
        for (int lane = 0; lane < ATM_LANES; lane++)
            if (block_item(s, g, lane) >= 0)
                energy[block_item(s, g, lane)] = sum[lane];
    }
}

ATM_CLONES
static void add_scaled_blocks(ptrdiff_t columns, const float *window, const float *scale,
                              const float *x, float *gx) {
    const atm_lanes factor = *(const atm_lanes *)scale, *from = (const atm_lanes *)x;
    atm_lanes *to = (atm_lanes *)gx;
    for (ptrdiff_t i = 0; i < columns; i++) {
        const float w = window ? window[i] * window[i] : 1.0F;
        to[i] += w * factor * from[i];
    }
}

void layer_add_blocks(const struct layer_call *call, const float *scale, const float *x,
                      float *gx) {
    const struct slab *s = &call->x;
    const ptrdiff_t groups = slab_groups(s);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t g = 0; g < groups; g++) {
        float lanes[ATM_LANES] __attribute__((aligned(64))) = {0};
        for (int lane = 0; lane < ATM_LANES; lane++)
            if (block_item(s, g, lane) >= 0)
                lanes[lane] = scale[block_item(s, g, lane)];
        for (ptrdiff_t i = 0; i < s->channels * s->height; i++) {
            const ptrdiff_t at = slab_at(s, g, i / s->height, i % s->height, 0);
            add_scaled_blocks(s->width, window_row(call, i % s->height, 0), lanes, x + at, gx + at);
        }
    }
}
