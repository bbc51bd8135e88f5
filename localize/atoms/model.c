#include "atoms.h"
#include "mem.h"
#include "presets.h"

#include <math.h>
#include <string.h>

/* Random streams of the weights: one per tensor, numbered through the three chains. */
static void initialise(struct atm_model *model) {
    enum atm_init init =
        model->net_options.init == ATM_MODEL_INIT_HE ? ATM_INIT_HE : ATM_INIT_UNIFORM;
    struct atm_net *nets[3] = {model->encoder, model->atom, model->assembly};
    uint64_t stream = 0;
    float *params = model->params;
    for (int i = 0; i < 3; i++) {
        atm_net_initialise(nets[i], init, 0.2F, model->seed, stream, params);
        stream += (uint64_t)atm_net_tensor_count(nets[i]);
        params += atm_net_param_count(nets[i]);
    }
}

/* With He's weights the sum of k random atoms starts out k times too bright: the last layer of g is
 * scaled by 0.1 (DESIGN.md 5.1). */
static void damp_last_layer(struct atm_model *model) {
    float *params = model->params + atm_net_param_count(model->encoder);
    const struct atm_tensor *last = NULL;
    for (int i = 0; i < atm_net_tensor_count(model->atom); i++) {
        const struct atm_tensor *tensor = atm_net_tensor(model->atom, i);
        last = tensor->fan_in ? tensor : last;
    }
    for (ptrdiff_t i = 0; i < last->count; i++)
        params[last->offset + i] *= 0.1F;
}

/* A head that attends to no place in particular averages over the image, and hardly learns: its
 * score starts out as a detector of brightness, for after a LeakyReLU features of a bright place
 * are positive in the mean. */
static void aim_heads(struct atm_model *model) {
    enum { SHARPNESS = 10 };
    for (int i = 0; i < atm_net_tensor_count(model->encoder); i++) {
        const struct atm_tensor *tensor = atm_net_tensor(model->encoder, i);
        if (strcmp(tensor->name, "look2.weight") != 0)
            continue;
        float *weights = model->params + tensor->offset;
        for (ptrdiff_t j = 0; j < tensor->count; j++)
            if (j / tensor->dims[1] % (1 + model->latent) == 0)
                weights[j] = SHARPNESS * fabsf(weights[j]);
    }
}

/* The layer that brings an image to half its size starts out as the mean of 2x2 pixels. */
static void average_shrink(struct atm_model *model) {
    for (int i = 0; i < atm_net_tensor_count(model->encoder); i++) {
        const struct atm_tensor *tensor = atm_net_tensor(model->encoder, i);
        float *weights = model->params + tensor->offset;
        if (strcmp(tensor->name, "shrink.weight") != 0)
            continue;
        for (ptrdiff_t j = 0; j < tensor->count; j++) /* 3x3, of which 1 and 2 lie in the mean */
            weights[j] = j / 3 > 0 && j % 3 > 0 ? 0.25F : 0;
    }
}

/* With He's weights a field hardly depends on the place, which is 2 of its 34 inputs: it starts out
 * with as many edges across the image as that needs. */
static void sharpen_field(struct atm_model *model) {
    enum { SHARPNESS = 6, PLACE = 2 };
    float *params = model->params + atm_net_param_count(model->encoder);
    for (int i = 0; i < atm_net_tensor_count(model->atom); i++) {
        const struct atm_tensor *tensor = atm_net_tensor(model->atom, i);
        if (model->options.atom != ATM_ATOM_FIELD || strcmp(tensor->name, "g3.weight") != 0)
            continue;
        for (ptrdiff_t j = 0; j < tensor->count; j++)
            if (j % tensor->dims[1] >= tensor->dims[1] - PLACE)
                params[tensor->offset + j] *= SHARPNESS;
    }
}

/* One chain from a block to the image: its plans keep the blocks' maps in the engine's own order.
 */
static enum atm_status create_decoder(struct atm_model *model, const struct atm_preset *preset,
                                      struct atm_err *err) {
    struct atm_layer layers[2 * ATM_PRESET_LAYERS];
    const ptrdiff_t block[3] = {preset->latent, 1, 1};
    memcpy(layers, preset->atom, (size_t)preset->atom_count * sizeof *layers);
    memcpy(layers + preset->atom_count, preset->assembly,
           (size_t)preset->assembly_count * sizeof *layers);
    return atm_net_create(layers, preset->atom_count + preset->assembly_count, block,
                          &model->decoder, err);
}

static enum atm_status create_nets(struct atm_model *model, const struct atm_preset *preset,
                                   struct atm_err *err) {
    ptrdiff_t side = preset->height ? preset->height : 4 * preset->cell;
    const ptrdiff_t image[3] = {1, side, side}, block[3] = {preset->latent, 1, 1};
    const ptrdiff_t window[3] = {preset->features, preset->window, preset->window};
    if (atm_net_create(preset->encoder, preset->encoder_count, image, &model->encoder, err) ||
        atm_net_create(preset->atom, preset->atom_count, block, &model->atom, err) ||
        atm_net_create(preset->assembly, preset->assembly_count, window, &model->assembly, err) ||
        create_decoder(model, preset, err))
        return err ? err->status : ATM_FAIL;
    model->param_count = atm_net_param_count(model->encoder) + atm_net_param_count(model->atom) +
                         atm_net_param_count(model->assembly);
    model->params = atm_mem_alloc((size_t)model->param_count, sizeof(float));
    model->moments = atm_mem_alloc(2 * (size_t)model->param_count, sizeof(float));
    return model->params && model->moments ? ATM_OK : atm_err_memory(err, "the model's weights");
}

