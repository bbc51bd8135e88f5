/* Reports of scores: hand-worked pulls and limits, intervals, the challenge's rules, adjustments,
 * JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "compare.h"
#include "json.h"
#include "mem.h"
#include "rng.h"
#include "score_report.h"
#include <gsl/gsl_errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

static struct atm_eval_options options_of(void) {
    return (struct atm_eval_options){.tolerance_nm = 250,
                                     .pixel_size_nm = NAN,
                                     .sigma_px = NAN,
                                     .background = NAN,
                                     .bootstrap = 100,
                                     .scale = 1};
}

static struct atm_loc loc(int64_t frame, double x, double y) {
    struct atm_loc row = atm_loc_empty();
    row.frame = frame, row.x = x, row.y = y;
    return row;
}

/* 100 nm pixels, field unknown. */
static struct atm_table table_of(struct atm_loc *rows, ptrdiff_t count) {
    return (struct atm_table){.rows = rows, .count = count, .pixel_size_nm = 100};
}

static void near(double value, double expected) {
    if (isnan(expected) ? !isnan(value) : !(fabs(value - expected) <= 1e-9 * (1 + fabs(expected))))
        fail_msg("%.12g instead of %.12g", value, expected);
}

static struct atm_score_report report_on(const struct atm_table *truth,
                                         const struct atm_table *found,
                                         const struct atm_eval_options *options,
                                         struct atm_crlb *limits) {
    struct atm_score_report report;
    struct atm_err err = {0};
    if (atm_score_report_make(truth, found, options, NULL, &report, limits, &err) != ATM_OK)
        fail_msg("%s", err.text);
    return report;
}

/* Errors (30, -40) nm stated as (20, 20), and (0, 10) nm stated as (10, 5). Photons 1000 and 400,
 * found 1100 +- 50 and 380 +- 10. */
static void pulls_are_worked_by_hand(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 10, 20), loc(1, 5, 7)};
    struct atm_loc f[] = {loc(0, 10.3, 19.6), loc(1, 5, 7.1)};
    t[0].photons = 1000, t[1].photons = 400;
    f[0].photons = 1100, f[1].photons = 380;
    f[0].x_unc = 0.2, f[0].y_unc = 0.2, f[1].x_unc = 0.1, f[1].y_unc = 0.05;
    f[0].photons_unc = 50, f[1].photons_unc = 10;
    struct atm_table truth = table_of(t, 2), found = table_of(f, 2);
    struct atm_eval_options options = options_of();
    struct atm_score_report report = report_on(&truth, &found, &options, NULL);
    const struct atm_score *s = &report.view[ATM_VIEW_TOLERANCE].score[ATM_EMITTERS_ALL];
    near(s->mad_nm, (30 + 40 + 0 + 10) / 4.0);
    near(s->median_distance_nm, 30);
    near(s->mean_dx_nm, 15);
    near(s->mean_dy_nm, -15);
    near(s->pull_x_mean, (1.5 + 0) / 2);
    near(s->pull_x_sd, 0.75);
    near(s->pull_y_mean, (-2.0 + 2.0) / 2);
    near(s->pull_y_sd, 2);
    near(s->pull_within, 0.25);
    near(s->stated_nm, sqrt((400 + 400 + 100 + 25) / 2.0));
    near(s->rmse_over_stated, sqrt(2600.0 / 925));
    near(s->photon_bias, (0.1 - 0.05) / 2);
    near(s->photon_error, sqrt((0.01 + 0.0025) / 2));
    near(s->photon_pull_mean, 0);
    near(s->photon_pull_sd, 2);
    near(s->rmse_over_crlb, NAN); /* no width, no background */
    f[0].x_unc = 0.9;             /* the tolerance of 250 nm cuts such errors off: not judged */
    report = report_on(&truth, &found, &options, NULL);
    near(s->pull_x_sd, 0);
    near(s->stated_nm, sqrt(125));
}

/* Two emitters 120 nm apart that are seen as one, midway between, and a third one found 20 nm off:
 * the blend's pulls of 6 say nothing about the uncertainties. */
