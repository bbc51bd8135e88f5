/* Brightness of emitters that nobody can tell apart, from how pixels vary together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fluctuation.h"
#include "mem.h"
#include "rng.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

enum { FRAMES = 400, SIDE = 40, PIXELS = SIDE * SIDE, EACH = 60 };
static const double SIGMA = 1.2;

static double on_pixel(double pixel, double centre) {
    const double s = M_SQRT1_2 / SIGMA;
    return 0.5 * (erf((pixel + 0.5 - centre) * s) - erf((pixel - 0.5 - centre) * s));
}

struct movie {
    float *frames;
    double expected; /* of the emitters that were drawn */
};

/* 60 emitters a frame on a ring, three within a PSF's reach of each other or more, on a background
 * that is not even, as a camera with shot noise sees them. */
static struct movie make_movie(double photons, double spread) {
    struct atm_rng rng;
    struct movie movie = {atm_mem_alloc((size_t)FRAMES * PIXELS, sizeof(float)), 0};
    double square = 0, cube = 0;
    assert_non_null(movie.frames);
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    for (int t = 0; t < FRAMES; t++) {
        double mean[PIXELS];
        for (int i = 0; i < PIXELS; i++)
            mean[i] = 5 + 30.0 * (i % SIDE) / SIDE;
        const int count = (int)gsl_ran_poisson(&rng.gsl, EACH);
        for (int k = 0; k < count; k++) {
            const double light = photons * exp(spread * gsl_ran_gaussian(&rng.gsl, 1));
            const double angle = 2 * M_PI * atm_rng_uniform(&rng);
            const double x = 19.5 + 11 * cos(angle), y = 19.5 + 11 * sin(angle);
            square += light * light, cube += light * light * light;
            for (int i = 0; i < PIXELS; i++)
                mean[i] += light * on_pixel(i % SIDE, x) * on_pixel(i / SIDE, y);
        }
        for (int i = 0; i < PIXELS; i++)
            movie.frames[t * PIXELS + i] = (float)gsl_ran_poisson(&rng.gsl, mean[i]);
    }
    movie.expected = cube / square;
    return movie;
}

static struct atm_fluctuation measure(const float *frames, ptrdiff_t count) {
    struct atm_fluctuation result;
    assert_int_equal(atm_fluctuation_measure(frames, count, SIDE, SIDE, SIGMA, &result, NULL),
                     ATM_OK);
    return result;
}

/* Within four standard errors, which must be small enough to mean something. */
static void brightness_of_blends(void **state) {
    (void)state;
    static const double cases[][2] = {{300, 0}, {1000, 0.3}, {5000, 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct movie movie = make_movie(cases[i][0], cases[i][1]);
        const struct atm_fluctuation found = measure(movie.frames, FRAMES);
        print_message("%g photons, spread %g: %.1f +- %.1f, drawn %.1f\n", cases[i][0], cases[i][1],
                      found.brightness, found.error, movie.expected);
        assert_true(fabs(found.brightness - movie.expected) < 4 * found.error);
        assert_true(found.error < 0.1 * movie.expected);
        atm_mem_free(movie.frames);
    }
}

static void blank_frames_count_for_nothing(void **state) {
    (void)state;
    struct movie movie = make_movie(1000, 0.3);
    const struct atm_fluctuation before = measure(movie.frames + PIXELS, FRAMES - 1);
    memset(movie.frames, 0, PIXELS * sizeof(float));
    const struct atm_fluctuation after = measure(movie.frames, FRAMES);
    assert_true(after.brightness == before.brightness && after.error == before.error);
    atm_mem_free(movie.frames);
}

static void too_little_is_unknown(void **state) {
    (void)state;
    float *frames = atm_mem_alloc((size_t)20 * PIXELS, sizeof *frames);
    assert_true(isnan(measure(frames, 20).brightness)); /* all blank */
    for (int i = 0; i < 20 * PIXELS; i++)
        frames[i] = (float)(i % PIXELS); /* nothing changes */
    assert_true(isnan(measure(frames, 20).brightness));
    assert_true(isnan(measure(frames, 0).brightness));
    assert_true(isnan(measure(frames, 3).brightness));
    atm_mem_free(frames);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brightness_of_blends),
        cmocka_unit_test(blank_frames_count_for_nothing),
        cmocka_unit_test(too_little_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
