/* Schema rows of [input] and [localize]. */
#include "localize.h"

static const char *const backgrounds[] = {"auto", "none", NULL};

#define INPUT struct atm_input_options
static const struct atm_key input_keys[] = {
    ATM_KEY_STRING(INPUT, path, "", "the movie; empty: the one that the synth stage makes"),
    ATM_KEY(INPUT, first_frame, INT, "0", 0, 1e12, "frames", "frames before this one are left out"),
    ATM_KEY(INPUT, frame_count, INT, "0", 0, 1e12, "frames", "frames used; 0: all"),
    ATM_KEY(INPUT, allow_truncated, BOOL, "no", 0, 0, "",
            "use the whole frames of a file that was cut off"),
    ATM_KEY_CHOOSE(INPUT, background, "auto", backgrounds,
                   "auto: smooth over the field and followed in time; none: images are used as is"),
    ATM_KEY(INPUT, scale, DOUBLE, "auto", 1e-9, 1e12, "photons or ADU",
            "brightness that is 1 for the network; auto: a typical peak of the movie"),
};
const struct atm_section atm_input_section = {"input", "the movie that is learned and localized",
                                              input_keys, sizeof input_keys / sizeof *input_keys};

#define LOCALIZE struct atm_localize_options
static const struct atm_key localize_keys[] = {
    ATM_KEY(LOCALIZE, seed_threshold, DOUBLE, "2", 0, 1e6, "standard deviations",
            "weaker blocks (photons over their uncertainty on empty background) are no seeds"),
    ATM_KEY(LOCALIZE, refine, BOOL, "yes", 0, 0, "",
            "fit the PSF to the seeds; no: positions as the blocks say"),
};
const struct atm_section atm_localize_section = {"localize", "from blocks to localizations",
                                                 localize_keys,
                                                 sizeof localize_keys / sizeof *localize_keys};
