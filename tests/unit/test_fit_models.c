/* PSF and likelihood models of the fits: derivatives, information, moments, and single fits against
 * GSL's integration and nonlinear least squares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "joint_fit.h"
#include "psf_spline.h"
#include "rng.h"
#include <gsl/gsl_blas.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* cmocka compares in float */
#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { SIDE = 15, PIXELS = SIDE * SIDE, MOST = ATM_SPOT_PARAMETERS + 3 };

/* ---- a PSF in samples: two Gaussians of different axes, integrated over the pixel ---- */

enum { OVERSAMPLING = 4, SAMPLES = 57 };

static double bell_on_pixel(double centre, double sigma) {
    double s = M_SQRT1_2 / sigma;
    return 0.5 * (erf((centre + 0.5) * s) - erf((centre - 0.5) * s));
}

static double learned(double dx, double dy) {
    return 0.7 * bell_on_pixel(dx, 1.2) * bell_on_pixel(dy, 1.0) +
           0.3 * bell_on_pixel(dx, 1.3) * bell_on_pixel(dy, 1.6);
}

static struct atm_spline *make_spline(void) {
    static float samples[SAMPLES * SAMPLES];
    struct atm_spline *spline;
    for (int i = 0; i < SAMPLES * SAMPLES; i++)
        samples[i] = (float)(37 * learned((i % SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING,
                                          (i / SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING));
    assert_int_equal(atm_spline_create(samples, SAMPLES, OVERSAMPLING, &spline, NULL), ATM_OK);
    return spline;
}

static struct atm_spline *spline;

static struct atm_psf psf_of(int kind, double sigma) {
    struct atm_psf psf = {&atm_psf_kinds[kind], sigma, NULL};
    if (kind == ATM_PSF_SPLINE)
        psf.spline = spline, psf.sigma_px = atm_spline_sigma(spline);
    return psf;
}

static int group_setup(void **state) {
    (void)state;
    spline = make_spline();
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    atm_spline_destroy(&spline);
    return 0;
}

/* ---- PSF ---- */

static double *parameter(struct atm_spot *spot, const struct atm_psf *psf, int which) {
    double *all[] = {&spot->x, &spot->y, &spot->amplitude, &spot->sx, &spot->sy};
    (void)psf;
    return all[which];
}

static void shift(struct atm_spot *spot, const struct atm_psf *psf, int which, double step) {
    *parameter(spot, psf, which) += step;
    if (which == ATM_SPOT_SX && psf->kind->widths == 1)
        spot->sy = spot->sx;
}

static void psfs_have_unit_mass_and_true_slopes(void **state) {
    (void)state;
    static double values[3][ATM_SPOT_PARAMETERS * 64 * 64];
    const double step = 1e-5;
    for (int kind = 0; kind < ATM_PSF_KINDS; kind++)
        for (double sigma = 0.7; sigma < 3; sigma += 0.385) {
            struct atm_psf psf = psf_of(kind, sigma);
            struct atm_spot spot = {20.385, 21.12, 1, 0.95 * sigma, 1.1 * sigma};
            if (psf.kind->widths == 1)
                spot.sy = spot.sx;
            struct atm_patch at, up, down;
            atm_psf_place(&psf, &spot, 43, 41, values[0], &at);
            double sum = 0;
            for (ptrdiff_t i = 0; i < at.ny * at.stride; i++)
                sum += at.plane[ATM_SPOT_AMPLITUDE][i];
            assert_near(sum, 1, 3e-5);
            for (int k = 0; k < atm_psf_parameters(&psf); k++) {
                if (k == ATM_SPOT_AMPLITUDE)
                    continue;
                struct atm_spot after = spot, before = spot;
                shift(&after, &psf, k, step), shift(&before, &psf, k, -step);
                atm_psf_place(&psf, &after, 43, 41, values[1], &up);
                atm_psf_place(&psf, &before, 43, 41, values[2], &down);
                for (ptrdiff_t i = 0; i < at.ny * at.stride; i++)
                    assert_near(
                        at.plane[k][i],
                        (up.plane[ATM_SPOT_AMPLITUDE][i] - down.plane[ATM_SPOT_AMPLITUDE][i]) /
                            (2 * step),
                        1e-8);
            }
        }
}

static void spline_follows_its_samples(void **state) {
    (void)state;
    static double values[3 * 64 * 64];
    struct atm_psf psf = psf_of(ATM_PSF_SPLINE, 0);
    struct atm_patch patch;
    assert_near(psf.sigma_px, 1.2, 0.1);
    for (double off = -0.5; off < 0.5; off += 0.0385) {
        struct atm_spot spot = {.x = 10 + off, .y = 11 - 0.7 * off};
        atm_psf_place(&psf, &spot, 30, 30, values, &patch);
        for (ptrdiff_t y = 0; y < patch.ny; y++)
            for (ptrdiff_t x = 0; x < patch.nx; x++)
                assert_near(
                    patch.plane[ATM_SPOT_AMPLITUDE][y * patch.stride + x],
                    learned((double)(patch.x0 + x) - spot.x, (double)(patch.y0 + y) - spot.y),
                    1e-4 * 0.1);
    }
    struct atm_err err = {0};
    struct atm_spline *none;
    float bad[9] = {1, 1, 1, 1, -9, 1, 1, 1, 1};
    assert_int_equal(atm_spline_create(bad, 3, 1, &none, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "do not add up to any light"));
    bad[4] = NAN;
    assert_int_equal(atm_spline_create(bad, 3, 1, &none, &err), ATM_FAIL);
    assert_int_equal(atm_spline_create(bad, 2, 1, &none, &err), ATM_FAIL);
    assert_null(none);
}

/* ---- likelihood ---- */

static void deviance_has_the_moments_it_claims(void **state) {
    (void)state;
    const double one = 1;
    for (double mu = 1e-3; mu < 400; mu *= 1.1385) {
        double sum = 0, square = 0, average = 0, variance = 0, unused[2];
        int most = (int)(mu + 12 * sqrt(mu) + 60);
        for (int y = 0; y <= most; y++) {
            double count = y, p = gsl_ran_poisson_pdf((unsigned)y, mu);
            struct atm_pixels pixel = {&count, &one, &one};
            double d =
                atm_likelihoods[ATM_LIKELIHOOD_POISSON].evaluate(pixel, &mu, 1, unused, unused + 1);
            sum += p * d, square += p * d * d;
        }
        atm_likelihoods[ATM_LIKELIHOOD_POISSON].expect(&one, &mu, 1, &average, &variance);
        assert_near(average, sum, 1e-3);
        assert_near(variance, square - sum * sum, 6e-3);
    }
}

/* ---- single fits ---- */

struct window {
    double counts[PIXELS], valid[PIXELS], variance[PIXELS], base[PIXELS], mean[PIXELS];
};

static struct atm_fit_problem problem_of(const struct window *w, const struct atm_psf *psf,
                                         int likelihood) {
    return (struct atm_fit_problem){
        .height = SIDE,
        .width = SIDE,
        .pixels = {w->counts, w->valid, w->variance},
        .base = w->base,
        .psf = psf,
        .likelihood = &atm_likelihoods[likelihood],
        .x_min = -0.5,
        .x_max = SIDE - 0.5,
        .y_min = -0.5,
        .y_max = SIDE - 0.5,
        .background_terms = 1,
        .tolerance = 1e-10,
        .max_iterations = 100,
    };
}

static void expect(struct window *w, const struct atm_psf *psf, const struct atm_spot *spot,
                   const double background[3]) {
    static double values[ATM_SPOT_PARAMETERS * 64 * 64];
    struct atm_patch patch;
    for (int i = 0; i < PIXELS; i++) {
        w->mean[i] = background[0] + background[1] * ((i % SIDE + 0.5) / SIDE - 0.5) +
                     background[2] * ((double)(i / SIDE) / SIDE + 0.5 / SIDE - 0.5);
        w->valid[i] = 1, w->base[i] = 0;
    }
    atm_psf_place(psf, spot, SIDE, SIDE, values, &patch);
    atm_fit_render(&patch, spot->amplitude, w->mean, SIDE);
    memcpy(w->counts, w->mean, sizeof w->counts);
    memcpy(w->variance, w->mean, sizeof w->variance);
}

/* Every PSF under every likelihood, noise-free, with a planar background. */
static void noise_free_fits_return_the_truth(void **state) {
    (void)state;
    static struct window w;
    struct atm_fit fit = {0};
    for (int kind = 0; kind < ATM_PSF_KINDS; kind++)
        for (int l = 0; l < ATM_LIKELIHOOD_COUNT; l++) {
            struct atm_psf psf = psf_of(kind, 1.2);
            struct atm_spot truth = {6.385, 7.6, 2000, 1.31, 1.09}, spot = {6.9, 7.2, 900, 0, 0};
            if (psf.kind->widths == 1)
                truth.sy = truth.sx;
            const double background[3] = {12, 4.385, -3};
            double fitted[3] = {8};
            expect(&w, &psf, &truth, background);
            struct atm_fit_problem problem = problem_of(&w, &psf, l);
            problem.background_terms = 3;
            assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, fitted, NULL), ATM_OK);
            assert_true(fit.converged && fit.determined);
            assert_near(spot.x, truth.x, 1e-5);
            assert_near(spot.y, truth.y, 1e-5);
            assert_near(spot.amplitude, truth.amplitude, 1e-2);
            if (psf.kind->widths)
                assert_true(fabs(spot.sx - truth.sx) < 1e-5 && fabs(spot.sy - truth.sy) < 1e-5);
            for (int t = 0; t < 3; t++)
                assert_near(fitted[t], background[t], 1e-3);
        }
    atm_fit_free(&fit);
}

