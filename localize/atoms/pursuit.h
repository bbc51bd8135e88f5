/* Pursuit: one small encoder is applied k times, each time to what the atoms found before have left
 * of the image, as matching pursuit does: z_i = E(r_(i-1)), r_i = r_(i-1) - g(z_i), r_0 the image.
 * There is no order of emitters to learn. Training goes through all k steps. Afterwards two sweeps
 * follow, in which each block is found again from what the others leave. Where g(t z) = t g(z) they
 * also fit the amplitude: z_i becomes t z_i with the t >= 0 that leaves least, matching pursuit's
 * coefficient <r, g> / <g, g>. Not in the first search: there an atom would take its neighbours'
 * light too (configs/paper.md). */
#ifndef ATM_PURSUIT_H
#define ATM_PURSUIT_H

#include "atoms.h"

struct atm_pursuit;
enum atm_status atm_pursuit_create(const struct atm_model *model, const struct atm_model_size *size,
                                   bool training, struct atm_pursuit **pursuit,
                                   struct atm_err *err);
void atm_pursuit_destroy(struct atm_pursuit **pursuit);
void atm_pursuit_load(struct atm_pursuit *pursuit, const float *params);
size_t atm_pursuit_bytes(const struct atm_pursuit *pursuit);

/* Stop after so many of the k steps; the rest of the latents is 0 and without atoms. */
void atm_pursuit_limit(struct atm_pursuit *pursuit, ptrdiff_t steps);

/* In training: a sweep follows, and it is what is trained. Off at first. */
void atm_pursuit_again(struct atm_pursuit *pursuit, bool again);

/* images (B, 1, H, W), borrowed until backward is done. Latents (B * k, d0) in the order of
 * SPLIT, borrowed. */
const float *atm_pursuit_encode(struct atm_pursuit *pursuit, const float *images);
/* Two sweeps from other latents (images * k, d0), in and out; images at most B. Not in training. */
void atm_pursuit_sweep(struct atm_pursuit *pursuit, ptrdiff_t images, const float *frames,
                       float *latents);
/* Of the last encode: the sums of the atoms (B, 1, H, W), borrowed; sums of squares (B * k). */
const float *atm_pursuit_output(struct atm_pursuit *pursuit);
void atm_pursuit_block_energy(const struct atm_pursuit *pursuit, double *energy);
struct atm_coder_gradient;
void atm_pursuit_backward(struct atm_pursuit *pursuit, const struct atm_coder_gradient *gradient,
                          float *grad);

#endif
