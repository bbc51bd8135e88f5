/* Some frames of a movie, as the refinement takes them. */
#ifndef ATM_FRAME_SAMPLE_H
#define ATM_FRAME_SAMPLE_H

#include "tune.h"

struct atm_frame_sample {
    ptrdiff_t count, pixels;
    float *image, *background;       /* owned, (count, H, W) */
    struct atm_table *seeds;         /* owned, (count): of each frame, to be filled by the caller */
    struct atm_refine_input *inputs; /* owned, (count): see atm_frame_sample_tell */
};

/* frames (count): numbers from the source's first, rising. Zero-initialise the sample; it is to be
 * freed after a failure too. */
enum atm_status atm_frame_sample_take(struct atm_source *source, const ptrdiff_t *frames,
                                      ptrdiff_t count, struct atm_frame_sample *sample,
                                      struct atm_err *err);
/* Evenly spread frames of evenly spread chunks, at most `most` of them, with the seeds that the
 * network sees in them; none where seeder is NULL. */
enum atm_status atm_frame_sample_spread(struct atm_source *source, struct atm_seeder *seeder,
                                        ptrdiff_t most, struct atm_frame_sample *sample,
                                        struct atm_err *err);
/* Fill inputs: images, seeds, and what is known of width, noise and population by now. A frame's
 * number there is its index in the sample. */
void atm_frame_sample_tell(struct atm_frame_sample *sample, const struct atm_tuning *tuning);
/* The noise of an unknown camera, from the residuals of these frames once they are refined. */
enum atm_status atm_tune_noise_of(struct atm_refine *refine, const struct atm_frame_sample *sample,
                                  struct atm_noise *noise, struct atm_err *err);
void atm_frame_sample_free(struct atm_frame_sample *sample);

#endif
