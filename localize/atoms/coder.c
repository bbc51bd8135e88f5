#include "coder.h"
#include "mem.h"

#include <string.h>

struct atm_plan_size atm_coder_plan_size(const struct atm_model *model,
                                         const struct atm_model_size *size, bool training) {
    return (struct atm_plan_size){.images = size->images,
                                  .grid_y = size->grid_y,
                                  .grid_x = size->grid_x,
                                  .per_cell = size->per_cell,
                                  .training = training,
                                  .convolution =
                                      (enum atm_conv_choice)model->net_options.convolution};
}

static bool is_pursuit(const struct atm_model *model) {
    return !model->cell && model->options.encoder == ATM_ENCODER_PURSUIT;
}

static enum atm_status create_encoder(struct atm_coder *coder, enum atm_coder_parts parts,
                                      struct atm_err *err) {
    const struct atm_model *model = coder->model;
    const bool training = parts == ATM_CODER_TRAIN;
    if (is_pursuit(model))
        return atm_pursuit_create(model, &coder->size, training, &coder->pursuit, err);
    if (parts == ATM_CODER_ENCODE && model->cell)
        return atm_tiles_create(model, &coder->size, &coder->tiles, err);
    struct atm_plan_size size = atm_coder_plan_size(model, &coder->size, training);
    size.items = coder->size.images;
    size.height = coder->size.height, size.width = coder->size.width;
    return atm_plan_create(model->encoder, &size, &coder->encoder, err);
}

static enum atm_status create_decoder(struct atm_coder *coder, enum atm_coder_parts parts,
                                      struct atm_err *err) {
    const bool training = parts == ATM_CODER_TRAIN;
    struct atm_plan_size size = atm_coder_plan_size(coder->model, &coder->size, training);
    size.items = coder->size.images * coder->size.blocks;
    size.height = size.width = 1;
    return atm_plan_create(coder->model->decoder, &size, &coder->decoder, err);
}

static enum atm_status create_plans(struct atm_coder *coder, enum atm_coder_parts parts,
                                    struct atm_err *err) {
    enum atm_status status = ATM_OK;
    if (parts & ATM_CODER_ENCODE)
        status = create_encoder(coder, parts, err);
    if (!status && (parts & ATM_CODER_DECODE) && !(parts == ATM_CODER_TRAIN && coder->pursuit))
        status = create_decoder(coder, parts, err);
    return status;
}

enum atm_status atm_coder_create(const struct atm_model *model, const struct atm_model_size *size,
                                 enum atm_coder_parts parts, struct atm_coder **coder,
                                 struct atm_err *err) {
    struct atm_coder *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "a coder");
    made->model = model;
    made->size = *size;
    enum atm_status status = create_plans(made, parts, err);
    if (status) {
        atm_coder_destroy(&made);
        return status;
    }
    atm_coder_load(made, model->params);
    *coder = made;
    return ATM_OK;
}

void atm_coder_destroy(struct atm_coder **coder) {
    if (!*coder)
        return;
    atm_tiles_destroy(&(*coder)->tiles);
    atm_pursuit_destroy(&(*coder)->pursuit);
    atm_plan_destroy(&(*coder)->encoder);
    atm_plan_destroy(&(*coder)->decoder);
    atm_mem_free(*coder);
    *coder = NULL;
}

void atm_coder_load(struct atm_coder *coder, const float *params) {
    const struct atm_model *model = coder->model;
    if (coder->tiles)
        atm_tiles_load(coder->tiles, params);
    if (coder->pursuit)
        atm_pursuit_load(coder->pursuit, params);
    if (coder->encoder)
        atm_plan_load(coder->encoder, params);
    if (coder->decoder)
        atm_plan_load(coder->decoder, params + atm_net_param_count(model->encoder));
}

const float *atm_coder_encode(struct atm_coder *coder, const float *images) {
    if (coder->pursuit)
        return atm_pursuit_encode(coder->pursuit, images);
    return coder->tiles ? atm_tiles_encode(coder->tiles, images)
                        : atm_plan_forward(coder->encoder, images);
}

const float *atm_coder_decode(struct atm_coder *coder, const float *latents) {
    return atm_plan_forward(coder->decoder, latents);
}

/* ---- Training ---- */

size_t atm_coder_bytes(const struct atm_coder *coder) {
    return coder->pursuit ? atm_pursuit_bytes(coder->pursuit)
                          : atm_plan_bytes(coder->encoder) + atm_plan_bytes(coder->decoder);
}

const float *atm_coder_forward(struct atm_coder *coder, const float *images,
                               const float **latents) {
    const float *z = atm_coder_encode(coder, images);
    if (latents)
        *latents = z;
    return coder->pursuit ? atm_pursuit_output(coder->pursuit)
                          : atm_plan_forward(coder->decoder, z);
}

void atm_coder_block_energy(const struct atm_coder *coder, double *energy) {
    if (coder->pursuit)
        atm_pursuit_block_energy(coder->pursuit, energy);
    else
        atm_plan_block_energy(coder->decoder, energy);
}

