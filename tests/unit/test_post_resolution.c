/* FRC and NeNA against what the simulation makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "frc.h"
#include "link.h"
#include "nena.h"
#include "post_case.h"
#include <math.h>
#include <string.h>

static const double SIGMA = 0.1; /* px */

/* Sites at random, each localized a Poisson number of times, SIGMA off; frames at random. */
static struct atm_locs make_sites(int sites, double mean, uint64_t seed) {
    enum { SIDE = 64, FRAMES = 100000 };
    struct atm_table table;
    struct atm_locs locs;
    struct atm_rng rng;
    atm_table_init(&table);
    atm_rng_init(&rng, seed, ATM_RNG_TEST, 9);
    table.frames = FRAMES, table.height = table.width = SIDE, table.pixel_size_nm = 100;
    for (int i = 0; i < sites; i++) {
        double x = SIDE * atm_rng_uniform(&rng), y = SIDE * atm_rng_uniform(&rng);
        unsigned count = gsl_ran_poisson(&rng.gsl, mean);
        for (unsigned j = 0; j < count; j++) {
            struct atm_loc row = atm_loc_empty();
            row.frame = (int64_t)(FRAMES * atm_rng_uniform(&rng));
            row.x = x + gsl_ran_gaussian(&rng.gsl, SIGMA);
            row.y = y + gsl_ran_gaussian(&rng.gsl, SIGMA);
            row.x_unc = row.y_unc = SIGMA;
            assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
        }
    }
    atm_table_sort(&table);
    assert_int_equal(atm_locs_init(&locs, &table, NULL), ATM_OK);
    return locs;
}

/* Halves have k = mean / 2 localizations per site. Their spectra share, per site, k^2 exp(-4 pi^2
 * sigma^2 q^2); each has as power that and the k of single localizations. So the correlation is k e
 * / (1 + k e), and 1/7 where e = 1 / (6 k) = 1 / (3 mean): at q = sqrt(ln(3 mean)) / (2 pi sigma).
 */
static double expected_frc(double mean) { return 2 * M_PI * SIGMA / sqrt(log(3 * mean)); }

static struct atm_frc measure(const struct atm_locs *locs, bool by_blinks) {
    const struct atm_link_rule rule = {NAN, 2};
    struct atm_links links;
    struct atm_frc frc;
    uint32_t *single = malloc((size_t)locs->count * sizeof *single);
    for (ptrdiff_t i = 0; i < locs->count; i++)
        single[i] = (uint32_t)i;
    assert_int_equal(atm_link(locs, &rule, &links, NULL), ATM_OK);
    const struct atm_frc_options options = {.pixel = SIGMA / 2,
                                            .repeats = 4,
                                            .seed = 1,
                                            .group = by_blinks ? links.blink : single,
                                            .groups = by_blinks ? links.count : locs->count};
    assert_int_equal(atm_frc_estimate(locs, &options, &frc, NULL), ATM_OK);
    atm_links_free(&links);
    free(single);
    return frc;
}

static void frc_is_what_the_simulation_makes_it(void **state) {
    (void)state;
    const double means[] = {3, 15};
    for (int i = 0; i < 2; i++) {
        struct atm_locs locs = make_sites(3000, means[i], 3 + (uint64_t)i);
        struct atm_frc frc = measure(&locs, true);
        double ratio = frc.resolution / expected_frc(means[i]);
        assert_int_equal(frc.crossed, 4);
        assert_true(fabs(ratio - 1) < 0.1);
        assert_true(frc.error > 0 && frc.error < 0.1 * frc.resolution);
        for (ptrdiff_t k = 0; k < frc.rings; k++) /* the whole curve */
            if (frc.frequency[k] > 0.5 && frc.frequency[k] < 5) {
                double e =
                    exp(-4 * M_PI * M_PI * SIGMA * SIGMA * frc.frequency[k] * frc.frequency[k]);
                double half = means[i] / 2 * e;
                assert_true(fabs(frc.correlation[k] - half / (1 + half)) < 0.08);
            }
        atm_frc_free(&frc);
        atm_locs_free(&locs);
    }
}

/* Dyes that stay on for some frames: halves of single localizations share the dyes and look
 * sharper than they are; whole blinks do not. */
static void blinks_are_not_split(void **state) {
    (void)state;
    const struct case_options options = {
        .frames = 2000, .side = 40, .per_frame = 4, .missed = 0, .seed = 2};
    struct post_case c = case_make(&options);
    struct atm_locs locs;
    assert_int_equal(atm_locs_init(&locs, &c.table, NULL), ATM_OK);
    struct atm_frc blinks = measure(&locs, true), single = measure(&locs, false);
    assert_true(single.resolution < 0.8 * blinks.resolution);
    atm_frc_free(&blinks);
    atm_frc_free(&single);
    atm_locs_free(&locs);
    case_free(&c);
}

/* No structure at all: nothing correlates, and no resolution is claimed. */
static void nothing_has_no_resolution(void **state) {
    (void)state;
    struct atm_locs locs = make_sites(3000, 0.05, 5);
    struct atm_frc frc = measure(&locs, true);
    assert_int_equal(frc.crossed, 0);
    assert_true(isnan(frc.resolution));
    atm_frc_free(&frc);
    atm_locs_free(&locs);
}

/* One brightness: the precision of the simulation, at low density and where neighbours crowd. */
static void nena_finds_the_precision(void **state) {
    (void)state;
    for (int crowded = 0; crowded < 2; crowded++) {
        struct case_options options = {
            .frames = 1500, .side = 48, .per_frame = crowded ? 40 : 5, .missed = 0.05, .seed = 4};
        struct post_case c = case_make(&options);
        struct atm_rng rng;
        struct atm_locs locs;
        struct atm_nena nena;
        atm_rng_init(&rng, 4, ATM_RNG_TEST, 8);
        for (ptrdiff_t i = 0; i < c.table.count; i++) { /* up to SIGMA for all */
            struct atm_loc *row = &c.table.rows[i];
            double more = sqrt(fmax(0, SIGMA * SIGMA - row->x_unc * row->x_unc));
            row->x += gsl_ran_gaussian(&rng.gsl, more);
            row->y += gsl_ran_gaussian(&rng.gsl, more);
            row->x_unc = row->y_unc = fmax(SIGMA, row->x_unc);
        }
        assert_int_equal(atm_locs_init(&locs, &c.table, NULL), ATM_OK);
        assert_int_equal(atm_nena_estimate(&locs, &nena, NULL), ATM_OK);
        assert_true(fabs(nena.precision / SIGMA - 1) < 0.1);
        assert_true(nena.same > 0.5 && nena.same < 0.95);
        atm_locs_free(&locs);
        case_free(&c);
    }
}

static void nena_needs_neighbours(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_nena nena;
    struct atm_locs locs = make_sites(300, 1, 6); /* 100000 frames: hardly two in a row */
    assert_int_equal(atm_nena_estimate(&locs, &nena, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "have a neighbour in the next frame"));
    atm_locs_free(&locs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frc_is_what_the_simulation_makes_it),
        cmocka_unit_test(blinks_are_not_split),
        cmocka_unit_test(nothing_has_no_resolution),
        cmocka_unit_test(nena_finds_the_precision),
        cmocka_unit_test(nena_needs_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
