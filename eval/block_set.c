#include "block_set.h"

#include "mem.h"
#include <math.h>
#include <string.h>

static const double STEP_BYTES = 32e6; /* of rendered atoms */

enum atm_status atm_block_set_init(struct atm_block_set *set, const struct atm_model *model,
                                   const struct atm_model_size *size, ptrdiff_t images,
                                   struct atm_err *err) {
    set->model = model;
    set->size = *size;
    set->size.images = 1;
    set->capacity = images;
    set->whole = size->blocks == 1;
    ptrdiff_t side = atm_model_atom_side(model), atoms = size->blocks * side * side;
    ptrdiff_t step = (ptrdiff_t)(STEP_BYTES / (double)(atoms * (ptrdiff_t)sizeof(float)));
    step = step < 1 ? 1 : step > images ? images : step;
    ptrdiff_t room = set->whole ? ATM_PEAKS_MOST : size->blocks;
    set->step_images = step;
    set->latents = atm_mem_alloc((size_t)(images * size->blocks * model->latent), sizeof(float));
    set->energy = atm_mem_alloc((size_t)images, sizeof *set->energy);
    set->loss = atm_mem_alloc((size_t)images, sizeof *set->loss);
    set->atoms = atm_mem_alloc((size_t)(step * atoms), sizeof *set->atoms);
    set->sums = atm_mem_alloc((size_t)(step * size->height * size->width), sizeof *set->sums);
    set->measured = atm_mem_alloc((size_t)(step * room), sizeof *set->measured);
    set->counts = atm_mem_alloc((size_t)step, sizeof *set->counts);
    return set->latents && set->energy && set->loss && set->atoms && set->sums && set->measured &&
                   set->counts
               ? ATM_OK
               : atm_err_memory(err, "the blocks of the test images");
}

void atm_block_set_free(struct atm_block_set *set) {
    atm_blocks_free(&set->blocks);
    atm_mem_free(set->latents);
    atm_mem_free(set->energy);
    atm_mem_free(set->loss);
    atm_mem_free(set->atoms);
    atm_mem_free(set->sums);
    atm_mem_free(set->measured);
    atm_mem_free(set->counts);
    *set = (struct atm_block_set){0};
}

bool atm_block_window(const struct atm_model *model, const struct atm_model_size *size,
                      ptrdiff_t block, const float *atom, struct atm_spot_window *window,
                      struct atm_atom_place *place) {
    ptrdiff_t side = atm_model_atom_side(model);
    *place = atm_model_atom_place(model, size, block);
    *window = (struct atm_spot_window){
        .image = atom,
        .stride = side,
        .x0 = place->x < 0 ? -place->x : 0,
        .y0 = place->y < 0 ? -place->y : 0,
        .x1 = place->x + side > size->width ? size->width - place->x : side,
        .y1 = place->y + side > size->height ? size->height - place->y : side,
    };
    return window->x0 < window->x1 && window->y0 < window->y1;
}

static double clipped_energy(const struct atm_spot_window *w) {
    double energy = 0;
    for (ptrdiff_t y = w->y0; y < w->y1; y++)
        for (ptrdiff_t x = w->x0; x < w->x1; x++) {
            double v = fmin(fmax((double)w->image[y * w->stride + x], 0), 1);
            energy += v * v;
        }
    return energy;
}

/* The active blocks of one image, in their order. */
static ptrdiff_t measure_blocks(const struct atm_block_set *set, const float *atoms, double energy,
                                struct atm_block *measured) {
    ptrdiff_t side = atm_model_atom_side(set->model), count = 0;
    double least = set->active * set->active * energy;
    for (ptrdiff_t b = 0; b < set->size.blocks; b++) {
        struct atm_spot_window window;
        struct atm_atom_place place;
        const float *atom = atoms + b * side * side;
        if (!atm_block_window(set->model, &set->size, b, atom, &window, &place))
            continue;
        struct atm_block block = {.index = b, .energy = clipped_energy(&window)};
        if (!(block.energy >= least) || !(block.energy > 0))
            continue;
        atm_block_measure(&window, &block);
        block.amplitude = atm_spot_amplitude(&window, block.spot.x, block.spot.y, set->sigma_px);
        block.spot.x += (double)place.x, block.spot.y += (double)place.y;
        measured[count++] = block;
    }
    return count;
}

