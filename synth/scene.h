/* Simulated spike movies with ground truth: scenes of emitters, blinking, PSF, camera.
 * Same bytes for any thread count: substreams per emitter and per frame. */
#ifndef ATM_SCENE_H
#define ATM_SCENE_H

#include "ini.h"
#include "log.h"
#include "movie.h"
#include "table.h"

/* Indices of the choices below. */
enum atm_synth_kind { ATM_SYNTH_SPIKES, ATM_SYNTH_STROKES };
enum atm_synth_layout { ATM_SYNTH_UNIFORM, ATM_SYNTH_FILAMENTS };
enum atm_synth_count_law { ATM_SYNTH_DENSITY, ATM_SYNTH_COUNT };
enum atm_synth_amplitude_law { ATM_SYNTH_FIXED, ATM_SYNTH_AMPLITUDE_UNIFORM, ATM_SYNTH_LOGNORMAL };
enum atm_synth_blinking { ATM_SYNTH_NO_BLINKING, ATM_SYNTH_ON_OFF };
enum atm_synth_noise { ATM_SYNTH_NO_NOISE, ATM_SYNTH_CAMERA };
enum atm_synth_sample { ATM_SYNTH_UINT16, ATM_SYNTH_FLOAT32 };

struct atm_synth_options {
    int kind; /* spikes | strokes (strokes.h): of the keys below those have frames, height, width */
    int64_t strokes_min, strokes_max; /* in an image */
    double pen_px;                    /* standard deviation of the Gaussian pen */
    int64_t frames, height, width;
    int layout;      /* uniform | filaments */
    int psf;         /* integrated | sampled (the paper's plain Gaussian): enum atm_psf_shape */
    double sigma_px; /* PSF standard deviation */
    int count_law;   /* density (Poisson) | count (uniform in count_min..count_max per frame) */
    double density;  /* active emitters per um^2 and frame */
    int64_t count_min, count_max;
    double separation_px;  /* repulsion: least distance of emitters in a frame; 0 none */
    double margin_px;      /* emitters stay this far inside the field; negative: outside allowed */
    int amplitude_law;     /* fixed | uniform | lognormal */
    double photons;        /* fixed value; mean of the lognormal; for uniform the upper end */
    double photons_min;    /* uniform: lower end; lognormal: truncation */
    double photons_max;    /* lognormal: truncation */
    double photons_spread; /* lognormal: sigma of log */
    int blinking; /* none (a new scene every frame) | onoff (emitters live on_frames on average) */
    double on_frames;       /* mean length of an on-period, frames, geometric/exponential */
    int64_t filament_count; /* layout filaments */
    double filament_spacing_px;
    double background;          /* photons per pixel */
    double background_gradient; /* relative change over the field */
    int noise;                  /* none | camera */
    int sample;                 /* uint16 | float32 */
};
extern const struct atm_section atm_synth_section;

/* What the schema's ranges cannot say: keys that contradict each other, a density without a pixel
 * size (NAN), a margin wider than the field. ATM_USAGE, naming the keys. To be asked before hours
 * of work; atm_scene_write asks too. */
enum atm_status atm_synth_check(const struct atm_synth_options *options, double pixel_size_nm,
                                struct atm_err *err);

/* Simulate and write an HDF5 stack with /truth (or a TIFF; the truth then goes beside it as
 * NAME_truth.px.csv). camera: offset, gain, em_gain, qe, read_noise as for reading; unknown
 * values count as offset 0, gain 1, em_gain 1, qe 1, read noise 0. truth (may be NULL) receives a
 * copy, owned by the caller (atm_table_free); it is left alone on failure.
 *
 * Photons and background, of the options and of the truth, arrive at the camera, before its QE: what
 * localizing gives back, which divides by it. The truth's photons are those of that emitter in that
 * frame (with psf = sampled the amplitude instead of the total). Truth rows stand by frame, then id; an id is one emitter (one on-period when blinking).
 * Emitters whose centre lies outside the field (negative margin) are in the image only.
 * synth.kind = strokes: atm_strokes_write, and no table.
 * On ATM_STOPPED and on every failure nothing is left under either name. */
enum atm_status atm_scene_write(const struct atm_synth_options *options,
                                const struct atm_camera *camera, uint64_t seed, const char *path,
                                const char *provenance, const struct atm_sink *sink,
                                struct atm_table *truth, struct atm_err *err);

#endif
