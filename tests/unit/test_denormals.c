#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "denormals.h"

#include <float.h>
#include <omp.h>

/* Every thread flushes what it computes and what it is given, single and double. */
static void threads_flush(void **state) {
    (void)state;
    enum { THREADS = 4 };
    volatile float least = FLT_MIN;
    volatile double least_double = DBL_MIN;
    volatile float denormal = least / 4;
    assert_true(denormal > 0); /* the processor has them at first */
    atm_flush_denormals();
    float made[THREADS], given[THREADS];
    double made_double[THREADS];
#pragma omp parallel num_threads(THREADS)
    {
        const int i = omp_get_thread_num();
        made[i] = least / 4;
        given[i] = denormal * 1024;
        made_double[i] = least_double / 4;
    }
    for (int i = 0; i < THREADS; i++)
        assert_true(made[i] == 0 && given[i] == 0 && made_double[i] == 0);
    assert_true(least * 2 == 2 * FLT_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_flush)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
