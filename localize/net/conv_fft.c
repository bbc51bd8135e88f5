/* Convolution by FFT over whole images, or over tiles of them with what the kernel reaches beside
 * (overlap-save), which are groups of their own from there on. Two images side by side in a pixel
 * are one complex number, so 16 lanes are 8 complex transforms: a real kernel keeps real and
 * imaginary parts apart, and no symmetry has to be unpacked. Per frequency, all channels are one
 * small complex matrix product, which the kernels of kernel.h compute: p = sum of Re(w) x and q =
 * sum of Im(w) x, then
 *
 *     x conj(w) = p - i q   (forward: cross-correlation),      x w = p + i q   (input gradient).
 *
 * Stride 2 keeps every second output; upsampling is not known here. */
#include "conv.h"
#include "mem.h"
#include "whole.h"

#include <fftw3.h>
#include <string.h>

enum {
    COMPLEX_LANES = ATM_LANES / 2,
    FREQUENCIES = 64 /* that a thread takes at a time */
};

struct fft {
    struct conv_problem problem;
    const struct atm_kernels *kernels;
    fftwf_plan forward, inverse; /* in place, COMPLEX_LANES transforms */
    struct fft_tiling tiling;
    ptrdiff_t fy, fx, area; /* transform size; pixels */
    ptrdiff_t plane;        /* floats from one spectrum to the next */
    ptrdiff_t groups;       /* of the slabs, times tiles */
    float *x, *y; /* spectra (groups, 2 C, area), lanes; the products need two per channel */
    float *weight, *back; /* per frequency: packed for p and q of each output channel */
    float *sums;          /* (area, out, 2 in): weight gradient per frequency */
    float *filters;       /* one transform per team of COMPLEX_LANES filters */
    float *bias;
    ptrdiff_t *tap_x,
        *tap_y; /* offsets of 2 C spectra: first C real inputs, then the turned ones */
    struct tap_pos *x_to_y, *y_to_x;
    bool x_ready,
        y_ready; /* x holds the spectra of the last forward's x, y those of the gradient */
    struct atm_arena arena;
};

static ptrdiff_t tiles(const struct fft *s) { return s->tiling.y.count * s->tiling.x.count; }

static void fft_destroy(void *state) {
    struct fft *s = state;
    if (!s)
        return;
    if (s->forward)
        fftwf_destroy_plan(s->forward);
    if (s->inverse)
        fftwf_destroy_plan(s->inverse);
    atm_arena_free(&s->arena);
    atm_mem_free(s);
}

static enum atm_status lay_out(struct fft *s, struct atm_err *err) {
    const size_t in = (size_t)s->problem.x.channels, out = (size_t)s->problem.y.channels;
    const size_t plane = (size_t)s->plane, groups = (size_t)s->groups, area = (size_t)s->area;
    const size_t training = s->problem.training ? 1 : 0, f = sizeof(float);
    struct atm_arena *a = &s->arena;
    const size_t x = atm_arena_reserve(a, 2 * groups * in * plane, f);
    const size_t y = atm_arena_reserve(a, 2 * groups * out * plane, f);
    const size_t weight = atm_arena_reserve(a, 2 * area * in * out, f);
    const size_t back = atm_arena_reserve(a, training * 2 * area * in * out, f);
    const size_t sums = atm_arena_reserve(a, training * 2 * area * in * out, f);
    const size_t teams = (in * out + COMPLEX_LANES - 1) / COMPLEX_LANES;
    const size_t filters = atm_arena_reserve(a, teams * plane, f);
    const size_t bias = atm_arena_reserve(a, out, f);
    const size_t tap_x = atm_arena_reserve(a, 2 * in, sizeof *s->tap_x);
    const size_t tap_y = atm_arena_reserve(a, 2 * out, sizeof *s->tap_y);
    const size_t x_to_y = atm_arena_reserve(a, groups, sizeof *s->x_to_y);
    const size_t y_to_x = atm_arena_reserve(a, groups, sizeof *s->y_to_x);
    if (atm_arena_alloc(a, "the spectra of a convolution", err) != ATM_OK)
        return ATM_FAIL;
    s->x = atm_arena_at(a, x);
    s->y = atm_arena_at(a, y);
    s->weight = atm_arena_at(a, weight);
    s->back = atm_arena_at(a, back);
    s->sums = atm_arena_at(a, sums);
    s->filters = atm_arena_at(a, filters);
    s->bias = atm_arena_at(a, bias);
    s->tap_x = atm_arena_at(a, tap_x);
    s->tap_y = atm_arena_at(a, tap_y);
    s->x_to_y = atm_arena_at(a, x_to_y);
    s->y_to_x = atm_arena_at(a, y_to_x);
    return ATM_OK;
}

