/* Whether the model and the fit know the data: figures, and one line in plain language. */
#ifndef ATM_VERDICT_H
#define ATM_VERDICT_H

#include <stdbool.h>

enum atm_fit_level {
    ATM_FIT_UNKNOWN, /* nothing was found, or nothing was fitted */
    ATM_FIT_FITS,
    ATM_FIT_PARTLY,
    ATM_FIT_FAILS,
};

struct atm_fit_numbers {
    /* Of the whole movie: deviance over what noise alone makes (1 for a perfect fit) and the part
     * of the signal's energy that the fit leaves, each with its standard deviation for a perfect
     * fit. NAN where nothing was fitted. */
    double deviance, deviance_sd, unexplained, unexplained_sd;
    double bad_tiles, bad_frames;    /* share of those that the fit does not explain */
    double sigma_px, model_sigma_px; /* of the movie's spots and of the model's atoms */
    /* By what factor this movie's blocks (or peaks) are brighter, and its background higher, than
     * those that the model was trained on. NAN unknown. */
    double photons_factor, background_factor;
    double from_residual; /* share of the localizations that the network had not seen */
    double localizations;
    bool own_movie;      /* the model was trained on this movie */
    bool noise_measured; /* on the residuals themselves, which therefore look right on average */
};

/* A tile or frame is bad when its deviance is this many times what noise makes, significantly. */
bool atm_verdict_is_bad(double deviance, double deviance_sd);

/* text: "fits: why", "fits partly: why; what to do", ...: the gravest reason. */
enum { ATM_VERDICT_SIZE = 400 };
enum atm_fit_level atm_verdict(const struct atm_fit_numbers *numbers, char text[ATM_VERDICT_SIZE]);

#endif
