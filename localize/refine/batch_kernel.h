/* Inside of fit_batch: the kernel of each instruction set. */
#ifndef ATM_BATCH_KERNEL_H
#define ATM_BATCH_KERNEL_H

#include "fit_batch.h"
#include <stdbool.h>

/* Half of the deviance is good to about 1e-3 in single precision: less is no reason to go back. */
#define ATM_BATCH_SLACK 5e-3F
/* Stop when the next step promises less than this in deviance: 2 % of a standard deviation, and the
 * step is still taken. */
#define ATM_BATCH_TOLERANCE 5e-4F

#define ATM_BATCH_COUNT_MAX 1e12F /* beyond: as good as not measured */

enum { ATM_BATCH_PIXELS = ATM_BATCH_WINDOW_MAX * ATM_BATCH_WINDOW_MAX, ATM_BATCH_ITERATIONS = 40 };

struct atm_batch_kernel {
    const char *name;
    void (*run)(const struct atm_batch_job *job, ptrdiff_t first, ptrdiff_t count,
                struct atm_batch_fit *fits);
};
extern const struct atm_batch_kernel atm_batch_avx512, atm_batch_avx2, atm_batch_plain;

#endif
