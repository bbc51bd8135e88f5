/* The sections [eval] and [render]. */
#include "match.h"
#include "render.h"
#include "score.h"

#include <math.h>

/* In the order of their enums. */
static const char *const matchings[] = {"greedy", "hungarian", NULL};
static const char *const axes[] = {"xy", "yx", NULL};
static const char *const blurs[] = {"precision", "fixed", "none", "ash", NULL};
static const char *const formats[] = {"png", "tiff", NULL};
static const char *const depths[] = {"8", "16", NULL};
/* In the order of enum atm_colormap_kind, and behind them by time. */
static const char *const colors[] = {"hot", "gray", "ice", "time", NULL};

static const struct atm_key eval_keys[] = {
    ATM_KEY(struct atm_eval_options, tolerance_nm, DOUBLE, "250", 1e-3, 1e6, "nm",
            "largest lateral distance of a pair; scores at 100 nm are always printed beside it"),
    ATM_KEY(struct atm_eval_options, border_nm, DOUBLE, "0", 0, 1e9, "nm",
            "outer border of the field left out of both lists; the challenge uses 450"),
    ATM_KEY_CHOOSE(struct atm_eval_options, matching, "greedy", matchings,
                   "greedy: nearest pair first, as the challenge; hungarian: most pairs, then "
                   "least summed distance"),
    ATM_KEY(struct atm_eval_options, photon_quantile, DOUBLE, "0", 0, 0.999, "",
            "true emitters below this quantile of the true photons are ignored, and so are the "
            "localizations paired with them; the challenge uses 0 and 0.25; 0 ignores none"),
    ATM_KEY(struct atm_eval_options, pixel_size_nm, DOUBLE, "auto", 1e-3, 1e6, "nm",
            "camera pixel where neither table states it"),
    ATM_KEY(struct atm_eval_options, field_width, INT, "0", 0, 1e9, "px",
            "width of the field for the border and the grid control; 0: as the tables state"),
    ATM_KEY(struct atm_eval_options, field_height, INT, "0", 0, 1e9, "px", "height of the field"),
    ATM_KEY(struct atm_eval_options, bootstrap, INT, "500", 0, 1e5, "",
            "resamples of the frames behind the 95 % intervals; 0: no intervals"),
    ATM_KEY(
        struct atm_eval_options, sigma_px, DOUBLE, "auto", 0.1, 50, "px",
        "PSF of the Cramer-Rao limit; auto: median width of the localizations. Models: width of "
        "the true spikes; auto: as the stack was simulated, else the atoms'"),
    ATM_KEY(
        struct atm_eval_options, background, DOUBLE, "auto", 0, 1e9, "photons",
        "per pixel, of the Cramer-Rao limit; auto: the truth's, else the localizations' median"),
    ATM_KEY_CHOOSE(struct atm_eval_options, axes, "xy", axes,
                   "yx: the localizations' x and y are exchanged before scoring"),
    ATM_KEY(struct atm_eval_options, scale, DOUBLE, "1", 1e-3, 1e3, "",
            "the localizations' positions are multiplied by it, from the field's outer corner"),
    ATM_KEY(struct atm_eval_options, shift_x_nm, DOUBLE, "0", -1e6, 1e6, "nm",
            "added to the localizations' x, after axes and scale"),
    ATM_KEY(struct atm_eval_options, shift_y_nm, DOUBLE, "0", -1e6, 1e6, "nm", "added to their y"),
    ATM_KEY(struct atm_eval_options, shift_frames, INT, "0", -1e9, 1e9, "",
            "added to their frames"),
    ATM_KEY(struct atm_eval_options, images, INT, "10000", 0, 1e9, "",
            "models: test images that are looked at; 0: all of the stack"),
    ATM_KEY(struct atm_eval_options, refined_images, INT, "1000", 0, 1e9, "",
            "models: of these, images whose latents are also refined through the decoder; 0: none"),
    ATM_KEY(struct atm_eval_options, tolerance_sigma, DOUBLE, "2", 0.01, 100, "sigma",
            "models: largest distance of a block from its spike"),
    ATM_KEY(struct atm_eval_options, active, DOUBLE, "0.05", 0, 1, "",
            "models: a block is active when |g| / |x| is at least this"),
    ATM_KEY_STRING(struct atm_eval_options, baseline, "",
                   "models of strokes: movie whose mean and principal components stand beside the "
                   "model; empty: the test images themselves (which then are told better)"),
    ATM_KEY(struct atm_eval_options, baseline_images, INT, "0", 0, ATM_BASELINE_MOST, "",
            "models of strokes: so many of its first images; 0: all, at most 2000"),
};

const struct atm_section atm_eval_section = {
    .name = "eval",
    .help = "scores of localizations against ground truth",
    .keys = eval_keys,
    .key_count = sizeof eval_keys / sizeof *eval_keys,
};

static const struct atm_key render_keys[] = {
    ATM_KEY(struct atm_render_options, zoom, DOUBLE, "10", 0.01, 1000, "",
            "super-resolution pixels per camera pixel"),
    ATM_KEY_CHOOSE(struct atm_render_options, blur, "precision", blurs,
                   "precision: each localization's own uncertainty; fixed: sigma_nm; none: a "
                   "histogram; ash: the average of shifted histograms"),
    ATM_KEY(struct atm_render_options, sigma_nm, DOUBLE, "10", 0.01, 1e5, "nm",
            "fixed blur, and the blur of localizations without uncertainty"),
    ATM_KEY(struct atm_render_options, min_sigma_nm, DOUBLE, "0", 0, 1e5, "nm",
            "blur = precision: least blur, so that very precise blinks stay visible"),
    ATM_KEY(struct atm_render_options, shifts, INT, "4", 1, 64, "",
            "blur = ash: histograms that are averaged; their bins have as many pixels"),
    ATM_KEY(struct atm_render_options, saturation, DOUBLE, "0.99", 0.01, 1, "",
            "quantile of the non-empty pixels that is shown at full intensity"),
    ATM_KEY(struct atm_render_options, max_size, INT, "4096", 16, 30000, "px",
            "zoom is lowered until the longer side of the picture fits"),
    ATM_KEY_STRING(
        struct atm_render_options, region, "",
        "left, top, right and bottom of what is drawn, in camera pixels (pixel centres are "
        "whole numbers), as 10 10 42.5 30; empty: the field"),
    ATM_KEY_CHOOSE(struct atm_render_options, colors, "hot", colors,
                   "colours of more and more localizations; time: early blue, late red"),
    ATM_KEY_CHOOSE(struct atm_render_options, depth, "8", depths,
                   "bits of a PNG; 16: grey, linear up to the saturation, without scale bar"),
    {"scale_bar", ATM_KEY_BOOL, offsetof(struct atm_render_options, scale_bar), "yes", 0, 0, NULL,
     "", "draw a scale bar into 8-bit pictures"},
    ATM_KEY_CHOOSE(
        struct atm_render_options, format, "png", formats,
        "file that the post step render writes; tiff: localizations per pixel as floats, "
        "with the pixel size for ImageJ"),
};

const struct atm_section atm_render_section = {
    .name = "render",
    .help = "super-resolution picture",
    .keys = render_keys,
    .key_count = sizeof render_keys / sizeof *render_keys,
};
