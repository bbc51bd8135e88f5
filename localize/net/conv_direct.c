/* Direct convolution: for every phase of the output a list of pixels and a list of taps (offsets
 * into the input), handed to the kernels. Forward, input gradient and weight gradient are the same
 * lists with the roles exchanged. */
#include "conv.h"
#include "conv_axis.h"
#include "mem.h"
#include "whole.h"

#include <string.h>

enum {
    MAX_PASSES = 4,
    TASKS = 16,      /* pieces of work that threads share; fixed, so sums have a fixed order */
    SLOTS = 8,       /* partial sums of the weight gradient */
    MIN_PIXELS = 96, /* small images are taken together to at least this many */
    CACHE_FLOATS = 96 * 1024 /* pixels of all channels of a piece of weight_grad stay in L2 */
};

/* One phase: which pixels, which taps, which kernel elements. */
struct pass {
    ptrdiff_t taps, count; /* count: pixels of one batch of groups */
    ptrdiff_t *tap;
    struct tap_pos *pos;
    float *weight;
    struct axis_phase y, x;
};

/* A set of passes from a slab to a slab. */
struct direction {
    struct slab from, to;
    bool transposed;
    int passes;
    struct pass pass[MAX_PASSES];
    ptrdiff_t batch, batches; /* lane groups per batch; batches */
    ptrdiff_t bands;          /* pieces of a batch's pixels */
    ptrdiff_t parts, part;    /* pieces of the channels of `to`; channels of a piece */
};

struct direct {
    struct conv_problem problem;
    const struct atm_kernels *kernels;
    struct direction forward, back;
    ptrdiff_t weights;     /* of all forward passes */
    ptrdiff_t grad_pixels; /* pixels of one kernel call in weight_grad */
    int slots;
    float *bias, *sums, *bias_sums;
    struct atm_arena arena;
};

/* --- Layout: first the sizes, then the pointers into one arena. --- */

struct pass_offsets {
    size_t tap, pos, weight;
};

static void direction_init(struct direction *d, const struct slab *from, const struct slab *to,
                           const struct axis *axis, bool transposed) {
    const ptrdiff_t groups = slab_groups(from), area = to->height * to->width;
    *d = (struct direction){.from = *from, .to = *to, .transposed = transposed};
    d->batch = atm_smaller(groups, atm_ceil_div(MIN_PIXELS, area));
    d->batches = atm_ceil_div(groups, d->batch);
    d->bands = d->batches >= TASKS ? 1 : atm_ceil_div(TASKS, d->batches);
    d->bands = atm_smaller(d->bands, atm_ceil_div(d->batch * area, ATM_KERNEL_CHUNK));
    d->parts = d->bands * d->batches >= TASKS ? 1 : atm_ceil_div(TASKS, d->bands * d->batches);
    d->part = (atm_ceil_div(to->channels, d->parts) + 7) / 8 * 8;
    d->parts = atm_ceil_div(to->channels, d->part);
    for (int fy = 0; fy < axis->phases; fy++)
        for (int fx = 0; fx < axis->phases; fx++) {
            struct pass *pass = &d->pass[d->passes++];
            pass->y = axis->phase[fy];
            pass->x = axis->phase[fx];
            pass->taps = from->channels * pass->y.taps * pass->x.taps;
            pass->count =
                d->batch * axis_count(axis, fy, to->height) * axis_count(axis, fx, to->width);
        }
}

static void reserve(struct direct *s, const struct direction *d, struct pass_offsets *at) {
    for (int i = 0; i < d->passes; i++) {
        const struct pass *pass = &d->pass[i];
        const size_t taps = (size_t)pass->taps;
        at[i].tap = atm_arena_reserve(&s->arena, taps, sizeof *pass->tap);
        at[i].pos = atm_arena_reserve(&s->arena, (size_t)pass->count, sizeof *pass->pos);
        at[i].weight =
            atm_arena_reserve(&s->arena, taps * (size_t)d->to.channels, sizeof *pass->weight);
    }
}

static void fill_taps(const struct direction *d, struct pass *pass) {
    const struct slab *from = &d->from;
    ptrdiff_t *tap = pass->tap;
    for (ptrdiff_t c = 0; c < from->channels; c++)
        for (int a = 0; a < pass->y.taps; a++)
            for (int b = 0; b < pass->x.taps; b++)
                *tap++ = c * slab_plane(from) + pass->y.off[a] * slab_row(from) +
                         pass->x.off[b] * ATM_LANES;
}

