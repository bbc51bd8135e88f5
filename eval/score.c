#include "score.h"

#include "score_case.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdbool.h>

static struct atm_score_pair pair_of(const struct atm_score_case *c, ptrdiff_t i) {
    const struct atm_match_point *t = &c->truth_list.points[i];
    const struct atm_match_point *f = &c->found_list.points[c->pair[i]];
    const struct atm_loc *truth = &c->truth->rows[t->row];
    const double pixel_nm = c->geometry.pixel_nm;
    struct atm_score_pair p = {.dx = f->x_nm - t->x_nm,
                               .dy = f->y_nm - t->y_nm,
                               .limit_x = NAN,
                               .limit_y = NAN,
                               .stated_x = NAN,
                               .stated_y = NAN,
                               .true_photons = NAN,
                               .found_photons = NAN,
                               .stated_photons = NAN,
                               .photon_origin = c->photon_origin,
                               .blend = c->blend[i]};
    if (f->row < 0)
        return p; /* a control */
    const struct atm_loc *found = &c->found->rows[f->row];
    p.stated_x = found->x_unc * pixel_nm;
    p.stated_y = found->y_unc * pixel_nm;
    p.true_photons = truth->photons;
    p.found_photons = found->photons;
    p.stated_photons = found->photons_unc;
    /* The tolerance cuts off the errors of what is hardly known better than it: no figure. */
    double most = c->tolerance_nm / 3;
    if (!(p.stated_x < most && p.stated_y < most))
        p.stated_x = p.stated_y = NAN;
    if (c->limits && c->limits->x_px[t->row] * pixel_nm < most &&
        c->limits->y_px[t->row] * pixel_nm < most) {
        p.limit_x = c->limits->x_px[t->row] * pixel_nm;
        p.limit_y = c->limits->y_px[t->row] * pixel_nm;
    }
    return p;
}

/* The next frame with an emitter in either list, which end at [*truth_end, *found_end); false at
 * the end. */
static bool next_frame(const struct atm_score_case *c, ptrdiff_t *truth_end, ptrdiff_t *found_end) {
    const struct atm_match_list *t = &c->truth_list, *f = &c->found_list;
    bool more_truth = *truth_end < t->count, more_found = *found_end < f->count;
    if (!more_truth && !more_found)
        return false;
    int64_t frame = more_truth ? t->points[*truth_end].frame : INT64_MAX;
    if (more_found && f->points[*found_end].frame < frame)
        frame = f->points[*found_end].frame;
    while (*truth_end < t->count && t->points[*truth_end].frame == frame)
        ++*truth_end;
    while (*found_end < f->count && f->points[*found_end].frame == frame)
        ++*found_end;
    return true;
}

ptrdiff_t atm_score_case_frames(const struct atm_score_case *c) {
    ptrdiff_t frames = 0, truth_end = 0, found_end = 0;
    while (next_frame(c, &truth_end, &found_end))
        frames++;
    return frames;
}

/* Whether this true emitter counts; otherwise it is ignored with its localization. Unknown photons
 * (NAN) count. */
static bool counts(const struct atm_score_case *c, ptrdiff_t i, double threshold) {
    return !(c->truth->rows[c->truth_list.points[i].row].photons < threshold);
}

/* One frame: true emitters [first, end) and `found` localizations. */
static void sum_frame(const struct atm_score_case *c, double threshold, ptrdiff_t first,
                      ptrdiff_t end, ptrdiff_t found, struct atm_score_sums *sums) {
    ptrdiff_t paired = 0;
    for (ptrdiff_t i = first; i < end; i++) {
        bool has_pair = c->pair[i] >= 0;
        paired += has_pair;
        if (!counts(c, i, threshold))
            continue;
        if (has_pair) {
            struct atm_score_pair pair = pair_of(c, i);
            atm_score_sums_add_pair(sums, &pair);
        } else {
            sums->of[ATM_SUM_FN]++;
        }
    }
    sums->of[ATM_SUM_FP] += (double)(found - paired);
}

