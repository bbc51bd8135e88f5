/* Schema rows of [input] and [localize]. */
#include "localize.h"

#include <string.h>

static const char *const backgrounds[] = {"auto", "none", NULL};
static const char *const bad_pixels[] = {"leave_out", "keep", NULL};

#define INPUT struct atm_input_options
static const struct atm_key input_keys[] = {
    ATM_KEY_STRING(INPUT, path, "", "the movie; empty: the one that the synth stage makes"),
    ATM_KEY(INPUT, first_frame, INT, "0", 0, 1e12, "frames", "frames before this one are left out"),
    ATM_KEY(INPUT, frame_count, INT, "0", 0, 1e12, "frames", "frames used; 0: all"),
    ATM_KEY_STRING(INPUT, roi, "",
                   "region of interest: x, y, width, height in px; empty: all. Tables stay in the "
                   "coordinates of the whole field"),
    ATM_KEY(INPUT, binning, INT, "1", 1, 16, "px",
            "so many pixels in both directions are added up, 1: none. Tables stay in pixels of the "
            "camera"),
    ATM_KEY(INPUT, size_px, INT, "0", 0, 65536, "px",
            "pictures are first brought to this size of their longer side, by area averaging; 0: "
            "as they are (pen trajectories: 128)"),
    ATM_KEY(INPUT, invert, BOOL, "no", 0, 0, "", "pictures that are black on white: white - value"),
    ATM_KEY(
        INPUT, pen_px, DOUBLE, "0", 0, 1000, "px",
        "width of the line that pen trajectories (UNIPEN) are drawn with; 0: 7/128 of the size"),
    ATM_KEY_STRING(INPUT, labels, "",
                   "file with one label per image (IDX or .npy); empty: the file's own, or "
                   "x-labels-idx1... beside x-images-idx3..."),
    ATM_KEY(INPUT, follow, BOOL, "no", 0, 0, "",
            "the file is still being written: go on as frames come"),
    ATM_KEY(INPUT, follow_s, DOUBLE, "10", 0.1, 86400, "s",
            "follow: a movie that has not grown for so long is complete"),
    ATM_KEY(
        INPUT, follow_frames, INT, "512", 64, 1e7, "frames",
        "follow: begin when so many are there; they alone tell noise and brightness, and train"),
    ATM_KEY(INPUT, allow_truncated, BOOL, "no", 0, 0, "",
            "use the whole frames of a file that was cut off"),
    ATM_KEY_CHOOSE(INPUT, background, "auto", backgrounds,
                   "auto: smooth over the field and followed in time; none: images are used as is"),
    ATM_KEY_CHOOSE(
        INPUT, bad_pixels, "leave_out", bad_pixels,
        "pixels that are always far brighter or darker than their neighbours (hot, stuck "
        "or dead): leave_out: the network sees their neighbours' mean, the fit nothing"),
    ATM_KEY(INPUT, scale, DOUBLE, "auto", 1e-9, 1e12, "photons or ADU",
            "brightness that is 1 for the network; auto: a typical peak of the movie"),
};
const struct atm_section atm_input_section = {"input", "the movie that is learned and localized",
                                              input_keys, sizeof input_keys / sizeof *input_keys};

enum atm_status atm_input_movie_options(const struct atm_input_options *input,
                                        struct atm_movie_options *options, struct atm_err *err) {
    *options =
        (struct atm_movie_options){.allow_truncated = input->allow_truncated || input->follow};
    options->picture =
        (struct atm_movie_picture_options){(ptrdiff_t)input->size_px, input->invert, input->pen_px};
    memcpy(options->labels, input->labels, sizeof options->labels);
    return atm_movie_roi_parse(input->roi, "input.roi", &options->roi, err);
}

static const char *const seeds[] = {"network", "peaks", NULL};

static const char *const photons[] = {"camera", "estimate", NULL};

#define LOCALIZE struct atm_localize_options
static const struct atm_key localize_keys[] = {
    ATM_KEY_CHOOSE(LOCALIZE, photons, "camera", photons,
                   "camera: as [camera] or the file says, otherwise brightness stays in ADU; "
                   "estimate: otherwise gain and offset from the movie's own noise"),
    ATM_KEY_CHOOSE(LOCALIZE, seeds, "network", seeds,
                   "where the fit starts: blocks of the network, or local maxima of the image "
                   "filtered with a Gaussian like its atoms, above the same threshold"),
    ATM_KEY(LOCALIZE, seed_threshold, DOUBLE, "2", 0, 1e6, "standard deviations",
            "weaker blocks (photons over their uncertainty on empty background) and peaks are no "
            "seeds"),
    ATM_KEY(LOCALIZE, false_rate, DOUBLE, "auto", 1e-9, 1e6, "per frame",
            "false positives that noise alone may cause in a frame: sets the threshold of the "
            "likelihood ratio, on simulated frames of the movie's own background and noise; auto: "
            "refine.false_per_frame by theory"),
    ATM_KEY(LOCALIZE, refine, BOOL, "yes", 0, 0, "",
            "fit the PSF to the seeds; no: positions as the blocks say"),
};
const struct atm_section atm_localize_section = {"localize", "from blocks to localizations",
                                                 localize_keys,
                                                 sizeof localize_keys / sizeof *localize_keys};
