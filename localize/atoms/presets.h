/* Layer tables of the atomic autoencoders, by kind. */
#ifndef ATM_PRESETS_H
#define ATM_PRESETS_H

#include "atoms.h"

enum { ATM_PRESET_LAYERS = 48 };
struct atm_preset {
    ptrdiff_t height, width, latent, blocks, cell, window; /* as in struct atm_model */
    struct atm_layer encoder[ATM_PRESET_LAYERS], atom[ATM_PRESET_LAYERS],
        assembly[ATM_PRESET_LAYERS];
    int encoder_count, atom_count, assembly_count;
    ptrdiff_t features; /* channels between atom and assembly */
};

/* Fails with ATM_USAGE and the key where an option does not fit. */
enum atm_status atm_preset_fill(const struct atm_model_options *options, struct atm_preset *preset,
                                struct atm_err *err);

#endif
