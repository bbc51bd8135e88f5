/* Histograms over the logarithm of a brightness. Their bins are the same everywhere, so that those
 * of different movies can be added and compared. */
#ifndef ATM_HISTOGRAM_H
#define ATM_HISTOGRAM_H

enum { ATM_HISTOGRAM_BINS = 240, ATM_HISTOGRAM_PER_DECADE = 20 }; /* from 1e-3 to 1e9 */

struct atm_histogram {
    double counts[ATM_HISTOGRAM_BINS];
};

/* Values beyond the ends, and what has no logarithm, go to the first or last bin; NAN to none. */
void atm_histogram_add(struct atm_histogram *histogram, double value);
/* Lower edge of a bin, 0 to ATM_HISTOGRAM_BINS. */
double atm_histogram_edge(int bin);
/* By what factor the values of b above `from` are those of a: exp of the mean distance between
 * their logarithms' distribution functions, which for a mere change of scale is that change.
 * Between 0 and infinity, below 1 where b is dimmer; NAN where one of them has fewer than `least`
 * values there. */
double atm_histogram_factor(const struct atm_histogram *a, const struct atm_histogram *b,
                            double from, double least);

#endif
