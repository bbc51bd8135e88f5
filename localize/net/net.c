#include "net_types.h"

#include "conv.h"
#include "mem.h"
#include "rng.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [ATM_LAYER_CONV] = "conv",         [ATM_LAYER_DENSE] = "dense",
    [ATM_LAYER_LRELU] = "lrelu",       [ATM_LAYER_NEAREST] = "nearest",
    [ATM_LAYER_BILINEAR] = "bilinear", [ATM_LAYER_RESHAPE] = "reshape",
    [ATM_LAYER_WINDOW] = "window",     [ATM_LAYER_SPLIT] = "split",
    [ATM_LAYER_SUM] = "sum",           [ATM_LAYER_MAX] = "max",
    [ATM_LAYER_PLACE] = "place",       [ATM_LAYER_COORDINATES] = "coordinates",
    [ATM_LAYER_ATTEND] = "attend",
};

const char *atm_net_kind_name(enum atm_layer_kind kind) {
    const size_t index = (size_t)kind;
    return index < sizeof kind_names / sizeof kind_names[0] ? kind_names[index] : "unknown";
}

static enum atm_status bad(const struct atm_net *net, int layer, const struct chain_shape *shape,
                           const char *why, struct atm_err *err) {
    const struct atm_layer *l = &net->layers[layer];
    return atm_err_set(err, ATM_FAIL,
                       "layer %d (%s%s%s): %s; its input is %td x %td blocks of (%td, %td, %td)",
                       layer + 1, atm_net_kind_name(l->kind), l->name[0] ? " " : "", l->name, why,
                       shape->images, shape->blocks, shape->channels, shape->height, shape->width);
}

static enum atm_status conv_shape(const struct atm_net *net, int layer, struct chain_shape *s,
                                  struct atm_err *err) {
    const struct atm_layer *l = &net->layers[layer];
    if (l->kernel < 1 || l->kernel % 2 == 0 || l->kernel > ATM_CONV_MAX_KERNEL)
        return bad(net, layer, s, "the kernel size must be odd, 1 to 31", err);
    if (l->out < 1 || l->stride < 1 || l->stride > 2)
        return bad(net, layer, s, "needs out >= 1 and stride 1 or 2", err);
    s->channels = l->out;
    s->height = conv_extent(s->height, l->stride, false);
    s->width = conv_extent(s->width, l->stride, false);
    return ATM_OK;
}

static enum atm_status split_shape(const struct atm_net *net, int layer,
                                   const struct atm_plan_size *size, struct chain_shape *s,
                                   struct atm_err *err) {
    const ptrdiff_t m = size->per_cell;
    if (s->blocks != 1 || m < 1 || s->channels % m)
        return bad(net, layer, s, "the channels must be a multiple of the blocks per cell", err);
    if (net->layers[layer].out && net->layers[layer].out != s->channels / m)
        return bad(net, layer, s, "the channels of a block differ from `out`", err);
    s->blocks = s->height * s->width * m;
    s->channels /= m;
    s->height = s->width = 1;
    return ATM_OK;
}

static enum atm_status attend_shape(const struct atm_net *net, int layer, struct chain_shape *s,
                                    struct atm_err *err) {
    const ptrdiff_t heads = net->layers[layer].out;
    if (heads < 1 || s->channels % heads || s->channels < 2 * heads)
        return bad(net, layer, s, "every head needs a score and values: out * (1 + D) channels",
                   err);
    s->channels -= heads;
    s->height = s->width = 1;
    return ATM_OK;
}

static enum atm_status place_shape(const struct atm_net *net, int layer,
                                   const struct atm_plan_size *size, struct chain_shape *s,
                                   struct atm_err *err) {
    const ptrdiff_t cell = net->layers[layer].cell;
    if (s->blocks != size->grid_y * size->grid_x * size->per_cell)
        return bad(net, layer, s, "the blocks are not grid_y * grid_x * per_cell", err);
    if (cell < 1 || s->height != s->width || s->height < cell || (s->height - cell) % 2)
        return bad(net, layer, s, "needs square windows that exceed the cell evenly", err);
    s->blocks = 1;
    s->height = size->grid_y * cell;
    s->width = size->grid_x * cell;
    return ATM_OK;
}

