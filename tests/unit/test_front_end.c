/* Background and noise: the parts around the network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "background.h"
#include "bad_pixels.h"
#include "mem.h"
#include "rng.h"
#include "tune.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* 20 % of bright outliers move the level by less than half a standard deviation. */
static void level_ignores_emitters(void **state) {
    (void)state;
    enum { N = 20000 };
    float *values = atm_mem_alloc(N, sizeof *values);
    struct atm_rng rng;
    atm_rng_init(&rng, 2, ATM_RNG_TEST, 0);
    for (int i = 0; i < N; i++)
        values[i] = (float)(100 + gsl_ran_gaussian(&rng.gsl, 7.5) +
                            (i % 5 == 0 ? 200 * atm_rng_uniform(&rng) : 0));
    double level, sd;
    atm_background_level(values, N, &level, &sd);
    assert_true(fabs(level - 100) < 0.5 * 7.5);
    assert_true(sd > 0.7 * 7.5 && sd < 1.3 * 7.5);
    atm_mem_free(values);
}

/* A slope over the field is followed; a frame of zeros gets its own level. */
static void background_follows_field_and_frames(void **state) {
    (void)state;
    enum { T = 20, H = 37, W = 53 };
    float *frames = atm_mem_alloc(T * H * W, sizeof *frames);
    float *map = atm_mem_alloc(H * W, sizeof *map), offsets[T];
    struct atm_rng rng;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    for (int i = 0; i < T * H * W; i++)
        frames[i] = (float)(200 + i % W + gsl_ran_gaussian(&rng.gsl, 3));
    memset(frames + 7 * H * W, 0, H * W * sizeof *frames);
    struct atm_err err = {0};
    assert_int_equal(atm_background_estimate(frames, T, H, W, map, offsets, &err), ATM_OK);
    for (int x = 8; x < W - 8; x++)
        assert_true(fabs((double)map[20 * W + x] - (200 + x)) < 3);
    assert_true(fabs((double)offsets[7] + 226) < 6);
    assert_true(offsets[6] == 0);
    atm_mem_free(frames);
    atm_mem_free(map);
}

/* More blank pages than frames, and more dark frames than bright ones: the background is still that
 * of each frame, within its noise. */
static void background_of_half_a_movie(void **state) {
    (void)state;
    enum { T = 20, H = 37, W = 53, BRIGHT = 8 };
    float *frames = atm_mem_alloc(T * H * W, sizeof *frames);
    float *map = atm_mem_alloc(H * W, sizeof *map), offsets[T];
    for (int blank = 0; blank < 2; blank++) {
        struct atm_rng rng;
        atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
        for (int i = 0; i < T * H * W; i++) {
            const double level = i < BRIGHT * H * W ? 200 : 100;
            frames[i] =
                i >= BRIGHT * H * W && blank ? 0 : (float)(level + gsl_ran_gaussian(&rng.gsl, 3));
        }
        struct atm_err err = {0};
        assert_int_equal(atm_background_estimate(frames, T, H, W, map, offsets, &err), ATM_OK);
        for (int t = 0; t < T; t++) {
            const double level = t < BRIGHT ? 200 : blank ? 0 : 100;
            assert_true(fabs((double)(map[20 * W + 20] + offsets[t]) - level) < 2);
        }
    }
    atm_mem_free(frames);
    atm_mem_free(map);
}

/* nairr's camera: value 1000 of which 500 is an offset, variance = value - 500. */
static void noise_line_is_found(void **state) {
    (void)state;
    enum { N = 200000 };
    float *residual = atm_mem_alloc(N, sizeof *residual), *model = atm_mem_alloc(N, sizeof *model);
    float *leverage = atm_mem_alloc(N, sizeof *leverage); /* the fit took nothing, then half */
    struct atm_rng rng;
    atm_rng_init(&rng, 4, ATM_RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        double mu = 1000 + (i % 3 ? 0 : 400 * atm_rng_uniform(&rng));
        model[i] = (float)(mu + 0.01 * atm_rng_uniform(&rng));
        residual[i] = (float)gsl_ran_gaussian(&rng.gsl, sqrt(mu - 500));
    }
    struct atm_noise noise = {0.5, 1000, 500};
    struct atm_err err = {0};
    const struct atm_residuals all = {residual, model, leverage, N};
    assert_int_equal(atm_tune_noise(&all, &noise, &err), ATM_OK);
    double at_1000 = noise.gain * (1000 - noise.zero) + noise.floor;
    double at_1400 = noise.gain * (1400 - noise.zero) + noise.floor;
    assert_true(fabs(at_1000 / 500 - 1) < 0.03); /* MAD of 12500 values: sd of the variance 2 % */
    assert_true(fabs(at_1400 / 900 - 1) < 0.06);
    for (int i = 0; i < N; i++)
        leverage[i] = i % 2 ? 1.5F : -0.5F;
    assert_int_equal(atm_tune_noise(&all, &noise, &err), ATM_OK);
    assert_true(fabs((noise.gain * (1000 - noise.zero) + noise.floor) / 1000 - 1) < 0.03);
    atm_mem_free(leverage);
    atm_mem_free(residual);
    atm_mem_free(model);
}

