/* From a fitted tile to rows of the caller's table. */
#include "mem.h"
#include "refine_private.h"

#include <float.h>
#include <math.h>

/* Two tiles fit the emitters at their seam and may disagree about its side by a hair: those this
 * far outside the core are reported too, unless the other tile has. */
static const double SEAM_PX = 0.05;

/* Standard deviations of all parameters, from the joint Fisher matrix. */
static enum atm_status spread(struct atm_refine_worker *worker, struct atm_err *err) {
    struct atm_fit *fit = &worker->tile.fit;
    if (fit->size > worker->spread_capacity) {
        ptrdiff_t room = fit->size + fit->size / 2;
        double *block = atm_mem_alloc(2 * (size_t)room, sizeof *block);
        if (!block)
            return atm_err_memory(err, "uncertainties");
        atm_mem_free(worker->spread);
        worker->spread = block, worker->spread_capacity = room;
    }
    atm_envelope_inverse_diagonal(&fit->factor, worker->spread,
                                  worker->spread + worker->spread_capacity);
    for (ptrdiff_t i = 0; i < fit->size; i++)
        worker->spread[i] = sqrt(worker->spread[i]);
    return ATM_OK;
}

/* Pearson's chi-square per degree of freedom over the support of one emitter. */
static double goodness(const struct atm_tile *tile, const struct atm_patch *patch) {
    double sum = 0, pixels = 0;
    for (ptrdiff_t y = patch->y0; y < patch->y0 + patch->ny; y++)
        for (ptrdiff_t x = patch->x0; x < patch->x0 + patch->nx; x++) {
            ptrdiff_t i = y * tile->width + x;
            if (tile->fit.weight[i] > 0) {
                sum += tile->fit.residual[i] * tile->fit.residual[i] / tile->fit.weight[i];
                pixels++;
            }
        }
    return pixels > 4 ? sum / (pixels - 4) : 1;
}

/* The deviance of the pixels of one emitter, and what it would be if the model were right: less one
 * for each of its parameters. */
static void judge_fit(struct atm_tile *tile, ptrdiff_t index, struct atm_loc *loc) {
    const struct atm_patch *patch = &tile->fit.patches[index];
    double sum = 0, expected = 0, variance = 0, *residual = tile->window[0];
    for (ptrdiff_t y = 0; y < patch->ny; y++) {
        ptrdiff_t at = (patch->y0 + y) * tile->width + patch->x0;
        struct atm_pixels row = {tile->counts + at, tile->valid + at, tile->variance + at};
        const double *mean = tile->fit.mean + at;
        sum += tile->likelihood->evaluate(row, mean, patch->nx, residual, tile->window[1]);
        tile->likelihood->expect(row.valid, mean, patch->nx, &expected, &variance);
    }
    loc->deviance = sum;
    loc->deviance_expected = fmax(expected - tile->fit.parameters, 0);
    loc->deviance_sd = sqrt(variance);
}

/* Deviance of an emitter as if it were alone: what noise must not reach more often than promised,
 * however dim the population is thought to be. Close pairs, whose joint errors are large, keep it.
 */
static double strength(const struct atm_tile *tile, ptrdiff_t index) {
    const struct atm_patch *a = &tile->fit.patches[index];
    double information = 0, amplitude = tile->spots[index].amplitude;
    for (ptrdiff_t y = 0; y < a->ny; y++)
        for (ptrdiff_t x = 0; x < a->nx; x++) {
            double h = a->plane[ATM_SPOT_AMPLITUDE][y * a->stride + x];
            information += h * h * tile->fit.weight[(a->y0 + y) * tile->width + a->x0 + x];
        }
    return amplitude * amplitude * information;
}

/* Whether a pixel within 2 sigma, where the fit looks most, was left out. */
static bool on_masked(const struct atm_tile *tile, const struct atm_spot *spot) {
    double reach = 2 * tile->psf.sigma_px;
    for (ptrdiff_t i = 0; i < tile->height * tile->width; i++)
        if (!(tile->valid[i] > 0) &&
            hypot((double)(i % tile->width) - spot->x, (double)(i / tile->width) - spot->y) < reach)
            return true;
    return false;
}

