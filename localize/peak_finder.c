#include "peak_finder.h"

#include "fit_psf.h"
#include "mem.h"
#include <math.h>

static const double SUPPORT_SIGMAS = 4;

struct atm_peak_finder {
    ptrdiff_t height, width, half;
    double *kernel;           /* (2 half + 1) of one axis */
    double *rows, *columns;   /* (height), (width): sum of the kernel's squares inside the frame */
    double *filtered, *light; /* (height, width) */
};

/* What of the kernel's squares lies inside, where it is centred at each of n pixels. */
static void norms_of(const struct atm_peak_finder *f, ptrdiff_t n, double *norms) {
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t k = -f->half; k <= f->half; k++)
            if (i + k >= 0 && i + k < n)
                norms[i] += f->kernel[k + f->half] * f->kernel[k + f->half];
}

enum atm_status atm_peak_finder_create(ptrdiff_t height, ptrdiff_t width, double sigma_px,
                                       struct atm_peak_finder **finder, struct atm_err *err) {
    struct atm_peak_finder *f = atm_mem_alloc(1, sizeof *f);
    *finder = f;
    if (!f)
        return atm_err_memory(err, "the peaks");
    f->height = height, f->width = width;
    f->half = (ptrdiff_t)ceil(SUPPORT_SIGMAS * sigma_px);
    const size_t span = (size_t)(2 * f->half + 1), pixels = (size_t)(height * width);
    double *slope = atm_mem_alloc(span, sizeof *slope);
    f->kernel = atm_mem_alloc(span, sizeof *f->kernel);
    f->rows = atm_mem_alloc((size_t)height, sizeof *f->rows);
    f->columns = atm_mem_alloc((size_t)width, sizeof *f->columns);
    f->filtered = atm_mem_alloc(pixels, sizeof *f->filtered);
    f->light = atm_mem_alloc(pixels, sizeof *f->light);
    if (!slope || !f->kernel || !f->rows || !f->columns || !f->filtered || !f->light) {
        atm_mem_free(slope);
        atm_peak_finder_destroy(finder);
        return atm_err_memory(err, "the peaks");
    }
    atm_psf_axis(0, sigma_px, -f->half, (ptrdiff_t)span,
                 (struct atm_psf_axis){f->kernel, slope, NULL});
    norms_of(f, height, f->rows);
    norms_of(f, width, f->columns);
    atm_mem_free(slope);
    return ATM_OK;
}

void atm_peak_finder_destroy(struct atm_peak_finder **finder) {
    struct atm_peak_finder *f = *finder;
    if (!f)
        return;
    void *blocks[] = {f->kernel, f->rows, f->columns, f->filtered, f->light};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        atm_mem_free(blocks[i]);
    atm_mem_free(f);
    *finder = NULL;
}

/* Photons of an emitter at each pixel centre, into light: along the rows, then along the columns.
 */
static void filter(struct atm_peak_finder *f, const float *image, const float *background) {
    const ptrdiff_t w = f->width, h = f->height, half = f->half;
    for (ptrdiff_t y = 0; y < h; y++)
        for (ptrdiff_t x = 0; x < w; x++) {
            double sum = 0;
            for (ptrdiff_t k = x < half ? -x : -half; k <= half && x + k < w; k++) {
                const ptrdiff_t at = y * w + x + k;
                sum += f->kernel[k + half] * ((double)image[at] - (double)background[at]);
            }
            f->filtered[y * w + x] = sum / f->columns[x];
        }
    for (ptrdiff_t y = 0; y < h; y++)
        for (ptrdiff_t x = 0; x < w; x++) {
            double sum = 0;
            for (ptrdiff_t k = y < half ? -y : -half; k <= half && y + k < h; k++)
                sum += f->kernel[k + half] * f->filtered[(y + k) * w + x];
            f->light[y * w + x] = sum / f->rows[y];
        }
}

/* The first of equal neighbours wins. */
static bool is_peak(const struct atm_peak_finder *f, ptrdiff_t x, ptrdiff_t y) {
    const double here = f->light[y * f->width + x];
    for (ptrdiff_t k = 0; k < 9; k++) {
        const ptrdiff_t u = x + k % 3 - 1, v = y + k / 3 - 1;
        if (k == 4 || u < 0 || v < 0 || u >= f->width || v >= f->height)
            continue;
        const double there = f->light[v * f->width + u];
        if (k < 4 ? !(here > there) : !(here >= there))
            return false;
    }
    return true;
}

/* Top of the parabola through a maximum and its neighbours along one axis; n pixels, step apart. */
static double top(const double *values, ptrdiff_t at, ptrdiff_t n, ptrdiff_t step) {
    if (at == 0 || at == n - 1)
        return (double)at;
    const double left = values[-step], right = values[step];
    const double bend = left - 2 * values[0] + right;
    return (double)at + (bend < 0 ? 0.5 * (left - right) / bend : 0);
}

enum atm_status atm_peak_finder_run(struct atm_peak_finder *f, const float *image,
                                    const float *background, double threshold, int64_t frame,
                                    struct atm_table *seeds, struct atm_err *err) {
    seeds->count = 0;
    filter(f, image, background);
    for (ptrdiff_t y = 0; y < f->height; y++)
        for (ptrdiff_t x = 0; x < f->width; x++) {
            const double *here = &f->light[y * f->width + x];
            if (!(*here > threshold) || !is_peak(f, x, y))
                continue;
            struct atm_loc seed = atm_loc_empty();
            seed.frame = frame, seed.photons = *here, seed.blocks = 1;
            seed.x = top(here, x, f->width, 1), seed.y = top(here, y, f->height, f->width);
            enum atm_status status = atm_table_append(seeds, &seed, err);
            if (status)
                return status;
        }
    return ATM_OK;
}
