/* The PSF of a movie, or of what a network has learned from one. */
#ifndef ATM_MOVIE_PSF_H
#define ATM_MOVIE_PSF_H

#include "localize.h"
#include "psf_learn.h"
#include "tune.h"

/* Of a movie and its localizations, in pixels of the camera's whole field, frames from 0; their
 * photons may be unknown. Positions are fitted again, and emitters that they lack are added.
 * Errors: too few rows in the movie. */
enum atm_status atm_movie_psf(struct atm_source *source, const struct atm_table *table,
                              const struct atm_refine_options *options, const struct atm_sink *sink,
                              struct atm_psf_learned *learned, struct atm_err *err);

/* The same of what a network sees in the movie, where refine.psf = learned, or auto and the PSF is
 * better than a Gaussian; else *learned has no image. tuning: width, noise and pixels as known. */
enum atm_status atm_movie_psf_seen(struct atm_source *source, struct atm_seeder *seeder,
                                   const struct atm_refine_options *options,
                                   const struct atm_tuning *tuning,
                                   struct atm_psf_learned *learned, struct atm_err *err);

/* The average of the atoms that a network draws for its sample of latents, each at its own place
 * and of its own brightness, and how they vary about it. Fails for a
 * model without atoms. */
struct atm_atom_psf {
    struct atm_psf_image image; /* owned; its squared light is centred on the emitter */
    struct atm_psf_measures measures;
    ptrdiff_t atoms;
    /* How much the average of a part of the atoms differs from that of all: root of the ratio of
     * summed squares. The parts are a fifth each from dim to bright, and those of nine places. */
    double by_brightness, by_position;
};
enum atm_status atm_model_psf(const struct atm_model *model, struct atm_atom_psf *psf,
                              struct atm_err *err);

#endif
