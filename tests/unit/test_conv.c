/* Every convolution algorithm against conv2d_ref and its adjoints, over kernels 1..31, strides 1
 * and 2, odd and even images, 1..64 channels, batches 1..130. */
#include "conv.h"
#include "conv_axis.h"
#include "mem.h"
#include "net_ref.h"
#include "rng.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct shape {
    ptrdiff_t images, in, out, height, width;
    int kernel, stride;
};

static const struct shape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1},     {3, 2, 3, 7, 5, 1, 2},      {2, 3, 5, 8, 9, 3, 1},
    {17, 5, 2, 6, 6, 3, 2},    {2, 7, 12, 13, 10, 3, 2},   {130, 1, 2, 5, 4, 3, 1},
    {33, 12, 6, 6, 6, 3, 1},   {1, 64, 64, 6, 5, 3, 1},    {2, 33, 20, 7, 9, 3, 2},
    {2, 1, 16, 21, 18, 5, 2},  {3, 4, 9, 9, 11, 5, 1},     {1, 8, 1, 23, 16, 7, 1},
    {2, 3, 2, 5, 6, 9, 2},     {1, 2, 3, 17, 20, 11, 1},   {2, 1, 1, 4, 3, 13, 2},
    {1, 2, 1, 24, 25, 15, 1},  {1, 1, 2, 11, 30, 17, 2},   {1, 1, 1, 19, 33, 19, 1},
    {1, 2, 2, 9, 12, 21, 1},   {1, 1, 1, 26, 13, 23, 2},   {1, 1, 2, 27, 8, 25, 1},
    {1, 1, 1, 15, 29, 27, 1},  {1, 2, 1, 7, 10, 29, 2},    {1, 1, 1, 33, 32, 31, 1},
    {1, 1, 1, 12, 35, 31, 2},  {130, 9, 6, 3, 7, 3, 1},    {20, 40, 17, 15, 2, 3, 1},
    {1, 2, 3, 140, 203, 3, 1}, {18, 1, 2, 133, 150, 5, 2}, {1, 1, 2, 181, 12, 7, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static double *to_double(ptrdiff_t count, const float *from) {
    double *data = atm_mem_alloc((size_t)count, sizeof *data);
    for (ptrdiff_t i = 0; i < count; i++)
        data[i] = from[i];
    return data;
}

/* Numbers in the caller's order, as the three operations take and give them. */
struct numbers {
    ptrdiff_t x_count, y_count, w_count;
    float *x, *weight, *bias, *gy; /* given */
    float *y, *gx, *gw, *gb;       /* computed */
};

static void assert_close(const struct shape *s, const char *name, const char *what,
                         const float *ours, const double *theirs, ptrdiff_t count) {
    double difference = 0, norm = 1e-30;
    for (ptrdiff_t i = 0; i < count; i++) {
        difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
        norm += theirs[i] * theirs[i];
    }
    if (!(difference <= 4e-12 * norm))
        fail_msg("%s, %s of %td x (%td, %td, %td) -> %td, kernel %d, stride %d: %.2g", name, what,
                 s->images, s->in, s->height, s->width, s->out, s->kernel, s->stride,
                 sqrt(difference / norm));
}

static struct numbers make_numbers(const struct shape *s, bool nearest) {
    const ptrdiff_t up = nearest ? 2 : 1;
    struct numbers n = {
        .x_count = s->images * s->in * s->height * s->width,
        .y_count = s->images * s->out * conv_extent(up * s->height, s->stride, false) *
                   conv_extent(up * s->width, s->stride, false),
        .w_count = s->out * s->in * s->kernel * s->kernel,
    };
    n.x = random_floats(n.x_count, 1);
    n.weight = random_floats(n.w_count, 2);
    n.bias = random_floats(s->out, 3);
    n.gy = random_floats(n.y_count, 4);
    n.y = atm_mem_alloc((size_t)n.y_count, sizeof(float));
    n.gx = atm_mem_alloc((size_t)n.x_count, sizeof(float));
    n.gw = atm_mem_alloc((size_t)n.w_count, sizeof(float));
    n.gb = atm_mem_alloc((size_t)s->out, sizeof(float));
    return n;
}

static void free_numbers(struct numbers *n) {
    float *all[] = {n->x, n->weight, n->bias, n->gy, n->y, n->gx, n->gw, n->gb};
    for (int i = 0; i < 8; i++)
        atm_mem_free(all[i]);
}

/* All three operations of an algorithm, if it is for such a layer. */
static bool run(const struct conv_algorithm *algorithm, const struct shape *s, bool nearest,
                struct numbers *n) {
    struct conv_problem p = {.x = {s->images, 1, s->in, s->height, s->width, 0},
                             .kernel = s->kernel,
                             .stride = s->stride,
                             .nearest = nearest,
                             .bias = true,
                             .training = true,
                             .slope = 1,
                             .x_slope = 1};
    p.y = (struct slab){s->images,
                        1,
                        s->out,
                        conv_extent(s->height, s->stride, nearest),
                        conv_extent(s->width, s->stride, nearest),
                        0};
    conv_margins(&p, &p.x.margin, &p.y.margin);
    if (!algorithm->fits(&p))
        return false;
    void *state = NULL;
    struct atm_err err = {0};
    if (algorithm->create(&p, &state, &err) != ATM_OK)
        fail_msg("%s", err.text);
    float *x = atm_mem_alloc((size_t)slab_floats(&p.x), sizeof *x);
    float *gx = atm_mem_alloc((size_t)slab_floats(&p.x), sizeof *x);
    float *y = atm_mem_alloc((size_t)slab_floats(&p.y), sizeof *y);
    float *gy = atm_mem_alloc((size_t)slab_floats(&p.y), sizeof *y);
    slab_pack(&p.x, n->x, x);
    slab_pack(&p.y, n->gy, gy);
    algorithm->load(state, n->weight, n->bias);
    algorithm->forward(state, x, y);
    algorithm->weight_grad(state, x, gy, n->gw, n->gb);
    algorithm->input_grad(state, gy, x, gx);
    slab_unpack(&p.y, y, n->y);
    slab_unpack(&p.x, gx, n->gx);
    assert_true(algorithm->bytes(state) > 0);
    algorithm->destroy(state);
    atm_mem_free(x);
    atm_mem_free(gx);
    atm_mem_free(y);
    atm_mem_free(gy);
    return true;
}

/* The same by definition: y = conv2d_ref(x), and the adjoints by running through every product
 * once. */
struct expected {
    struct ref_tensor x, gx, y;
    double *gw, *gb;
};

static struct expected expect(const struct shape *s, const struct numbers *n) {
    const int k = s->kernel, pad = (k - 1) / 2;
    double *weight = to_double(n->w_count, n->weight), *bias = to_double(s->out, n->bias);
    struct expected e = {.x = ref_create(s->images, s->in, s->height, s->width),
                         .gx = ref_create(s->images, s->in, s->height, s->width),
                         .gw = atm_mem_alloc((size_t)n->w_count, sizeof(double)),
                         .gb = atm_mem_alloc((size_t)s->out, sizeof(double))};
    for (ptrdiff_t i = 0; i < n->x_count; i++)
        e.x.data[i] = n->x[i];
    e.y = conv2d_ref(&e.x, (int)s->out, k, s->stride, weight, bias);
    const float *gy = n->gy;
    REF_EACH(e.y, b, o, y, x) {
        e.gb[o] += *gy;
        for (ptrdiff_t i = 0; i < s->in; i++)
            for (int t = 0; t < k * k; t++) {
                const ptrdiff_t v = y * s->stride + t / k - pad, u = x * s->stride + t % k - pad;
                if (v < 0 || u < 0 || v >= s->height || u >= s->width)
                    continue;
                e.gw[(o * s->in + i) * k * k + t] += *gy * *ref_at(&e.x, b, i, v, u);
                *ref_at(&e.gx, b, i, v, u) += *gy * weight[(o * s->in + i) * k * k + t];
            }
        gy++;
    }
    atm_mem_free(weight);
    atm_mem_free(bias);
    return e;
}

static void test_reference(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        const struct shape *s = &shapes[i];
        struct numbers n = make_numbers(s, false);
        struct expected e = expect(s, &n);
        for (const struct conv_algorithm *const *a = conv_algorithms; *a; a++) {
            memset(n.gw, 0, (size_t)n.w_count * sizeof *n.gw);
            memset(n.gb, 0, (size_t)s->out * sizeof *n.gb);
            if (!run(*a, s, false, &n))
                continue;
            assert_close(s, (*a)->name, "output", n.y, e.y.data, n.y_count);
            assert_close(s, (*a)->name, "input gradient", n.gx, e.gx.data, n.x_count);
            assert_close(s, (*a)->name, "weight gradient", n.gw, e.gw, n.w_count);
            assert_close(s, (*a)->name, "bias gradient", n.gb, e.gb, s->out);
        }
        free(e.x.data);
        free(e.gx.data);
        free(e.y.data);
        atm_mem_free(e.gw);
        atm_mem_free(e.gb);
        free_numbers(&n);
    }
}

