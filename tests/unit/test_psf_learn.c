/* A PSF from the emitters of a movie: recovered where it is known, preferred only where it is
 * better, the same for any number of threads; and its files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fit_psf.h"
#include "mem.h"
#include "psf_file.h"
#include "psf_learn.h"
#include "psf_solve.h"
#include "refine_case.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 14, EXTENT = 48, LIGHT = 4000 };
static const double NARROW = 1.15, WIDE = 3.2; /* px */

/* A core in wings: two Gaussians, integrated over the pixel. */
static double axis(double x, double sigma) {
    double s = M_SQRT1_2 / sigma;
    return 0.5 * (erf((x + 0.5) * s) - erf((x - 0.5) * s));
}

static double on_pixel(double x, double y, double wings) {
    return (1 - wings) * axis(x, NARROW) * axis(y, NARROW) + wings * axis(x, WIDE) * axis(y, WIDE);
}

static double true_fwhm(double wings) {
    double half = 0.5 * on_pixel(0, 0, wings), x = 0;
    while (on_pixel(x, 0, wings) > half)
        x += 1e-4;
    return 2 * x;
}

struct case_movie {
    float image[FRAMES][EXTENT * EXTENT], ground[EXTENT * EXTENT];
    struct atm_loc seeds[FRAMES][TRUTH_MAX];
    struct atm_refine_input inputs[FRAMES];
    ptrdiff_t emitters;
};
static struct case_movie movie; /* too large for the stack */

/* per_px emitters a pixel; seeds 0.3 px off; sigma_px of the Gaussian most like it. */
static void expose_movie(double wings, double per_px, double sigma_px) {
    struct atm_rng own;
    atm_rng_init(&own, 7, ATM_RNG_TEST, 12);
    movie.emitters = 0;
    for (int t = 0; t < FRAMES; t++) {
        static double mean[EXTENT * EXTENT];
        unsigned n = gsl_ran_poisson(&own.gsl, per_px * EXTENT * EXTENT);
        for (int i = 0; i < EXTENT * EXTENT; i++)
            mean[i] = 10, movie.ground[i] = 10;
        for (unsigned k = 0; k < n; k++) {
            double x = (EXTENT - 1) * atm_rng_uniform(&own),
                   y = (EXTENT - 1) * atm_rng_uniform(&own);
            double photons = LIGHT * exp(0.3 * gsl_ran_gaussian(&own.gsl, 1));
            for (int i = 0; i < EXTENT * EXTENT; i++)
                mean[i] += photons * on_pixel(i % EXTENT - x, i / EXTENT - y, wings);
            movie.seeds[t][k] = at(x + 0.3 * gsl_ran_gaussian(&own.gsl, 1),
                                   y + 0.3 * gsl_ran_gaussian(&own.gsl, 1), photons);
        }
        for (int i = 0; i < EXTENT * EXTENT; i++)
            movie.image[t][i] = (float)gsl_ran_poisson(&own.gsl, mean[i]);
        movie.emitters += n;
        movie.inputs[t] = (struct atm_refine_input){.image = movie.image[t],
                                                    .background = movie.ground,
                                                    .sigma_px = sigma_px,
                                                    .noise = {1, 0, 0},
                                                    .seeds = movie.seeds[t],
                                                    .seed_count = n,
                                                    .frame = t};
    }
}

static struct atm_psf_learned learn(ptrdiff_t frames, enum atm_psf_wish wish) {
    struct atm_psf_learned learned;
    struct atm_refine_options options = defaults();
    struct atm_err err = {0};
    enum atm_status status =
        atm_psf_learn(&options, EXTENT, EXTENT, movie.inputs, frames, wish, &learned, &err);
    if (status)
        fail_msg("%s", err.text);
    return learned;
}

/* The noise of a sample: as many photons as fall on the quarter pixel about it tell it, of 150
 * emitters 12000 at the peak, so to 0.9 %; 4 standard deviations are 3.6 % of the peak, and a
 * tenth of that on average. */
