/* The low-pass against a plain convolution with a Gaussian on an image that continues mirrored, at
 * an odd shape; the part that is kept; a thread count that makes no difference. */
#include "lowpass.h"
#include "mem.h"
#include "rng.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { H = 13, W = 22, COUNT = 5 };

static ptrdiff_t mirrored(ptrdiff_t i, ptrdiff_t n) {
    const ptrdiff_t at = ((i % (2 * n)) + 2 * n) % (2 * n);
    return at < n ? at : 2 * n - 1 - at;
}

/* Twice the Gaussian of sigma is once that of sqrt(2) sigma. Its samples differ from the
 * band-limited one by exp(-pi^2 sigma^2 ...), 1e-9 for the widths here. */
static double convolved_ref(const float *image, double sigma, ptrdiff_t y, ptrdiff_t x) {
    const double variance = 2 * sigma * sigma;
    const ptrdiff_t reach = (ptrdiff_t)(9 * sigma) + 1;
    double sum = 0;
    for (ptrdiff_t dy = -reach; dy <= reach; dy++)
        for (ptrdiff_t dx = -reach; dx <= reach; dx++)
            sum += exp(-(double)(dx * dx + dy * dy) / (2 * variance)) / (2 * M_PI * variance) *
                   (double)image[mirrored(y + dy, H) * W + mirrored(x + dx, W)];
    return sum;
}

static void agrees_with_a_convolution(void **state) {
    (void)state;
    const double cases[][2] = {{1.5, 0}, {4, 0}, {2.385, 0.1}};
    struct atm_lowpass *lowpass = NULL;
    struct atm_err err = {0};
    struct atm_rng rng;
    float images[COUNT * H * W], blurred[COUNT * H * W], other[COUNT * H * W];
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    for (int i = 0; i < COUNT * H * W; i++)
        images[i] = (float)(2 * atm_rng_uniform(&rng) - 1);
    assert_int_equal(atm_lowpass_create(H, W, &lowpass, &err), ATM_OK);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const double sigma = cases[c][0], keep = cases[c][1];
        atm_lowpass_set(lowpass, sigma, keep);
        memcpy(blurred, images, sizeof images);
        memcpy(other, images, sizeof images);
        omp_set_num_threads(1);
        atm_lowpass_twice(lowpass, COUNT, blurred);
        omp_set_num_threads(2);
        atm_lowpass_twice(lowpass, COUNT, other);
        assert_memory_equal(blurred, other, sizeof other);
        for (ptrdiff_t i = 0; i < COUNT * H * W; i++) {
            const float *image = images + i / (H * W) * (H * W);
            const double smooth = convolved_ref(image, sigma, i % (H * W) / W, i % W);
            const double expected = keep * (double)images[i] + (1 - keep) * smooth;
            assert_true(fabs((double)blurred[i] - expected) < 1e-6);
        }
    }
    atm_lowpass_destroy(&lowpass);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_a_convolution)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