static void pulls_of_blends_are_told_apart(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 10, 20), loc(0, 11.2, 20), loc(0, 30, 5)};
    struct atm_loc f[] = {loc(0, 10.6, 20), loc(0, 30.2, 5)};
    for (int i = 0; i < 2; i++)
        f[i].x_unc = f[i].y_unc = 0.1;
    struct atm_table truth = table_of(t, 3), found = table_of(f, 2);
    struct atm_eval_options options = options_of();
    struct atm_score_report report = report_on(&truth, &found, &options, NULL);
    const struct atm_score *s = &report.view[ATM_VIEW_TOLERANCE].score[ATM_EMITTERS_ALL];
    near(s->pull_x_mean, (6 + 2) / 2.0);
    near(s->pull_resolved, sqrt((4 + 0) / 2.0));
    found.count = 1; /* only the blend */
    report = report_on(&truth, &found, &options, NULL);
    near(s->pull_resolved, NAN);
}

/* Without background and with a PSF much wider than pixels the limit is sigma / sqrt(N). */
static void limit_is_that_of_a_lone_emitter(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 20.3, 21.1)}, f[] = {loc(0, 20.3, 21.3)};
    t[0].photons = 900;
    struct atm_table truth = table_of(t, 1), found = table_of(f, 1);
    struct atm_eval_options options = options_of();
    struct atm_crlb limits;
    options.sigma_px = 3;
    options.background = 0;
    struct atm_score_report report = report_on(&truth, &found, &options, &limits);
    assert_true(fabs(limits.x_px[0] / (3 / 30.0) - 1) < 0.01);
    assert_true(fabs(limits.y_px[0] / (3 / 30.0) - 1) < 0.01);
    const struct atm_score *s = &report.view[ATM_VIEW_TOLERANCE].score[ATM_EMITTERS_ALL];
    near(s->crlb_nm, 100 * hypot(limits.x_px[0], limits.y_px[0]));
    near(s->rmse_over_crlb, 20 / s->crlb_nm);
    atm_crlb_free(&limits);
}

/* Expected photons of two emitters and a background in one pixel: erf, independently of the
 * program. */
static double expected(const double *p, int x, int y) {
    double mean = p[6];
    for (int k = 0; k < 2; k++, p += 3) {
        double s = 1.3 * sqrt(2);
        mean += p[2] * 0.25 * (erf((x + 0.5 - p[0]) / s) - erf((x - 0.5 - p[0]) / s)) *
                (erf((y + 0.5 - p[1]) / s) - erf((y - 0.5 - p[1]) / s));
    }
    return mean;
}

/* Inverse of the information by central differences and Gauss-Jordan. */
static double limit_ref(const double *p, double read_variance, double efficiency, int parameter) {
    enum { N = 7, SIDE = 32 };
    double a[N][2 * N] = {{0}};
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double slope[N];
            for (int i = 0; i < N; i++) {
                double step = i % 3 == 2 || i == 6 ? 0.01 : 1e-4, low[N], high[N];
                memcpy(low, p, sizeof low);
                memcpy(high, p, sizeof high);
                low[i] -= step, high[i] += step;
                slope[i] = efficiency * (expected(high, x, y) - expected(low, x, y)) / (2 * step);
            }
            double variance = efficiency * expected(p, x, y) + read_variance;
            for (int i = 0; i < N; i++)
                for (int j = 0; j < N; j++)
                    a[i][j] += slope[i] * slope[j] / variance;
        }
    for (int i = 0; i < N; i++)
        a[i][N + i] = 1;
    for (int i = 0; i < N; i++) {
        double pivot = a[i][i];
        for (int j = 0; j < 2 * N; j++)
            a[i][j] /= pivot;
        for (int k = 0; k < N; k++) {
            double factor = k == i ? 0 : a[k][i];
            for (int j = 0; j < 2 * N; j++)
                a[k][j] -= factor * a[i][j];
        }
    }
    return sqrt(a[parameter][N + parameter]);
}

/* Two emitters 2 px apart know less of each other than one alone; the camera's noise and losses
 * count. */