static void wings_are_recovered(void **state) {
    (void)state;
    const double wings = 0.3, peak = on_pixel(0, 0, wings), fwhm = true_fwhm(wings);
    expose_movie(wings, 0.004, 1.45);
    assert_true(movie.emitters > 100);
    struct atm_psf_learned learned = learn(FRAMES, ATM_PSF_ANYWAY);
    const struct atm_psf_image *image = &learned.image;
    double mass = 0, square = 0, most = 0, q = (double)image->oversampling;
    ptrdiff_t n = image->size * image->size, middle = image->size / 2;
    for (ptrdiff_t i = 0; i < n; i++)
        mass += on_pixel((double)(i % image->size - middle) / q,
                         (double)(i / image->size - middle) / q, wings) /
                (q * q);
    for (ptrdiff_t i = 0; i < n; i++) {
        double truth = on_pixel((double)(i % image->size - middle) / q,
                                (double)(i / image->size - middle) / q, wings) /
                       mass;
        double d = fabs((double)image->samples[i] - truth);
        square += d * d, most = fmax(most, d);
    }
    assert_true(mass > 0.95); /* the window reaches as far as the wings */
    assert_true(most < 0.036 * peak);
    assert_true(sqrt(square / (double)n) < 0.0036 * peak);
    assert_near(learned.measures.fwhm_x, fwhm, 0.02 * fwhm);
    assert_near(learned.measures.fwhm_y, fwhm, 0.02 * fwhm);
    assert_near(learned.measures.x, 0, 0.01); /* the convention */
    assert_near(learned.measures.y, 0, 0.01);
    assert_true(atm_psf_learned_better(&learned));
    assert_true(learned.emitters > 0.9 * (double)movie.emitters);
    atm_psf_learned_free(&learned);
}

static void gaussians_stay_gaussians(void **state) {
    (void)state;
    expose_movie(0, 0.006, NARROW);
    struct atm_psf_learned learned = learn(FRAMES, ATM_PSF_ANYWAY);
    double fwhm = true_fwhm(0);
    assert_near(learned.measures.fwhm_x, fwhm, 0.02 * fwhm);
    assert_near(learned.measures.sigma_px, NARROW, 0.02 * NARROW);
    assert_false(atm_psf_learned_better(&learned));
    atm_psf_learned_free(&learned);
    learned = learn(FRAMES, ATM_PSF_IF_BETTER); /* seen at once */
    assert_false(atm_psf_learned_better(&learned));
    assert_null(learned.image.samples);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    expose_movie(0.3, 0.004, 1.45);
    omp_set_num_threads(1);
    struct atm_psf_learned one = learn(10, ATM_PSF_ANYWAY);
    omp_set_num_threads(2);
    struct atm_psf_learned two = learn(10, ATM_PSF_IF_BETTER);
    assert_int_equal(one.image.size, two.image.size);
    assert_memory_equal(one.image.samples, two.image.samples,
                        (size_t)(one.image.size * one.image.size) * sizeof(float));
    assert_true(one.saved == two.saved && one.saved_error == two.saved_error);
    atm_psf_learned_free(&one);
    atm_psf_learned_free(&two);
}

/* Without noise, overlapping emitters: the solution is the PSF, as far as a spline can be it (the
 * fourth power of the samples' distance over the width: 1e-3 of the peak). */
static void least_squares_are_exact(void **state) {
    (void)state;
    const struct atm_loc rows[] = {at(11.3, 12.8, 500), at(14.1, 12.2, 900), at(12.85, 16.4, 700),
                                   at(20.2, 9.65, 800), at(8.5, 19.1, 650),  at(17.7, 18.35, 750)};
    enum { COUNT = sizeof rows / sizeof *rows };
    static float rest[SIDE * SIDE], weight[SIDE * SIDE];
    struct atm_psf_image prior, psf;
    struct atm_err err = {0};
    assert_int_equal(atm_psf_image_create(11, 2, &psf, &err), ATM_OK);
    assert_int_equal(atm_psf_image_create(11, 2, &prior, &err), ATM_OK);
    atm_psf_image_gaussian(&psf, 1.3);
    for (int i = 0; i < SIDE * SIDE; i++) {
        weight[i] = i % 37 ? 1e4F : 0;  /* some pixels say nothing */
        rest[i] = i % 37 ? 3.5F : 1e9F; /* a constant is the background's */
        for (int k = 0; k < COUNT; k++) {
            double x = i % SIDE - rows[k].x, y = i / SIDE - rows[k].y;
            rest[i] +=
                (float)(rows[k].photons * (on_pixel(x, y, 0.2) - axis(x, 1.3) * axis(y, 1.3)));
        }
    }
    const struct atm_psf_frame frame_of = {rest, weight, rows, COUNT};
    const struct atm_psf_problem problem = {&frame_of, 1, SIDE, SIDE, 0.05, 2, 1};
    assert_int_equal(atm_psf_solve(&problem, &psf, &err), ATM_OK);
    double peak = on_pixel(0, 0, 0.2);
    for (ptrdiff_t i = 0; i < psf.size * psf.size; i++) {
        double x = (double)(i % psf.size - psf.size / 2) / 2;
        double y = (double)(i / psf.size - psf.size / 2) / 2;
        if (hypot(x, y) < 4)
            assert_near((double)psf.samples[i], on_pixel(x, y, 0.2), 0.01 * peak);
    }
    atm_psf_image_free(&psf);
    atm_psf_image_free(&prior);
}

