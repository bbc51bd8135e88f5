/* A test set as the figures see it: images of a movie, encoded and decoded by a model, and the
 * range that the latents of every block have over the set. */
#ifndef ATM_FIGURE_SET_H
#define ATM_FIGURE_SET_H

#include "localize.h"

struct atm_figure_set {
    const struct atm_model *model;  /* borrowed */
    struct atm_source *source;      /* borrowed */
    const struct atm_table *truth;  /* borrowed, sorted by frame; NULL: none is known */
    ptrdiff_t count, height, width; /* image i is frame first_frame + i of the movie */
    ptrdiff_t first_frame;
    double active;              /* see below */
    struct atm_model_size size; /* of a batch; images are padded to whole cells */
    float *low, *high;          /* owned (per_cell, d0): see below */
    ptrdiff_t sampled;          /* images that the ranges come from, spread evenly over the set */
    struct atm_coder *coder;
    float *batch; /* owned (size.images, size.height, size.width) */
    float *chunk; /* owned: images and background of chunk `chunk_index` */
    ptrdiff_t chunk_index;
};

/* Range of a coordinate: these quantiles over the sampled images in which the block is active, that
 * is |g(z)| / |image| is at least `active` (all of them where it never is). Blocks of a grid's
 * cells count as one: cells are alike. */
enum { ATM_FIGURE_LOW_PERCENT = 1, ATM_FIGURE_HIGH_PERCENT = 99 };

enum atm_status atm_figure_set_init(struct atm_figure_set *set, struct atm_source *source,
                                    const struct atm_model *model, const struct atm_table *truth,
                                    double active, struct atm_err *err);
void atm_figure_set_free(struct atm_figure_set *set);

/* Some images, by index: input (n, height, width), normalised as the network sees it, and their
 * latents (n, blocks, d0). Either may be NULL. */
enum atm_status atm_figure_set_encode(struct atm_figure_set *set, ptrdiff_t n,
                                      const ptrdiff_t *index, float *input, float *latents,
                                      struct atm_err *err);
/* The model's images (n, height, width) of latents (n, blocks, d0). */
void atm_figure_set_decode(struct atm_figure_set *set, ptrdiff_t n, const float *latents,
                           float *output);
/* Euclidean norms of n single atoms g(z), clipped to 0..1: latents (n, d0). */
enum atm_status atm_figure_set_norms(const struct atm_figure_set *set, ptrdiff_t n,
                                     const float *latents, double *norms, struct atm_err *err);
/* n images (height, width), each with the atom of that block alone: latents (n, d0), z of block
 * block[i]. */
enum atm_status atm_figure_set_atoms(const struct atm_figure_set *set, ptrdiff_t n,
                                     const ptrdiff_t *block, const float *latents, float *images,
                                     struct atm_err *err);
/* Norm of an image (height, width). */
double atm_figure_set_norm(const struct atm_figure_set *set, const float *image);
/* |output - input|^2 / |input|^2; NAN for an empty input. */
double atm_figure_set_error(const struct atm_figure_set *set, const float *input,
                            const float *output);

/* One image taken apart: input and output (height, width), latents (blocks, d0), and |g(z)| /
 * |image| of every block (0 in an empty image). Zero-initialise; release by atm_figure_apart_free.
 */
struct atm_figure_apart {
    float *input, *output, *latents; /* owned */
    double *share;                   /* owned */
    ptrdiff_t blocks;
};
enum atm_status atm_figure_set_take_apart(struct atm_figure_set *set, ptrdiff_t image,
                                          struct atm_figure_apart *apart, struct atm_err *err);
void atm_figure_apart_free(struct atm_figure_apart *apart);

/* The true emitters of image `index`: *rows borrowed; returns their number, 0 without a truth. */
ptrdiff_t atm_figure_set_truth(const struct atm_figure_set *set, ptrdiff_t index,
                               const struct atm_loc **rows);

#endif