static void fill_lists(struct fft *s) {
    const ptrdiff_t in = s->problem.x.channels, out = s->problem.y.channels;
    for (ptrdiff_t c = 0; c < 2 * in; c++)
        s->tap_x[c] = c * s->plane;
    for (ptrdiff_t c = 0; c < 2 * out; c++)
        s->tap_y[c] = c * s->plane;
    for (ptrdiff_t g = 0; g < s->groups; g++) {
        const int32_t x = (int32_t)(2 * g * in * s->plane), y = (int32_t)(2 * g * out * s->plane);
        s->x_to_y[g] = (struct tap_pos){x, y};
        s->y_to_x[g] = (struct tap_pos){y, x};
    }
}

static enum atm_status fft_create(const struct conv_problem *problem, void **state,
                                  struct atm_err *err) {
    struct fft *s = atm_mem_alloc(1, sizeof *s);
    if (!s)
        return atm_err_memory(err, "a convolution");
    s->problem = *problem;
    s->kernels = atm_kernels_choose();
    s->tiling = conv_fft_tiling(problem);
    s->fy = s->tiling.y.extent;
    s->fx = s->tiling.x.extent;
    s->area = s->fy * s->fx;
    s->plane = (s->area + 3) * ATM_LANES; /* off powers of two, which would collide in the cache */
    s->groups = slab_groups(&problem->x) * tiles(s);
    const ptrdiff_t most =
        problem->x.channels > problem->y.channels ? problem->x.channels : problem->y.channels;
    enum atm_status status = ATM_OK;
    if (problem->nearest)
        status = atm_err_set(err, ATM_FAIL, "fft does not upsample");
    else if (2.0 * (double)s->groups * (double)most * (double)s->plane > 2147483647.0)
        status = atm_err_set(err, ATM_FAIL, "images of %td x %td pixels are too large for fft",
                             problem->x.height, problem->x.width);
    else
        status = lay_out(s, err);
    if (status == ATM_OK) {
        const int n[2] = {(int)s->fy, (int)s->fx};
        fftwf_complex *data = (fftwf_complex *)s->filters;
        fill_lists(s);
        s->forward = fftwf_plan_many_dft(2, n, COMPLEX_LANES, data, NULL, COMPLEX_LANES, 1, data,
                                         NULL, COMPLEX_LANES, 1, FFTW_FORWARD, FFTW_ESTIMATE);
        s->inverse = fftwf_plan_many_dft(2, n, COMPLEX_LANES, data, NULL, COMPLEX_LANES, 1, data,
                                         NULL, COMPLEX_LANES, 1, FFTW_BACKWARD, FFTW_ESTIMATE);
        if (!s->forward || !s->inverse)
            status = atm_err_set(err, ATM_FAIL, "FFTW has no plan for %td x %td", s->fy, s->fx);
    }
    if (status == ATM_OK)
        *state = s;
    else
        fft_destroy(s);
    return status;
}

static void execute(const fftwf_plan plan, float *data) {
    fftwf_execute_dft(plan, (fftwf_complex *)data, (fftwf_complex *)data);
}

/* --- Weights --- */

/* Pixel of the transform that holds kernel element k: its distance from the centre, wrapped. */
static ptrdiff_t filter_pixel(const struct fft *s, int k) {
    const int size = s->problem.kernel, pad = (size - 1) / 2;
    const ptrdiff_t y = (k / size - pad + s->fy) % s->fy, x = (k % size - pad + s->fx) % s->fx;
    return y * s->fx + x;
}

static float *filter_team(const struct fft *s, ptrdiff_t filter) {
    return s->filters + filter / COMPLEX_LANES * s->plane + filter % COMPLEX_LANES * 2;
}

static void transform_filters(const struct fft *s, const float *weight) {
    const ptrdiff_t filters = s->problem.x.channels * s->problem.y.channels;
    const int elements = s->problem.kernel * s->problem.kernel;
    const ptrdiff_t teams = atm_ceil_div(filters, COMPLEX_LANES);
    memset(s->filters, 0, (size_t)(teams * s->plane) * sizeof *s->filters);
    for (ptrdiff_t f = 0; f < filters; f++)
        for (int k = 0; k < elements; k++)
            filter_team(s, f)[filter_pixel(s, k) * ATM_LANES] = weight[f * elements + k];
#pragma omp parallel for schedule(static)
    for (ptrdiff_t t = 0; t < teams; t++)
        execute(s->forward, s->filters + t * s->plane);
}

