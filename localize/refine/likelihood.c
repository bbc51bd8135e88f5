#include "likelihood.h"
#include "envelope.h"

#include <math.h>

/* glibc has log for whole vectors, good to 4 units in the last place, but declares it under
 * -ffast-math only. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
double log(double) __attribute__((simd("notinbranch")));
#endif

/* Expectations below this (a background fitted to nothing) would make one stray count infinitely
 * surprising. */
static const double MEAN_MIN = 1e-3;

ATM_FIT_CLONES
static double poisson(struct atm_pixels pixels, const double *mean, ptrdiff_t n, double *residual,
                      double *weight) {
    const double *counts = pixels.counts, *valid = pixels.valid;
    double deviance = 0;
#pragma omp simd reduction(+ : deviance)
    for (ptrdiff_t i = 0; i < n; i++) {
        double y = counts[i], mu = mean[i] > MEAN_MIN ? mean[i] : MEAN_MIN;
        double ratio =
            y > 0 ? y / mu : 1; /* counts below zero, from read noise, are as good as none */
        deviance += valid[i] * 2 * (mu - y + y * log(ratio));
        weight[i] = valid[i] / mu;
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