/* Upsampling and convolution in one equal the two in sequence. */
static void check_fold(const struct conv_algorithm *algorithm, const struct shape *folded) {
    struct shape plain = *folded;
    plain.height *= 2;
    plain.width *= 2;
    const ptrdiff_t row = plain.width, area = plain.height * row;
    struct numbers a = make_numbers(folded, true), b = make_numbers(&plain, false);
    double *gx = atm_mem_alloc((size_t)a.x_count, sizeof *gx);
    if (run(algorithm, folded, true, &a)) {
        for (ptrdiff_t i = 0; i < b.x_count; i++)
            b.x[i] = a.x[i / area * (area / 4) + i % area / row / 2 * (row / 2) + i % row / 2];
        run(&conv_direct, &plain, false, &b);
        for (ptrdiff_t i = 0; i < b.x_count; i++)
            gx[i / area * (area / 4) + i % area / row / 2 * (row / 2) + i % row / 2] += b.gx[i];
        double *y = to_double(b.y_count, b.y), *gw = to_double(b.w_count, b.gw);
        double *gb = to_double(folded->out, b.gb);
        assert_close(folded, algorithm->name, "output", a.y, y, a.y_count);
        assert_close(folded, algorithm->name, "weight gradient", a.gw, gw, a.w_count);
        assert_close(folded, algorithm->name, "bias gradient", a.gb, gb, folded->out);
        assert_close(folded, algorithm->name, "input gradient", a.gx, gx, a.x_count);
        atm_mem_free(y);
        atm_mem_free(gw);
        atm_mem_free(gb);
    }
    atm_mem_free(gx);
    free_numbers(&a);
    free_numbers(&b);
}

