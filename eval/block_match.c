#include "block_match.h"

#include "mem.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdint.h>

const struct atm_block_part atm_block_part_all = {0, PTRDIFF_MAX, 0, INFINITY};

void atm_block_match_free(struct atm_block_match *match) {
    atm_mem_free(match->spike);
    atm_mem_free(match->block);
    *match = (struct atm_block_match){0};
}

/* ---- Who serves whom ---- */

static double gap(const struct atm_spike *spike, const struct atm_block *block) {
    return hypot(spike->x - block->spot.x, spike->y - block->spot.y);
}

/* The lists of match.h, in px (its unit is that of the tolerance). */
static enum atm_status pair_up(const struct atm_block_match *m, double tolerance_px,
                               enum atm_match_method method, ptrdiff_t *pair, struct atm_err *err) {
    ptrdiff_t spikes = m->spikes->first[m->spikes->images], blocks = m->blocks->count;
    struct atm_match_point *points = atm_mem_alloc((size_t)(spikes + blocks), sizeof *points);
    if (!points)
        return atm_err_memory(err, "matching blocks");
    struct atm_match_list truth = {points, spikes}, found = {points + spikes, blocks};
    for (ptrdiff_t n = 0; n < m->spikes->images; n++) {
        for (ptrdiff_t s = m->spikes->first[n]; s < m->spikes->first[n + 1]; s++)
            truth.points[s] =
                (struct atm_match_point){m->spikes->at[s].x, m->spikes->at[s].y, n, s};
        for (ptrdiff_t b = m->blocks->first[n]; b < m->blocks->first[n + 1]; b++)
            found.points[b] =
                (struct atm_match_point){m->blocks->at[b].spot.x, m->blocks->at[b].spot.y, n, b};
    }
    enum atm_status status = atm_match_frames(&truth, &found, tolerance_px, method, pair, err);
    atm_mem_free(points);
    return status;
}

/* Blocks that are left over go to the nearest spike, if it is near enough. */
static void place_blocks(struct atm_block_match *m, ptrdiff_t n, double tolerance) {
    for (ptrdiff_t b = m->blocks->first[n]; b < m->blocks->first[n + 1]; b++) {
        struct atm_block_fate *fate = &m->block[b];
        double nearest = INFINITY;
        fate->near = -1;
        for (ptrdiff_t s = m->spikes->first[n]; s < m->spikes->first[n + 1]; s++) {
            double d = gap(&m->spikes->at[s], &m->blocks->at[b]);
            if (d < nearest)
                nearest = d, fate->near = s;
        }
        if (fate->matched)
            fate->near = fate->spike;
        else
            fate->spike = nearest <= tolerance ? fate->near : -1;
    }
}

static void look_around(struct atm_block_match *m, ptrdiff_t n, ptrdiff_t s, double tolerance) {
    struct atm_spike_fate *fate = &m->spike[s];
    const struct atm_spike *spike = &m->spikes->at[s];
    double energy = 0, amplitude = 0, most_energy = 0, most_amplitude = 0, nearest = tolerance;
    fate->instead = -1;
    for (ptrdiff_t b = m->blocks->first[n]; b < m->blocks->first[n + 1]; b++) {
        const struct atm_block *block = &m->blocks->at[b];
        if (m->block[b].spike == s) {
            fate->blocks++;
            energy += block->energy, amplitude += block->amplitude;
            most_energy = fmax(most_energy, block->energy);
            most_amplitude = fmax(most_amplitude, block->amplitude);
        }
        if (fate->block < 0 && gap(spike, block) <= nearest)
            nearest = gap(spike, block), fate->instead = b;
    }
    if (fate->instead >= 0)
        m->block[fate->instead].merged = true;
    fate->energy_share = energy > 0 ? most_energy / energy : NAN;
    fate->amplitude_share = amplitude > 0 ? most_amplitude / amplitude : NAN;
    fate->nearest = INFINITY;
    for (ptrdiff_t other = m->spikes->first[n]; other < m->spikes->first[n + 1]; other++)
        if (other != s)
            fate->nearest = fmin(fate->nearest, hypot(spike->x - m->spikes->at[other].x,
                                                      spike->y - m->spikes->at[other].y));
}

enum atm_status atm_block_match_init(struct atm_block_match *m, const struct atm_spikes *spikes,
                                     const struct atm_blocks *blocks, double tolerance_px,
                                     enum atm_match_method method, struct atm_err *err) {
    ptrdiff_t count = spikes->first[spikes->images];
    *m = (struct atm_block_match){spikes, blocks, NULL, NULL};
    m->spike = atm_mem_alloc((size_t)count + 1, sizeof *m->spike);
    m->block = atm_mem_alloc((size_t)blocks->count + 1, sizeof *m->block);
    ptrdiff_t *pair = atm_mem_alloc((size_t)count + 1, sizeof *pair);
    enum atm_status status =
        m->spike && m->block && pair ? ATM_OK : atm_err_memory(err, "matching blocks");
    if (!status)
        status = pair_up(m, tolerance_px, method, pair, err);
    for (ptrdiff_t s = 0; !status && s < count; s++) {
        ptrdiff_t b = m->spike[s].block = pair[s];
        m->spike[s].distance = b < 0 ? NAN : gap(&spikes->at[s], &blocks->at[b]);
        if (b >= 0)
            m->block[b] = (struct atm_block_fate){.spike = s, .matched = true};
    }
    for (ptrdiff_t n = 0; !status && n < spikes->images; n++) {
        place_blocks(m, n, tolerance_px);
        for (ptrdiff_t s = spikes->first[n]; s < spikes->first[n + 1]; s++)
            look_around(m, n, s, tolerance_px);
    }
    atm_mem_free(pair);
    return status;
}

