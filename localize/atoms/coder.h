/* Inside of a coder, shared by training: the three plans and the shapes between them. */
#ifndef ATM_CODER_H
#define ATM_CODER_H

#include "atoms.h"

struct atm_coder {
    const struct atm_model *model; /* borrowed */
    struct atm_model_size size;
    struct atm_plan *encoder, *atom, *assembly; /* NULL when not wanted */
    const float *features; /* of the last decode: (B * blocks, C, P, P) */
    ptrdiff_t feature_count; /* C * P * P */
};

#endif
