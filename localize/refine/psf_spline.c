#include "psf_spline.h"
#include "clones.h"
#include "mem.h"

#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdbool.h>

enum { TAPS = ATM_SPLINE_TAPS, SIZE_MAX_SAMPLES = 2048, OVERSAMPLING_MAX = 64 };

/* Samples lie as phases: those a whole pixel apart are neighbours, since all pixels of an image
 * need the same phases at the same weights. */
struct atm_spline {
    ptrdiff_t size, oversampling;
    ptrdiff_t cells; /* per phase along an axis, an empty border included */
    ptrdiff_t half;
    double sigma_px;
    double *coefficients; /* (phase y, phase x, cells, cells) */
    float *single;        /* the same */
};

/* Pixels of the longest row of a window, in whole vectors. */
enum { LINE = 16 };

enum { BORDER = 2 }; /* empty cells around, so that the outermost pixels need no tests */

/* Sample (y, x), the border counted. */
static ptrdiff_t cell(const struct atm_spline *s, ptrdiff_t y, ptrdiff_t x) {
    ptrdiff_t q = s->oversampling, n = s->cells;
    return ((y % q * q + x % q) * n + y / q) * n + x / q;
}

/* Coefficients of the cubic B-spline that passes through n >= 3 samples and zeros beyond: Unser
 * 1999, doi:10.1109/79.799930. scratch: (3, n). False for lack of memory. */
static bool interpolate(gsl_vector *line, gsl_matrix *scratch) {
    gsl_vector_view diagonal = gsl_matrix_row(scratch, 0), samples = gsl_matrix_row(scratch, 1);
    gsl_vector_view beside = gsl_matrix_subrow(scratch, 2, 0, line->size - 1);
    gsl_vector_set_all(&diagonal.vector, 4.0 / 6);
    gsl_vector_set_all(&beside.vector, 1.0 / 6);
    gsl_vector_memcpy(&samples.vector, line);
    return gsl_linalg_solve_symm_tridiag(&diagonal.vector, &beside.vector, &samples.vector, line) ==
           GSL_SUCCESS;
}

/* Adaptive moments: the second moment under a Gaussian weight of the same width, which is half of
 * a Gaussian's own. Tails, which would rule plain moments, hardly count. */
static double width_of(const double *samples, ptrdiff_t size, double step) {
    double centre = 0.5 * (double)(size - 1), variance = 1;
    for (int round = 0; round < 100; round++) {
        double sum = 0, square = 0;
        for (ptrdiff_t i = 0; i < size * size; i++) {
            double x = ((double)(i % size) - centre) * step;
            double y = ((double)(i / size) - centre) * step, r2 = x * x + y * y;
            double weighted = samples[i] * exp(-0.5 * r2 / variance);
            sum += weighted, square += weighted * r2;
        }
        double moment = 0.5 * square / sum;
        double inverse = 1 / moment - 1 / variance;
        variance = moment > 0 && inverse > 1e-4 ? 1 / inverse : 2 * variance;
    }
    return sqrt(fmax(variance - 1.0 / 12, 0.01)); /* without the pixel's own width */
}

static enum atm_status check(const float *samples, ptrdiff_t size, ptrdiff_t oversampling,
                             struct atm_err *err) {
    double sum = 0, largest = 0;
    if (size < 3 || size > SIZE_MAX_SAMPLES || oversampling < 1 || oversampling > OVERSAMPLING_MAX)
        return atm_err_set(err, ATM_FAIL,
                           "a PSF of %td x %td samples, %td a pixel, cannot be used: 3 to %d a "
                           "side, 1 to %d a pixel",
                           size, size, oversampling, SIZE_MAX_SAMPLES, OVERSAMPLING_MAX);
    for (ptrdiff_t i = 0; i < size * size; i++) {
        if (!isfinite(samples[i]))
            return atm_err_set(err, ATM_FAIL, "a PSF with a value that is not finite");
        sum += (double)samples[i], largest = fmax(largest, fabs((double)samples[i]));
    }
    if (!(sum > 1e-6 * largest * (double)(size * size)))
        return atm_err_set(err, ATM_FAIL, "a PSF whose samples do not add up to any light");
    return ATM_OK;
}