static void limit_of_a_pair_equals_an_independent_one(void **state) {
    (void)state;
    const double p[] = {15.2, 16.4, 800, 16.9, 15.4, 500, 12};
    struct atm_loc t[] = {loc(3, p[0], p[1]), loc(3, p[3], p[4]), loc(4, p[0], p[1])};
    t[0].photons = t[2].photons = p[2], t[1].photons = p[5];
    for (int i = 0; i < 3; i++)
        t[i].background = p[6];
    struct atm_table truth = table_of(t, 3);
    truth.width = truth.height = 32;
    struct atm_crlb_options options = {.sigma_px = 1.3,
                                       .camera = {.qe = 0.8, .read_noise = 1.6, .em_gain = NAN}};
    struct atm_crlb crlb;
    assert_int_equal(atm_crlb_init(&crlb, &truth, &options, NULL), ATM_OK);
    assert_int_equal(crlb.known, 3);
    const double found[] = {crlb.x_px[0], crlb.y_px[0], crlb.x_px[1], crlb.y_px[1]};
    const int parameter[] = {0, 1, 3, 4};
    for (int i = 0; i < 4; i++) {
        double ref = limit_ref(p, 1.6 * 1.6, 0.8, parameter[i]);
        /* the window ends 4.5 sigma from the emitters, so the background is known a little less
         * well */
        if (!(fabs(found[i] / ref - 1) < 0.01))
            fail_msg("limit %d: %g instead of %g", i, found[i], ref);
    }
    assert_true(crlb.x_px[2] < crlb.x_px[0]);
    atm_crlb_free(&crlb);
    t[1].x = t[0].x, t[1].y = t[0].y; /* nobody can tell them apart */
    assert_int_equal(atm_crlb_init(&crlb, &truth, &options, NULL), ATM_OK);
    assert_true(!(crlb.x_px[0] < 1));
    near(crlb.x_px[2], crlb.x_px[2]);
    atm_crlb_free(&crlb);
}

/* 20 x 12 px of 100 nm: the border of 450 nm leaves x 4..15, y 4..7. Inside: two emitters, one
 * found 60 nm off; outside: one emitter, found, and a false one. Photons 100, 200, 300: the
 * quantile 0.25 is 150, so the dimmest is ignored with its localization. */
static void challenge_goes_by_its_own_rules(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 6, 5), loc(0, 12, 6), loc(0, 1, 1)};
    struct atm_loc f[] = {loc(0, 6.6, 5), loc(0, 1.1, 1), loc(0, 18, 10)};
    t[0].photons = 200, t[1].photons = 100, t[2].photons = 300;
    struct atm_table truth = table_of(t, 3), found = table_of(f, 3);
    struct atm_eval_options options = options_of();
    options.matching = ATM_MATCH_HUNGARIAN;
    options.tolerance_nm = 40;
    struct atm_score_report report = report_on(&truth, &found, &options, NULL);
    assert_false(report.view[ATM_VIEW_CHALLENGE].known);
    truth.width = 20, truth.height = 12;
    report = report_on(&truth, &found, &options, NULL);
    assert_true(report.view[ATM_VIEW_CHALLENGE].known);
    const struct atm_score *all = &report.view[ATM_VIEW_CHALLENGE].score[ATM_EMITTERS_ALL];
    near(all->jaccard, 0.5);
    near(all->rmse_nm, 60);
    near(all->efficiency, 100 - sqrt(2500 + 3600));
    const struct atm_score *bright = &report.view[ATM_VIEW_CHALLENGE].score[ATM_EMITTERS_BRIGHT];
    near(bright->jaccard, 1);
    char *text = atm_score_report_text(&report);
    assert_non_null(strstr(text, "no photon threshold  J  50.00 %   RMSE  60.00 nm   E  21.90"));
    assert_non_null(strstr(text, "25 % dimmest ignored J 100.00 %"));
    atm_mem_free(text);
}

/* Every frame the same: resampling frames changes nothing. Half of them empty: the interval of the
 * recall of n frames is 0.5 +- 1.96 sqrt(0.25 / n). */
