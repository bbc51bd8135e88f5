#include "histogram.h"

#include <math.h>

static const double FIRST_DECADE = -3;

static int bin_of(double value) {
    double at = (log10(value) - FIRST_DECADE) * ATM_HISTOGRAM_PER_DECADE;
    return !(value > 0) || at < 0                 ? 0
           : at >= (double)ATM_HISTOGRAM_BINS - 1 ? ATM_HISTOGRAM_BINS - 1
                                                  : (int)at;
}

void atm_histogram_add(struct atm_histogram *histogram, double value) {
    if (!isnan(value))
        histogram->counts[bin_of(value)]++;
}

double atm_histogram_edge(int bin) {
    return pow(10, FIRST_DECADE + (double)bin / ATM_HISTOGRAM_PER_DECADE);
}

static double sum_from(const struct atm_histogram *h, int first) {
    double sum = 0;
    for (int i = first; i < ATM_HISTOGRAM_BINS; i++)
        sum += h->counts[i];
    return sum;
}

double atm_histogram_factor(const struct atm_histogram *a, const struct atm_histogram *b,
                            double from, double least) {
    const int first = from > 0 ? bin_of(from) + 1 : 0;
    const double all_a = sum_from(a, first), all_b = sum_from(b, first);
    double part_a = 0, part_b = 0, distance = 0, shift = 0;
    if (!(all_a >= least && all_b >= least) || first >= ATM_HISTOGRAM_BINS)
        return NAN;
    for (int i = first; i < ATM_HISTOGRAM_BINS; i++) {
        part_a += a->counts[i] / all_a, part_b += b->counts[i] / all_b;
        distance += fabs(part_a - part_b);
        shift += part_a - part_b; /* positive where b lies higher */
    }
    return pow(10, copysign(distance, shift) / ATM_HISTOGRAM_PER_DECADE);
}
