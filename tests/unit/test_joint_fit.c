/* The joint fit under the refinement: PSF, normal matrix, likelihoods, accuracy and precision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "joint_fit.h"
#include "mem.h"
#include "rng.h"
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* cmocka compares in float */
#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { SIDE = 15, PIXELS = SIDE * SIDE, GROUP = 60, FIELD = 30 };

struct scene {
    double counts[PIXELS], valid[PIXELS], variance[PIXELS], base[PIXELS], mean[PIXELS];
};

static struct atm_psf psf;

static struct atm_spot spot_at(double x, double y, double amplitude) {
    return (struct atm_spot){.x = x, .y = y, .amplitude = amplitude};
}

static struct atm_fit_problem problem_of(const struct scene *scene, double sigma) {
    psf = (struct atm_psf){&atm_psf_kinds[ATM_PSF_GAUSSIAN], sigma, NULL};
    return (struct atm_fit_problem){
        .height = SIDE,
        .width = SIDE,
        .pixels = {scene->counts, scene->valid, scene->variance},
        .base = scene->base,
        .psf = &psf,
        .likelihood = &atm_likelihoods[ATM_LIKELIHOOD_POISSON],
        .x_min = -0.5,
        .x_max = SIDE - 0.5,
        .y_min = -0.5,
        .y_max = SIDE - 0.5,
        .background_terms = 1,
        .background_min = 0,
        .tolerance = 1e-9,
        .max_iterations = 100,
    };
}

/* The plain version: four error functions a pixel, no support. */
static void render_ref(struct scene *scene, const struct atm_spot *spots, int count,
                       double background, double sigma) {
    double s = 1 / (sqrt(2) * sigma);
    for (int i = 0; i < PIXELS; i++) {
        double x = i % SIDE, y = i / SIDE;
        scene->mean[i] = background;
        for (int k = 0; k < count; k++)
            scene->mean[i] += 0.25 * spots[k].amplitude *
                              (erf((x + 0.5 - spots[k].x) * s) - erf((x - 0.5 - spots[k].x) * s)) *
                              (erf((y + 0.5 - spots[k].y) * s) - erf((y - 0.5 - spots[k].y) * s));
        scene->counts[i] = scene->variance[i] = scene->mean[i];
        scene->valid[i] = 1;
        scene->base[i] = 0;
    }
}

static void draw(struct scene *scene, struct atm_rng *rng) {
    for (int i = 0; i < PIXELS; i++)
        scene->counts[i] = gsl_ran_poisson(&rng->gsl, scene->mean[i]);
}

/* A well-conditioned matrix whose envelope is ragged, or that of spots with three parameters and
 * two terms of a background. */
static void fill_matrix(struct atm_envelope *m, struct atm_envelope *factor, ptrdiff_t n,
                        bool threes, double dense[20][20]) {
    struct atm_err err = {0};
    assert_int_equal(atm_envelope_resize(m, n, &err), ATM_OK);
    assert_int_equal(atm_envelope_resize(factor, n, &err), ATM_OK);
    for (ptrdiff_t i = 0; i < n; i++)
        m->first[i] = factor->first[i] = i == n - 1 || (threes && i == n - 2) ? 0
                                         : threes ? i / 3 * (i / 3) / 3 % (i / 3 + 1) * 3
                                                  : (i * i / 3) % (i + 1);
    assert_int_equal(atm_envelope_layout(m, &err), ATM_OK);
    assert_int_equal(atm_envelope_layout(factor, &err), ATM_OK);
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = m->first[i]; j <= i; j++) {
            double v = i == j ? 3.385 + (double)i : cos(1.7 * (double)(i + 2 * j));
            atm_envelope_row(m, i)[j] = dense[i][j] = dense[j][i] = v;
        }
}

static void check_envelope(bool threes) {
    enum { N = 17 };
    struct atm_envelope m = {0}, factor = {0};
    double dense[20][20] = {{0}}, x[N], b[N], diagonal[N], scratch[N];
    fill_matrix(&m, &factor, N, threes, dense);
    assert_true(atm_envelope_factor(&m, 0, &factor));
    for (int i = 0; i < N; i++)
        b[i] = sin(2.385 * i);
    memcpy(x, b, sizeof x);
    atm_envelope_solve(&factor, x);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++)
            sum += dense[i][j] * x[j];
        assert_near(sum, b[i], 1e-12);
    }
    atm_envelope_inverse_diagonal(&factor, diagonal, scratch);
    for (int i = 0; i < N; i++) {
        double unit[N] = {0};
        unit[i] = 1;
        atm_envelope_solve(&factor, unit);
        assert_near(diagonal[i], unit[i], 1e-12);
    }
    atm_envelope_row(&m, 3)[3] = -1;
    assert_false(atm_envelope_factor(&m, 0, &factor));
    atm_envelope_free(&m);
    atm_envelope_free(&factor);
}