static void test_fold(void **state) {
    (void)state;
    for (int k = 1; k <= 31; k += 2)
        check_fold(&conv_direct, &(struct shape){3, 2, 5, 4, 7, k, 1});
    for (ptrdiff_t size = 1; size < 9; size++)
        for (const struct conv_algorithm *const *a = conv_algorithms; *a; a++) {
            check_fold(*a, &(struct shape){1, 3, 2, size, 9 - size, 3, 1});
            check_fold(*a, &(struct shape){17 * size - 6, 1, 13, size, size, 3, 1});
            check_fold(*a, &(struct shape){2, 8 * size, 11 + size, 5, size, 3, 1});
        }
}

/* <A x, y> = <x, A' y> for convolution without bias, and linearity in the weights. */
static void test_adjoint(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        const struct shape *s = &shapes[i];
        struct numbers n = make_numbers(s, false);
        memset(n.bias, 0, (size_t)s->out * sizeof *n.bias);
        for (const struct conv_algorithm *const *a = conv_algorithms; *a; a++) {
            double forward = 0, back = 0, weights = 0, scale = 0;
            memset(n.gw, 0, (size_t)n.w_count * sizeof *n.gw);
            if (!run(*a, s, false, &n))
                continue;
            for (ptrdiff_t j = 0; j < n.y_count; j++) {
                forward += (double)n.y[j] * n.gy[j];
                scale += fabs((double)n.y[j] * n.gy[j]);
            }
            for (ptrdiff_t j = 0; j < n.x_count; j++)
                back += (double)n.x[j] * n.gx[j];
            for (ptrdiff_t j = 0; j < n.w_count; j++)
                weights += (double)n.weight[j] * n.gw[j];
            assert_true(fabs(forward - back) < 1e-5 * scale);
            assert_true(fabs(forward - weights) < 1e-5 * scale);
        }
        free_numbers(&n);
    }
}

