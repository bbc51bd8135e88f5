/* Refinement of whole frames: the number of emitters, their uncertainties, and images that nobody
 * hopes for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "noise_model.h"
#include "psf_file.h"
#include "refine_case.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void noise_free_frame_returns_the_truth(void **state) {
    (void)state;
    add(&frame, 6.385, 9.12, 1500);
    add(&frame, 21.7, 22.3, 800);
    add(&frame, 24.4, 21.9, 1100);
    expose(&frame, NULL);
    for (ptrdiff_t i = 0; i < 3; i++)
        frame.seeds[frame.seed_count++] = at(frame.truth[i].x + 0.4, frame.truth[i].y - 0.3, 500);
    struct atm_table table;
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 3);
    assert_int_equal(found(&frame, &table, 1e-3), 3);
    atm_table_free(&table);
}

/* The threshold promises a rate of false emitters; the count over many frames is Poisson. */
/* A slope that the measured background misses: 24 photons across the frame. */
static void planar_background_is_fitted(void **state) {
    (void)state;
    add(&frame, 6.385, 9.12, 1500);
    add(&frame, 23.7, 22.3, 800);
    expose(&frame, NULL);
    const double slope_x = 0.5, slope_y = -0.25;
    for (ptrdiff_t i = 0; i < SIDE * SIDE; i++)
        frame.image[i] +=
            (float)(slope_x * ((double)(i % SIDE) - 15.5) + slope_y * ((double)(i / SIDE) - 15.5));
    double worst[2] = {0};
    for (int background = ATM_REFINE_CONSTANT; background <= ATM_REFINE_PLANE; background++) {
        struct atm_refine_options options = defaults();
        options.background = background;
        struct atm_refine_input in = input_of(&frame);
        struct atm_table table;
        refine_with(&options, &in, SIDE, SIDE, &table);
        assert_int_equal(found(&frame, &table, 0.3), 2);
        for (ptrdiff_t i = 0; i < table.count; i++) {
            const struct atm_loc *row = &table.rows[i], *truth = &frame.truth[row->x > 15];
            double there = 20 + slope_x * (round(row->x) - 15.5) + slope_y * (round(row->y) - 15.5);
            worst[background] = fmax(worst[background], fabs(row->background - there));
            if (background == ATM_REFINE_PLANE) {
                assert_near(row->x, truth->x, 2e-3);
                assert_near(row->y, truth->y, 2e-3);
                assert_near(row->photons, truth->photons, 0.002 * truth->photons);
            }
        }
        atm_table_free(&table);
    }
    assert_true(worst[ATM_REFINE_PLANE] < 0.02 && worst[ATM_REFINE_CONSTANT] > 2);
}

static void hopeless_images_yield_no_rubbish(void **state) {
    (void)state;
    struct atm_table table;
    struct atm_refine_options options = defaults();
    frame.background = 0;
    expose(&frame, NULL); /* all zero, as page 877 of a stack that we met */
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 0);
    atm_table_free(&table);
    frame.seeds[frame.seed_count++] = at(7, 8, 100);
    frame.seeds[frame.seed_count++] = at(NAN, 8, NAN);
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 0);
    atm_table_free(&table);
    for (ptrdiff_t i = 0; i < SIDE * SIDE; i++)
        frame.image[i] = i % 5 ? FLT_MAX : -FLT_MAX;
    refine_frame(&frame, &table);
    atm_table_free(&table);
    for (ptrdiff_t i = 0; i < SIDE * SIDE; i++)
        frame.image[i] = i % 3 ? NAN : INFINITY;
    refine_frame(&frame, &table);
    atm_table_free(&table);
    float single = 7, below = 2;
    struct atm_refine_input in = input_of(&frame);
    in.image = &single, in.background = &below;
    refine_with(&options, &in, 1, 1, &table);
    atm_table_free(&table);
}

