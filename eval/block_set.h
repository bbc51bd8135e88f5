/* What a model makes of test images: the error of the sum and every active block, measured. */
#ifndef ATM_BLOCK_SET_H
#define ATM_BLOCK_SET_H

#include "atoms.h"
#include "blocks.h"

/* Zero-initialise; release by atm_block_set_free. The model is borrowed. */
struct atm_block_set {
    const struct atm_model *model;
    struct atm_model_size size; /* of one image */
    double active;              /* a block is active when |g| / |x| is at least this */
    double sigma_px;            /* of a spike's image */
    bool whole;               /* one code for the whole image: `blocks` are the peaks of the sum */
    struct atm_blocks blocks; /* of the images added so far */
    ptrdiff_t capacity;       /* images */
    float *latents;           /* owned (capacity, size.blocks, d0) */
    double *energy, *loss;    /* owned (capacity): |x|^2 and |x - sum|^2 */
    float *atoms;             /* owned: room for those of step_images images */
    float *sums;              /* owned, likewise */
    struct atm_block *measured; /* owned, likewise */
    ptrdiff_t *counts;          /* owned, likewise */
    ptrdiff_t step_images;
};

enum atm_status atm_block_set_init(struct atm_block_set *set, const struct atm_model *model,
                                   const struct atm_model_size *size, ptrdiff_t images,
                                   struct atm_err *err);
void atm_block_set_free(struct atm_block_set *set);

/* Render and measure the blocks of `count` more images: frames (count, H, W) as the network sees
 * them, latents (count * blocks, d0). Parallel inside, the same for any number of threads. */
enum atm_status atm_block_set_add(struct atm_block_set *set, ptrdiff_t count, const float *frames,
                                  const float *latents, struct atm_err *err);

/* Single atoms, each measured in its whole image (positions there); index is -1. Parallel inside.
 */
enum atm_status atm_blocks_of_latents(const struct atm_model *model, ptrdiff_t count,
                                      const float *latents, struct atm_block *blocks,
                                      struct atm_err *err);

/* The part of a block's atom image (side, side) that lies in the frame; positions in it plus *place
 * are the frame's. False when nothing of it does. */
bool atm_block_window(const struct atm_model *model, const struct atm_model_size *size,
                      ptrdiff_t block, const float *atom, struct atm_spot_window *window,
                      struct atm_atom_place *place);

#endif
