#include "verdict.h"

#include <math.h>
#include <stdio.h>

/* Limits: beyond the first it fits partly, beyond the second it does not. Of widths: atoms are a
 * tenth wider or narrower than the spots that they learned from, and half or twice only where there
 * is no one width to learn; the others are those of the report's goodness of fit, or factors that
 * nobody would call small. */
struct limits {
    double partly, fails;
};
static const struct limits width_limits = {1.25, 1.4}, own_width_limits = {1.25, 2},
                           deviance_limits = {1.15, 1.5}, unexplained_limits = {0.05, 0.2},
                           photons_limits = {2, 5}, background_limits = {3, INFINITY},
                           missed_limits = {0.5, 0.9}, area_limits = {0.1, 0.5};
static const double QUIET = 0.85;    /* deviance below this: the noise is less than believed */
static const double SIGNIFICANT = 5; /* standard deviations */
static const double BAD_TILE = 1.3;

bool atm_verdict_is_bad(double deviance, double deviance_sd) {
    return deviance > BAD_TILE && deviance - 1 > SIGNIFICANT * deviance_sd;
}

struct finding {
    enum atm_fit_level level;
    double excess; /* over the limit, to compare findings of one level */
    char text[ATM_VERDICT_SIZE];
};

static bool judge(double value, struct limits limits, struct finding *finding) {
    if (!(value > limits.partly)) /* NAN: unknown */
        return false;
    finding->level = value > limits.fails ? ATM_FIT_FAILS : ATM_FIT_PARTLY;
    finding->excess = value / limits.partly;
    return true;
}

/* What a model does not know of its own movie the fit still finds, which looks for emitters in the
 * residual and learns brightness from the movie. */
static void excuse_own(const struct atm_fit_numbers *n, struct finding *finding) {
    if (n->own_movie)
        finding->level = ATM_FIT_PARTLY;
}

static const char *learn_more(const struct atm_fit_numbers *n) {
    return n->own_movie ? "train longer (train.steps)"
                        : "train on this movie (leave out --model), or longer (train.steps)";
}

#define SAY(...) snprintf(finding->text, sizeof finding->text, __VA_ARGS__)

/* Each fills a finding where it has something to complain about. */

static bool width(const struct atm_fit_numbers *n, struct finding *finding) {
    const double ratio = n->sigma_px / n->model_sigma_px;
    if (!judge(fmax(ratio, 1 / ratio), n->own_movie ? own_width_limits : width_limits, finding))
        return false;
    if (n->own_movie && finding->level == ATM_FIT_FAILS)
        SAY("no one PSF explains this movie (the network's atoms have a sigma of %.2f px, the "
            "fit's of %.2f px): a PSF that changes with depth, as for 3-D, out of focus light, or "
            "structures other than emitters",
            n->model_sigma_px, n->sigma_px);
    else
        SAY("the movie's spots have a sigma of %.2f px, the model's atoms of %.2f px; %s",
            n->sigma_px, n->model_sigma_px, learn_more(n));
    return true;
}

static bool brightness(const struct atm_fit_numbers *n, struct finding *finding) {
    const double factor = n->photons_factor;
    if (!judge(fmax(factor, 1 / factor), photons_limits, finding))
        return false;
    excuse_own(n, finding);
    SAY("the emitters are %.2g times as bright as those it was trained on; %s, and look at "
        "camera.gain",
        factor, learn_more(n));
    return true;
}

static bool ground(const struct atm_fit_numbers *n, struct finding *finding) {
    const double factor = n->background_factor;
    if (!judge(fmax(factor, 1 / factor), background_limits, finding))
        return false;
    SAY("the background is %.2g times that of the movie that the model was trained on; train on "
        "this movie (leave out --model), and look at camera.offset",
        factor);
    return true;
}

