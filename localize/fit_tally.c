#include "fit_tally.h"

#include "mem.h"
#include "refine_private.h"
#include <math.h>
#include <string.h>

/* Emitters take their parameters from a tile's degrees of freedom, but never all of them. */
static const double LEAST_FREEDOM = 0.1;

struct atm_fit_grid atm_fit_grid(ptrdiff_t height, ptrdiff_t width) {
    const ptrdiff_t longer = height > width ? height : width;
    ptrdiff_t side = (longer + ATM_FIT_MOST_TILES - 1) / ATM_FIT_MOST_TILES;
    side = side > ATM_FIT_TILE_PX ? side : ATM_FIT_TILE_PX;
    return (struct atm_fit_grid){height, width, side, (height + side - 1) / side,
                                 (width + side - 1) / side};
}

/* ---- One frame ---- */

/* Pixels of a row within one tile, as the likelihood wants them. */
struct segment {
    double *counts, *valid, *variance, *mean, *residual, *weight;
};

/* Fill the segment, and add the sums that need no likelihood. */
static void load(const struct atm_fit_view *view, ptrdiff_t from, ptrdiff_t count,
                 const struct segment *s, double *sums) {
    const struct atm_refine_input *in = view->input;
    const struct atm_refine_scale scale = atm_refine_scale(in->noise);
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t at = from + i;
        const double image = (double)in->image[at], model = (double)view->model[at];
        const double ground = (double)in->background[at];
        const double own = in->variance ? (double)in->variance[at] : 0;
        const double shift = scale.shift + own / (scale.gain * scale.gain);
        const double noise =
            fmax(in->noise.gain * (model - in->noise.zero) + in->noise.floor + own, 0);
        const bool valid = isfinite(image) && isfinite(model) && isfinite(own) &&
                           !(in->saturation && in->image[at] >= in->saturation[at]);
        s->valid[i] = valid;
        s->counts[i] = valid ? image / scale.gain + shift : 0;
        s->mean[i] = valid ? model / scale.gain + shift : 1;
        s->variance[i] = fmax(in->noise.floor + own, 1e-12); /* least squares only */
        sums[ATM_FIT_BACKGROUND] += ground, sums[ATM_FIT_PIXELS]++;
        if (!valid)
            continue;
        sums[ATM_FIT_LEFT] += (image - model) * (image - model);
        sums[ATM_FIT_NOISE] += noise, sums[ATM_FIT_NOISE_VARIANCE] += 2 * noise * noise;
        sums[ATM_FIT_SIGNAL] += (image - ground) * (image - ground) - noise;
    }
}

static ptrdiff_t tile_of(double v, ptrdiff_t tile_px, ptrdiff_t tiles) {
    const ptrdiff_t tile = (ptrdiff_t)((v + 0.5) / (double)tile_px);
    return tile < 0 ? 0 : tile < tiles ? tile : tiles - 1;
}

/* Fitted parameters take noise away. */
static void take_freedom(const struct atm_fit_grid *grid, const struct atm_fit_view *view,
                         double *tiles) {
    for (ptrdiff_t i = 0; i < view->row_count; i++) {
        const ptrdiff_t row = tile_of(view->rows[i].y, grid->tile_px, grid->rows);
        const ptrdiff_t column = tile_of(view->rows[i].x, grid->tile_px, grid->columns);
        tiles[(row * grid->columns + column) * ATM_FIT_SUMS + ATM_FIT_PARAMETERS] +=
            view->parameters;
    }
    for (ptrdiff_t k = 0; k < grid->rows * grid->columns; k++) {
        double *sums = tiles + k * ATM_FIT_SUMS, expected = sums[ATM_FIT_EXPECTED];
        if (!(expected > 0))
            continue;
        const double left = fmax(1 - sums[ATM_FIT_PARAMETERS] / expected, LEAST_FREEDOM);
        sums[ATM_FIT_EXPECTED] *= left, sums[ATM_FIT_NOISE] *= left;
    }
}

