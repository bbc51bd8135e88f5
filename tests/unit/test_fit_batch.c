/* Single fits in vector lanes: against the joint fit in double precision, across instruction sets,
 * threads and neighbours, and on windows that nobody hopes for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "joint_fit.h"
#include "psf_spline.h"
#include "spots_case.h"
#include <gsl/gsl_errno.h>
#include <omp.h>
#include <string.h>

/* cmocka compares in float */
#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

enum { OVERSAMPLING = 4, SAMPLES = 57, SIDE_MAX = ATM_BATCH_WINDOW_MAX };
static const double SIGMA = 1.2;
static struct atm_spline *spline;

static const struct spots_camera poisson = {"poisson", 1, 0, false, ATM_LIKELIHOOD_POISSON};
static const struct spots_camera noisy = {"scmos", 1, 1.6, true, ATM_LIKELIHOOD_POISSON};

static int group_setup(void **state) {
    (void)state;
    gsl_set_error_handler_off(); /* as main does */
    static float samples[SAMPLES * SAMPLES];
    for (int i = 0; i < SAMPLES * SAMPLES; i++)
        samples[i] =
            (float)(spots_on_pixel((i % SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING, 0, SIGMA) *
                    spots_on_pixel((i / SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING, 0, SIGMA));
    return atm_spline_create(samples, SAMPLES, OVERSAMPLING, &spline, NULL);
}

static int group_teardown(void **state) {
    (void)state;
    atm_spline_destroy(&spline);
    return 0;
}

static struct atm_psf psf_of(int kind) {
    return (struct atm_psf){&atm_psf_kinds[kind], SIGMA, kind == ATM_PSF_SPLINE ? spline : NULL};
}

/* ---- against double precision ---- */

static struct atm_batch_fit reference(const struct atm_batch_job *job, ptrdiff_t index,
                                      struct atm_fit *fit) {
    const struct atm_fit_problem problem = spots_problem(job, index);
    double middle = 0.5 * (double)(job->window - 1), background[3] = {10}, diagonal[6], scratch[6];
    struct atm_spot spot = {middle, middle, 800, 0, 0};
    assert_int_equal(atm_fit_run(fit, &problem, &spot, 1, background, NULL), ATM_OK);
    atm_envelope_inverse_diagonal(&fit->factor, diagonal, scratch);
    struct atm_batch_fit out = {.value = {(float)spot.x, (float)spot.y, (float)spot.amplitude,
                                          (float)spot.sx, (float)spot.sy, (float)background[0]},
                                .deviance = (float)fit->deviance};
    for (int k = 0; k < fit->parameters; k++)
        out.unc[k] = (float)sqrt(diagonal[k]);
    if (job->psf->kind->widths == 1)
        out.unc[ATM_SPOT_SY] = out.unc[ATM_SPOT_SX];
    out.unc[ATM_BATCH_BACKGROUND] = (float)sqrt(diagonal[fit->parameters]);
    return out;
}

static void compare(const struct atm_batch_job *job, const struct atm_batch_fit *fits,
                    struct atm_fit *fit) {
    bool squares = job->likelihood == ATM_LIKELIHOOD_LEAST_SQUARES; /* its bound: another test */
    for (ptrdiff_t i = 0; i < job->count; i++) {
        struct atm_batch_fit ref = reference(job, i, fit);
        assert_true(!(fits[i].flags & (ATM_BATCH_NOT_CONVERGED | ATM_BATCH_AT_BOUND)));
        for (int k = 0; k < ATM_BATCH_VALUES; k++) {
            double unc = (double)fits[i].unc[k];
            assert_near(fits[i].value[k], ref.value[k], 0.02 * unc + 1e-6);
            if (!squares)
                assert_near(unc, ref.unc[k], 3e-3 * unc);
        }
        if (!squares) /* there it is in units of the window's mean count */
            assert_near(fits[i].deviance, ref.deviance, 0.01 + 1e-4 * (double)ref.deviance);
    }
}

static void fits_agree_with_the_joint_fit(void **state) {
    (void)state;
    const struct spots_truth truth = {1500, 12, SIGMA, 1};
    struct atm_rng rng;
    struct atm_fit fit = {0};
    struct spots s;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 1);
    for (ptrdiff_t window = 7; window <= 15; window += 4) {
        assert_true(spots_create(&s, 100, window));
        spots_fill(&s, &truth, &noisy, &rng);
        for (ptrdiff_t i = 0; i < s.count; i += 3) /* a hole beside the peak */
            s.counts[i * window * window + 7 + window] = i % 2 ? NAN : INFINITY;
        for (int kind = 0; kind < ATM_PSF_KINDS; kind++)
            for (int likelihood = 0; likelihood < ATM_LIKELIHOOD_COUNT; likelihood++) {
                struct atm_psf psf = psf_of(kind);
                struct atm_batch_job job = spots_job(&s, &psf, likelihood);
                for (int set = 0; atm_batch_set(set); set++) {
                    atm_batch_run_on(set, &job, s.fits);
                    compare(&job, s.fits, &fit);
                    for (ptrdiff_t i = 0; i < s.count; i++)
                        assert_true(!(s.fits[i].flags & ATM_BATCH_MASKED) == (i % 3 != 0));
                }
            }
        spots_free(&s);
    }
    atm_fit_free(&fit);
}

static void noise_free_fits_return_the_truth(void **state) {
    (void)state;
    struct spots s;
    assert_true(spots_create(&s, 20, 11));
    for (int kind = 0; kind < ATM_PSF_KINDS; kind++) {
        struct atm_psf psf = psf_of(kind);
        struct spots_truth truth = {2000, 12, SIGMA, 1};
        if (psf.kind->widths)
            truth.sigma = 1.3, truth.ratio = psf.kind->widths == 2 ? 1.1 : 1;
        spots_fill(&s, &truth, &poisson, NULL);
        struct atm_batch_job job = spots_job(&s, &psf, ATM_LIKELIHOOD_POISSON);
        atm_batch_run(&job, s.fits);
        double reach = kind == ATM_PSF_SPLINE ? 1e-4 : 2e-5; /* samples follow their Gaussian */
        for (int k = 0; k < 2; k++)
            assert_near(s.fits[0].value[k], s.places[k], reach);
        assert_near(s.fits[0].value[ATM_SPOT_AMPLITUDE], 2000, 0.2);
        if (psf.kind->widths)
            assert_near(s.fits[0].value[ATM_SPOT_SY], truth.sigma * truth.ratio, 1e-4);
    }
    spots_free(&s);
}

/* ---- repeatable, whatever lies beside ---- */

static void bytes_do_not_depend_on_threads_or_neighbours(void **state) {
    (void)state;
    enum { FITS = 3000, WINDOW = 7 };
    const struct spots_truth truth = {400, 5, SIGMA, 1};
    struct atm_rng rng;
    struct spots s;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 2);
    assert_true(spots_create(&s, FITS, WINDOW));
    spots_fill(&s, &truth, &noisy, &rng);
    struct atm_psf psf = psf_of(ATM_PSF_GAUSSIAN_ELLIPTIC);
    struct atm_batch_job job = spots_job(&s, &psf, ATM_LIKELIHOOD_POISSON);
    struct atm_batch_fit *two = atm_mem_alloc(FITS, sizeof *two), one;
    assert_non_null(two);
    omp_set_num_threads(1);
    atm_batch_run(&job, s.fits);
    omp_set_num_threads(2);
    atm_batch_run(&job, two);
    assert_memory_equal(two, s.fits, FITS * sizeof *two);
    for (ptrdiff_t i = 0; i < FITS; i += 97) { /* alone */
        struct atm_batch_job single = job;
        single.count = 1;
        single.counts += i * WINDOW * WINDOW, single.shift += i * WINDOW * WINDOW;
        atm_batch_run(&single, &one);
        assert_memory_equal(&one, &s.fits[i], sizeof one);
    }
    atm_mem_free(two);
    spots_free(&s);
}

