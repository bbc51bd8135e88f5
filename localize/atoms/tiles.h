/* Encoding of any number of frames of any size by one small plan: frames are cut into tiles that
 * overlap by the encoder's reach, so every code is the same to the bit as from the whole frame,
 * memory is bounded, and the engine's lanes are full even when the frames are few and large. */
#ifndef ATM_TILES_H
#define ATM_TILES_H

#include "atoms.h"

struct atm_tiles;
enum atm_status atm_tiles_create(const struct atm_model *model, const struct atm_model_size *size,
                                 struct atm_tiles **tiles, struct atm_err *err);
void atm_tiles_destroy(struct atm_tiles **tiles);
void atm_tiles_load(struct atm_tiles *tiles, const float *params);
/* images (B, 1, H, W); latents (B * blocks, d0), owned by the tiles, until the next call. */
const float *atm_tiles_encode(struct atm_tiles *tiles, const float *images);

#endif