static void files_hold_what_is_written(void **state) {
    (void)state;
    char folder[] = "/tmp/atm_psf_XXXXXX", path[64];
    struct atm_psf_image image, back;
    struct atm_err err = {0};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(atm_psf_image_create(3, 4, &image, &err), ATM_OK);
    atm_psf_image_gaussian(&image, 0.9);
    const char *const names[] = {"psf.tif", "psf.h5"};
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[k]);
        assert_int_equal(atm_psf_write(path, &image, 107, "who made it", &err), ATM_OK);
        assert_int_equal(atm_psf_read_image(path, &back, &err), ATM_OK);
        assert_int_equal(back.size, image.size);
        assert_int_equal(back.oversampling, 4);
        assert_memory_equal(back.samples, image.samples,
                            (size_t)(image.size * image.size) * sizeof(float));
        atm_psf_image_free(&back);
        unlink(path);
    }
    image.oversampling = 0;
    snprintf(path, sizeof path, "%s/psf.tif", folder);
    assert_int_equal(atm_psf_write(path, &image, NAN, NULL, &err), ATM_OK);
    assert_int_equal(atm_psf_read_image(path, &back, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "psf_oversampling=N"));
    unlink(path), rmdir(folder);
    assert_int_equal(atm_psf_check_name("psf.png", &err), ATM_USAGE);
    assert_int_equal(atm_psf_check_name("psf.ome.tif", &err), ATM_USAGE);
    atm_psf_image_free(&image);
}

static void resampling_moves_and_refines(void **state) {
    (void)state;
    struct atm_psf_image coarse, fine;
    struct atm_psf_measures measures;
    struct atm_err err = {0};
    assert_int_equal(atm_psf_image_create(9, 2, &coarse, &err), ATM_OK);
    atm_psf_image_gaussian(&coarse, 1.3);
    const struct atm_psf_resampling how = {0.21, -0.385, 7, 4};
    assert_int_equal(atm_psf_image_resample(&coarse, &how, &fine, &err), ATM_OK);
    assert_int_equal(atm_psf_image_measure(&fine, &measures, &err), ATM_OK);
    assert_near(measures.x, -0.21, 2e-3);
    assert_near(measures.y, 0.385, 2e-3);
    double fwhm = 2 * sqrt(2 * M_LN2) * sqrt(1.3 * 1.3 + 1.0 / 12);
    assert_near(measures.fwhm_x, fwhm, 0.01 * fwhm);
    assert_near(atm_psf_image_beyond(&coarse, 1e-9), 1 - (double)coarse.samples[18 * 37 + 18] / 4,
                1e-6);
    assert_near(atm_psf_image_beyond(&coarse, 8), 0, 1e-6);
    atm_psf_image_free(&coarse);
    atm_psf_image_free(&fine);
}

static void too_little_is_said(void **state) {
    (void)state;
    struct atm_psf_learned learned;
    struct atm_refine_options options = defaults();
    struct atm_err err = {0};
    expose_movie(0, 0.0005, NARROW);
    assert_int_equal(atm_psf_learn(&options, EXTENT, EXTENT, movie.inputs, 1, ATM_PSF_ANYWAY, &learned,
                                   &err),
                     ATM_FAIL);
    assert_non_null(strstr(err.text, "two frames"));
    assert_int_equal(atm_psf_learn(&options, EXTENT, EXTENT, movie.inputs, FRAMES,
                                   ATM_PSF_ANYWAY, &learned, &err),
                     ATM_FAIL);
    assert_non_null(strstr(err.text, "at least 30 are needed"));
    assert_null(learned.image.samples);
    learned = learn(FRAMES, ATM_PSF_IF_BETTER);
    assert_null(learned.image.samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wings_are_recovered),
        cmocka_unit_test(gaussians_stay_gaussians),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(least_squares_are_exact),
        cmocka_unit_test(files_hold_what_is_written),
        cmocka_unit_test(resampling_moves_and_refines),
        cmocka_unit_test(too_little_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
