#include "refine_tile.h"
#include "mem.h"

#include <math.h>
#include <string.h>

static bool renew(double **block, ptrdiff_t count) {
    atm_mem_free(*block);
    return (*block = atm_mem_alloc((size_t)count, sizeof **block)) != NULL;
}

static bool reserve_pixels(struct atm_tile *tile, ptrdiff_t pixels) {
    if (pixels <= tile->pixel_capacity)
        return true;
    tile->pixel_capacity = 0;
    double **blocks[] = {&tile->counts,       &tile->valid,     &tile->variance,  &tile->base,
                         &tile->mean,         &tile->filtered,  &tile->window[0], &tile->window[1],
                         &tile->significance, &tile->window[2], &tile->window[3], &tile->own};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (!renew(blocks[i], pixels))
            return false;
    tile->pixel_capacity = pixels;
    return true;
}

static bool reserve_patch(struct atm_tile *tile) {
    ptrdiff_t plane = atm_psf_plane_size(&tile->psf), span = 2 * atm_psf_half(&tile->psf) + 1;
    if (plane <= tile->plane_capacity && span <= tile->span_capacity)
        return true;
    tile->plane_capacity = tile->span_capacity = 0;
    if (!renew(&tile->patch_values, ATM_SPOT_PARAMETERS * plane) || !renew(&tile->kernel, 3 * span))
        return false;
    tile->plane_capacity = plane, tile->span_capacity = span;
    return true;
}

enum atm_status atm_tile_reserve(struct atm_tile *tile, ptrdiff_t height, ptrdiff_t width,
                                 const struct atm_psf *psf, struct atm_err *err) {
    tile->height = height, tile->width = width, tile->psf = *psf;
    if (!reserve_pixels(tile, height * width) || !reserve_patch(tile))
        return atm_err_memory(err, "a tile of a frame");
    return ATM_OK;
}

void atm_tile_free(struct atm_tile *tile) {
    void *blocks[] = {tile->counts,    tile->valid,     tile->variance,     tile->base,
                      tile->mean,      tile->filtered,  tile->window[0],    tile->window[1],
                      tile->window[2], tile->window[3], tile->patch_values, tile->significance,
                      tile->kernel,    tile->spots,     tile->marks,        tile->own};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        atm_mem_free(blocks[i]);
    atm_fit_free(&tile->fit);
    atm_fit_free(&tile->local);
    *tile = (struct atm_tile){0};
}

static enum atm_status grow(struct atm_tile *tile, struct atm_err *err) {
    size_t old = (size_t)tile->capacity, room = old ? 2 * old : 256;
    struct atm_spot *spots = atm_mem_grow(tile->spots, old, room, sizeof *spots);
    if (!spots)
        return atm_err_memory(err, "the emitters of a frame");
    tile->spots = spots;
    struct atm_mark *marks = atm_mem_grow(tile->marks, old, room, sizeof *marks);
    if (!marks)
        return atm_err_memory(err, "the emitters of a frame");
    tile->marks = marks, tile->capacity = (ptrdiff_t)room;
    return ATM_OK;
}

enum atm_status atm_tile_append(struct atm_tile *tile, struct atm_spot spot, struct atm_mark mark,
                                struct atm_err *err) {
    enum atm_status status = tile->count < tile->capacity ? ATM_OK : grow(tile, err);
    if (status)
        return status;
    tile->spots[tile->count] = spot;
    tile->marks[tile->count++] = mark;
    return ATM_OK;
}

void atm_tile_tidy(struct atm_tile *tile) {
    ptrdiff_t kept = 0;
    for (ptrdiff_t i = 0; i < tile->count; i++) {
        struct atm_spot spot = tile->spots[i];
        struct atm_mark mark = tile->marks[i];
        if (!(spot.amplitude > 0))
            continue;
        ptrdiff_t at = kept++;
        for (; at > 0 && tile->spots[at - 1].y > spot.y; at--)
            tile->spots[at] = tile->spots[at - 1], tile->marks[at] = tile->marks[at - 1];
        tile->spots[at] = spot, tile->marks[at] = mark;
    }
    tile->count = kept;
}

void atm_tile_place(struct atm_tile *tile, const struct atm_spot *spot) {
    atm_psf_place(&tile->psf, spot, tile->height, tile->width, tile->patch_values, &tile->patch);
}

