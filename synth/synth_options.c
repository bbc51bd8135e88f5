#include "emitters.h"
#include "psf.h"
#include "strokes.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdint.h>

static const char *const kinds[] = {
    [ATM_SYNTH_SPIKES] = "spikes", [ATM_SYNTH_STROKES] = "strokes", NULL};
static const char *const layouts[] = {
    [ATM_SYNTH_UNIFORM] = "uniform", [ATM_SYNTH_FILAMENTS] = "filaments", NULL};
static const char *const psfs[] = {
    [ATM_PSF_INTEGRATED] = "integrated", [ATM_PSF_SAMPLED] = "sampled", NULL};
static const char *const count_laws[] = {
    [ATM_SYNTH_DENSITY] = "density", [ATM_SYNTH_COUNT] = "count", NULL};
static const char *const amplitude_laws[] = {[ATM_SYNTH_FIXED] = "fixed",
                                             [ATM_SYNTH_AMPLITUDE_UNIFORM] = "uniform",
                                             [ATM_SYNTH_LOGNORMAL] = "lognormal",
                                             NULL};
static const char *const blinkings[] = {
    [ATM_SYNTH_NO_BLINKING] = "none", [ATM_SYNTH_ON_OFF] = "onoff", NULL};
static const char *const noises[] = {
    [ATM_SYNTH_NO_NOISE] = "none", [ATM_SYNTH_CAMERA] = "camera", NULL};
static const char *const samples[] = {
    [ATM_SYNTH_UINT16] = "uint16", [ATM_SYNTH_FLOAT32] = "float32", NULL};

#define NUMBER(field, kind, fallback, min, max, unit, help)                                        \
    ATM_KEY(struct atm_synth_options, field, kind, fallback, min, max, unit, help)
#define CHOOSE(field, fallback, choices, help)                                                     \
    ATM_KEY_CHOOSE(struct atm_synth_options, field, fallback, choices, help)

/* The defaults are a movie of low density as a dSTORM measurement gives it: bright dyes, a few
 * emitters per frame, some of them overlapping. */
static const struct atm_key keys[] = {
    CHOOSE(kind, "spikes", kinds,
           "emitters as a camera sees them, or pen strokes: random Bezier curves, white (1) on "
           "black, of which frames, height, width, strokes_min, strokes_max and pen_px say all"),
    NUMBER(frames, INT, "500", 1, 1e7, "frames", "length of the movie"),
    NUMBER(height, INT, "64", 1, 16384, "px", "rows of a frame"),
    NUMBER(width, INT, "64", 1, 16384, "px", "columns of a frame"),
    CHOOSE(layout, "uniform", layouts,
           "where emitters are: anywhere, or on curved filaments that cross the field (their sum "
           "over the movie is a recognisable picture)"),
    CHOOSE(psf, "integrated", psfs,
           "Gaussian integrated over each pixel (photons is the total), or sampled at the pixel "
           "centres (the paper's spikes; photons is the amplitude)"),
    NUMBER(sigma_px, DOUBLE, "1.3", 0.1, ATM_PSF_MAX_SIGMA_PX, "px",
           "standard deviation of the PSF"),
    CHOOSE(count_law, "density", count_laws,
           "emitters per frame: Poisson with the mean given by density, or evenly count_min to "
           "count_max"),
    NUMBER(density, DOUBLE, "0.5", 0, 1000, "1/um^2",
           "count_law = density: mean number of emitters in a frame per area that they may occupy "
           "(needs camera.pixel_size_nm)"),
    NUMBER(count_min, INT, "1", 0, 1e6, "emitters", "count_law = count: least number in a frame"),
    NUMBER(count_max, INT, "10", 0, 1e6, "emitters",
           "count_law = count: greatest number in a frame (with blinking = onoff only the mean of "
           "both is used)"),
    NUMBER(separation_px, DOUBLE, "0", 0, 1000, "px",
           "repulsion: least distance of emitters in the same frame; 0: none"),
    NUMBER(margin_px, DOUBLE, "1", -100, 8000, "px",
           "emitters stay this far inside the outer edge of the field (from 0.5 on no coordinate "
           "is negative, which some programs drop); negative: they may lie outside by as much, "
           "where they light pixels but are not in the truth"),
    CHOOSE(amplitude_law, "lognormal", amplitude_laws,
           "photons of an emitter in a full frame: always photons; evenly photons_min to photons; "
           "lognormal between photons_min and photons_max"),
    NUMBER(photons, DOUBLE, "1000", 1e-6, 1e7, "photons",
           "fixed: the value; uniform: the upper end; lognormal: the mean before truncation. They "
           "arrive at the camera, before its quantum efficiency"),
    NUMBER(photons_min, DOUBLE, "300", 0, 1e7, "photons", "uniform, lognormal: lower end"),
    NUMBER(photons_max, DOUBLE, "3000", 1e-6, 1e7, "photons", "lognormal: upper end"),
    NUMBER(photons_spread, DOUBLE, "0.5", 0.001, 5, "",
           "lognormal: standard deviation of the logarithm"),
    CHOOSE(blinking, "none", blinkings,
           "none: new emitters in every frame; onoff: emitters switch on and off at random times, "
           "and a frame in which one is on for a part of the exposure gets that part of its "
           "photons"),
    NUMBER(on_frames, DOUBLE, "3", 0.01, 1e6, "frames",
           "blinking = onoff: mean time that an emitter is on (exponential)"),
    NUMBER(filament_count, INT, "6", 1, 10000, "filaments", "layout = filaments: their number"),
    NUMBER(filament_spacing_px, DOUBLE, "0.1", 0.001, 100, "px",
           "layout = filaments: distance between neighbouring places for emitters along them"),
    NUMBER(background, DOUBLE, "20", 0, 1e6, "photons/px", "mean background in a frame"),
    NUMBER(background_gradient, DOUBLE, "0", -2, 2, "",
           "change of the background from the left to the right edge, relative to its mean"),
    CHOOSE(noise, "camera", noises,
           "camera: photon noise, EM gain and read noise as [camera] says; none: expected values"),
    NUMBER(strokes_min, INT, "1", 1, ATM_STROKES_MAX, "strokes",
           "kind = strokes: least number in an image"),
    NUMBER(strokes_max, INT, "8", 1, ATM_STROKES_MAX, "strokes",
           "kind = strokes: greatest number in an image"),
    NUMBER(pen_px, DOUBLE, "2", 0.3, 100, "px",
           "kind = strokes: standard deviation of the Gaussian pen"),
    CHOOSE(sample, "uint16", samples,
           "pixels of the file: ADU rounded and clipped to 0..65535, or unrounded"),
};

