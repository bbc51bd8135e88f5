/* How bright the emitters of a movie are: most alike (log-normal), and a share of dimmer ones that
 * were on for part of the frame only. */
#ifndef ATM_BRIGHTNESS_H
#define ATM_BRIGHTNESS_H

struct atm_brightness {
    double log_mean, log_sd; /* log_sd 0: nothing is known */
    double dim_share;
};

/* Dim ones: on for a fraction of the frame that may be anything has log mean -1 and log sd 1; those
 * that can be seen are a little above. */
#define ATM_BRIGHTNESS_DIM_SHIFT 0.9
#define ATM_BRIGHTNESS_DIM_SD 0.8

/* -2 log of the density of log brightness, relative to the peak of the main part; its pull (-1/2
 * its derivative) and stiffness (about 1/2 its second derivative, always positive). 0 where nothing
 * is known. */
double atm_brightness_penalty(const struct atm_brightness *brightness, double log_value,
                              double *pull, double *stiffness);

#endif
