#include "likelihood.h"
#include "clones.h"

#include <math.h>

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
        /* read noise may leave less than nothing: the slope, which keeps the mean of estimates
         * right, is that of any other count */
        double perfect = y > MEAN_MIN ? y : MEAN_MIN;
        deviance += valid[i] * 2 * (mu - y - y * log(mu / perfect));
        weight[i] = valid[i] / mu;
        residual[i] = (y - mu) * weight[i];
    }
    return deviance;
}

/* Average and variance of a pixel's deviance at expectations of 2^-10.5, 2^-10, ... 2^6.5, summed
 * over the Poisson distribution (the test sums them again). */
static const double first_octave = -10.5;
enum { PER_OCTAVE = 2 };
static const double moments[][2] = {
    {0.010052, 0.108901}, {0.013539, 0.137497}, {0.018191, 0.172433}, {0.024374, 0.214612},
    {0.032558, 0.264826}, {0.043343, 0.323618}, {0.057479, 0.391070}, {0.075897, 0.466529},
    {0.099726, 0.548271}, {0.130302, 0.633122}, {0.169156, 0.716109}, {0.217954, 0.790284},
    {0.278381, 0.846949}, {0.351919, 0.876652}, {0.439498, 0.871440}, {0.540973, 0.828805},
    {0.654447, 0.757376}, {0.775508, 0.683232}, {0.896600, 0.653362}, {1.007018, 0.729669},
    {1.094171, 0.965623}, {1.146806, 1.364602}, {1.159952, 1.841019}, {1.139404, 2.232975},
    {1.101370, 2.401531}, {1.064482, 2.351495}, {1.039094, 2.220199}, {1.024617, 2.123203},
    {1.016347, 2.074008}, {1.011164, 2.048172}, {1.007723, 2.032477}, {1.005382, 2.022271},
    {1.003768, 2.015428}, {1.002646, 2.010758}, {1.001862, 2.007534},
};
enum { MOMENTS = sizeof moments / sizeof *moments };

/* Cubic (Catmull-Rom) between the four values around a place, t in [0, 1] after the second. */
static double between(const double (*p)[2], int which, double t) {
    double a = p[0][which], b = p[1][which], c = p[2][which], d = p[3][which];
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

static void expect_poisson(const double *valid, const double *mean, ptrdiff_t n, double *average,
                           double *variance) {
    for (ptrdiff_t i = 0; i < n; i++) {
        double mu = fmax(mean[i], MEAN_MIN);
        double place = PER_OCTAVE * (log2(mu) - first_octave);
        if (!(valid[i] > 0))
            continue;
        if (place >= MOMENTS - 2) {
            *average += 1 + (1 + 1 / mu) / (6 * mu), *variance += 2 + 2 / (3 * mu);
            continue;
        }
        ptrdiff_t at = (ptrdiff_t)place;
        *average += between(&moments[at - 1], 0, place - (double)at);
        *variance += between(&moments[at - 1], 1, place - (double)at);
    }
}

static void expect_gaussian(const double *valid, const double *mean, ptrdiff_t n, double *average,
                            double *variance) {
    (void)mean;
    for (ptrdiff_t i = 0; i < n; i++)
        *average += valid[i], *variance += 2 * valid[i];
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
    [ATM_LIKELIHOOD_POISSON] = {"poisson", poisson, expect_poisson},
    [ATM_LIKELIHOOD_LEAST_SQUARES] = {"least_squares", least_squares, expect_gaussian},
};
