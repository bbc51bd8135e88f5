/* From layers to a plan: shapes, fusion, margins, one arena for all tensors. */
#include "net_types.h"
#include "plan_types.h"

#include <string.h>

/* --- Steps --- */

static struct step *last_step(struct atm_plan *plan) {
    return plan->steps > 0 ? &plan->step[plan->steps - 1] : NULL;
}

static struct slab slab_of(const struct chain_shape *s) {
    return (struct slab){s->images, s->blocks, s->channels, s->height, s->width, 0};
}

static struct step *add_step(struct atm_plan *plan, const struct atm_layer *layer,
                             const struct chain_shape *out) {
    struct step *step = &plan->step[plan->steps++];
    *step = (struct step){.layer = *layer, .weight = -1, .bias = -1};
    step->ops = layer_ops_of(layer->kind);
    plan->value[plan->steps] = (struct value){.slab = slab_of(out), .slope = 1.0F};
    return step;
}

/* A copy into the given shape; an identity where something needs a tensor of its own. */
static void add_reshape(struct atm_plan *plan, const struct chain_shape *out) {
    struct atm_layer layer = {.kind = ATM_LAYER_RESHAPE};
    layer.shape[0] = (int)out->channels;
    layer.shape[1] = (int)out->height;
    layer.shape[2] = (int)out->width;
    add_step(plan, &layer, out);
}

/* Can a LeakyReLU overwrite value i? Not the caller's input, not a maximum that backward compares
 * with. */
static bool can_fuse(const struct atm_plan *plan, int i) {
    return i > 0 && plan->value[i].slope == 1.0F && plan->step[i - 1].layer.kind != ATM_LAYER_MAX;
}

/* LeakyReLU acts in place on the value before it; before an upsampling, where it has a quarter of
 * the work and gives the same. */
static void add_lrelu(struct atm_plan *plan, float slope, const struct chain_shape *shape) {
    const struct step *last = last_step(plan);
    int at = plan->steps;
    if (last && last->layer.kind == ATM_LAYER_NEAREST && plan->value[at].slope == 1.0F &&
        can_fuse(plan, at - 1))
        at--;
    if (!can_fuse(plan, at)) {
        add_reshape(plan, shape);
        at = plan->steps;
    }
    plan->value[at].slope = slope;
}

static void add_weighted(struct atm_plan *plan, const struct atm_net *net, int layer,
                         const struct chain_shape *in, const struct chain_shape *out) {
    const struct step *last = last_step(plan);
    struct atm_layer l = net->layers[layer];
    bool nearest = false;
    if (l.kind == ATM_LAYER_DENSE) {
        struct chain_shape flat = *in;
        flat.channels = in->channels * in->height * in->width;
        flat.height = flat.width = 1;
        if (flat.channels != in->channels)
            add_reshape(plan, &flat);
        l.kernel = l.stride = 1;
    } else if (last && last->layer.kind == ATM_LAYER_NEAREST && l.stride == 1 &&
               plan->value[plan->steps].slope == 1.0F && plan->size.convolution != ATM_CONV_FFT) {
        nearest = true;
        plan->steps--;
    }
    struct step *step = add_step(plan, &l, out);
    const struct atm_tensor *tensor = &net->tensors[net->tensor_of[layer]];
    step->weight = tensor->offset;
    step->bias = l.no_bias ? -1 : tensor->offset + tensor->count;
    step->problem = (struct conv_problem){.kernel = l.kernel,
                                          .stride = l.stride,
                                          .nearest = nearest,
                                          .bias = !l.no_bias,
                                          .training = plan->size.training};
}

/* A window is applied while the blocks are placed: one pass over the windows less, forward and
 * back. */
static void add_plain(struct atm_plan *plan, const struct atm_layer *layer,
                      const struct chain_shape *out) {
    const struct step *last = last_step(plan);
    const bool fuse = layer->kind == ATM_LAYER_PLACE && last &&
                      last->layer.kind == ATM_LAYER_WINDOW &&
                      plan->value[plan->steps].slope == 1.0F;
    if (fuse)
        plan->steps--;
    struct step *step = add_step(plan, layer, out);
    step->windowed = fuse || layer->kind == ATM_LAYER_WINDOW;
    if (layer->kind == ATM_LAYER_SUM || layer->kind == ATM_LAYER_MAX ||
        layer->kind == ATM_LAYER_PLACE)
        plan->join = plan->steps - 1;
}

