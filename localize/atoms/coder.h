/* Inside of a coder, shared by training: its two plans and the size they are made for. */
#ifndef ATM_CODER_H
#define ATM_CODER_H

#include "atoms.h"
#include "tiles.h"

struct atm_coder {
    const struct atm_model *model; /* borrowed */
    struct atm_model_size size;
    struct atm_plan *encoder, *decoder; /* NULL when not wanted */
    struct atm_tiles *tiles;            /* instead of the encoder where nothing follows it */
};

#endif