static bool deviance(const struct atm_fit_numbers *n, struct finding *finding) {
    if (!(fabs(n->deviance - 1) > SIGNIFICANT * n->deviance_sd))
        return false;
    if (n->deviance < QUIET) {
        finding->level = ATM_FIT_PARTLY, finding->excess = QUIET / n->deviance;
        SAY("the data are quieter than the camera's figures say (deviance %.2f of what noise "
            "makes); "
            "look at camera.gain and camera.read_noise",
            n->deviance);
        return true;
    }
    if (!judge(n->deviance, deviance_limits, finding))
        return false;
    SAY("what the fit leaves is %.2f times what noise makes; look at the camera's figures, at the "
        "width and form of the PSF (refine.psf), and at input.background",
        n->deviance);
    return true;
}

static bool unexplained(const struct atm_fit_numbers *n, struct finding *finding) {
    if (!(n->unexplained > SIGNIFICANT * n->unexplained_sd) ||
        !judge(n->unexplained, unexplained_limits, finding))
        return false;
    SAY("%.0f %% of the signal is not explained; look at the form of the PSF (refine.psf), or "
        "train longer (train.steps)",
        100 * n->unexplained);
    return true;
}

static bool area(const struct atm_fit_numbers *n, struct finding *finding) {
    if (!judge(n->bad_tiles, area_limits, finding))
        return false;
    SAY("%.0f %% of the field is not explained down to the noise; the map of the fit shows where: "
        "look there for other structures and for background that varies",
        100 * n->bad_tiles);
    return true;
}

static bool times(const struct atm_fit_numbers *n, struct finding *finding) {
    if (!judge(n->bad_frames, area_limits, finding))
        return false;
    SAY("%.0f %% of the frames are not explained down to the noise; the series of the fit shows "
        "which: look for jumps of the light or the focus",
        100 * n->bad_frames);
    return true;
}

static bool missed(const struct atm_fit_numbers *n, struct finding *finding) {
    if (!judge(n->from_residual, missed_limits, finding))
        return false;
    excuse_own(n, finding);
    SAY("the network did not see %.0f %% of what the fit found; %s", 100 * n->from_residual,
        learn_more(n));
    return true;
}

static bool (*const checks[])(const struct atm_fit_numbers *n, struct finding *finding) = {
    width, brightness, deviance, unexplained, area, times, missed, ground};

static void nothing_wrong(const struct atm_fit_numbers *n, struct finding *finding) {
    SAY("what the fit leaves is %.2f times what noise makes%s, %.1f %% of the signal is not "
        "explained",
        n->deviance, n->noise_measured ? " (noise measured on the movie itself)" : "",
        100 * fmax(n->unexplained, 0));
}

enum atm_fit_level atm_verdict(const struct atm_fit_numbers *n, char text[ATM_VERDICT_SIZE]) {
    static const char *const words[] = {[ATM_FIT_UNKNOWN] = "cannot tell",
                                        [ATM_FIT_FITS] = "fits",
                                        [ATM_FIT_PARTLY] = "fits partly",
                                        [ATM_FIT_FAILS] = "does not fit"};
    struct finding worst = {.level = ATM_FIT_FITS};
    if (!(n->localizations > 0)) {
        snprintf(text, ATM_VERDICT_SIZE,
                 "cannot tell: no emitter was found; look at the movie, and at "
                 "localize.seed_threshold");
        return ATM_FIT_UNKNOWN;
    }
    for (unsigned i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct finding finding = {.level = ATM_FIT_FITS};
        if (checks[i](n, &finding) &&
            (finding.level > worst.level ||
             (finding.level == worst.level && finding.excess > worst.excess)))
            worst = finding;
    }
    if (worst.level == ATM_FIT_FITS && isnan(n->deviance)) {
        worst.level = ATM_FIT_UNKNOWN;
        snprintf(worst.text, sizeof worst.text, "nothing was fitted (localize.refine = no)");
    } else if (worst.level == ATM_FIT_FITS) {
        nothing_wrong(n, &worst);
    }
    snprintf(text, ATM_VERDICT_SIZE, "%.*s: %.*s", 20, words[worst.level], ATM_VERDICT_SIZE - 30,
             worst.text);
    return worst.level;
}
