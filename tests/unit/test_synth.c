/* Parts of a simulated movie: PSF, emitters in space and time, camera, options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "emitters.h"
#include "exposure.h"
#include "filaments.h"
#include "mem.h"
#include "psf.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct atm_synth_options defaults(void) {
    struct atm_synth_options options;
    struct atm_binding binding = {&atm_synth_section, &options};
    atm_ini_defaults(&binding, 1);
    return options;
}

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9g is not %.9g +- %.3g", value, expected, tolerance);
}

/* ---- PSF ---- */

enum { H = 41, W = 43 };

static void integrated_psf_has_unit_mass_and_its_moments(void **state) {
    (void)state;
    const double sigmas[] = {0.7, 1.3, 2.385};
    for (int s = 0; s < 3; s++) {
        double image[H * W] = {0}, mass = 0, mx = 0, my = 0, vx = 0, vy = 0;
        struct atm_psf_spot spot = {20.385, 19.72, sigmas[s], 738.5};
        atm_psf_add(&atm_psfs[ATM_PSF_INTEGRATED], &spot, H, W, image);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                double w = image[y * W + x] / spot.amplitude, dx = x - spot.x, dy = y - spot.y;
                mass += w, mx += w * dx, my += w * dy, vx += w * dx * dx, vy += w * dy * dy;
            }
        /* the mean and variance of a Gaussian in bins are off by exp(-2 pi^2 sigma^2) only */
        double binning = 4 * exp(-2 * M_PI * M_PI * sigmas[s] * sigmas[s]) + 1e-6;
        assert_near(mass, 1, 5e-9);
        assert_near(mx, 0, binning);
        assert_near(my, 0, binning);
        assert_near(vx, sigmas[s] * sigmas[s] + 1.0 / 12, binning);
        assert_near(vy, sigmas[s] * sigmas[s] + 1.0 / 12, binning);
    }
}

/* The specification: every pixel from the formula, no window. */
static double psf_ref(enum atm_psf_shape shape, const struct atm_psf_spot *spot, int x, int y) {
    double s = spot->sigma_px, dx = x - spot->x, dy = y - spot->y, r = s * M_SQRT2;
    if (shape == ATM_PSF_SAMPLED)
        return spot->amplitude * exp(-(dx * dx + dy * dy) / (2 * s * s));
    double across = erf((dx + 0.5) / r) - erf((dx - 0.5) / r);
    double down = erf((dy + 0.5) / r) - erf((dy - 0.5) / r);
    return spot->amplitude * 0.25 * across * down;
}

static void psf_agrees_with_the_formula_also_across_borders(void **state) {
    (void)state;
    const struct atm_psf_spot spots[] = {{20.385, 19.72, 1.3, 2.5}, {-0.4, 40.45, 2.8, 0.75},
                                         {44.1, -3.2, 1.7, 1.5},    {12.5, 7, 0.35, 3.1},
                                         {21, 20, 50, 1.5},         {-70.5, 20, 3, 9}};
    for (int shape = 0; shape < 2; shape++)
        for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
            double image[H * W] = {0};
            atm_psf_add(&atm_psfs[shape], &spots[i], H, W, image);
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++)
                    assert_near(image[y * W + x], psf_ref(shape, &spots[i], x, y),
                                1.6e-8 * spots[i].amplitude);
        }
}

static void sampled_psf_has_its_amplitude_at_the_centre(void **state) {
    (void)state;
    double image[H * W] = {0}, sum = 0;
    struct atm_psf_spot spot = {17, 23, 2.8, 0.75};
    atm_psf_add(&atm_psfs[ATM_PSF_SAMPLED], &spot, H, W, image);
    for (int i = 0; i < H * W; i++)
        sum += image[i];
    assert_near(image[23 * W + 17], 0.75, 1e-15);
    assert_near(image[25 * W + 17], 0.75 * exp(-2 / (2.8 * 2.8)), 1e-15);
    assert_near(sum, 0.75 * 2 * M_PI * 2.8 * 2.8, 1e-6);
}

/* ---- emitters ---- */

static void draw(const struct atm_synth_options *options, uint64_t seed,
                 struct atm_emitters *emitters) {
    struct atm_err err = {0};
    *emitters = (struct atm_emitters){0};
    assert_int_equal(atm_synth_check(options, 100, &err), ATM_OK);
    if (atm_emitters_draw(options, 100, seed, NULL, emitters, &err) != ATM_OK)
        fail_msg("%s", err.text);
}