static void envelope_solves_and_inverts(void **state) {
    (void)state;
    check_envelope(false);
    check_envelope(true);
}

static void likelihoods_have_true_derivatives(void **state) {
    (void)state;
    const double counts[] = {0, 3, 17.5, 240, -1.385}, valid[] = {1, 1, 1, 1, 1},
                 variance[] = {2, 3, 5, 200, 2};
    double residual, weight, unused[2], step = 1e-5;
    for (int kind = 0; kind < ATM_LIKELIHOOD_COUNT; kind++)
        for (int i = 0; i < 5; i++) {
            struct atm_pixels one = {counts + i, valid + i, variance + i};
            double mean = 2.385 + fmax(counts[i], 0) * 1.1, up = mean + step, down = mean - step;
            atm_likelihoods[kind].evaluate(one, &mean, 1, &residual, &weight);
            double slope = (atm_likelihoods[kind].evaluate(one, &up, 1, unused, unused + 1) -
                            atm_likelihoods[kind].evaluate(one, &down, 1, unused, unused + 1)) /
                           (2 * step);
            assert_near(residual, -0.5 * slope, 1e-6);
            assert_true(weight > 0);
        }
}

/* The penalty is a density: its slope is what the fit is told, and exp(-penalty / 2) has the area
 * of the main part's bell. */
static void brightness_has_true_slopes_and_unit_area(void **state) {
    (void)state;
    const struct atm_brightness b = {log(2385), 0.3, 0.2}, unknown = {0, 0, 0};
    double pull, stiffness, unused[2], step = 1e-5, area = 0;
    for (double v = b.log_mean - 14; v < b.log_mean + 4; v += 0.01) {
        double value = atm_brightness_penalty(&b, v, &pull, &stiffness);
        double slope = (atm_brightness_penalty(&b, v + step, unused, unused + 1) -
                        atm_brightness_penalty(&b, v - step, unused, unused + 1)) /
                       (2 * step);
        assert_near(pull, -0.5 * slope, 1e-6);
        assert_true(stiffness >= 0);
        area += 0.01 * exp(-0.5 * value);
    }
    assert_near(area, 0.3 * sqrt(2 * M_PI), 1e-6);
    assert_near(atm_brightness_penalty(&unknown, 5, &pull, &stiffness), 0, 0);
    assert_true(isfinite(atm_brightness_penalty(&b, -200, &pull, &stiffness)));
}

/* Fisher matrix from central differences of the plain rendering: sum of dm_a dm_b / m. */
static void fisher_matches_numerical(void **state) {
    (void)state;
    static struct scene scene, up, down;
    const double sigma = 1.2385, background = 7.3;
    struct atm_spot spots[2] = {spot_at(6.2, 5.1, 810), spot_at(7.9, 7.6, 450)};
    render_ref(&scene, spots, 2, background, sigma);
    static double slopes[7][PIXELS];
    for (int p = 0; p < 7; p++) {
        struct atm_spot a[2], b[2];
        memcpy(a, spots, sizeof a);
        memcpy(b, spots, sizeof b);
        double step = p % 3 == 2 || p == 6 ? 1e-2 : 1e-4;
        if (p < 6) {
            ((double *)&a[p / 3])[p % 3] += step;
            ((double *)&b[p / 3])[p % 3] -= step;
        }
        render_ref(&up, a, 2, background + (p == 6 ? step : 0), sigma);
        render_ref(&down, b, 2, background - (p == 6 ? step : 0), sigma);
        for (int i = 0; i < PIXELS; i++)
            slopes[p][i] = (up.mean[i] - down.mean[i]) / (2 * step);
    }
    struct atm_fit fit = {0};
    struct atm_fit_problem problem = problem_of(&scene, sigma);
    double fitted[3] = {background};
    assert_int_equal(atm_fit_run(&fit, &problem, spots, 2, fitted, NULL), ATM_OK);
    for (int p = 0; p < 7; p++)
        for (int q = 0; q <= p; q++) {
            double sum = 0, norm_p = 0, norm_q = 0;
            for (int i = 0; i < PIXELS; i++) {
                sum += slopes[p][i] * slopes[q][i] / scene.mean[i];
                norm_p += slopes[p][i] * slopes[p][i] / scene.mean[i];
                norm_q += slopes[q][i] * slopes[q][i] / scene.mean[i];
            }
            double entry = atm_envelope_row(&fit.information, p)[q];
            assert_near(entry, sum, 1e-5 * sqrt(norm_p * norm_q));
        }
    atm_fit_free(&fit);
}