/* The chain's input: blocks of images when blocks are joined later, else one item per image. */
static enum atm_status input_shape(const struct atm_net *net, const struct atm_plan_size *size,
                                   struct chain_shape *s, struct atm_err *err) {
    bool joined = false, split = false;
    for (int i = 0; i < net->count; i++) {
        const enum atm_layer_kind kind = net->layers[i].kind;
        split |= kind == ATM_LAYER_SPLIT;
        joined |=
            !split && (kind == ATM_LAYER_SUM || kind == ATM_LAYER_MAX || kind == ATM_LAYER_PLACE);
    }
    const ptrdiff_t blocks = joined ? size->grid_y * size->grid_x * size->per_cell : 1;
    *s = (struct chain_shape){size->items, blocks, net->input[0], size->height, size->width};
    if (size->items < 1 || size->height < 1 || size->width < 1 || blocks < 1)
        return atm_err_set(err, ATM_FAIL, "a plan needs items, height and width of at least 1");
    if (joined && size->images * blocks != size->items)
        return atm_err_set(err, ATM_FAIL,
                           "%td items are not %td images of %td x %td cells x %td blocks",
                           size->items, size->images, size->grid_y, size->grid_x, size->per_cell);
    if (joined)
        s->images = size->images;
    return ATM_OK;
}

static enum atm_status add_layers(struct atm_plan *plan, const struct atm_net *net,
                                  struct atm_err *err) {
    struct chain_shape in, out;
    if (input_shape(net, &plan->size, &in, err) != ATM_OK)
        return ATM_FAIL;
    plan->join = -1;
    plan->value[0] = (struct value){.slab = slab_of(&in), .slope = 1.0F};
    for (int i = 0; i < net->count; i++, in = out) {
        const struct atm_layer *layer = &net->layers[i];
        out = in;
        if (atm_net_layer_shape(net, i, &plan->size, &out, err) != ATM_OK)
            return ATM_FAIL;
        const ptrdiff_t features = in.channels * in.height * in.width;
        if (layer->kind == ATM_LAYER_DENSE && net->tensors[net->tensor_of[i]].dims[1] != features)
            return atm_err_set(
                err, ATM_FAIL, "layer %d (dense %s) has weights for %td inputs, here it gets %td",
                i + 1, layer->name, net->tensors[net->tensor_of[i]].dims[1], features);
        if (layer->kind == ATM_LAYER_LRELU)
            add_lrelu(plan, layer->slope, &in);
        else if (net->tensor_of[i] >= 0)
            add_weighted(plan, net, i, &in, &out);
        else
            add_plain(plan, layer, &out);
    }
    return ATM_OK;
}

/* --- Margins, algorithms, memory --- */

static void set_margins(struct atm_plan *plan) {
    for (int i = 0; i < plan->steps; i++) {
        struct step *step = &plan->step[i];
        struct slab *x = &plan->value[i].slab, *y = &plan->value[i + 1].slab;
        if (step->ops)
            continue;
        ptrdiff_t x_margin, y_margin;
        step->problem.x = *x;
        step->problem.y = *y;
        conv_margins(&step->problem, &x_margin, &y_margin);
        x->margin = x_margin > x->margin ? x_margin : x->margin;
        if (plan->size.training)
            y->margin = y_margin > y->margin ? y_margin : y->margin;
    }
}

static const struct conv_algorithm *choose(const struct atm_plan *plan, const struct step *step) {
    static const struct conv_algorithm *const forced[] = {[ATM_CONV_FFT] = &conv_fft,
                                                          [ATM_CONV_DIRECT] = &conv_direct,
                                                          [ATM_CONV_WINOGRAD] = &conv_winograd};
    const struct conv_algorithm *algorithm = forced[plan->size.convolution];
    if (step->layer.kind == ATM_LAYER_DENSE)
        return &conv_direct;
    return algorithm && algorithm->fits(&step->problem) ? algorithm : conv_choose(&step->problem);
}

static enum atm_status create_steps(struct atm_plan *plan, struct atm_err *err) {
    plan->first_weighted = plan->steps;
    for (int i = plan->steps - 1; i >= 0; i--) {
        struct step *step = &plan->step[i];
        const struct value *x = &plan->value[i], *y = &plan->value[i + 1];
        if (step->ops) {
            step->call = (struct layer_call){.x = x->slab,
                                             .y = y->slab,
                                             .layer = &step->layer,
                                             .grid_x = plan->size.grid_x,
                                             .per_cell = plan->size.per_cell};
            continue;
        }
        plan->first_weighted = i;
        step->problem.x = x->slab;
        step->problem.y = y->slab;
        step->problem.slope = y->slope;
        step->problem.x_slope = x->slope;
        step->algorithm = choose(plan, step);
        if (step->algorithm->create(&step->problem, &step->conv, err) != ATM_OK)
            return atm_err_prefix(err, "layer %s: ", step->layer.name);
    }
    return ATM_OK;
}