static double nearest_pair(const struct atm_emitters *emitters, int64_t frames) {
    double nearest = INFINITY;
    for (int64_t f = 0; f < frames; f++)
        for (ptrdiff_t i = emitters->first[f]; i < emitters->first[f + 1]; i++)
            for (ptrdiff_t j = emitters->first[f]; j < i; j++) {
                const struct atm_emission *a = &emitters->rows[i], *b = &emitters->rows[j];
                nearest = fmin(nearest, hypot(a->x - b->x, a->y - b->y));
            }
    return nearest;
}

static void emitters_stay_in_their_region_in_order(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    options.width = 91;
    options.margin_px = 2.385;
    struct atm_emitters e;
    draw(&options, 4, &e);
    assert_int_equal(e.first[options.frames], e.count);
    double least_x = INFINITY, most_x = 0, most_y = 0;
    for (ptrdiff_t i = 0; i < e.count; i++) {
        least_x = fmin(least_x, e.rows[i].x);
        most_x = fmax(most_x, e.rows[i].x);
        most_y = fmax(most_y, e.rows[i].y);
        assert_int_equal(e.rows[i].id, i);
        assert_true(i == 0 || e.rows[i].frame >= e.rows[i - 1].frame);
    }
    assert_true(least_x >= 1.885 && least_x < 2);
    assert_true(most_x <= 91 - 0.5 - 2.385 && most_x > 88);
    assert_true(most_y <= 64 - 0.5 - 2.385 && most_y > 61);
    atm_emitters_free(&e);
}

static void repulsion_keeps_the_distance(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    options.separation_px = 4.7;
    options.density = 1;
    struct atm_emitters e;
    options.frames = 60;
    draw(&options, 1, &e);
    assert_true(nearest_pair(&e, options.frames) >= 4.7);
    assert_true(nearest_pair(&e, options.frames) < 4.8);
    atm_emitters_free(&e);

    options.blinking = ATM_SYNTH_ON_OFF;
    draw(&options, 2, &e);
    assert_int_equal(e.crowded, 0);
    assert_true(nearest_pair(&e, options.frames) >= 4.7);
    atm_emitters_free(&e);

    options.layout = ATM_SYNTH_FILAMENTS;
    options.density = 0.3;
    draw(&options, 3, &e);
    assert_true(e.crowded > 0 || nearest_pair(&e, options.frames) >= 4.7);
    atm_emitters_free(&e);
}

static void repulsion_forgets_the_dead(void **state) {
    (void)state;
    struct atm_region region = {-0.5, -0.5, 99.5, 49.5};
    struct atm_repulsion *repulsion;
    assert_int_equal(atm_repulsion_create(&region, 0.01, &repulsion, NULL), ATM_OK);
    assert_int_equal(atm_repulsion_add(repulsion, 12.25, 7.5, 3, NULL), ATM_OK);
    assert_int_equal(atm_repulsion_add(repulsion, 12.5, 7.5, 5, NULL), ATM_OK);
    assert_near(atm_repulsion_nearest(repulsion, 12.25, 7.5, 3), 0, 0);
    assert_near(atm_repulsion_nearest(repulsion, 12.25, 7.5, 4), 0.25, 1e-12);
    assert_true(isinf(atm_repulsion_nearest(repulsion, 12.25, 7.5, 6)));
    for (int i = 0; i < 1000; i++) /* grows, and reuses the two above */
        assert_int_equal(atm_repulsion_add(repulsion, 0.1 * i, 0.04 * i, 9, NULL), ATM_OK);
    assert_near(atm_repulsion_nearest(repulsion, 50.03, 20, 9), 0.03, 1e-9);
    atm_repulsion_destroy(&repulsion);
}

static void crowded_frames_are_refused(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_emitters e = {0};
    struct atm_err err = {0};
    options.separation_px = 9;
    options.density = 3;
    assert_int_equal(atm_emitters_draw(&options, 100, 1, NULL, &e, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "frame 0: found no place for emitter "));
    assert_non_null(strstr(err.text, "lower the separation or synth.density"));
    atm_emitters_free(&e);

    options.blinking = ATM_SYNTH_ON_OFF;
    options.frames = 20;
    draw(&options, 1, &e);
    assert_true(e.crowded > 0);
    atm_emitters_free(&e);
}

static bool stop_now(void *context) {
    (void)context;
    return true;
}

