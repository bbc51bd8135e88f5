/* Whole training steps: forward, loss, backward, Adam. FLOP counted as the layers are written (no
 * fold). */
#include "bench.h"
#include "mem.h"
#include "net.h"
#include "plan_types.h"

#include <omp.h>
#include <string.h>

enum { MAX_LAYERS = 64 };

struct chain {
    struct atm_layer layer[MAX_LAYERS];
    int count;
};

static struct atm_layer *add(struct chain *c, enum atm_layer_kind kind, int out, int kernel,
                             int stride) {
    struct atm_layer *l = &c->layer[c->count++];
    *l = (struct atm_layer){.kind = kind, .out = out, .kernel = kernel, .stride = stride};
    snprintf(l->name, sizeof l->name, "l%d", c->count);
    return l;
}
static void conv(struct chain *c, int out, int kernel, int stride) {
    add(c, ATM_LAYER_CONV, out, kernel, stride);
}
static void lrelu(struct chain *c) { add(c, ATM_LAYER_LRELU, 0, 0, 0)->slope = 0.2F; }
static void dense(struct chain *c, int out) { add(c, ATM_LAYER_DENSE, out, 0, 0); }
static void reshape(struct chain *c, int channels, int side) {
    struct atm_layer *l = add(c, ATM_LAYER_RESHAPE, 0, 0, 0);
    l->shape[0] = channels;
    l->shape[1] = l->shape[2] = side;
}

/* The encoder of the convolutional preset with cells of 8 pixels and m blocks each. */
static void encoder(struct chain *c, int m) {
    static const int channels[] = {16, 32, 64, 64, 64}, stride[] = {2, 2, 2, 1, 1};
    static const int kernel[] = {5, 3, 3, 3, 1};
    for (int i = 0; i < 5; i++) {
        conv(c, channels[i], kernel[i], stride[i]);
        lrelu(c);
    }
    conv(c, 3 * m, 1, 1);
}

static void convolutional(struct chain *c, int m) {
    encoder(c, m);
    add(c, ATM_LAYER_SPLIT, 3, 0, 0);
    dense(c, 32);
    lrelu(c);
    dense(c, 64);
    lrelu(c);
    dense(c, 432);
    reshape(c, 12, 6);
    lrelu(c);
    add(c, ATM_LAYER_NEAREST, 0, 0, 0);
    conv(c, 12, 3, 1);
    lrelu(c);
    add(c, ATM_LAYER_NEAREST, 0, 0, 0);
    conv(c, 8, 3, 1);
    add(c, ATM_LAYER_WINDOW, 0, 0, 0);
    add(c, ATM_LAYER_PLACE, 0, 0, 0)->cell = 8;
    add(c, ATM_LAYER_CONV, 1, 7, 1)->no_bias = true;
}

static void paper(struct chain *c) {
    static const int encoder[] = {32, 16, 8, 8}, ch[] = {1, 32, 16, 8, 8, 8, 8};
    for (int i = 0; i < 4; i++) {
        conv(c, encoder[i], 3, 2);
        lrelu(c);
    }
    dense(c, 512);
    lrelu(c);
    dense(c, 30);
    lrelu(c);
    add(c, ATM_LAYER_SPLIT, 3, 0, 0);
    dense(c, 32);
    lrelu(c);
    dense(c, 32);
    lrelu(c);
    reshape(c, 8, 2);
    for (int stage = 6; stage >= 1; stage--) {
        conv(c, ch[stage - 1], 3, 1);
        add(c, ATM_LAYER_NEAREST, 0, 0, 0);
        lrelu(c);
        conv(c, ch[stage - 1], 3, 1);
        lrelu(c);
    }
    add(c, ATM_LAYER_SUM, 0, 0, 0);
}

struct work {
    struct atm_net *net;
    struct atm_plan *plan;
    ptrdiff_t params, pixels;
    float *param, *grad, *moments, *input, *output_grad;
    int64_t step;
};

