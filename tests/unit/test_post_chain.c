/* Columns, filter expressions, chains of steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "expression.h"
#include "mem.h"
#include "post.h"
#include "post_case.h"
#include "test_folder.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { ROWS = 1000 };

static struct atm_locs make_locs(void) {
    struct atm_table table;
    struct atm_locs locs;
    atm_table_init(&table);
    table.pixel_size_nm = 100;
    for (int i = 0; i < ROWS; i++) {
        struct atm_loc row = atm_loc_empty();
        row.frame = i / 4;
        row.x = 0.37 * i, row.y = 7.25;
        row.photons = i % 7 == 3 ? NAN : 100.5 + i;
        row.x_unc = row.y_unc = 0.001 * i;
        row.id = i % 3 ? i : -1;
        assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    }
    assert_int_equal(atm_locs_init(&locs, &table, NULL), ATM_OK);
    return locs;
}

/* ---- columns ---- */

static void columns_come_back_as_rows(void **state) {
    (void)state;
    struct atm_locs locs = make_locs();
    struct atm_table table;
    double *extra;
    assert_null(atm_locs_find(&locs, "sx")); /* nothing in it: no column */
    assert_ptr_equal(atm_locs_find(&locs, "x"), locs.x);
    assert_int_equal(atm_locs_add(&locs, "density", &extra, NULL), ATM_OK);
    for (int i = 0; i < ROWS; i++)
        extra[i] = 2.5 * i;
    unsigned char keep[ROWS] = {0};
    for (int i = 1; i < ROWS; i += 2)
        keep[i] = 1;
    atm_locs_keep(&locs, keep);
    assert_int_equal(locs.count, ROWS / 2);
    assert_int_equal(atm_locs_finish(&locs, &table, NULL), ATM_OK);
    assert_int_equal(table.count, ROWS / 2);
    assert_int_equal(table.columns, ATM_COLUMN_PHOTONS | ATM_COLUMN_UNCERTAINTY | ATM_COLUMN_ID);
    for (int k = 0; k < ROWS / 2; k++) {
        int i = 2 * k + 1;
        const struct atm_loc *row = &table.rows[k];
        assert_true(row->frame == i / 4 && row->x == 0.37 * i && row->id == (i % 3 ? i : -1));
        assert_true(i % 7 == 3 ? isnan(row->photons) : row->photons == 100.5 + i);
        assert_true(isnan(row->sx) && table.extras[0].values[k] == 2.5 * i);
    }
    atm_table_free(&table);
}

/* ---- expressions ---- */

static ptrdiff_t count_kept(const struct atm_locs *locs, const char *text) {
    unsigned char keep[ROWS];
    ptrdiff_t count = 0;
    struct atm_err err = {0};
    struct atm_expression *expression = NULL;
    if (atm_expression_create(text, locs, &expression, &err) != ATM_OK)
        fail_msg("%s", err.text);
    atm_expression_evaluate(expression, keep);
    for (int i = 0; i < ROWS; i++)
        count += keep[i];
    atm_expression_destroy(&expression);
    return count;
}

