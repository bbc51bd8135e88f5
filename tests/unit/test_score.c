/* Scores: hand-worked cases, matching against brute force, controls, speed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "assign.h"
#include "match.h"
#include "mem.h"
#include "rng.h"
#include "score_report.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static const struct atm_eval_options challenge = {.tolerance_nm = 250,
                                                  .matching = ATM_MATCH_GREEDY,
                                                  .pixel_size_nm = NAN,
                                                  .sigma_px = NAN,
                                                  .background = NAN,
                                                  .bootstrap = 20,
                                                  .scale = 1};

static struct atm_loc loc(int64_t frame, double x, double y, double photons) {
    return (struct atm_loc){.frame = frame, .x = x, .y = y, .photons = photons};
}

/* A table over the test's own rows: 100 nm pixels, field unknown. */
static struct atm_table table_of(struct atm_loc *rows, ptrdiff_t count) {
    return (struct atm_table){.rows = rows, .count = count, .pixel_size_nm = 100};
}

static void near(double value, double expected) {
    if (isnan(expected))
        assert_true(isnan(value));
    else
        assert_true(fabs(value - expected) <= 1e-9 * (1 + fabs(expected)));
}

static struct atm_score score_with(const struct atm_table *truth, const struct atm_table *found,
                                   const struct atm_eval_options *options) {
    struct atm_score score;
    struct atm_err err = {0};
    enum atm_status status =
        atm_score_tables(truth, found, options, options->tolerance_nm, &score, &err);
    if (status != ATM_OK)
        fail_msg("%s", err.text);
    return score;
}

/* Frame 0: two pairs, (30, 40) nm and (-60, 0) nm apart. Frame 1 only in the truth, frame 2 only
 * found. */
static void scores_a_hand_worked_case(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 10.25, 20.5, 1000), loc(0, 40, 7.5, 500),
                          loc(1, 10.25, 20.5, 800)};
    struct atm_loc f[] = {loc(2, 10.25, 20.5, 900), loc(0, 39.4, 7.5, 600),
                          loc(0, 10.55, 20.9, 900)};
    struct atm_table truth = table_of(t, 3), found = table_of(f, 3);
    struct atm_score s = score_with(&truth, &found, &challenge);
    assert_int_equal(s.true_positive, 2);
    assert_int_equal(s.false_positive, 1);
    assert_int_equal(s.false_negative, 1);
    near(s.jaccard, 0.5);
    near(s.recall, 2.0 / 3);
    near(s.precision, 2.0 / 3);
    near(s.rmse_nm, sqrt((2500.0 + 3600) / 2));
    near(s.rmse_axis_nm, sqrt((2500.0 + 3600) / 4));
    near(s.mean_distance_nm, 55);
    near(s.mean_dx_nm, -15);
    near(s.mean_dy_nm, 20);
    near(s.efficiency, 100 - sqrt(2500 + 3050));
    near(s.photon_bias, (-0.1 + 0.2) / 2);
    near(s.photon_correlation, 1);
    ptrdiff_t pair[3];
    assert_int_equal(atm_score_pairs(&truth, &found, &challenge, 250, pair, NULL), ATM_OK);
    assert_int_equal(pair[0], 2);
    assert_int_equal(pair[1], 1);
    assert_int_equal(pair[2], -1);
}

/* On a line, px: truth 0 and 2, found 1.1 and -2.2. The nearest pair (2, 1.1) is 90 nm, then
 * (0, -2.2) 220 nm. A found at 1.1 and 4.4: greedy takes (2, 1.1) and leaves 0 and 4.4 (440 nm);
 * Hungarian pairs both (110 and 240 nm). */
static void greedy_and_hungarian_differ(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 0, 5, NAN), loc(0, 2, 5, NAN)};
    struct atm_loc f[] = {loc(0, 1.1, 5, NAN), loc(0, 4.4, 5, NAN)};
    struct atm_table truth = table_of(t, 2), found = table_of(f, 2);
    struct atm_eval_options options = challenge;
    struct atm_score s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, 1);
    near(s.rmse_nm, 90);
    near(s.photon_bias, NAN);
    options.matching = ATM_MATCH_HUNGARIAN;
    s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, 2);
    near(s.mean_distance_nm, 175);
    f[1].x = -2.2;
    options.matching = ATM_MATCH_GREEDY;
    s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, 2);
    near(s.mean_distance_nm, 155);
}

