/* Inside of a coder, shared by training: its two plans and the size they are made for. */
#ifndef ATM_CODER_H
#define ATM_CODER_H

#include "atoms.h"
#include "pursuit.h"
#include "tiles.h"

struct atm_coder {
    const struct atm_model *model; /* borrowed */
    struct atm_model_size size;
    struct atm_plan *encoder, *decoder; /* NULL when not wanted */
    struct atm_tiles *tiles;            /* instead of the encoder where nothing follows it */
    struct atm_pursuit *pursuit; /* instead of the encoder, in training also of the decoder */
};

/* Grid of a model's plans at a size: the encoder takes images, atom and decoder blocks, the
 * assembly windows. items, height and width are for the caller to set. */
struct atm_plan_size atm_coder_plan_size(const struct atm_model *model,
                                         const struct atm_model_size *size, bool training);
size_t atm_coder_bytes(const struct atm_coder *coder);

/* One step of training, by a coder of ATM_CODER_TRAIN. Forward: the reconstructions (B, 1, H, W),
 * borrowed; latents (may be NULL) receives theirs, borrowed. */
const float *atm_coder_forward(struct atm_coder *coder, const float *images, const float **latents);
/* Sum of squares of every block of the last forward, (B * blocks). */
void atm_coder_block_energy(const struct atm_coder *coder, double *energy);
/* What a backward pass is given. */
struct atm_coder_gradient {
    const float *output;      /* of the loss with respect to the reconstructions, (B, 1, H, W) */
    const float *block_scale; /* as atm_plan_backward_blocks takes it, or NULL */
    ptrdiff_t images;         /* that count; those behind them have no output gradient */
    bool through;             /* pursuit: also through the residuals that the encoder is given */
    float step_weight; /* pursuit: of the loss with respect to the residual after each step but the
                          last, as a factor of that residual */
};
/* Adds the gradients of the parameters to grad (param_count). */
void atm_coder_backward(struct atm_coder *coder, const struct atm_coder_gradient *gradient,
                        float *grad);

#endif