/* ---- Fisher matrix against numerical integration ---- */

struct line {
    double centre, sigma;
    int what; /* 0 density, 1 derivative with respect to the centre, 2 to sigma */
};

static double density(double u, void *context) {
    const struct line *l = context;
    double z = (u - l->centre) / l->sigma, g = exp(-0.5 * z * z) / (l->sigma * sqrt(2 * M_PI));
    return l->what == 0 ? g : l->what == 1 ? g * z / l->sigma : g * (z * z - 1) / l->sigma;
}

static double integrate(gsl_integration_workspace *work, double centre, double sigma, int pixel,
                        int what) {
    struct line line = {centre, sigma, what};
    gsl_function f = {density, &line};
    double value = 0, error = 0;
    gsl_integration_qag(&f, pixel - 0.5, pixel + 0.5, 1e-13, 1e-12, 100, GSL_INTEG_GAUSS31, work,
                        &value, &error);
    return value;
}

/* Jacobian of the expectation with respect to x, y, amplitude, sx, sy, background. */
static void integrate_jacobian(const struct atm_spot *spot, double background,
                               double jacobian[PIXELS][6], double mean[PIXELS]) {
    gsl_integration_workspace *work = gsl_integration_workspace_alloc(100);
    double across[3][SIDE], down[3][SIDE];
    for (int what = 0; what < 3; what++)
        for (int i = 0; i < SIDE; i++) {
            across[what][i] = integrate(work, spot->x, spot->sx, i, what);
            down[what][i] = integrate(work, spot->y, spot->sy, i, what);
        }
    for (int i = 0; i < PIXELS; i++) {
        int x = i % SIDE, y = i / SIDE;
        double a = spot->amplitude, h = across[0][x] * down[0][y];
        const double row[6] = {a * across[1][x] * down[0][y], a * across[0][x] * down[1][y], h,
                               a * across[2][x] * down[0][y], a * across[0][x] * down[2][y], 1};
        memcpy(jacobian[i], row, sizeof row);
        mean[i] = a * h + background;
    }
    gsl_integration_workspace_free(work);
}