enum atm_status atm_net_layer_shape(const struct atm_net *net, int layer,
                                    const struct atm_plan_size *size, struct chain_shape *s,
                                    struct atm_err *err) {
    const struct atm_layer *l = &net->layers[layer];
    switch (l->kind) {
    case ATM_LAYER_CONV:
        return conv_shape(net, layer, s, err);
    case ATM_LAYER_DENSE:
        if (l->out < 1)
            return bad(net, layer, s, "needs out >= 1", err);
        s->channels = l->out;
        s->height = s->width = 1;
        return ATM_OK;
    case ATM_LAYER_LRELU:
        return l->slope >= 0 ? ATM_OK : bad(net, layer, s, "the slope must be >= 0", err);
    case ATM_LAYER_WINDOW:
        return ATM_OK;
    case ATM_LAYER_COORDINATES:
        s->channels += 2;
        return ATM_OK;
    case ATM_LAYER_ATTEND:
        return attend_shape(net, layer, s, err);
    case ATM_LAYER_NEAREST:
    case ATM_LAYER_BILINEAR:
        s->height *= 2;
        s->width *= 2;
        return ATM_OK;
    case ATM_LAYER_RESHAPE:
        if (l->shape[0] < 1 || l->shape[1] < 1 || l->shape[2] < 1 ||
            (ptrdiff_t)l->shape[0] * l->shape[1] * l->shape[2] !=
                s->channels * s->height * s->width)
            return bad(net, layer, s, "the shape has another number of elements", err);
        s->channels = l->shape[0];
        s->height = l->shape[1];
        s->width = l->shape[2];
        return ATM_OK;
    case ATM_LAYER_SPLIT:
        return split_shape(net, layer, size, s, err);
    case ATM_LAYER_SUM:
    case ATM_LAYER_MAX:
        if (s->blocks != size->grid_y * size->grid_x * size->per_cell)
            return bad(net, layer, s, "the blocks are not grid_y * grid_x * per_cell", err);
        s->blocks = 1;
        return ATM_OK;
    case ATM_LAYER_PLACE:
        return place_shape(net, layer, size, s, err);
    }
    return bad(net, layer, s, "unknown kind", err);
}

static void add_tensor(struct atm_net *net, const char *layer, const char *part, int rank,
                       const ptrdiff_t *dims, ptrdiff_t fan_in) {
    struct atm_tensor *t = &net->tensors[net->tensor_count++];
    *t = (struct atm_tensor){.rank = rank, .offset = net->params, .count = 1, .fan_in = fan_in};
    snprintf(t->name, sizeof t->name, "%s.%s", layer, part);
    for (int i = 0; i < rank; i++) {
        t->dims[i] = dims[i];
        t->count *= dims[i];
    }
    net->params += t->count;
}

/* The weight tensors of a layer whose input is `in`. */
static void add_tensors(struct atm_net *net, int layer, const struct chain_shape *in) {
    const struct atm_layer *l = &net->layers[layer];
    net->tensor_of[layer] = -1;
    if (l->kind != ATM_LAYER_CONV && l->kind != ATM_LAYER_DENSE)
        return;
    const bool conv = l->kind == ATM_LAYER_CONV;
    const ptrdiff_t fan_in =
        conv ? in->channels * l->kernel * l->kernel : in->channels * in->height * in->width;
    const ptrdiff_t dims[4] = {l->out, conv ? in->channels : fan_in, l->kernel, l->kernel};
    net->tensor_of[layer] = net->tensor_count;
    add_tensor(net, l->name, "weight", conv ? 4 : 2, dims, fan_in);
    if (!l->no_bias)
        add_tensor(net, l->name, "bias", 1, dims, 0);
}

/* Walk the chain once with one image to learn the weight shapes. Grid and blocks are not known yet:
 * SPLIT takes its channels per block from `out`, SUM and PLACE see one block. */
