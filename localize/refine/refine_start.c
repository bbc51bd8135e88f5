/* Emitters that stand alone are fitted by themselves first, many at once: the joint fit of the tile
 * then starts where it will end. */
#include "fit_batch.h"
#include "mem.h"
#include "refine_private.h"

#include <math.h>

static const double ALONE_SIGMAS = 6, WINDOW_SIGMAS = 2.5;
static const double BELIEVED_SIGMAS = 1; /* fits that went farther than this from their seed found
                                            something else */

static bool is_alone(const struct atm_tile *tile, ptrdiff_t index) {
    double reach = ALONE_SIGMAS * tile->psf.sigma_px;
    const struct atm_spot *spot = &tile->spots[index];
    for (ptrdiff_t i = 0; i < tile->count; i++)
        if (i != index && hypot(tile->spots[i].x - spot->x, tile->spots[i].y - spot->y) < reach)
            return false;
    return true;
}

static ptrdiff_t clamp(ptrdiff_t v, ptrdiff_t most) { return v < 0 ? 0 : v > most ? most : v; }

struct alone { /* one such emitter and its window's first pixel */
    ptrdiff_t spot, x0, y0;
};

static void copy_window(const struct atm_tile *tile, const struct alone *one, ptrdiff_t window,
                        float *counts, float *shift) {
    for (ptrdiff_t y = 0; y < window; y++)
        for (ptrdiff_t x = 0; x < window; x++) {
            ptrdiff_t at = (one->y0 + y) * tile->width + one->x0 + x;
            counts[y * window + x] = tile->valid[at] > 0 ? (float)tile->counts[at] : NAN;
            shift[y * window + x] = (float)tile->own[at];
        }
}

static ptrdiff_t find_alone(const struct atm_tile *tile, ptrdiff_t window, struct alone *alone) {
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < tile->count; i++)
        if (is_alone(tile, i))
            alone[count++] = (struct alone){
                i, clamp(lround(tile->spots[i].x) - window / 2, tile->width - window),
                clamp(lround(tile->spots[i].y) - window / 2, tile->height - window)};
    return count;
}

static void take_over(struct atm_tile *tile, const struct alone *one,
                      const struct atm_batch_fit *fit) {
    struct atm_spot *spot = &tile->spots[one->spot];
    double x = (double)fit->value[ATM_SPOT_X] + (double)one->x0;
    double y = (double)fit->value[ATM_SPOT_Y] + (double)one->y0;
    if (fit->flags & (ATM_BATCH_NOT_CONVERGED | ATM_BATCH_AT_BOUND) ||
        hypot(x - spot->x, y - spot->y) > BELIEVED_SIGMAS * tile->psf.sigma_px)
        return;
    spot->x = x, spot->y = y, spot->amplitude = (double)fit->value[ATM_SPOT_AMPLITUDE];
}

enum atm_status atm_refine_start(struct atm_tile *tile, struct atm_err *err) {
    ptrdiff_t window = 2 * (ptrdiff_t)ceil(WINDOW_SIGMAS * tile->psf.sigma_px) + 1;
    if (window < ATM_BATCH_WINDOW_MIN || window > ATM_BATCH_WINDOW_MAX || window > tile->width ||
        window > tile->height || tile->count == 0)
        return ATM_OK;
    size_t room = (size_t)tile->count;
    struct alone *alone = atm_mem_alloc(room, sizeof *alone);
    struct atm_batch_fit *fits = atm_mem_alloc(room, sizeof *fits);
    size_t pixels = (size_t)(window * window);
    float *counts = atm_mem_alloc(room * pixels, 2 * sizeof *counts);
    enum atm_status status = alone && fits && counts ? ATM_OK : atm_err_memory(err, "single fits");
    if (!status) {
        ptrdiff_t count = find_alone(tile, window, alone);
        float *shift = counts + room * pixels;
        for (ptrdiff_t i = 0; i < count; i++)
            copy_window(tile, &alone[i], window, counts + i * window * window,
                        shift + i * window * window);
        const struct atm_batch_job job = {.count = count,
                                          .window = window,
                                          .counts = counts,
                                          .shift = shift,
                                          .psf = &tile->psf,
                                          .likelihood = (int)(tile->likelihood - atm_likelihoods)};
        atm_batch_run(&job, fits);
        for (ptrdiff_t i = 0; i < count; i++)
            take_over(tile, &alone[i], &fits[i]);
    }
    atm_mem_free(alone);
    atm_mem_free(fits);
    atm_mem_free(counts);
    return status;
}
