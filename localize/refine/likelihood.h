/* Likelihoods of pixel counts, as one table. Counts are images shifted and scaled so that their
 * variance equals their expectation (Poisson, also with a Gaussian part: Huang et al. 2013,
 * doi:10.1038/nmeth.2488); what stays Gaussian carries its variance with it. */
#ifndef ATM_LIKELIHOOD_H
#define ATM_LIKELIHOOD_H

#include <stddef.h>

enum { ATM_LIKELIHOOD_POISSON, ATM_LIKELIHOOD_LEAST_SQUARES, ATM_LIKELIHOOD_COUNT };

struct atm_pixels {
    const double *counts;
    const double *valid;    /* 1, or 0 where a pixel must be left out */
    const double *variance; /* least squares only: taken from the model before the fit */
};

struct atm_likelihood {
    const char *name;
    /* Deviance, -2 log(likelihood / likelihood of the perfect model), of n pixels with the
     * expectations mean > 0. Fills residual = -1/2 d deviance / d mean and weight = Fisher
     * information of mean. */
    double (*evaluate)(struct atm_pixels pixels, const double *mean, ptrdiff_t n, double *residual,
                       double *weight);
};
extern const struct atm_likelihood atm_likelihoods[ATM_LIKELIHOOD_COUNT];

#endif
