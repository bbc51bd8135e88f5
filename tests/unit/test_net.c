/* Chains of layers against the plain definitions in double: forward, and every gradient against
 * central differences of the double chain, at odd shapes; thread count, Adam, loss, errors. */
#include "mem.h"
#include "net_ref.h"
#include "rng.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define CONV(o, k, s)                                                                              \
    { .kind = ATM_LAYER_CONV, .name = "c", .out = o, .kernel = k, .stride = s }
#define DENSE(o)                                                                                   \
    { .kind = ATM_LAYER_DENSE, .name = "d", .out = o }
#define LRELU                                                                                      \
    { .kind = ATM_LAYER_LRELU, .slope = 0.2F }
#define PLAIN(k)                                                                                   \
    { .kind = k }
#define SHAPE(c, h, w)                                                                             \
    {                                                                                              \
        .kind = ATM_LAYER_RESHAPE, .shape = { c, h, w }                                            \
    }
#define SPLIT(d)                                                                                   \
    { .kind = ATM_LAYER_SPLIT, .out = d }
#define PLACE(s)                                                                                   \
    { .kind = ATM_LAYER_PLACE, .cell = s }
#define NEAREST ATM_LAYER_NEAREST
#define WINDOW ATM_LAYER_WINDOW
#define BILINEAR ATM_LAYER_BILINEAR

struct test_case {
    const char *name;
    ptrdiff_t input[3];
    struct atm_plan_size size;
    struct atm_layer layer[24]; /* up to the first with all zeros after the start */
    int count;
};