static void intervals_come_from_frames(void **state) {
    (void)state;
    enum { FRAMES = 400 };
    static struct atm_loc t[FRAMES], f[FRAMES];
    for (int i = 0; i < FRAMES; i++) {
        t[i] = loc(i, 5, 5);
        f[i] = loc(i, 5.1, 5);
    }
    struct atm_table truth = table_of(t, FRAMES), found = table_of(f, FRAMES);
    struct atm_eval_options options = options_of();
    options.bootstrap = 2000;
    struct atm_score_report report = report_on(&truth, &found, &options, NULL);
    const struct atm_score_view *view = &report.view[ATM_VIEW_TOLERANCE];
    near(view->low[0].rmse_nm, 10);
    near(view->high[0].rmse_nm, 10);
    near(view->high[0].jaccard, 1);
    near(view->low[0].median_distance_nm, NAN);
    for (int i = 0; i < FRAMES; i += 2)
        f[i].frame = -1; /* into a frame that has no truth */
    report = report_on(&truth, &found, &options, NULL);
    double half = 1.96 * sqrt(0.25 / FRAMES);
    assert_true(fabs(view->low[0].recall - (0.5 - half)) < 0.15 * half);
    assert_true(fabs(view->high[0].recall - (0.5 + half)) < 0.15 * half);
    struct atm_score_report again = report_on(&truth, &found, &options, NULL);
    near(again.view[ATM_VIEW_TOLERANCE].low[0].recall, view->low[0].recall);
}

static void adjusting_undoes_what_is_wrong(void **state) {
    (void)state;
    enum { COUNT = 60 };
    static struct atm_loc t[COUNT], f[COUNT];
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, 0);
    for (int i = 0; i < COUNT; i++) {
        t[i] = loc(i / 6, 60 * atm_rng_uniform(&rng), 40 * atm_rng_uniform(&rng));
        double x = (t[i].x + 0.5) / 1.01 - 0.5 + 0.5, y = (t[i].y + 0.5) / 1.01 - 0.5;
        f[i] = loc(t[i].frame + 1, y, x);
    }
    struct atm_table truth = table_of(t, COUNT), found = table_of(f, COUNT);
    struct atm_eval_options options = options_of();
    options.axes = ATM_EVAL_YX, options.shift_frames = -1;
    assert_int_equal(atm_score_adjust(&found, &options, NULL), ATM_OK);
    struct atm_score_report report = report_on(&truth, &found, &options, NULL);
    char *text = atm_score_report_text(&report);
    assert_non_null(strstr(text, "adjusted       localizations before scoring: axes yx, scale 1, "
                                 "shift (0, 0) nm, -1 frames"));
    assert_non_null(strstr(text, "warning: errors grow with the position: distances are 0.99"));
    atm_mem_free(text);
    options = options_of();
    options.shift_x_nm = -50;
    assert_int_equal(atm_score_adjust(&found, &options, NULL), ATM_OK);
    options = options_of();
    options.scale = 1.01;
    assert_int_equal(atm_score_adjust(&found, &options, NULL), ATM_OK);
    report = report_on(&truth, &found, &options, NULL);
    assert_true(report.view[0].score[0].rmse_nm < 1e-6);
    assert_int_equal(report.warning_count, 0);
}

static void numbers_are_found_by_name(void **state) {
    (void)state;
    struct atm_json_numbers numbers;
    const char *json =
        "{\"a\": {\"j\": 0.5, \"text\": \"7\", \"no\": null, \"list\": [1, {\"k\": -2e3}]},"
        "\n \"b\": {\"j\": 0.25, \"flag\": true}, \"j2\": 3}";
    assert_int_equal(atm_json_numbers_read(json, "test", &numbers, NULL), ATM_OK);
    assert_int_equal(numbers.count, 6);
    near(atm_json_numbers_find(&numbers, "j")->value, 0.5);
    near(atm_json_numbers_find(&numbers, "b.j")->value, 0.25);
    near(atm_json_numbers_find(&numbers, "a.list.1.k")->value, -2000);
    near(atm_json_numbers_find(&numbers, "no")->value, NAN);
    near(atm_json_numbers_find(&numbers, "j2")->value, 3);
    assert_null(atm_json_numbers_find(&numbers, "text"));
    assert_null(atm_json_numbers_find(&numbers, "2"));
    atm_json_numbers_free(&numbers);
    struct atm_err err = {0};
    assert_int_equal(atm_json_numbers_read("{\"a\": [1, 2", "broken", &numbers, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "broken: "));
    char deep[64];
    memset(deep, '[', 40);
    deep[40] = 0;
    assert_int_equal(atm_json_numbers_read(deep, "deep", &numbers, NULL), ATM_FAIL);
}

