#include "coder.h"
#include "mem.h"

#include <string.h>

/* The grid of a coder's plans: the encoder takes images, the atom blocks, the assembly windows. */
static struct atm_plan_size plan_size(const struct atm_coder *coder, bool training) {
    const struct atm_model_size *size = &coder->size;
    return (struct atm_plan_size){.images = size->images,
                                  .grid_y = size->grid_y,
                                  .grid_x = size->grid_x,
                                  .per_cell = size->per_cell,
                                  .training = training,
                                  .convolution =
                                      (enum atm_conv_choice)coder->model->net_options.convolution};
}

static enum atm_status create_plans(struct atm_coder *coder, enum atm_coder_parts parts,
                                    struct atm_err *err) {
    const struct atm_model *model = coder->model;
    struct atm_plan_size size = plan_size(coder, parts == ATM_CODER_TRAIN);
    enum atm_status status = ATM_OK;
    if (parts & ATM_CODER_ENCODE) {
        size.items = coder->size.images;
        size.height = coder->size.height, size.width = coder->size.width;
        status = atm_plan_create(model->encoder, &size, &coder->encoder, err);
    }
    if (!status && (parts & ATM_CODER_DECODE)) {
        size.items = coder->size.images * coder->size.blocks;
        size.height = size.width = 1;
        status = atm_plan_create(model->atom, &size, &coder->atom, err);
    }
    if (!status && (parts & ATM_CODER_DECODE)) {
        size.height = size.width = model->window;
        status = atm_plan_create(model->assembly, &size, &coder->assembly, err);
    }
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
    if (made->atom) {
        ptrdiff_t shape[4];
        atm_plan_output_shape(made->atom, shape);
        made->feature_count = shape[1] * shape[2] * shape[3];
    }
    atm_coder_load(made, model->params);
    *coder = made;
    return ATM_OK;
}

void atm_coder_destroy(struct atm_coder **coder) {
    if (!*coder)
        return;
    atm_plan_destroy(&(*coder)->encoder);
    atm_plan_destroy(&(*coder)->atom);
    atm_plan_destroy(&(*coder)->assembly);
    atm_mem_free(*coder);
    *coder = NULL;
}

void atm_coder_load(struct atm_coder *coder, const float *params) {
    const struct atm_model *model = coder->model;
    const float *atom = params + atm_net_param_count(model->encoder);
    if (coder->encoder)
        atm_plan_load(coder->encoder, params);
    if (coder->atom)
        atm_plan_load(coder->atom, atom);
    if (coder->assembly)
        atm_plan_load(coder->assembly, atom + atm_net_param_count(model->atom));
}

const float *atm_coder_encode(struct atm_coder *coder, const float *images) {
    return atm_plan_forward(coder->encoder, images);
}

const float *atm_coder_decode(struct atm_coder *coder, const float *latents) {
    coder->features = atm_plan_forward(coder->atom, latents);
    return atm_plan_forward(coder->assembly, coder->features);
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

/* Atoms of `count` latents, their windows in the middle of otherwise empty images. */
static enum atm_status render_batch(struct atm_plan *atom, struct atm_plan *assembly,
                                    const struct atm_coder *coder, const float *latents,
                                    float *features, float *images) {
    const struct atm_model_size *size = &coder->size;
    const float *windows = atm_plan_forward(atom, latents);
    ptrdiff_t n = coder->feature_count, middle = size->blocks / 2, side = size->height;
    for (ptrdiff_t i = 0; i < size->images; i++)
        memcpy(features + (i * size->blocks + middle) * n, windows + i * n,
               (size_t)n * sizeof *features);
    const float *out = atm_plan_forward(assembly, features);
    memcpy(images, out, (size_t)(size->images * side * side) * sizeof *images);
    return ATM_OK;
}

enum { RENDER_BATCH = 64 };

/* A coder whose every image has a grid of cells with one block each, and whose atom plan makes one
 * block an image: the middle one. */
static enum atm_status create_renderer(const struct atm_model *model, struct atm_coder *coder,
                                       struct atm_err *err) {
    ptrdiff_t side = atm_model_atom_side(model);
    ptrdiff_t grid = model->cell ? side / model->cell : 1;
    *coder = (struct atm_coder){.model = model};
    coder->size = (struct atm_model_size){RENDER_BATCH, side, side, grid, grid, 1, grid * grid};
    struct atm_plan_size size = plan_size(coder, false);
    size.items = RENDER_BATCH;
    size.height = size.width = 1;
    enum atm_status status = atm_plan_create(model->atom, &size, &coder->atom, err);
    if (status)
        return status;
    size.items = RENDER_BATCH * grid * grid;
    size.height = size.width = model->window;
    status = atm_plan_create(model->assembly, &size, &coder->assembly, err);
    if (status)
        return status;
    ptrdiff_t shape[4];
    atm_plan_output_shape(coder->atom, shape);
    coder->feature_count = shape[1] * shape[2] * shape[3];
    atm_coder_load(coder, model->params);
    return ATM_OK;
}

enum atm_status atm_model_render_atoms(const struct atm_model *model, ptrdiff_t count,
                                       const float *latents, float *images, struct atm_err *err) {
    struct atm_coder coder;
    float *features = NULL, *batch = NULL;
    ptrdiff_t side = atm_model_atom_side(model), d = model->latent;
    enum atm_status status = create_renderer(model, &coder, err);
    if (status)
        goto done;
    size_t windows = (size_t)(RENDER_BATCH * coder.size.blocks * coder.feature_count);
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
        render_batch(coder.atom, coder.assembly, &coder, batch, features, rendered);
        memcpy(images + i * side * side, rendered, (size_t)(n * side * side) * sizeof *images);
    }
done:
    atm_plan_destroy(&coder.atom);
    atm_plan_destroy(&coder.assembly);
    atm_mem_free(features);
    atm_mem_free(batch);
    return status;
}
