/* The published networks against an independent float64 implementation: forward, every gradient,
 * weights after 1 and 5 Adam steps. The files are used when they are there. */
#include "h5.h"
#include "mem.h"
#include "net.h"
#include "small_golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REFERENCE ATM_SHARED_DIR "/data/reference/"
enum { MAX_LAYERS = 64 };
static const double tolerance = 1e-5; /* of each tensor's Euclidean norm */

struct chain {
    struct atm_layer layer[MAX_LAYERS];
    int count;
    float slope;
};

static struct atm_layer *add(struct chain *c, enum atm_layer_kind kind, const char *name, int out) {
    struct atm_layer *l = &c->layer[c->count++];
    assert_true(c->count <= MAX_LAYERS);
    *l = (struct atm_layer){.kind = kind, .out = out, .kernel = 3, .stride = 1};
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

static void lrelu(struct chain *c) { add(c, ATM_LAYER_LRELU, "", 0)->slope = c->slope; }

static void dense(struct chain *c, const char *name, int out) {
    add(c, ATM_LAYER_DENSE, name, out);
}

static void reshape(struct chain *c, int channels, int side) {
    struct atm_layer *l = add(c, ATM_LAYER_RESHAPE, "", 0);
    l->shape[0] = channels;
    l->shape[1] = l->shape[2] = side;
}

/* The paper's network: encoder, blocks of `latent` coordinates, atom, sum. */
static void paper(struct chain *c, int blocks, int latent) {
    static const int encoder[] = {32, 16, 8, 8}, ch[] = {1, 32, 16, 8, 8, 8, 8};
    char name[24];
    *c = (struct chain){.slope = 0.2F};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "enc%d", i + 1);
        add(c, ATM_LAYER_CONV, name, encoder[i])->stride = 2;
        lrelu(c);
    }
    dense(c, "enc5", 512);
    lrelu(c);
    dense(c, "enc6", blocks * latent);
    lrelu(c);
    add(c, ATM_LAYER_SPLIT, "", latent);
    dense(c, "g1", 32);
    lrelu(c);
    dense(c, "g2", 32);
    lrelu(c);
    reshape(c, 8, 2);
    for (int stage = 6; stage >= 1; stage--) {
        snprintf(name, sizeof name, "g_s%da", stage);
        add(c, ATM_LAYER_CONV, name, ch[stage - 1]);
        add(c, ATM_LAYER_NEAREST, "", 0);
        lrelu(c);
        snprintf(name, sizeof name, "g_s%db", stage);
        add(c, ATM_LAYER_CONV, name, ch[stage - 1]);
        lrelu(c);
    }
    add(c, ATM_LAYER_SUM, "", 0);
}

/* The follow-up paper's network: dense decoder, bilinear upsampling, linear output. */
static void followup(struct chain *c) {
    static const int features[] = {20, 100, 200, 392}, channels[] = {8, 4, 1};
    char name[24];
    *c = (struct chain){.slope = 0.01F};
    add(c, ATM_LAYER_CONV, "encoder.0", 4)->stride = 2;
    lrelu(c);
    add(c, ATM_LAYER_CONV, "encoder.2", 8)->stride = 2;
    lrelu(c);
    dense(c, "encoder.5", 210);
    lrelu(c);
    dense(c, "encoder.7", 200);
    lrelu(c);
    add(c, ATM_LAYER_SPLIT, "", 10);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "mini_decoder.%d", 2 * i);
        dense(c, name, features[i]);
        if (i < 3)
            lrelu(c);
    }
    reshape(c, 8, 7);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "mini_decoder_deconv.%d", 3 * i);
        add(c, ATM_LAYER_CONV, name, channels[i]);
        if (i < 2) {
            add(c, ATM_LAYER_BILINEAR, "", 0);
            lrelu(c);
        }
    }
    add(c, ATM_LAYER_SUM, "", 0);
}

static void must(enum atm_status status, const struct atm_err *err) {
    if (status != ATM_OK)
        fail_msg("%s", err->text);
}

static struct atm_net *create_net(const struct chain *c, ptrdiff_t side) {
    struct atm_err err = {0};
    struct atm_net *net = NULL;
    must(atm_net_create(c->layer, c->count, (ptrdiff_t[]){1, side, side}, &net, &err), &err);
    return net;
}

static struct atm_plan *create_plan(const struct atm_net *net, struct atm_plan_size size) {
    struct atm_err err = {0};
    struct atm_plan *plan = NULL;
    size.grid_y = size.grid_x = 1;
    size.images = size.items;
    must(atm_plan_create(net, &size, &plan, &err), &err);
    return plan;
}

