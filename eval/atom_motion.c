#include "atom_motion.h"

#include "mem.h"
#include "rng.h"

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

static const double STEP = 0.1; /* standard deviations */

void atm_jacobians_free(struct atm_jacobians *jacobians) {
    atm_mem_free(jacobians->at);
    *jacobians = (struct atm_jacobians){0};
}

/* ---- Ranges of the coordinates over the active blocks ---- */

struct range {
    double low, high, sd; /* 1 % and 99 % quantiles */
};

static const float *latent_of(const struct atm_block_set *set, ptrdiff_t image, ptrdiff_t block) {
    ptrdiff_t row = image * set->size.blocks + set->blocks.at[block].index;
    return set->latents + row * set->model->latent;
}

/* Image of every active block, by its place in the list. */
static void find_images(const struct atm_block_set *set, ptrdiff_t *image) {
    for (ptrdiff_t n = 0; n < set->blocks.images; n++)
        for (ptrdiff_t b = set->blocks.first[n]; b < set->blocks.first[n + 1]; b++)
            image[b] = n;
}

/* Blocks of a grid's cells count as one: cells are alike. */
static ptrdiff_t slot_of(const struct atm_block_set *set, ptrdiff_t block) {
    return set->blocks.at[block].index % set->size.per_cell;
}

/* Of coordinate j of one slot; slot -1: of all. */
static struct range find_range(const struct atm_block_set *set, const ptrdiff_t *image,
                               ptrdiff_t slot, ptrdiff_t j, double *column) {
    size_t n = 0;
    for (ptrdiff_t b = 0; b < set->blocks.count; b++)
        if (slot < 0 || slot_of(set, b) == slot)
            column[n++] = (double)latent_of(set, image[b], b)[j];
    if (!n)
        return (struct range){0, 0, 0};
    gsl_sort(column, 1, n);
    return (struct range){gsl_stats_quantile_from_sorted_data(column, 1, n, 0.01),
                          gsl_stats_quantile_from_sorted_data(column, 1, n, 0.99),
                          n > 1 ? gsl_stats_sd(column, 1, n) : 0};
}

/* What both measurements need of a set. */
struct workspace {
    ptrdiff_t *image;     /* (active blocks) */
    double *column;       /* (active blocks) */
    struct range *ranges; /* (slots or 1, latent) */
};

static void workspace_free(struct workspace *work) {
    atm_mem_free(work->image);
    atm_mem_free(work->column);
    atm_mem_free(work->ranges);
}

/* Ranges of each slot, or one for all. */
static enum atm_status workspace_init(struct workspace *work, const struct atm_block_set *set,
                                      bool by_slot, struct atm_err *err) {
    size_t n = (size_t)set->blocks.count;
    ptrdiff_t slots = by_slot ? set->size.per_cell : 1, d = set->model->latent;
    work->image = atm_mem_alloc(n, sizeof *work->image);
    work->column = atm_mem_alloc(n, sizeof *work->column);
    work->ranges = atm_mem_alloc((size_t)(slots * d), sizeof *work->ranges);
    if (!work->image || !work->column || !work->ranges)
        return atm_err_memory(err, "the motions of atoms");
    find_images(set, work->image);
    for (ptrdiff_t i = 0; i < slots * d; i++)
        work->ranges[i] = find_range(set, work->image, by_slot ? i / d : -1, i % d, work->column);
    return ATM_OK;
}

/* ---- Jacobians ---- */

/* Two latents for every coordinate of a block: a step back, a step forward. */
static void write_steps(const float *z, ptrdiff_t d, const struct range *ranges, float *to) {
    for (ptrdiff_t j = 0; j < d; j++)
        for (int side = 0; side < 2; side++, to += d) {
            memcpy(to, z, (size_t)d * sizeof *to);
            to[j] += (float)((side ? STEP : -STEP) * ranges[j].sd);
        }
}

/* False where one of the moved atoms is no spot. A dead coordinate moves nothing. */
static bool differences(const struct atm_block *moved, ptrdiff_t d, double *jacobian) {
    for (ptrdiff_t j = 0; j < d; j++, moved += 2, jacobian += ATM_MOTIONS) {
        const struct atm_spot_fit *a = &moved[0].spot, *b = &moved[1].spot;
        if (!moved[0].fitted || !moved[1].fitted)
            return false;
        jacobian[0] = (b->x - a->x) / (2 * STEP);
        jacobian[1] = (b->y - a->y) / (2 * STEP);
        jacobian[2] = log(b->amplitude / a->amplitude) / (2 * STEP);
    }
    return true;
}