static void test_threads(void **state) {
    (void)state;
    const int threads = omp_get_max_threads();
    for (int i = 0; i < SHAPES; i += 3)
        for (const struct conv_algorithm *const *a = conv_algorithms; *a; a++) {
            struct numbers one = make_numbers(&shapes[i], false),
                           two = make_numbers(&shapes[i], false);
            omp_set_num_threads(1);
            run(*a, &shapes[i], false, &one);
            omp_set_num_threads(2);
            run(*a, &shapes[i], false, &two);
            assert_memory_equal(one.y, two.y, (size_t)one.y_count * sizeof(float));
            assert_memory_equal(one.gx, two.gx, (size_t)one.x_count * sizeof(float));
            assert_memory_equal(one.gw, two.gw, (size_t)one.w_count * sizeof(float));
            free_numbers(&one);
            free_numbers(&two);
        }
    omp_set_num_threads(threads);
}

/* All kernels that this processor runs give the same sums. */
static void test_kernels(void **state) {
    (void)state;
    const struct atm_kernels *best = atm_kernels_choose(), *plain = &atm_kernels_plain;
#if defined(__x86_64__)
    const struct atm_kernels *all[] = {plain, &atm_kernels_avx2, best};
#else
    const struct atm_kernels *all[] = {plain, plain, best};
#endif
    enum { CHANNELS = 23, TAPS = 11, PIXELS = 29, PLANE = PIXELS * ATM_LANES };
    float *in = random_floats(2 * PLANE, 1), *weight = random_floats(CHANNELS * TAPS, 2);
    float *bias = random_floats(CHANNELS, 3), *mask = random_floats(CHANNELS * PLANE, 4);
    struct tap_pos pos[PIXELS];
    ptrdiff_t tap[TAPS];
    for (int p = 0; p < PIXELS; p++)
        pos[p] = (struct tap_pos){p * ATM_LANES, (PIXELS - 1 - p) * ATM_LANES};
    for (int t = 0; t < TAPS; t++)
        tap[t] = t * 2 * ATM_LANES;
    for (int k = 0; k < 3; k++) {
        if (k == 1 && best == plain)
            continue; /* no AVX2 here */
        float *packed = atm_mem_alloc(CHANNELS * TAPS, sizeof *packed), *to = packed;
        float *out = atm_mem_alloc(CHANNELS * PLANE, sizeof *out);
        float *sum = atm_mem_alloc(CHANNELS * TAPS, sizeof *sum);
        for (int c = 0, block; c < CHANNELS; c += block) {
            block = atm_kernel_block(all[k]->block, CHANNELS - c);
            for (int t = 0; t < TAPS; t++)
                for (int i = 0; i < block; i++)
                    *to++ = weight[(c + i) * TAPS + t];
        }
        all[k]->sum(&(struct tap_sum){in, out, pos, PIXELS, tap, TAPS, packed, bias, CHANNELS,
                                      PLANE, 0.2F, mask});
        all[k]->grad(&(struct tap_grad){in, mask, pos, PIXELS, tap, TAPS, CHANNELS, PLANE, sum});
        for (int c = 0; c < CHANNELS; c++)
            for (int i = 0; i < PLANE; i++) {
                const int p = PIXELS - 1 - i / ATM_LANES;
                double y = bias[c];
                for (int t = 0; t < TAPS; t++)
                    y += (double)weight[c * TAPS + t] * in[p * ATM_LANES + tap[t] + i % ATM_LANES];
                y *= mask[c * PLANE + i] > 0 ? 1 : (double)0.2F;
                assert_true(fabs(out[c * PLANE + i] - y) < 1e-5);
            }
        for (int c = 0; c < CHANNELS; c++)
            for (int t = 0; t < TAPS; t++) {
                double g = 0;
                for (int i = 0; i < PLANE; i++)
                    g += (double)mask[c * PLANE + (PIXELS - 1 - i / ATM_LANES) * ATM_LANES +
                                      i % ATM_LANES] *
                         in[i + tap[t]];
                assert_true(fabs(sum[c * TAPS + t] - g) < 1e-4);
            }
        atm_mem_free(packed);
        atm_mem_free(out);
        atm_mem_free(sum);
    }
    atm_mem_free(in);
    atm_mem_free(weight);
    atm_mem_free(bias);
    atm_mem_free(mask);
}