static void masked_pixels_are_left_out(void **state) {
    (void)state;
    add(&frame, 12.385, 13.2, 2500);
    expose(&frame, &rng);
    frame.image[13 * SIDE + 12] = NAN, frame.image[14 * SIDE + 20] = INFINITY;
    struct atm_table table;
    refine_frame(&frame, &table);
    assert_int_equal(table.count, 1);
    assert_near(table.rows[0].x, 12.385, 5 * table.rows[0].x_unc);
    atm_table_free(&table);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    struct atm_refine *refine;
    struct atm_err err = {0};
    struct atm_table table;
    atm_table_init(&table);
    assert_int_equal(atm_refine_create(&options, 0, 5, &refine, &err), ATM_FAIL);
    assert_int_equal(atm_refine_create(&options, SIDE, SIDE, &refine, &err), ATM_OK);
    struct atm_refine_input in = input_of(&frame);
    in.noise = (struct atm_noise){0};
    assert_int_equal(atm_refine_frame(refine, &in, &table, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "no noise at all"));
    in = input_of(&frame);
    in.noise.gain = -1;
    assert_int_equal(atm_refine_frame(refine, &in, &table, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "frame 3: noise of gain -1"));
    in = input_of(&frame);
    in.sigma_px = NAN;
    assert_int_equal(atm_refine_frame(refine, &in, &table, &err), ATM_FAIL);
    assert_int_equal(atm_refine_estimate_sigma(refine, &in, 0, &in.sigma_px, &err), ATM_FAIL);
    atm_refine_destroy(&refine);
    atm_refine_destroy(&refine);
}

/* Units of the image do not matter: photons, or ADU of a camera that is described by gain and zero.
 */
static void camera_units_scale_through(void **state) {
    (void)state;
    struct atm_table photons, adu;
    frame.background = 60;
    scatter(&frame, &rng, 0.015, 1500, 0);
    seed(&frame, &rng);
    struct atm_rng a, b;
    atm_rng_init(&a, 1, ATM_RNG_TEST, 5);
    atm_rng_init(&b, 1, ATM_RNG_TEST, 5);
    expose(&frame, &a);
    refine_frame(&frame, &photons);
    frame.gain = 4, frame.zero = 500;
    for (ptrdiff_t i = 0; i < frame.seed_count; i++)
        frame.seeds[i].photons *= 4;
    expose(&frame, &b);
    refine_frame(&frame, &adu);
    assert_int_equal(photons.count, adu.count);
    for (ptrdiff_t i = 0; i < adu.count; i++) {
        assert_near(adu.rows[i].x, photons.rows[i].x, 1e-3);
        assert_near(adu.rows[i].photons / 4, photons.rows[i].photons, 1);
        assert_near(adu.rows[i].x_unc, photons.rows[i].x_unc, 1e-4);
        assert_near((adu.rows[i].background - 500) / 4, photons.rows[i].background, 0.1);
    }
    atm_table_free(&photons);
    atm_table_free(&adu);
}

static void least_squares_agrees_where_counts_are_many(void **state) {
    (void)state;
    struct atm_table a, b;
    struct atm_refine_options options = defaults();
    frame.background = 500;
    scatter(&frame, &rng, 0.01, 3000, 0);
    seed(&frame, &rng);
    expose(&frame, &rng);
    refine_frame(&frame, &a);
    struct atm_refine_input in = input_of(&frame);
    options.likelihood = ATM_NOISE_LEAST_SQUARES;
    refine_with(&options, &in, SIDE, SIDE, &b);
    assert_int_equal(a.count, b.count);
    for (ptrdiff_t i = 0; i < a.count; i++)
        assert_near(a.rows[i].x, b.rows[i].x, 0.5 * a.rows[i].x_unc);
    atm_table_free(&b);
    in.noise = (struct atm_noise){0, 0, 600}; /* no shot noise at all */
    refine_with(&options, &in, SIDE, SIDE, &b);
    assert_true(b.count >= frame.truth_count - 2);
    atm_table_free(&a);
    atm_table_free(&b);
}

