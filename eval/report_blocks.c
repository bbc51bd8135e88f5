/* Blocks against true spikes: over all images, and over parts of them. */
#include "model_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct figure {
    const char *key, *label;
    size_t offset;
    bool count, in_sigma; /* a ptrdiff_t; a length in px to be divided by sigma */
};
#define FIGURE(field, label)                                                                       \
    { #field, label, offsetof(struct atm_block_score, field), false, false }
#define COUNT(field, label)                                                                        \
    { #field, label, offsetof(struct atm_block_score, field), true, false }
#define SIGMA(key, field, label)                                                                   \
    { key, label, offsetof(struct atm_block_score, field), false, true }

static const struct figure figures[] = {
    COUNT(spikes, "spikes"),
    COUNT(blocks, "active blocks"),
    COUNT(matched, "pairs"),
    FIGURE(jaccard, "Jaccard"),
    FIGURE(recall, "recall"),
    FIGURE(precision, "precision"),
    FIGURE(energy_purity, "purity (energy)"),
    FIGURE(amplitude_purity, "purity (amplitude)"),
    FIGURE(split, "split rate, of spikes"),
    FIGURE(merged, "merged rate, of blocks"),
    FIGURE(ghost, "ghost rate, of blocks"),
    FIGURE(missed, "missed rate, of spikes"),
    FIGURE(rmse_px, "position RMSE, px [2]"),
    FIGURE(rmse_axis_px, "position RMSE per axis, px [3]"),
    FIGURE(mean_px, "position error, mean, px"),
    FIGURE(median_px, "position error, median, px"),
    FIGURE(p90_px, "position error, 90 % quantile, px"),
    SIGMA("rmse_sigma", rmse_px, "position RMSE, sigma [2]"),
    SIGMA("rmse_axis_sigma", rmse_axis_px, "position RMSE per axis, sigma [3]"),
    SIGMA("median_sigma", median_px, "position error, median, sigma"),
    FIGURE(amplitude_rms, "amplitude error, rms, relative"),
    FIGURE(amplitude_median, "amplitude error, median, relative"),
    FIGURE(amplitude_bias, "amplitude bias, relative"),
    FIGURE(fitted_median, "amplitude of a fit of any width, median error"),
};
enum { FIGURES = sizeof figures / sizeof *figures };

static double figure_value(const struct figure *figure, const struct atm_block_score *score,
                           double sigma) {
    const char *field = (const char *)score + figure->offset;
    if (figure->count) {
        ptrdiff_t count;
        memcpy(&count, field, sizeof count);
        return (double)count;
    }
    double value;
    memcpy(&value, field, sizeof value);
    return figure->in_sigma ? value / sigma : value;
}

/* ---- Over all images ---- */

static enum atm_status add_overall(struct atm_model_report *r, struct atm_err *err) {
    struct atm_number_grid *grid =
        atm_report_kinds(r, "blocks", "Blocks and spikes, Hungarian matching");
    double values[FIGURES][ATM_TEST_KINDS];
    for (int k = 0; k < ATM_TEST_KINDS; k++) {
        struct atm_block_score score;
        enum atm_status status =
            r->match[k].spikes
                ? atm_block_match_score(&r->match[k], &atm_block_part_all, &score, err)
                : ATM_OK;
        if (status)
            return status;
        for (int f = 0; f < FIGURES; f++)
            values[f][k] =
                r->match[k].spikes ? figure_value(&figures[f], &score, r->test->sigma_px) : NAN;
    }
    for (int f = 0; f < FIGURES; f++)
        atm_report_row(grid, figures[f].key, figures[f].label, values[f]);
    return ATM_OK;
}

static enum atm_status score_otherwise(const struct atm_model_report *r, enum atm_test_kind kind,
                                       const struct atm_spikes *spikes,
                                       enum atm_match_method method, struct atm_block_score *score,
                                       struct atm_err *err) {
    struct atm_block_match match = {0};
    enum atm_status status =
        atm_block_match_init(&match, spikes, r->match[kind].blocks,
                             r->test->options.tolerance_sigma * r->test->sigma_px, method, err);
    if (!status)
        status = atm_block_match_score(&match, &atm_block_part_all, score, err);
    atm_block_match_free(&match);
    return status;
}

/* Nearest pair first; and with the spikes of the image half a set away, which says what chance
 * gives. */
static enum atm_status add_others(struct atm_model_report *r, struct atm_err *err) {
    struct atm_number_grid *grid = atm_report_kinds(r, "other_matchings", "Matched otherwise");
    double jaccard[ATM_TEST_KINDS], rmse[ATM_TEST_KINDS], chance[ATM_TEST_KINDS];
    struct atm_spikes strangers;
    enum atm_status status =
        atm_spikes_rotate(&r->test->spikes, r->test->spikes.images / 2, &strangers, err);
    for (int k = 0; !status && k < ATM_TEST_KINDS; k++) {
        struct atm_block_score greedy, wrong;
        jaccard[k] = rmse[k] = chance[k] = NAN;
        if (!r->match[k].spikes)
            continue;
        strangers.images = r->spikes[k].images;
        status = score_otherwise(r, (enum atm_test_kind)k, &r->spikes[k], ATM_MATCH_GREEDY, &greedy,
                                 err);
        if (!status)
            status = score_otherwise(r, (enum atm_test_kind)k, &strangers, ATM_MATCH_HUNGARIAN,
                                     &wrong, err);
        if (!status)
            jaccard[k] = greedy.jaccard, rmse[k] = greedy.rmse_px, chance[k] = wrong.jaccard;
    }
    if (!status) {
        atm_report_row(grid, "greedy_jaccard", "Jaccard, greedy (nearest pair first)", jaccard);
        atm_report_row(grid, "greedy_rmse_px", "position RMSE, greedy, px [2]", rmse);
        if (r->test->spikes.images > 1)
            atm_report_row(grid, "chance_jaccard", "Jaccard, the spikes of another image", chance);
    }
    atm_spikes_free(&strangers);
    return status;
}

/* ---- By number of spikes, by distance ---- */

struct named_part {
    const char *key, *label;
    struct atm_block_part part;
};
#define COUNTED(n)                                                                                 \
    {                                                                                              \
#n, #n, { n, n, 0, INFINITY }                                                              \
    }
static const struct named_part by_count[] = {COUNTED(1),
                                             COUNTED(2),
                                             COUNTED(3),
                                             COUNTED(4),
                                             COUNTED(5),
                                             COUNTED(6),
                                             COUNTED(7),
                                             COUNTED(8),
                                             COUNTED(9),
                                             COUNTED(10),
                                             {"more", "more", {11, PTRDIFF_MAX, 0, INFINITY}}};
/* Limits in sigma. */
static const struct named_part by_distance[] = {
    {"0-1", "0 - 1", {0, PTRDIFF_MAX, 0, 1}},
    {"1-1.5", "1 - 1.5", {0, PTRDIFF_MAX, 1, 1.5}},
    {"1.5-2", "1.5 - 2", {0, PTRDIFF_MAX, 1.5, 2}},
    {"2-2.5", "2 - 2.5", {0, PTRDIFF_MAX, 2, 2.5}},
    {"2.5-3", "2.5 - 3", {0, PTRDIFF_MAX, 2.5, 3}},
    {"3-4", "3 - 4", {0, PTRDIFF_MAX, 3, 4}},
    {"4-6", "4 - 6", {0, PTRDIFF_MAX, 4, 6}},
    {"6-10", "6 - 10", {0, PTRDIFF_MAX, 6, 10}},
    {"10-", "10 or more, or alone", {0, PTRDIFF_MAX, 10, INFINITY}}};

static const struct figure part_figures[] = {COUNT(spikes, "spikes"),
                                             FIGURE(jaccard, "Jaccard"),
                                             FIGURE(recall, "recall"),
                                             FIGURE(precision, "precision"),
                                             FIGURE(energy_purity, "purity"),
                                             FIGURE(split, "split"),
                                             FIGURE(merged, "merged"),
                                             FIGURE(ghost, "ghost"),
                                             FIGURE(missed, "missed"),
                                             SIGMA("rmse_sigma", rmse_px, "RMSE, s"),
                                             SIGMA("median_sigma", median_px, "median, s"),
                                             FIGURE(amplitude_rms, "amplitude")};
enum { PART_FIGURES = sizeof part_figures / sizeof *part_figures };

/* JSON has columns outside and rows inside; here the columns are the figures. */
static enum atm_status add_parts(struct atm_model_report *r, enum atm_test_kind kind,
                                 const char *key, const char *title, const struct named_part *parts,
                                 int count, double unit, struct atm_err *err) {
    if (!r->match[kind].spikes)
        return ATM_OK;
    struct atm_number_grid *grid = atm_report_grid(r, key, title);
    grid->columns = PART_FIGURES;
    for (int f = 0; f < PART_FIGURES; f++) {
        grid->column[f].key = part_figures[f].key;
        snprintf(grid->column[f].label, sizeof grid->column[f].label, "%s", part_figures[f].label);
    }
    for (int i = 0; i < count; i++) {
        struct atm_block_part part = parts[i].part;
        struct atm_block_score score;
        part.nearest_least *= unit, part.nearest_most *= unit;
        enum atm_status status = atm_block_match_score(&r->match[kind], &part, &score, err);
        if (status)
            return status;
        if (!score.spikes)
            continue;
        double values[PART_FIGURES];
        for (int f = 0; f < PART_FIGURES; f++)
            values[f] = figure_value(&part_figures[f], &score, r->test->sigma_px);
        atm_report_row(grid, parts[i].key, parts[i].label, values);
    }
    return ATM_OK;
}

enum atm_status atm_report_blocks(struct atm_model_report *r, struct atm_err *err) {
    static const char *const count_keys[ATM_TEST_KINDS] = {"by_count_raw", "by_count_refined",
                                                           "by_count_peaks"};
    static const char *const count_titles[ATM_TEST_KINDS] = {"By the number of spikes, raw",
                                                             "By the number of spikes, refined",
                                                             "By the number of spikes, peaks"};
    static const char *const distance_keys[ATM_TEST_KINDS] = {
        "by_distance_raw", "by_distance_refined", "by_distance_peaks"};
    static const char *const distance_titles[ATM_TEST_KINDS] = {
        "By the distance to the nearest other spike (sigma), raw",
        "By the distance to the nearest other spike (sigma), refined",
        "By the distance to the nearest other spike (sigma), peaks"};
    enum atm_status status = add_overall(r, err);
    if (!status)
        status = add_others(r, err);
    for (int k = 0; !status && k < ATM_TEST_KINDS; k++)
        status = add_parts(r, (enum atm_test_kind)k, count_keys[k], count_titles[k], by_count,
                           sizeof by_count / sizeof *by_count, 1, err);
    for (int k = 0; !status && k < ATM_TEST_KINDS; k++)
        status =
            add_parts(r, (enum atm_test_kind)k, distance_keys[k], distance_titles[k], by_distance,
                      sizeof by_distance / sizeof *by_distance, r->test->sigma_px, err);
    return status;
}