/* ---- Rates ---- */

struct tally {
    ptrdiff_t split, missed, merged, ghosts;
    double energy_share, amplitude_share;  /* sums over the matched spikes */
    double *distance, *amplitude, *fitted; /* room for one per spike: of the matched */
};

static bool in_part(const struct atm_block_match *m, const struct atm_block_part *part, ptrdiff_t n,
                    ptrdiff_t s) {
    ptrdiff_t count = m->spikes->first[n + 1] - m->spikes->first[n];
    double nearest = s < 0 ? INFINITY : m->spike[s].nearest;
    return count >= part->count_least && count <= part->count_most &&
           nearest >= part->nearest_least &&
           (nearest < part->nearest_most || isinf(part->nearest_most));
}

static void tally_spike(const struct atm_block_match *m, ptrdiff_t s, struct tally *t,
                        struct atm_block_score *score) {
    const struct atm_spike_fate *fate = &m->spike[s];
    score->spikes++;
    t->split += fate->blocks >= 2;
    if (fate->block >= 0) {
        t->energy_share += fate->energy_share;
        t->amplitude_share += isnan(fate->amplitude_share) ? 0 : fate->amplitude_share;
        double truth = m->spikes->at[s].amplitude;
        const struct atm_block *found = &m->blocks->at[fate->block];
        t->distance[score->matched] = fate->distance;
        t->amplitude[score->matched] = (found->amplitude - truth) / truth;
        t->fitted[score->matched++] = fabs(found->spot.amplitude - truth) / truth;
    } else {
        t->missed += fate->instead < 0;
    }
}

static void tally_part(const struct atm_block_match *m, const struct atm_block_part *part,
                       struct tally *t, struct atm_block_score *score) {
    for (ptrdiff_t n = 0; n < m->spikes->images; n++) {
        for (ptrdiff_t s = m->spikes->first[n]; s < m->spikes->first[n + 1]; s++)
            if (in_part(m, part, n, s))
                tally_spike(m, s, t, score);
        for (ptrdiff_t b = m->blocks->first[n]; b < m->blocks->first[n + 1]; b++)
            if (in_part(m, part, n, m->block[b].near)) {
                score->blocks++;
                t->merged += m->block[b].merged;
                t->ghosts += m->block[b].spike < 0;
            }
    }
}

static double ratio(ptrdiff_t part, ptrdiff_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

static void fill_errors(struct tally *t, struct atm_block_score *score) {
    size_t n = (size_t)score->matched;
    double squares = 0, amplitude_squares = 0;
    for (size_t i = 0; i < n; i++) {
        squares += t->distance[i] * t->distance[i];
        amplitude_squares += t->amplitude[i] * t->amplitude[i];
    }
    score->rmse_px = n ? sqrt(squares / (double)n) : NAN;
    score->rmse_axis_px = score->rmse_px / sqrt(2);
    score->mean_px = n ? gsl_stats_mean(t->distance, 1, n) : NAN;
    score->amplitude_rms = n ? sqrt(amplitude_squares / (double)n) : NAN;
    score->amplitude_bias = n ? gsl_stats_mean(t->amplitude, 1, n) : NAN;
    for (size_t i = 0; i < n; i++)
        t->amplitude[i] = fabs(t->amplitude[i]);
    gsl_sort(t->distance, 1, n);
    gsl_sort(t->amplitude, 1, n);
    gsl_sort(t->fitted, 1, n);
    score->median_px = n ? gsl_stats_median_from_sorted_data(t->distance, 1, n) : NAN;
    score->p90_px = n ? gsl_stats_quantile_from_sorted_data(t->distance, 1, n, 0.9) : NAN;
    score->amplitude_median = n ? gsl_stats_median_from_sorted_data(t->amplitude, 1, n) : NAN;
    score->fitted_median = n ? gsl_stats_median_from_sorted_data(t->fitted, 1, n) : NAN;
}

enum atm_status atm_block_match_score(const struct atm_block_match *m,
                                      const struct atm_block_part *part,
                                      struct atm_block_score *score, struct atm_err *err) {
    size_t room = (size_t)m->spikes->first[m->spikes->images] + 1;
    struct tally t = {.distance = atm_mem_alloc(3 * room, sizeof(double))};
    if (!t.distance)
        return atm_err_memory(err, "the scores of blocks");
    t.amplitude = t.distance + room;
    t.fitted = t.amplitude + room;
    *score = (struct atm_block_score){0};
    tally_part(m, part, &t, score);
    score->jaccard = ratio(score->matched, score->spikes + score->blocks - score->matched);
    score->recall = ratio(score->matched, score->spikes);
    score->precision = ratio(score->matched, score->blocks);
    score->split = ratio(t.split, score->spikes);
    score->missed = ratio(t.missed, score->spikes);
    score->merged = ratio(t.merged, score->blocks);
    score->ghost = ratio(t.ghosts, score->blocks);
    double matched = score->matched ? (double)score->matched : NAN;
    score->energy_purity = t.energy_share / matched;
    score->amplitude_purity = t.amplitude_share / matched;
    fill_errors(&t, score);
    atm_mem_free(t.distance);
    return ATM_OK;
}