static void train_step(void *context) {
    struct work *w = context;
    struct atm_adam adam = atm_adam_defaults();
    adam.rate = 1e-4;
    atm_plan_load(w->plan, w->param);
    const float *output = atm_plan_forward(w->plan, w->input);
    atm_loss_mse(w->pixels, output, w->input, w->output_grad);
    memset(w->grad, 0, (size_t)w->params * sizeof *w->grad);
    atm_plan_backward(w->plan, w->output_grad, w->grad, false);
    atm_adam_step(&adam, ++w->step, w->params, w->param, w->grad, w->moments);
}

/* By one thread and by all. In turns: the machine may not be as fast all the time. */
static double with_threads(const char *kernel, const char *problem, void (*call)(void *),
                           struct work *w, double flop) {
    enum { TURNS = 5 };
    const int threads = omp_get_max_threads();
    double one[TURNS], all[TURNS];
    char name[32];
    for (int i = 0; i < TURNS; i++) {
        omp_set_num_threads(1);
        one[i] = bench_median(call, w, 0.5);
        omp_set_num_threads(threads);
        all[i] = bench_median(call, w, 0.5);
    }
    qsort(one, TURNS, sizeof *one, bench_compare);
    qsort(all, TURNS, sizeof *all, bench_compare);
    snprintf(name, sizeof name, "%s_alone", kernel);
    bench_report(name, problem, one[TURNS / 2], flop);
    bench_report(kernel, problem, all[TURNS / 2], flop);
    return all[TURNS / 2];
}

/* --- Where the time of a step goes --- */

/* One layer of a plan; what it left there last. */
struct one {
    struct work *work;
    int step;
};

static void layer_forward(void *context) {
    const struct one *o = context;
    const struct atm_plan *p = o->work->plan;
    const struct step *step = &p->step[o->step];
    const float *x = p->value[o->step].data;
    float *y = p->value[o->step + 1].data;
    if (step->conv)
        step->algorithm->forward(step->conv, x, y);
    else
        step->ops->forward(&step->call, x, y);
}
static void layer_weight_grad(void *context) {
    const struct one *o = context;
    const struct atm_plan *p = o->work->plan;
    const struct step *step = &p->step[o->step];
    if (step->conv)
        step->algorithm->weight_grad(step->conv, p->value[o->step].data, p->value[o->step + 1].grad,
                                     o->work->grad + step->weight,
                                     step->bias < 0 ? NULL : o->work->grad + step->bias);
}
static void layer_input_grad(void *context) {
    const struct one *o = context;
    const struct atm_plan *p = o->work->plan;
    const struct step *step = &p->step[o->step];
    const struct value *x = &p->value[o->step], *y = &p->value[o->step + 1];
    if (step->conv)
        step->algorithm->input_grad(step->conv, y->grad, x->data, x->grad);
    else
        step->ops->backward(&step->call, x->data, y->grad, x->grad);
}

/* Layers that take more than a hundredth of the step. */
static void profile(const char *name, struct work *w, double whole) {
    static void (*const operations[])(void *) = {layer_forward, layer_weight_grad,
                                                 layer_input_grad};
    static const char *const names[] = {"forward", "weight_grad", "input_grad"};
    for (int i = 0; i < w->plan->steps; i++) {
        const struct step *step = &w->plan->step[i];
        const struct slab *x = &w->plan->value[i].slab, *y = &w->plan->value[i + 1].slab;
        struct one one = {w, i};
        char text[160];
        snprintf(text, sizeof text, "%s: %s (%td, %td, %td) -> (%td, %td, %td) %s%s", name,
                 atm_net_kind_name(step->layer.kind), x->channels, x->height, x->width, y->channels,
                 y->height, y->width, step->conv ? step->algorithm->name : "",
                 step->problem.nearest ? ", folded" : "");
        for (int o = 0; o < 3; o++) {
            const double seconds = bench_median(operations[o], &one, 0.02);
            char kernel[32];
            snprintf(kernel, sizeof kernel, "layer_%s", names[o]);
            if (seconds > 0.01 * whole)
                bench_report(kernel, text, seconds, step->conv ? conv_flop(&step->problem) : 0);
        }
    }
}

