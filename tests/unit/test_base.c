/* Errors, arena, random streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "err.h"
#include "mem.h"
#include "rng.h"
#include <gsl/gsl_randist.h>
#include <stdint.h>
#include <string.h>

static void err_keeps_cause_behind_prefix(void **state) {
    (void)state;
    struct atm_err err = {0};
    assert_int_equal(atm_err_set(&err, ATM_FAIL, "page %d", 7), ATM_FAIL);
    assert_int_equal(atm_err_prefix(&err, "%s: ", "a.tif"), ATM_FAIL);
    assert_string_equal(err.text, "a.tif: page 7");
}

static void alloc_refuses_overflow(void **state) {
    (void)state;
    assert_null(atm_mem_alloc(SIZE_MAX / 2, 3));
    char *block = atm_mem_alloc(3, 1);
    assert_int_equal((uintptr_t)block % 64, 0);
    block = atm_mem_grow(block, 3, 300, 1);
    assert_int_equal(block[299], 0);
    atm_mem_free(block);
}

static void arena_reports_overflow(void **state) {
    (void)state;
    struct atm_arena arena = {0};
    struct atm_err err = {0};
    atm_arena_reserve(&arena, SIZE_MAX, 2);
    assert_int_equal(atm_arena_alloc(&arena, "test", &err), ATM_FAIL);
    atm_arena_free(&arena);
    size_t a = atm_arena_reserve(&arena, 5, 4), b = atm_arena_reserve(&arena, 5, 4);
    assert_int_equal(a, 0);
    assert_int_equal(b, 64);
    assert_int_equal(atm_arena_alloc(&arena, "test", &err), ATM_OK);
    atm_arena_free(&arena);
}

static void streams_differ_and_repeat(void **state) {
    (void)state;
    struct atm_rng a, b, c;
    atm_rng_init(&a, 1, ATM_RNG_TEST, 5);
    atm_rng_init(&b, 1, ATM_RNG_TEST, 5);
    atm_rng_init(&c, 1, ATM_RNG_TEST, 6);
    uint64_t first = atm_rng_next(&a);
    assert_int_equal(first, atm_rng_next(&b));
    assert_int_not_equal(first, atm_rng_next(&c));
}

static void gsl_draws_have_their_moments(void **state) {
    (void)state;
    struct atm_rng rng;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    double sum = 0, squares = 0;
    enum { N = 100000 };
    for (int i = 0; i < N; i++) {
        double g = gsl_ran_gaussian(&rng.gsl, 2.385);
        sum += g, squares += g * g;
    }
    /* five standard errors of the mean and of the variance */
    assert_true(sum / N < 5 * 2.385 / 316.2 && sum / N > -5 * 2.385 / 316.2);
    double variance = squares / N, expected = 2.385 * 2.385;
    assert_true(variance / expected < 1 + 5 * 0.00447 && variance / expected > 1 - 5 * 0.00447);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_keeps_cause_behind_prefix), cmocka_unit_test(alloc_refuses_overflow),
        cmocka_unit_test(arena_reports_overflow), cmocka_unit_test(streams_differ_and_repeat),
        cmocka_unit_test(gsl_draws_have_their_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