static void tolerance_is_inclusive_and_ties_go_by_order(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 8, 5, 1), loc(0, 4, 5, 2)};
    struct atm_loc f[] = {loc(0, 6, 5, 3), loc(0, 6, 7.5, 4)};
    struct atm_table truth = table_of(t, 2), found = table_of(f, 1);
    ptrdiff_t pair[2];
    assert_int_equal(atm_score_pairs(&truth, &found, &challenge, 200, pair, NULL), ATM_OK);
    assert_int_equal(pair[0], 0);
    assert_int_equal(pair[1], -1);
    assert_int_equal(atm_score_pairs(&truth, &found, &challenge, 199.9, pair, NULL), ATM_OK);
    assert_int_equal(pair[0], -1);
}

/* 20 x 10 px of 100 nm, border 450 nm: scored from (4, 4) to (15, 5) px, both included. */
static void border_leaves_both_lists(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 4, 4, 1),      loc(0, 15, 5, 1),  loc(0, 3.9, 4.5, 1),
                          loc(0, 15.1, 4.5, 1), loc(0, 9, 3.9, 1), loc(0, 9, 5.1, 1)};
    struct atm_loc f[] = {loc(0, 3.95, 4.5, 1), loc(0, 14.9, 4.95, 1)};
    struct atm_table truth = table_of(t, 6), found = table_of(f, 2);
    struct atm_eval_options options = challenge;
    struct atm_score s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, 2);
    assert_int_equal(s.false_negative, 4);
    options.border_nm = 450;
    struct atm_err err = {0};
    assert_int_equal(atm_score_tables(&truth, &found, &options, 250, &s, &err), ATM_USAGE);
    assert_string_equal(err.text, "a border of 450 nm needs the size of the field, which neither "
                                  "table states: give eval.field_width and eval.field_height in "
                                  "px, or set eval.border_nm=0");
    found.width = 20;
    found.height = 10;
    s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, 1);
    assert_int_equal(s.false_positive, 0);
    assert_int_equal(s.false_negative, 1);
    found.width = found.height = 0;
    options.field_width = 20;
    options.field_height = 10;
    assert_int_equal(score_with(&truth, &found, &options).false_negative, 1);
}

/* True photons 100..500: the 25 % quantile is 200. The emitter of 100 photons is ignored with its
 * localization; 200 itself stays. A localization without partner stays a false positive. */
static void quantile_ignores_dim_emitters_and_their_partners(void **state) {
    (void)state;
    struct atm_loc t[5], f[3];
    for (int i = 0; i < 5; i++)
        t[i] = loc(0, 10 * i, 3, 100 * (i + 1));
    f[0] = loc(0, 0.1, 3, 120);
    f[1] = loc(0, 10.5, 3, 150);
    f[2] = loc(0, 25, 3, 90);
    struct atm_table truth = table_of(t, 5), found = table_of(f, 3);
    struct atm_eval_options options = challenge;
    options.photon_quantile = 0.25;
    struct atm_score s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, 1);
    assert_int_equal(s.false_positive, 1);
    assert_int_equal(s.false_negative, 3);
    near(s.rmse_nm, 50);
    near(s.photon_bias, -0.25);
    ptrdiff_t pair[5];
    assert_int_equal(atm_score_pairs(&truth, &found, &options, 250, pair, NULL), ATM_OK);
    assert_int_equal(pair[0], -1);
    assert_int_equal(pair[1], 1);
    for (int i = 0; i < 5; i++)
        t[i].photons = NAN;
    struct atm_err err = {0};
    assert_int_equal(atm_score_tables(&truth, &found, &options, 250, &s, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "set eval.photon_quantile=0"));
}

static void wrong_frame_is_half_a_movie_away(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 1, 1, 1), loc(1, 5, 5, 1), loc(2, 1.5, 1, 1), loc(3, 9, 9, 1)};
    struct atm_table truth = table_of(t, 4), found = table_of(NULL, 0);
    struct atm_score s;
    assert_int_equal(atm_score_wrong_frame(&truth, &found, &challenge, 250, &s, NULL), ATM_OK);
    assert_int_equal(s.true_positive, 2);
    assert_int_equal(s.false_positive, 2);
    near(s.jaccard, 1.0 / 3);
    near(s.rmse_nm, 50);
    found.frames = 6; /* now half a movie is three frames: 3 -> 0, 0 -> 3; nothing fits */
    assert_int_equal(atm_score_wrong_frame(&truth, &found, &challenge, 250, &s, NULL), ATM_OK);
    assert_int_equal(s.true_positive, 0);
    near(s.rmse_nm, NAN);
    truth.count = 1;
    found.frames = 0;
    assert_int_equal(atm_score_wrong_frame(&truth, &found, &challenge, 250, &s, NULL), ATM_OK);
    near(s.jaccard, NAN);
}