void atm_tile_paint(struct atm_tile *tile, const struct atm_spot *spot, double factor) {
    atm_tile_place(tile, spot);
    atm_fit_render(&tile->patch, factor * spot->amplitude, tile->mean, tile->width);
}

/* The background may go down to nothing, no further. */
static double background_floor(const struct atm_tile *tile) {
    double least = INFINITY;
    for (ptrdiff_t i = 0; i < tile->height * tile->width; i++)
        least = fmin(least, tile->base[i]);
    return -least;
}

enum atm_status atm_tile_fit(struct atm_tile *tile, double tolerance, int64_t max_iterations,
                             struct atm_err *err) {
    const struct atm_fit_problem problem = {
        .height = tile->height,
        .width = tile->width,
        .pixels = {tile->counts, tile->valid, tile->variance},
        .base = tile->base,
        .psf = &tile->psf,
        .likelihood = tile->likelihood,
        .x_min = tile->x_min,
        .x_max = tile->x_max,
        .y_min = tile->y_min,
        .y_max = tile->y_max,
        .brightness = tile->brightness,
        .background_terms = tile->background_terms,
        .background_min = background_floor(tile),
        .tolerance = tolerance,
        .max_iterations = max_iterations,
    };
    enum atm_status status =
        atm_fit_run(&tile->fit, &problem, tile->spots, tile->count, tile->background, err);
    if (!status)
        memcpy(tile->mean, tile->fit.mean,
               (size_t)(tile->height * tile->width) * sizeof *tile->mean);
    return status;
}

/* out = image filtered along one axis with kernel (2 half + 1 numbers), zero outside. */
static void filter_axis(const double *image, ptrdiff_t lines, ptrdiff_t line_step, ptrdiff_t n,
                        ptrdiff_t step, const double *kernel, ptrdiff_t half, double *out) {
    for (ptrdiff_t line = 0; line < lines; line++) {
        const double *in = image + line * line_step;
        double *to = out + line * line_step;
        for (ptrdiff_t i = 0; i < n; i++) {
            ptrdiff_t from = i < half ? -i : -half, until = n - 1 - i < half ? n - 1 - i : half;
            double sum = 0;
            for (ptrdiff_t k = from; k <= until; k++)
                sum += kernel[k + half] * in[(i + k) * step];
            to[i * step] = sum;
        }
    }
}

static void filter_both(struct atm_tile *tile, const double *image, const double *kernel,
                        ptrdiff_t half, double *out) {
    ptrdiff_t h = tile->height, w = tile->width;
    filter_axis(image, h, w, w, 1, kernel, half, tile->filtered);
    filter_axis(tile->filtered, w, 1, h, w, kernel, half, out);
}

void atm_tile_matched_filter(struct atm_tile *tile) {
    ptrdiff_t half = atm_psf_half(&tile->psf), span = 2 * half + 1;
    ptrdiff_t pixels = tile->height * tile->width;
    double *value = tile->kernel, *square = value + span, *slope = square + span;
    double *residual = tile->window[0], *weight = tile->window[1], *norm = tile->window[2];
    /* whatever the PSF is: a Gaussian like it finds the candidates */
    atm_psf_axis(0, tile->psf.sigma_px, -half, span, (struct atm_psf_axis){value, slope, NULL});
    for (ptrdiff_t k = 0; k < span; k++)
        square[k] = value[k] * value[k];
    tile->likelihood->evaluate((struct atm_pixels){tile->counts, tile->valid, tile->variance},
                               tile->mean, pixels, residual, weight);
    filter_both(tile, weight, square, half, norm);
    filter_both(tile, residual, value, half, tile->significance);
    for (ptrdiff_t i = 0; i < pixels; i++)
        tile->significance[i] = norm[i] > 0 ? tile->significance[i] / sqrt(norm[i]) : 0;
}

double atm_tile_matched_amplitude(const struct atm_tile *tile, ptrdiff_t x, ptrdiff_t y) {
    ptrdiff_t i = y * tile->width + x;
    double norm = tile->window[2][i]; /* left there by the matched filter */
    return norm > 0 ? tile->significance[i] / sqrt(norm) : 0;
}