static void bench(const char *name, const struct chain *chain, ptrdiff_t side,
                  struct atm_plan_size size, double gflop) {
    struct work w = {0};
    struct atm_err err = {0};
    if (atm_net_create(chain->layer, chain->count, (ptrdiff_t[]){1, side, side}, &w.net, &err) ||
        atm_plan_create(w.net, &size, &w.plan, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    w.params = atm_net_param_count(w.net);
    w.pixels = size.items * side * side;
    w.param = atm_mem_alloc((size_t)w.params, sizeof(float));
    w.grad = atm_mem_alloc((size_t)w.params, sizeof(float));
    w.moments = atm_mem_alloc((size_t)w.params, 2 * sizeof(float));
    w.input = atm_mem_alloc((size_t)w.pixels, sizeof(float));
    w.output_grad = atm_mem_alloc((size_t)w.pixels, sizeof(float));
    for (ptrdiff_t i = 0; i < w.pixels; i++)
        w.input[i] = (float)(i * 7919 % 1000) / 1000.0F;
    atm_net_initialise(w.net, ATM_INIT_HE, 0.2F, 1, 0, w.param);
    const double seconds = with_threads("training_step", name, train_step, &w, gflop * 1e9);
    profile(name, &w, seconds);
    fprintf(stderr, "%s: %.0f MB\n", name, (double)atm_plan_bytes(w.plan) * 1e-6);
    char *text = atm_plan_describe(w.plan);
    fputs(text, stderr);
    atm_mem_free(text);
    atm_plan_destroy(&w.plan);
    atm_net_destroy(&w.net);
    atm_mem_free(w.param);
    atm_mem_free(w.grad);
    atm_mem_free(w.moments);
    atm_mem_free(w.input);
    atm_mem_free(w.output_grad);
}

static void encode(void *context) {
    const struct work *w = context;
    atm_plan_forward(w->plan, w->input);
}

/* Inference: 16 frames of 256x256, encoder only. */
static void bench_encoder(void) {
    enum { SIDE = 256, FRAMES = 16 };
    struct chain c = {.count = 0};
    struct work w = {.pixels = FRAMES * SIDE * SIDE};
    struct atm_err err = {0};
    const struct atm_plan_size size = {.items = FRAMES, .height = SIDE, .width = SIDE};
    encoder(&c, 2);
    if (atm_net_create(c.layer, c.count, (ptrdiff_t[]){1, SIDE, SIDE}, &w.net, &err) ||
        atm_plan_create(w.net, &size, &w.plan, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    w.param = atm_mem_alloc((size_t)atm_net_param_count(w.net), sizeof(float));
    w.input = atm_mem_alloc((size_t)w.pixels, sizeof(float));
    atm_net_initialise(w.net, ATM_INIT_HE, 0.2F, 1, 0, w.param);
    atm_plan_load(w.plan, w.param);
    with_threads("encoder", "16 frames 256x256", encode, &w, 16 * 0.1733e9);
    atm_plan_destroy(&w.plan);
    atm_net_destroy(&w.net);
    atm_mem_free(w.param);
    atm_mem_free(w.input);
}

int main(void) {
    struct chain preset = {.count = 0}, spikes = {.count = 0};
    bench_encoder();
    convolutional(&preset, 2);
    bench("convolutional 64x64 batch 32", &preset, 64,
          (struct atm_plan_size){.items = 32,
                                 .height = 64,
                                 .width = 64,
                                 .images = 32,
                                 .grid_y = 8,
                                 .grid_x = 8,
                                 .per_cell = 2,
                                 .training = true},
          18.9);
    paper(&spikes);
    bench("paper_spikes 128x128 batch 16", &spikes, 128,
          (struct atm_plan_size){.items = 16,
                                 .height = 128,
                                 .width = 128,
                                 .images = 16,
                                 .grid_y = 1,
                                 .grid_x = 1,
                                 .per_cell = 10,
                                 .training = true},
          45.5);
    return 0;
}
