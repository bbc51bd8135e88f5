/* Convolution with stride 1 by minimal filtering (Winograd 1980; Lavin and Gray, arXiv:1509.09308):
 * tiles of 4 x 4 outputs of a 3x3 kernel need 36 products per pair of channels instead of 144.
 * Tiles of pixels become 36 components, each component is a 1x1 convolution over the channels, and
 * its results become pixels again, with bias and LeakyReLU. A larger kernel is cut into pieces of
 * 3x3, which read the channels at shifts of 3 pixels, as if they were more channels.
 *
 * Upsampling by 2 before a 3x3 convolution needs 36 products as well, where the phases of
 * conv_direct.c need 64. Along one axis, with S = w0 + w1 + w2:
 *
 *     y[2i]     = w0 x[i-1] + (w1 + w2) x[i] = S x[i] + w0 (x[i-1] - x[i])
 *     y[2i + 1] = (w0 + w1) x[i] + w2 x[i+1] = S x[i] + w2 (x[i+1] - x[i])
 *
 * and for the input gradient
 *
 *     gx[i] = S (gy[2i] + gy[2i+1]) + w0 (gy[2i+2] - gy[2i]) + w2 (gy[2i-1] - gy[2i+1]).
 *
 * Its weight gradient is left to conv_direct.c, which is faster there.
 * Some tiles at a time, so that their components stay in the second cache. */
#include "conv.h"
#include "conv_filters.h"
#include "mem.h"
#include "whole.h"

#include <omp.h>
#include <string.h>

enum {
    PIECE = FILTER_PIECE,
    LARGEST = 15, /* kernel: beyond it conv_fft is ahead */
    COMPONENTS = ATM_TILE_COMPONENTS,
    SLOTS = 8,                /* partial sums of the weight gradient */
    MOST_TILES = 24,          /* that are worked on together; divisible by all register tiles */
    FEW_TILES = 3,            /* the same for the largest one */
    CACHE_FLOATS = 60 * 1024, /* components of those tiles stay in a part of L2 */
    GRAD_FLOATS = 480 * 1024, /* the same in weight_grad, where L3 has to do */
    CHANNEL = (COMPONENTS + 1) * ATM_LANES /* floats of the components of a tile's channel: an odd
                                              number of lines of the cache, else they collide */
};

/* From the pixels of a slab to components. */
struct source {
    struct slab slab;
    enum tile_in form;
    int side, first, step; /* pixels of a tile, the first of tile 0, from tile to tile */
    int pieces;            /* of the kernel along an axis */
    ptrdiff_t taps;        /* channels times pieces, in this order: channel, row, column */
};

/* Forward or input gradient. */
struct direction {
    struct source from;
    struct slab to;
    enum tile_out form;
    int step;        /* pixels of `to` per tile */
    ptrdiff_t tiles; /* worked on together */
    struct tap_pos *pos;
    float *weight; /* blocks of channels (kernel_block): [block][component][from][to in block] */
};

struct winograd {
    struct conv_problem problem;
    const struct atm_kernels *kernels;
    struct direction forward, back;
    struct source grad;     /* the output's gradient in weight_grad */
    void *direct;           /* does weight_grad of an upsampled layer, else NULL */
    ptrdiff_t down, across; /* tiles of an image */
    ptrdiff_t grad_tiles;   /* worked on together in weight_grad */
    struct tap_pos *grad_pos;
    ptrdiff_t *tap;
    int threads, slots;
    ptrdiff_t scratch_floats; /* of a thread */
    float *scratch, *bias, *sums;
    struct atm_arena arena;
};

static bool winograd_fits(const struct conv_problem *problem) {
    const int largest = problem->nearest ? PIECE : LARGEST;
    return problem->kernel >= PIECE && problem->kernel <= largest && problem->stride == 1;
}

static ptrdiff_t all_tiles(const struct winograd *s) {
    return slab_groups(&s->problem.x) * s->down * s->across;
}

/* --- Layout --- */

