#include "camera_noise.h"

#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdio.h>

enum { TILE = 16, RING = 2 /* px around a pixel */, AROUND = 24, LEAST_CELLS = 8, ROUNDS = 8 };
static const double LEAST_DIFFERENCES = 200; /* of a cell: its variance is then known to 10 % */
static const double CLIP = 4;     /* sd; of Gaussian noise that is 0.1 % of the variance */
static const double LIT = 2.5;    /* sd of the ring's mean above the background */
static const double KNOWN = 0.2;  /* relative error of the gain */
static const double SHARED = 0.1; /* part of the slope that may be blinking */

/* ---- Cells ---- */

void atm_noise_cells_free(struct atm_noise_cells *cells) {
    atm_mem_free(cells->cells);
    *cells = (struct atm_noise_cells){0};
}

static enum atm_status append(struct atm_noise_cells *cells, struct atm_noise_cell cell,
                              struct atm_err *err) {
    if (cells->count == cells->capacity) {
        const size_t old = (size_t)cells->capacity, room = old ? 2 * old : 256;
        void *grown = atm_mem_grow(cells->cells, old, room, sizeof *cells->cells);
        if (!grown)
            return atm_err_memory(err, "the camera's noise");
        cells->cells = grown, cells->capacity = (ptrdiff_t)room;
    }
    cells->cells[cells->count++] = cell;
    return ATM_OK;
}

/* Frames that are looked at, and sums of (frame - background) over the rectangle from the first
 * pixel on: (H + 1, W + 1) of each. */
struct stretch {
    const float *image, *background;
    double *sums;
    ptrdiff_t count, height, width;
};

static void fill_sums(const struct stretch *s) {
    const ptrdiff_t w = s->width + 1, plane = (s->height + 1) * w;
    for (ptrdiff_t t = 0; t < s->count; t++)
        for (ptrdiff_t y = 0; y < s->height; y++) {
            double row = 0;
            for (ptrdiff_t x = 0; x < s->width; x++) {
                const ptrdiff_t at = (t * s->height + y) * s->width + x;
                row += (double)s->image[at] - (double)s->background[at];
                s->sums[t * plane + (y + 1) * w + x + 1] = s->sums[t * plane + y * w + x + 1] + row;
            }
        }
}

/* Mean of (frame - background) over the pixels around one that is RING from the rim or farther. */
static double around(const struct stretch *s, ptrdiff_t t, ptrdiff_t y, ptrdiff_t x) {
    const ptrdiff_t w = s->width + 1, side = 2 * RING + 1;
    const double *corner = s->sums + (t * (s->height + 1) + y - RING) * w + x - RING;
    const ptrdiff_t at = (t * s->height + y) * s->width + x;
    const double own = (double)s->image[at] - (double)s->background[at];
    const double all = corner[side * w + side] - corner[side * w] - corner[side] + corner[0];
    return (all - own) / AROUND;
}

/* Second moment of values within CLIP standard deviations of zero. */
static double clipped(const double *values, ptrdiff_t count, double start) {
    double square = start;
    for (int i = 0; i < ROUNDS; i++) {
        double sum = 0, n = 0;
        for (ptrdiff_t k = 0; k < count; k++)
            if (values[k] * values[k] <= CLIP * CLIP * square)
                sum += values[k] * values[k], n++;
        if (!(n > 0) || sum / n == square)
            break;
        square = sum / n;
    }
    return square;
}

/* One tile over all frames. Pixels whose ring is above `lit` in either frame are left out. */
struct tile {
    ptrdiff_t y0, y1, x0, x1;
};

/* shared: mean product of the differences of pixels side by side. */
static ptrdiff_t differences_of(const struct stretch *s, const struct tile *tile, double lit,
                                double *differences, double *mean, double *shared) {
    ptrdiff_t n = 0, pairs = 0;
    *mean = *shared = 0;
    for (ptrdiff_t t = 0; t + 1 < s->count; t += 2) {
        const ptrdiff_t first = n;
        double common = 0, product = 0, sum = 0, beside = 0;
        for (ptrdiff_t y = tile->y0; y < tile->y1; y++)
            for (ptrdiff_t x = tile->x0, last = -1; x < tile->x1; x++) {
                if (around(s, t, y, x) > lit || around(s, t + 1, y, x) > lit)
                    continue;
                const ptrdiff_t a = (t * s->height + y) * s->width + x;
                const ptrdiff_t b = a + s->height * s->width;
                differences[n] = (double)s->image[b] - (double)s->image[a];
                if (last == x - 1) {
                    product += differences[n] * differences[n - 1];
                    sum += differences[n] + differences[n - 1], beside++;
                }
                last = x;
                common += differences[n++];
                *mean += 0.5 * ((double)s->image[b] + (double)s->image[a]);
            }
        common /= n > first ? (double)(n - first) : 1; /* the lamp's own noise */
        for (ptrdiff_t k = first; k < n; k++)
            differences[k] -= common;
        *shared += product - common * sum + common * common * beside;
        pairs += (ptrdiff_t)beside;
    }
    *mean /= n ? (double)n : 1;
    *shared /= pairs ? (double)pairs : 1;
    return n;
}

