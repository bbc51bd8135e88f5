/* What the data say about themselves: sigma and the population of brightness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "refine_case.h"
#include <math.h>

enum { MOVIE = 12 };
static struct frame movie[MOVIE];
static struct atm_refine_input inputs[MOVIE];

static void film(double per_px, double photons, double log_sd) {
    for (int i = 0; i < MOVIE; i++) {
        clear(&movie[i], SIDE, SIDE);
        movie[i].background = 100;
        scatter(&movie[i], &rng, per_px, photons, log_sd);
        seed(&movie[i], &rng);
        expose(&movie[i], &rng);
        inputs[i] = input_of(&movie[i]);
    }
}

static void sigma_comes_from_the_data(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    struct atm_refine *refine;
    const double densities[] = {0.01, 0.04};
    assert_int_equal(atm_refine_create(&options, SIDE, SIDE, &refine, NULL), ATM_OK);
    for (int d = 0; d < 2; d++) {
        double sigma = 0;
        film(densities[d], 2000, 0);
        for (int i = 0; i < MOVIE; i++)
            inputs[i].sigma_px = 1.3;
        assert_int_equal(atm_refine_estimate_sigma(refine, inputs, MOVIE, &sigma, NULL), ATM_OK);
        assert_near(sigma, 1.09, 0.025);
    }
    atm_refine_destroy(&refine);
}

static void population_comes_from_the_data_and_helps(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    struct atm_refine *refine;
    struct atm_refine_population population;
    assert_int_equal(atm_refine_create(&options, SIDE, SIDE, &refine, NULL), ATM_OK);
    film(0.02, 2000, 0.4);
    assert_int_equal(atm_refine_estimate_population(refine, inputs, MOVIE, NAN, &population, NULL),
                     ATM_OK);
    assert_near(population.log_mean, log(2000), 0.12);
    assert_near(population.log_sd, 0.4, 0.12);
    assert_near(population.density, 0.02, 0.004);
    film(0.06, 2000, 0);
    assert_int_equal(atm_refine_estimate_population(refine, inputs, MOVIE, NAN, &population, NULL),
                     ATM_OK);
    assert_near(population.log_mean, log(2000), 0.05);
    ptrdiff_t hits = 0, truth = 0, rows = 0;
    struct atm_table table;
    for (int i = 0; i < MOVIE; i++) {
        atm_table_init(&table);
        inputs[i].population = population;
        assert_int_equal(atm_refine_frame(refine, &inputs[i], &table, NULL), ATM_OK);
        hits += found(&movie[i], &table, 1), truth += movie[i].truth_count, rows += table.count;
        atm_table_free(&table);
    }
    assert_true((double)hits / (double)(truth + rows - hits) > 0.9); /* Jaccard at one pixel */
    film(0.012, 2000, 0);
    for (int i = 0; i < MOVIE; i++) { /* every third on for half of the frame or less */
        for (ptrdiff_t k = 0; k < movie[i].truth_count; k += 3)
            movie[i].truth[k].photons *= 0.1 + 0.4 * atm_rng_uniform(&rng);
        expose(&movie[i], &rng);
    }
    assert_int_equal(atm_refine_estimate_population(refine, inputs, MOVIE, NAN, &population, NULL),
                     ATM_OK);
    assert_near(population.log_mean, log(2000), 0.05);
    assert_true(population.dim_share > 0.15 && population.dim_share < 0.5);
    film(0.0005, 2000, 0);
    assert_int_equal(atm_refine_estimate_population(refine, inputs, MOVIE, NAN, &population, NULL),
                     ATM_OK);
    assert_true(population.log_sd == 0); /* too few to tell */
    atm_refine_destroy(&refine);
}

/* 32 emitters per 100 px on a band of an eighth of the field, none elsewhere. */
static void film_band(void) {
    film(0.04, 1000, 0.3);
    for (int i = 0; i < MOVIE; i++) {
        for (ptrdiff_t k = 0; k < movie[i].truth_count; k++)
            movie[i].truth[k].y = 0.5 * SIDE + (movie[i].truth[k].y - 0.5 * SIDE) / 8;
        movie[i].seed_count = 0;
        seed(&movie[i], &rng);
        expose(&movie[i], &rng);
        inputs[i] = input_of(&movie[i]);
    }
}

/* On a band of an eighth of the field: fewer and brighter ones explain the frames as well, unless
 * the fluctuations tell how bright they are. */
static void fluctuations_tell_blends(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    struct atm_refine *refine;
    struct atm_refine_population population;
    assert_int_equal(atm_refine_create(&options, SIDE, SIDE, &refine, NULL), ATM_OK);
    film_band();
    const double anchor = 1000 * exp(2.5 * 0.09);
    for (int told = 0; told < 2; told++) {
        assert_int_equal(atm_refine_estimate_population(refine, inputs, MOVIE, told ? anchor : NAN,
                                                        &population, NULL),
                         ATM_OK);
        print_message("%s: %.0f photons, spread %.2f, %.3f per px\n", told ? "told" : "not told",
                      exp(population.log_mean), population.log_sd, population.density);
        assert_true(told == (population.density > 0.03));
        assert_true(told == (population.log_mean < log(1400)));
    }
    atm_refine_destroy(&refine);
}

/* Told where they are, the fit finds more of them there, and is nearer to the truth. */
static void density_by_place(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    struct atm_refine *refine;
    static float where[SIDE * SIDE];
    ptrdiff_t rows[2] = {0}, truth = 0;
    for (int i = 0; i < SIDE * SIDE; i++)
        where[i] = fabs(i / SIDE - 0.5 * SIDE) <= 0.0625 * SIDE + 1 ? 6 : 0.2F;
    assert_int_equal(atm_refine_create(&options, SIDE, SIDE, &refine, NULL), ATM_OK);
    film_band();
    for (int i = 0; i < MOVIE; i++)
        for (int told = 0; told < 2; told++) {
            struct atm_table table;
            atm_table_init(&table);
            inputs[i].population = (struct atm_refine_population){.log_mean = log(1000),
                                                                  .log_sd = 0.3,
                                                                  .density = 0.04,
                                                                  .where = told ? where : NULL};
            assert_int_equal(atm_refine_frame(refine, &inputs[i], &table, NULL), ATM_OK);
            rows[told] += table.count, truth += told ? 0 : movie[i].truth_count;
            atm_table_free(&table);
        }
    print_message("%td emitters; %td found with one density, %td with the band's\n", truth, rows[0],
                  rows[1]);
    assert_true(rows[1] > rows[0] && labs(rows[1] - truth) < labs(rows[0] - truth));
    atm_refine_destroy(&refine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sigma_comes_from_the_data, start),
        cmocka_unit_test_setup(population_comes_from_the_data_and_helps, start),
        cmocka_unit_test_setup(fluctuations_tell_blends, start),
        cmocka_unit_test_setup(density_by_place, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
