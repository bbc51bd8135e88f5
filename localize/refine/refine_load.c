/* From a frame to a tile: cutting, scaling to counts, seeds. */
#include "noise_model.h"
#include "psf_spline.h"
#include "refine_private.h"

#include <math.h>
#include <string.h>

/* Tiles have cores of about this size, and margins wide enough that what happens at their rim does
 * not reach the core. */
static const double CORE_PX = 40, CORE_SIGMAS = 20, MARGIN_SIGMAS = 7;

/* Never quite sure that there are no dim ones. */
static const double DIM_LEAST = 0.01;

/* No position is believed to be less certain than this when hypotheses are weighed: two emitters so
 * near that their distance hardly shows have a long, bent and bounded likelihood, and the Gaussian
 * that Laplace's method puts in its place would be far too large a volume. In simulations 0.2 loses
 * close pairs, 0.7 splits single emitters. */
static const double LAPLACE_SIGMAS = 0.4;

static ptrdiff_t pieces(ptrdiff_t n, double sigma_px) {
    double core = fmax(CORE_PX, CORE_SIGMAS * sigma_px);
    double inner = (double)n - 2 * MARGIN_SIGMAS * sigma_px; /* the frame's rims need no margin */
    return inner <= core ? 1 : (ptrdiff_t)ceil(inner / core);
}

/* wings: pixels that a sampled PSF reaches. */
static struct atm_refine_cut cut(ptrdiff_t n, ptrdiff_t count, ptrdiff_t index, double sigma_px,
                                 ptrdiff_t wings) {
    ptrdiff_t margin = (ptrdiff_t)ceil(MARGIN_SIGMAS * sigma_px);
    margin = margin > wings ? margin : wings;
    struct atm_refine_cut c = {.core_start = n * index / count,
                               .core_end = n * (index + 1) / count};
    c.start = c.core_start > margin ? c.core_start - margin : 0;
    ptrdiff_t end = c.core_end + margin < n ? c.core_end + margin : n;
    c.length = end - c.start;
    return c;
}

ptrdiff_t atm_refine_area_count(const struct atm_refine *refine, double sigma_px) {
    return pieces(refine->height, sigma_px) * pieces(refine->width, sigma_px);
}

struct atm_refine_area atm_refine_area(const struct atm_refine *refine, double sigma_px,
                                       ptrdiff_t index) {
    ptrdiff_t down = pieces(refine->height, sigma_px), across = pieces(refine->width, sigma_px);
    ptrdiff_t wings = refine->spline ? atm_spline_half(refine->spline) : 0;
    return (struct atm_refine_area){
        .rows = cut(refine->height, down, index / across, sigma_px, wings),
        .columns = cut(refine->width, across, index % across, sigma_px, wings),
    };
}

struct atm_refine_scale atm_refine_scale(struct atm_noise noise) {
    if (noise.gain > 0)
        return (struct atm_refine_scale){noise.gain, noise.floor / (noise.gain * noise.gain) -
                                                         noise.zero / noise.gain};
    return (struct atm_refine_scale){1, 0}; /* no shot noise: the floor is the variance */
}

const struct atm_likelihood *atm_refine_likelihood(const struct atm_refine *refine,
                                                   struct atm_noise noise) {
    return &atm_likelihoods[noise.gain > 0 ? atm_noise_models[refine->options.likelihood].formula
                                           : ATM_LIKELIHOOD_LEAST_SQUARES];
}

double atm_refine_threshold(const struct atm_refine *refine, const struct atm_refine_input *input) {
    return input->threshold > 0
               ? input->threshold
               : atm_choice_threshold(refine->options.false_per_frame, input->sigma_px);
}

static void load_pixels(struct atm_refine_worker *worker, const struct atm_refine_input *input,
                        const struct atm_refine_area *area) {
    struct atm_tile *tile = &worker->tile;
    const ptrdiff_t frame_width = worker->refine->width;
    struct atm_refine_scale scale = atm_refine_scale(input->noise);
    for (ptrdiff_t y = 0; y < tile->height; y++)
        for (ptrdiff_t x = 0; x < tile->width; x++) {
            ptrdiff_t from = (area->rows.start + y) * frame_width + area->columns.start + x;
            ptrdiff_t to = y * tile->width + x;
            /* a pixel's own variance shifts its counts and their expectation alike */
            double own = input->variance ? (double)input->variance[from] : 0;
            own /= scale.gain * scale.gain;
            double shift = scale.shift + own;
            double value = (double)input->image[from] / scale.gain + shift;
            double base = (double)input->background[from] / scale.gain + shift;
            bool saturated = input->saturation && input->image[from] >= input->saturation[from];
            bool valid = isfinite(value) && isfinite(base) && !(own < 0) && !saturated;
            tile->valid[to] = valid, tile->own[to] = valid ? own : 0;
            tile->counts[to] = valid ? value : 0;
            tile->mean[to] = tile->base[to] = valid ? base : 0;
        }
}