static enum atm_status add_tile(struct atm_noise_cells *cells, const struct stretch *s,
                                const struct tile *tile, double *differences, struct atm_err *err) {
    double mean, shared;
    ptrdiff_t n = differences_of(s, tile, INFINITY, differences, &mean, &shared);
    double all = 0;
    for (ptrdiff_t k = 0; k < n; k++)
        all += differences[k] * differences[k] / (double)n;
    const double variance = 0.5 * clipped(differences, n, all); /* of emitters' blinking, too */
    n = differences_of(s, tile, LIT * sqrt(variance / AROUND), differences, &mean, &shared);
    if (!((double)n >= LEAST_DIFFERENCES) || !(variance > 0))
        return ATM_OK;
    const struct atm_noise_cell cell = {mean, 0.5 * clipped(differences, n, 2 * variance),
                                        0.5 * shared, (double)n};
    return append(cells, cell, err);
}

enum atm_status atm_noise_cells_add(struct atm_noise_cells *cells, const float *image,
                                    const float *background, ptrdiff_t count, ptrdiff_t height,
                                    ptrdiff_t width, struct atm_err *err) {
    struct stretch s = {image, background, NULL, count, height, width};
    if (count < 2 || height <= 2 * RING || width <= 2 * RING)
        return ATM_OK;
    s.sums = atm_mem_alloc((size_t)(count * (height + 1)), (size_t)(width + 1) * sizeof *s.sums);
    double *differences = atm_mem_alloc((size_t)count, TILE * TILE * sizeof *differences);
    enum atm_status status =
        s.sums && differences ? ATM_OK : atm_err_memory(err, "the camera's noise");
    if (!status)
        fill_sums(&s);
    for (ptrdiff_t y = RING; y < height - RING && !status; y += TILE)
        for (ptrdiff_t x = RING; x < width - RING && !status; x += TILE) {
            const struct tile tile = {y, y + TILE < height - RING ? y + TILE : height - RING, x,
                                      x + TILE < width - RING ? x + TILE : width - RING};
            status = add_tile(cells, &s, &tile, differences, err);
        }
    atm_mem_free(s.sums);
    atm_mem_free(differences);
    return status;
}

/* ---- The line through them ---- */

/* variance = level + slope * (mean - middle), and the variances of level and slope, which in these
 * terms are independent. */
struct line {
    double middle, level, slope, level_variance, slope_variance;
};

static double expected(const struct line *line, double mean) {
    return line->level + line->slope * (mean - line->middle);
}

/* A cell's residual in standard deviations of its variance: 2 / n relative. */
static double pull(const struct line *line, const struct atm_noise_cell *cell) {
    const double wanted = fmax(expected(line, cell->mean), 1e-3 * line->level);
    return (cell->variance - wanted) / (wanted * sqrt(2 / cell->count));
}

/* Weighted by the line before (level 0: by the values themselves); cells beyond `most` standard
 * deviations are left out. */
static struct line fit(const struct atm_noise_cells *cells, const struct line *before,
                       double most) {
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
    for (int pass = 0; pass < 2; pass++) { /* the middle first */
        const double middle = pass ? wx / w : 0, level = pass ? wy / w : 0;
        double sums[5] = {0};
        for (ptrdiff_t i = 0; i < cells->count; i++) {
            const struct atm_noise_cell *c = &cells->cells[i];
            if (before->level > 0 && !(fabs(pull(before, c)) <= most))
                continue;
            double sd = before->level > 0 ? fmax(expected(before, c->mean), 1e-3 * before->level)
                                          : c->variance;
            const double weight = c->count / (2 * sd * sd);
            sums[0] += weight, sums[1] += weight * c->mean, sums[2] += weight * c->variance;
            sums[3] += weight * (c->mean - middle) * (c->mean - middle);
            sums[4] += weight * (c->mean - middle) * (c->variance - level);
        }
        w = sums[0], wx = sums[1], wy = sums[2], wxx = sums[3], wxy = sums[4];
    }
    return (struct line){wx / w, wy / w, wxy / wxx, 1 / w, 1 / wxx};
}