static void fill_positions(const struct direction *d, struct pass *pass, const struct axis *axis) {
    struct tap_pos *pos = pass->pos;
    for (ptrdiff_t g = 0; g < d->batch; g++)
        for (ptrdiff_t y = pass->y.first, i = 0; y < d->to.height; y += axis->out_step, i++)
            for (ptrdiff_t x = pass->x.first, j = 0; x < d->to.width; x += axis->out_step, j++)
                *pos++ = (struct tap_pos){
                    (int32_t)slab_at(&d->from, g, 0, i * axis->in_step, j * axis->in_step),
                    (int32_t)slab_at(&d->to, g, 0, y, x)};
}

static void point(struct direct *s, struct direction *d, const struct pass_offsets *at,
                  const struct axis *axis) {
    for (int i = 0; i < d->passes; i++) {
        d->pass[i].tap = atm_arena_at(&s->arena, at[i].tap);
        d->pass[i].pos = atm_arena_at(&s->arena, at[i].pos);
        d->pass[i].weight = atm_arena_at(&s->arena, at[i].weight);
        fill_taps(d, &d->pass[i]);
        fill_positions(d, &d->pass[i], axis);
    }
}

/* Pixels are addressed by 32 bits inside a batch of groups. */
static bool too_large(const struct direction *d) {
    const double floats = (double)d->batch * (double)(slab_plane(&d->from) * d->from.channels +
                                                      slab_plane(&d->to) * d->to.channels);
    return floats > 2147483647.0;
}

static void direct_destroy(void *state) {
    struct direct *s = state;
    if (s)
        atm_arena_free(&s->arena);
    atm_mem_free(s);
}

static enum atm_status lay_out(struct direct *s, const struct axis *forward,
                               const struct axis *back, struct atm_err *err) {
    const bool training = s->problem.training;
    const size_t channels = (size_t)s->problem.y.channels;
    struct pass_offsets at[2][MAX_PASSES] = {0};
    reserve(s, &s->forward, at[0]);
    if (training)
        reserve(s, &s->back, at[1]);
    const size_t bias = atm_arena_reserve(&s->arena, channels, sizeof(float));
    const size_t slots = training ? (size_t)s->slots : 0;
    const size_t sums = atm_arena_reserve(&s->arena, slots * (size_t)s->weights, sizeof(float));
    const size_t bias_sums = atm_arena_reserve(&s->arena, slots * channels, sizeof(float));
    if (atm_arena_alloc(&s->arena, "a convolution", err) != ATM_OK)
        return ATM_FAIL;
    s->bias = atm_arena_at(&s->arena, bias);
    s->sums = atm_arena_at(&s->arena, sums);
    s->bias_sums = atm_arena_at(&s->arena, bias_sums);
    point(s, &s->forward, at[0], forward);
    if (training)
        point(s, &s->back, at[1], back);
    return ATM_OK;
}

static enum atm_status direct_create(const struct conv_problem *problem, void **state,
                                     struct atm_err *err) {
    struct direct *s = atm_mem_alloc(1, sizeof *s);
    if (!s)
        return atm_err_memory(err, "a convolution");
    struct axis forward, back;
    axis_forward(&forward, problem->kernel, problem->stride, problem->nearest);
    axis_transpose(&forward, &back);
    s->problem = *problem;
    s->kernels = atm_kernels_choose();
    direction_init(&s->forward, &problem->x, &problem->y, &forward, false);
    direction_init(&s->back, &problem->y, &problem->x, &back, true);
    for (int i = 0; i < s->forward.passes; i++)
        s->weights += s->forward.pass[i].taps * problem->y.channels;
    s->grad_pixels = CACHE_FLOATS / ATM_LANES / (problem->x.channels + problem->y.channels);
    s->grad_pixels = s->grad_pixels < 32 ? 32 : s->grad_pixels;
    s->slots = (int)atm_smaller(SLOTS, s->forward.batches * s->forward.bands);
    enum atm_status status = ATM_OK;
    if (too_large(&s->forward) || too_large(&s->back))
        status = atm_err_set(err, ATM_FAIL, "images of %td x %td pixels are too large",
                             problem->x.height, problem->x.width);
    else
        status = lay_out(s, &forward, &back, err);
    if (status == ATM_OK)
        *state = s;
    else
        direct_destroy(s);
    return status;
}

/* --- Weights --- */

/* First and last element of a mask. */
static int lowest(uint32_t mask) { return __builtin_ctz(mask); }
static int highest(uint32_t mask) { return 31 - __builtin_clz(mask); }

/* Sum of the kernel elements in both masks. */
static float masked_sum(const float *kernel, int size, uint32_t rows, uint32_t columns) {
    float sum = 0;
    for (int ky = lowest(rows); ky <= highest(rows); ky++)
        for (int kx = lowest(columns); kx <= highest(columns); kx++)
            if (rows >> ky & 1 && columns >> kx & 1)
                sum += kernel[ky * size + kx];
    return sum;
}