static enum atm_status step_blocks(const struct atm_block_set *set, const struct workspace *work,
                                   const ptrdiff_t *blocks, ptrdiff_t count, ptrdiff_t most,
                                   struct atm_jacobians *out, struct atm_err *err) {
    ptrdiff_t d = set->model->latent, n = count < most ? count : most;
    float *latents = atm_mem_alloc((size_t)(n * 2 * d * d), sizeof *latents);
    struct atm_block *moved = atm_mem_alloc((size_t)(n * 2 * d), sizeof *moved);
    enum atm_status status = latents && moved ? ATM_OK : atm_err_memory(err, "motions of atoms");
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        ptrdiff_t b = blocks[i * count / n];
        write_steps(latent_of(set, work->image[b], b), d, work->ranges, latents + i * 2 * d * d);
    }
    if (!status)
        status = atm_blocks_of_latents(set->model, n * 2 * d, latents, moved, err);
    for (ptrdiff_t i = 0; !status && i < n; i++)
        out->count += differences(moved + i * 2 * d, d, out->at + out->count * d * ATM_MOTIONS);
    atm_mem_free(latents);
    atm_mem_free(moved);
    return status;
}

enum atm_status atm_jacobians_measure(const struct atm_block_set *set, const ptrdiff_t *blocks,
                                      ptrdiff_t count, ptrdiff_t most, struct atm_jacobians *out,
                                      struct atm_err *err) {
    struct workspace work = {0};
    *out = (struct atm_jacobians){.latent = set->model->latent};
    if (!count)
        return ATM_OK;
    out->at = atm_mem_alloc((size_t)(most * out->latent * ATM_MOTIONS), sizeof *out->at);
    enum atm_status status = out->at ? workspace_init(&work, set, false, err)
                                     : atm_err_memory(err, "the motions of atoms");
    if (!status)
        status = step_blocks(set, &work, blocks, count, most, out, err);
    workspace_free(&work);
    return status;
}

/* ---- Their summary ---- */

/* Sorts the values. */
static struct atm_quantiles quantiles(double *values, ptrdiff_t count) {
    if (!count)
        return (struct atm_quantiles){NAN, NAN, NAN};
    size_t n = (size_t)count;
    gsl_sort(values, 1, n);
    return (struct atm_quantiles){gsl_stats_quantile_from_sorted_data(values, 1, n, 0.1),
                                  gsl_stats_quantile_from_sorted_data(values, 1, n, 0.5),
                                  gsl_stats_quantile_from_sorted_data(values, 1, n, 0.9)};
}

/* s2 / s1 of the 2 x d0 matrix, by the eigenvalues of J J'. */
static double singular_ratio(const double *jacobian, ptrdiff_t d) {
    double xx = 0, yy = 0, xy = 0;
    for (ptrdiff_t j = 0; j < d; j++, jacobian += ATM_MOTIONS) {
        xx += jacobian[0] * jacobian[0];
        yy += jacobian[1] * jacobian[1];
        xy += jacobian[0] * jacobian[1];
    }
    double middle = (xx + yy) / 2, half = hypot((xx - yy) / 2, xy);
    return middle + half > 0 ? sqrt(fmax(middle - half, 0) / (middle + half)) : NAN;
}

static void find_fastest(const double *speed, ptrdiff_t d, ptrdiff_t fastest[2]) {
    fastest[0] = fastest[1] = -1;
    for (ptrdiff_t j = 0; j < d; j++) {
        if (fastest[0] < 0 || speed[j] > speed[fastest[0]])
            fastest[1] = fastest[0], fastest[0] = j;
        else if (fastest[1] < 0 || speed[j] > speed[fastest[1]])
            fastest[1] = j;
    }
}

static void compare_two(const struct atm_jacobians *jacobians, double *values,
                        struct atm_motion *motion) {
    double *ratios = values + jacobians->count;
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; motion->fastest[1] >= 0 && i < jacobians->count; i++) {
        const double *j = jacobians->at + i * jacobians->latent * ATM_MOTIONS;
        const double *a = j + motion->fastest[0] * ATM_MOTIONS;
        const double *b = j + motion->fastest[1] * ATM_MOTIONS;
        double la = hypot(a[0], a[1]), lb = hypot(b[0], b[1]);
        if (!(la > 0) || !(lb > 0))
            continue;
        double cross = fabs(a[0] * b[1] - a[1] * b[0]), dot = fabs(a[0] * b[0] + a[1] * b[1]);
        values[n] = atan2(cross, dot) * 180 / M_PI;
        ratios[n++] = fmin(la, lb) / fmax(la, lb);
    }
    motion->angle = quantiles(values, n);
    motion->speed_ratio = quantiles(ratios, n);
}

