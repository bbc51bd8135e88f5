#include "brightness.h"

#include <math.h>

double atm_brightness_penalty(const struct atm_brightness *brightness, double log_value,
                              double *pull, double *stiffness) {
    const double sd = brightness->log_sd, share = brightness->dim_share;
    *pull = *stiffness = 0;
    if (!(sd > 0))
        return 0;
    const double dim_sd = fmax(ATM_BRIGHTNESS_DIM_SD, sd);
    double d = log_value - brightness->log_mean, e = d + ATM_BRIGHTNESS_DIM_SHIFT;
    double main_part = log1p(-share) - 0.5 * d * d / (sd * sd);
    double dim_part = log(share * sd / dim_sd) - 0.5 * e * e / (dim_sd * dim_sd);
    double larger = fmax(main_part, dim_part);
    double sum = exp(main_part - larger) + exp(dim_part - larger);
    double belongs = exp(main_part - larger) / sum; /* to the main part */
    *pull = -belongs * d / (sd * sd) - (1 - belongs) * e / (dim_sd * dim_sd);
    *stiffness = belongs / (sd * sd) + (1 - belongs) / (dim_sd * dim_sd);
    return -2 * (larger + log(sum));
}
