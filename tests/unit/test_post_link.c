/* Linking, density, duplicates: against truth and against plain searches of all pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grid.h"
#include "link.h"
#include "post.h"
#include "post_case.h"
#include <math.h>
#include <string.h>

static void run_steps(struct atm_table *table, const char *steps) {
    struct atm_err err = {0};
    struct atm_post_config config = case_steps(steps);
    struct atm_post_result result;
    if (atm_post_run(&config, "unused", NULL, table, &result, &err) != ATM_OK)
        fail_msg("%s: %s", steps, err.text);
    atm_post_result_free(&result);
}

static const double *column(const struct atm_table *table, const char *name) {
    for (int i = 0; i < table->extra_count; i++)
        if (strcmp(table->extras[i].name, name) == 0)
            return table->extras[i].values;
    fail_msg("no column %s", name);
    return NULL;
}

/* Every point once, in its cell, rows ascending; windows hold all that is near. */
static void grid_holds_every_point(void **state) {
    (void)state;
    enum { N = 500 };
    double x[N], y[N];
    struct atm_rng rng;
    struct atm_grid grid;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 5);
    for (int i = 0; i < N; i++)
        x[i] = 37 * atm_rng_uniform(&rng) - 5, y[i] = 11 * atm_rng_uniform(&rng);
    assert_int_equal(atm_grid_init(&grid, x, y, N, 1.37, NULL), ATM_OK);
    for (int i = 0; i < N; i += 7) {
        int near = 0, found = 0;
        struct atm_grid_window w = atm_grid_around(&grid, x[i], y[i], 2.1);
        for (int k = 0; k < N; k++)
            near += hypot(x[k] - x[i], y[k] - y[i]) <= 2.1;
        for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++)
            for (ptrdiff_t k = grid.start[cy * grid.across + w.cx0];
                 k < grid.start[cy * grid.across + w.cx1 + 1]; k++)
                found += hypot(grid.x[k] - x[i], grid.y[k] - y[i]) <= 2.1;
        assert_int_equal(found, near);
    }
    for (ptrdiff_t c = 0; c < grid.across * grid.down; c++)
        for (ptrdiff_t k = grid.start[c] + 1; k < grid.start[c + 1]; k++)
            assert_true(grid.row[k] > grid.row[k - 1]);
    assert_int_equal(grid.start[grid.across * grid.down], N);
    atm_grid_free(&grid);
    assert_int_equal(atm_grid_init(&grid, x, y, 0, 1, NULL), ATM_OK); /* nothing at all */
    atm_grid_free(&grid);
}

/* Blinks of 2..11 frames, 8 % of the localizations missed: their number within 5 %, where they do
 * not lie on each other. */
static void links_count_the_emitters(void **state) {
    (void)state;
    const struct case_options options = {
        .frames = 3000, .side = 64, .per_frame = 8, .missed = 0.08, .seed = 5};
    struct post_case c = case_make(&options);
    double photons = 0, linked = 0;
    for (ptrdiff_t i = 0; i < c.table.count; i++)
        photons += c.table.rows[i].photons;
    ptrdiff_t rows = c.table.count;
    run_steps(&c.table, "link");
    double ratio = (double)c.table.count / (double)c.emitters, n = 0;
    for (ptrdiff_t i = 0; i < c.table.count; i++) {
        linked += c.table.rows[i].photons;
        n += column(&c.table, "n")[i];
        assert_true(column(&c.table, "len")[i] >= column(&c.table, "n")[i]);
    }
    assert_true(c.emitters > 3500);
    assert_true(ratio > 0.95 && ratio < 1.05);
    assert_true(n == (double)rows && fabs(linked / photons - 1) < 1e-12);
    case_free(&c);
}

static struct atm_loc spot(int64_t frame, double x, double y, double photons, double unc) {
    struct atm_loc row = atm_loc_empty();
    row.frame = frame, row.x = x, row.y = y, row.photons = photons;
    row.x_unc = row.y_unc = unc;
    row.background = 3;
    row.photons_unc = 4;
    return row;
}

static struct atm_table table_of(const struct atm_loc *rows, int count) {
    struct atm_table table;
    atm_table_init(&table);
    table.pixel_size_nm = 100, table.height = table.width = 50, table.frames = 100;
    for (int i = 0; i < count; i++)
        assert_int_equal(atm_table_append(&table, &rows[i], NULL), ATM_OK);
    return table;
}