static void *read(const struct atm_h5 *file, const char *name, enum atm_h5_type type,
                  ptrdiff_t count) {
    struct atm_err err = {0};
    void *data = atm_mem_alloc((size_t)count, atm_h5_type_size(type));
    must(atm_h5_read(file, name, type, count, data, &err), &err);
    return data;
}

static float *read_params(const struct atm_h5 *file, const struct atm_net *net, const char *group) {
    float *params = atm_mem_alloc((size_t)atm_net_param_count(net), sizeof *params);
    for (int i = 0; i < atm_net_tensor_count(net); i++) {
        const struct atm_tensor *t = atm_net_tensor(net, i);
        char name[80];
        snprintf(name, sizeof name, "%s/%s", group, t->name);
        float *data = read(file, name, ATM_H5_F32, t->count);
        memcpy(params + t->offset, data, (size_t)t->count * sizeof *data);
        atm_mem_free(data);
    }
    return params;
}

static void assert_close(const char *what, const float *ours, const double *theirs,
                         ptrdiff_t count) {
    double difference = 0, norm = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
        norm += theirs[i] * theirs[i];
    }
    const double relative = sqrt(difference / norm);
    if (!(relative <= tolerance))
        fail_msg("%s: relative difference %.3g", what, relative);
}

/* Every tensor of a flat array against a group of the file. */
static void assert_tensors(const struct atm_h5 *file, const struct atm_net *net, const char *group,
                           const float *ours) {
    for (int i = 0; i < atm_net_tensor_count(net); i++) {
        const struct atm_tensor *t = atm_net_tensor(net, i);
        char name[80];
        snprintf(name, sizeof name, "%s/%s", group, t->name);
        double *theirs = read(file, name, ATM_H5_F64, t->count);
        assert_close(name, ours + t->offset, theirs, t->count);
        atm_mem_free(theirs);
    }
}

/* Five Adam steps on the same two images; losses and weights as in the file. */
static void check_steps(const struct atm_h5 *file, const struct atm_net *net, struct atm_plan *plan,
                        const float *input, ptrdiff_t count, float *params) {
    const ptrdiff_t n = atm_net_param_count(net);
    float *grad = atm_mem_alloc((size_t)n, sizeof *grad);
    float *moments = atm_mem_alloc((size_t)n, 2 * sizeof *moments);
    float *output_grad = atm_mem_alloc((size_t)count, sizeof *output_grad);
    double *losses = read(file, "losses", ATM_H5_F64, 5);
    struct atm_adam adam = atm_adam_defaults();
    adam.rate = 1e-4;
    for (int step = 1; step <= 5; step++) {
        atm_plan_load(plan, params);
        const float *output = atm_plan_forward(plan, input);
        const double loss = atm_loss_mse(count, output, input, output_grad);
        assert_true(fabs(loss / losses[step - 1] - 1) < tolerance);
        memset(grad, 0, (size_t)n * sizeof *grad);
        atm_plan_backward(plan, output_grad, grad, false);
        if (step == 1)
            assert_tensors(file, net, "gradients", grad);
        atm_adam_step(&adam, step, n, params, grad, moments);
        if (step == 1)
            assert_tensors(file, net, "weights_after_1", params);
    }
    assert_tensors(file, net, "weights_after_5", params);
    atm_mem_free(grad);
    atm_mem_free(moments);
    atm_mem_free(output_grad);
    atm_mem_free(losses);
}

static struct atm_h5 *open_or_skip(const char *path) {
    struct atm_err err = {0};
    struct atm_h5 *file = NULL;
    FILE *there = fopen(path, "rb");
    if (!there) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    fclose(there);
    must(atm_h5_open(path, &file, &err), &err);
    return file;
}

static void check_paper(const char *path, int blocks, int latent, ptrdiff_t params_expected) {
    enum { SIDE = 128, IMAGES = 2, COUNT = IMAGES * SIDE * SIDE };
    struct atm_h5 *file = open_or_skip(path);
    struct chain chain;
    paper(&chain, blocks, latent);
    struct atm_net *net = create_net(&chain, SIDE);
    assert_int_equal(atm_net_param_count(net), params_expected);
    struct atm_plan *plan = create_plan(
        net,
        (struct atm_plan_size){
            .items = IMAGES, .height = SIDE, .width = SIDE, .per_cell = blocks, .training = true});
    float *params = read_params(file, net, "weights");
    float *input = read(file, "input", ATM_H5_F32, COUNT);
    double *expected = read(file, "output", ATM_H5_F64, COUNT);
    atm_plan_load(plan, params);
    assert_close("output", atm_plan_forward(plan, input), expected, COUNT);
    check_steps(file, net, plan, input, COUNT, params);
    atm_mem_free(params);
    atm_mem_free(input);
    atm_mem_free(expected);
    atm_plan_destroy(&plan);
    atm_net_destroy(&net);
    struct atm_err err = {0};
    must(atm_h5_close(&file, &err), &err);
}

