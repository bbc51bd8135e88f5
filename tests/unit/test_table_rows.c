/* Rows in memory: unknown values, growth, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "table.h"
#include <math.h>

static struct atm_loc row_at(int64_t frame, double x, double y) {
    struct atm_loc row = atm_loc_empty();
    row.frame = frame, row.x = x, row.y = y;
    return row;
}

static void rows_start_unknown(void **state) {
    (void)state;
    struct atm_loc row = atm_loc_empty();
    assert_true(isnan(row.x) && isnan(row.chi2) && row.id == -1 && row.flags == 0);
}

static void append_survives_growth_from_itself(void **state) {
    (void)state;
    struct atm_table table;
    struct atm_loc row = row_at(0, 1.5, 2.5);
    atm_table_init(&table);
    for (int i = 0; i < 1000; i++) {
        row.frame = i;
        assert_int_equal(atm_table_append(&table, i ? &table.rows[0] : &row, NULL), ATM_OK);
        table.rows[i].frame = i;
    }
    assert_int_equal(table.count, 1000);
    assert_int_equal(table.rows[999].frame, 999);
    assert_true(table.rows[777].x == 1.5);
    atm_table_free(&table);
    assert_null(table.rows);
}

static void sort_is_stable_by_frame_y_x(void **state) {
    (void)state;
    struct atm_table table;
    atm_table_init(&table);
    for (int i = 0; i < 500; i++) {
        struct atm_loc row =
            row_at(i * 37 % 11, i * 17 % 5, i * 23 % 7 == 6 ? NAN : (double)(i * 23 % 7));
        row.id = i;
        assert_int_equal(atm_table_append(&table, &row, NULL), ATM_OK);
    }
    atm_table_sort(&table);
    for (ptrdiff_t i = 1; i < table.count; i++) {
        const struct atm_loc *a = &table.rows[i - 1], *b = &table.rows[i];
        double ya = isnan(a->y) ? 1e9 : a->y, yb = isnan(b->y) ? 1e9 : b->y;
        assert_true(a->frame <= b->frame);
        if (a->frame == b->frame)
            assert_true(ya <= yb);
        if (a->frame == b->frame && ya == yb)
            assert_true(a->x < b->x || (a->x == b->x && a->id < b->id));
    }
    atm_table_free(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_start_unknown),
        cmocka_unit_test(append_survives_growth_from_itself),
        cmocka_unit_test(sort_is_stable_by_frame_y_x),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