static void tables_stand_side_by_side(void **state) {
    (void)state;
    struct atm_loc t[] = {loc(0, 5, 5), loc(1, 5, 5)}, f[] = {loc(0, 5.3, 5.4)};
    struct atm_table truth = table_of(t, 2), one = table_of(f, 1), both = table_of(t, 2);
    struct atm_eval_options options = options_of();
    struct atm_score_report a = report_on(&truth, &one, &options, NULL);
    struct atm_score_report b = report_on(&truth, &both, &options, NULL);
    const struct atm_compare_entry entries[] = {{"half \"q\"", &a}, {"whole", &b}};
    char *text = atm_compare_text(entries, 2), *json = atm_compare_json(entries, 2);
    assert_non_null(strstr(text, "half \"q\"                           1      0.5000      0.5000"));
    assert_non_null(strstr(text, "whole                              2      1.0000      1.0000"));
    struct atm_json_numbers numbers;
    assert_int_equal(atm_json_numbers_read(json, "json", &numbers, NULL), ATM_OK);
    near(atm_json_numbers_find(&numbers, "tables.whole.at_tolerance.all.jaccard")->value, 1);
    near(atm_json_numbers_find(&numbers, "jaccard")->value, 0.5);
    atm_json_numbers_free(&numbers);
    atm_mem_free(text);
    atm_mem_free(json);
}

static void a_million_rows_with_everything(void **state) {
    (void)state;
    enum { COUNT = 1000 * 1000 };
    struct atm_loc *t = atm_mem_alloc(COUNT, sizeof *t), *f = atm_mem_alloc(COUNT, sizeof *f);
    struct atm_rng rng;
    assert_non_null(t);
    assert_non_null(f);
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 0);
    for (ptrdiff_t i = 0; i < COUNT; i++) {
        t[i] = loc(i / 100, 256 * atm_rng_uniform(&rng), 256 * atm_rng_uniform(&rng));
        t[i].photons = 1000, t[i].background = 10;
        f[i] = t[i];
        f[i].x += 0.1 * atm_rng_uniform(&rng);
        f[i].sx = f[i].sy = 1.3, f[i].x_unc = f[i].y_unc = 0.1;
    }
    struct atm_table truth = table_of(t, COUNT), found = table_of(f, COUNT);
    truth.width = truth.height = 256;
    struct atm_eval_options options = options_of();
    options.bootstrap = 500;
    clock_t start = clock();
    struct atm_score_report report = report_on(&truth, &found, &options, NULL);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    print_message("1e6 rows: %.1f s\n", seconds);
    assert_true(seconds < 60); /* some seconds; 60 leaves room for sanitizers */
    assert_true(report.view[0].score[0].jaccard > 0.98);
    assert_in_range(report.limits_known, 0.9 * ATM_CRLB_MOST, ATM_CRLB_MOST);
    atm_mem_free(t);
    atm_mem_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pulls_are_worked_by_hand),
        cmocka_unit_test(pulls_of_blends_are_told_apart),
        cmocka_unit_test(limit_is_that_of_a_lone_emitter),
        cmocka_unit_test(limit_of_a_pair_equals_an_independent_one),
        cmocka_unit_test(challenge_goes_by_its_own_rules),
        cmocka_unit_test(intervals_come_from_frames),
        cmocka_unit_test(adjusting_undoes_what_is_wrong),
        cmocka_unit_test(numbers_are_found_by_name),
        cmocka_unit_test(tables_stand_side_by_side),
        cmocka_unit_test(a_million_rows_with_everything),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