/* Errors over uncertainties have unit spread, isolated or not. */
static void uncertainties_can_be_trusted(void **state) {
    (void)state;
    double squares[3] = {0};
    ptrdiff_t n = 0;
    for (int i = 0; i < 120; i++) {
        struct atm_table table;
        clear(&frame, SIDE, SIDE);
        for (int y = 0; y < 3; y++) /* near enough to overlap, far enough to be told apart */
            for (int x = 0; x < 4; x++)
                add(&frame, 4 + 7.5 * x + 2 * atm_rng_uniform(&rng),
                    5 + 9 * y + 3 * atm_rng_uniform(&rng), 1500);
        seed(&frame, &rng);
        expose(&frame, &rng);
        refine_frame(&frame, &table);
        for (ptrdiff_t k = 0; k < table.count; k++)
            for (ptrdiff_t t = 0; t < frame.truth_count; t++) {
                const struct atm_loc *l = &table.rows[k], *truth = &frame.truth[t];
                if (hypot(l->x - truth->x, l->y - truth->y) > 1)
                    continue;
                squares[0] += pow((l->x - truth->x) / l->x_unc, 2);
                squares[1] += pow((l->y - truth->y) / l->y_unc, 2);
                squares[2] += pow((l->photons - truth->photons) / l->photons_unc, 2);
                n++;
            }
        atm_table_free(&table);
    }
    assert_true(n > 1400);
    double slack = 4 / sqrt(2.0 * (double)n); /* four standard errors */
    for (int k = 0; k < 3; k++) {
        double sd = sqrt(squares[k] / (double)n);
        assert_true(sd > 0.95 - slack && sd < 1.08 + slack);
    }
}

/* Goodness of fit and widths of every row; a PSF of its own for each emitter. */
static void fitted_widths_come_with_uncertainties(void **state) {
    (void)state;
    enum { FRAMES = 60 };
    struct atm_refine_options options = defaults();
    double square = 0, deviance = 0;
    ptrdiff_t n = 0;
    options.psf = ATM_PSF_GAUSSIAN_ELLIPTIC;
    for (int i = 0; i < FRAMES; i++) {
        struct atm_table table;
        clear(&frame, SIDE, SIDE);
        frame.sigma = 1.2;
        for (int k = 0; k < 4; k++)
            add(&frame, 8 + 15 * (k % 2) + atm_rng_uniform(&rng),
                8 + 15 * (k / 2) + atm_rng_uniform(&rng), 2000);
        seed(&frame, &rng);
        expose(&frame, &rng);
        struct atm_refine_input in = input_of(&frame);
        in.sigma_px = 1.15;
        refine_with(&options, &in, SIDE, SIDE, &table);
        for (ptrdiff_t k = 0; k < table.count; k++, n++) {
            const struct atm_loc *l = &table.rows[k];
            square += pow((l->sx - 1.2) / l->sx_unc, 2) + pow((l->sy - 1.2) / l->sy_unc, 2);
            deviance += (l->deviance - l->deviance_expected) / l->deviance_sd;
        }
        atm_table_free(&table);
    }
    assert_true(n > 3.9 * FRAMES);
    double slack = 4 / sqrt(4.0 * (double)n);
    assert_near(sqrt(square / (2 * (double)n)), 1, 0.06 + slack);
    assert_near(deviance / (double)n, 0, 0.1 + 4 / sqrt((double)n));
}

static double on_pixel(double from_centre) {
    double s = M_SQRT1_2 / 1.09;
    return 0.5 * (erf((from_centre + 0.5) * s) - erf((from_centre - 0.5) * s));
}

