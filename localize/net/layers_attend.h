/* Layers that find one place in an image; see layers.h. */
#ifndef ATM_LAYERS_ATTEND_H
#define ATM_LAYERS_ATTEND_H

#include "layers.h"

void coordinates_forward(const struct layer_call *call, const float *x, float *y);
void coordinates_backward(const struct layer_call *call, const float *x, const float *gy,
                          float *gx);
void attend_forward(const struct layer_call *call, const float *x, float *y);
void attend_backward(const struct layer_call *call, const float *x, const float *gy, float *gx);

#endif
