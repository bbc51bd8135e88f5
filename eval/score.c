#include "score.h"

#include "score_case.h"
#include <math.h>
#include <stdbool.h>

/* Sums over the pairs that count. */
struct sums {
    double dx, dy, squares, distance;
    double relative;         /* of (found - true) / true photons */
    double t, f, tt, ff, tf; /* of photons minus those of the first pair */
    double first_t, first_f; /* so that the variances do not cancel */
    ptrdiff_t pairs, photon_pairs;
};

static void add_photons(struct sums *s, double t, double f) {
    if (!isfinite(t) || !isfinite(f) || t <= 0)
        return;
    if (!s->photon_pairs) {
        s->first_t = t;
        s->first_f = f;
    }
    s->photon_pairs++;
    s->relative += (f - t) / t;
    t -= s->first_t;
    f -= s->first_f;
    s->t += t;
    s->f += f;
    s->tt += t * t;
    s->ff += f * f;
    s->tf += t * f;
}

static double correlation(const struct sums *s) {
    double n = (double)s->photon_pairs;
    double tt = s->tt - s->t * s->t / n, ff = s->ff - s->f * s->f / n;
    return tt > 0 && ff > 0 ? (s->tf - s->t * s->f / n) / sqrt(tt * ff) : NAN;
}

static void add_pair(struct sums *s, const struct atm_score_case *c, ptrdiff_t i) {
    const struct atm_match_point *t = &c->truth_list.points[i];
    const struct atm_match_point *f = &c->found_list.points[c->pair[i]];
    double dx = f->x_nm - t->x_nm, dy = f->y_nm - t->y_nm;
    s->pairs++;
    s->dx += dx;
    s->dy += dy;
    s->squares += dx * dx + dy * dy;
    s->distance += sqrt(dx * dx + dy * dy);
    if (f->row >= 0)
        add_photons(s, c->truth->rows[t->row].photons, c->found->rows[f->row].photons);
}

static double ratio(double a, double b) { return b > 0 ? a / b : NAN; }

static void finish(const struct sums *s, struct atm_score *score) {
    double tp = (double)s->pairs, fp = (double)score->false_positive,
           fn = (double)score->false_negative;
    score->jaccard = ratio(tp, tp + fp + fn);
    score->recall = ratio(tp, tp + fn);
    score->precision = ratio(tp, tp + fp);
    score->rmse_nm = sqrt(ratio(s->squares, tp));
    score->rmse_axis_nm = score->rmse_nm / sqrt(2);
    score->mean_distance_nm = ratio(s->distance, tp);
    score->mean_dx_nm = ratio(s->dx, tp);
    score->mean_dy_nm = ratio(s->dy, tp);
    score->efficiency = 100 - hypot(100 - 100 * score->jaccard, score->rmse_nm);
    score->photon_bias = ratio(s->relative, (double)s->photon_pairs);
    score->photon_correlation = correlation(s);
}

void atm_score_case_count(const struct atm_score_case *c, double photon_threshold,
                          struct atm_score *score) {
    struct sums s = {0};
    ptrdiff_t paired = 0;
    *score = (struct atm_score){0};
    for (ptrdiff_t i = 0; i < c->truth_list.count; i++) {
        bool has_pair = c->pair[i] >= 0;
        paired += has_pair;
        if (c->truth->rows[c->truth_list.points[i].row].photons < photon_threshold)
            continue; /* ignored with its localization; unknown photons (NAN) are kept */
        if (has_pair)
            add_pair(&s, c, i);
        else
            score->false_negative++;
    }
    score->true_positive = s.pairs;
    score->false_positive = c->found_list.count - paired;
    finish(&s, score);
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