/* As many tiles as a cache holds of `channels` channels. */
static ptrdiff_t tiles_in(ptrdiff_t floats, ptrdiff_t channels) {
    ptrdiff_t tiles = MOST_TILES;
    while (tiles > FEW_TILES && tiles * channels * CHANNEL > floats)
        tiles /= 2;
    return tiles;
}

static void direction_init(struct direction *d, const struct source *from, const struct slab *to,
                           enum tile_out form, int step) {
    *d = (struct direction){.from = *from, .to = *to, .form = form, .step = step};
    d->tiles = tiles_in(CACHE_FLOATS, from->taps);
}

static struct source make_source(const struct slab *slab, enum tile_in form, int side, int step,
                                 int kernel) {
    const int pieces = (kernel + PIECE - 1) / PIECE;
    return (struct source){
        *slab, form, side, -(kernel - 1) / 2, step, pieces, slab->channels * pieces * pieces};
}

static void choose_forms(struct winograd *s) {
    const struct slab *x = &s->problem.x, *y = &s->problem.y;
    const int k = s->problem.kernel;
    if (s->problem.nearest) {
        const struct source up = make_source(x, TILE_IN_UP, 4, 2, k),
                            down = make_source(y, TILE_IN_DOWN, 6, 4, k);
        direction_init(&s->forward, &up, y, TILE_OUT_UP, 4);
        direction_init(&s->back, &down, x, TILE_OUT_DOWN, 2);
    } else {
        const struct source from_x = make_source(x, TILE_IN, 6, 4, k),
                            from_y = make_source(y, TILE_IN, 6, 4, k);
        direction_init(&s->forward, &from_x, y, TILE_OUT, 4);
        direction_init(&s->back, &from_y, x, TILE_OUT, 4);
    }
    s->grad = make_source(y, TILE_GRAD, 4, 4, 1);
    s->down = atm_ceil_div(y->height, 4);
    s->across = atm_ceil_div(y->width, 4);
}

static void set_sizes(struct winograd *s) {
    const ptrdiff_t in = s->forward.from.taps, out = s->back.from.taps, block = s->kernels->block;
    const ptrdiff_t training = s->problem.training ? 1 : 0, both = in + s->problem.y.channels;
    const ptrdiff_t grads = s->problem.nearest ? 0 : training;
    s->grad_tiles = tiles_in(GRAD_FLOATS, both);
    s->slots = (int)(grads * atm_smaller(SLOTS, atm_ceil_div(all_tiles(s), s->grad_tiles)));
    s->scratch_floats =
        atm_larger(s->forward.tiles * (in + block), training * s->back.tiles * (out + block));
    s->scratch_floats = atm_larger(s->scratch_floats, grads * s->grad_tiles * both) * CHANNEL;
}

/* Tile t: its components before the sums are `from` taps, after them `to` channels. */
static void fill_positions(ptrdiff_t from, ptrdiff_t to, struct tap_pos *pos) {
    for (ptrdiff_t t = 0; t < MOST_TILES; t++)
        pos[t] = (struct tap_pos){(int32_t)(t * from * CHANNEL), (int32_t)(t * to * CHANNEL)};
}

