/* A section of every kind of key: what the tests of configurations read. */
#ifndef SPOT_OPTIONS_H
#define SPOT_OPTIONS_H

#include "ini.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct spot_options {
    int64_t frames;
    double sigma_px, rate;
    bool fast;
    int shape;
    char path[ATM_KEY_TEXT_SIZE];
};
static const char *const shapes[] = {"integrated", "sampled", NULL};
static const struct atm_key spot_keys[] = {
    ATM_KEY(struct spot_options, frames, INT, "20", 1, 1e6, "frames", "how many frames"),
    ATM_KEY(struct spot_options, sigma_px, DOUBLE, "auto", 0.3, 20, "px", "PSF standard deviation"),
    ATM_KEY(struct spot_options, rate, DOUBLE, "1e-3", 0, INFINITY, "", "learning rate"),
    ATM_KEY(struct spot_options, fast, BOOL, "no", 0, 0, "", "less accurate"),
    ATM_KEY_CHOOSE(struct spot_options, shape, "integrated", shapes, "shape of a spot"),
    ATM_KEY_STRING(struct spot_options, path, "", "the movie"),
};
static const struct atm_section spot_section = {"spot", "Spots and their shape.", spot_keys, 6};

#endif
