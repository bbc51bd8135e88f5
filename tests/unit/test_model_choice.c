/* How many emitters a frame has: pairs, duplicates, what seeds miss, and what noise alone yields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "refine_case.h"

static void pair_seeded_once_becomes_two(void **state) {
    (void)state;
    add(&frame, 15.1, 14.385, 2000);
    add(&frame, 17.0, 15.43, 2000); /* 2 sigma away */
    frame.seeds[frame.seed_count++] = at(16, 15, 3000);
    expose(&frame, &rng);
    struct atm_table table;
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 2);
    assert_int_equal(found(&frame, &table, 0.3), 2);
    assert_true(table.rows[0].flags & ATM_LOC_OVERLAPPING);
    assert_int_equal(table.rows[0].frame, 3);
    atm_table_free(&table);
}

static void emitters_without_seeds_come_from_the_residual(void **state) {
    (void)state;
    add(&frame, 8.385, 21.2, 900);
    add(&frame, 0.1, 0.3, 1500); /* in the corner */
    add(&frame, 31.3, 12.9, 1500);
    expose(&frame, &rng);
    struct atm_table table;
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 3);
    assert_int_equal(found(&frame, &table, 0.3), 3);
    for (ptrdiff_t i = 0; i < 3; i++)
        assert_true(table.rows[i].flags & ATM_LOC_FROM_RESIDUAL);
    atm_table_free(&table);
}

static void false_seeds_go_and_duplicates_merge(void **state) {
    (void)state;
    add(&frame, 20.2, 9.385, 1200);
    frame.seeds[frame.seed_count++] = at(5, 25, 400); /* nothing there */
    frame.seeds[frame.seed_count++] = at(19.9, 9.6, 700);
    frame.seeds[frame.seed_count++] = at(20.9, 9.1, 500);
    expose(&frame, &rng);
    struct atm_table table;
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 1);
    assert_near(table.rows[0].x, 20.2, 5 * table.rows[0].x_unc);
    assert_near(table.rows[0].photons, 1200, 5 * table.rows[0].photons_unc);
    assert_near(table.rows[0].background, 20, 5 * table.rows[0].background_unc);
    assert_int_equal(table.rows[0].blocks, 2);
    atm_table_free(&table);
}

static void noise_alone_yields_the_promised_rate(void **state) {
    (void)state;
    enum { FRAMES = 150 };
    struct atm_refine_options options = defaults();
    options.false_per_frame = 0.2;
    ptrdiff_t total = 0;
    for (int i = 0; i < FRAMES; i++) {
        struct atm_table table;
        frame.background = 100;
        expose(&frame, &rng);
        struct atm_refine_input in = input_of(&frame);
        refine_with(&options, &in, SIDE, SIDE, &table);
        total += table.count;
        atm_table_free(&table);
    }
    double expected = options.false_per_frame * FRAMES * SIDE * SIDE / 1000;
    assert_true((double)total < 1.5 * expected + 4 * sqrt(expected));
    assert_true((double)total > 0.2 * expected);
}

/* One emitter, seeded several times, in a movie where dim ones abound: how coinciding emitters
 * would share its light is open, and that must not speak for them. */
static void light_is_not_shared_without_need(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    ptrdiff_t rows = 0;
    for (int trial = 0; trial < 20; trial++) {
        clear(&frame, SIDE, SIDE);
        add(&frame, 15.2 + 0.04 * trial, 15.385, 1500 + 70 * trial);
        for (int k = 0; k < 4; k++)
            frame.seeds[frame.seed_count++] =
                at(15.2 + 0.04 * trial + (k % 2 ? 0.9 : -0.9), 15.385 + (k / 2 ? 0.9 : -0.9), 500);
        expose(&frame, &rng);
        struct atm_refine_input in = input_of(&frame);
        in.population = (struct atm_refine_population){
            .log_mean = log(3000), .log_sd = 0.2, .density = 0.005, .dim_share = 0.5};
        struct atm_table table;
        refine_with(&options, &in, SIDE, SIDE, &table);
        rows += table.count;
        atm_table_free(&table);
    }
    assert_int_equal(rows, 20);
}

/* Bright emitters of a wide population, each with four seeds: the rows change their order from
 * round to round, and every pair is still asked whether it is one. */
static void bright_emitters_end_as_one(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    ptrdiff_t rows = 0;
    for (int trial = 0; trial < 60; trial++) {
        clear(&frame, SIDE, SIDE);
        double x = 15 + atm_rng_uniform(&rng), y = 15 + atm_rng_uniform(&rng);
        add(&frame, x, y, 2600);
        for (int k = 0; k < 4; k++)
            frame.seeds[frame.seed_count++] =
                at(x + 2.4 * (atm_rng_uniform(&rng) - 0.5), y + 2.4 * (atm_rng_uniform(&rng) - 0.5),
                   500 + 100 * k);
        expose(&frame, &rng);
        struct atm_refine_input in = input_of(&frame);
        in.population = (struct atm_refine_population){
            .log_mean = log(900), .log_sd = 0.5, .density = 0.005, .dim_share = 0.02};
        struct atm_table table;
        refine_with(&options, &in, SIDE, SIDE, &table);
        rows += table.count;
        atm_table_free(&table);
    }
    assert_int_equal(rows, 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pair_seeded_once_becomes_two, start),
        cmocka_unit_test_setup(emitters_without_seeds_come_from_the_residual, start),
        cmocka_unit_test_setup(false_seeds_go_and_duplicates_merge, start),
        cmocka_unit_test_setup(noise_alone_yields_the_promised_rate, start),
        cmocka_unit_test_setup(light_is_not_shared_without_need, start),
        cmocka_unit_test_setup(bright_emitters_end_as_one, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