static void fisher_matches_numerical_integration(void **state) {
    (void)state;
    static double jacobian[PIXELS][6], mean[PIXELS];
    static struct window w;
    struct atm_fit fit = {0};
    struct atm_spot truth = {6.385, 7.12, 810, 1.62, 1.41};
    integrate_jacobian(&truth, 7.3, jacobian, mean);
    for (int i = 0; i < PIXELS; i++)
        w.counts[i] = mean[i], w.valid[i] = 1, w.base[i] = 0;
    struct atm_psf psf = psf_of(ATM_PSF_GAUSSIAN_ELLIPTIC, 1.5);
    struct atm_fit_problem problem = problem_of(&w, &psf, ATM_LIKELIHOOD_POISSON);
    problem.max_iterations = 0; /* at the truth */
    double background[3] = {7.3};
    assert_int_equal(atm_fit_run(&fit, &problem, &truth, 1, background, NULL), ATM_OK);
    double sum[6][6] = {{0}};
    for (int i = 0; i < PIXELS; i++)
        for (int p = 0; p < 6; p++)
            for (int q = 0; q < 6; q++)
                sum[p][q] += jacobian[i][p] * jacobian[i][q] / mean[i];
    for (int p = 0; p < 6; p++)
        for (int q = 0; q <= p; q++)
            assert_near(atm_envelope_row(&fit.information, p)[q], sum[p][q],
                        1e-6 * sqrt(sum[p][p] * sum[q][q]));
    atm_fit_free(&fit);
}