static void expressions_select_rows(void **state) {
    (void)state;
    struct atm_locs locs = make_locs();
    const struct {
        const char *text;
        ptrdiff_t rows;
    } cases[] = {
        {"frame in 100..199", 400},
        {"frame in 100 .. 100+99", 400},
        {"not frame in 100..199", 600},
        {"frame >= 10 and frame < 12", 8},
        {"10 <= frame < 12", 8},
        {"frame < 2 or frame > 248 and x > 0", 12}, /* and binds first */
        {"(frame < 2 || frame > 248) && x > 1", 9},
        {"photons > 0", 857}, /* 1000 - 143 unknown ones */
        {"photons != 3", 857},
        {"!(photons > 0)", 143},
        {"photons > 100.5 + 499.5", 428}, /* rows 500.., less unknown ones */
        {"lpx*1e3 == 17", 1},
        {"abs(y - 7.25) <= .0", 1000},
        {"sqrt(min(lpx, lpy)) > 1", 0},
        {"hypot(3, 4) = 5", 1000},
        {"-2^2 < 0", 1000},
        {"2^3^2 = 512", 1000},
        {"frame in 0-10..-5+6 and x in frame..frame+1e9", 8}, /* ends that are no plain numbers */
        {"1 < 2 < 3 < 2", 0},
        {"x / 0 > 1e300", 999},
        {"id", 1000}, /* -1 is not 0 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ptrdiff_t rows = count_kept(&locs, cases[i].text);
        if (rows != cases[i].rows)
            fail_msg("%s: %td rows instead of %td", cases[i].text, rows, cases[i].rows);
    }
    atm_locs_free(&locs);
}

static void mistakes_are_named_with_their_place(void **state) {
    (void)state;
    struct atm_locs locs = make_locs();
    const struct {
        const char *text, *message;
    } cases[] = {
        {"photons >", "character 10 (\"\"): a value is expected here"},
        {"fotons > 3",
         "character 1 (\"fotons > 3\"): the table has no column 'fotons'; it has frame, "
         "x, y, photons"},
        {"x > 3 y < 2", "character 7 (\"y < 2\"): and, or, a comparison or the end is expected"},
        {"(x > 3", "character 7 (\"\"): ')' is expected"},
        {"x > 3x", "not a number"},
        {"x > 1e", "not a number"},
        {"frame in 3", "a range LOW..HIGH is expected behind 'in'"},
        {"x < 3 and frame in 5..1", "character 20 (\"5..1\"): nothing lies in this range"},
        {"min(x) > 2", "two arguments"},
        {"x > and", "character 5 (\"and\"): a value is expected here"},
        {"", "character 1 (\"\"): a value is expected here"},
        {"x > 3 # 4", "character 7 (\"# 4\")"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct atm_err err = {0};
        struct atm_expression *expression = NULL;
        assert_int_equal(atm_expression_create(cases[i].text, &locs, &expression, &err), ATM_USAGE);
        assert_null(expression);
        if (!strstr(err.text, cases[i].message))
            fail_msg("\"%s\" gave: %s", cases[i].text, err.text);
    }
    char deep[2000] = "";
    struct atm_err err = {0};
    struct atm_expression *expression = NULL;
    memset(deep, '(', sizeof deep - 1);
    assert_int_equal(atm_expression_create(deep, NULL, &expression, &err), ATM_USAGE);
    memset(deep, '-', sizeof deep - 1);
    assert_int_equal(atm_expression_create(deep, NULL, &expression, &err), ATM_USAGE);
    deep[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof deep; i += 2)
        deep[i] = '+', deep[i + 1] = 'x';
    assert_int_equal(atm_expression_create(deep, NULL, &expression, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "too long"));
    atm_locs_free(&locs);
}

/* ---- chains ---- */

static void chains_are_checked_before_the_work(void **state) {
    (void)state;
    const struct {
        const char *steps, *message;
    } bad[] = {
        {"", "post.steps is empty"},
        {"drift, lnik", "no step is called \"lnik\"; there are filter, drift, link"},
        {"filter", "the step filter needs an expression"},
        {"filter(x >)", "in \"x >\", character 4"},
        {"filter(x > (3)", "no ')' ends"},
        {"drift link", "a comma is expected before \"link\""},
        {"drift(mothod=rcc)", "unknown key 'drift_mothod' in [post]"},
        {"drift(method=rc)", "rc"},
        {"drift(rcc)", "key=value is expected, not \"rcc\""},
        {"drift(fiducials=1 2 3)", "is no list of places"},
        {"drift(check=no, fiducials=1 2, 3, method=rcc)", "\"1 2, 3\" is no list of places"},
        {"drift(method=rcc, 4)", "rcc, 4"},
        {"render(region=1 2 3)", "is no region"},
        {"link(gap=-1)", "link_gap"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct atm_err err = {0};
        struct atm_post_config config = case_steps(bad[i].steps);
        assert_int_equal(atm_post_check(&config, &err), ATM_USAGE);
        if (!strstr(err.text, bad[i].message))
            fail_msg("\"%s\" gave: %s", bad[i].steps, err.text);
    }
    struct atm_err err = {0};
    struct atm_post_config good = case_steps(
        " filter(photons > 3 and (x < 2 or y in 1..4)) ,drift( method = rcc , check=no ),link, "
        "drift(fiducials=1.5 2, 3 4, check=no), render(region=1, 2, 3.5, 4, zoom=2)");
    if (atm_post_check(&good, &err) != ATM_OK)
        fail_msg("%s", err.text);
}

static struct post_case small_case(void) {
    const struct case_options options = {
        .frames = 300, .side = 32, .per_frame = 5, .missed = 0.05, .seed = 3};
    return case_make(&options);
}

/* What every step says is in the report, the side file and the provenance; the arguments of one
 * step are not those of the next. */
static void steps_leave_their_notes(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct post_case c = small_case();
    struct atm_post_result result;
    struct atm_post_config config =
        case_steps("filter(photons > 300), link(gap=1), density, link, filter(n > 1)");
    if (atm_post_run(&config, at("out"), NULL, &c.table, &result, &err) != ATM_OK)
        fail_msg("%s", err.text);
    const char *const texts[] = {result.report, result.provenance, c.table.side};
    for (int i = 0; i < 3; i++) {
        assert_non_null(strstr(texts[i], "photons > 300"));
        assert_non_null(strstr(texts[i], "1 frames"));
        assert_non_null(strstr(texts[i], "2 frames")); /* the second link has its default again */
        assert_non_null(strstr(texts[i], "Median nearest neighbour"));
    }
    assert_non_null(strstr(result.report, "before: min"));
    assert_non_null(strstr(c.table.side, "post filter\nArguments: photons > 300\n"));
    assert_true(c.table.count > 100);
    for (ptrdiff_t i = 0; i < c.table.count; i++) {
        assert_true(c.table.rows[i].photons > 300);
        assert_true(i == 0 || c.table.rows[i].frame >= c.table.rows[i - 1].frame);
    }
    atm_post_result_free(&result);

    config = case_steps("filter(q > 1)");
    assert_int_equal(atm_post_run(&config, at("out"), NULL, &c.table, &result, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "step 1, filter: in \"q > 1\", character 1"));
    assert_null(result.report);
    assert_int_equal(c.table.count, 0);
    case_free(&c);
}

/* How far the step drift moves the rows, nm rms. */
static double moved_by_drift(const struct case_options *options) {
    struct atm_err err = {0};
    struct post_case c = case_make(options);
    struct atm_post_result result;
    struct atm_post_config config = case_steps("drift");
    const ptrdiff_t rows = c.table.count;
    double *x = malloc((size_t)rows * sizeof *x), square = 0;
    for (ptrdiff_t i = 0; i < rows; i++)
        x[i] = c.table.rows[i].x;
    if (atm_post_run(&config, at("out"), NULL, &c.table, &result, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(c.table.count, rows);
    for (ptrdiff_t i = 0; i < rows; i++)
        square += pow(CASE_PIXEL_NM * (c.table.rows[i].x - x[i]), 2) / (double)rows;
    assert_int_equal(remove(at("out_drift.csv")), 0);
    assert_int_equal(remove(at("out_drift.png")), 0);
    free(x);
    atm_post_result_free(&result);
    case_free(&c);
    return sqrt(square);
}

/* Short movies without drift: what is found in them, up to a micrometre, is not taken out. */
static void what_stands_still_is_not_moved(void **state) {
    (void)state;
    const struct case_options cases[] = {
        {.frames = 300, .side = 32, .per_frame = 5, .seed = 3},
        {.frames = 500, .side = 64, .per_frame = 8, .seed = 2},
        {.frames = 1000, .side = 64, .per_frame = 4, .seed = 4},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        assert_true(moved_by_drift(&cases[k]) < 10);
    const struct case_options drifting = {
        .frames = 1500, .side = 40, .per_frame = 10, .trend_nm = 600, .seed = 1};
    double moved = moved_by_drift(&drifting); /* a ramp from 0 to 600: 346 rms */
    assert_true(moved > 300 && moved < 400);
}

/* What a single row cannot tell is said in words. */
static void one_row_is_enough(void **state) {
    (void)state;
    struct atm_err err = {0};
    struct atm_table table;
    struct atm_post_result result;
    struct atm_loc row = atm_loc_empty();
    row.frame = 0, row.x = 4.5, row.y = 5.25, row.photons = 700, row.x_unc = row.y_unc = 0.1;
    atm_table_init(&table);
    table.pixel_size_nm = 120, table.frames = 1, table.height = table.width = 16;
    assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    struct atm_post_config config = case_steps("duplicates, density, link, render, quality");
    if (atm_post_run(&config, at("out"), NULL, &table, &result, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_non_null(strstr(result.report, "Radius                       36 nm"));
    assert_non_null(strstr(result.report, "none (column nn_dist is -1)"));
    assert_non_null(strstr(result.report, "unknown: there are no blinks that begin and end"));
    assert_null(strstr(result.report, "nan"));
    assert_int_equal(remove(at("out_render.png")), 0);
    assert_int_equal(remove(at("out_report.html")), 0);
    atm_post_result_free(&result);
    atm_table_free(&table);
}

/* A whole chain on one and on two threads: the same numbers and words. */
static void threads_change_nothing(void **state) {
    (void)state;
    static const char *const files[] = {"out_drift.csv", "out_drift.png", "out_render.tif",
                                        "out_frc.csv",   "out_frc.png",   "out_nena.png"};
    struct atm_err err = {0};
    struct atm_table tables[2];
    struct atm_post_result results[2];
    char *bytes[2][6];
    long sizes[2][6];
    for (int run = 0; run < 2; run++) {
        struct post_case c = small_case();
        struct atm_post_config config =
            case_steps("duplicates, density, drift(check=no), nena, frc(repeats=2), "
                       "render(format=tiff), link");
        omp_set_num_threads(1 + run);
        if (atm_post_run(&config, at("out"), NULL, &c.table, &results[run], &err) != ATM_OK)
            fail_msg("%s", err.text);
        tables[run] = c.table;
        atm_table_init(&c.table);
        case_free(&c);
        for (int i = 0; i < 6; i++) {
            FILE *file = fopen(at(files[i]), "rb");
            assert_non_null(file);
            fseek(file, 0, SEEK_END);
            sizes[run][i] = ftell(file);
            rewind(file);
            bytes[run][i] = malloc((size_t)sizes[run][i]);
            assert_int_equal(fread(bytes[run][i], 1, (size_t)sizes[run][i], file), sizes[run][i]);
            fclose(file);
            assert_int_equal(remove(at(files[i])), 0);
        }
    }
    assert_string_equal(results[0].report, results[1].report);
    assert_string_equal(tables[0].side, tables[1].side);
    assert_int_equal(tables[0].count, tables[1].count);
    assert_memory_equal(tables[0].rows, tables[1].rows,
                        (size_t)tables[0].count * sizeof *tables[0].rows);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sizes[0][i], sizes[1][i]);
        assert_memory_equal(bytes[0][i], bytes[1][i], (size_t)sizes[0][i]);
    }
    for (int run = 0; run < 2; run++) {
        atm_table_free(&tables[run]);
        atm_post_result_free(&results[run]);
        for (int i = 0; i < 6; i++)
            free(bytes[run][i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_come_back_as_rows),
        cmocka_unit_test(expressions_select_rows),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(chains_are_checked_before_the_work),
        cmocka_unit_test(steps_leave_their_notes),
        cmocka_unit_test(what_stands_still_is_not_moved),
        cmocka_unit_test(one_row_is_enough),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