/* One forward pass of less than this takes a thread about 0.1 ms. */
static bool is_small(const struct atm_plan *plan) {
    double flop = 0;
    for (int i = 0; i < plan->steps; i++)
        flop += plan->step[i].conv ? conv_flop(&plan->step[i].problem) : 0;
    return flop < 1e7;
}

static size_t floats_outside(const struct slab *s) {
    return (size_t)(s->images * s->blocks * s->channels * s->height * s->width);
}

/* Offsets of one value and of the step that makes it. */
struct offsets {
    size_t data, grad, window;
};

static size_t window_floats(const struct atm_plan *plan, int step) {
    const struct slab *x = &plan->value[step].slab;
    return step < plan->steps && plan->step[step].windowed ? (size_t)(x->height * x->width) : 0;
}

static enum atm_status allocate(struct atm_plan *plan, struct offsets *at, struct atm_err *err) {
    struct atm_arena *arena = &plan->arena;
    const bool training = plan->size.training;
    const struct slab *in = &plan->value[0].slab, *out = &plan->value[plan->steps].slab;
    for (int i = 0; i <= plan->steps; i++) {
        const size_t floats = (size_t)slab_floats(&plan->value[i].slab);
        at[i].data = atm_arena_reserve(arena, floats, sizeof(float));
        at[i].grad = atm_arena_reserve(arena, training ? floats : 0, sizeof(float));
        at[i].window = atm_arena_reserve(arena, window_floats(plan, i), sizeof(float));
    }
    const size_t output = atm_arena_reserve(arena, floats_outside(out), sizeof(float));
    const size_t input = atm_arena_reserve(arena, training ? floats_outside(in) : 0, sizeof(float));
    if (atm_arena_alloc(arena, "a network plan", err) != ATM_OK)
        return ATM_FAIL;
    for (int i = 0; i <= plan->steps; i++) {
        plan->value[i].data = atm_arena_at(arena, at[i].data);
        plan->value[i].grad = atm_arena_at(arena, at[i].grad);
        if (window_floats(plan, i) > 0) {
            float *window = atm_arena_at(arena, at[i].window);
            layer_fill_window(plan->value[i].slab.height, plan->value[i].slab.width, window);
            plan->step[i].call.window = window;
        }
    }
    plan->output = atm_arena_at(arena, output);
    plan->input_grad = atm_arena_at(arena, input);
    return ATM_OK;
}

enum atm_status atm_plan_create(const struct atm_net *net, const struct atm_plan_size *size,
                                struct atm_plan **plan, struct atm_err *err) {
    struct atm_plan *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "a network plan");
    const size_t most = 2 * (size_t)net->count + 1; /* every layer may bring a copy before it */
    made->size = *size;
    made->step = atm_mem_alloc(most, sizeof *made->step);
    made->value = atm_mem_alloc(most + 1, sizeof *made->value);
    struct offsets *offsets = atm_mem_alloc(most + 1, sizeof *offsets);
    enum atm_status status = ATM_OK;
    if (!made->step || !made->value || !offsets)
        status = atm_err_memory(err, "a network plan");
    else
        status = add_layers(made, net, err);
    if (status == ATM_OK) {
        set_margins(made);
        status = create_steps(made, err);
        made->small = is_small(made);
    }
    if (status == ATM_OK)
        status = allocate(made, offsets, err);
    atm_mem_free(offsets);
    if (status == ATM_OK)
        *plan = made;
    else
        atm_plan_destroy(&made);
    return status;
}

void atm_plan_destroy(struct atm_plan **plan) {
    struct atm_plan *p = *plan;
    for (int i = 0; p && p->step && i < p->steps; i++)
        if (p->step[i].conv)
            p->step[i].algorithm->destroy(p->step[i].conv);
    if (p) {
        atm_mem_free(p->step);
        atm_mem_free(p->value);
        atm_arena_free(&p->arena);
    }
    atm_mem_free(p);
    *plan = NULL;
}