enum atm_status atm_motion_summarise(const struct atm_jacobians *jacobians,
                                     struct atm_motion *motion, double *speed, double *growth,
                                     struct atm_err *err) {
    ptrdiff_t n = jacobians->count, d = jacobians->latent;
    double *values = atm_mem_alloc(2 * (size_t)n + 1, sizeof *values);
    if (!values)
        return atm_err_memory(err, "the motions of atoms");
    *motion = (struct atm_motion){.samples = n};
    for (ptrdiff_t i = 0; i < n; i++)
        values[i] = singular_ratio(jacobians->at + i * d * ATM_MOTIONS, d);
    motion->singular_ratio = quantiles(values, n);
    for (ptrdiff_t j = 0; j < d; j++) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const double *at = jacobians->at + (i * d + j) * ATM_MOTIONS;
            values[i] = hypot(at[0], at[1]), values[n + i] = fabs(at[2]);
        }
        speed[j] = quantiles(values, n).median;
        growth[j] = quantiles(values + n, n).median;
    }
    find_fastest(speed, d, motion->fastest);
    compare_two(jacobians, values, motion);
    atm_mem_free(values);
    return ATM_OK;
}

/* ---- Validity ---- */

static void move_one(float *z, ptrdiff_t coordinate, const struct range *range, uint64_t seed,
                     ptrdiff_t i) {
    struct atm_rng rng;
    atm_rng_init(&rng, seed, ATM_RNG_EVAL, (uint64_t)i);
    double u = atm_rng_uniform(&rng);
    z[coordinate] = (float)(range->low + u * (range->high - range->low));
}

/* moved[i] comes from block b = i * count / n; residuals receives those of the bright ones. */
static void judge(const struct atm_block_set *set, const struct workspace *work,
                  const struct atm_block *moved, double *residuals, struct atm_validity *v) {
    ptrdiff_t bright = 0, valid = 0, valid_unmoved = 0;
    for (ptrdiff_t i = 0; i < v->moved; i++) {
        ptrdiff_t b = i * set->blocks.count / v->moved;
        double before = set->blocks.at[b].spot.residual;
        valid_unmoved += before < ATM_VALID_RESIDUAL;
        v->residual_unmoved += before / (double)v->moved;
        if (moved[i].energy < set->active * set->active * set->energy[work->image[b]])
            continue;
        valid += moved[i].spot.residual < ATM_VALID_RESIDUAL;
        residuals[bright++] = moved[i].spot.residual;
    }
    v->dark = v->moved - bright;
    v->valid = bright ? (double)valid / (double)bright : NAN;
    v->valid_unmoved = (double)valid_unmoved / (double)v->moved;
    v->residual_mean = bright ? gsl_stats_mean(residuals, 1, (size_t)bright) : NAN;
    v->residual_median = quantiles(residuals, bright).median;
}

enum atm_status atm_validity_measure(const struct atm_block_set *set, ptrdiff_t most, uint64_t seed,
                                     struct atm_validity *v, struct atm_err *err) {
    ptrdiff_t d = set->model->latent, count = set->blocks.count, n = count < most ? count : most;
    struct workspace work = {0};
    *v = (struct atm_validity){.moved = n};
    if (!n) {
        *v = (struct atm_validity){0, 0, NAN, NAN, NAN, NAN, NAN};
        return ATM_OK;
    }
    float *latents = atm_mem_alloc((size_t)(n * d), sizeof *latents);
    struct atm_block *moved = atm_mem_alloc((size_t)n, sizeof *moved);
    enum atm_status status = latents && moved ? workspace_init(&work, set, true, err)
                                              : atm_err_memory(err, "moved atoms");
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        ptrdiff_t b = i * count / n, j = i % d;
        memcpy(latents + i * d, latent_of(set, work.image[b], b), (size_t)d * sizeof *latents);
        move_one(latents + i * d, j, &work.ranges[slot_of(set, b) * d + j], seed, i);
    }
    if (!status)
        status = atm_blocks_of_latents(set->model, n, latents, moved, err);
    if (!status)
        judge(set, &work, moved, work.column, v);
    workspace_free(&work);
    atm_mem_free(latents);
    atm_mem_free(moved);
    return status;
}