/* Mortensen et al. 2010, doi:10.1038/nmeth.1447, equation 5: maximum likelihood with background. */
static double mortensen_integrand(double t, void *context) {
    const double *tau = context;
    return t > 0 ? log(t) / (1 + t / *tau) : 0;
}

static double mortensen(double photons, double background, double sigma) {
    gsl_integration_workspace *work = gsl_integration_workspace_alloc(200);
    double wide = sigma * sigma + 1.0 / 12, tau = 2 * M_PI * wide * background / photons, value,
           error;
    gsl_function f = {mortensen_integrand, &tau};
    gsl_integration_qags(&f, 0, 1, 0, 1e-6, 200, work, &value, &error);
    gsl_integration_workspace_free(work);
    return sqrt(wide / photons / (1 + value));
}

static void bound_is_mortensens(void **state) {
    (void)state;
    static struct window w;
    struct atm_fit fit = {0};
    const double cells[][3] = {{500, 1, 1.1}, {1000, 20, 1.3}, {3000, 200, 1.2}, {20000, 5, 1.5}};
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
        struct atm_psf psf = psf_of(ATM_PSF_GAUSSIAN, cells[c][2]);
        double variance = 0, diagonal[4], scratch[4];
        for (int k = 0; k < 16; k++) { /* places within the pixel */
            struct atm_spot truth = {.x = 6.5 + (k % 4 + 0.5) / 4,
                                     .y = 6.5 + (k / 4 + 0.5) / 4,
                                     .amplitude = cells[c][0]};
            double background[3] = {cells[c][1]};
            expect(&w, &psf, &truth, background);
            struct atm_fit_problem problem = problem_of(&w, &psf, ATM_LIKELIHOOD_POISSON);
            problem.max_iterations = 0;
            assert_int_equal(atm_fit_run(&fit, &problem, &truth, 1, background, NULL), ATM_OK);
            atm_envelope_inverse_diagonal(&fit.factor, diagonal, scratch);
            variance += diagonal[0] / 16;
        }
        double formula = mortensen(cells[c][0], cells[c][1], cells[c][2]);
        assert_near(sqrt(variance) / formula, 1, 0.05);
    }
    atm_fit_free(&fit);
}

/* ---- least squares against GSL ---- */

struct gsl_case {
    const struct window *w;
    const struct atm_psf *psf;
};