/* The transpose of the transpose is the axis itself; two taps per phase for the 3x3 fold. */
static void test_axis(void **state) {
    (void)state;
    struct axis forward, back;
    axis_forward(&forward, 3, 1, true);
    assert_int_equal(forward.phases, 2);
    assert_int_equal(forward.phase[0].taps, 2);
    assert_int_equal(forward.phase[1].taps, 2);
    axis_transpose(&forward, &back);
    assert_int_equal(back.phases, 1);
    assert_int_equal(back.in_step, 2);
    assert_int_equal(back.phase[0].taps, 4);
    axis_forward(&forward, 5, 2, false);
    axis_transpose(&forward, &back);
    assert_int_equal(back.phases, 2);
    assert_int_equal(back.phase[0].taps + back.phase[1].taps, 5);
    assert_int_equal(axis_margin(&forward, 6, 3), 2);
    assert_int_equal(axis_margin(&forward, 1, 1), 2);
    assert_int_equal(axis_count(&back, 1, 7), 3);
}

/* Every transform of a tile, by all kernels: what the plain one says. */
static void test_tiles(void **state) {
    (void)state;
#if defined(__x86_64__)
    const struct atm_kernels *best = atm_kernels_choose(), *plain = &atm_kernels_plain;
    const struct atm_kernels *all[] = {best, best == plain ? plain : &atm_kernels_avx2};
    enum { FLOATS = ATM_TILE_COMPONENTS * ATM_LANES, MARK = 7 };
    float *in = random_floats(FLOATS, 1), *mask = random_floats(FLOATS, 2);
    float *a = random_floats(FLOATS, 3), *b = random_floats(FLOATS, 3);
    for (int k = 0; k < 2; k++) {
        for (int form = 0; form < TILE_INS; form++) {
            plain->tile_load[form](in, ATM_TILE * ATM_LANES, a);
            all[k]->tile_load[form](in, ATM_TILE * ATM_LANES, b);
            for (int i = 0; i < FLOATS; i++)
                assert_true(fabsf(a[i] - b[i]) < 1e-5F);
        }
        for (int form = 0; form < TILE_OUTS; form++)
            for (int size = 1; size < 20; size++) {
                struct tile_store job = {in,   a,    ATM_TILE * ATM_LANES,  size % 5, size / 5,
                                         0.3F, 0.2F, size % 2 ? mask : NULL};
                for (int i = 0; i < FLOATS; i++)
                    a[i] = b[i] = MARK; /* what is outside of the image stays */
                plain->tile_store[form](&job);
                job.out = b;
                all[k]->tile_store[form](&job);
                for (int i = 0; i < FLOATS; i++) {
                    const int y = i / ATM_LANES / ATM_TILE, x = i / ATM_LANES % ATM_TILE;
                    assert_true(fabsf(a[i] - b[i]) < 1e-5F);
                    assert_true(b[i] == MARK || (y < size % 5 && x < size / 5));
                }
            }
    }
    float *blocks[] = {in, mask, a, b};
    for (int i = 0; i < 4; i++)
        atm_mem_free(blocks[i]);
#endif
}