/* Image n of a step: its sum of atoms, errors, blocks. */
static void measure_image(struct atm_block_set *set, ptrdiff_t n, const float *frame) {
    ptrdiff_t side = atm_model_atom_side(set->model), blocks = set->size.blocks;
    ptrdiff_t pixels = set->size.height * set->size.width, image = set->blocks.images + n;
    const float *atoms = set->atoms + n * blocks * side * side;
    struct atm_frame sum = {set->sums + n * pixels, set->size.height, set->size.width};
    memset(sum.pixels, 0, (size_t)pixels * sizeof *sum.pixels);
    for (ptrdiff_t b = 0; b < blocks; b++)
        atm_model_add_atom(set->model, &set->size, b, atoms + b * side * side, 1, &sum);
    double energy = 0, loss = 0;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double x = (double)frame[i], rest = x - (double)sum.pixels[i];
        energy += x * x, loss += rest * rest;
    }
    set->energy[image] = energy, set->loss[image] = loss;
    const struct atm_peak_options peaks = atm_peak_defaults(set->sigma_px);
    set->counts[n] = set->whole ? atm_peaks_find(sum.pixels, sum.height, sum.width, &peaks,
                                                 set->measured + n * ATM_PEAKS_MOST, ATM_PEAKS_MOST)
                                : measure_blocks(set, atoms, energy, set->measured + n * blocks);
}

enum atm_status atm_block_set_add(struct atm_block_set *set, ptrdiff_t count, const float *frames,
                                  const float *latents, struct atm_err *err) {
    ptrdiff_t numbers = set->size.blocks * set->model->latent;
    ptrdiff_t pixels = set->size.height * set->size.width;
    ptrdiff_t room = set->whole ? ATM_PEAKS_MOST : set->size.blocks;
    memcpy(set->latents + set->blocks.images * numbers, latents,
           (size_t)(count * numbers) * sizeof *latents);
    for (ptrdiff_t first = 0; first < count; first += set->step_images) {
        ptrdiff_t n = count - first < set->step_images ? count - first : set->step_images;
        enum atm_status status = atm_model_render_atoms(set->model, n * set->size.blocks,
                                                        latents + first * numbers, set->atoms, err);
        if (status)
            return status;
#pragma omp parallel for schedule(static)
        for (ptrdiff_t i = 0; i < n; i++)
            measure_image(set, i, frames + (first + i) * pixels);
        for (ptrdiff_t i = 0; !status && i < n; i++)
            status = atm_blocks_append(&set->blocks, set->measured + i * room, set->counts[i], err);
        if (status)
            return status;
    }
    return ATM_OK;
}

enum atm_status atm_blocks_of_latents(const struct atm_model *model, ptrdiff_t count,
                                      const float *latents, struct atm_block *blocks,
                                      struct atm_err *err) {
    ptrdiff_t side = atm_model_atom_side(model), pixels = side * side;
    ptrdiff_t step = (ptrdiff_t)(STEP_BYTES / (double)(pixels * (ptrdiff_t)sizeof(float))) + 1;
    float *atoms = atm_mem_alloc((size_t)(step * pixels), sizeof *atoms);
    enum atm_status status = atoms ? ATM_OK : atm_err_memory(err, "rendered atoms");
    for (ptrdiff_t first = 0; !status && first < count; first += step) {
        ptrdiff_t n = count - first < step ? count - first : step;
        status = atm_model_render_atoms(model, n, latents + first * model->latent, atoms, err);
        if (status)
            break;
#pragma omp parallel for schedule(static)
        for (ptrdiff_t i = 0; i < n; i++) {
            struct atm_spot_window window = {atoms + i * pixels, side, 0, 0, side, side};
            blocks[first + i] = (struct atm_block){.index = -1, .energy = clipped_energy(&window)};
            atm_block_measure(&window, &blocks[first + i]);
        }
    }
    atm_mem_free(atoms);
    return status;
}
