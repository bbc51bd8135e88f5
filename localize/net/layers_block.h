/* Layers between images and blocks: entries of the table in layers.c. */
#ifndef ATM_LAYERS_BLOCK_H
#define ATM_LAYERS_BLOCK_H

#include "layers.h"

#define LAYER_PAIR(name)                                                                           \
    void name##_forward(const struct layer_call *call, const float *x, float *y);                  \
    void name##_backward(const struct layer_call *call, const float *x, const float *gy, float *gx)

LAYER_PAIR(split);
LAYER_PAIR(sum);
LAYER_PAIR(max);
LAYER_PAIR(place);

#endif