enum atm_status atm_model_create(const struct atm_model_options *options,
                                 const struct atm_net_options *net_options, uint64_t seed,
                                 struct atm_model **model, struct atm_err *err) {
    struct atm_preset preset;
    struct atm_model_options chosen = *options;
    if (chosen.encoder == ATM_ENCODER_AUTO)
        chosen.encoder = ATM_ENCODER_DENSE;
    if (chosen.atom == ATM_ATOM_AUTO)
        chosen.atom = ATM_ATOM_PUBLISHED;
    enum atm_status status = atm_preset_fill(&chosen, &preset, err);
    if (status)
        return status;
    struct atm_model *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "a model");
    made->options = chosen;
    made->net_options = *net_options;
    if (made->net_options.init == ATM_MODEL_INIT_AUTO)
        made->net_options.init =
            options->kind == ATM_MODEL_CONVOLUTIONAL ? ATM_MODEL_INIT_UNIFORM : ATM_MODEL_INIT_HE;
    made->height = preset.height, made->width = preset.width;
    made->latent = preset.latent, made->blocks = preset.blocks;
    made->cell = preset.cell, made->window = preset.window;
    made->seed = seed;
    made->image_scale = 1;
    status = create_nets(made, &preset, err);
    if (status) {
        atm_model_destroy(&made);
        return status;
    }
    initialise(made);
    if (made->net_options.init == ATM_MODEL_INIT_HE)
        damp_last_layer(made);
    aim_heads(made);
    sharpen_field(made);
    average_shrink(made);
    *model = made;
    return ATM_OK;
}

static ptrdiff_t take_net(const struct atm_net *net, float *params, const struct atm_net *from,
                          const float *values) {
    ptrdiff_t taken = 0;
    for (int i = 0; i < atm_net_tensor_count(net); i++)
        for (int j = 0; j < atm_net_tensor_count(from); j++) {
            const struct atm_tensor *a = atm_net_tensor(net, i), *b = atm_net_tensor(from, j);
            if (strcmp(a->name, b->name) != 0 || a->rank != b->rank ||
                memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) != 0)
                continue;
            memcpy(params + a->offset, values + b->offset, (size_t)a->count * sizeof *params);
            taken += a->count;
        }
    return taken;
}

ptrdiff_t atm_model_take_weights(struct atm_model *model, const struct atm_model *from) {
    struct atm_net *const nets[3] = {model->encoder, model->atom, model->assembly};
    struct atm_net *const others[3] = {from->encoder, from->atom, from->assembly};
    float *params = model->params;
    const float *values = from->params;
    ptrdiff_t taken = 0;
    for (int i = 0; i < 3; i++) {
        taken += take_net(nets[i], params, others[i], values);
        params += atm_net_param_count(nets[i]);
        values += atm_net_param_count(others[i]);
    }
    return taken;
}

void atm_model_destroy(struct atm_model **model) {
    struct atm_model *m = *model;
    if (!m)
        return;
    atm_net_destroy(&m->encoder);
    atm_net_destroy(&m->atom);
    atm_net_destroy(&m->assembly);
    atm_net_destroy(&m->decoder);
    atm_mem_free(m->params);
    atm_mem_free(m->moments);
    atm_mem_free(m->calibration.coefficients);
    atm_mem_free(m->latents);
    atm_mem_free(m->curve);
    atm_mem_free(m->provenance);
    atm_mem_free(m->kept.state);
    atm_mem_free(m);
    *model = NULL;
}

enum atm_status atm_model_keep(struct atm_model *model, struct atm_err *err) {
    const size_t n = (size_t)model->param_count;
    if (!model->kept.state)
        model->kept.state = atm_mem_alloc(3 * n, sizeof(float));
    if (!model->kept.state)
        return atm_err_memory(err, "the best weights so far");
    memcpy(model->kept.state, model->params, n * sizeof(float));
    memcpy(model->kept.state + n, model->moments, 2 * n * sizeof(float));
    return ATM_OK;
}

enum atm_status atm_model_size(const struct atm_model *model, ptrdiff_t images, ptrdiff_t height,
                               ptrdiff_t width, struct atm_model_size *size, struct atm_err *err) {
    *size = (struct atm_model_size){.images = images,
                                    .height = height,
                                    .width = width,
                                    .grid_y = 1,
                                    .grid_x = 1,
                                    .per_cell = model->blocks};
    if (!model->cell) {
        if (height != model->height || width != model->width)
            return atm_err_set(err, ATM_FAIL,
                               "the model takes %td x %td images, these are %td x %td; use a "
                               "convolutional model for other sizes",
                               model->height, model->width, height, width);
    } else {
        if (height < model->cell || width < model->cell || height % model->cell ||
            width % model->cell)
            return atm_err_set(err, ATM_FAIL, "image size %td x %td is no multiple of the cell %td",
                               height, width, model->cell);
        size->grid_y = height / model->cell;
        size->grid_x = width / model->cell;
    }
    size->blocks = size->grid_y * size->grid_x * size->per_cell;
    return ATM_OK;
}
