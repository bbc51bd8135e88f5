/* One frame taken apart, for a picture: input, reconstruction, the brightest blocks. */
#include "localize.h"
#include "mem.h"
#include "seeds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct block {
    ptrdiff_t index;
    double mass;
};

static int brighter(const void *a, const void *b) {
    const struct block *p = a, *q = b;
    if (p->mass != q->mass)
        return p->mass < q->mass ? 1 : -1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* Blocks by the size of their atoms' images, brightest first, rendered into pictures. */
static void draw(const struct atm_model *model, const struct atm_model_size *size,
                 const float *atoms, const struct atm_source_info *info, struct block *order,
                 float *reconstruction, ptrdiff_t n, float *blocks) {
    ptrdiff_t side = atm_model_atom_side(model), pixels = info->height * info->width;
    const struct atm_frame total = {reconstruction, info->height, info->width};
    for (ptrdiff_t b = 0; b < size->blocks; b++) {
        order[b] = (struct block){b, 0};
        for (ptrdiff_t i = 0; i < side * side; i++)
            order[b].mass += pow((double)atoms[b * side * side + i], 2);
        atm_model_add_atom(model, size, b, atoms + b * side * side, info->scale, &total);
    }
    qsort(order, (size_t)size->blocks, sizeof *order, brighter);
    for (ptrdiff_t k = 0; k < n && k < size->blocks; k++) {
        const struct atm_frame alone = {blocks + k * pixels, info->height, info->width};
        ptrdiff_t b = order[k].index;
        atm_model_add_atom(model, size, b, atoms + b * side * side, info->scale, &alone);
    }
}

static enum atm_status take_apart(struct atm_seeder *seeder, const struct atm_model *model,
                                  const struct atm_source_info *info, const float *image,
                                  const float *background, float *reconstruction, ptrdiff_t n,
                                  float *blocks, struct atm_err *err) {
    struct atm_table seeds;
    atm_table_init(&seeds);
    enum atm_status status = atm_seeder_run(seeder, image, background, 1, &seeds, err);
    atm_table_free(&seeds);
    if (status)
        return status;
    struct atm_model_size size;
    const float *latents = atm_seeder_latents(seeder, &size);
    ptrdiff_t side = atm_model_atom_side(model);
    float *atoms = atm_mem_alloc((size_t)(size.blocks * side * side), sizeof *atoms);
    struct block *order = atm_mem_alloc((size_t)size.blocks, sizeof *order);
    status = atoms && order ? atm_model_render_atoms(model, size.blocks, latents, atoms, err)
                            : atm_err_memory(err, "a picture");
    if (!status)
        draw(model, &size, atoms, info, order, reconstruction, n, blocks);
    atm_mem_free(atoms);
    atm_mem_free(order);
    return status;
}

enum atm_status atm_localize_example(struct atm_source *source, const struct atm_model *model,
                                     ptrdiff_t frame, float *input, float *reconstruction,
                                     ptrdiff_t n, float *blocks, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    ptrdiff_t pixels = info->height * info->width, count;
    float *image = atm_mem_alloc((size_t)(2 * ATM_SOURCE_CHUNK * pixels), sizeof *image);
    if (!image)
        return atm_err_memory(err, "a picture");
    float *background = image + ATM_SOURCE_CHUNK * pixels;
    ptrdiff_t at = frame % ATM_SOURCE_CHUNK * pixels;
    memset(reconstruction, 0, (size_t)pixels * sizeof *reconstruction);
    memset(blocks, 0, (size_t)(n * pixels) * sizeof *blocks);
    struct atm_seeder *seeder = NULL;
    enum atm_status status =
        atm_source_read(source, frame / ATM_SOURCE_CHUNK, image, background, &count, err);
    if (!status)
        status = atm_seeder_create(model, info, 0, &seeder, err);
    for (ptrdiff_t i = 0; !status && i < pixels; i++)
        input[i] = image[at + i] - background[at + i];
    if (!status)
        status = take_apart(seeder, model, info, image + at, background + at, reconstruction, n,
                            blocks, err);
    atm_seeder_destroy(&seeder);
    atm_mem_free(image);
    return status;
}