static int64_t flags_of(const struct atm_refine_worker *worker, const struct atm_loc *loc,
                        ptrdiff_t index) {
    const struct atm_tile *tile = &worker->tile;
    const struct atm_spot *spot = &tile->spots[index];
    int64_t flags = tile->marks[index].flags;
    double sigma = tile->psf.sigma_px;
    if (!tile->fit.converged)
        flags |= ATM_LOC_NOT_CONVERGED;
    if (loc->x < sigma - 0.5 || loc->x > (double)worker->refine->width - 0.5 - sigma ||
        loc->y < sigma - 0.5 || loc->y > (double)worker->refine->height - 0.5 - sigma)
        flags |= ATM_LOC_AT_BORDER;
    if (on_masked(tile, spot))
        flags |= ATM_LOC_ON_MASKED;
    for (ptrdiff_t i = 0; i < tile->count; i++)
        if (i != index && hypot(tile->spots[i].x - spot->x, tile->spots[i].y - spot->y) < 4 * sigma)
            flags |= ATM_LOC_OVERLAPPING;
    return flags;
}

/* Where two emitters blend, the curvature of the likelihood says hardly anything about how their
 * light is shared, and a standard deviation from it alone can exceed the field. What is known all
 * the same: each lies in the blend, so within this many sigmas of where it was put, and has at most
 * the light of the blend. */
static const double BLEND_SIGMAS = 2;

static double most_uncertain(const struct atm_tile *tile, ptrdiff_t index, int k) {
    const struct atm_spot *spot = &tile->spots[index];
    const double reach = BLEND_SIGMAS * tile->psf.sigma_px;
    if (k > ATM_SPOT_AMPLITUDE)
        return INFINITY;
    if (k != ATM_SPOT_AMPLITUDE)
        return reach;
    double light = 0;
    for (ptrdiff_t i = 0; i < tile->count; i++)
        if (hypot(tile->spots[i].x - spot->x, tile->spots[i].y - spot->y) <= 2 * reach)
            light += tile->spots[i].amplitude;
    return light;
}

/* Standard deviation of parameter k: of the fit, and of not knowing how many emitters there are
 * (the variance of the mixture of explanations about the one that is reported). */
static double uncertainty(const struct atm_refine_worker *worker, ptrdiff_t index, int k) {
    const struct atm_mark *mark = &worker->tile.marks[index];
    double fitted = worker->spread[worker->tile.fit.parameters * index + k];
    if (k > ATM_SPOT_AMPLITUDE)
        return fitted;
    double all = sqrt(fitted * fitted + mark->difference[k] / (1 + mark->doubt));
    return fmin(all, most_uncertain(&worker->tile, index, k));
}

static double background_at(const struct atm_tile *tile, const struct atm_spot *spot) {
    ptrdiff_t x = lround(fmin(fmax(spot->x, 0), (double)tile->width - 1));
    ptrdiff_t y = lround(fmin(fmax(spot->y, 0), (double)tile->height - 1));
    ptrdiff_t pixel = y * tile->width + x;
    double background = tile->base[pixel] - tile->own[pixel];
    for (int t = 0; t < tile->background_terms; t++)
        background += tile->background[t] * atm_fit_basis(tile->height, tile->width, t, pixel);
    return background;
}

static void set_widths(const struct atm_refine_worker *worker, ptrdiff_t index,
                       struct atm_loc *loc) {
    const struct atm_spot *spot = &worker->tile.spots[index];
    const int widths = worker->tile.psf.kind->widths;
    loc->sx = loc->sy = worker->tile.psf.sigma_px;
    loc->sx_unc = loc->sy_unc = 0;
    if (widths == 0)
        return;
    loc->sx = spot->sx, loc->sy = spot->sy;
    loc->sx_unc = uncertainty(worker, index, ATM_SPOT_SX);
    loc->sy_unc = widths == 2 ? uncertainty(worker, index, ATM_SPOT_SY) : loc->sx_unc;
}