static void noise_free_fit_returns_the_truth(void **state) {
    (void)state;
    static struct scene scene;
    const struct atm_spot truth[3] = {spot_at(4.385, 3.12, 2000), spot_at(6.9, 4.7, 1500),
                                      spot_at(14.3, 13.1, 900)};
    struct atm_fit fit = {0};
    for (int kind = 0; kind < ATM_LIKELIHOOD_COUNT; kind++) {
        render_ref(&scene, truth, 3, 12, 1.09);
        struct atm_fit_problem problem = problem_of(&scene, 1.09);
        problem.likelihood = &atm_likelihoods[kind];
        struct atm_spot spots[3] = {spot_at(5, 2.6, 1000), spot_at(7.2, 5.3, 1000),
                                    spot_at(13.7, 13.4, 500)};
        double background[3] = {5};
        assert_int_equal(atm_fit_run(&fit, &problem, spots, 3, background, NULL), ATM_OK);
        assert_true(fit.converged);
        for (int i = 0; i < 3; i++) {
            assert_near(spots[i].x, truth[i].x, 1e-4);
            assert_near(spots[i].y, truth[i].y, 1e-4);
            assert_near(spots[i].amplitude, truth[i].amplitude, 0.3);
        }
        assert_near(background[0], 12, 1e-3);
    }
    atm_fit_free(&fit);
}

/* All of a group of many at once: each overlaps with its neighbours, no two are alike. */
static void group_of(struct atm_spot *spots) {
    for (int i = 0; i < GROUP; i++)
        spots[i] = spot_at(3 + 2.6 * (i % 10) + 0.3 * sin(3.385 * i),
                           5 + 3.7 * (double)(i / 10) + 0.3 * cos(5.1 * i), 900 + 20 * (i % 7));
}

static void render_group(const struct atm_spot *spots, double sigma, double background,
                         double *mean) {
    double s = 1 / (sqrt(2) * sigma);
    for (int i = 0; i < FIELD * FIELD; i++) {
        double x = i % FIELD, y = (double)(i / FIELD);
        mean[i] = background;
        for (int k = 0; k < GROUP; k++)
            mean[i] += 0.25 * spots[k].amplitude *
                       (erf((x + 0.5 - spots[k].x) * s) - erf((x - 0.5 - spots[k].x) * s)) *
                       (erf((y + 0.5 - spots[k].y) * s) - erf((y - 0.5 - spots[k].y) * s));
    }
}

/* Variances of the dense inverse, by GSL. */
static void expect_dense_inverse(const struct atm_fit *fit) {
    const ptrdiff_t n = fit->size;
    static double diagonal[3 * GROUP + 1], scratch[3 * GROUP + 1];
    gsl_matrix *dense = gsl_matrix_calloc((size_t)n, (size_t)n);
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = fit->information.first[i]; j <= i; j++) {
            double v = atm_envelope_row(&fit->information, i)[j];
            gsl_matrix_set(dense, (size_t)i, (size_t)j, v);
            gsl_matrix_set(dense, (size_t)j, (size_t)i, v);
        }
    assert_int_equal(gsl_linalg_cholesky_decomp1(dense), 0);
    assert_int_equal(gsl_linalg_cholesky_invert(dense), 0);
    atm_envelope_inverse_diagonal(&fit->factor, diagonal, scratch);
    for (ptrdiff_t i = 0; i < n; i++)
        assert_near(diagonal[i] / gsl_matrix_get(dense, (size_t)i, (size_t)i), 1, 1e-8);
    gsl_matrix_free(dense);
}

