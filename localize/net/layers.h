/* The layers without weights, on slabs. forward fills y; backward fills gx from gy (data only where
 * the rule needs them). No lrelu here: plans fuse it into the layer before. */
#ifndef ATM_LAYERS_H
#define ATM_LAYERS_H

#include "net.h"
#include "slab.h"

struct layer_call {
    struct slab x, y;
    const struct atm_layer *layer;
    ptrdiff_t grid_x, per_cell;
    const float *window; /* WINDOW, and PLACE that follows one: (H, W) of x; else NULL */
};
struct layer_ops {
    void (*forward)(const struct layer_call *call, const float *x, float *y);
    void (*backward)(const struct layer_call *call, const float *x, const float *gy, float *gx);
};

/* sum over the pixels of a block (times the window) squared, per block; gx += scale * window^2 * x.
 */
void layer_block_energy(const struct layer_call *call, const float *x, double *energy);
void layer_add_blocks(const struct layer_call *call, const float *scale, const float *x, float *gx);

/* (H, W): sin(pi (y + 1/2) / H) sin(pi (x + 1/2) / W). */
void layer_fill_window(ptrdiff_t height, ptrdiff_t width, float *window);

/* By kind; NULL for layers with weights and lrelu. */
const struct layer_ops *layer_ops_of(enum atm_layer_kind kind);

/* In place over a whole slab: lrelu, and its derivative by the sign of y. */
void layer_lrelu(const struct slab *s, float slope, float *y);
void layer_lrelu_grad(const struct slab *s, float slope, const float *y, float *gy);

#endif
