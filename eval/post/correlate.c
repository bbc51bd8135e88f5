#include "correlate.h"

#include "mem.h"
#include <fftw3.h>
#include <math.h>
#include <string.h>

struct atm_correlator {
    ptrdiff_t height, width, range; /* of the pictures */
    ptrdiff_t rows, columns;        /* padded */
    fftwf_plan forward, backward;
};

/* The next size that FFTW likes: only factors 2, 3 and 5. */
static ptrdiff_t good_size(ptrdiff_t least) {
    for (ptrdiff_t size = least;; size++) {
        ptrdiff_t rest = size;
        for (int factor = 2; factor <= 5; factor++)
            while (rest % factor == 0)
                rest /= factor;
        if (rest == 1)
            return size;
    }
}

static ptrdiff_t bins_across(const struct atm_correlator *c) { return c->columns / 2 + 1; }

size_t atm_correlator_pixels(const struct atm_correlator *c) {
    return (size_t)(c->rows * c->columns);
}

size_t atm_correlator_bins(const struct atm_correlator *c) {
    return (size_t)(c->rows * bins_across(c));
}

enum atm_status atm_correlator_create(ptrdiff_t height, ptrdiff_t width, ptrdiff_t range,
                                      struct atm_correlator **correlator, struct atm_err *err) {
    struct atm_correlator *c = *correlator = atm_mem_alloc(1, sizeof *c);
    if (!c)
        return atm_err_memory(err, "a correlation");
    *c = (struct atm_correlator){
        height, width, range, good_size(height + range), good_size(width + range), NULL, NULL};
    float *padded = atm_mem_alloc(atm_correlator_pixels(c), sizeof *padded);
    float complex *spectrum = atm_mem_alloc(atm_correlator_bins(c), sizeof *spectrum);
    if (padded && spectrum) {
        c->forward =
            fftwf_plan_dft_r2c_2d((int)c->rows, (int)c->columns, padded, spectrum, FFTW_ESTIMATE);
        c->backward =
            fftwf_plan_dft_c2r_2d((int)c->rows, (int)c->columns, spectrum, padded, FFTW_ESTIMATE);
    }
    atm_mem_free(padded);
    atm_mem_free(spectrum);
    if (c->forward && c->backward)
        return ATM_OK;
    atm_correlator_destroy(correlator);
    return atm_err_memory(err, "a correlation");
}

void atm_correlator_destroy(struct atm_correlator **correlator) {
    if (!*correlator)
        return;
    if ((*correlator)->forward)
        fftwf_destroy_plan((*correlator)->forward);
    if ((*correlator)->backward)
        fftwf_destroy_plan((*correlator)->backward);
    atm_mem_free(*correlator);
    *correlator = NULL;
}

void atm_correlator_transform(const struct atm_correlator *c, const float *picture, float *padded,
                              float complex *spectrum) {
    memset(padded, 0, atm_correlator_pixels(c) * sizeof *padded);
    for (ptrdiff_t y = 0; y < c->height; y++)
        memcpy(padded + y * c->columns, picture + y * c->width, (size_t)c->width * sizeof *picture);
    fftwf_execute_dft_r2c(c->forward, padded, spectrum);
}

/* The correlation at a shift; negative shifts stand at the end. */
static double value_at(const struct atm_correlator *c, const float *padded, ptrdiff_t dy,
                       ptrdiff_t dx) {
    ptrdiff_t y = dy < 0 ? dy + c->rows : dy, x = dx < 0 ? dx + c->columns : dx;
    return (double)padded[y * c->columns + x];
}

/* Top of a parabola through three values around 0. */
static double summit(double left, double middle, double right) {
    double curvature = left - 2 * middle + right;
    return curvature < 0 ? 0.5 * (left - right) / curvature : 0;
}

struct atm_correlator_peak atm_correlator_meet(const struct atm_correlator *c,
                                               const float complex *a, const float complex *b,
                                               float complex *product, float *padded) {
    const size_t bins = atm_correlator_bins(c);
    for (size_t i = 0; i < bins; i++) /* by hand: C's complex product looks for infinities */
        product[i] = CMPLXF(crealf(a[i]) * crealf(b[i]) + cimagf(a[i]) * cimagf(b[i]),
                            crealf(a[i]) * cimagf(b[i]) - cimagf(a[i]) * crealf(b[i]));
    fftwf_execute_dft_c2r(c->backward, product, padded);
    ptrdiff_t best_x = 0, best_y = 0;
    double best = -INFINITY, sum = 0;
    for (ptrdiff_t dy = -c->range; dy <= c->range; dy++)
        for (ptrdiff_t dx = -c->range; dx <= c->range; dx++) {
            double value = value_at(c, padded, dy, dx);
            sum += value;
            if (value > best)
                best = value, best_x = dx, best_y = dy;
        }
    double places = (double)(2 * c->range + 1) * (double)(2 * c->range + 1);
    struct atm_correlator_peak peak = {(double)best_x, (double)best_y, best / (sum / places)};
    if (best_x > -c->range && best_x < c->range)
        peak.dx += summit(value_at(c, padded, best_y, best_x - 1), best,
                          value_at(c, padded, best_y, best_x + 1));
    if (best_y > -c->range && best_y < c->range)
        peak.dy += summit(value_at(c, padded, best_y - 1, best_x), best,
                          value_at(c, padded, best_y + 1, best_x));
    return peak;
}