static void a_group_of_sixty_is_solved_at_once(void **state) {
    (void)state;
    static double mean[FIELD * FIELD], counts[FIELD * FIELD], ones[FIELD * FIELD],
        zeros[FIELD * FIELD];
    static struct scene unused;
    struct atm_spot truth[GROUP], spots[GROUP];
    struct atm_rng rng;
    struct atm_fit fit = {0};
    atm_rng_init(&rng, 11, ATM_RNG_TEST, 60);
    group_of(truth);
    render_group(truth, 1.09, 12, mean);
    for (int i = 0; i < FIELD * FIELD; i++)
        counts[i] = mean[i], ones[i] = 1;
    struct atm_fit_problem problem = problem_of(&unused, 1.09);
    problem.height = problem.width = FIELD, problem.base = zeros;
    problem.pixels = (struct atm_pixels){counts, ones, ones};
    problem.x_max = problem.y_max = FIELD - 0.5;
    for (int i = 0; i < GROUP; i++)
        spots[i] = spot_at(truth[i].x + 0.4 * (atm_rng_uniform(&rng) - 0.5),
                           truth[i].y + 0.4 * (atm_rng_uniform(&rng) - 0.5), 700);
    double background[3] = {5};
    assert_int_equal(atm_fit_run(&fit, &problem, spots, GROUP, background, NULL), ATM_OK);
    assert_true(fit.converged);
    for (int i = 0; i < GROUP; i++) {
        assert_near(spots[i].x, truth[i].x, 1e-3);
        assert_near(spots[i].y, truth[i].y, 1e-3);
    }
    expect_dense_inverse(&fit);
    atm_fit_free(&fit);
}

/* ---- a general minimiser as the reference ---- */

static double deviance_ref(const gsl_vector *v, void *context) {
    const struct scene *scene = context;
    static struct scene model;
    struct atm_spot spots[2];
    for (int i = 0; i < 2; i++)
        spots[i] = spot_at(gsl_vector_get(v, 3 * (size_t)i), gsl_vector_get(v, 3 * (size_t)i + 1),
                           1000 * gsl_vector_get(v, 3 * (size_t)i + 2));
    render_ref(&model, spots, 2, 10 * gsl_vector_get(v, 6), 1.09);
    double sum = 0;
    for (int i = 0; i < PIXELS; i++) {
        double m = fmax(model.mean[i], 1e-6), y = scene->counts[i];
        sum += 2 * (m - y + (y > 0 ? y * log(y / m) : 0));
    }
    return sum;
}

static void fit_agrees_with_a_general_minimiser(void **state) {
    (void)state;
    static struct scene scene;
    struct atm_spot spots[2] = {spot_at(6.1, 6.4, 1800), spot_at(8.3, 7.2, 1300)};
    struct atm_rng rng;
    atm_rng_init(&rng, 11, ATM_RNG_TEST, 2);
    render_ref(&scene, spots, 2, 20, 1.09);
    draw(&scene, &rng);
    struct atm_fit fit = {0};
    struct atm_fit_problem problem = problem_of(&scene, 1.09);
    double background[3] = {20};
    assert_int_equal(atm_fit_run(&fit, &problem, spots, 2, background, NULL), ATM_OK);
    const double start[7] = {6.3, 6.2, 1.5, 8, 7, 1.5, 1.8};
    gsl_vector *x = gsl_vector_alloc(7), *step = gsl_vector_alloc(7);
    for (size_t i = 0; i < 7; i++)
        gsl_vector_set(x, i, start[i]);
    gsl_vector_set_all(step, 0.2);
    gsl_multimin_function f = {deviance_ref, 7, &scene};
    gsl_multimin_fminimizer *m =
        gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, 7);
    gsl_multimin_fminimizer_set(m, &f, x, step);
    for (int i = 0; i < 4000 && gsl_multimin_fminimizer_size(m) > 1e-7; i++)
        gsl_multimin_fminimizer_iterate(m);
    for (size_t i = 0; i < 2; i++) {
        assert_near(spots[i].x, gsl_vector_get(m->x, 3 * i), 1e-3);
        assert_near(spots[i].y, gsl_vector_get(m->x, 3 * i + 1), 1e-3);
        assert_near(spots[i].amplitude, 1000 * gsl_vector_get(m->x, 3 * i + 2), 1);
    }
    assert_near(fit.deviance, m->fval, 1e-3);
    gsl_multimin_fminimizer_free(m);
    gsl_vector_free(x);
    gsl_vector_free(step);
    atm_fit_free(&fit);
}

/* ---- Monte Carlo ---- */

struct spread {
    double error[3], square[3], bound[3];
    int failed;
};