static void hopeless_windows_yield_numbers(void **state) {
    (void)state;
    enum { KINDS = 8, WINDOW = 9, PIXELS = WINDOW * WINDOW };
    struct spots s;
    assert_true(spots_create(&s, KINDS * 5, WINDOW));
    for (ptrdiff_t i = 0; i < s.count * PIXELS; i++) {
        const float values[KINDS] = {NAN,    0,
                                     3e38F,  i % 5 ? 1e11F : -1e11F,
                                     -50,    i % 2 ? 0 : 9e11F,
                                     1e-30F, i % PIXELS == 40 ? 1e6F : INFINITY};
        s.counts[i] = values[i / PIXELS % KINDS];
    }
    for (int kind = 0; kind < ATM_PSF_KINDS; kind++)
        for (int likelihood = 0; likelihood < ATM_LIKELIHOOD_COUNT; likelihood++) {
            struct atm_psf psf = psf_of(kind);
            struct atm_batch_job job = spots_job(&s, &psf, likelihood);
            for (int set = 0; atm_batch_set(set); set++) {
                atm_batch_run_on(set, &job, s.fits);
                for (ptrdiff_t i = 0; i < s.count; i++) {
                    const struct atm_batch_fit *f = &s.fits[i];
                    for (int k = 0; k < ATM_BATCH_VALUES; k++)
                        assert_true(isfinite(f->value[k]) && isfinite(f->unc[k]));
                    assert_true(isfinite(f->deviance) && f->value[ATM_SPOT_AMPLITUDE] > 0 &&
                                f->value[ATM_BATCH_BACKGROUND] >= 0);
                }
            }
        }
    spots_free(&s);
}