static enum atm_status fill_coefficients(struct atm_spline *s, const float *samples,
                                         struct atm_err *err) {
    size_t n = (size_t)s->size;
    gsl_matrix *grid = gsl_matrix_alloc(n, n), *scratch = gsl_matrix_alloc(3, n);
    bool good = grid && scratch;
    double sum = 0, q = (double)s->oversampling;
    for (size_t i = 0; good && i < n * n; i++)
        sum += grid->data[i] = (double)samples[i];
    if (good) {
        gsl_matrix_scale(grid, q * q / sum); /* samples a pixel apart then add up to 1 */
        s->sigma_px = width_of(grid->data, s->size, 1 / q);
    }
    for (size_t k = 0; good && k < 2 * n; k++) {
        gsl_vector_view line = k < n ? gsl_matrix_row(grid, k) : gsl_matrix_column(grid, k - n);
        good = interpolate(&line.vector, scratch);
    }
    ptrdiff_t border = BORDER * s->oversampling;
    for (ptrdiff_t i = 0; good && i < s->size * s->size; i++)
        s->coefficients[cell(s, i / s->size + border, i % s->size + border)] = grid->data[i];
    ptrdiff_t cells = s->cells * s->cells * s->oversampling * s->oversampling;
    for (ptrdiff_t i = 0; good && i < cells; i++)
        s->single[i] = (float)s->coefficients[i];
    gsl_matrix_free(grid);
    gsl_matrix_free(scratch);
    return good ? ATM_OK : atm_err_memory(err, "a PSF");
}

enum atm_status atm_spline_create(const float *samples, ptrdiff_t size, ptrdiff_t oversampling,
                                  struct atm_spline **spline, struct atm_err *err) {
    *spline = NULL;
    enum atm_status status = check(samples, size, oversampling, err);
    struct atm_spline *s = status ? NULL : atm_mem_alloc(1, sizeof *s);
    if (!s)
        return status ? status : atm_err_memory(err, "a PSF");
    s->size = size, s->oversampling = oversampling;
    s->cells = (size + oversampling - 1) / oversampling + 2 * BORDER + 1;
    s->half = (ptrdiff_t)floor(0.5 * (double)(size - 1) / (double)oversampling);
    size_t phases = (size_t)(oversampling * oversampling);
    s->coefficients =
        atm_mem_alloc(phases * (size_t)(s->cells * s->cells), sizeof *s->coefficients);
    s->single = atm_mem_alloc(phases * (size_t)(s->cells * s->cells) + LINE, sizeof *s->single);
    status = s->coefficients && s->single ? fill_coefficients(s, samples, err)
                                          : atm_err_memory(err, "a PSF");
    if (status)
        atm_spline_destroy(&s);
    *spline = s;
    return status;
}

void atm_spline_destroy(struct atm_spline **spline) {
    if (!*spline)
        return;
    atm_mem_free((*spline)->coefficients);
    atm_mem_free((*spline)->single);
    atm_mem_free(*spline);
    *spline = NULL;
}

ptrdiff_t atm_spline_half(const struct atm_spline *spline) { return spline->half; }
double atm_spline_sigma(const struct atm_spline *spline) { return spline->sigma_px; }

void atm_spline_weights(double t, double weight[TAPS], double slope[TAPS]) {
    double r = 1 - t;
    weight[0] = r * r * r / 6, weight[3] = t * t * t / 6;
    weight[1] = 2.0 / 3 - t * t * (1 - 0.5 * t), weight[2] = 2.0 / 3 - r * r * (1 - 0.5 * r);
    slope[0] = -0.5 * r * r, slope[3] = 0.5 * t * t;
    slope[1] = t * (1.5 * t - 2), slope[2] = -r * (1.5 * r - 2);
}

struct place { /* along one axis: first sample that counts, weights of it and the next three */
    ptrdiff_t first;
    double weight[TAPS], slope[TAPS]; /* slope: with respect to the emitter's coordinate */
};

static struct place place_of(const struct atm_spline *s, double centre, ptrdiff_t pixel) {
    double q = (double)s->oversampling;
    double u = q * ((double)(pixel + BORDER) - centre) + 0.5 * (double)(s->size - 1);
    struct place p = {.first = (ptrdiff_t)floor(u) - 1};
    atm_spline_weights(u - floor(u), p.weight, p.slope);
    for (int k = 0; k < TAPS; k++)
        p.slope[k] *= -q;
    return p;
}