void atm_score_case_sum(const struct atm_score_case *c, double photon_threshold, ptrdiff_t blocks,
                        struct atm_score_sums *sums) {
    ptrdiff_t frames = blocks > 1 ? atm_score_case_frames(c) : PTRDIFF_MAX;
    ptrdiff_t frame = 0, truth_end = 0, found_end = 0, truth = 0, found = 0;
    for (ptrdiff_t b = 0; b < blocks; b++)
        sums[b] = (struct atm_score_sums){{0}};
    while (next_frame(c, &truth_end, &found_end)) {
        ptrdiff_t block = blocks > 1 ? frame * blocks / frames : 0;
        sum_frame(c, photon_threshold, truth, truth_end, found_end - found, &sums[block]);
        truth = truth_end;
        found = found_end;
        frame++;
    }
}

static double median_distance(const struct atm_score_case *c, double threshold) {
    size_t count = 0;
    for (ptrdiff_t i = 0; i < c->truth_list.count; i++) {
        if (c->pair[i] < 0 || !counts(c, i, threshold))
            continue;
        const struct atm_match_point *t = &c->truth_list.points[i];
        const struct atm_match_point *f = &c->found_list.points[c->pair[i]];
        c->scratch[count++] = hypot(f->x_nm - t->x_nm, f->y_nm - t->y_nm);
    }
    return count ? gsl_stats_median(c->scratch, 1, count) : NAN;
}

void atm_score_case_count(const struct atm_score_case *c, double photon_threshold,
                          struct atm_score *score) {
    struct atm_score_sums sums;
    atm_score_case_sum(c, photon_threshold, 1, &sums);
    atm_score_sums_finish(&sums, score);
    score->median_distance_nm = median_distance(c, photon_threshold);
}

static enum atm_status score_candidate(const struct atm_table *truth, const struct atm_table *found,
                                       const struct atm_eval_options *options, double tolerance_nm,
                                       enum atm_score_candidate candidate, struct atm_score *score,
                                       struct atm_err *err) {
    struct atm_score_case c = {0};
    double threshold;
    enum atm_status status = atm_score_threshold(truth, options->photon_quantile, &threshold, err);
    if (status == ATM_OK)
        status = atm_score_case_init(&c, truth, found, options, candidate, err);
    if (status == ATM_OK)
        status = atm_score_case_match(&c, tolerance_nm, err);
    if (status == ATM_OK)
        atm_score_case_count(&c, threshold, score);
    atm_score_case_free(&c);
    return status;
}

enum atm_status atm_score_tables(const struct atm_table *truth, const struct atm_table *found,
                                 const struct atm_eval_options *options, double tolerance_nm,
                                 struct atm_score *score, struct atm_err *err) {
    return score_candidate(truth, found, options, tolerance_nm, ATM_SCORE_FOUND, score, err);
}

enum atm_status atm_score_wrong_frame(const struct atm_table *truth, const struct atm_table *found,
                                      const struct atm_eval_options *options, double tolerance_nm,
                                      struct atm_score *score, struct atm_err *err) {
    return score_candidate(truth, found, options, tolerance_nm, ATM_SCORE_WRONG_FRAME, score, err);
}

enum atm_status atm_score_grid(const struct atm_table *truth, const struct atm_table *found,
                               const struct atm_eval_options *options, double tolerance_nm,
                               struct atm_score *score, struct atm_err *err) {
    return score_candidate(truth, found, options, tolerance_nm, ATM_SCORE_GRID, score, err);
}

enum atm_status atm_score_pairs(const struct atm_table *truth, const struct atm_table *found,
                                const struct atm_eval_options *options, double tolerance_nm,
                                ptrdiff_t *pair, struct atm_err *err) {
    struct atm_score_case c = {0};
    double threshold;
    enum atm_status status = atm_score_threshold(truth, options->photon_quantile, &threshold, err);
    if (status == ATM_OK)
        status = atm_score_case_init(&c, truth, found, options, ATM_SCORE_FOUND, err);
    if (status == ATM_OK)
        status = atm_score_case_match(&c, tolerance_nm, err);
    if (status == ATM_OK) {
        for (ptrdiff_t i = 0; i < truth->count; i++)
            pair[i] = -1;
        for (ptrdiff_t i = 0; i < c.truth_list.count; i++) {
            ptrdiff_t row = c.truth_list.points[i].row;
            if (c.pair[i] >= 0 && !(truth->rows[row].photons < threshold))
                pair[row] = c.found_list.points[c.pair[i]].row;
        }
    }
    atm_score_case_free(&c);
    return status;
}
