/* Refinement of latents through the decoder: Levenberg-Marquardt on all blocks of an image at once,
 * for the squared error of its reconstruction. No model of the PSF: g itself says how an atom
 * changes with z. That may end in a place that is best only nearby, so a pursuit then finds every
 * block once more from what the refined ones leave; these are refined too, and kept where they
 * leave less. */
#ifndef ATM_LATENT_REFINE_H
#define ATM_LATENT_REFINE_H

#include "atoms.h"

struct atm_latent_refine_options {
    int64_t iterations; /* at most; an image ends early when it no longer improves */
};
extern const struct atm_latent_refine_options atm_latent_refine_defaults; /* 10 */

/* frames (images, H, W) in normalised units, of a PAPER kind's size; latents (images * k, d0), in
 * and out: the error of no image rises. Parallel; same bytes for any thread count. Fails on the
 * convolutional kind, whose blocks are refined by localize/refine. */
enum atm_status atm_refine_latents(const struct atm_model *model,
                                   const struct atm_latent_refine_options *options,
                                   ptrdiff_t images, const float *frames, float *latents,
                                   struct atm_err *err);

#endif