static struct spread monte_carlo(double photons, double background, double sigma, int trials,
                                 uint64_t stream) {
    static struct scene scene;
    struct spread spread = {.failed = 0};
    struct atm_fit fit = {0};
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, stream);
    struct atm_fit_problem problem = problem_of(&scene, sigma);
    double diagonal[4], scratch[4];
    for (int t = 0; t < trials; t++) {
        struct atm_spot truth =
            spot_at(6.5 + atm_rng_uniform(&rng), 6.5 + atm_rng_uniform(&rng), photons);
        render_ref(&scene, &truth, 1, background, sigma);
        struct atm_spot spot = truth;
        double fitted[3] = {background};
        problem.max_iterations = 0; /* the bound is the inverse information at the truth */
        assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, fitted, NULL), ATM_OK);
        atm_envelope_inverse_diagonal(&fit.factor, diagonal, scratch);
        draw(&scene, &rng);
        spot = spot_at(truth.x + 0.3, truth.y - 0.4, 0.7 * photons);
        fitted[0] = 0.8 * background;
        problem.max_iterations = 100;
        assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, fitted, NULL), ATM_OK);
        spread.failed += !fit.converged;
        const double error[3] = {spot.x - truth.x, spot.y - truth.y, spot.amplitude - photons};
        for (int k = 0; k < 3; k++) {
            spread.error[k] += error[k] / trials;
            spread.square[k] += error[k] * error[k] / trials;
            spread.bound[k] += diagonal[k] / trials;
        }
    }
    atm_fit_free(&fit);
    return spread;
}

static void isolated_spots_reach_the_bound(void **state) {
    (void)state;
    const double cells[][3] = {
        {500, 2, 1.09}, {1000, 20, 1.3}, {3000, 500, 1.09}, {20000, 5, 0.9}, {5000, 200, 2}};
    enum { TRIALS = 2000 };
    /* four standard errors of a standard deviation from so many trials, beside 0.97 .. 1.06 */
    const double slack = 4 / sqrt(2.0 * TRIALS);
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
        struct spread s = monte_carlo(cells[c][0], cells[c][1], cells[c][2], TRIALS, 100 + c);
        assert_true(s.failed < TRIALS / 100);
        for (int k = 0; k < 3; k++) {
            double ratio = sqrt(s.square[k] / s.bound[k]);
            assert_true(ratio > 0.97 - slack && ratio < 1.06 + slack);
        }
        for (int k = 0; k < 2; k++)
            assert_true(fabs(s.error[k]) < 0.01 + 4 * sqrt(s.bound[k] / TRIALS));
    }
}

static void bounds_masks_and_huge_values_hold(void **state) {
    (void)state;
    static struct scene scene;
    struct atm_spot truth = spot_at(-1.7, 6, 3000); /* outside: only its flank is seen */
    struct atm_fit fit = {0};
    render_ref(&scene, &truth, 1, 10, 1.3);
    struct atm_fit_problem problem = problem_of(&scene, 1.3);
    struct atm_spot spot = spot_at(0.5, 6, 100);
    double background[3] = {10};
    assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, background, NULL), ATM_OK);
    assert_true(spot.x >= -0.5 && spot.amplitude > 0 && isfinite(spot.y));
    truth = spot_at(7.385, 6.2, 900);
    render_ref(&scene, &truth, 1, 10, 1.3);
    for (int i = 0; i < PIXELS; i += 7)
        scene.valid[i] = 0, scene.counts[i] = 60000; /* saturated, but left out */
    spot = spot_at(7, 6, 500);
    assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, background, NULL), ATM_OK);
    assert_near(spot.x, 7.385, 1e-3);
    for (int i = 0; i < PIXELS; i++)
        scene.valid[i] = 1, scene.counts[i] = i % 3 ? 3e38 : 0;
    assert_int_equal(atm_fit_run(&fit, &problem, &spot, 1, background, NULL), ATM_OK);
    assert_true(isfinite(spot.x) && isfinite(spot.y) && isfinite(spot.amplitude));
    atm_fit_free(&fit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope_solves_and_inverts),
        cmocka_unit_test(likelihoods_have_true_derivatives),
        cmocka_unit_test(brightness_has_true_slopes_and_unit_area),
        cmocka_unit_test(fisher_matches_numerical),
        cmocka_unit_test(noise_free_fit_returns_the_truth),
        cmocka_unit_test(a_group_of_sixty_is_solved_at_once),
        cmocka_unit_test(fit_agrees_with_a_general_minimiser),
        cmocka_unit_test(isolated_spots_reach_the_bound),
        cmocka_unit_test(bounds_masks_and_huge_values_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