/* ---- statistics ---- */

/* The deviance is what its expectation says, on average and in spread. */
static void goodness_of_fit_has_its_expectation(void **state) {
    (void)state;
    enum { FITS = 4000 };
    const struct spots_truth cells[] = {{600, 0.8, SIGMA, 1}, {2000, 30, SIGMA, 1}};
    struct atm_rng rng;
    struct spots s;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 3);
    assert_true(spots_create(&s, FITS, 9));
    for (int c = 0; c < 2; c++) {
        struct atm_psf psf = psf_of(ATM_PSF_GAUSSIAN);
        struct atm_batch_job job = spots_job(&s, &psf, ATM_LIKELIHOOD_POISSON);
        double sum = 0, square = 0;
        spots_fill(&s, &cells[c], &poisson, &rng);
        atm_batch_run(&job, s.fits);
        for (ptrdiff_t i = 0; i < FITS; i++) {
            double average, variance;
            atm_batch_expect(&job, i, &s.fits[i], &average, &variance);
            double z = ((double)s.fits[i].deviance - average) / sqrt(variance);
            sum += z / FITS, square += z * z / FITS;
        }
        assert_near(sum, 0, 4 / sqrt(FITS) + 0.05); /* parameters take about one each */
        assert_near(sqrt(square), 1, 4 / sqrt(2.0 * FITS) + 0.03);
    }
    spots_free(&s);
}

/* Uncertainties of least squares are those of its own estimate, not of the best. */
static void least_squares_knows_its_uncertainty(void **state) {
    (void)state;
    enum { FITS = 4000 };
    const struct spots_truth truth = {3000, 5, SIGMA, 1};
    struct atm_rng rng;
    struct spots s;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 4);
    assert_true(spots_create(&s, FITS, 9));
    spots_fill(&s, &truth, &poisson, &rng);
    struct atm_psf psf = psf_of(ATM_PSF_GAUSSIAN_ROUND);
    struct atm_batch_job job = spots_job(&s, &psf, ATM_LIKELIHOOD_LEAST_SQUARES);
    double square = 0;
    atm_batch_run(&job, s.fits);
    for (ptrdiff_t i = 0; i < FITS; i++)
        square +=
            pow((double)((s.fits[i].value[0] - s.places[2 * i]) / s.fits[i].unc[0]), 2) / FITS;
    assert_near(sqrt(square), 1, 4 / sqrt(2.0 * FITS) + 0.03);
    spots_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_agree_with_the_joint_fit),
        cmocka_unit_test(noise_free_fits_return_the_truth),
        cmocka_unit_test(bytes_do_not_depend_on_threads_or_neighbours),
        cmocka_unit_test(hopeless_windows_yield_numbers),
        cmocka_unit_test(goodness_of_fit_has_its_expectation),
        cmocka_unit_test(least_squares_knows_its_uncertainty),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