/* Four emitters at the centres of the quarters of a 16 x 16 px field: the grid hits them all. In a
 * field of 32 x 8 the four lie in one row at x = 3.5, 11.5, 19.5, 27.5. */
static void grid_fills_the_field_evenly(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(7, 3.5, 3.5, 1), loc(7, 11.5, 3.5, 1), loc(7, 3.5, 11.5, 1),
                          loc(7, 11.5, 11.5, 1)};
    struct atm_table truth = table_of(t, 4), found = table_of(NULL, 0);
    struct atm_score s;
    truth.width = truth.height = 16;
    assert_int_equal(atm_score_grid(&truth, &found, &challenge, 1, &s, NULL), ATM_OK);
    assert_int_equal(s.true_positive, 4);
    assert_int_equal(s.false_positive, 0);
    truth.width = 32;
    truth.height = 8;
    for (int i = 0; i < 4; i++)
        t[i] = loc(7, 3.5 + 8 * i, 3.5, 1);
    assert_int_equal(atm_score_grid(&truth, &found, &challenge, 1, &s, NULL), ATM_OK);
    assert_int_equal(s.true_positive, 4);
    truth.count = 1; /* one point in an unknown field: its own place */
    truth.width = truth.height = 0;
    assert_int_equal(atm_score_grid(&truth, &found, &challenge, 1, &s, NULL), ATM_OK);
    assert_int_equal(s.true_positive, 1);
}

static void empty_tables_have_no_ratios(void **state) {
    (void)state;
    struct atm_loc row = loc(0, 3.3, 4.4, 100);
    struct atm_table none = table_of(NULL, 0), one = table_of(&row, 1);
    struct atm_score s = score_with(&none, &none, &challenge);
    assert_int_equal(s.true_positive + s.false_positive + s.false_negative, 0);
    near(s.jaccard, NAN);
    near(s.efficiency, NAN);
    s = score_with(&one, &none, &challenge);
    near(s.jaccard, 0);
    near(s.recall, 0);
    near(s.precision, NAN);
    s = score_with(&none, &one, &challenge);
    near(s.precision, 0);
    assert_int_equal(s.false_positive, 1);
    row.x = NAN;
    assert_int_equal(score_with(&none, &one, &challenge).false_positive, 0);
}

static void pixel_size_must_be_known_and_agree(void **state) {
    (void)state;
    struct atm_table truth = table_of(NULL, 0), found = table_of(NULL, 0);
    struct atm_eval_options options = challenge;
    struct atm_score s;
    struct atm_err err = {0};
    truth.pixel_size_nm = 160;
    assert_int_equal(atm_score_tables(&truth, &found, &options, 250, &s, &err), ATM_FAIL);
    assert_string_equal(err.text, "the truth states pixels of 160 nm, the localizations 100 nm: "
                                  "correct the metadata of one of them");
    truth.pixel_size_nm = found.pixel_size_nm = NAN;
    assert_int_equal(atm_score_tables(&truth, &found, &options, 250, &s, &err), ATM_USAGE);
    assert_string_equal(err.text, "neither table states the pixel size: give eval.pixel_size_nm");
    options.pixel_size_nm = 120;
    assert_int_equal(atm_score_tables(&truth, &found, &options, 250, &s, &err), ATM_OK);
    assert_int_equal(atm_score_tables(&truth, &found, &options, 0, &s, &err), ATM_USAGE);
    assert_string_equal(err.text, "tolerance of 0 nm: must be positive");
}

/* ---- matching against brute force ---- */

enum { MOST = 6 };

static void scatter(struct atm_rng *rng, struct atm_match_point *points, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        points[i] = (struct atm_match_point){1000 * atm_rng_uniform(rng),
                                             1000 * atm_rng_uniform(rng) - 500, 3, i};
}

static double distance(const struct atm_match_point *a, const struct atm_match_point *b) {
    return sqrt((a->x_nm - b->x_nm) * (a->x_nm - b->x_nm) +
                (a->y_nm - b->y_nm) * (a->y_nm - b->y_nm));
}

static void match_greedy_ref(const struct atm_match_list *t, const struct atm_match_list *f,
                             double tolerance, ptrdiff_t *pair) {
    char taken[64] = {0};
    for (ptrdiff_t i = 0; i < t->count; i++)
        pair[i] = -1;
    for (;;) {
        double best = INFINITY;
        ptrdiff_t best_i = -1, best_j = -1;
        for (ptrdiff_t i = 0; i < t->count; i++)
            for (ptrdiff_t j = 0; j < f->count; j++) {
                double d = distance(&t->points[i], &f->points[j]);
                if (pair[i] < 0 && !taken[j] && d <= tolerance && d < best) {
                    best = d;
                    best_i = i;
                    best_j = j;
                }
            }
        if (best_i < 0)
            return;
        pair[best_i] = best_j;
        taken[best_j] = 1;
    }
}

