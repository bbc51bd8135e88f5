/* The figures of an atomic autoencoder over a test set: images taken apart into their blocks (Fig.
 * 3 of hal-03962759), sweeps of single latent coordinates (Fig. 4), an interpolation, and many
 * pairs of input and output. */
#ifndef ATM_FIGURES_H
#define ATM_FIGURES_H

#include "figure_set.h"

struct atm_figure_options {
    char images[ATM_KEY_TEXT_SIZE];   /* list of images taken apart; empty: see the schema */
    int64_t sweep_image, sweep_block; /* the block counted from 1; 0: the most active one */
    int64_t from_image, to_image;     /* of the interpolation */
    int64_t pairs;                    /* inputs and outputs side by side; 0: no such picture */
    int64_t page_images;              /* images that index.html lets one choose; 0: no page */
};
extern const struct atm_section atm_figure_section;

/* Write into the folder, which is there: blocks_N.png for every chosen image N, sweep.png,
 * interpolation.png, pairs.png and index.html. */
enum atm_status atm_figures_write(struct atm_figure_set *set,
                                  const struct atm_figure_options *options, const char *folder,
                                  const struct atm_sink *sink, struct atm_err *err);

/* The single ones. Images are counted from 0 within the set. */
enum atm_status atm_figure_blocks(struct atm_figure_set *set, ptrdiff_t image, const char *path,
                                  struct atm_err *err);
/* block: from 0; -1, or one that is not active in this image: the most active one, and the title
 * says so. */
enum atm_status atm_figure_sweep(struct atm_figure_set *set, ptrdiff_t image, ptrdiff_t block,
                                 const char *path, struct atm_err *err);
enum atm_status atm_figure_interpolation(struct atm_figure_set *set, ptrdiff_t from, ptrdiff_t to,
                                         const char *path, struct atm_err *err);
enum atm_status atm_figure_pairs(struct atm_figure_set *set, ptrdiff_t pairs, const char *path,
                                 struct atm_err *err);

#endif