static const struct test_case cases[] = {
    {"lone conv", {3, 5, 7}, {.items = 3}, {CONV(5, 3, 1)}, 1},
    {"lrelu first", {2, 3, 5}, {.items = 17}, {LRELU, CONV(3, 5, 2), LRELU}, 3},
    {"strides", {1, 13, 10}, {.items = 2}, {CONV(4, 5, 2), LRELU, CONV(7, 3, 2), LRELU}, 4},
    {"fold", {3, 3, 5}, {.items = 2}, {CONV(6, 3, 1), PLAIN(NEAREST), LRELU, CONV(5, 3, 1)}, 4},
    {"fold 5x5", {2, 4, 3}, {.items = 2}, {PLAIN(NEAREST), CONV(2, 5, 1), LRELU}, 3},
    {"nearest, stride", {2, 3, 5}, {.items = 2}, {PLAIN(NEAREST), LRELU, CONV(2, 3, 2)}, 3},
    {"two lrelus",
     {2, 3, 3},
     {.items = 2},
     {CONV(3, 3, 1), LRELU, PLAIN(NEAREST), LRELU, LRELU},
     5},
    {"bilinear",
     {2, 5, 3},
     {.items = 3},
     {CONV(3, 3, 1), PLAIN(BILINEAR), LRELU, CONV(2, 3, 1)},
     4},
    {"dense",
     {2, 3, 5},
     {.items = 19},
     {CONV(3, 3, 1), LRELU, DENSE(11), LRELU, DENSE(12), SHAPE(3, 2, 2), CONV(2, 3, 1)},
     7},
    {"global code",
     {1, 8, 6},
     {.items = 3, .images = 3, .grid_y = 1, .grid_x = 1, .per_cell = 4},
     {CONV(3, 3, 2), LRELU, DENSE(8), SPLIT(2), DENSE(12), LRELU, SHAPE(3, 2, 2), CONV(2, 3, 1),
      PLAIN(NEAREST), LRELU, CONV(1, 3, 1), LRELU, PLAIN(ATM_LAYER_SUM)},
     13},
    {"max",
     {1, 4, 4},
     {.items = 2, .images = 2, .grid_y = 1, .grid_x = 1, .per_cell = 3},
     {DENSE(6), SPLIT(2), DENSE(8), SHAPE(2, 2, 2), PLAIN(ATM_LAYER_MAX), LRELU, CONV(2, 3, 1)},
     7},
    {"grid",
     {1, 16, 12},
     {.items = 2, .images = 2, .grid_y = 4, .grid_x = 3, .per_cell = 2},
     {CONV(4, 5, 2),
      LRELU,
      CONV(6, 3, 2),
      SPLIT(3),
      DENSE(18),
      SHAPE(2, 3, 3),
      PLAIN(NEAREST),
      LRELU,
      CONV(3, 3, 1),
      PLAIN(NEAREST),
      CONV(2, 3, 1),
      PLAIN(WINDOW),
      PLACE(4),
      {.kind = ATM_LAYER_CONV, .name = "h", .out = 1, .kernel = 7, .stride = 1, .no_bias = true}},
     14},
    {"blocks in",
     {3, 1, 1},
     {.items = 24, .images = 2, .grid_y = 3, .grid_x = 2, .per_cell = 2},
     {DENSE(8), SHAPE(2, 2, 2), PLAIN(NEAREST), PLACE(2), CONV(2, 3, 1)},
     5},
    {"windows in",
     {2, 6, 6},
     {.items = 12, .images = 3, .grid_y = 2, .grid_x = 2, .per_cell = 1},
     {PLACE(2), CONV(1, 11, 1)},
     2},
    {"attention",
     {2, 7, 6},
     {.items = 18, .images = 18, .grid_y = 1, .grid_x = 1, .per_cell = 2},
     {CONV(3, 3, 2),
      LRELU,
      PLAIN(ATM_LAYER_COORDINATES),
      CONV(8, 1, 1),
      {.kind = ATM_LAYER_ATTEND, .out = 2},
      SPLIT(3),
      DENSE(5),
      PLAIN(ATM_LAYER_SUM)},
     8},
    {"split out",
     {2, 4, 6},
     {.items = 3, .images = 3, .per_cell = 2},
     {CONV(6, 3, 2), SPLIT(3)},
     2},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void must(enum atm_status status, const struct atm_err *err) {
    if (status != ATM_OK)
        fail_msg("%s", err->text);
}

struct setup {
    const struct test_case *test;
    struct atm_plan_size size;
    struct atm_net *net;
    struct atm_plan *plan;
    ptrdiff_t params, inputs, outputs;
    float *param, *input, *output_grad, *param_grad, *input_grad;
    double *param_d;
    struct ref_tensor input_d;
    int join;           /* layer that joins blocks */
    const float *scale; /* of the blocks' energies in the objective, or NULL */
};

static struct setup set_up(const struct test_case *test, enum atm_conv_choice convolution) {
    struct setup s = {.test = test, .size = test->size};
    struct atm_err err = {0};
    must(atm_net_create(test->layer, test->count, test->input, &s.net, &err), &err);
    s.size.height = test->input[1];
    s.size.width = test->input[2];
    s.size.training = true;
    s.size.convolution = convolution;
    must(atm_plan_create(s.net, &s.size, &s.plan, &err), &err);
    ptrdiff_t shape[4];
    atm_plan_output_shape(s.plan, shape);
    s.outputs = shape[0] * shape[1] * shape[2] * shape[3];
    s.params = atm_net_param_count(s.net);
    s.input_d = ref_create(s.size.items, test->input[0], test->input[1], test->input[2]);
    s.inputs = ref_count(&s.input_d);
    s.param = random_floats(s.params, 1);
    s.input = random_floats(s.inputs, 2);
    s.output_grad = random_floats(s.outputs, 3);
    s.param_grad = atm_mem_alloc((size_t)s.params, sizeof(float));
    s.param_d = atm_mem_alloc((size_t)s.params, sizeof(double));
    for (ptrdiff_t i = 0; i < s.params; i++)
        s.param_d[i] = s.param[i];
    for (ptrdiff_t i = 0; i < s.inputs; i++)
        s.input_d.data[i] = s.input[i];
    return s;
}

static void tear_down(struct setup *s) {
    atm_plan_destroy(&s->plan);
    atm_net_destroy(&s->net);
    atm_mem_free(s->param);
    atm_mem_free(s->input);
    atm_mem_free(s->output_grad);
    atm_mem_free(s->param_grad);
    atm_mem_free(s->param_d);
    free(s->input_d.data);
}

static struct ref_tensor reference(const struct setup *s) {
    return chain_ref(s->test->layer, s->test->count, s->net, &s->size, s->param_d, &s->input_d);
}

/* Energy of every block before layer `join`. */
static double *block_energies(const struct setup *s, ptrdiff_t *count) {
    struct ref_tensor x =
        chain_ref(s->test->layer, s->join, s->net, &s->size, s->param_d, &s->input_d);
    double *energy = atm_mem_alloc((size_t)x.n, sizeof *energy);
    for (ptrdiff_t i = 0; i < ref_count(&x); i++)
        energy[i / (x.c * x.h * x.w)] += x.data[i] * x.data[i];
    *count = x.n;
    free(x.data);
    return energy;
}

static double penalty(const struct setup *s) {
    ptrdiff_t count;
    double *energy = block_energies(s, &count), sum = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        sum += 0.5 * s->scale[i] * energy[i];
    atm_mem_free(energy);
    return sum;
}

/* <output_grad, chain>, as a function of one number at `where`. */
static double objective(const struct setup *s, double *where, double value) {
    const double kept = *where;
    double sum = 0;
    *where = value;
    struct ref_tensor y = reference(s);
    for (ptrdiff_t i = 0; i < s->outputs; i++)
        sum += s->output_grad[i] * y.data[i];
    free(y.data);
    if (s->scale)
        sum += penalty(s);
    *where = kept;
    return sum;
}

static void check_gradient(const struct setup *s, const char *what, double *values,
                           const float *gradient, ptrdiff_t count) {
    const double h = 1e-6;
    const ptrdiff_t step = count / 25 + 1;
    double norm = 1;
    for (ptrdiff_t i = 0; i < count; i++)
        norm = fmax(norm, fabs((double)gradient[i]));
    for (ptrdiff_t i = 0; i < count; i += step) {
        const double expected =
            (objective(s, values + i, values[i] + h) - objective(s, values + i, values[i] - h)) /
            (2 * h);
        if (!(fabs(expected - gradient[i]) < 2e-5 * norm))
            fail_msg("%s: gradient of %s %td is %g, not %g", s->test->name, what, i, gradient[i],
                     expected);
    }
}

static void check_case(const struct test_case *test, enum atm_conv_choice convolution) {
    struct setup s = set_up(test, convolution);
    atm_plan_load(s.plan, s.param);
    const float *output = atm_plan_forward(s.plan, s.input);
    struct ref_tensor expected = reference(&s);
    assert_int_equal(ref_count(&expected), s.outputs);
    double largest = 1;
    for (ptrdiff_t i = 0; i < s.outputs; i++)
        largest = fmax(largest, fabs(expected.data[i]));
    for (ptrdiff_t i = 0; i < s.outputs; i++)
        if (!(fabs(output[i] - expected.data[i]) < 1e-5 * largest))
            fail_msg("%s: output %td is %g, not %g", test->name, i, output[i], expected.data[i]);
    free(expected.data);
    const float *input_grad = atm_plan_backward(s.plan, s.output_grad, s.param_grad, true);
    check_gradient(&s, "parameter", s.param_d, s.param_grad, s.params);
    check_gradient(&s, "input", s.input_d.data, input_grad, s.inputs);
    /* Again without the input: gradients are added. */
    atm_plan_forward(s.plan, s.input);
    assert_null(atm_plan_backward(s.plan, s.output_grad, s.param_grad, false));
    for (ptrdiff_t i = 0; i < s.params; i++)
        s.param_grad[i] *= 0.5F;
    check_gradient(&s, "parameter", s.param_d, s.param_grad, s.params);
    char *text = atm_plan_describe(s.plan);
    assert_non_null(text);
    assert_true(atm_plan_bytes(s.plan) > 0);
    atm_mem_free(text);
    tear_down(&s);
}

static void test_chains(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++)
        check_case(&cases[i], ATM_CONV_AUTO);
}