static enum atm_status lay_out(struct winograd *s, struct atm_err *err) {
    const size_t in = (size_t)s->forward.from.taps, back_in = (size_t)s->back.from.taps;
    const size_t out = (size_t)s->problem.y.channels, most = in > back_in ? in : back_in;
    const size_t weights = COMPONENTS * in * out, training = s->problem.training ? 1 : 0;
    struct atm_arena *a = &s->arena;
    const size_t forward = atm_arena_reserve(a, weights, sizeof(float));
    const size_t back = atm_arena_reserve(a, training * weights, sizeof(float));
    const size_t sums = atm_arena_reserve(a, (size_t)s->slots * weights, sizeof(float));
    const size_t bias = atm_arena_reserve(a, out, sizeof(float));
    const size_t scratch =
        atm_arena_reserve(a, (size_t)s->threads * (size_t)s->scratch_floats, sizeof(float));
    const size_t tap = atm_arena_reserve(a, most, sizeof *s->tap);
    const size_t pos = atm_arena_reserve(a, 3 * MOST_TILES, sizeof *s->grad_pos);
    if (atm_arena_alloc(a, "a convolution", err) != ATM_OK)
        return ATM_FAIL;
    s->forward.weight = atm_arena_at(a, forward);
    s->back.weight = atm_arena_at(a, back);
    s->sums = atm_arena_at(a, sums);
    s->bias = atm_arena_at(a, bias);
    s->scratch = atm_arena_at(a, scratch);
    s->tap = atm_arena_at(a, tap);
    s->grad_pos = atm_arena_at(a, pos);
    s->forward.pos = s->grad_pos + MOST_TILES;
    s->back.pos = s->forward.pos + MOST_TILES;
    for (size_t c = 0; c < most; c++)
        s->tap[c] = (ptrdiff_t)c * CHANNEL;
    fill_positions(s->forward.from.taps, s->kernels->block, s->forward.pos);
    fill_positions(s->back.from.taps, s->kernels->block, s->back.pos);
    fill_positions(s->forward.from.taps, s->problem.y.channels, s->grad_pos);
    return ATM_OK;
}

static void winograd_destroy(void *state) {
    struct winograd *s = state;
    if (s) {
        conv_direct.destroy(s->direct);
        atm_arena_free(&s->arena);
    }
    atm_mem_free(s);
}

static enum atm_status winograd_create(const struct conv_problem *problem, void **state,
                                       struct atm_err *err) {
    if (!winograd_fits(problem))
        return atm_err_set(err, ATM_FAIL,
                           "winograd is for kernels of 3 to 15 with stride 1, upsampling for 3");
    struct winograd *s = atm_mem_alloc(1, sizeof *s);
    if (!s)
        return atm_err_memory(err, "a convolution");
    s->problem = *problem;
    s->kernels = atm_kernels_choose();
    s->threads = omp_get_max_threads();
    choose_forms(s);
    set_sizes(s);
    enum atm_status status = lay_out(s, err);
    if (status == ATM_OK && problem->nearest && problem->training)
        status = conv_direct.create(problem, &s->direct, err);
    if (status == ATM_OK)
        *state = s;
    else
        winograd_destroy(s);
    return status;
}

/* --- Weights --- */

/* Element (y, x) of a piece in the kernel, or -1 where the piece is larger. */
static int element(const struct source *from, int kernel, int piece, int k) {
    const int y = piece / from->pieces * PIECE + k / PIECE;
    const int x = piece % from->pieces * PIECE + k % PIECE;
    return y < kernel && x < kernel ? y * kernel + x : -1;
}

/* Weights from a tap to channels c..c + block - 1. Backward filters are turned by 180 degrees,
 * unless TILE_IN_DOWN does it. */
static void load_block(const struct winograd *s, const struct direction *d,
                       const struct filter_rows *rows, const float *weight, ptrdiff_t tap,
                       ptrdiff_t c, int block) {
    const struct source *source = &d->from;
    const int kernel = s->problem.kernel, area = kernel * kernel;
    const int pieces = source->pieces * source->pieces;
    const ptrdiff_t in = s->problem.x.channels, from = tap / pieces;
    const bool back = d == &s->back, turned = back && !s->problem.nearest;
    double piece[FILTER_ELEMENTS][FILTER_TEAM] = {0};
    float out[COMPONENTS][FILTER_TEAM];
    for (int k = 0; k < FILTER_ELEMENTS; k++) {
        const int at = element(source, kernel, (int)(tap % pieces), k);
        const float *first = weight + (back ? from * in + c : c * in + from) * area;
        for (int l = 0; at >= 0 && l < block; l++)
            piece[k][l] = (double)first[l * (back ? 1 : in) * area + (turned ? area - 1 - at : at)];
    }
    filter_components(rows, piece, out);
    float *packed = d->weight + c * COMPONENTS * source->taps + tap * block;
    for (int i = 0; i < COMPONENTS; i++, packed += source->taps * block)
        for (int l = 0; l < block; l++)
            packed[l] = out[i][l];
}