static void drawing_stops_when_asked(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_sink sink = {.stopped = stop_now};
    for (options.blinking = 0; options.blinking < 2; options.blinking++) {
        struct atm_emitters e = {0};
        assert_int_equal(atm_emitters_draw(&options, 100, 1, &sink, &e, NULL), ATM_STOPPED);
        atm_emitters_free(&e);
    }
}

static void counts_have_the_requested_mean(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_emitters e;
    options.frames = 3000;
    double mean = 0.5 * 6.2 * 6.2, frames = (double)options.frames; /* 1 px margin */
    assert_near(atm_emitters_mean(&options, 100), mean, 1e-9);
    draw(&options, 11, &e);
    assert_near((double)e.count / frames, mean, 5 * sqrt(mean / frames));
    atm_emitters_free(&e);

    options.count_law = ATM_SYNTH_COUNT;
    options.count_min = 2;
    options.count_max = 9;
    draw(&options, 12, &e);
    assert_near((double)e.count / frames, 5.5, 5 * sqrt(63.0 / 12 / frames));
    ptrdiff_t least = 99, most = 0;
    for (ptrdiff_t f = 0; f < options.frames; f++) {
        ptrdiff_t count = e.first[f + 1] - e.first[f];
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    assert_int_equal(least, 2);
    assert_int_equal(most, 9);
    atm_emitters_free(&e);
}

/* Frames that are an on-period apart share emitters, so a mean over them is worth about
 * frames / (2 on_frames + 1) independent ones. */
static void blinking_is_steady_and_shares_photons(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_emitters e;
    options.frames = 6000;
    options.blinking = ATM_SYNTH_ON_OFF;
    options.on_frames = 2.385;
    options.amplitude_law = ATM_SYNTH_FIXED;
    options.photons = 850;
    draw(&options, 21, &e);
    double mean = 0.5 * 6.2 * 6.2, frames = (double)options.frames, on = options.on_frames, sum = 0;
    double error = 5 * sqrt((2 * on + 1) / frames);
    assert_near((double)e.count / frames, mean, error * sqrt(mean));
    for (ptrdiff_t i = 0; i < e.count; i++) {
        assert_true(e.rows[i].photons > 0 && e.rows[i].photons <= 850 * (1 + 1e-12));
        sum += e.rows[i].photons / 850;
    }
    assert_near(sum / frames, mean * on / (on + 1), error * sqrt(mean));
    assert_near((double)e.first[1], mean, 5 * sqrt(mean)); /* steady from the first frame on */
    atm_emitters_free(&e);
}

static void blinking_emitters_stay_without_gaps(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_emitters e;
    options.blinking = ATM_SYNTH_ON_OFF;
    options.amplitude_law = ATM_SYNTH_FIXED;
    draw(&options, 22, &e);
    const struct atm_emission **last = atm_mem_alloc((size_t)e.count, sizeof *last);
    int *seen = atm_mem_alloc((size_t)e.count, sizeof *seen);
    for (ptrdiff_t i = 0; i < e.count; i++) {
        const struct atm_emission *row = &e.rows[i], *before = last[row->id];
        if (before)
            assert_true(before->x == row->x && before->y == row->y &&
                        before->frame + 1 == row->frame);
        if (before && seen[row->id] > 1) /* only the first and the last frame are partial */
            assert_near(before->photons, options.photons, 1e-9);
        seen[row->id]++;
        last[row->id] = row;
    }
    atm_mem_free(last);
    atm_mem_free(seen);
    atm_emitters_free(&e);
}

static void amplitudes_follow_their_laws(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, 0);
    enum { N = 40000 };
    double sum = 0, below = 0;
    options.amplitude_law = ATM_SYNTH_AMPLITUDE_UNIFORM;
    options.photons_min = 0.5;
    options.photons = 1;
    for (int i = 0; i < N; i++) {
        double a = atm_emitters_amplitude(&options, &rng);
        assert_true(a >= 0.5 && a < 1);
        sum += a / N;
    }
    assert_near(sum, 0.75, 5 * 0.5 / sqrt(12.0 * N));
    options = defaults();
    double log_sum = 0, mu = log(1000) - 0.125;
    options.photons_min = 1e-3; /* hardly truncated: the log is normal */
    options.photons_max = 1e7;
    for (int i = 0; i < N; i++) {
        double a = atm_emitters_amplitude(&options, &rng);
        log_sum += log(a) / N;
        below += log(a) < mu - 0.5;
    }
    assert_near(log_sum, mu, 5 * 0.5 / sqrt(N));
    assert_near(below / N, 0.158655, 5 * sqrt(0.158655 * 0.841345 / N));
    options = defaults();
    for (int i = 0; i < N; i++) {
        double a = atm_emitters_amplitude(&options, &rng);
        assert_true(a >= 300 && a <= 3000);
    }
}

