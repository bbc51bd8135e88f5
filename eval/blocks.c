#include "blocks.h"

#include "mem.h"
#include <math.h>
#include <string.h>

/* ---- Spikes ---- */

void atm_spikes_free(struct atm_spikes *spikes) {
    atm_mem_free(spikes->first);
    atm_mem_free(spikes->at);
    *spikes = (struct atm_spikes){0};
}

enum atm_status atm_spikes_from_table(const struct atm_table *table,
                                      const struct atm_spikes_cut *cut, struct atm_spikes *spikes,
                                      struct atm_err *err) {
    *spikes = (struct atm_spikes){.images = cut->images};
    spikes->first = atm_mem_alloc((size_t)cut->images + 1, sizeof *spikes->first);
    spikes->at = atm_mem_alloc((size_t)table->count + 1, sizeof *spikes->at);
    if (!spikes->first || !spikes->at)
        return atm_err_memory(err, "the true spikes");
    ptrdiff_t row = 0, count = 0;
    while (row < table->count && table->rows[row].frame < cut->first_frame)
        row++;
    for (ptrdiff_t n = 0; n < cut->images; n++) {
        for (; row < table->count && table->rows[row].frame == cut->first_frame + n; row++) {
            const struct atm_loc *r = &table->rows[row];
            if (!isfinite(r->x) || !isfinite(r->y) || !(r->photons > 0))
                return atm_err_set(err, ATM_FAIL,
                                   "the truth's row %td has no position or no photons", row);
            spikes->at[count++] = (struct atm_spike){r->x, r->y, r->photons * cut->scale};
        }
        spikes->first[n + 1] = count;
    }
    return ATM_OK;
}

enum atm_status atm_spikes_rotate(const struct atm_spikes *spikes, ptrdiff_t by,
                                  struct atm_spikes *rotated, struct atm_err *err) {
    ptrdiff_t images = spikes->images, count = 0;
    *rotated = (struct atm_spikes){.images = images};
    rotated->first = atm_mem_alloc((size_t)images + 1, sizeof *rotated->first);
    rotated->at = atm_mem_alloc((size_t)spikes->first[images] + 1, sizeof *rotated->at);
    if (!rotated->first || !rotated->at)
        return atm_err_memory(err, "the true spikes");
    for (ptrdiff_t n = 0; n < images; n++) {
        ptrdiff_t from = (n + by) % images;
        for (ptrdiff_t s = spikes->first[from]; s < spikes->first[from + 1]; s++)
            rotated->at[count++] = spikes->at[s];
        rotated->first[n + 1] = count;
    }
    return ATM_OK;
}

/* ---- Blocks ---- */

void atm_blocks_free(struct atm_blocks *blocks) {
    atm_mem_free(blocks->first);
    atm_mem_free(blocks->at);
    *blocks = (struct atm_blocks){0};
}

enum atm_status atm_blocks_append(struct atm_blocks *b, const struct atm_block *more,
                                  ptrdiff_t count, struct atm_err *err) {
    if (b->images + 1 >= b->image_capacity) {
        ptrdiff_t capacity = 2 * b->image_capacity + 1024;
        void *grown =
            atm_mem_grow(b->first, (size_t)b->image_capacity, (size_t)capacity, sizeof *b->first);
        if (!grown)
            return atm_err_memory(err, "the blocks");
        b->first = grown, b->image_capacity = capacity;
    }
    if (b->count + count > b->capacity) {
        ptrdiff_t capacity = 2 * b->capacity + count + 1024;
        void *grown = atm_mem_grow(b->at, (size_t)b->count, (size_t)capacity, sizeof *b->at);
        if (!grown)
            return atm_err_memory(err, "the blocks");
        b->at = grown, b->capacity = capacity;
    }
    memcpy(b->at + b->count, more, (size_t)count * sizeof *more);
    b->count += count;
    b->first[++b->images] = b->count;
    return ATM_OK;
}

void atm_block_measure(const struct atm_spot_window *window, struct atm_block *block) {
    struct atm_spot_moments spot;
    atm_spot_measure(window, &spot);
    block->spot = (struct atm_spot_fit){.x = spot.x, .y = spot.y, .sigma = spot.sigma};
    block->fitted = atm_spot_fit(window, &block->spot);
    if (!block->fitted)
        block->spot.residual = 1;
}

/* ---- Peaks ---- */

static bool is_peak(const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t y,
                    ptrdiff_t x) {
    float v = image[y * width + x];
    for (ptrdiff_t ny = y - 1; ny <= y + 1; ny++)
        for (ptrdiff_t nx = x - 1; nx <= x + 1; nx++) {
            if (ny < 0 || nx < 0 || ny >= height || nx >= width || (ny == y && nx == x))
                continue;
            bool before = ny < y || (ny == y && nx < x); /* of equal ones the first is the peak */
            if (image[ny * width + nx] > v || (before && image[ny * width + nx] == v))
                return false;
        }
    return true;
}

static struct atm_block fit_peak(const float *image, ptrdiff_t height, ptrdiff_t width,
                                 const struct atm_peak_options *options, ptrdiff_t y, ptrdiff_t x) {
    ptrdiff_t r = options->radius_px;
    struct atm_spot_window window = {image,
                                     width,
                                     x > r ? x - r : 0,
                                     y > r ? y - r : 0,
                                     x + r < width ? x + r + 1 : width,
                                     y + r < height ? y + r + 1 : height};
    struct atm_block peak = {.index = -1};
    peak.spot = (struct atm_spot_fit){(double)image[y * width + x], (double)x, (double)y,
                                      options->sigma_px, 1};
    peak.fitted = atm_spot_fit(&window, &peak.spot);
    peak.amplitude = atm_spot_amplitude(&window, peak.spot.x, peak.spot.y, options->sigma_px);
    peak.energy = M_PI * pow(peak.spot.sigma * peak.spot.amplitude, 2);
    return peak;
}

struct atm_peak_options atm_peak_defaults(double sigma_px) {
    return (struct atm_peak_options){0.1, sigma_px, (ptrdiff_t)ceil(2 * sigma_px)};
}

ptrdiff_t atm_peaks_find(const float *image, ptrdiff_t height, ptrdiff_t width,
                         const struct atm_peak_options *options, struct atm_block *peaks,
                         ptrdiff_t room) {
    float top = 0;
    for (ptrdiff_t i = 0; i < height * width; i++)
        top = image[i] > top ? image[i] : top;
    float least = (float)options->least * top;
    ptrdiff_t count = 0;
    for (ptrdiff_t y = 0; top > 0 && y < height; y++)
        for (ptrdiff_t x = 0; x < width && count < room; x++)
            if (image[y * width + x] >= least && is_peak(image, height, width, y, x))
                peaks[count++] = fit_peak(image, height, width, options, y, x);
    return count;
}
