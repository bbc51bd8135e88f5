#include "fluctuation.h"
#include "background.h"
#include "frame_sample.h"
#include "mem.h"

#include <math.h>

/* Along an axis, the mean over all places of a pixel-integrated Gaussian: sums over its pixels of
 * g(i)^2, g(i) g(i + 1) and g(i)^2 g(i + 1). */
static void axis_sums(double sigma_px, double sums[3]) {
    enum { PLACES = 16 };
    const ptrdiff_t reach = (ptrdiff_t)ceil(6 * sigma_px) + 1;
    sums[0] = sums[1] = sums[2] = 0;
    for (int place = 0; place < PLACES; place++) {
        const double scale = M_SQRT1_2 / sigma_px, centre = (place + 0.5) / PLACES - 0.5;
        double last = 0;
        for (ptrdiff_t i = -reach; i <= reach; i++) {
            const double edge = (double)i - 0.5 - centre;
            const double g = 0.5 * (erf((edge + 1) * scale) - erf(edge * scale));
            sums[0] += g * g / PLACES;
            sums[1] += last * g / PLACES;
            sums[2] += last * last * g / PLACES;
            last = g;
        }
    }
}

/* Sums over all squares of four pixels of a frame, of the products of neighbours and of three. */
static void add_up(const float *frame, const double *mean, ptrdiff_t height, ptrdiff_t width,
                   double *pairs, double *triples) {
    *pairs = *triples = 0;
    for (ptrdiff_t y = 0; y + 1 < height; y++)
        for (ptrdiff_t x = 0; x + 1 < width; x++) {
            const ptrdiff_t i = y * width + x, j = i + width;
            const double a = (double)frame[i] - mean[i], b = (double)frame[i + 1] - mean[i + 1];
            const double c = (double)frame[j] - mean[j], d = (double)frame[j + 1] - mean[j + 1];
            *pairs += (a + d) * (b + c) / 4;
            *triples += (a * b * (c + d) + c * d * (a + b)) / 4;
        }
}

enum atm_status atm_fluctuation_measure(const float *frames, ptrdiff_t count, ptrdiff_t height,
                                        ptrdiff_t width, double sigma_px,
                                        struct atm_fluctuation *result, struct atm_err *err) {
    const ptrdiff_t pixels = height * width;
    *result = (struct atm_fluctuation){NAN, NAN};
    double *mean = atm_mem_alloc((size_t)(pixels + 2 * count), sizeof *mean);
    if (!mean)
        return atm_err_memory(err, "fluctuations");
    double *pairs = mean + pixels, *triples = pairs + count, sums[3], sum[2] = {0}, square = 0;
    double n = 0;
    for (ptrdiff_t t = 0; t < count; t++) {
        const float *frame = frames + t * pixels;
        const bool blank = atm_frame_is_blank(frame, pixels);
        for (ptrdiff_t i = 0; !blank && i < pixels; i++)
            mean[i] += (double)frame[i];
        n += !blank;
    }
    for (ptrdiff_t i = 0; i < pixels; i++)
        mean[i] /= n;
    axis_sums(sigma_px, sums);
    for (ptrdiff_t t = 0; t < count; t++) {
        const float *frame = frames + t * pixels;
        if (atm_frame_is_blank(frame, pixels))
            continue;
        add_up(frame, mean, height, width, &pairs[t], &triples[t]);
        pairs[t] *= n / (n - 1) / (sums[0] * sums[1]);
        triples[t] *= n * n / ((n - 1) * (n - 2)) / (sums[2] * sums[2]);
        sum[0] += pairs[t], sum[1] += triples[t];
    }
    const double ratio = sum[1] / sum[0];
    for (ptrdiff_t t = 0; t < count; t++)
        square += (triples[t] - ratio * pairs[t]) * (triples[t] - ratio * pairs[t]);
    if (n >= ATM_FLUCTUATION_FRAMES && sum[0] > 0)
        *result = (struct atm_fluctuation){ratio, sqrt(square * n / (n - 1)) / sum[0]};
    atm_mem_free(mean);
    return ATM_OK;
}