void atm_coder_backward(struct atm_coder *coder, const struct atm_coder_gradient *gradient,
                        float *grad) {
    if (coder->pursuit) {
        atm_pursuit_backward(coder->pursuit, gradient, grad);
        return;
    }
    const float *latents =
        atm_plan_backward_blocks(coder->decoder, gradient->output, gradient->block_scale,
                                 grad + atm_net_param_count(coder->model->encoder), true);
    atm_plan_backward(coder->encoder, latents, grad, false);
}

/* ---- Single atoms ---- */

/* Cells beside the middle one that a lone atom is given: its window and the kernel of h fit in. */
static ptrdiff_t margin_cells(const struct atm_model *model) {
    ptrdiff_t reach = (model->window - model->cell) / 2 + model->options.assembly_kernel / 2;
    return (reach + model->cell - 1) / model->cell;
}

ptrdiff_t atm_model_atom_side(const struct atm_model *model) {
    return model->cell ? (2 * margin_cells(model) + 1) * model->cell : model->height;
}

/* Plans whose every image has a grid of cells with one block each, and whose atom plan makes one
 * block an image: the middle one. */
struct renderer {
    struct atm_model_size size;
    struct atm_plan *atom, *assembly;
    ptrdiff_t feature_count; /* of a block's window: C * P * P */
};

/* Atoms of a batch of latents, their windows in the middle of otherwise empty images. */
static void render_batch(const struct renderer *renderer, const float *latents, float *features,
                         float *images) {
    const struct atm_model_size *size = &renderer->size;
    const float *windows = atm_plan_forward(renderer->atom, latents);
    ptrdiff_t n = renderer->feature_count, middle = size->blocks / 2, side = size->height;
    for (ptrdiff_t i = 0; i < size->images; i++)
        memcpy(features + (i * size->blocks + middle) * n, windows + i * n,
               (size_t)n * sizeof *features);
    const float *out = atm_plan_forward(renderer->assembly, features);
    memcpy(images, out, (size_t)(size->images * side * side) * sizeof *images);
}

enum { RENDER_BATCH = 64 };

static enum atm_status create_renderer(const struct atm_model *model, struct renderer *renderer,
                                       struct atm_err *err) {
    ptrdiff_t side = atm_model_atom_side(model);
    ptrdiff_t grid = model->cell ? side / model->cell : 1;
    *renderer = (struct renderer){.size = {RENDER_BATCH, side, side, grid, grid, 1, grid * grid}};
    struct atm_plan_size size = atm_coder_plan_size(model, &renderer->size, false);
    size.items = RENDER_BATCH;
    size.height = size.width = 1;
    enum atm_status status = atm_plan_create(model->atom, &size, &renderer->atom, err);
    if (status)
        return status;
    size.items = RENDER_BATCH * grid * grid;
    size.height = size.width = model->window;
    status = atm_plan_create(model->assembly, &size, &renderer->assembly, err);
    if (status)
        return status;
    ptrdiff_t shape[4];
    atm_plan_output_shape(renderer->atom, shape);
    renderer->feature_count = shape[1] * shape[2] * shape[3];
    const float *atom = model->params + atm_net_param_count(model->encoder);
    atm_plan_load(renderer->atom, atom);
    atm_plan_load(renderer->assembly, atom + atm_net_param_count(model->atom));
    return ATM_OK;
}

enum atm_status atm_model_render_atoms(const struct atm_model *model, ptrdiff_t count,
                                       const float *latents, float *images, struct atm_err *err) {
    struct renderer renderer;
    float *features = NULL, *batch = NULL;
    ptrdiff_t side = atm_model_atom_side(model), d = model->latent;
    enum atm_status status = create_renderer(model, &renderer, err);
    if (status)
        goto done;
    size_t windows = (size_t)(RENDER_BATCH * renderer.size.blocks * renderer.feature_count);
    features = atm_mem_alloc(windows, sizeof *features);
    batch = atm_mem_alloc((size_t)(RENDER_BATCH * (d + side * side)), sizeof *batch);
    if (!features || !batch) {
        status = atm_err_memory(err, "rendering atoms");
        goto done;
    }
    float *rendered = batch + RENDER_BATCH * d;
    for (ptrdiff_t i = 0; i < count; i += RENDER_BATCH) {
        ptrdiff_t n = count - i < RENDER_BATCH ? count - i : RENDER_BATCH;
        memcpy(batch, latents + i * d, (size_t)(n * d) * sizeof *batch);
        render_batch(&renderer, batch, features, rendered);
        memcpy(images + i * side * side, rendered, (size_t)(n * side * side) * sizeof *images);
    }
done:
    atm_plan_destroy(&renderer.atom);
    atm_plan_destroy(&renderer.assembly);
    atm_mem_free(features);
    atm_mem_free(batch);
    return status;
}