/* Weights of one frequency in the order of tap_sum: p and q of every output channel, over the
 * inputs. */
static void pack_frequency(const struct fft *s, ptrdiff_t frequency, bool transposed, float *to) {
    const ptrdiff_t in = s->problem.x.channels;
    const ptrdiff_t outputs = 2 * (transposed ? in : s->problem.y.channels);
    const ptrdiff_t taps = transposed ? s->problem.y.channels : in;
    for (ptrdiff_t c = 0; c < outputs;) {
        const int block = atm_kernel_block(s->kernels->block, outputs - c);
        for (ptrdiff_t t = 0; t < taps; t++)
            for (ptrdiff_t i = c; i < c + block; i++) {
                const ptrdiff_t filter = transposed ? t * in + i / 2 : i / 2 * in + t;
                *to++ = filter_team(s, filter)[frequency * ATM_LANES + i % 2];
            }
        c += block;
    }
}

static void fft_load(void *state, const float *weight, const float *bias) {
    struct fft *s = state;
    const ptrdiff_t size = 2 * s->problem.x.channels * s->problem.y.channels;
    if (bias)
        memcpy(s->bias, bias, (size_t)s->problem.y.channels * sizeof *bias);
    transform_filters(s, weight);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t f = 0; f < s->area; f++) {
        pack_frequency(s, f, false, s->weight + f * size);
        if (s->problem.training)
            pack_frequency(s, f, true, s->back + f * size);
    }
}

/* --- Forward and input gradient --- */

/* How a tensor maps to the pixels of the input: pixel i lies at step * i. reach: pixels that a tile
 * takes from beside it. */
struct grid {
    const struct slab *slab;
    int step, reach;
};

/* Pixels [begin, end) of a tensor that a tile takes along an axis; the tile starts at `first`. */
struct span {
    ptrdiff_t begin, end, first;
};

static struct span tile_span(const struct fft_axis *axis, ptrdiff_t tile, const struct grid *grid,
                             ptrdiff_t extent) {
    const ptrdiff_t first = tile * axis->tile, from = first - grid->reach;
    const ptrdiff_t end = atm_ceil_div(first + axis->tile + grid->reach, grid->step);
    return (struct span){from > 0 ? atm_ceil_div(from, grid->step) : 0, end < extent ? end : extent,
                         first};
}

/* Spectrum of one channel of a group; what lies before the tile goes to the end. */
static void transform(const struct fft *s, const struct grid *grid, const float *data,
                      ptrdiff_t group, ptrdiff_t channel, float *spectrum) {
    const ptrdiff_t tile = group % tiles(s), across = s->tiling.x.count, step = grid->step;
    const struct span v = tile_span(&s->tiling.y, tile / across, grid, grid->slab->height);
    const struct span u = tile_span(&s->tiling.x, tile % across, grid, grid->slab->width);
    memset(spectrum, 0, (size_t)(s->area * ATM_LANES) * sizeof *spectrum);
    for (ptrdiff_t y = v.begin; y < v.end; y++) {
        const float *from = data + slab_at(grid->slab, group / tiles(s), channel, y, 0);
        float *to = spectrum + (y * step - v.first + s->fy) % s->fy * s->fx * ATM_LANES;
        for (ptrdiff_t x = u.begin; x < u.end; x++) {
            const ptrdiff_t at = x * step - u.first;
            memcpy(to + (at < 0 ? at + s->fx : at) * ATM_LANES, from + x * ATM_LANES,
                   ATM_LANES * sizeof *to);
        }
    }
    execute(s->forward, spectrum);
}

/* Spectra of all channels; two places per channel. */
static void transform_all(const struct fft *s, const struct grid *grid, const float *data,
                          float *spectra) {
    const ptrdiff_t channels = grid->slab->channels, count = s->groups * channels;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t group = i / channels, c = i % channels;
        transform(s, grid, data, group, c, spectra + (2 * group * channels + c) * s->plane);
    }
}

/* Beside a whole image there is nothing. */
static struct grid grid_x(const struct fft *s) {
    return (struct grid){&s->problem.x, 1, (s->problem.kernel - 1) / 2};
}
static struct grid grid_y(const struct fft *s) {
    return (struct grid){&s->problem.y, s->problem.stride, (s->problem.kernel - 1) / 2};
}