/* Most pairs, then least sum, over all choices for truth i and later. */
static void match_best_ref(const struct atm_match_list *t, const struct atm_match_list *f,
                           double tolerance, ptrdiff_t i, unsigned taken, double cost,
                           double *best) {
    if (i == t->count) {
        *best = fmin(*best, cost);
        return;
    }
    match_best_ref(t, f, tolerance, i + 1, taken, cost + 1e6, best);
    for (ptrdiff_t j = 0; j < f->count; j++) {
        double d = distance(&t->points[i], &f->points[j]);
        if (!(taken >> j & 1) && d <= tolerance)
            match_best_ref(t, f, tolerance, i + 1, taken | 1u << j, cost + d, best);
    }
}

static void matching_equals_brute_force(void **state) {
    (void)state;
    struct atm_rng rng;
    for (uint64_t trial = 0; trial < 2000; trial++) {
        atm_rng_init(&rng, 11, ATM_RNG_TEST, trial);
        struct atm_match_point t[40], f[40];
        bool small = trial % 2;
        struct atm_match_list truth = {t, (ptrdiff_t)(atm_rng_next(&rng) % (small ? MOST : 40))};
        struct atm_match_list found = {f, (ptrdiff_t)(atm_rng_next(&rng) % (small ? MOST : 40))};
        double tolerance = 50 + 600 * atm_rng_uniform(&rng), best = INFINITY, cost = 0;
        ptrdiff_t pair[40], ref[40];
        scatter(&rng, t, truth.count);
        scatter(&rng, f, found.count);
        match_greedy_ref(&truth, &found, tolerance, ref);
        assert_int_equal(atm_match_frames(&truth, &found, tolerance, ATM_MATCH_GREEDY, pair, NULL),
                         ATM_OK);
        for (ptrdiff_t i = 0; i < truth.count; i++)
            assert_int_equal(pair[i], ref[i]);
        if (!small)
            continue;
        match_best_ref(&truth, &found, tolerance, 0, 0, 0, &best);
        assert_int_equal(
            atm_match_frames(&truth, &found, tolerance, ATM_MATCH_HUNGARIAN, pair, NULL), ATM_OK);
        for (ptrdiff_t i = 0; i < truth.count; i++)
            cost += pair[i] < 0 ? 1e6 : distance(&t[i], &f[pair[i]]);
        assert_true(fabs(cost - best) < 1e-6);
    }
}

/* Emitters on a chain where every greedy choice must be undone: truth i at i, found i at i + 0.6
 * px. */
static void hungarian_undoes_a_long_chain(void **state) {
    (void)state;
    enum { LINKS = 3000 };
    struct atm_loc *t = atm_mem_alloc(LINKS, sizeof *t), *f = atm_mem_alloc(LINKS, sizeof *f);
    for (int i = 0; i < LINKS; i++) {
        t[i] = loc(0, i, 0, NAN);
        f[i] = loc(0, i + 0.6, 0, NAN);
    }
    struct atm_table truth = table_of(t, LINKS), found = table_of(f, LINKS);
    struct atm_eval_options options = challenge;
    options.tolerance_nm = 70;
    struct atm_score s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, LINKS - 1); /* each with its right neighbour, 40 nm */
    near(s.mean_distance_nm, 40);
    options.matching = ATM_MATCH_HUNGARIAN;
    s = score_with(&truth, &found, &options);
    assert_int_equal(s.true_positive, LINKS);
    near(s.mean_distance_nm, 60);
    atm_mem_free(t);
    atm_mem_free(f);
}

/* ---- size ---- */

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void million_rows_take_seconds(void **state) {
    (void)state;
    enum { ROWS = 1000 * 1000 };
    struct atm_loc *t = atm_mem_alloc(ROWS, sizeof *t), *f = atm_mem_alloc(ROWS, sizeof *f);
    assert_non_null(t);
    assert_non_null(f);
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, 0);
    for (int frames = 1; frames <= 10000; frames *= 10000) {
        ptrdiff_t rows = frames == 1 ? ROWS / 4 : ROWS;
        double side = frames == 1 ? 1000 : 256, start = seconds();
        for (ptrdiff_t i = 0; i < rows; i++) {
            t[i] = loc((int64_t)(atm_rng_next(&rng) % (uint64_t)frames),
                       side * atm_rng_uniform(&rng), side * atm_rng_uniform(&rng), 100);
            f[i] = t[i];
            f[i].x += 0.1 * atm_rng_uniform(&rng);
        }
        struct atm_table truth = table_of(t, rows), found = table_of(f, rows);
        struct atm_score s = score_with(&truth, &found, &challenge);
        assert_true(s.jaccard > 0.99);
        assert_true(seconds() - start < 30); /* about 1 s; 30 leaves room for sanitizers */
    }
    atm_mem_free(t);
    atm_mem_free(f);
}

