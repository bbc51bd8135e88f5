/* Walking a plan. */
#include "net_types.h"
#include "plan_types.h"

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

void atm_plan_load(struct atm_plan *plan, const float *params) {
    for (int i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        if (step->conv)
            step->algorithm->load(step->conv, params + step->weight,
                                  step->bias < 0 ? NULL : params + step->bias);
    }
}

const float *atm_plan_forward(struct atm_plan *plan, const float *input) {
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
    return plan->output;
}

static void step_backward(const struct atm_plan *plan, int i, float *param_grad, bool want_input) {
    const struct step *step = &plan->step[i];
    const struct value *x = &plan->value[i], *y = &plan->value[i + 1];
    if (step->conv)
        step->algorithm->weight_grad(step->conv, x->data, y->grad, param_grad + step->weight,
                                     step->bias < 0 ? NULL : param_grad + step->bias);
    if (i <= plan->first_weighted && !want_input)
        return;
    if (step->conv) {
        step->algorithm->input_grad(step->conv, y->grad, x->data, x->grad);
    } else {
        step->ops->backward(&step->call, x->data, y->grad, x->grad);
        if (x->slope != 1.0F)
            layer_lrelu_grad(&x->slab, x->slope, x->data, x->grad);
    }
}

const float *atm_plan_backward(struct atm_plan *plan, const float *output_grad, float *param_grad,
                               bool want_input) {
    const struct value *last = &plan->value[plan->steps], *first = &plan->value[0];
    slab_pack(&last->slab, output_grad, last->grad);
    if (last->slope != 1.0F)
        layer_lrelu_grad(&last->slab, last->slope, last->data, last->grad);
    for (int i = plan->steps - 1; i >= (want_input ? 0 : plan->first_weighted); i--)
        step_backward(plan, i, param_grad, want_input);
    if (!want_input)
        return NULL;
    slab_unpack(&first->slab, first->grad, plan->input_grad);
    return plan->input_grad;
}

char *atm_plan_describe(const struct atm_plan *plan) {
    enum { LINE = 160 };
    char *text = atm_mem_alloc((size_t)plan->steps + 1, LINE), *at = text;
    if (!text)
        return NULL;
    for (int i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        const struct slab *x = &plan->value[i].slab, *y = &plan->value[i + 1].slab;
        at += snprintf(at, LINE, "%-8s %-8s %td x (%td, %td, %td) -> %td x (%td, %td, %td)",
                       step->layer.name, atm_net_kind_name(step->layer.kind), x->images * x->blocks,
                       x->channels, x->height, x->width, y->images * y->blocks, y->channels,
                       y->height, y->width);
        if (step->conv)
            at += snprintf(at, LINE / 2, " %s%s, %.1f MFLOP", step->algorithm->name,
                           step->problem.nearest ? ", upsampling folded" : "",
                           conv_flop(&step->problem) * 1e-6);
        at += snprintf(at, 2, "\n");
    }
    return text;
}
