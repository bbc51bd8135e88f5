#include "likelihood.h"

#include <math.h>

/* Expectations below this (a background fitted to nothing) would make one stray count infinitely
 * surprising. */
static const double MEAN_MIN = 1e-3;

static double poisson(struct atm_pixels pixels, const double *mean, ptrdiff_t n, double *residual,
                      double *weight) {
    double deviance = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        double y = pixels.counts[i], mu = fmax(mean[i], MEAN_MIN), valid = pixels.valid[i];
        double surprise = y > 0 ? y * log(y / mu) : 0;
        deviance += valid * 2 * (mu - y + surprise);
        weight[i] = valid / mu;
        residual[i] = (y - mu) * weight[i];
    }
    return deviance;
}

static double least_squares(struct atm_pixels pixels, const double *mean, ptrdiff_t n,
                            double *residual, double *weight) {
    double deviance = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        double difference = pixels.counts[i] - mean[i];
        weight[i] = pixels.valid[i] / pixels.variance[i];
        residual[i] = difference * weight[i];
        deviance += difference * residual[i];
    }
    return deviance;
}

const struct atm_likelihood atm_likelihoods[ATM_LIKELIHOOD_COUNT] = {
    [ATM_LIKELIHOOD_POISSON] = {"poisson", poisson},
    [ATM_LIKELIHOOD_LEAST_SQUARES] = {"least_squares", least_squares},
};