/* ---- report ---- */

static void report_on(const struct atm_table *truth, const struct atm_table *found, char **text,
                      char **json) {
    struct atm_score_report report;
    struct atm_err err = {0};
    if (atm_score_report_make(truth, found, &challenge, NULL, &report, NULL, &err) != ATM_OK)
        fail_msg("%s", err.text);
    *text = atm_score_report_text(&report);
    *json = atm_score_report_json(&report);
    assert_non_null(*text);
    assert_non_null(*json);
}

static void report_names_conventions_and_warns(void **state) {
    (void)state;
    struct atm_loc t[40], f[40];
    for (int i = 0; i < 40; i++) {
        t[i] = loc(i / 4, 7 * (i % 4) + 0.3 * i + 5, 3 + 0.5 * i, 1000 + i);
        f[i] = loc(i / 4, t[i].x + 0.5, t[i].y, 990 + i);
    }
    struct atm_table truth = table_of(t, 40), found = table_of(f, 40);
    truth.width = truth.height = 64;
    char *text, *json;
    report_on(&truth, &found, &text, &json);
    assert_non_null(strstr(text, "greedy"));
    assert_non_null(strstr(text, "border         0 nm"));
    assert_non_null(strstr(text, "warning: mean dx is 0.50 px: half a pixel"));
    assert_non_null(strstr(json, "\"at_tolerance\": {\n    \"all\": {\"true_positive\": 40, "
                                 "\"false_positive\": 0, \"false_negative\": 0, \"jaccard\": 1, "
                                 "\"recall\": 1, \"precision\": 1, \"rmse_nm\": 50,"));
    assert_non_null(strstr(json, "\"bright\": {\"true_positive\": 30,"));
    assert_non_null(strstr(json, "\"at_100_nm\""));
    assert_non_null(strstr(json, "\"wrong_frame\": {"));
    assert_null(strstr(json, "nan"));
    atm_mem_free(text);
    atm_mem_free(json);
}

static void report_finds_exchanged_axes_and_frames(void **state) {
    (void)state;
    struct atm_loc t[40], f[40];
    char *text, *json;
    for (int i = 0; i < 40; i++) {
        t[i] = loc(i / 4, 13 * (i % 4) + 0.3 * i + 5, 3 + 0.5 * i, NAN);
        f[i] = loc(i / 4, t[i].y, t[i].x, NAN);
    }
    struct atm_table truth = table_of(t, 40), found = table_of(f, 40);
    report_on(&truth, &found, &text, &json);
    assert_non_null(
        strstr(text, "warning: with x and y exchanged the Jaccard index would be 1.000"));
    assert_non_null(strstr(text, "the truth states no photons"));
    assert_non_null(strstr(json, "\"bright\": null"));
    atm_mem_free(text);
    atm_mem_free(json);
    for (int i = 0; i < 40; i++)
        f[i] = loc(i / 4 + 1, t[i].x, t[i].y, NAN);
    report_on(&truth, &found, &text, &json);
    assert_non_null(
        strstr(text, "with localizations one frame earlier the Jaccard index would be 1"));
    atm_mem_free(text);
    atm_mem_free(json);
    truth.count = found.count = 0;
    report_on(&truth, &found, &text, &json);
    atm_mem_free(text);
    atm_mem_free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_a_hand_worked_case),
        cmocka_unit_test(greedy_and_hungarian_differ),
        cmocka_unit_test(tolerance_is_inclusive_and_ties_go_by_order),
        cmocka_unit_test(border_leaves_both_lists),
        cmocka_unit_test(quantile_ignores_dim_emitters_and_their_partners),
        cmocka_unit_test(wrong_frame_is_half_a_movie_away),
        cmocka_unit_test(grid_fills_the_field_evenly),
        cmocka_unit_test(empty_tables_have_no_ratios),
        cmocka_unit_test(pixel_size_must_be_known_and_agree),
        cmocka_unit_test(matching_equals_brute_force),
        cmocka_unit_test(hungarian_undoes_a_long_chain),
        cmocka_unit_test(million_rows_take_seconds),
        cmocka_unit_test(report_names_conventions_and_warns),
        cmocka_unit_test(report_finds_exchanged_axes_and_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