/* A learned PSF from a file does what the Gaussian that it was sampled from does. */
static void learned_psf_finds_the_same(void **state) {
    (void)state;
    enum { OVERSAMPLING = 4, SAMPLES = 45 };
    static float samples[SAMPLES * SAMPLES];
    char path[] = "/tmp/atm_psf_XXXXXX";
    struct atm_refine_options options = defaults();
    struct atm_table gaussian, spline;
    struct atm_err err = {0};
    struct atm_refine *refine;
    for (int i = 0; i < SAMPLES * SAMPLES; i++)
        samples[i] = (float)(on_pixel((i % SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING) *
                             on_pixel((i / SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING));
    int file = mkstemp(path);
    assert_true(file >= 0 && close(file) == 0);
    scatter(&frame, &rng, 0.02, 1500, 0.2);
    seed(&frame, &rng);
    expose(&frame, &rng);
    refine_frame(&frame, &gaussian);
    struct atm_refine_input in = input_of(&frame);
    in.sigma_px = 3; /* the file knows better */
    options.psf = ATM_PSF_SPLINE;
    snprintf(options.psf_file, sizeof options.psf_file, "%s", path);
    struct atm_psf_image image = {samples, SAMPLES, OVERSAMPLING}; /* in HDF5: see the name */
    assert_int_equal(atm_psf_write(path, &image, NAN, NULL, &err), ATM_OK);
    refine_with(&options, &in, SIDE, SIDE, &spline);
    assert_int_equal(spline.count, gaussian.count);
    for (ptrdiff_t i = 0; i < spline.count; i++) {
        assert_near(spline.rows[i].x, gaussian.rows[i].x, 0.02 * gaussian.rows[i].x_unc);
        assert_near(spline.rows[i].x_unc, gaussian.rows[i].x_unc, 0.01 * gaussian.rows[i].x_unc);
    }
    image.oversampling = 0;
    assert_int_equal(atm_psf_write(path, &image, NAN, NULL, &err), ATM_OK);
    assert_int_equal(atm_refine_create(&options, SIDE, SIDE, &refine, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "oversampling"));
    unlink(path);
    atm_table_free(&gaussian);
    atm_table_free(&spline);
}

/* Crowds whose seeds all stay: whatever the curvature says, no emitter is less certain than the
 * blend that it lies in. */
static void blends_bound_what_is_uncertain(void **state) {
    (void)state;
    struct atm_refine_options options = defaults();
    double most = 0, light = 0;
    options.rounds = 0, options.merge_radius = 0; /* nothing is joined or removed */
    for (int i = 0; i < 6; i++)
        light += 400, add(&frame, 15 + 0.1 * i, 15.385 - 0.07 * i, 400);
    for (int i = 0; i < 6; i++)
        frame.seeds[frame.seed_count++] = at(15 + 0.1 * i, 15.385 - 0.07 * i, 400);
    expose(&frame, &rng);
    struct atm_refine_input in = input_of(&frame);
    struct atm_table table;
    refine_with(&options, &in, SIDE, SIDE, &table);
    for (ptrdiff_t i = 0; i < table.count; i++) {
        const struct atm_loc *l = &table.rows[i];
        most = fmax(most, fmax(l->x_unc, l->y_unc));
        assert_true(l->photons_unc < 1.2 * light);
    }
    assert_true(table.count > 1 && most > 0.5 * frame.sigma && most <= 2 * frame.sigma);
    atm_table_free(&table);
}

/* The same frame under other names of its noise: uncertainties follow. */
static void likelihoods_have_names(void **state) {
    (void)state;
    const struct atm_camera plain = {.em_gain = NAN, .qe = 0.5, .read_noise = 2},
                            gained = {.em_gain = 300, .qe = 1};
    const struct {
        int chosen, becomes;
        const struct atm_camera *camera;
        bool by_pixel;
        double gain, floor;
    } cases[] = {
        {ATM_NOISE_AUTO, ATM_NOISE_READ, &plain, false, 2, 16},
        {ATM_NOISE_AUTO, ATM_NOISE_SCMOS, &plain, true, 2, 16},
        {ATM_NOISE_AUTO, ATM_NOISE_EMCCD, &gained, false, 2, 0},
        {ATM_NOISE_POISSON, ATM_NOISE_POISSON, &plain, false, 2, 0},
        {ATM_NOISE_POISSON, ATM_NOISE_POISSON, &gained, false, 1, 0},
        {ATM_NOISE_EMCCD, ATM_NOISE_EMCCD, &plain, false, 4, 16},
        {ATM_NOISE_LEAST_SQUARES, ATM_NOISE_LEAST_SQUARES, &gained, false, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct atm_noise_model *model =
            atm_noise_resolve(cases[i].chosen, cases[i].camera, cases[i].by_pixel);
        struct atm_noise noise = atm_noise_of(model, cases[i].camera);
        assert_ptr_equal(model, &atm_noise_models[cases[i].becomes]);
        assert_near(noise.gain, cases[i].gain, 1e-12);
        assert_near(noise.floor, cases[i].floor, 1e-12);
    }
}

/* A camera whose pixels differ: as if the noisy ones told less, which they do. */
static void noisy_and_saturated_pixels_count_less(void **state) {
    (void)state;
    enum { FRAMES = 150 };
    static float variance[SIDE * SIDE], saturation[SIDE * SIDE];
    struct atm_refine_options options = defaults();
    double square[2] = {0};
    ptrdiff_t masked = 0;
    for (int i = 0; i < SIDE * SIDE; i++)
        variance[i] = i % 7 == 3 ? 400 : 2, saturation[i] = 4095;
    variance[16 * SIDE + 16] = NAN; /* dead */
    for (int i = 0; i < FRAMES; i++) {
        clear(&frame, SIDE, SIDE);
        frame.background = 10;
        add(&frame, 15 + atm_rng_uniform(&rng), 15 + atm_rng_uniform(&rng), 1000);
        frame.seeds[frame.seed_count++] = at(15.5, 15.5, 900);
        expose(&frame, &rng);
        for (int k = 0; k < SIDE * SIDE; k++)
            frame.image[k] +=
                (float)gsl_ran_gaussian(&rng.gsl, variance[k] > 0 ? sqrt((double)variance[k]) : 0);
        frame.image[2 * SIDE + 2] = 4095;
        for (int known = 0; known < 2; known++) {
            struct atm_table table;
            struct atm_refine_input in = input_of(&frame);
            in.variance = known ? variance : NULL, in.saturation = saturation;
            refine_with(&options, &in, SIDE, SIDE, &table);
            double nearest = 2; /* with its uncertainty, when the noise is known */
            for (ptrdiff_t k = 0; k < table.count; k++) {
                double d = table.rows[k].x - frame.truth[0].x;
                nearest = fabs(d) < nearest ? fabs(d) : nearest;
                if (known)
                    square[0] += d * d / pow(table.rows[k].x_unc, 2) / FRAMES;
                masked += known && table.rows[k].flags & ATM_LOC_ON_MASKED;
            }
            assert_true(!known || table.count == 1);
            square[1] += known ? nearest * nearest : -nearest * nearest;
            atm_table_free(&table);
        }
    }
    assert_near(sqrt(square[0]), 1, 0.06 + 4 / sqrt(2.0 * FRAMES));
    assert_true(square[1] < 0); /* the map helps */
    assert_int_equal(masked, FRAMES);
}

static void tiles_leave_no_seams(void **state) {
    (void)state;
    struct atm_table table, again;
    clear(&frame, 130, 150);
    frame.background = 10;
    scatter(&frame, &rng, 0.01, 2000, 0);
    seed(&frame, &rng);
    expose(&frame, &rng);
    refine_frame(&frame, &table);
    assert_true(found(&frame, &table, 1) >= 0.97 * (double)frame.truth_count);
    assert_true(table.count <= 1.01 * (double)frame.truth_count + 1);
    for (ptrdiff_t i = 0; i < table.count; i++)
        for (ptrdiff_t k = 0; k < i; k++)
            assert_true(
                hypot(table.rows[i].x - table.rows[k].x, table.rows[i].y - table.rows[k].y) > 0.2);
    refine_frame(&frame, &again); /* same bytes */
    assert_int_equal(table.count, again.count);
    for (ptrdiff_t i = 0; i < table.count; i++)
        assert_true(table.rows[i].x == again.rows[i].x && table.rows[i].llr == again.rows[i].llr);
    atm_table_free(&table);
    atm_table_free(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(noise_free_frame_returns_the_truth, start),
        cmocka_unit_test_setup(planar_background_is_fitted, start),
        cmocka_unit_test_setup(hopeless_images_yield_no_rubbish, start),
        cmocka_unit_test_setup(masked_pixels_are_left_out, start),
        cmocka_unit_test_setup(nonsense_is_refused, start),
        cmocka_unit_test_setup(camera_units_scale_through, start),
        cmocka_unit_test_setup(least_squares_agrees_where_counts_are_many, start),
        cmocka_unit_test_setup(uncertainties_can_be_trusted, start),
        cmocka_unit_test_setup(fitted_widths_come_with_uncertainties, start),
        cmocka_unit_test_setup(learned_psf_finds_the_same, start),
        cmocka_unit_test_setup(blends_bound_what_is_uncertain, start),
        cmocka_unit_test_setup(likelihoods_have_names, start),
        cmocka_unit_test_setup(noisy_and_saturated_pixels_count_less, start),
        cmocka_unit_test_setup(tiles_leave_no_seams, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
