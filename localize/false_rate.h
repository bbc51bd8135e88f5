/* A threshold with a meaning: how many false positives a frame noise alone would cause. */
#ifndef ATM_FALSE_RATE_H
#define ATM_FALSE_RATE_H

#include "tune.h"

struct atm_false_rate {
    double threshold; /* likelihood ratio, in deviance, that an emitter must be worth */
    double expected;  /* false positives in a frame above it; less than what was asked where the fit
                         has no more candidates */
    double frames;    /* simulated */
};

/* Simulates frames of the movie's own background and noise, without emitters, finds what the
 * network and the fit, with all that tuning knows, make of them at a low threshold, and chooses the
 * one that `rate` false positives a frame pass. Rates too low to be counted are extrapolated by the
 * theory of maxima of smooth noise (model_choice.h). Deterministic. */
enum atm_status atm_false_rate_calibrate(struct atm_source *source, struct atm_seeder *seeder,
                                         const struct atm_refine_options *options,
                                         const struct atm_tuning *tuning, double rate,
                                         struct atm_false_rate *result, struct atm_err *err);

#endif
