/* The emitters of a movie: where and when each is on, and how bright. */
#ifndef ATM_EMITTERS_H
#define ATM_EMITTERS_H

#include "repulsion.h"
#include "rng.h"
#include "scene.h"
#include <stddef.h>

/* One emitter in one frame. */
struct atm_emission {
    int64_t frame, id;
    double x, y;    /* px */
    double photons; /* at the camera, before QE; the amplitude where the PSF is sampled */
};

struct atm_emitters {
    struct atm_emission *rows; /* owned; by frame, then id */
    ptrdiff_t count, capacity;
    ptrdiff_t *first;  /* owned (frames + 1): rows of frame f are first[f] .. first[f + 1] - 1 */
    ptrdiff_t crowded; /* blinking emitters nearer to another one than separation_px */
};

/* Where emitters may be: the field, from -0.5 to width - 0.5, less the margin. */
struct atm_region atm_emitters_region(const struct atm_synth_options *options);

/* Draw all of them. options must have passed atm_synth_check; pixel_size_nm may be NAN unless the
 * count law is a density. Emitters are thrown one after the other, because each has to keep away
 * from those before it; so the result knows no threads.
 * blinking none: every frame is a scene of its own. A frame that does not hold its emitters at
 *   separation_px is an error (ATM_USAGE).
 * onoff: emitters switch on at the times of a Poisson process and stay on for an exponentially
 *   distributed time (mean on_frames; memoryless, so the movie starts in the steady state). A
 *   frame sees its share of the photons of one full frame. The mean number of emitters in a frame
 *   is the requested one; with count it is the middle of count_min..count_max. Where no place at
 *   separation_px is found the least bad of those tried is taken and counted in crowded.
 * emitters: zeroed; freed by the caller also after a failure. ATM_STOPPED when the sink says so. */
enum atm_status atm_emitters_draw(const struct atm_synth_options *options, double pixel_size_nm,
                                  uint64_t seed, const struct atm_sink *sink,
                                  struct atm_emitters *emitters, struct atm_err *err);
void atm_emitters_free(struct atm_emitters *emitters);

/* Amplitude of one emitter, photons in a full frame. */
double atm_emitters_amplitude(const struct atm_synth_options *options, struct atm_rng *rng);
/* Mean number of emitters in a frame. */
double atm_emitters_mean(const struct atm_synth_options *options, double pixel_size_nm);

#endif