static void load_direction(const struct winograd *s, const struct direction *d,
                           const float *weight) {
    const struct filter_rows rows = filter_rows(s->problem.nearest);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t tap = 0; tap < d->from.taps; tap++)
        for (ptrdiff_t c = 0; c < d->to.channels;) {
            const int block = atm_kernel_block(s->kernels->block, d->to.channels - c);
            load_block(s, d, &rows, weight, tap, c, block);
            c += block;
        }
}

static void winograd_load(void *state, const float *weight, const float *bias) {
    struct winograd *s = state;
    if (bias)
        memcpy(s->bias, bias, (size_t)s->problem.y.channels * sizeof *bias);
    load_direction(s, &s->forward, weight);
    if (s->problem.training)
        load_direction(s, &s->back, weight);
}

/* --- Tiles --- */

struct place {
    ptrdiff_t group, down, across;
};

static struct place place_of(const struct winograd *s, ptrdiff_t tile) {
    const ptrdiff_t area = s->down * s->across;
    return (struct place){tile / area, tile % area / s->across, tile % s->across};
}

/* A tile that reaches over the margin, with the zeros that are there. */
static void copy_tile(const struct source *from, const float *data, ptrdiff_t group, ptrdiff_t c,
                      ptrdiff_t top, ptrdiff_t left, float *copy) {
    memset(copy, 0, (size_t)(from->side * from->side) * ATM_LANES * sizeof *copy);
    const ptrdiff_t begin = atm_larger(0, -left),
                    end = atm_smaller(from->side, from->slab.width - left);
    for (ptrdiff_t y = atm_larger(0, -top); y < atm_smaller(from->side, from->slab.height - top);
         y++)
        if (begin < end)
            memcpy(copy + (y * from->side + begin) * ATM_LANES,
                   data + slab_at(&from->slab, group, c, top + y, left + begin),
                   (size_t)(end - begin) * ATM_LANES * sizeof *copy);
}

/* Components of a tile for one tap. */
static void load_tile(const struct winograd *s, const struct source *from, const float *data,
                      const struct place *at, ptrdiff_t tap, float *out) {
    const struct slab *slab = &from->slab;
    const ptrdiff_t row = tap / from->pieces % from->pieces, column = tap % from->pieces;
    const ptrdiff_t c = tap / (from->pieces * from->pieces);
    const ptrdiff_t top = at->down * from->step + from->first + row * PIECE,
                    left = at->across * from->step + from->first + column * PIECE;
    const bool inside = top >= -slab->margin && left >= -slab->margin &&
                        top + from->side <= slab->height + slab->margin &&
                        left + from->side <= slab->width + slab->margin;
    if (inside) {
        s->kernels->tile_load[from->form](data + slab_at(slab, at->group, c, top, left),
                                          slab_row(slab), out);
    } else {
        float copy[COMPONENTS * ATM_LANES] __attribute__((aligned(64)));
        copy_tile(from, data, at->group, c, top, left, copy);
        s->kernels->tile_load[from->form](copy, from->side * ATM_LANES, out);
    }
}

/* All taps of some tiles. Along a row of tiles first, where pixels lie side by side. */
static void load_tiles(const struct winograd *s, const struct source *from, const float *data,
                       ptrdiff_t first, ptrdiff_t count, float *out) {
    struct place at[MOST_TILES];
    for (ptrdiff_t t = 0; t < count; t++)
        at[t] = place_of(s, first + t);
    for (ptrdiff_t tap = 0; tap < from->taps; tap++)
        for (ptrdiff_t t = 0; t < count; t++)
            load_tile(s, from, data, &at[t], tap, out + (t * from->taps + tap) * CHANNEL);
}

/* --- Forward and input gradient --- */

struct arrays {
    const float *in, *bias, *mask; /* bias and mask may be NULL */
    float *out;
};

