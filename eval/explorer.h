/* index.html: one file that opens from disk, in which a person moves the latents of a block and
 * sees its atom and the whole image follow. The decoder runs in the page, from the weights in it.
 */
#ifndef ATM_EXPLORER_H
#define ATM_EXPLORER_H

#include "figure_set.h"
#include <stdio.h>

/* A picture that lies beside the page and is shown on it. */
struct atm_explorer_figure {
    const char *file, *text;
};

/* images: so many of the set to choose from, spread evenly. */
enum atm_status atm_explorer_write(struct atm_figure_set *set, ptrdiff_t images,
                                   const struct atm_explorer_figure *figures, int figure_count,
                                   const char *path, struct atm_err *err);

/* The decoder as the page has it: layers and weights, as JSON. explorer_decoder.js runs it. */
struct atm_explorer_model {
    const struct atm_net *decoder; /* from a block to the image; borrowed */
    const float *params;           /* borrowed */
    ptrdiff_t grid_y, grid_x, per_cell;
};
void atm_explorer_put_model(FILE *out, const struct atm_explorer_model *model);

#endif