static void test_chains_fft(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++)
        check_case(&cases[i], ATM_CONV_FFT);
}

static void test_chains_winograd(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++)
        check_case(&cases[i], ATM_CONV_WINOGRAD);
}

/* Penalties on the energies of the blocks: at joins of every kind. */
static void test_blocks(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct setup s = set_up(&cases[i], ATM_CONV_AUTO);
        for (int l = 0; l < s.test->count; l++) {
            const enum atm_layer_kind kind = s.test->layer[l].kind;
            if (kind == ATM_LAYER_SUM || kind == ATM_LAYER_MAX || kind == ATM_LAYER_PLACE)
                s.join = l;
        }
        if (s.join > 0 || s.test->layer[0].kind == ATM_LAYER_PLACE) {
            ptrdiff_t count;
            double *expected = block_energies(&s, &count);
            double *energy = atm_mem_alloc((size_t)count, sizeof *energy);
            float *scale = random_floats(count, 31);
            s.scale = scale;
            atm_plan_load(s.plan, s.param);
            atm_plan_forward(s.plan, s.input);
            atm_plan_block_energy(s.plan, energy);
            for (ptrdiff_t b = 0; b < count; b++)
                assert_true(fabs(energy[b] - expected[b]) <= 1e-5 * expected[b]);
            const float *grad =
                atm_plan_backward_blocks(s.plan, s.output_grad, scale, s.param_grad, true);
            check_gradient(&s, "parameter", s.param_d, s.param_grad, s.params);
            check_gradient(&s, "input", s.input_d.data, grad, s.inputs);
            atm_mem_free(expected);
            atm_mem_free(energy);
            atm_mem_free(scale);
        }
        tear_down(&s);
    }
}