/* Sums, weighted places, combined uncertainties, gaps, dark times: by hand. */
static void a_blink_is_merged_as_said(void **state) {
    (void)state;
    const struct atm_loc rows[] = {
        spot(10, 5.00, 5, 100, 0.10), spot(11, 5.06, 5, 300, 0.05), spot(14, 5.04, 5, 200, 0.10),
        spot(18, 5.03, 5, 500, 0.05), /* three frames missing: another blink */
        spot(11, 9.00, 5, 50, 0.10),  /* elsewhere */
    };
    struct atm_table table = table_of(rows, 5);
    run_steps(&table, "link");
    assert_int_equal(table.count, 3);
    const struct atm_loc *first = &table.rows[0];
    const double weights = 100 + 400 + 100;
    assert_true(first->frame == 10 && first->photons == 600 && first->background == 9);
    assert_true(fabs(first->x - (100 * 5.00 + 400 * 5.06 + 100 * 5.04) / weights) < 1e-12);
    assert_true(fabs(first->x_unc - 1 / sqrt(weights)) < 1e-12);
    assert_true(fabs(first->photons_unc - 4 * sqrt(3)) < 1e-12);
    assert_true(column(&table, "n")[0] == 3 && column(&table, "len")[0] == 5);
    assert_true(column(&table, "photon_rate")[0] == 200);
    assert_true(table.rows[1].x == 9 && column(&table, "dark")[1] == -1);
    assert_true(table.rows[2].frame == 18 && column(&table, "dark")[2] == 3);
    assert_true(column(&table, "dark")[0] == -1);
    atm_table_free(&table);

    table = table_of(rows, 5); /* a radius of its own: 5.00 and 5.06 are 6 nm apart */
    run_steps(&table, "link(radius_nm=5,gap=9)");
    assert_int_equal(table.count, 3);
    assert_true(table.rows[0].photons == 100 && table.rows[1].photons == 1000);
    atm_table_free(&table);
}

static void density_is_that_of_all_pairs(void **state) {
    (void)state;
    enum { N = 400 };
    struct atm_loc rows[N];
    struct atm_rng rng;
    atm_rng_init(&rng, 2, ATM_RNG_TEST, 6);
    for (int i = 0; i < N; i++)
        rows[i] = spot(i, 30 * pow(atm_rng_uniform(&rng), 3), 20 * atm_rng_uniform(&rng), 1, 0.1);
    struct atm_table table = table_of(rows, N);
    run_steps(&table, "density(radius_nm=87)");
    for (int i = 0; i < N; i++) {
        double count = 0, nearest = INFINITY;
        for (int k = 0; k < N; k++) {
            double d = hypot(rows[k].x - rows[i].x, rows[k].y - rows[i].y);
            if (k == i)
                continue;
            count += d <= 0.87;
            nearest = fmin(nearest, d);
        }
        assert_true(column(&table, "density")[i] == count);
        assert_true(fabs(column(&table, "nn_dist")[i] - nearest) < 1e-12);
    }
    atm_table_free(&table);
    table = table_of(rows, 1); /* alone */
    run_steps(&table, "density");
    assert_true(column(&table, "density")[0] == 0 && column(&table, "nn_dist")[0] == -1);
    atm_table_free(&table);
}

/* A chain of three: the middle one goes to the brightest, and the third stays. */
static void duplicates_leave_the_brightest(void **state) {
    (void)state;
    const struct atm_loc rows[] = {
        spot(3, 5.0, 5, 900, 0.1), spot(3, 5.2, 5, 800, 0.1), spot(3, 5.4, 5, 700, 0.1),
        spot(4, 5.1, 5, 100, 0.1), /* another frame */
    };
    struct atm_table table = table_of(rows, 4);
    run_steps(&table, "duplicates(radius_nm=25)");
    assert_int_equal(table.count, 3);
    assert_true(table.rows[0].photons == 900 && table.rows[1].photons == 700);
    atm_table_free(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_holds_every_point),
        cmocka_unit_test(links_count_the_emitters),
        cmocka_unit_test(a_blink_is_merged_as_said),
        cmocka_unit_test(density_is_that_of_all_pairs),
        cmocka_unit_test(duplicates_leave_the_brightest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
