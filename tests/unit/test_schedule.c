/* The schedule of a training at chosen steps of 1000. */
#include "schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct atm_train_options options = {.steps = 1000,
                                                 .rate = 2e-3,
                                                 .warmup_steps = 50,
                                                 .decay_fraction = 0.4,
                                                 .penalty = 0.3,
                                                 .penalty_start = 0.5,
                                                 .penalty_end = 0.9,
                                                 .blur_px = 8,
                                                 .blur_end = 0.2,
                                                 .curriculum = 0.5,
                                                 .pursuit_grow = 0.6};

static void near(double found, double expected) { assert_true(fabs(found - expected) < 1e-12); }

static void phases_begin_and_end_where_they_should(void **state) {
    (void)state;
    const struct {
        int64_t step;
        double rate, penalty, blur, frames;
        ptrdiff_t pursuit;
    } cases[] = {
        {0, 2e-3 / 50, 0, 8, 0.1, 1},
        {49, 2e-3, 0, 8 * (1 - 49.0 / 200), 0.1 + 0.9 * 49 / 500, 1},
        {100, 2e-3, 0, 4, 0.28, 1},
        {200, 2e-3, 0, 0, 0.46, 2}, /* 9 / 9 */
        {300, 2e-3, 0, 0, 0.64, 3}, /* 9 / 4 */
        {599, 2e-3, 0.3, 0, 1, 9},  /* just below 9 */
        {600, 2e-3, 0.3, 0, 1, 10},
        {800, 1e-3, 0.3, 0, 1, 10},
        {899, 2e-3 * 0.5 * (1 + cos(M_PI * 299 / 400)), 0.3, 0, 1, 10},
        {900, 2e-3 * 0.5 * (1 + cos(M_PI * 300 / 400)), 0, 0, 1, 10},
        {1000, 0, 0, 0, 1, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct atm_schedule s = atm_schedule_at(&options, 10, cases[i].step);
        near(s.rate, cases[i].rate);
        near(s.penalty, cases[i].penalty);
        near(s.blur_px, cases[i].blur);
        near(s.frames, cases[i].frames);
        assert_int_equal(s.pursuit, cases[i].pursuit);
    }
}

/* As wide as the blocks in use, and gone when the pursuit has grown. */
static void holes_grow_with_the_pursuit(void **state) {
    (void)state;
    struct atm_train_options holes = options;
    holes.hole_px = 4;
    near(atm_schedule_at(&holes, 10, 0).hole_px, 4);
    near(atm_schedule_at(&holes, 10, 300).hole_px, 12);
    near(atm_schedule_at(&holes, 10, 599).hole_px, 36);
    near(atm_schedule_at(&holes, 10, 600).hole_px, 0);
    near(atm_schedule_at(&options, 10, 300).hole_px, 0);
}

/* Every other step, from the first odd one after the pursuit has grown. */
static void sweeps_follow_growth(void **state) {
    (void)state;
    struct atm_train_options sweeps = options;
    sweeps.pursuit_sweep = true;
    assert_false(atm_schedule_at(&sweeps, 10, 599).again);
    assert_false(atm_schedule_at(&sweeps, 10, 600).again);
    assert_true(atm_schedule_at(&sweeps, 10, 601).again);
    assert_false(atm_schedule_at(&options, 10, 601).again);
}

static void what_is_off_is_off(void **state) {
    (void)state;
    const struct atm_train_options plain = {.steps = 10, .rate = 1};
    const struct atm_schedule s = atm_schedule_at(&plain, 7, 0);
    near(s.rate, 1);
    near(s.blur_px, 0);
    near(s.frames, 1);
    assert_int_equal(s.pursuit, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_begin_and_end_where_they_should),
        cmocka_unit_test(holes_grow_with_the_pursuit),
        cmocka_unit_test(sweeps_follow_growth),
        cmocka_unit_test(what_is_off_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