static uint64_t digest(const void *data, size_t bytes, uint64_t hash) {
    const unsigned char *c = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ c[i]) * 1099511628211U; /* FNV-1a */
    return hash;
}

static uint64_t run_with(const struct test_case *test, enum atm_conv_choice choice, int threads) {
    omp_set_num_threads(threads);
    struct setup s = set_up(test, choice);
    atm_plan_load(s.plan, s.param);
    uint64_t hash = digest(atm_plan_forward(s.plan, s.input), (size_t)s.outputs * 4, 1);
    hash = digest(atm_plan_backward(s.plan, s.output_grad, s.param_grad, true),
                  (size_t)s.inputs * 4, hash);
    hash = digest(s.param_grad, (size_t)s.params * 4, hash);
    tear_down(&s);
    return hash;
}

/* Enough work that threads are used. */
static const struct test_case large = {
    "large grid",
    {1, 48, 36},
    {.items = 17, .images = 17, .grid_y = 12, .grid_x = 9, .per_cell = 2},
    {CONV(16, 5, 2), LRELU, CONV(6, 3, 2), SPLIT(3), DENSE(18), SHAPE(2, 3, 3), PLAIN(NEAREST),
     LRELU, CONV(12, 3, 1), PLAIN(NEAREST), CONV(2, 3, 1), PLAIN(WINDOW), PLACE(4), CONV(1, 7, 1)},
    14};

static void test_threads(void **state) {
    (void)state;
    const int threads = omp_get_max_threads();
    for (int i = 0; i < CASES; i++)
        for (int choice = ATM_CONV_AUTO; choice <= ATM_CONV_WINOGRAD; choice++)
            assert_true(run_with(&cases[i], (enum atm_conv_choice)choice, 1) ==
                        run_with(&cases[i], (enum atm_conv_choice)choice, 3));
    for (int choice = ATM_CONV_AUTO; choice <= ATM_CONV_WINOGRAD; choice++) {
        const uint64_t one = run_with(&large, (enum atm_conv_choice)choice, 1);
        assert_true(run_with(&large, (enum atm_conv_choice)choice, 2) == one);
        assert_true(run_with(&large, (enum atm_conv_choice)choice, 3) == one);
    }
    omp_set_num_threads(threads);
}

/* Without training the same numbers come out. */
static void test_inference(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct setup s = set_up(&cases[i], ATM_CONV_AUTO);
        struct atm_plan *plan = NULL;
        struct atm_err err = {0};
        s.size.training = false;
        must(atm_plan_create(s.net, &s.size, &plan, &err), &err);
        assert_true(atm_plan_bytes(plan) < atm_plan_bytes(s.plan));
        atm_plan_load(plan, s.param);
        atm_plan_load(s.plan, s.param);
        for (int run = 0; run < 2; run++)
            assert_memory_equal(atm_plan_forward(plan, s.input), atm_plan_forward(s.plan, s.input),
                                (size_t)s.outputs * sizeof(float));
        atm_plan_destroy(&plan);
        tear_down(&s);
    }
}

static void test_adam(void **state) {
    (void)state;
    enum { N = 37, STEPS = 40 };
    float *p = random_floats(N, 11), *moments = atm_mem_alloc(2 * N, sizeof *moments);
    double plain[N], m[N] = {0}, v[N] = {0};
    const struct atm_adam adam = {2.385e-3, 0.85, 0.995, 1e-7};
    for (int i = 0; i < N; i++)
        plain[i] = p[i];
    for (int step = 1; step <= STEPS; step++) {
        float *g = random_floats(N, 100 + (uint64_t)step);
        atm_adam_step(&adam, step, N, p, g, moments);
        for (int i = 0; i < N; i++) {
            m[i] = adam.beta1 * m[i] + (1 - adam.beta1) * g[i];
            v[i] = adam.beta2 * v[i] + (1 - adam.beta2) * g[i] * g[i];
            plain[i] -= adam.rate * m[i] / (1 - pow(adam.beta1, step)) /
                        (sqrt(v[i] / (1 - pow(adam.beta2, step))) + adam.epsilon);
        }
        atm_mem_free(g);
    }
    for (int i = 0; i < N; i++)
        assert_true(fabs(p[i] - plain[i]) < 1e-6);
    atm_mem_free(p);
    atm_mem_free(moments);
}