static struct atm_loc row(struct atm_refine_worker *worker, const struct atm_refine_input *input,
                          const struct atm_refine_area *area, ptrdiff_t index) {
    struct atm_tile *tile = &worker->tile;
    const struct atm_spot *spot = &tile->spots[index];
    const double *sd = worker->spread + tile->fit.parameters * index;
    struct atm_refine_scale scale = atm_refine_scale(input->noise);
    struct atm_loc loc = atm_loc_empty();
    loc.frame = input->frame;
    loc.x = spot->x + (double)area->columns.start, loc.y = spot->y + (double)area->rows.start;
    loc.x_unc = uncertainty(worker, index, ATM_SPOT_X);
    loc.y_unc = uncertainty(worker, index, ATM_SPOT_Y);
    loc.photons = spot->amplitude * scale.gain,
    loc.photons_unc = uncertainty(worker, index, ATM_SPOT_AMPLITUDE) * scale.gain;
    loc.background = (background_at(tile, spot) - scale.shift) * scale.gain;
    loc.background_unc = worker->spread[tile->fit.parameters * tile->count] * scale.gain;
    set_widths(worker, index, &loc);
    judge_fit(tile, index, &loc);
    loc.llr = (spot->amplitude / sd[2]) * (spot->amplitude / sd[2]);
    loc.chi2 = goodness(tile, &tile->fit.patches[index]);
    loc.iterations = tile->fit.iterations;
    loc.blocks = tile->marks[index].blocks;
    loc.flags = flags_of(worker, &loc, index);
    return loc;
}

static bool whole(const struct atm_loc *loc) {
    const double values[] = {
        loc->x,      loc->y,      loc->photons,     loc->background,        loc->llr,
        loc->x_unc,  loc->y_unc,  loc->photons_unc, loc->background_unc,    loc->chi2,
        loc->sx_unc, loc->sy_unc, loc->deviance,    loc->deviance_expected, loc->deviance_sd};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* How far a coordinate lies outside the core; negative inside. */
static double outside(double v, const struct atm_refine_cut *cut) {
    return fmax((double)cut->core_start - 0.5 - v, v - ((double)cut->core_end - 0.5));
}

static bool belongs(const struct atm_refine_area *area, const struct atm_loc *loc,
                    const struct atm_table *out, ptrdiff_t first) {
    double away = fmax(outside(loc->x, &area->columns), outside(loc->y, &area->rows));
    if (away > SEAM_PX)
        return false;
    if (away < -3 * SEAM_PX)
        return true;
    for (ptrdiff_t i = first; i < out->count; i++)
        if (hypot(out->rows[i].x - loc->x, out->rows[i].y - loc->y) < 3 * SEAM_PX)
            return false;
    return true;
}

static void copy_model(struct atm_refine *refine, const struct atm_tile *tile,
                       struct atm_refine_scale scale, const struct atm_refine_area *area) {
    const struct atm_refine_cut *rows = &area->rows, *columns = &area->columns;
    for (ptrdiff_t y = rows->core_start; y < rows->core_end; y++)
        for (ptrdiff_t x = columns->core_start; x < columns->core_end; x++) {
            ptrdiff_t at = (y - rows->start) * tile->width + x - columns->start;
            refine->model[y * refine->width + x] = (float)fmin(
                fmax((tile->mean[at] - tile->own[at] - scale.shift) * scale.gain, -FLT_MAX),
                FLT_MAX);
        }
}

static enum atm_status keep_strength(struct atm_refine *refine, double worth, struct atm_err *err) {
    if (refine->strength_count == refine->strength_capacity) {
        const size_t old = (size_t)refine->strength_capacity, room = old ? 2 * old : 256;
        double *grown = atm_mem_grow(refine->strengths, old, room, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, "the emitters of a frame");
        refine->strengths = grown, refine->strength_capacity = (ptrdiff_t)room;
    }
    refine->strengths[refine->strength_count++] = worth;
    return ATM_OK;
}

enum atm_status atm_refine_report(struct atm_refine *refine, struct atm_refine_worker *worker,
                                  const struct atm_refine_input *input,
                                  const struct atm_refine_area *area, ptrdiff_t first,
                                  struct atm_table *out, struct atm_err *err) {
    struct atm_tile *tile = &worker->tile;
    copy_model(refine, tile, atm_refine_scale(input->noise), area);
    if (!tile->count || !tile->fit.determined)
        return ATM_OK;
    enum atm_status status = spread(worker, err);
    ptrdiff_t others = out->count;
    for (ptrdiff_t i = 0; i < tile->count && !status; i++) {
        const double worth = strength(tile, i);
        if (worth < tile->threshold)
            continue;
        struct atm_loc loc = row(worker, input, area, i);
        struct atm_table earlier = {.rows = out->rows, .count = others};
        if (!whole(&loc) || !belongs(area, &loc, &earlier, first))
            continue;
        status = keep_strength(refine, worth, err);
        if (!status)
            status = atm_table_append(out, &loc, err);
    }
    return status;
}