/* How much of the slope may be light that blinks. Noise is each pixel's own; emitters are as wide
 * as the PSF, so that pixels side by side share their blinking. Its slope is what they add, and its
 * mean, which is known better, is what they could add if it came and went with the background.
 * Cells and weights as for the line. */
static double shared_part(const struct atm_noise_cells *cells, const struct line *line,
                          double most) {
    double w = 0, wxx = 0, wxs = 0, ws = 0;
    for (ptrdiff_t i = 0; i < cells->count; i++) {
        const struct atm_noise_cell *c = &cells->cells[i];
        const double sd = fmax(expected(line, c->mean), 1e-3 * line->level);
        const double weight = fabs(pull(line, c)) <= most ? c->count / (2 * sd * sd) : 0;
        const double x = c->mean - line->middle;
        w += weight, wxx += weight * x * x;
        wxs += weight * x * c->shared, ws += weight * c->shared;
    }
    return w > 0 ? fmax(fabs(wxs / wxx), fabs(ws / w) / sqrt(wxx / w)) / line->slope : 0;
}

/* Robust standard deviation of the pulls; 1 where the cells scatter as noise alone does. */
static double scatter(const struct atm_noise_cells *cells, const struct line *line,
                      double *scratch) {
    for (ptrdiff_t i = 0; i < cells->count; i++)
        scratch[i] = fabs(pull(line, &cells->cells[i]));
    return 1.4826 * gsl_stats_median(scratch, 1, (size_t)cells->count);
}

static void describe(const struct line *line, double s, struct atm_camera_estimate *e) {
    const double slope_sd = sqrt(line->slope_variance) * s, distance = line->level / line->slope;
    const double level_sd = sqrt(line->level_variance) * s;
    e->gain = 1 / line->slope;
    e->gain_se = slope_sd / (line->slope * line->slope);
    e->zero = line->middle - distance;
    e->zero_se = hypot(level_sd / line->slope, distance * slope_sd / line->slope);
    e->read_noise_most = sqrt(fmax(e->mean_low - e->zero, 0) * fmax(e->gain, 0));
    e->known = line->slope > 0 && slope_sd < KNOWN * line->slope;
}

struct atm_camera_estimate atm_camera_estimate(const struct atm_noise_cells *cells) {
    struct atm_camera_estimate e = {.mean_low = INFINITY, .mean_high = -INFINITY};
    for (ptrdiff_t i = 0; i < cells->count; i++) {
        e.mean_low = fmin(e.mean_low, cells->cells[i].mean);
        e.mean_high = fmax(e.mean_high, cells->cells[i].mean);
        e.differences += cells->cells[i].count;
    }
    double *scratch = atm_mem_alloc((size_t)cells->count + 1, sizeof *scratch);
    if (cells->count >= LEAST_CELLS && e.mean_high > e.mean_low && scratch) {
        struct line line = {.level = 0};
        double s = 1;
        for (int i = 0; i < ROUNDS; i++) {
            line = fit(cells, &line, CLIP * s);
            s = fmax(scatter(cells, &line, scratch), 1);
        }
        describe(&line, s, &e);
        e.shared = e.known ? shared_part(cells, &line, CLIP * s) : 0;
        e.known = e.known && !(e.shared > SHARED);
    }
    atm_mem_free(scratch);
    return e;
}

void atm_camera_estimate_text(const struct atm_camera_estimate *e,
                              char text[ATM_CAMERA_ESTIMATE_SIZE]) {
    if (e->known)
        snprintf(
            text, ATM_CAMERA_ESTIMATE_SIZE,
            "gain %.4g +- %.2g e-/ADU; offset %.4g +- %.2g ADU if there is no read noise, read "
            "noise at most %.2g e- (background %.4g to %.4g ADU)",
            e->gain, e->gain_se, e->zero, e->zero_se, e->read_noise_most, e->mean_low,
            e->mean_high);
    else if (e->shared > SHARED)
        snprintf(
            text, ATM_CAMERA_ESTIMATE_SIZE,
            "cannot tell: what rises with the background is light that blinks, not only noise");
    else if (e->differences > 0)
        snprintf(text, ATM_CAMERA_ESTIMATE_SIZE,
                 "cannot tell: the background, %.4g to %.4g ADU, is too even", e->mean_low,
                 e->mean_high);
    else
        snprintf(text, ATM_CAMERA_ESTIMATE_SIZE,
                 "cannot tell: too few pixels without emitters in successive frames");
}