/* Results of channels c..c + block - 1, back to pixels. */
static void store_tile(const struct winograd *s, const struct direction *d,
                       const struct arrays *arrays, ptrdiff_t tile, ptrdiff_t c, int block,
                       const float *results) {
    const struct place at = place_of(s, tile);
    const ptrdiff_t y = at.down * d->step, x = at.across * d->step;
    for (ptrdiff_t i = 0; i < block; i++) {
        const ptrdiff_t pixel = slab_at(&d->to, at.group, c + i, y, x);
        s->kernels->tile_store[d->form](&(struct tile_store){
            .in = results + i * CHANNEL,
            .out = arrays->out + pixel,
            .row = slab_row(&d->to),
            .rows = d->to.height - y,
            .columns = d->to.width - x,
            .bias = arrays->bias ? arrays->bias[c + i] : 0.0F,
            .slope = d == &s->back ? s->problem.x_slope : s->problem.slope,
            .mask = arrays->mask ? arrays->mask + pixel : NULL,
        });
    }
}

static void run_tiles(const struct winograd *s, const struct direction *d,
                      const struct arrays *arrays, ptrdiff_t first, float *scratch) {
    const ptrdiff_t count = atm_smaller(d->tiles, all_tiles(s) - first), taps = d->from.taps;
    float *results = scratch + d->tiles * taps * CHANNEL;
    load_tiles(s, &d->from, arrays->in, first, count, scratch);
    for (ptrdiff_t c = 0; c < d->to.channels;) {
        const int block = atm_kernel_block(s->kernels->block, d->to.channels - c);
        const float *weight = d->weight + c * COMPONENTS * taps;
        for (ptrdiff_t i = 0; i < COMPONENTS; i++)
            s->kernels->sum(&(struct tap_sum){.in = scratch + i * ATM_LANES,
                                              .out = results + i * ATM_LANES,
                                              .pos = d->pos,
                                              .count = count,
                                              .tap = s->tap,
                                              .taps = taps,
                                              .weight = weight + i * taps * block,
                                              .channels = block,
                                              .out_plane = CHANNEL,
                                              .slope = 1.0F});
        for (ptrdiff_t t = 0; t < count; t++)
            store_tile(s, d, arrays, first + t, c, block,
                       results + t * s->kernels->block * CHANNEL);
        c += block;
    }
}

/* Threads with a scratch of their own. */
static int team(const struct winograd *s) {
    const int most = omp_get_max_threads();
    return most < s->threads ? most : s->threads;
}

static void run(const struct winograd *s, const struct direction *d, const struct arrays *arrays) {
    const ptrdiff_t all = all_tiles(s);
#pragma omp parallel for schedule(static) num_threads(team(s))
    for (ptrdiff_t i = 0; i < all; i += d->tiles)
        run_tiles(s, d, arrays, i, s->scratch + omp_get_thread_num() * s->scratch_floats);
}

static void winograd_forward(void *state, const float *x, float *y) {
    const struct winograd *s = state;
    run(s, &s->forward,
        &(struct arrays){.in = x, .bias = s->problem.bias ? s->bias : NULL, .out = y});
}

static void winograd_input_grad(void *state, const float *gy, const float *x, float *gx) {
    const struct winograd *s = state;
    run(s, &s->back,
        &(struct arrays){.in = gy, .mask = s->problem.x_slope != 1.0F ? x : NULL, .out = gx});
}

/* --- Weight gradient: sums per component in slots that are added in order --- */

static void grad_tiles(const struct winograd *s, const float *x, const float *gy, ptrdiff_t first,
                       float *scratch, float *sums) {
    const ptrdiff_t count = atm_smaller(s->grad_tiles, all_tiles(s) - first);
    const ptrdiff_t in = s->forward.from.taps, out = s->problem.y.channels;
    float *grads = scratch + s->grad_tiles * in * CHANNEL;
    load_tiles(s, &s->forward.from, x, first, count, scratch);
    load_tiles(s, &s->grad, gy, first, count, grads);
    for (ptrdiff_t i = 0; i < COMPONENTS; i++)
        s->kernels->grad(&(struct tap_grad){.in = scratch + i * ATM_LANES,
                                            .grad = grads + i * ATM_LANES,
                                            .pos = s->grad_pos,
                                            .count = count,
                                            .tap = s->tap,
                                            .taps = in,
                                            .channels = out,
                                            .grad_plane = CHANNEL,
                                            .sum = sums + i * in * out});
}

