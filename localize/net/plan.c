/* Walking a plan. */
#include "net_types.h"
#include "plan_types.h"

#include <assert.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

void atm_plan_output_shape(const struct atm_plan *plan, ptrdiff_t shape[4]) {
    const struct slab *s = &plan->value[plan->steps].slab;
    shape[0] = s->images * s->blocks;
    shape[1] = s->channels;
    shape[2] = s->height;
    shape[3] = s->width;
}

size_t atm_plan_bytes(const struct atm_plan *plan) {
    size_t bytes = plan->arena.size;
    for (int i = 0; i < plan->steps; i++)
        if (plan->step[i].conv)
            bytes += plan->step[i].algorithm->bytes(plan->step[i].conv);
    return bytes;
}

/* Threads for the parallel loops until end(); the results are the same for any number. */
static int begin(const struct atm_plan *plan) {
    const int threads = omp_get_max_threads();
    if (plan->small)
        omp_set_num_threads(1);
    return threads;
}
static void end(int threads) { omp_set_num_threads(threads); }

void atm_plan_load(struct atm_plan *plan, const float *params) {
    const int threads = begin(plan);
    for (int i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        if (step->conv)
            step->algorithm->load(step->conv, params + step->weight,
                                  step->bias < 0 ? NULL : params + step->bias);
    }
    end(threads);
}

const float *atm_plan_forward(struct atm_plan *plan, const float *input) {
    const int threads = begin(plan);
    slab_pack(&plan->value[0].slab, input, plan->value[0].data);
    for (int i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        const struct value *x = &plan->value[i], *y = &plan->value[i + 1];
        if (step->conv) {
            step->algorithm->forward(step->conv, x->data, y->data);
        } else {
            step->ops->forward(&step->call, x->data, y->data);
            if (y->slope != 1.0F)
                layer_lrelu(&y->slab, y->slope, y->data);
        }
    }
    const struct value *last = &plan->value[plan->steps];
    slab_unpack(&last->slab, last->data, plan->output);
    end(threads);
    return plan->output;
}

/* What a backward pass is given. */
struct backward {
    const float *block_scale; /* NULL for none */
    float *param_grad;
    bool want_input;
};

static void step_backward(const struct atm_plan *plan, int i, const struct backward *b) {
    const struct step *step = &plan->step[i];
    const struct value *x = &plan->value[i], *y = &plan->value[i + 1];
    if (step->conv)
        step->algorithm->weight_grad(step->conv, x->data, y->grad, b->param_grad + step->weight,
                                     step->bias < 0 ? NULL : b->param_grad + step->bias);
    if (i <= plan->first_weighted && !b->want_input)
        return;
    if (step->conv) {
        step->algorithm->input_grad(step->conv, y->grad, x->data, x->grad);
    } else {
        step->ops->backward(&step->call, x->data, y->grad, x->grad);
        if (i == plan->join && b->block_scale)
            layer_add_blocks(&step->call, b->block_scale, x->data, x->grad);
        if (x->slope != 1.0F)
            layer_lrelu_grad(&x->slab, x->slope, x->data, x->grad);
    }
}

void atm_plan_block_energy(const struct atm_plan *plan, double *energy) {
    assert(plan->join >= 0);
    layer_block_energy(&plan->step[plan->join].call, plan->value[plan->join].data, energy);
}

const float *atm_plan_backward(struct atm_plan *plan, const float *output_grad, float *param_grad,
                               bool want_input) {
    return atm_plan_backward_blocks(plan, output_grad, NULL, param_grad, want_input);
}

const float *atm_plan_backward_blocks(struct atm_plan *plan, const float *output_grad,
                                      const float *scale, float *param_grad, bool want_input) {
    const struct backward b = {scale, param_grad, want_input};
    const struct value *last = &plan->value[plan->steps], *first = &plan->value[0];
    const int threads = begin(plan);
    slab_pack(&last->slab, output_grad, last->grad);
    if (last->slope != 1.0F)
        layer_lrelu_grad(&last->slab, last->slope, last->data, last->grad);
    for (int i = plan->steps - 1; i >= (want_input ? 0 : plan->first_weighted); i--)
        step_backward(plan, i, &b);
    if (want_input)
        slab_unpack(&first->slab, first->grad, plan->input_grad);
    end(threads);
    return want_input ? plan->input_grad : NULL;
}

/* Work that the algorithm does, for the share of a layer. */
static double step_work(const struct step *step) {
    return step->conv ? conv_work(&step->problem, step->algorithm) : 0;
}

char *atm_plan_describe(const struct atm_plan *plan) {
    enum { LINE = 256 };
    char *text = atm_mem_alloc((size_t)plan->steps + 1, LINE), *at = text;
    if (!text)
        return NULL;
    double total = 0;
    for (int i = 0; i < plan->steps; i++)
        total += step_work(&plan->step[i]);
    for (int i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        const struct slab *x = &plan->value[i].slab, *y = &plan->value[i + 1].slab;
        at += snprintf(at, LINE, "%-8s %-8s %td x (%td, %td, %td) -> %td x (%td, %td, %td)",
                       step->layer.name, atm_net_kind_name(step->layer.kind), x->images * x->blocks,
                       x->channels, x->height, x->width, y->images * y->blocks, y->channels,
                       y->height, y->width);
        if (step->conv)
            at += snprintf(at, LINE / 2, " %s%s, %.1f MFLOP, %.1f %%", step->algorithm->name,
                           step->problem.nearest ? ", upsampling folded" : "",
                           conv_flop(&step->problem) * 1e-6, 100 * step_work(step) / total);
        at += snprintf(at, 2, "\n");
    }
    return text;
}
