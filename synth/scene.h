/* Simulated spike movies with ground truth: scenes of emitters, blinking, PSF, camera.
 * Same bytes for any thread count: substreams per emitter and per frame. */
#ifndef ATM_SCENE_H
#define ATM_SCENE_H

#include "ini.h"
#include "log.h"
#include "movie.h"
#include "table.h"

struct atm_synth_options {
    int64_t frames, height, width;
    int layout;              /* uniform | filaments */
    int psf;                 /* integrated | sampled (the paper's plain Gaussian) */
    double sigma_px;         /* PSF standard deviation */
    int count_law;           /* density (Poisson) | count (uniform in count_min..count_max per frame) */
    double density;          /* active emitters per um^2 and frame */
    int64_t count_min, count_max;
    double separation_px;    /* repulsion: least distance of emitters in a frame; 0 none */
    double margin_px;        /* emitters stay this far inside the field; negative: outside allowed */
    int amplitude_law;       /* fixed | uniform | lognormal */
    double photons;          /* fixed value; mean of the lognormal; for uniform the upper end */
    double photons_min;      /* uniform: lower end; lognormal: truncation */
    double photons_max;      /* lognormal: truncation */
    double photons_spread;   /* lognormal: sigma of log */
    int blinking;            /* none (a new scene every frame) | onoff (emitters live on_frames on average) */
    double on_frames;        /* mean length of an on-period, frames, geometric/exponential */
    double filament_count, filament_spacing_px; /* layout filaments */
    double background;       /* photons per pixel */
    double background_gradient; /* relative change over the field */
    int noise;               /* none | camera */
    int sample;              /* uint16 | float32 */
};
extern const struct atm_section atm_synth_section;

/* Simulate and write an HDF5 stack with /truth (or a TIFF; the truth then goes beside it as
 * NAME_truth.csv in the .px.csv format). camera: offset, gain, em_gain, qe, read_noise as for reading; unknown
 * values count as offset 0, gain 1, em_gain 1, qe 1, read noise 0. truth (may be NULL) receives a
 * copy. Truth photons are expected photons of that frame (detected, i.e. after QE where qe < 1: say so). */
enum atm_status atm_scene_write(const struct atm_synth_options *options,
                                const struct atm_camera *camera, uint64_t seed, const char *path,
                                const char *provenance, const struct atm_sink *sink,
                                struct atm_table *truth, struct atm_err *err);

#endif
