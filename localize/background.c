#include "background.h"
#include "mem.h"

#include <gsl/gsl_sort_float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TILE = 16, TILE_SAMPLE = 4096 };

void atm_background_level(float *values, ptrdiff_t count, double *level, double *sd) {
    gsl_sort_float(values, 1, (size_t)count);
    ptrdiff_t n = count;
    *level = *sd = 0;
    for (int i = 0; i < 20 && n > 0; i++) {
        double median = (double)values[n / 2];
        double spread = median - (double)values[(ptrdiff_t)(0.1587 * (double)n)];
        *level = median, *sd = spread;
        ptrdiff_t kept = n;
        while (kept > count / 20 + 1 && (double)values[kept - 1] > median + 2.5 * spread)
            kept--;
        if (kept == n)
            break;
        n = kept;
    }
}

/* Level of the tile at (y0, x0) over all frames, from at most TILE_SAMPLE evenly spread values. */
static double tile_level(const float *frames, ptrdiff_t count, ptrdiff_t height, ptrdiff_t width,
                         ptrdiff_t y0, ptrdiff_t x0, float *values) {
    ptrdiff_t h = height - y0 < TILE ? height - y0 : TILE,
              w = width - x0 < TILE ? width - x0 : TILE;
    ptrdiff_t total = count * h * w, step = total / TILE_SAMPLE + 1, n = 0;
    step += step % 2 == 0 && step > 1; /* odd: does not fall on the same columns again and again */
    for (ptrdiff_t i = 0; i < total; i += step) {
        ptrdiff_t t = i / (h * w), p = i % (h * w);
        values[n++] = frames[(t * height + y0 + p / w) * width + x0 + p % w];
    }
    double level, sd;
    atm_background_level(values, n, &level, &sd);
    return level;
}

/* Where pixel p lies between tile centres: lower tile and weight of the one after it. Beyond the outer
 * centres the line goes on (weights below 0 or above 1). */
static ptrdiff_t between(ptrdiff_t p, ptrdiff_t tiles, double *weight) {
    double at = ((double)p + 0.5) / TILE - 0.5;
    ptrdiff_t lower = (ptrdiff_t)fmax(at, 0);
    lower = lower > tiles - 2 ? tiles - 2 : lower;
    lower = lower < 0 ? 0 : lower;
    *weight = tiles > 1 ? at - (double)lower : 0;
    return lower;
}

static void interpolate(const double *levels, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t height,
                        ptrdiff_t width, float *map) {
    ptrdiff_t down = rows > 1 ? columns : 0, right = columns > 1 ? 1 : 0;
    for (ptrdiff_t y = 0; y < height; y++) {
        double wy, wx;
        const double *row = levels + between(y, rows, &wy) * columns;
        for (ptrdiff_t x = 0; x < width; x++) {
            const double *at = row + between(x, columns, &wx);
            double upper = at[0] * (1 - wx) + at[right] * wx;
            double lower = at[down] * (1 - wx) + at[down + right] * wx;
            map[y * width + x] = (float)(upper * (1 - wy) + lower * wy);
        }
    }
}

/* Frames far outside the spread of the others (a shutter, a lamp, an empty page) get a level of
 * their own; for the rest the difference is the number of emitters rather than the background. */
static void frame_offsets(const float *frames, ptrdiff_t count, ptrdiff_t pixels, const float *map,
                          float *values, float *offsets) {
    double spread = 0;
    for (ptrdiff_t t = 0; t < count; t++) {
        double level, sd;
        for (ptrdiff_t i = 0; i < pixels; i++)
            values[i] = frames[t * pixels + i] - map[i];
        atm_background_level(values, pixels, &level, &sd);
        offsets[t] = (float)level;
        spread += sd / (double)count;
    }
    memcpy(values, offsets, (size_t)count * sizeof *values);
    gsl_sort_float(values, 1, (size_t)count);
    double middle = (double)values[count / 2];
    for (ptrdiff_t t = 0; t < count; t++)
        if (fabs((double)offsets[t] - middle) < 3 * spread)
            offsets[t] = 0;
}

enum atm_status atm_background_estimate(const float *frames, ptrdiff_t count, ptrdiff_t height,
                                        ptrdiff_t width, float *map, float *offsets,
                                        struct atm_err *err) {
    /* a remainder of less than half a tile belongs to the tile before it */
    ptrdiff_t rows = (height + TILE / 2) / TILE, columns = (width + TILE / 2) / TILE;
    rows = rows ? rows : 1, columns = columns ? columns : 1;
    ptrdiff_t scratch = height * width > count ? height * width : count;
    scratch = scratch > 2 * TILE_SAMPLE ? scratch : 2 * TILE_SAMPLE;
    double *levels = atm_mem_alloc((size_t)(rows * columns), sizeof *levels);
    float *values = atm_mem_alloc((size_t)scratch, sizeof *values);
    if (!levels || !values) {
        atm_mem_free(levels);
        atm_mem_free(values);
        return atm_err_memory(err, "the background");
    }
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t c = 0; c < columns; c++)
            levels[r * columns + c] =
                tile_level(frames, count, height, width, r * TILE, c * TILE, values);
    interpolate(levels, rows, columns, height, width, map);
    frame_offsets(frames, count, height * width, map, values, offsets);
    atm_mem_free(levels);
    atm_mem_free(values);
    return ATM_OK;
}

/* Mean of (frame - background) over the 3x3 pixels around (y, x); not at the border. */
static double smoothed(const float *frame, const float *background, ptrdiff_t width, ptrdiff_t y,
                       ptrdiff_t x) {
    double sum = 0;
    for (ptrdiff_t dy = -1; dy <= 1; dy++)
        for (ptrdiff_t dx = -1; dx <= 1; dx++) {
            ptrdiff_t i = (y + dy) * width + x + dx;
            sum += (double)frame[i] - (double)background[i];
        }
    return sum / 9;
}

ptrdiff_t atm_background_peaks(const float *frame, const float *background, ptrdiff_t height,
                               ptrdiff_t width, double sd, float *heights, ptrdiff_t capacity) {
    ptrdiff_t n = 0;
    for (ptrdiff_t y = 2; y < height - 2; y++)
        for (ptrdiff_t x = 2; x < width - 2; x++) {
            double here = smoothed(frame, background, width, y, x);
            if (here <= 5 * sd / 3 || n == capacity)
                continue;
            bool top = true;
            for (int k = 0; top && k < 9; k++) {
                ptrdiff_t dy = k / 3 - 1, dx = k % 3 - 1;
                double there = k == 4 ? here : smoothed(frame, background, width, y + dy, x + dx);
                top = k < 4 ? here > there : here >= there;
            }
            if (top)
                heights[n++] = frame[y * width + x] - background[y * width + x];
        }
    return n;
}
