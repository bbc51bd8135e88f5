/* Drift of simulated tables, whose truth is known. bench_post has the full lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drift_private.h"
#include "locs.h"
#include "post.h"
#include "post_case.h"
#include <math.h>
#include <omp.h>
#include <string.h>

/* 4000 frames: an eighth of the localizations of the full case in bench_post. */
static const struct case_options usual = {.frames = 4000,
                                          .side = 40,
                                          .per_frame = 10,
                                          .walk_nm = 0.2,
                                          .trend_nm = 300,
                                          .jumps = 2,
                                          .jump_nm = 900,
                                          .bead_photons = 20000,
                                          .missed = 0.05,
                                          .seed = 1};

struct run {
    struct post_case c;
    struct atm_locs locs;
    ptrdiff_t *first; /* owned */
    struct atm_drift drift;
};

static struct run prepare(const struct case_options *options) {
    struct run r = {.c = case_make(options)};
    assert_int_equal(atm_locs_init(&r.locs, &r.c.table, NULL), ATM_OK);
    assert_int_equal(atm_locs_index(&r.locs, options->frames, &r.first, NULL), ATM_OK);
    return r;
}

static enum atm_status estimate_by(struct run *r, const struct atm_drift_options *options,
                                   struct atm_err *err) {
    const struct atm_drift_points points = {
        r->locs.count, r->c.frames, r->locs.x, r->locs.y, atm_locs_find(&r->locs, "photons"),
        r->first};
    return atm_drift_estimate(&points, options, NULL, &r->drift, err);
}

static enum atm_status estimate(struct run *r, int method, bool check, struct atm_err *err) {
    const struct atm_drift_options options = {
        .method = method, .range = 25, .pixel = 0.2, .radius = 1.5, .share = 0.8, .check = check};
    return estimate_by(r, &options, err);
}

static void release(struct run *r) {
    atm_drift_free(&r->drift);
    atm_locs_free(&r->locs);
    atm_mem_free(r->first);
    case_free(&r->c);
}

static double error_of(int method, const struct case_options *options, ptrdiff_t *jumps) {
    struct atm_err err = {0};
    struct run r = prepare(options);
    if (estimate(&r, method, false, &err) != ATM_OK)
        fail_msg("%s", err.text);
    double error = case_error(&r.c, r.drift.x, r.drift.y);
    assert_true(r.drift.x[0] == 0 && r.drift.y[0] == 0);
    *jumps = r.drift.jumps;
    release(&r);
    return error;
}

/* Random walk, trend and two jumps. */
static void aim_finds_the_drift(void **state) {
    (void)state;
    ptrdiff_t jumps;
    assert_true(error_of(ATM_DRIFT_AIM, &usual, &jumps) < 3);
    assert_int_equal(jumps, 2);
}

/* Segments are longer: the movie is as long as the full one, the field smaller. */
static void rcc_finds_the_drift(void **state) {
    (void)state;
    ptrdiff_t jumps;
    struct case_options options = usual;
    options.frames = 20000, options.side = 32, options.per_frame = 6, options.trend_nm = 800;
    options.jumps = 6;
    assert_true(error_of(ATM_DRIFT_RCC, &options, &jumps) < 3);
    assert_int_equal(jumps, 6);
}

static void four_fiducials_find_it_better(void **state) {
    (void)state;
    ptrdiff_t jumps;
    struct case_options options = usual;
    options.fiducials = 4;
    assert_true(error_of(ATM_DRIFT_FIDUCIALS, &options, &jumps) < 1);
}

/* A map that contains the segment holds it where it is: with `own` taken off it moves to its place,
 * and without it stays nearly where it was. */
static void a_segment_is_not_compared_with_itself(void **state) {
    (void)state;
    struct case_options options = usual;
    options.walk_nm = options.trend_nm = 0;
    options.jumps = 0;
    options.frames = 300;
    struct run r = prepare(&options);
    const struct atm_drift_points points = {r.locs.count, r.c.frames, r.locs.x,
                                            r.locs.y,     NULL,       r.first};
    struct atm_drift_moved moved;
    struct atm_drift_map map, own;
    ptrdiff_t end = r.first[30];
    for (ptrdiff_t i = 0; i < end; i++)
        r.locs.x[i] += 0.15; /* 15 nm */
    assert_int_equal(atm_drift_moved_init(&moved, &points, NULL), ATM_OK);
    assert_int_equal(atm_drift_map_init(&map, &moved, 0.2, 2, 4096, NULL), ATM_OK);
    assert_int_equal(atm_drift_map_init(&own, &moved, 0.2, 2, 4096, NULL), ATM_OK);
    atm_drift_map_add(&map, &moved, 0, r.locs.count, 0, 0, 1);
    atm_drift_map_add(&own, &moved, 0, end, 0, 0, 1);
    double x = 0, y = 0, held_x = 0, held_y = 0;
    assert_true(atm_drift_map_climb(&map, &own, &moved, 0, end, &x, &y));
    assert_true(atm_drift_map_climb(&map, NULL, &moved, 0, end, &held_x, &held_y));
    assert_true(fabs(x - 0.15) < 0.04 && fabs(y) < 0.04);
    assert_true(held_x < x - 0.01);
    atm_drift_map_free(&map);
    atm_drift_map_free(&own);
    atm_drift_moved_free(&moved);
    release(&r);
}

