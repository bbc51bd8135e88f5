/* Seeds: what the encoder and the calibration map say of frames, before any fit. */
#ifndef ATM_SEEDS_H
#define ATM_SEEDS_H

#include "localize.h"

struct atm_seeder; /* one encoder at one frame size; parallel inside, not shared between threads */

/* Photons that an emitter on empty background has for its uncertainty: 4 pi sigma^2 pixels of noise
 * (Thompson 2002, doi:10.1016/S0006-3495(02)75618-X). */
double atm_seed_noise_photons(const struct atm_source_info *info, double sigma_px);

/* threshold: least photons of a block that counts. The model must be calibrated and fit the frames.
 */
enum atm_status atm_seeder_create(const struct atm_model *model, const struct atm_source_info *info,
                                  double threshold, struct atm_seeder **seeder,
                                  struct atm_err *err);
/* From now on local maxima instead of blocks: of the frame without its background, filtered with a
 * Gaussian of that sigma; the same threshold. The encoder is not asked any more. */
enum atm_status atm_seeder_use_peaks(struct atm_seeder *seeder, double sigma_px,
                                     struct atm_err *err);
void atm_seeder_destroy(struct atm_seeder **seeder);

/* Encode count <= ATM_SOURCE_CHUNK frames, image and background each (count, H, W). seeds[t] are
 * cleared and filled: x, y in px, photons (or ADU), blocks = 1, frame = t. */
enum atm_status atm_seeder_run(struct atm_seeder *seeder, const float *image,
                               const float *background, ptrdiff_t count, struct atm_table *seeds,
                               struct atm_err *err);

/* Latents of the last encoded batch's first frame and their number, for pictures; borrowed. */
const float *atm_seeder_latents(const struct atm_seeder *seeder, struct atm_model_size *size);

#endif