/* Weights of channels c..c + block - 1 of `to`, all taps, in the order of the kernels. */
static void load_block(const struct direct *s, const struct direction *d, const struct pass *pass,
                       const float *weight, ptrdiff_t c, int block) {
    const int k = s->problem.kernel;
    const ptrdiff_t in = s->problem.x.channels;
    float *packed = pass->weight + c * pass->taps;
    for (ptrdiff_t from = 0; from < d->from.channels; from++)
        for (int a = 0; a < pass->y.taps; a++)
            for (int b = 0; b < pass->x.taps; b++)
                for (ptrdiff_t to = c; to < c + block; to++) {
                    const ptrdiff_t filter = d->transposed ? from * in + to : to * in + from;
                    *packed++ =
                        masked_sum(weight + filter * k * k, k, pass->y.mask[a], pass->x.mask[b]);
                }
}

static void load_pass(const struct direct *s, const struct direction *d, const struct pass *pass,
                      const float *weight) {
#pragma omp parallel for schedule(static)
    for (ptrdiff_t p = 0; p < d->parts; p++) {
        const ptrdiff_t end = atm_smaller((p + 1) * d->part, d->to.channels);
        for (ptrdiff_t c = p * d->part; c < end;) {
            const int block = atm_kernel_block(s->kernels->block, end - c);
            load_block(s, d, pass, weight, c, block);
            c += block;
        }
    }
}

static void direct_load(void *state, const float *weight, const float *bias) {
    struct direct *s = state;
    if (bias)
        memcpy(s->bias, bias, (size_t)s->problem.y.channels * sizeof *bias);
    for (int i = 0; i < s->forward.passes; i++)
        load_pass(s, &s->forward, &s->forward.pass[i], weight);
    for (int i = 0; s->problem.training && i < s->back.passes; i++)
        load_pass(s, &s->back, &s->back.pass[i], weight);
}

/* --- Forward and input gradient --- */

/* Pixels first..end of a pass that belong to a band; the last batch may be shorter. */
static void band_range(const struct direction *d, const struct pass *pass, ptrdiff_t unit,
                       ptrdiff_t *first, ptrdiff_t *end) {
    const ptrdiff_t left = slab_groups(&d->from) - unit / d->bands * d->batch;
    const ptrdiff_t count = pass->count / d->batch * atm_smaller(left, d->batch);
    const ptrdiff_t chunks = atm_ceil_div(count, ATM_KERNEL_CHUNK), band = unit % d->bands;
    *first = atm_smaller(chunks * band / d->bands * ATM_KERNEL_CHUNK, count);
    *end = atm_smaller(chunks * (band + 1) / d->bands * ATM_KERNEL_CHUNK, count);
}

static void run_task(const struct direct *s, const struct direction *d, ptrdiff_t task,
                     const float *in, const float *bias, const float *mask, float *out) {
    const ptrdiff_t unit = task / d->parts, c = task % d->parts * d->part;
    const ptrdiff_t group = unit / d->bands * d->batch;
    const ptrdiff_t shift = slab_at(&d->to, group, c, 0, 0) - slab_at(&d->to, 0, 0, 0, 0);
    const float slope = d->transposed ? s->problem.x_slope : s->problem.slope;
    for (int i = 0; i < d->passes; i++) {
        const struct pass *pass = &d->pass[i];
        ptrdiff_t first, end;
        band_range(d, pass, unit, &first, &end);
        s->kernels->sum(&(struct tap_sum){
            .in = in + group * d->from.channels * slab_plane(&d->from),
            .out = out + shift,
            .pos = pass->pos + first,
            .count = end - first,
            .tap = pass->tap,
            .taps = pass->taps,
            .weight = pass->weight + c * pass->taps,
            .bias = bias ? bias + c : NULL,
            .channels = atm_smaller(d->part, d->to.channels - c),
            .out_plane = slab_plane(&d->to),
            .slope = slope,
            .mask = mask ? mask + shift : NULL,
        });
    }
}

static void run(const struct direct *s, const struct direction *d, const float *in,
                const float *bias, const float *mask, float *out) {
    const ptrdiff_t tasks = d->batches * d->bands * d->parts;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t task = 0; task < tasks; task++)
        run_task(s, d, task, in, bias, mask, out);
}

static void direct_forward(void *state, const float *x, float *y) {
    const struct direct *s = state;
    run(s, &s->forward, x, s->problem.bias ? s->bias : NULL, NULL, y);
}