static struct atm_spot spot_of(const gsl_vector *v, const struct atm_psf *psf) {
    int n = atm_psf_parameters(psf);
    struct atm_spot spot = {gsl_vector_get(v, 0), gsl_vector_get(v, 1), gsl_vector_get(v, 2), 0, 0};
    spot.sx = n > 3 ? gsl_vector_get(v, 3) : psf->sigma_px;
    spot.sy = n > 4 ? gsl_vector_get(v, 4) : spot.sx;
    return spot;
}

static int residuals(const gsl_vector *v, void *context, gsl_vector *out) {
    const struct gsl_case *c = context;
    static struct window model;
    struct atm_spot spot = spot_of(v, c->psf);
    const double background[3] = {gsl_vector_get(v, (size_t)atm_psf_parameters(c->psf))};
    expect(&model, c->psf, &spot, background);
    for (size_t i = 0; i < PIXELS; i++)
        gsl_vector_set(out, i, (model.mean[i] - c->w->counts[i]) / sqrt(c->w->variance[i]));
    return GSL_SUCCESS;
}

static void least_squares_agrees_with_gsl(void **state) {
    (void)state;
    static struct window w;
    struct atm_rng rng;
    struct atm_fit fit = {0};
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 9);
    for (int kind = 0; kind < ATM_PSF_KINDS; kind++) {
        struct atm_psf psf = psf_of(kind, 1.2);
        struct atm_spot truth = {7.385, 6.6, 1500, 1.3, 1.3}, spot = {7, 7, 1000, 0, 0};
        const double background[3] = {10};
        double fitted[3] = {8};
        expect(&w, &psf, &truth, background);
        for (int i = 0; i < PIXELS; i++)
            w.counts[i] = gsl_ran_poisson(&rng.gsl, w.mean[i]);
        struct atm_fit_problem problem = problem_of(&w, &psf, ATM_LIKELIHOOD_LEAST_SQUARES);
        assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, fitted, NULL), ATM_OK);
        size_t n = (size_t)atm_psf_parameters(&psf) + 1;
        double start[MOST] = {7.2, 6.8, 1300, 1.2, 1.2};
        start[n - 1] = 9;
        struct gsl_case one = {&w, &psf};
        gsl_multifit_nlinear_fdf f = {.f = residuals, .n = PIXELS, .p = n, .params = &one};
        gsl_multifit_nlinear_parameters options = gsl_multifit_nlinear_default_parameters();
        gsl_multifit_nlinear_workspace *work =
            gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &options, PIXELS, n);
        gsl_vector_view x = gsl_vector_view_array(start, n);
        int info;
        gsl_multifit_nlinear_init(&x.vector, &f, work);
        gsl_multifit_nlinear_driver(100, 1e-10, 1e-10, 0, NULL, NULL, &info, work);
        const gsl_vector *best = gsl_multifit_nlinear_position(work);
        struct atm_spot reference = spot_of(best, &psf);
        gsl_matrix *covariance = gsl_matrix_alloc(n, n);
        gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(work), 0, covariance);
        double diagonal[MOST], scratch[MOST];
        atm_envelope_inverse_diagonal(&fit.factor, diagonal, scratch);
        for (int k = 0; k < atm_psf_parameters(&psf); k++) {
            double sd = sqrt(gsl_matrix_get(covariance, (size_t)k, (size_t)k));
            assert_near(*parameter(&spot, &psf, k), *parameter(&reference, &psf, k), 1e-4 * sd);
            assert_near(sqrt(diagonal[k]) / sd, 1, 1e-3);
        }
        gsl_matrix_free(covariance);
        gsl_multifit_nlinear_free(work);
    }
    atm_fit_free(&fit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(psfs_have_unit_mass_and_true_slopes),
        cmocka_unit_test(spline_follows_its_samples),
        cmocka_unit_test(deviance_has_the_moments_it_claims),
        cmocka_unit_test(noise_free_fits_return_the_truth),
        cmocka_unit_test(fisher_matches_numerical_integration),
        cmocka_unit_test(bound_is_mortensens),
        cmocka_unit_test(least_squares_agrees_with_gsl),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