const struct atm_section atm_synth_section = {
    "synth", "simulated movies with ground truth: emitters, blinking, PSF, camera noise", keys,
    sizeof keys / sizeof *keys};

static enum atm_status check_field(const struct atm_synth_options *o, struct atm_err *err) {
    struct atm_region region = atm_emitters_region(o);
    if (region.x1 > region.x0 && region.y1 > region.y0)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "synth.margin_px = %g leaves no room for emitters in a field of %lldx%lld: "
                       "lower it",
                       o->margin_px, (long long)o->width, (long long)o->height);
}

static enum atm_status check_count(const struct atm_synth_options *o, double pixel_size_nm,
                                   struct atm_err *err) {
    if (o->count_law == ATM_SYNTH_DENSITY && !(pixel_size_nm > 0))
        return atm_err_set(err, ATM_USAGE,
                           "synth.density is per um^2, but the pixel size is unknown: set "
                           "camera.pixel_size_nm, or synth.count_law = count");
    if (o->count_law == ATM_SYNTH_COUNT && o->count_min > o->count_max)
        return atm_err_set(err, ATM_USAGE, "synth.count_min = %lld is above synth.count_max = %lld",
                           (long long)o->count_min, (long long)o->count_max);
    /* The truth is held in memory, some 150 bytes a row: better a message than the kernel's axe. */
    const double most = 1e8;
    double rows = atm_emitters_mean(o, pixel_size_nm) * (double)o->frames;
    if (rows > most)
        return atm_err_set(err, ATM_USAGE,
                           "the movie would have about %.3g emitters, more than %.3g: lower "
                           "synth.frames or synth.%s",
                           rows, most, o->count_law == ATM_SYNTH_DENSITY ? "density" : "count_max");
    return ATM_OK;
}

static enum atm_status check_amplitude(const struct atm_synth_options *o, struct atm_err *err) {
    if (o->amplitude_law == ATM_SYNTH_AMPLITUDE_UNIFORM && o->photons_min > o->photons)
        return atm_err_set(err, ATM_USAGE,
                           "synth.photons_min = %g is above synth.photons = %g (uniform: the upper "
                           "end)",
                           o->photons_min, o->photons);
    if (o->amplitude_law != ATM_SYNTH_LOGNORMAL)
        return ATM_OK;
    double s = o->photons_spread, mu = log(o->photons) - 0.5 * s * s;
    double inside = gsl_cdf_ugaussian_P((log(o->photons_max) - mu) / s) -
                    gsl_cdf_ugaussian_P((log(o->photons_min) - mu) / s);
    if (inside > 1e-6)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "synth.photons_min..photons_max = %g..%g cut off all of the lognormal of "
                       "mean %g and spread %g: widen them, or move synth.photons between them",
                       o->photons_min, o->photons_max, o->photons, s);
}

enum atm_status atm_synth_check(const struct atm_synth_options *options, double pixel_size_nm,
                                struct atm_err *err) {
    enum atm_status status = check_field(options, err);
    if (status == ATM_OK)
        status = check_count(options, pixel_size_nm, err);
    if (status == ATM_OK)
        status = check_amplitude(options, err);
    return status;
}