static void sum_up(const struct atm_fit_grid *grid, const double *tiles,
                   struct atm_frame_fit *frame) {
    double sums[ATM_FIT_SUMS] = {0};
    for (ptrdiff_t k = 0; k < grid->rows * grid->columns; k++)
        for (int s = 0; s < ATM_FIT_SUMS; s++)
            sums[s] += tiles[k * ATM_FIT_SUMS + s];
    const double expected = sums[ATM_FIT_EXPECTED];
    frame->deviance = (float)(sums[ATM_FIT_DEVIANCE] / expected);
    frame->deviance_sd = (float)(sqrt(sums[ATM_FIT_VARIANCE]) / expected);
    frame->unexplained = (float)((sums[ATM_FIT_LEFT] - sums[ATM_FIT_NOISE]) / sums[ATM_FIT_SIGNAL]);
}

void atm_fit_measure(const struct atm_fit_grid *grid, const struct atm_fit_view *view,
                     double *scratch, double *tiles, struct atm_frame_fit *frame) {
    const ptrdiff_t side = grid->tile_px;
    const struct segment s = {scratch,
                              scratch + side,
                              scratch + 2 * side,
                              scratch + 3 * side,
                              scratch + 4 * side,
                              scratch + 5 * side};
    const bool shot = view->input->noise.gain > 0;
    const struct atm_likelihood *likelihood =
        &atm_likelihoods[shot ? ATM_LIKELIHOOD_POISSON : ATM_LIKELIHOOD_LEAST_SQUARES];
    memset(tiles, 0, (size_t)(grid->rows * grid->columns * ATM_FIT_SUMS) * sizeof *tiles);
    for (ptrdiff_t y = 0; y < grid->height; y++)
        for (ptrdiff_t column = 0; column < grid->columns; column++) {
            const ptrdiff_t x = column * side, left = grid->width - x;
            const ptrdiff_t count = left < side ? left : side;
            double *sums = tiles + (y / side * grid->columns + column) * ATM_FIT_SUMS;
            load(view, y * grid->width + x, count, &s, sums);
            sums[ATM_FIT_DEVIANCE] +=
                likelihood->evaluate((struct atm_pixels){s.counts, s.valid, s.variance}, s.mean,
                                     count, s.residual, s.weight);
            likelihood->expect(s.valid, s.mean, count, &sums[ATM_FIT_EXPECTED],
                               &sums[ATM_FIT_VARIANCE]);
        }
    take_freedom(grid, view, tiles);
    sum_up(grid, tiles, frame);
}

/* ---- All of them ---- */

enum atm_status atm_fit_tally_init(struct atm_fit_tally *tally, ptrdiff_t height, ptrdiff_t width,
                                   struct atm_err *err) {
    *tally = (struct atm_fit_tally){.grid = atm_fit_grid(height, width)};
    const size_t sums = (size_t)(tally->grid.rows * tally->grid.columns * ATM_FIT_SUMS);
    const size_t all = sums + 2 * ATM_HISTOGRAM_BINS + 2;
    tally->tiles = atm_mem_alloc(all, sizeof *tally->tiles);
    if (!tally->tiles)
        return atm_err_memory(err, "the map of the fit");
    tally->bytes = all * sizeof *tally->tiles;
    tally->seeds = (struct atm_histogram *)(tally->tiles + sums);
    tally->background = tally->seeds + 1;
    tally->localizations = (double *)(tally->background + 1);
    tally->from_residual = tally->localizations + 1;
    return ATM_OK;
}

void atm_fit_tally_free(struct atm_fit_tally *tally) {
    atm_mem_free(tally->tiles);
    *tally = (struct atm_fit_tally){0};
}

void atm_fit_tally_add(struct atm_fit_tally *tally, const double *tiles, const struct atm_loc *rows,
                       ptrdiff_t row_count) {
    for (ptrdiff_t k = 0; k < tally->grid.rows * tally->grid.columns; k++) {
        const double *tile = tiles + k * ATM_FIT_SUMS;
        for (int s = 0; s < ATM_FIT_SUMS; s++)
            tally->tiles[k * ATM_FIT_SUMS + s] += tile[s];
        atm_histogram_add(tally->background, tile[ATM_FIT_BACKGROUND] / tile[ATM_FIT_PIXELS]);
    }
    *tally->localizations += (double)row_count;
    for (ptrdiff_t i = 0; i < row_count; i++)
        *tally->from_residual += (rows[i].flags & ATM_LOC_FROM_RESIDUAL) ? 1 : 0;
}