static void direct_input_grad(void *state, const float *gy, const float *x, float *gx) {
    const struct direct *s = state;
    run(s, &s->back, gy, NULL, s->problem.x_slope != 1.0F ? x : NULL, gx);
}

/* --- Weight gradient: the forward passes, summed into slots that are added in order --- */

ATM_CLONES
static void add_bias_grad(const struct tap_grad *job, float *sums) {
    for (ptrdiff_t c = 0; c < job->channels; c++) {
        const float *grad = job->grad + c * job->grad_plane;
        atm_lanes part = {0};
        float sum = 0;
        for (ptrdiff_t p = 0; p < job->count; p++)
            part += *(const atm_lanes *)(grad + job->pos[p].out);
        for (int lane = 0; lane < ATM_LANES; lane++)
            sum += part[lane];
        sums[c] += sum;
    }
}

static void grad_unit(const struct direct *s, ptrdiff_t unit, ptrdiff_t c, const float *x,
                      const float *gy, float *sums, float *bias_sums) {
    const struct direction *d = &s->forward;
    const ptrdiff_t group = unit / d->bands * d->batch;
    for (int i = 0; i < d->passes; i++) {
        const struct pass *pass = &d->pass[i];
        ptrdiff_t first, end;
        band_range(d, pass, unit, &first, &end);
        for (; first < end; first += s->grad_pixels) {
            const struct tap_grad job = {
                .in = x + group * d->from.channels * slab_plane(&d->from),
                .grad = gy + (group * d->to.channels + c) * slab_plane(&d->to),
                .pos = pass->pos + first,
                .count = atm_smaller(s->grad_pixels, end - first),
                .tap = pass->tap,
                .taps = pass->taps,
                .channels = atm_smaller(d->part, d->to.channels - c),
                .grad_plane = slab_plane(&d->to),
                .sum = sums + c * pass->taps,
            };
            s->kernels->grad(&job);
            if (s->problem.bias)
                add_bias_grad(&job, bias_sums + c);
        }
        sums += pass->taps * d->to.channels;
    }
}

/* Add the sums of a pass to the kernel elements that its weights were made of. */
static void scatter_grad(const struct direct *s, const struct pass *pass, const float *sums,
                         float *gw) {
    const int k = s->problem.kernel;
    const ptrdiff_t filters = s->problem.y.channels * s->problem.x.channels;
    const ptrdiff_t taps = pass->y.taps * pass->x.taps;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t f = 0; f < filters; f++)
        for (ptrdiff_t t = 0; t < taps; t++) {
            const uint32_t rows = pass->y.mask[t / pass->x.taps],
                           columns = pass->x.mask[t % pass->x.taps];
            for (int ky = lowest(rows); ky <= highest(rows); ky++)
                for (int kx = lowest(columns); kx <= highest(columns); kx++)
                    if (rows >> ky & 1 && columns >> kx & 1)
                        gw[(f * k + ky) * k + kx] += sums[f * taps + t];
        }
}

static void direct_weight_grad(void *state, const float *x, const float *gy, float *gw, float *gb) {
    struct direct *s = state;
    const struct direction *d = &s->forward;
    const ptrdiff_t units = d->batches * d->bands, channels = s->problem.y.channels;
    memset(s->sums, 0, (size_t)(s->slots * s->weights) * sizeof *s->sums);
    memset(s->bias_sums, 0, (size_t)(s->slots * channels) * sizeof *s->bias_sums);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t task = 0; task < s->slots * d->parts; task++) {
        const ptrdiff_t slot = task / d->parts, c = task % d->parts * d->part;
        for (ptrdiff_t u = units * slot / s->slots; u < units * (slot + 1) / s->slots; u++)
            grad_unit(s, u, c, x, gy, s->sums + slot * s->weights, s->bias_sums + slot * channels);
    }
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < s->weights; i++)
        for (int slot = 1; slot < s->slots; slot++)
            s->sums[i] += s->sums[slot * s->weights + i];
    const float *sums = s->sums;
    for (int i = 0; i < d->passes; i++) {
        scatter_grad(s, &d->pass[i], sums, gw);
        sums += d->pass[i].taps * channels;
    }
    for (int slot = 0; gb && slot < s->slots; slot++)
        for (ptrdiff_t c = 0; c < channels; c++)
            gb[c] += s->bias_sums[slot * channels + c];
}

static size_t direct_bytes(const void *state) {
    const struct direct *s = state;
    return s->arena.size + sizeof *s;
}

static bool direct_fits(const struct conv_problem *problem) {
    (void)problem;
    return true;
}

const struct conv_algorithm conv_direct = {
    "direct",       direct_fits,       direct_create,      direct_destroy, direct_load,
    direct_forward, direct_input_grad, direct_weight_grad, direct_bytes,
};