/* The error that the halves show is that of the estimate, within what two halves can say. */
static void the_error_is_known(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct run r = prepare(&usual);
    assert_int_equal(estimate(&r, ATM_DRIFT_AIM, true, &err), ATM_OK);
    double true_error = case_error(&r.c, r.drift.x, r.drift.y),
           said = CASE_PIXEL_NM * r.drift.error;
    assert_true(said > true_error / 2 && said < true_error * 3);
    release(&r);
}

/* Places by chance, which stand still: what is found is all error, and both halves must not find
 * the same, as those do that are cut from the field alone (they said 0.25 of it). */
static void chance_is_not_believed(void **state) {
    (void)state;
    enum { ROWS = 4000, FRAMES = 1000 };
    static double x[ROWS], y[ROWS];
    static ptrdiff_t first[FRAMES + 1];
    struct atm_rng rng;
    struct atm_drift drift;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 7);
    for (ptrdiff_t i = 0; i < ROWS; i++)
        x[i] = 2 + 60 * atm_rng_uniform(&rng), y[i] = 2 + 60 * atm_rng_uniform(&rng);
    for (ptrdiff_t f = 0; f <= FRAMES; f++)
        first[f] = f * ROWS / FRAMES;
    const struct atm_drift_points points = {ROWS, FRAMES, x, y, NULL, first};
    const struct atm_drift_options options = {
        .method = ATM_DRIFT_AIM, .range = 25, .pixel = 0.2, .check = true};
    assert_int_equal(atm_drift_estimate(&points, &options, NULL, &drift, NULL), ATM_OK);
    double sum[2] = {0, 0}, square = 0;
    for (ptrdiff_t f = 0; f < FRAMES; f++) {
        sum[0] += drift.x[f] / FRAMES, sum[1] += drift.y[f] / FRAMES;
        square += (drift.x[f] * drift.x[f] + drift.y[f] * drift.y[f]) / FRAMES;
    }
    double found = sqrt((square - sum[0] * sum[0] - sum[1] * sum[1]) / 2);
    assert_true(found > 0.1); /* px, or this is no test */
    assert_true(drift.error > M_SQRT1_2 * found);
    atm_drift_free(&drift);
}

/* Hardly any localizations: a large error is said, or nothing at all. */
static void sparse_data_are_not_believed(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct case_options options = usual;
    options.frames = 2000, options.per_frame = 1;
    struct run r = prepare(&options);
    assert_int_equal(estimate(&r, ATM_DRIFT_AIM, true, &err), ATM_OK);
    double true_error = case_error(&r.c, r.drift.x, r.drift.y);
    assert_true(true_error > 30); /* or this is no test */
    assert_true(CASE_PIXEL_NM * r.drift.error > 10);
    release(&r);
    options.frames = 400;
    r = prepare(&options);
    assert_int_equal(estimate(&r, ATM_DRIFT_AIM, true, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "too few to see a drift"));
    release(&r);
    options.per_frame = 8;
    r = prepare(&options);
    const struct atm_drift_options long_segments = {.range = 25, .pixel = 0.2, .segment = 134};
    assert_int_equal(estimate_by(&r, &long_segments, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "is 134: the movie has 400 frames"));
    assert_int_equal(estimate(&r, ATM_DRIFT_FIDUCIALS, true, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "no fiducials"));
    release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aim_finds_the_drift),
        cmocka_unit_test(rcc_finds_the_drift),
        cmocka_unit_test(four_fiducials_find_it_better),
        cmocka_unit_test(a_segment_is_not_compared_with_itself),
        cmocka_unit_test(the_error_is_known),
        cmocka_unit_test(chance_is_not_believed),
        cmocka_unit_test(sparse_data_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