static enum atm_status describe(struct atm_net *net, struct atm_err *err) {
    struct chain_shape s = {1, 1, net->input[0], net->input[1], net->input[2]};
    for (int i = 0; i < net->count; i++) {
        const struct atm_layer *l = &net->layers[i];
        if ((int)l->kind < 0 || (size_t)l->kind >= sizeof kind_names / sizeof *kind_names)
            return atm_err_set(err, ATM_FAIL, "layer %d: unknown kind %d", i + 1, (int)l->kind);
        const struct chain_shape in = s;
        struct atm_plan_size size = {.images = 1, .grid_y = 1, .grid_x = 1, .per_cell = 1};
        if (l->kind == ATM_LAYER_SPLIT && l->out > 0)
            size.per_cell = s.channels / l->out;
        if (atm_net_layer_shape(net, i, &size, &s, err) != ATM_OK)
            return ATM_FAIL;
        s.blocks = 1;
        add_tensors(net, i, &in);
    }
    return ATM_OK;
}

enum atm_status atm_net_create(const struct atm_layer *layers, int count, const ptrdiff_t input[3],
                               struct atm_net **net, struct atm_err *err) {
    if (count < 1 || input[0] < 1 || input[1] < 1 || input[2] < 1)
        return atm_err_set(err, ATM_FAIL, "a network needs layers and a non-empty input");
    const size_t n = (size_t)count;
    struct atm_net *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "a network");
    made->count = count;
    memcpy(made->input, input, sizeof made->input);
    made->layers = atm_mem_alloc(n, sizeof *made->layers);
    made->tensor_of = atm_mem_alloc(n, sizeof *made->tensor_of);
    made->tensors = atm_mem_alloc(2 * n, sizeof *made->tensors);
    enum atm_status status = ATM_OK;
    if (!made->layers || !made->tensor_of || !made->tensors) {
        status = atm_err_memory(err, "a network");
    } else {
        memcpy(made->layers, layers, n * sizeof *layers);
        status = describe(made, err);
    }
    if (status == ATM_OK)
        *net = made;
    else
        atm_net_destroy(&made);
    return status;
}

void atm_net_destroy(struct atm_net **net) {
    if (*net) {
        atm_mem_free((*net)->layers);
        atm_mem_free((*net)->tensor_of);
        atm_mem_free((*net)->tensors);
    }
    atm_mem_free(*net);
    *net = NULL;
}

int atm_net_tensor_count(const struct atm_net *net) { return net->tensor_count; }

const struct atm_tensor *atm_net_tensor(const struct atm_net *net, int index) {
    return &net->tensors[index];
}

ptrdiff_t atm_net_param_count(const struct atm_net *net) { return net->params; }

int atm_net_layer_count(const struct atm_net *net) { return net->count; }

const struct atm_layer *atm_net_layer(const struct atm_net *net, int index) {
    return &net->layers[index];
}

int atm_net_layer_tensor(const struct atm_net *net, int index) { return net->tensor_of[index]; }

const ptrdiff_t *atm_net_input(const struct atm_net *net) { return net->input; }

ptrdiff_t atm_net_reach(const struct atm_net *net) {
    ptrdiff_t reach = 0, jump = 1;
    for (int i = 0; i < net->count; i++)
        if (net->layers[i].kind == ATM_LAYER_CONV) {
            reach += (net->layers[i].kernel - 1) / 2 * jump;
            jump *= net->layers[i].stride;
        }
    return reach;
}

void atm_net_initialise(const struct atm_net *net, enum atm_init init, float slope, uint64_t seed,
                        uint64_t first_stream, float *params) {
    ptrdiff_t fan_in = 1; /* a bias follows its weight and shares its range */
    for (int i = 0; i < net->tensor_count; i++) {
        const struct atm_tensor *t = &net->tensors[i];
        const bool bias = t->fan_in == 0;
        fan_in = bias ? fan_in : t->fan_in;
        const double sigma = sqrt(2.0 / ((1.0 + (double)slope * slope) * (double)fan_in));
        const double range = 1.0 / sqrt((double)fan_in);
        struct atm_rng rng;
        atm_rng_init(&rng, seed, ATM_RNG_WEIGHTS, first_stream + (uint64_t)i);
        for (ptrdiff_t j = 0; j < t->count; j++) {
            double value = 0;
            if (init == ATM_INIT_UNIFORM)
                value = range * (2.0 * atm_rng_uniform(&rng) - 1.0);
            else if (!bias)
                value = gsl_ran_gaussian_ziggurat(&rng.gsl, sigma);
            params[t->offset + j] = (float)value;
        }
    }
}