static void scenes_repeat_with_their_seed(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    struct atm_emitters a, b, c;
    for (options.blinking = 0; options.blinking < 2; options.blinking++) {
        draw(&options, 7, &a);
        draw(&options, 7, &b);
        draw(&options, 8, &c);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.rows, b.rows, (size_t)a.count * sizeof *a.rows);
        assert_true(a.rows[0].x != c.rows[0].x);
        atm_emitters_free(&a);
        atm_emitters_free(&b);
        atm_emitters_free(&c);
    }
}

static void filaments_cross_the_field(void **state) {
    (void)state;
    struct atm_region region = {0.5, 0.5, 98.5, 62.5};
    struct atm_filaments_options options = {5, 0.385};
    struct atm_sites sites = {0}, more = {0};
    assert_int_equal(atm_filaments_draw(&options, &region, 3, &sites, NULL), ATM_OK);
    ptrdiff_t gaps = 0;
    for (ptrdiff_t i = 0; i < sites.count; i++) {
        struct atm_site s = sites.at[i];
        assert_true(s.x >= 0.5 && s.x < 98.5 && s.y >= 0.5 && s.y < 62.5);
        if (i == 0)
            continue;
        double step = hypot(s.x - sites.at[i - 1].x, s.y - sites.at[i - 1].y);
        gaps += step > 1; /* the next filament */
        assert_true(step > 1 || (step > 0.384 && step < 0.3851));
    }
    assert_int_equal(gaps, 4);
    assert_true((double)sites.count * 0.385 > 5 * 0.6 * 62);
    options.count = 6;
    assert_int_equal(atm_filaments_draw(&options, &region, 3, &more, NULL), ATM_OK);
    assert_memory_equal(sites.at, more.at, (size_t)sites.count * sizeof *sites.at);
    atm_sites_free(&sites);
    atm_sites_free(&more);
}

/* ---- camera ---- */

static void camera_follows_the_photon_transfer(void **state) {
    (void)state;
    enum { N = 100000 };
    const struct atm_camera cameras[] = {
        {.offset = 100, .gain = 0.45, .em_gain = 1, .qe = 1, .read_noise = 1.6},
        {.offset = 400, .gain = 12.5, .em_gain = 300, .qe = 1, .read_noise = 0.25}};
    const double means[] = {3.7, 47.3};
    double *expected = atm_mem_alloc(N, sizeof *expected);
    float *adu = atm_mem_alloc(N, sizeof *adu);
    for (int k = 0; k < 4; k++) {
        const struct atm_camera *camera = &cameras[k % 2];
        double m = means[k / 2], sum = 0, squares = 0, fourth = 0;
        for (int i = 0; i < N; i++)
            expected[i] = m;
        struct atm_rng rng;
        atm_rng_init(&rng, 9, ATM_RNG_TEST, (uint64_t)k);
        atm_exposure_execute(camera, &rng, N, expected, adu);
        double scale = camera->em_gain / camera->gain;
        double centre = camera->offset + m * scale;
        for (int i = 0; i < N; i++) {
            double d = (adu[i] - centre) / scale;
            sum += d / N, squares += d * d / N, fourth += d * d * d * d / N;
        }
        double excess = camera->em_gain > 1 ? 2 : 1;
        double variance = excess * m + camera->read_noise * camera->read_noise;
        assert_near(sum, 0, 5 * sqrt(variance / N));
        assert_near(squares, variance, 5 * sqrt((fourth - squares * squares) / N));
    }
    atm_mem_free(expected);
    atm_mem_free(adu);
}

static void camera_without_noise_is_the_formula(void **state) {
    (void)state;
    struct atm_camera camera = {
        .offset = 385.5, .gain = 2.25, .em_gain = 40, .qe = 0.9, .read_noise = 1.6};
    const double expected[] = {0, 2.385, 700.5};
    float adu[3];
    atm_exposure_execute(&camera, NULL, 3, expected, adu);
    for (int i = 0; i < 3; i++)
        assert_near(adu[i], 385.5 + 0.9 * expected[i] * 40 / 2.25, 1e-3);
}

