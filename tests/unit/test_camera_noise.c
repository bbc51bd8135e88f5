/* A camera from its noise: the stated errors hold, emitters and lamps do not disturb, and where the
 * background is even it says so. */
#include "camera_noise.h"

#include "rng.h"
#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 16, HEIGHT = 68, WIDTH = 84, PIXELS = HEIGHT * WIDTH };
static const double OFFSET = 100, READ = 1.6;

struct scene {
    double gain, low, high; /* e-/ADU; background in e- at the left and right end */
    double emitters;        /* per frame, new in each, 500 e-; most at the left */
    double lamp;            /* relative noise of the light from frame to frame */
};

static void draw_spot(double *light, struct atm_rng *rng) {
    const double u = WIDTH * pow(gsl_ran_flat(&rng->gsl, 0, 1), 2);
    const double v = gsl_ran_flat(&rng->gsl, 0, HEIGHT);
    for (int i = 0; i < PIXELS; i++) {
        const double dx = i % WIDTH - u, dy = i / WIDTH - v, r2 = dx * dx + dy * dy;
        if (r2 < 40)
            light[i] += 500 / (2 * M_PI * 1.7) * exp(-r2 / (2 * 1.7));
    }
}

static struct atm_camera_estimate measure(const struct scene *scene, uint64_t seed) {
    static float image[FRAMES * PIXELS], background[FRAMES * PIXELS];
    static double light[PIXELS];
    struct atm_noise_cells cells = {0};
    struct atm_rng rng;
    atm_rng_init(&rng, seed, ATM_RNG_SPLIT, 0);
    for (int t = 0; t < FRAMES; t++) {
        const double lamp = 1 + gsl_ran_gaussian(&rng.gsl, 1) * scene->lamp;
        for (int i = 0; i < PIXELS; i++) {
            light[i] = scene->low + (scene->high - scene->low) * (i % WIDTH) / WIDTH;
            background[t * PIXELS + i] = (float)(OFFSET + light[i] / scene->gain);
            light[i] *= lamp;
        }
        for (int k = 0; k < scene->emitters; k++)
            draw_spot(light, &rng);
        for (int i = 0; i < PIXELS; i++) {
            const double e = gsl_ran_poisson(&rng.gsl, light[i]) + gsl_ran_gaussian(&rng.gsl, READ);
            image[t * PIXELS + i] = (float)floor(OFFSET + e / scene->gain + 0.5);
        }
    }
    assert_int_equal(atm_noise_cells_add(&cells, image, background, FRAMES, HEIGHT, WIDTH, NULL),
                     ATM_OK);
    const struct atm_camera_estimate e = atm_camera_estimate(&cells);
    atm_noise_cells_free(&cells);
    return e;
}

/* Rounding to whole ADU is read noise too: 1/12 ADU^2. */
static double zero_of(double gain) {
    return OFFSET - (READ * READ / (gain * gain) + 1. / 12) * gain;
}

static void its_errors_are_honest(void **state) {
    (void)state;
    enum { SEEDS = 24 };
    const double gains[] = {0.47, 2.3, 0.12};
    double square[2] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const double gain = gains[seed % 3];
        const struct scene scene = {.gain = gain, .low = 10, .high = 60};
        const struct atm_camera_estimate e = measure(&scene, seed);
        assert_true(e.known && e.gain_se < 0.1 * e.gain);
        square[0] += pow((e.gain - gain) / e.gain_se, 2) / SEEDS;
        square[1] += pow((e.zero - zero_of(gain)) / e.zero_se, 2) / SEEDS;
        assert_true(e.read_noise_most > READ);
    }
    /* mean square of 24 pulls: 1 +- 0.29; twice the variance would be 3.4 of these away */
    for (int k = 0; k < 2; k++)
        if (!(square[k] > 0.3 && square[k] < 2))
            fail_msg("mean square pulls %g, %g", square[0], square[1]);
}

static void emitters_and_lamps_do_not_disturb(void **state) {
    (void)state;
    const struct scene scenes[] = {{0.47, 10, 60, 25, 0}, {0.47, 10, 60, 0, 0.05}};
    for (int i = 0; i < 2; i++) {
        const struct atm_camera_estimate e = measure(&scenes[i], 5);
        if (!(e.known && fabs(e.gain - 0.47) < 3 * e.gain_se && e.gain_se < 0.05))
            fail_msg("scene %d: gain %g +- %g", i, e.gain, e.gain_se);
    }
}

/* Where hardly a pixel is free of emitters, their blinking is not taken for noise. */
static void a_crowd_is_not_noise(void **state) {
    (void)state;
    for (int emitters = 50; emitters <= 200; emitters *= 2)
        for (uint64_t seed = 1; seed <= 4; seed++) {
            const struct scene crowd = {.gain = 0.47, .low = 20, .high = 20, .emitters = emitters};
            const struct atm_camera_estimate e = measure(&crowd, seed);
            if (e.known && !(fabs(e.gain - 0.47) < 3 * e.gain_se))
                fail_msg("%d emitters: gain %g +- %g", emitters, e.gain, e.gain_se);
        }
}

static void an_even_background_tells_nothing(void **state) {
    (void)state;
    char text[ATM_CAMERA_ESTIMATE_SIZE];
    const struct scene even = {.gain = 0.47, .low = 20, .high = 20};
    struct atm_camera_estimate e = measure(&even, 1);
    assert_false(e.known);
    atm_camera_estimate_text(&e, text);
    assert_non_null(strstr(text, "cannot tell: the background, 14"));
    const struct atm_noise_cells none = {0};
    e = atm_camera_estimate(&none);
    assert_false(e.known);
    atm_camera_estimate_text(&e, text);
    assert_non_null(strstr(text, "cannot tell: too few"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_errors_are_honest),
        cmocka_unit_test(emitters_and_lamps_do_not_disturb),
        cmocka_unit_test(a_crowd_is_not_noise),
        cmocka_unit_test(an_even_background_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