/* p and q of every output channel at every frequency. */
static void multiply(const struct fft *s, const float *in, const struct tap_pos *pos,
                     const ptrdiff_t *tap, ptrdiff_t taps, const float *weight, ptrdiff_t channels,
                     float *out) {
#pragma omp parallel for schedule(static)
    for (ptrdiff_t first = 0; first < s->area; first += FREQUENCIES)
        for (ptrdiff_t f = first; f < first + FREQUENCIES && f < s->area; f++)
            s->kernels->sum(&(struct tap_sum){.in = in + f * ATM_LANES,
                                              .out = out + f * ATM_LANES,
                                              .pos = pos,
                                              .count = s->groups,
                                              .tap = tap,
                                              .taps = taps,
                                              .weight = weight + f * taps * 2 * channels,
                                              .channels = 2 * channels,
                                              .out_plane = s->plane,
                                              .slope = 1.0F});
}

/* p += sign * i q, for each complex number. */
ATM_CLONES
static void combine(ptrdiff_t count, float sign, const float *q, float *p) {
    for (ptrdiff_t i = 0; i < count; i += 2) {
        p[i] -= sign * q[i + 1];
        p[i + 1] += sign * q[i];
    }
}

struct finish {
    struct grid to; /* reach 0 */
    float sign, bias, slope;
    const float *mask; /* of the input gradient, else NULL */
    float *out;
};

ATM_CLONES
static void finish_row(const struct finish *f, ptrdiff_t width, float scale, const float *from,
                       const float *mask, float *to) {
    typedef int32_t choice __attribute__((vector_size(sizeof(atm_lanes))));
    const atm_lanes *in = (const atm_lanes *)from, *sign = (const atm_lanes *)mask;
    atm_lanes *out = (atm_lanes *)to;
    for (ptrdiff_t x = 0; x < width; x++) {
        const atm_lanes v = scale * in[x * f->to.step] + f->bias;
        const choice positive = (mask ? sign[x] : v) > 0;
        out[x] = (atm_lanes)(((choice)v & positive) | ((choice)(f->slope * v) & ~positive));
    }
}

/* Back to pixels: channel `c` of a group from its p and q. */
static void finish(const struct fft *s, const struct finish *f, ptrdiff_t group, ptrdiff_t c,
                   float *p) {
    const ptrdiff_t tile = group % tiles(s), across = s->tiling.x.count, step = f->to.step;
    const struct slab *slab = f->to.slab;
    const struct span v = tile_span(&s->tiling.y, tile / across, &f->to, slab->height);
    const struct span u = tile_span(&s->tiling.x, tile % across, &f->to, slab->width);
    combine(s->area * ATM_LANES, f->sign, p + s->plane, p);
    execute(s->inverse, p);
    for (ptrdiff_t y = v.begin; y < v.end; y++) {
        const ptrdiff_t at = slab_at(slab, group / tiles(s), c, y, u.begin);
        finish_row(f, u.end - u.begin, 1.0F / (float)s->area,
                   p + (y * step - v.first) * s->fx * ATM_LANES, f->mask ? f->mask + at : NULL,
                   f->out + at);
    }
}

static void fft_forward(void *state, const float *x, float *y) {
    struct fft *s = state;
    const struct conv_problem *problem = &s->problem;
    const ptrdiff_t channels = problem->y.channels;
    const struct grid grid = grid_x(s);
    transform_all(s, &grid, x, s->x);
    multiply(s, s->x, s->x_to_y, s->tap_x, problem->x.channels, s->weight, channels, s->y);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * channels; i++) {
        const struct finish f = {.to = {&problem->y, problem->stride, 0},
                                 .sign = -1.0F,
                                 .bias = problem->bias ? s->bias[i % channels] : 0.0F,
                                 .slope = problem->slope,
                                 .out = y};
        finish(s, &f, i / channels, i % channels, s->y + 2 * i * s->plane);
    }
    s->x_ready = true;
    s->y_ready = false;
}

static void fft_input_grad(void *state, const float *gy, const float *x, float *gx) {
    struct fft *s = state;
    const struct conv_problem *problem = &s->problem;
    const ptrdiff_t channels = problem->x.channels;
    const struct grid grid = grid_y(s);
    if (!s->y_ready)
        transform_all(s, &grid, gy, s->y);
    s->x_ready = s->y_ready = false;
    multiply(s, s->y, s->y_to_x, s->tap_y, problem->y.channels, s->back, channels, s->x);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * channels; i++) {
        const struct finish f = {.to = {&problem->x, 1, 0},
                                 .sign = 1.0F,
                                 .slope = problem->x_slope,
                                 .mask = problem->x_slope != 1.0F ? x : NULL,
                                 .out = gx};
        finish(s, &f, i / channels, i % channels, s->x + 2 * i * s->plane);
    }
}

