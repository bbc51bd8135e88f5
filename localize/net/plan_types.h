/* Inside of a plan, shared by plan_build.c (which makes it) and plan.c (which walks it). */
#ifndef ATM_PLAN_TYPES_H
#define ATM_PLAN_TYPES_H

#include "conv.h"
#include "layers.h"
#include "mem.h"
#include "net.h"

/* A tensor between two steps. Its data is after the LeakyReLU, its gradient before it. */
struct value {
    struct slab slab;
    float slope; /* of the LeakyReLU that is fused into the step that makes it; 1 for none */
    float *data, *grad;
};

/* One or several layers that run as one: convolution (or dense) with upsampling before and lrelu
 * after it, or a layer without weights. Reads value i, writes value i + 1. */
struct step {
    struct atm_layer layer;
    const struct conv_algorithm *algorithm; /* NULL: a layer without weights */
    struct conv_problem problem;
    void *conv;
    ptrdiff_t weight, bias;      /* offsets into the parameters; bias -1 for none */
    const struct layer_ops *ops; /* NULL: a convolution */
    struct layer_call call;
    bool windowed; /* WINDOW, or PLACE with the window before it */
};

struct atm_plan {
    struct atm_plan_size size;
    int steps;
    struct step *step;
    struct value *value; /* steps + 1 */
    int first_weighted;  /* step before which no gradient is needed unless for the input */
    bool small;          /* too little work to share: waking a thread takes longer */
    int join;            /* last step that joins blocks, or -1 */
    float *output, *input_grad;
    struct atm_arena arena;
};

#endif
