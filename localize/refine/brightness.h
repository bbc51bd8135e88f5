/* How bright the emitters of a movie are: most alike (log-normal), and a share of dimmer ones that
 * were on for part of the frame only. */
#ifndef ATM_BRIGHTNESS_H
#define ATM_BRIGHTNESS_H

struct atm_brightness {
    double log_mean, log_sd; /* log_sd 0: nothing is known */
    double dim_share;
};

/* Log density of those d above the main part's mean, in log brightness: on for a uniform fraction
 * of the frame (density exp(d), d < 0), convolved with a normal of the given sd. rise (may be
 * NULL): its derivative; bend: minus its second derivative. */
double atm_brightness_dim(double d, double sd, double *rise, double *bend);

/* -2 log of the density of log brightness, relative to the peak of the main part; its pull (-1/2
 * its derivative) and stiffness (about 1/2 its second derivative, never negative). 0 where nothing
 * is known. */
double atm_brightness_penalty(const struct atm_brightness *brightness, double log_value,
                              double *pull, double *stiffness);

#endif