/* The pieces of a filter, from the sums of its first tap and component. */
static void add_filter(const struct winograd *s, const struct filter_rows *rows, const float *sums,
                       float *gw) {
    const struct source *from = &s->forward.from;
    const int kernel = s->problem.kernel;
    for (int piece = 0; piece < from->pieces * from->pieces; piece++) {
        double gradient[FILTER_ELEMENTS];
        filter_gradient(rows, sums + piece, from->taps * s->problem.y.channels, gradient);
        for (int k = 0; k < FILTER_ELEMENTS; k++)
            if (element(from, kernel, piece, k) >= 0)
                gw[element(from, kernel, piece, k)] += (float)gradient[k];
    }
}

ATM_CLONES
static void sum_row(ptrdiff_t width, const float *row, float *part) {
    const atm_lanes *pixel = (const atm_lanes *)row;
    atm_lanes sum = {0};
    for (ptrdiff_t x = 0; x < width; x++)
        sum += pixel[x];
    *(atm_lanes *)part = sum;
}

static void add_bias_grad(const struct winograd *s, const float *gy, float *gb) {
    const struct slab *slab = &s->problem.y;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t c = 0; c < slab->channels; c++) {
        double sum = 0;
        for (ptrdiff_t i = 0; i < slab_groups(slab) * slab->height; i++) {
            float part[ATM_LANES] __attribute__((aligned(64)));
            sum_row(slab->width, gy + slab_at(slab, i / slab->height, c, i % slab->height, 0),
                    part);
            for (int lane = 0; lane < ATM_LANES; lane++)
                sum += (double)part[lane];
        }
        gb[c] += (float)sum;
    }
}

static void winograd_weight_grad(void *state, const float *x, const float *gy, float *gw,
                                 float *gb) {
    struct winograd *s = state;
    if (s->direct) {
        conv_direct.weight_grad(s->direct, x, gy, gw, gb);
        return;
    }
    const ptrdiff_t filters = s->problem.x.channels * s->problem.y.channels;
    const int area = s->problem.kernel * s->problem.kernel;
    const int taps = s->forward.from.pieces * s->forward.from.pieces;
    const ptrdiff_t size = COMPONENTS * filters * taps,
                    parts = atm_ceil_div(all_tiles(s), s->grad_tiles);
    const struct filter_rows rows = filter_rows(s->problem.nearest);
#pragma omp parallel for schedule(static) num_threads(team(s))
    for (ptrdiff_t slot = 0; slot < s->slots; slot++) {
        memset(s->sums + slot * size, 0, (size_t)size * sizeof *s->sums);
        for (ptrdiff_t i = parts * slot / s->slots; i < parts * (slot + 1) / s->slots; i++)
            grad_tiles(s, x, gy, i * s->grad_tiles,
                       s->scratch + omp_get_thread_num() * s->scratch_floats,
                       s->sums + slot * size);
    }
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < size; i++)
        for (int slot = 1; slot < s->slots; slot++)
            s->sums[i] += s->sums[slot * size + i];
#pragma omp parallel for schedule(static)
    for (ptrdiff_t f = 0; f < filters; f++)
        add_filter(s, &rows, s->sums + f * taps, gw + f * area);
    if (gb)
        add_bias_grad(s, gy, gb);
}

static size_t winograd_bytes(const void *state) {
    const struct winograd *s = state;
    return s->arena.size + sizeof *s + (s->direct ? conv_direct.bytes(s->direct) : 0);
}

const struct conv_algorithm conv_winograd = {
    "winograd",       winograd_fits,       winograd_create,      winograd_destroy, winograd_load,
    winograd_forward, winograd_input_grad, winograd_weight_grad, winograd_bytes,
};
