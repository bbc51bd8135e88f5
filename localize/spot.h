/* Measuring one spot in an image: adaptive moments, and a least-squares fit of a sampled Gaussian.
 */
#ifndef ATM_SPOT_H
#define ATM_SPOT_H

#include <stdbool.h>
#include <stddef.h>

/* The part of an image that is looked at: rows y0..y1-1 and columns x0..x1-1 (not empty) of an
 * image whose rows are `stride` apart. Positions are the image's, pixel centres at integers. */
struct atm_spot_window {
    const float *image;
    ptrdiff_t stride, x0, y0, x1, y1;
};

/* By moments. */
struct atm_spot_moments {
    double mass, x, y, sigma; /* mass: sum of the pixels of a Gaussian that fits */
    bool compact;             /* a positive spot: position and sigma mean something */
};

/* Adaptive moments (Bernstein and Jarvis 2002, doi:10.1086/338085), started at the brightest pixel.
 * Where there is no compact spot, mass is the weighted sum around the window's middle. */
void atm_spot_measure(const struct atm_spot_window *window, struct atm_spot_moments *spot);

/* amplitude * exp(-r^2 / (2 sigma^2)): a Gaussian sampled at pixel centres. */
struct atm_spot_fit {
    double amplitude, x, y, sigma;
    double residual; /* |image - fit| / |image| over the window, 0..; 1 for an empty window */
};

/* Least squares from the start that *fit holds (amplitude is not needed) by Levenberg-Marquardt.
 * False, with *fit left as it was, when it finds no positive spot inside the window. */
bool atm_spot_fit(const struct atm_spot_window *window, struct atm_spot_fit *fit);

/* Amplitude of the spot of this place and width that fits best; 0 where none of it is seen. */
double atm_spot_amplitude(const struct atm_spot_window *window, double x, double y, double sigma);

#endif
