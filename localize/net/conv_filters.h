/* Components of filters for conv_winograd.c: pieces of 3 x 3 elements become 6 x 6 numbers that
 * belong to the components of tiles (enum tile_in of kernel.h), and the adjoint of that. */
#ifndef ATM_CONV_FILTERS_H
#define ATM_CONV_FILTERS_H

#include "kernel.h"
#include <stdbool.h>

enum {
    FILTER_PIECE = 3,
    FILTER_ELEMENTS = FILTER_PIECE * FILTER_PIECE,
    FILTER_TEAM = 8 /* filters side by side */
};

/* Components of one axis, each a sum of elements. */
struct filter_rows {
    double at[ATM_TILE][FILTER_PIECE];
};

struct filter_rows filter_rows(bool nearest);
void filter_components(const struct filter_rows *rows, double piece[FILTER_ELEMENTS][FILTER_TEAM],
                       float out[ATM_TILE_COMPONENTS][FILTER_TEAM]);
/* Gradient of a piece from those of its components, which lie `plane` floats apart. */
void filter_gradient(const struct filter_rows *rows, const float *sums, ptrdiff_t plane,
                     double piece[FILTER_ELEMENTS]);

#endif