/* Large kernels go to FFT, small ones do not; many channels go to Winograd, in training. */
static void test_choice(void **state) {
    (void)state;
    struct conv_problem p = {.x = {32, 1, 8, 64, 64, 0}, .y = {32, 1, 1, 64, 64, 0}, .stride = 1};
    for (p.training = false;; p.training = true) {
        p.kernel = 3;
        assert_ptr_equal(conv_choose(&p), &conv_direct);
        p.kernel = 31;
        assert_ptr_equal(conv_choose(&p), &conv_fft);
        if (p.training)
            break;
    }
    p = (struct conv_problem){.x = {32, 1, 32, 16, 16, 0},
                              .y = {32, 1, 32, 16, 16, 0},
                              .kernel = 3,
                              .stride = 1,
                              .training = true};
    assert_ptr_equal(conv_choose(&p), &conv_winograd);
    assert_true(conv_work(&p, &conv_winograd) == conv_flop(&p) / 4);
    p.training = false;
    assert_ptr_equal(conv_choose(&p), &conv_direct);
    p.training = true;
    p.kernel = 9;
    assert_ptr_equal(conv_choose(&p), &conv_winograd);
    assert_true(conv_work(&p, &conv_winograd) == conv_flop(&p) / 4);
    p.y.channels = 1;
    assert_ptr_equal(conv_choose(&p), &conv_direct);
    p = (struct conv_problem){.x = {32, 1, 12, 16, 16, 0},
                              .y = {32, 1, 8, 32, 32, 0},
                              .kernel = 3,
                              .stride = 1,
                              .nearest = true,
                              .training = true};
    assert_ptr_equal(conv_choose(&p), &conv_direct);
    p.y.channels = p.x.channels = 64;
    assert_ptr_equal(conv_choose(&p), &conv_winograd);
}

/* Small kernels on large images go by tiles, which cover the image; large kernels do not. */
static void test_tiling(void **state) {
    (void)state;
    struct conv_problem p = {
        .x = {16, 1, 4, 301, 140, 0}, .y = {16, 1, 4, 151, 70, 0}, .stride = 2};
    p.kernel = 5;
    struct fft_tiling t = conv_fft_tiling(&p);
    assert_true(t.y.count > 1);
    assert_true(t.y.tile % 2 == 0 && t.y.tile + 4 <= t.y.extent);
    assert_true(t.y.tile * t.y.count >= 301 && t.y.tile * (t.y.count - 1) < 301);
    p.x.height = p.x.width = 40;
    p.kernel = 31;
    t = conv_fft_tiling(&p);
    assert_int_equal(t.y.count, 1);
    assert_int_equal(t.y.tile, 40);
    for (int i = SHAPES - 3; i < SHAPES; i++) { /* so that the other tests see tiles */
        const struct shape *s = &shapes[i];
        p = (struct conv_problem){.x = {s->images, 1, s->in, s->height, s->width, 0},
                                  .y = {s->images, 1, s->out, 1, 1, 0},
                                  .kernel = s->kernel,
                                  .stride = s->stride,
                                  .training = true};
        t = conv_fft_tiling(&p);
        assert_true(t.y.count > 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_fold),
        cmocka_unit_test(test_adjoint),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_kernels),   cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_axis),      cmocka_unit_test(test_choice),
        cmocka_unit_test(test_tiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
