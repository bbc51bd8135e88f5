#include "background.h"
#include "mem.h"

#include <gsl/gsl_sort_float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TILE = 16, TILE_SAMPLE = 4096 };

bool atm_frame_is_blank(const float *image, ptrdiff_t pixels) {
    for (ptrdiff_t i = 1; i < pixels; i++)
        if (image[i] != image[0])
            return false;
    return true;
}

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

/* Frames that belong together; `used` (used_count) of them are not blank. */
struct stretch {
    const float *frames; /* (count, height, width) */
    ptrdiff_t count, height, width, used_count;
    ptrdiff_t *used; /* owned */
};

static bool find_used(struct stretch *s) {
    const ptrdiff_t pixels = s->height * s->width;
    s->used = atm_mem_alloc((size_t)s->count + 1, sizeof *s->used);
    for (ptrdiff_t t = 0; s->used && t < s->count; t++)
        if (!atm_frame_is_blank(s->frames + t * pixels, pixels))
            s->used[s->used_count++] = t;
    if (s->used && !s->used_count) /* all are blank */
        for (ptrdiff_t t = 0; t < s->count; t++)
            s->used[s->used_count++] = t;
    return s->used;
}

/* Level of the tile at (y0, x0) over all frames, from at most TILE_SAMPLE evenly spread values. */
static double tile_level(const struct stretch *s, ptrdiff_t y0, ptrdiff_t x0, float *values) {
    const ptrdiff_t height = s->height, width = s->width;
    ptrdiff_t h = height - y0 < TILE ? height - y0 : TILE,
              w = width - x0 < TILE ? width - x0 : TILE;
    ptrdiff_t total = s->used_count * h * w, step = total / TILE_SAMPLE + 1, n = 0;
    step += step % 2 == 0 && step > 1; /* odd: does not fall on the same columns again and again */
    for (ptrdiff_t i = 0; i < total; i += step) {
        ptrdiff_t t = s->used[i / (h * w)], p = i % (h * w);
        values[n++] = s->frames[(t * height + y0 + p / w) * width + x0 + p % w];
    }
    double level, sd;
    atm_background_level(values, n, &level, &sd);
    return level;
}

/* Where pixel p lies between tile centres: lower tile and weight of the one after it. Beyond the
 * outer centres the line goes on (weights below 0 or above 1). */
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
 * their own; for the rest, which have one in common, the difference is the number of emitters
 * rather than the background. The map is theirs, but where half of the frames are darker. */
static void frame_offsets(const struct stretch *s, const float *map, float *values,
                          float *offsets) {
    const ptrdiff_t pixels = s->height * s->width;
    double spread = 0;
    for (ptrdiff_t t = 0; t < s->count; t++) {
        double level, sd;
        for (ptrdiff_t i = 0; i < pixels; i++)
            values[i] = s->frames[t * pixels + i] - map[i];
        atm_background_level(values, pixels, &level, &sd);
        offsets[t] = (float)level;
        spread += atm_frame_is_blank(s->frames + t * pixels, pixels) ? 0 : sd;
    }
    for (ptrdiff_t i = 0; i < s->used_count; i++)
        values[i] = offsets[s->used[i]];
    gsl_sort_float(values, 1, (size_t)s->used_count);
    const double middle = (double)values[s->used_count / 2];
    const double near = 3 * spread / (double)s->used_count;
    for (ptrdiff_t t = 0; t < s->count; t++)
        if (fabs((double)offsets[t] - middle) < near)
            offsets[t] = fabs(middle) < near ? 0 : (float)middle;
}

enum atm_status atm_background_estimate(const float *frames, ptrdiff_t count, ptrdiff_t height,
                                        ptrdiff_t width, float *map, float *offsets,
                                        struct atm_err *err) {
    /* a remainder of less than half a tile belongs to the tile before it */
    ptrdiff_t rows = (height + TILE / 2) / TILE, columns = (width + TILE / 2) / TILE;
    rows = rows ? rows : 1, columns = columns ? columns : 1;
    ptrdiff_t scratch = height * width > count ? height * width : count;
    scratch = scratch > 2 * TILE_SAMPLE ? scratch : 2 * TILE_SAMPLE;
    struct stretch s = {.frames = frames, .count = count, .height = height, .width = width};
    double *levels = atm_mem_alloc((size_t)(rows * columns), sizeof *levels);
    float *values = atm_mem_alloc((size_t)scratch, sizeof *values);
    enum atm_status status =
        levels && values && find_used(&s) ? ATM_OK : atm_err_memory(err, "the background");
    if (!status) {
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t c = 0; c < columns; c++)
                levels[r * columns + c] = tile_level(&s, r * TILE, c * TILE, values);
        interpolate(levels, rows, columns, height, width, map);
        frame_offsets(&s, map, values, offsets);
    }
    atm_mem_free(s.used);
    atm_mem_free(levels);
    atm_mem_free(values);
    return status;
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