void atm_spline_fill(const struct atm_spline *s, double x, double y, struct atm_patch *patch) {
    struct place across = place_of(s, x, patch->x0), down = place_of(s, y, patch->y0);
    for (ptrdiff_t row = 0; row < patch->ny; row++) {
        double *h = patch->plane[ATM_SPOT_AMPLITUDE] + row * patch->stride;
        double *dx = patch->plane[ATM_SPOT_X] + row * patch->stride;
        double *dy = patch->plane[ATM_SPOT_Y] + row * patch->stride;
        for (ptrdiff_t i = 0; i < patch->stride; i++)
            h[i] = dx[i] = dy[i] = 0;
        for (int a = 0; a < TAPS; a++) {
            ptrdiff_t line = down.first + a + row * s->oversampling;
            double weight = down.weight[a], slope = down.slope[a];
            const double *c[TAPS];
            for (int b = 0; b < TAPS; b++)
                c[b] = s->coefficients + cell(s, line, across.first + b);
            for (ptrdiff_t i = 0; i < patch->nx; i++) {
                double value = 0, rise = 0;
                for (int b = 0; b < TAPS; b++)
                    value += across.weight[b] * c[b][i], rise += across.slope[b] * c[b][i];
                h[i] += weight * value, dx[i] += weight * rise, dy[i] += slope * value;
            }
        }
    }
}

/* Pixels of a line whose taps all lie within the cells: from *low to before *high. */
static void inside(const struct atm_spline *s, ptrdiff_t first, ptrdiff_t window, ptrdiff_t *low,
                   ptrdiff_t *high) {
    ptrdiff_t q = s->oversampling, most = s->cells * q - TAPS - first;
    *low = first >= 0 ? 0 : (-first + q - 1) / q;
    *high = most < 0 ? 0 : most / q + 1;
    *low = *low < window ? *low : window, *high = *high < window ? *high : window;
}

/* One line of samples' part in a row of pixels, n of them (what lies beyond the row is not used).
 */
static inline __attribute__((always_inline)) void
add_line(const float *const c[TAPS], const float weight[TAPS], const float slope[TAPS], float down,
         float down_slope, const int n, float sums[3][LINE]) {
    for (int i = 0; i < n; i++) {
        float value =
            weight[0] * c[0][i] + weight[1] * c[1][i] + weight[2] * c[2][i] + weight[3] * c[3][i];
        float rise =
            slope[0] * c[0][i] + slope[1] * c[1][i] + slope[2] * c[2][i] + slope[3] * c[3][i];
        sums[0][i] += down * rise, sums[1][i] += down_slope * value, sums[2][i] += down * value;
    }
}

ATM_FIT_CLONES
void atm_spline_fill_lane(const struct atm_spline *s, float x, float y, ptrdiff_t window,
                          float *out, ptrdiff_t plane_step, ptrdiff_t pixel_step) {
    struct place across = place_of(s, (double)x, 0), down = place_of(s, (double)y, 0);
    ptrdiff_t left, right, top, bottom, q = s->oversampling;
    inside(s, across.first, window, &left, &right);
    inside(s, down.first, window, &top, &bottom);
    float weight[TAPS], slope[TAPS];
    for (int k = 0; k < TAPS; k++)
        weight[k] = (float)across.weight[k], slope[k] = (float)across.slope[k];
    for (ptrdiff_t row = 0; row < window; row++) {
        float sums[3][LINE] = {{0}};
        ptrdiff_t count = row < top || row >= bottom ? 0 : right - left;
        for (int a = 0; a < TAPS && count > 0; a++) {
            const float *c[TAPS], wy = (float)down.weight[a], sy = (float)down.slope[a];
            for (int b = 0; b < TAPS; b++)
                c[b] = s->single + cell(s, down.first + a + row * q, across.first + left * q + b);
            if (count <= LINE / 2)
                add_line(c, weight, slope, wy, sy, LINE / 2, sums);
            else
                add_line(c, weight, slope, wy, sy, LINE, sums);
        }
        float *to = out + row * window * pixel_step;
        for (ptrdiff_t i = 0; i < window; i++, to += pixel_step) {
            bool zero = i < left || i >= left + count;
            for (int k = 0; k < 3; k++)
                to[k * plane_step] = zero ? 0 : sums[k][i - left];
        }
    }
}