/* --- Weight gradient --- */

/* to = -i from, so that sum(u . from) and sum(u . to) are real and imaginary part of sum conj(u)
 * from. */
ATM_CLONES
static void turn(ptrdiff_t count, const float *from, float *to) {
    for (ptrdiff_t i = 0; i < count; i += 2) {
        to[i] = from[i + 1];
        to[i + 1] = -from[i];
    }
}

static void turn_all(const struct fft *s) {
    const ptrdiff_t in = s->problem.x.channels;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * in; i++) {
        float *from = s->x + (2 * (i / in) * in + i % in) * s->plane;
        turn(s->area * ATM_LANES, from, from + in * s->plane);
    }
}

static void sum_frequencies(const struct fft *s) {
    const ptrdiff_t in = s->problem.x.channels, out = s->problem.y.channels, size = 2 * in * out;
    memset(s->sums, 0, (size_t)(s->area * size) * sizeof *s->sums);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t first = 0; first < s->area; first += FREQUENCIES)
        for (ptrdiff_t f = first; f < first + FREQUENCIES && f < s->area; f++)
            s->kernels->grad(&(struct tap_grad){.in = s->x + f * ATM_LANES,
                                                .grad = s->y + f * ATM_LANES,
                                                .pos = s->x_to_y,
                                                .count = s->groups,
                                                .tap = s->tap_x,
                                                .taps = 2 * in,
                                                .channels = out,
                                                .grad_plane = s->plane,
                                                .sum = s->sums + f * size});
}

static void add_filters(const struct fft *s, float *gw) {
    const ptrdiff_t in = s->problem.x.channels, filters = in * s->problem.y.channels;
    const int elements = s->problem.kernel * s->problem.kernel;
    const ptrdiff_t teams = atm_ceil_div(filters, COMPLEX_LANES);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t t = 0; t < teams; t++) {
        const ptrdiff_t end = (t + 1) * COMPLEX_LANES < filters ? (t + 1) * COMPLEX_LANES : filters;
        for (ptrdiff_t f = t * COMPLEX_LANES; f < end; f++) {
            const float *sum = s->sums + f / in * 2 * in + f % in;
            float *to = filter_team(s, f);
            for (ptrdiff_t i = 0; i < s->area; i++, sum += 2 * filters, to += ATM_LANES) {
                to[0] = sum[0];
                to[1] = sum[in];
            }
        }
        execute(s->inverse, s->filters + t * s->plane);
        for (ptrdiff_t f = t * COMPLEX_LANES; f < end; f++)
            for (int k = 0; k < elements; k++)
                gw[f * elements + k] +=
                    filter_team(s, f)[filter_pixel(s, k) * ATM_LANES] / (float)s->area;
    }
}

/* Gradient of the bias: the sum of gy, which is its spectrum at frequency 0. */
static void add_bias_grad(const struct fft *s, float *gb) {
    const ptrdiff_t out = s->problem.y.channels;
    for (ptrdiff_t c = 0; c < out; c++) {
        double sum = 0;
        for (ptrdiff_t g = 0; g < s->groups; g++)
            for (int lane = 0; lane < ATM_LANES; lane++)
                sum += s->y[(2 * g * out + c) * s->plane + lane];
        gb[c] += (float)sum;
    }
}

static void fft_weight_grad(void *state, const float *x, const float *gy, float *gw, float *gb) {
    struct fft *s = state;
    const struct grid all = grid_x(s);
    struct grid own = grid_y(s); /* tiles that do not overlap: every pixel of gy counts once */
    own.reach = 0;
    if (!s->x_ready)
        transform_all(s, &all, x, s->x);
    transform_all(s, &own, gy, s->y);
    s->x_ready = false;
    s->y_ready = tiles(s) == 1;
    turn_all(s);
    sum_frequencies(s);
    add_filters(s, gw);
    if (gb)
        add_bias_grad(s, gb);
}

static size_t fft_bytes(const void *state) {
    const struct fft *s = state;
    return s->arena.size + sizeof *s;
}

static bool fft_fits(const struct conv_problem *problem) { return !problem->nearest; }

const struct conv_algorithm conv_fft = {
    "fft",       fft_fits,       fft_create,      fft_destroy, fft_load,
    fft_forward, fft_input_grad, fft_weight_grad, fft_bytes,
};
