#include "brightness.h"

#include <gsl/gsl_sf_erf.h>
#include <math.h>
#include <stdbool.h>

double atm_brightness_dim(double d, double sd, double *rise, double *bend) {
    double z = (d + sd * sd) / sd;
    bool far_below = z < -30; /* GSL calls underflow an error */
    const double log_tail = far_below ? 0 : gsl_sf_log_erfc(z * M_SQRT1_2) - M_LN2;
    if (rise) {
        double hazard = exp(-0.5 * z * z - log_tail) / sqrt(2 * M_PI);
        *rise = 1 - hazard / sd;
        *bend = fmax(0, hazard * (hazard - z) / (sd * sd));
    }
    return d + 0.5 * sd * sd + log_tail;
}

double atm_brightness_penalty(const struct atm_brightness *brightness, double log_value,
                              double *pull, double *stiffness) {
    const double sd = brightness->log_sd, share = brightness->dim_share;
    *pull = *stiffness = 0;
    if (!(sd > 0))
        return 0;
    double d = log_value - brightness->log_mean, rise, bend;
    double main_part = log1p(-share) - 0.5 * d * d / (sd * sd);
    double dim_part = atm_brightness_dim(d, sd, &rise, &bend) + log(share * sd * sqrt(2 * M_PI));
    double larger = fmax(main_part, dim_part);
    double sum = exp(main_part - larger) + exp(dim_part - larger);
    double belongs = exp(main_part - larger) / sum; /* to the main part */
    *pull = -belongs * d / (sd * sd) + (1 - belongs) * rise;
    *stiffness = belongs / (sd * sd) + (1 - belongs) * bend;
    return -2 * (larger + log(sum));
}
