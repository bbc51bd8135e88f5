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
};
struct layer_ops {
    void (*forward)(const struct layer_call *call, const float *x, float *y);
    void (*backward)(const struct layer_call *call, const float *x, const float *gy, float *gx);
};

/* By kind; NULL for layers with weights and lrelu. */
const struct layer_ops *layer_ops_of(enum atm_layer_kind kind);

/* In place over a whole slab: lrelu, and its derivative by the sign of y. */
void layer_lrelu(const struct slab *s, float slope, float *y);
void layer_lrelu_grad(const struct slab *s, float slope, const float *y, float *gy);

#endif