enum { BAD_H = 48, BAD_W = 60 };

/* Noise on a level; ten emitters that are elsewhere in each frame; always on: narrow spots (sigma
 * 0.7 px) in all positions to the pixels. */
static void paint(float *frame, double level, bool spots, struct atm_rng *rng) {
    enum { BLINKING = 10, ALWAYS = 6, SPOTS = BLINKING + ALWAYS };
    double x[SPOTS], y[SPOTS];
    for (int k = 0; k < SPOTS; k++) {
        const double own = 8 + 8 * (k - BLINKING) + 0.2 * (k - BLINKING);
        x[k] = k < BLINKING ? BAD_W * atm_rng_uniform(rng) : own;
        y[k] = k < BLINKING ? BAD_H * atm_rng_uniform(rng) : 40 + 0.15 * (k - BLINKING);
    }
    for (int i = 0; i < BAD_H * BAD_W; i++) {
        double mean = level;
        for (int k = 0; k < SPOTS && spots; k++) {
            const double sigma = k < BLINKING ? 1.3 : 0.7, u = i % BAD_W - x[k],
                         v = i / BAD_W - y[k];
            mean += (k < BLINKING ? 100 : 1500) * exp(-(u * u + v * v) / (2 * sigma * sigma));
        }
        frame[i] = (float)gsl_ran_poisson(&rng->gsl, mean);
    }
}

/* How many are found in frames of which every `every`-th pixel is hot (0: none). */
static ptrdiff_t found(int frames, double level, int every) {
    static float frame[BAD_H * BAD_W];
    struct atm_bad_pixels bad;
    struct atm_err err = {0};
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, 0);
    assert_int_equal(atm_bad_pixels_create(BAD_H, BAD_W, &bad, &err), ATM_OK);
    for (int t = 0; t < frames; t++) {
        paint(frame, level, false, &rng);
        for (int i = 0; i < BAD_H * BAD_W && every; i += every)
            frame[i] += 1000;
        atm_bad_pixels_add(&bad, frame);
    }
    assert_int_equal(atm_bad_pixels_find(&bad, &err), ATM_OK);
    const ptrdiff_t count = bad.count;
    atm_bad_pixels_free(&bad);
    return count;
}

static void bad_pixels_are_found_and_spots_are_not(void **state) {
    (void)state;
    static const struct {
        int y, x;
        float value;
    } wrong[] = {{0, 0, 150},    {0, 25, 150},   {5, 5, 150},       {20, 20, 3000},
                 {20, 21, 2000}, {30, 10, -100}, {33, BAD_W - 1, 0}};
    enum { WRONG = sizeof wrong / sizeof *wrong };
    static float frame[BAD_H * BAD_W];
    struct atm_bad_pixels bad;
    struct atm_err err = {0};
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, 1);
    assert_int_equal(atm_bad_pixels_create(BAD_H, BAD_W, &bad, &err), ATM_OK);
    for (int t = 0; t < 32; t++) {
        paint(frame, 60, true, &rng);
        for (int k = 0; k < WRONG; k++)
            frame[wrong[k].y * BAD_W + wrong[k].x] =
                wrong[k].value + (wrong[k].value > 0 ? (float)(t % 5) : 0);
        atm_bad_pixels_add(&bad, frame);
    }
    assert_int_equal(atm_bad_pixels_find(&bad, &err), ATM_OK);
    assert_int_equal(bad.count, WRONG);
    for (int k = 0; k < WRONG; k++)
        assert_int_equal(bad.at[k], wrong[k].y * BAD_W + wrong[k].x);
    for (int i = 0; i < BAD_H * BAD_W; i++)
        frame[i] = (float)(i % BAD_W);
    atm_bad_pixels_mend(&bad, frame);
    assert_true(frame[5 * BAD_W + 5] == 5); /* of eight */
    assert_true(fabsf(frame[20 * BAD_W + 20] - 139.0F / 7) <
                1e-5F);                              /* of seven: 3 x 19, 2 x 20, 2 x 21 */
    assert_true(fabsf(frame[0] - 2.0F / 3) < 1e-6F); /* a corner: 1, 0, 1 */
    atm_bad_pixels_free(&bad);
}

/* Too few frames to tell; hardly any light, where a photon is far above the rest; images that are
 * so. */
static void bad_pixels_need_evidence(void **state) {
    (void)state;
    assert_int_equal(found(32, 60, 500), (BAD_H * BAD_W + 499) / 500);
    assert_int_equal(found(7, 60, 500), 0);
    assert_int_equal(found(32, 0.1, 0), 0);
    assert_int_equal(found(32, 60, 0), 0);
    assert_int_equal(found(32, 60, 90), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_ignores_emitters),
        cmocka_unit_test(background_follows_field_and_frames),
        cmocka_unit_test(background_of_half_a_movie),
        cmocka_unit_test(noise_line_is_found),
        cmocka_unit_test(bad_pixels_are_found_and_spots_are_not),
        cmocka_unit_test(bad_pixels_need_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