static void test_loss(void **state) {
    (void)state;
    enum { N = 2500 };
    float *a = random_floats(N, 21), *b = random_floats(N, 22), grad[N];
    double mse = 0, norm = 0;
    for (int i = 0; i < N; i++) {
        mse += ((double)a[i] - b[i]) * ((double)a[i] - b[i]) / N;
        norm += (double)a[i] * a[i];
    }
    assert_true(fabs(atm_loss_mse(N, a, b, grad) - mse) < 1e-7);
    assert_true(fabs(atm_loss_mse(N, a, b, NULL) - mse) < 1e-7);
    assert_true(fabs(atm_loss_norm(N, a) - sqrt(norm)) < 1e-9);
    for (int i = 0; i < N; i++)
        assert_true(fabs(grad[i] - 2.0 / N * ((double)a[i] - b[i])) < 1e-9);
    atm_mem_free(a);
    atm_mem_free(b);
}

static void test_initialise(void **state) {
    (void)state;
    const struct atm_layer layers[] = {CONV(40, 5, 1), DENSE(100)};
    struct atm_net *net = NULL;
    struct atm_err err = {0};
    must(atm_net_create(layers, 2, (ptrdiff_t[]){20, 3, 3}, &net, &err), &err);
    assert_int_equal(atm_net_tensor_count(net), 4);
    assert_string_equal(atm_net_tensor(net, 0)->name, "c.weight");
    assert_string_equal(atm_net_tensor(net, 3)->name, "d.bias");
    const ptrdiff_t n = atm_net_param_count(net);
    assert_int_equal(n, 40 * 20 * 25 + 40 + 100 * 360 + 100);
    float *p = atm_mem_alloc((size_t)n, sizeof *p), *q = atm_mem_alloc((size_t)n, sizeof *q);
    atm_net_initialise(net, ATM_INIT_HE, 0.2F, 5, 0, p);
    atm_net_initialise(net, ATM_INIT_HE, 0.2F, 5, 0, q);
    assert_memory_equal(p, q, (size_t)n * sizeof *p);
    double variance = 0;
    for (int i = 0; i < 20000; i++)
        variance += p[i] * p[i] / 20000.0;
    assert_true(fabs(variance * 1.04 * 500 / 2 - 1) < 0.05);
    assert_true(p[20000] == 0);
    atm_net_initialise(net, ATM_INIT_UNIFORM, 0, 5, 0, p);
    for (int i = 0; i < 20040; i++)
        assert_true(fabsf(p[i]) <= 0.0447214F);
    assert_true(p[20000] != 0);
    atm_mem_free(p);
    atm_mem_free(q);
    atm_net_destroy(&net);
}

static void expect_error(const struct atm_layer *layers, int count, const char *part) {
    struct atm_net *net = NULL;
    struct atm_err err = {0};
    assert_int_equal(atm_net_create(layers, count, (ptrdiff_t[]){4, 6, 6}, &net, &err), ATM_FAIL);
    assert_null(net);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not contain \"%s\"", err.text, part);
}

static void test_errors(void **state) {
    (void)state;
    expect_error((struct atm_layer[]){CONV(4, 4, 1)}, 1, "layer 1 (conv c): the kernel size");
    expect_error((struct atm_layer[]){CONV(4, 3, 3)}, 1, "stride 1 or 2");
    expect_error((struct atm_layer[]){CONV(4, 3, 1), SHAPE(4, 6, 5)}, 2, "layer 2 (reshape)");
    expect_error((struct atm_layer[]){DENSE(0)}, 1, "needs out >= 1");
    expect_error((struct atm_layer[]){SPLIT(3)}, 1, "layer 1 (split)");
    expect_error((struct atm_layer[]){PLACE(3)}, 1, "layer 1 (place)");
    const struct atm_layer layers[] = {PLAIN(ATM_LAYER_SUM), DENSE(3)};
    struct atm_net *net = NULL;
    struct atm_plan *plan = NULL;
    struct atm_err err = {0};
    must(atm_net_create(layers, 2, (ptrdiff_t[]){4, 6, 6}, &net, &err), &err);
    struct atm_plan_size size = {
        .items = 6, .height = 6, .width = 6, .images = 2, .grid_y = 1, .grid_x = 1, .per_cell = 2};
    assert_int_equal(atm_plan_create(net, &size, &plan, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "6 items are not 2 images"));
    size.images = 3;
    size.width = 5;
    assert_int_equal(atm_plan_create(net, &size, &plan, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "weights for 144 inputs, here it gets 120"));
    atm_net_destroy(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_chains_fft),
        cmocka_unit_test(test_chains_winograd),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_initialise),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
