/* Fits of single emitters in small square windows, many at once: the vector lanes of the processor
 * hold a fit each, in single precision. The same models, bounds and damping as atm_fit_run, which
 * is their specification in double precision. */
#ifndef ATM_FIT_BATCH_H
#define ATM_FIT_BATCH_H

#include "fit_psf.h"
#include "likelihood.h"

#include <stdint.h>

enum {
    ATM_BATCH_WINDOW_MIN = 5,
    ATM_BATCH_WINDOW_MAX = 15,
    ATM_BATCH_BACKGROUND = ATM_SPOT_PARAMETERS, /* behind the spot's parameters */
    ATM_BATCH_VALUES
};

enum atm_batch_flag {
    ATM_BATCH_NOT_CONVERGED = 1,
    ATM_BATCH_AT_BOUND = 2, /* centre at the window's edge, width at its limit, or no amplitude */
    ATM_BATCH_MASKED = 4,   /* some pixel was left out */
};

struct atm_batch_fit {
    /* x, y in pixels of the window, amplitude, sx, sy, background; counts. Standard deviations from
     * the Fisher matrix (least squares: the sandwich with Poisson noise); 0 for what is not fitted.
     */
    float value[ATM_BATCH_VALUES], unc[ATM_BATCH_VALUES];
    float deviance; /* twice the log-likelihood ratio of a perfect model to this one; least squares:
                     */
                    /* sum of squares over the window's mean count */
    int32_t iterations;
    uint32_t flags; /* enum atm_batch_flag */
};

struct atm_batch_job {
    ptrdiff_t count, window; /* fits; pixels along a side, 5 to 15 */
    const float *counts;     /* (count, window, window); not finite: left out */
    const float *shift;      /* (count, window, window) or NULL for 0: part of the expectation */
    const struct atm_psf *psf;
    int likelihood;     /* ATM_LIKELIHOOD_POISSON, or _LEAST_SQUARES of equal weights */
    int max_iterations; /* 0: a default */
};

/* Starts are guessed from the windows. Any of the caller's threads may take part; a fit's result
 * does not depend on their number, nor on its neighbours. Uses a fixed amount of the stack. */
void atm_batch_run(const struct atm_batch_job *job, struct atm_batch_fit *fits);

/* What the deviance of a fit is on average when its model is right, less one for each parameter,
 * and its variance. Poisson only. */
void atm_batch_expect(const struct atm_batch_job *job, ptrdiff_t index,
                      const struct atm_batch_fit *fit, double *average, double *variance);

/* Instruction sets that the processor has, the best first; NULL after the last. For benchmarks. */
const char *atm_batch_set(int index);
void atm_batch_run_on(int set, const struct atm_batch_job *job, struct atm_batch_fit *fits);

#endif