void atm_refine_weigh(struct atm_tile *tile, struct atm_noise noise) {
    for (ptrdiff_t i = 0; i < tile->height * tile->width; i++)
        tile->variance[i] =
            noise.gain > 0 ? fmax(tile->mean[i], 1e-3) : fmax(noise.floor + tile->own[i], 1e-12);
}

static enum atm_status sow(struct atm_tile *tile, const struct atm_refine_input *input,
                           const struct atm_refine_area *area, struct atm_err *err) {
    double gain = atm_refine_scale(input->noise).gain;
    for (ptrdiff_t i = 0; i < input->seed_count; i++) {
        const struct atm_loc *seed = &input->seeds[i];
        struct atm_spot spot = {.x = seed->x - (double)area->columns.start,
                                .y = seed->y - (double)area->rows.start,
                                .amplitude =
                                    isfinite(seed->photons) ? fmax(seed->photons / gain, 1) : 1};
        if (!(spot.x >= tile->x_min - 0.5 && spot.x <= tile->x_max + 0.5 &&
              spot.y >= tile->y_min - 0.5 && spot.y <= tile->y_max + 0.5))
            continue;
        struct atm_mark mark = {.blocks = seed->blocks,
                                .flags = seed->flags & ATM_LOC_FROM_RESIDUAL};
        enum atm_status status = atm_tile_append(tile, spot, mark, err);
        if (status)
            return status;
    }
    return ATM_OK;
}

/* Near seeds become one at their photon-weighted mean. */
static void merge(struct atm_tile *tile, double reach) {
    for (ptrdiff_t i = 0; i < tile->count; i++)
        for (ptrdiff_t j = i + 1; j < tile->count; j++) {
            struct atm_spot *a = &tile->spots[i], *b = &tile->spots[j];
            if (!(a->amplitude > 0 && b->amplitude > 0) || hypot(a->x - b->x, a->y - b->y) >= reach)
                continue;
            double sum = a->amplitude + b->amplitude;
            a->x = (a->amplitude * a->x + b->amplitude * b->x) / sum;
            a->y = (a->amplitude * a->y + b->amplitude * b->y) / sum;
            a->amplitude = sum, b->amplitude = 0;
            tile->marks[i].blocks += tile->marks[j].blocks;
        }
    atm_tile_tidy(tile);
}

enum atm_status atm_refine_load(struct atm_refine_worker *worker,
                                const struct atm_refine_input *input,
                                const struct atm_refine_area *area, double merge_px,
                                struct atm_err *err) {
    const struct atm_refine *refine = worker->refine;
    struct atm_tile *tile = &worker->tile;
    ptrdiff_t height = area->rows.length, width = area->columns.length;
    const struct atm_psf psf = {&atm_psf_kinds[refine->spline ? ATM_PSF_SPLINE : ATM_PSF_GAUSSIAN],
                                input->sigma_px, refine->spline};
    enum atm_status status = atm_tile_reserve(tile, height, width, &psf, err);
    if (status)
        return status;
    tile->likelihood = atm_refine_likelihood(refine, input->noise);
    const struct atm_refine_population *population = &input->population;
    tile->brightness = (struct atm_brightness){
        .log_mean = population->log_mean - log(atm_refine_scale(input->noise).gain),
        .log_sd = population->density > 0 ? population->log_sd : 0,
        .dim_share = fmin(fmax(population->dim_share, DIM_LEAST), 0.9),
    };
    tile->density = population->density;
    tile->where_stride = refine->width;
    tile->where = population->where
                      ? population->where + area->rows.start * refine->width + area->columns.start
                      : NULL;
    tile->position_precision =
        fmax(2 * M_PI * input->population.density,
             1 / (LAPLACE_SIGMAS * LAPLACE_SIGMAS * input->sigma_px * input->sigma_px));
    tile->threshold = atm_refine_threshold(refine, input);
    tile->background_terms = refine->options.background == ATM_REFINE_PLANE ? 3 : 1;
    memset(tile->background, 0, sizeof tile->background);
    tile->count = 0;
    tile->x_min = tile->y_min = -0.5;
    tile->x_max = (double)width - 0.5, tile->y_max = (double)height - 0.5;
    load_pixels(worker, input, area);
    atm_refine_weigh(tile, input->noise);
    status = sow(tile, input, area, err);
    if (!status)
        merge(tile, merge_px);
    return status;
}