static void test_paper_spikes(void **state) {
    (void)state;
    check_paper(REFERENCE "paper_spikes.h5", 10, 3, 307097);
}

static void test_paper_strokes(void **state) {
    (void)state;
    check_paper(REFERENCE "paper_strokes.h5", 16, 6, 341051);
}

static void test_followup(void **state) {
    (void)state;
    enum { SIDE = 28, IMAGES = 8, COUNT = IMAGES * SIDE * SIDE };
    struct atm_h5 *file = open_or_skip(REFERENCE "followup_mnist_sum.h5");
    struct chain chain;
    followup(&chain);
    struct atm_net *net = create_net(&chain, SIDE);
    struct atm_plan *plan = create_plan(
        net,
        (struct atm_plan_size){.items = IMAGES, .height = SIDE, .width = SIDE, .per_cell = 20});
    float *params = read_params(file, net, "weights");
    float *input = read(file, "input", ATM_H5_F32, COUNT);
    double *expected = read(file, "output", ATM_H5_F64, COUNT);
    atm_plan_load(plan, params);
    const float *output = atm_plan_forward(plan, input);
    assert_close("output", output, expected, COUNT);
    double error = 0, norm = atm_loss_norm(COUNT, input);
    for (ptrdiff_t i = 0; i < COUNT; i++)
        error += (double)(output[i] - input[i]) * (output[i] - input[i]);
    assert_true(fabs(error / (norm * norm) - 0.0178) < 1e-4);
    atm_mem_free(params);
    atm_mem_free(input);
    atm_mem_free(expected);
    atm_plan_destroy(&plan);
    atm_net_destroy(&net);
    struct atm_err err = {0};
    must(atm_h5_close(&file, &err), &err);
}

/* Always there: numbers of make_small.py. */
static void check_small(enum atm_conv_choice convolution) {
    enum { SIDE = 4, COUNT = 2 * SIDE * SIDE, PARAMS = sizeof small_params / sizeof *small_params };
    struct chain c = {.slope = 0.2F};
    add(&c, ATM_LAYER_CONV, "e1", 3)->stride = 2;
    lrelu(&c);
    dense(&c, "e2", 4);
    lrelu(&c);
    add(&c, ATM_LAYER_SPLIT, "", 2);
    dense(&c, "d1", 8);
    lrelu(&c);
    reshape(&c, 2, 2);
    add(&c, ATM_LAYER_CONV, "c1", 3);
    add(&c, ATM_LAYER_NEAREST, "", 0);
    lrelu(&c);
    add(&c, ATM_LAYER_CONV, "c2", 1);
    lrelu(&c);
    add(&c, ATM_LAYER_SUM, "", 0);
    struct atm_net *net = create_net(&c, SIDE);
    assert_int_equal(atm_net_param_count(net), PARAMS);
    struct atm_plan *plan = create_plan(net, (struct atm_plan_size){.items = 2,
                                                                    .height = SIDE,
                                                                    .width = SIDE,
                                                                    .per_cell = 2,
                                                                    .training = true,
                                                                    .convolution = convolution});
    float params[PARAMS], moments[2 * PARAMS] = {0}, input[COUNT], output_grad[COUNT];
    for (int i = 0; i < PARAMS; i++)
        params[i] = (float)small_params[i];
    for (int i = 0; i < COUNT; i++)
        input[i] = (float)small_images[i];
    struct atm_adam adam = atm_adam_defaults();
    adam.rate = 1e-2;
    for (int step = 1; step <= 3; step++) {
        float grad[PARAMS] = {0};
        atm_plan_load(plan, params);
        const float *output = atm_plan_forward(plan, input);
        if (step == 1)
            assert_close("output", output, small_output, COUNT);
        atm_loss_mse(COUNT, output, input, output_grad);
        atm_plan_backward(plan, output_grad, grad, false);
        if (step == 1)
            assert_close("gradient", grad, small_gradient, PARAMS);
        atm_adam_step(&adam, step, PARAMS, params, grad, moments);
    }
    assert_close("weights after 3 steps", params, small_params_after_3, PARAMS);
    atm_plan_destroy(&plan);
    atm_net_destroy(&net);
}

static void test_small(void **state) {
    (void)state;
    for (int choice = ATM_CONV_AUTO; choice <= ATM_CONV_WINOGRAD; choice++)
        check_small((enum atm_conv_choice)choice);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_paper_spikes),
        cmocka_unit_test(test_paper_strokes),
        cmocka_unit_test(test_followup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
