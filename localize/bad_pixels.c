#include "bad_pixels.h"

#include "mem.h"

#include <math.h>

enum { LEAST_FRAMES = 8, NEIGHBOURS = 8 };
static const double STANDS_OUT = 6, ABOVE_NOISE = 6 / 0.82, LARGEST_PART = 0.01;

enum atm_status atm_bad_pixels_create(ptrdiff_t height, ptrdiff_t width, struct atm_bad_pixels *bad,
                                      struct atm_err *err) {
    const size_t pixels = (size_t)(height * width);
    *bad = (struct atm_bad_pixels){.height = height, .width = width};
    bad->lowest[0] = atm_mem_alloc(pixels, ATM_BAD_PIXELS_LOWEST * sizeof *bad->lowest[0]);
    if (!bad->lowest[0])
        return atm_err_memory(err, "the movie's bad pixels");
    for (int k = 1; k < ATM_BAD_PIXELS_LOWEST; k++)
        bad->lowest[k] = bad->lowest[k - 1] + pixels;
    return ATM_OK;
}

void atm_bad_pixels_add(struct atm_bad_pixels *bad, const float *frame) {
    for (ptrdiff_t i = 0; i < bad->height * bad->width; i++) {
        float value = frame[i];
        for (int k = 0; k < ATM_BAD_PIXELS_LOWEST; k++) {
            const float lower = bad->frames > k ? bad->lowest[k][i] : INFINITY;
            bad->lowest[k][i] = fminf(lower, value);
            value = fmaxf(lower, value);
        }
    }
    bad->frames++;
}

/* The places around a pixel, inside of the image; returns their number. */
static int neighbours(const struct atm_bad_pixels *bad, ptrdiff_t i, ptrdiff_t at[NEIGHBOURS]) {
    const ptrdiff_t y = i / bad->width, x = i % bad->width;
    int count = 0;
    for (ptrdiff_t v = y - 1; v <= y + 1; v++)
        for (ptrdiff_t u = x - 1; u <= x + 1; u++)
            if (v >= 0 && v < bad->height && u >= 0 && u < bad->width && (v != y || u != x))
                at[count++] = v * bad->width + u;
    return count;
}

/* The second least and the second largest: one neighbour may be bad itself. */
static void inner_range(const float *values, int count, float *low, float *high) {
    float least = INFINITY, most = -INFINITY;
    *low = INFINITY, *high = -INFINITY;
    for (int i = 0; i < count; i++) {
        *low = fminf(*low, fmaxf(least, values[i]));
        least = fminf(least, values[i]);
        *high = fmaxf(*high, fminf(most, values[i]));
        most = fmaxf(most, values[i]);
    }
}

static bool is_bad(const struct atm_bad_pixels *bad, ptrdiff_t i) {
    const float *least = bad->lowest[0], *last = bad->lowest[ATM_BAD_PIXELS_LOWEST - 1];
    ptrdiff_t at[NEIGHBOURS];
    float around[NEIGHBOURS], low, high;
    double noise = 0;
    const int count = neighbours(bad, i, at);
    for (int k = 0; k < count; k++) {
        around[k] = least[at[k]];
        noise += (double)(last[at[k]] - least[at[k]]) / count;
    }
    inner_range(around, count, &low, &high);
    const double differs = (double)fmaxf(least[i] - high, low - least[i]);
    return differs > fmax(STANDS_OUT * (double)(high - low), ABOVE_NOISE * noise);
}

static enum atm_status find(struct atm_bad_pixels *bad, struct atm_err *err) {
    const ptrdiff_t pixels = bad->height * bad->width,
                    room = (ptrdiff_t)(LARGEST_PART * (double)pixels);
    if (bad->frames < LEAST_FRAMES)
        return ATM_OK;
    bad->is = atm_mem_alloc((size_t)pixels, sizeof *bad->is);
    bad->at = atm_mem_alloc((size_t)room + 1, sizeof *bad->at);
    if (!bad->is || !bad->at)
        return atm_err_memory(err, "the movie's bad pixels");
    for (ptrdiff_t i = 0; i < pixels && bad->count <= room; i++)
        if (is_bad(bad, i))
            bad->at[bad->count++] = i;
    if (bad->count > room)
        bad->count = 0;
    for (ptrdiff_t k = 0; k < bad->count; k++)
        bad->is[bad->at[k]] = true;
    return ATM_OK;
}

enum atm_status atm_bad_pixels_find(struct atm_bad_pixels *bad, struct atm_err *err) {
    const enum atm_status status = find(bad, err);
    atm_mem_free(bad->lowest[0]);
    bad->lowest[0] = NULL;
    return status;
}

void atm_bad_pixels_mend(const struct atm_bad_pixels *bad, float *frame) {
    for (ptrdiff_t k = 0; k < bad->count; k++) {
        ptrdiff_t at[NEIGHBOURS];
        const int around = neighbours(bad, bad->at[k], at);
        double sum = 0;
        int good = 0;
        for (int i = 0; i < around; i++)
            if (!bad->is[at[i]])
                sum += (double)frame[at[i]], good++;
        if (good)
            frame[bad->at[k]] = (float)(sum / good);
    }
}

void atm_bad_pixels_free(struct atm_bad_pixels *bad) {
    atm_mem_free(bad->lowest[0]);
    atm_mem_free(bad->is);
    atm_mem_free(bad->at);
    *bad = (struct atm_bad_pixels){0};
}