static void camera_values_are_resolved_and_checked(void **state) {
    (void)state;
    struct atm_camera camera = atm_movie_unknown_camera();
    struct atm_err err = {0};
    assert_int_equal(atm_exposure_resolve(&camera, &err), ATM_OK);
    assert_true(isnan(camera.pixel_size_nm) && camera.offset == 0 && camera.gain == 1);
    assert_true(camera.em_gain == 1 && camera.qe == 1 && camera.read_noise == 0);
    camera.qe = 1.5;
    assert_int_equal(atm_exposure_resolve(&camera, &err), ATM_USAGE);
    assert_string_equal(err.text, "camera.qe = 1.5 cannot be simulated: set it to 0.001..1");
}

/* ---- options ---- */

static void choices_are_those_of_the_table(void **state) {
    (void)state;
    for (size_t i = 0; i < atm_synth_section.key_count; i++)
        if (!strcmp(atm_synth_section.keys[i].name, "psf"))
            for (int shape = 0; shape < 2; shape++)
                assert_string_equal(atm_synth_section.keys[i].choices[shape], atm_psfs[shape].name);
    struct atm_synth_options options = defaults();
    assert_int_equal(atm_synth_check(&options, 100, NULL), ATM_OK);
    assert_int_equal(options.frames, 500);
    assert_near(options.sigma_px, 1.3, 0);
}

static void expect_refusal(const struct atm_synth_options *options, double pixel_size_nm,
                           const char *text) {
    struct atm_err err = {0};
    assert_int_equal(atm_synth_check(options, pixel_size_nm, &err), ATM_USAGE);
    assert_string_equal(err.text, text);
}

static void contradictions_are_refused(void **state) {
    (void)state;
    struct atm_synth_options options = defaults();
    expect_refusal(&options, NAN,
                   "synth.density is per um^2, but the pixel size is unknown: set "
                   "camera.pixel_size_nm, or synth.count_law = count");
    options.frames = 10000000;
    expect_refusal(&options, 100,
                   "the movie would have about 1.92e+08 emitters, more than 1e+08: lower "
                   "synth.frames or synth.density");
    options = defaults();
    options.margin_px = 32;
    expect_refusal(&options, 100,
                   "synth.margin_px = 32 leaves no room for emitters in a field of 64x64: lower "
                   "it");
    options = defaults();
    options.count_law = ATM_SYNTH_COUNT;
    options.count_min = 12;
    expect_refusal(&options, 100, "synth.count_min = 12 is above synth.count_max = 10");
    options = defaults();
    options.photons_min = 2e5;
    options.photons_max = 3e5;
    expect_refusal(&options, 100,
                   "synth.photons_min..photons_max = 200000..300000 cut off all of the lognormal "
                   "of mean 1000 and spread 0.5: widen them, or move synth.photons between them");
    options.amplitude_law = ATM_SYNTH_AMPLITUDE_UNIFORM;
    expect_refusal(&options, 100,
                   "synth.photons_min = 200000 is above synth.photons = 1000 (uniform: the upper "
                   "end)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrated_psf_has_unit_mass_and_its_moments),
        cmocka_unit_test(psf_agrees_with_the_formula_also_across_borders),
        cmocka_unit_test(sampled_psf_has_its_amplitude_at_the_centre),
        cmocka_unit_test(emitters_stay_in_their_region_in_order),
        cmocka_unit_test(repulsion_keeps_the_distance),
        cmocka_unit_test(repulsion_forgets_the_dead),
        cmocka_unit_test(crowded_frames_are_refused),
        cmocka_unit_test(drawing_stops_when_asked),
        cmocka_unit_test(counts_have_the_requested_mean),
        cmocka_unit_test(blinking_is_steady_and_shares_photons),
        cmocka_unit_test(blinking_emitters_stay_without_gaps),
        cmocka_unit_test(amplitudes_follow_their_laws),
        cmocka_unit_test(scenes_repeat_with_their_seed),
        cmocka_unit_test(filaments_cross_the_field),
        cmocka_unit_test(camera_follows_the_photon_transfer),
        cmocka_unit_test(camera_without_noise_is_the_formula),
        cmocka_unit_test(camera_values_are_resolved_and_checked),
        cmocka_unit_test(choices_are_those_of_the_table),
        cmocka_unit_test(contradictions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
