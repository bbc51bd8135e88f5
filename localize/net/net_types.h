/* Inside of a net, shared by net.c and the plan. */
#ifndef ATM_NET_TYPES_H
#define ATM_NET_TYPES_H

#include "net.h"

struct atm_net {
    int count;
    struct atm_layer *layers;
    int *tensor_of; /* per layer: number of its weight tensor (the bias follows), or -1 */
    ptrdiff_t input[3];
    int tensor_count;
    struct atm_tensor *tensors;
    ptrdiff_t params;
};

/* Shape of a tensor on its way through the chain: items (images * blocks, C, H, W). */
struct chain_shape {
    ptrdiff_t images, blocks, channels, height, width;
};
/* Replace *shape by the layer's output. Fails, naming the layer, when it does not fit. `size` gives
 * grid and blocks. */
enum atm_status atm_net_layer_shape(const struct atm_net *net, int layer,
                                    const struct atm_plan_size *size, struct chain_shape *shape,
                                    struct atm_err *err);

#endif
