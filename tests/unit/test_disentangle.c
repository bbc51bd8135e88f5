/* Codes that hold the factors of a spike in ways that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "disentangle.h"
#include "neighbours.h"
#include "regression.h"
#include "rng.h"

#include <math.h>

enum { ROWS = 6000, TRAIN = 4000, D = 3 };

struct fixture {
    double z[ROWS * D], factors[ROWS * ATM_FACTORS];
};
static struct fixture fixture;

/* x in 0..64, y in 0..64, amplitude in 0.5..1, independent and even. */
static void draw_factors(void) {
    struct atm_rng rng;
    atm_rng_init(&rng, 5, ATM_RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        double *v = fixture.factors + i * ATM_FACTORS;
        v[0] = 64 * atm_rng_uniform(&rng), v[1] = 64 * atm_rng_uniform(&rng);
        v[2] = 0.5 + 0.5 * atm_rng_uniform(&rng);
    }
}

static struct atm_disentangle measure(void (*code)(const double *v, double *z)) {
    struct atm_disentangle d;
    draw_factors();
    for (int i = 0; i < ROWS; i++)
        code(fixture.factors + i * ATM_FACTORS, fixture.z + i * D);
    const struct atm_factor_rows rows = {fixture.z, fixture.factors, ROWS, TRAIN, D};
    assert_int_equal(atm_disentangle_measure(&rows, 1, &d, NULL), ATM_OK);
    return d;
}

static void close_to(double got, double wanted, double tolerance) {
    if (!(fabs(got - wanted) < tolerance))
        fail_msg("%g is not %g +- %g", got, wanted, tolerance);
}

/* 20 x 20 bins of N rows overestimate the information by (20 - 1)^2 / 2 N nats: 0.03 of ln 20
 * = 3.0. */
static const double MIG_BIAS = 0.02;

static void own_axes(const double *v, double *z) {
    z[0] = 3 - 0.5 * v[2], z[1] = 0.1 * v[0], z[2] = -7 * v[1];
}

static void one_code_per_factor(void **state) {
    (void)state;
    struct atm_disentangle d = measure(own_axes);
    /* Exact but for rows outside of the range of those fitted, which are clamped: 2 of 4000, 0.02
     * px. */
    close_to(d.linear.position_r2, 1, 1e-8), close_to(d.linear.amplitude_r2, 1, 1e-8);
    close_to(d.polynomial.position_rms, 0, 1e-3), close_to(d.polynomial.amplitude_rms, 0, 1e-4);
    close_to(d.mig, 1, MIG_BIAS);
    close_to(d.sap, 1, 0.003); /* the others correlate by chance: 1 / N */
    /* Neighbours see the other factors a little: 8 of 4000 rows in a cube are about 0.06 of its
     * side wide. */
    assert_true(d.neighbours.position_r2 > 0.97 && d.dci_informativeness > 0.95);
    assert_true(d.dci_disentanglement > 0.9 && d.dci_completeness > 0.9);
}

static void turned_axes(const double *v, double *z) {
    z[0] = v[0] + v[1], z[1] = v[0] - v[1], z[2] = v[2];
}

/* By 45 degrees: regression does not mind, gaps do. Two thirds of the factors lose their code: MIG
 * and SAP are a third; z1 and z2 serve x and y alike, so D = C = (2 (1 - ln 2 / ln 3) + 1) / 3. */
static void rotation(void **state) {
    (void)state;
    struct atm_disentangle d = measure(turned_axes);
    close_to(d.linear.position_r2, 1, 1e-6);
    close_to(d.mig_factor[0], 0, 0.02), close_to(d.mig_factor[2], 1, MIG_BIAS);
    close_to(d.mig, 1.0 / 3, 0.02), close_to(d.sap, 1.0 / 3, 0.02);
    double dci = (2 * (1 - log(2) / log(3)) + 1) / 3;
    close_to(d.dci_disentanglement, dci, 0.06), close_to(d.dci_completeness, dci, 0.06);
}

static void bent(const double *v, double *z) {
    z[0] = exp(v[0] / 16), z[1] = v[1], z[2] = v[2] * v[2] * v[2];
}

/* Monotone curves change no information; a straight line loses, a polynomial does not. */
static void curved_codes(void **state) {
    (void)state;
    struct atm_disentangle d = measure(bent);
    close_to(d.mig, 1, MIG_BIAS);
    assert_true(d.linear.position_r2 < 0.95 && d.polynomial.position_r2 > 0.999);
    assert_true(d.degree > 2);
}

/* A circle that is run through six times is beyond a polynomial of degree seven, not beyond
 * neighbours. */
static void winding_code(void **state) {
    (void)state;
    struct atm_disentangle d;
    draw_factors();
    for (int i = 0; i < ROWS; i++) {
        double *v = fixture.factors + i * ATM_FACTORS, *z = fixture.z + i * D;
        z[0] = v[0] / 64, z[1] = z[2] = 1;
        v[0] = 32 + 32 * sin(12 * M_PI * z[0]), v[1] = 32 + 32 * cos(12 * M_PI * z[0]);
    }
    const struct atm_factor_rows rows = {fixture.z, fixture.factors, ROWS, TRAIN, D};
    assert_int_equal(atm_disentangle_measure(&rows, 1, &d, NULL), ATM_OK);
    assert_true(d.polynomial.position_r2 < 0.5);
    assert_true(d.neighbours.position_r2 > 0.999); /* 8 of 4000 rows: 4 degrees */
}

static void nothing(const double *v, double *z) {
    static struct atm_rng rng;
    static int started;
    if (!started++)
        atm_rng_init(&rng, 6, ATM_RNG_TEST, 1);
    z[0] = atm_rng_uniform(&rng), z[1] = atm_rng_uniform(&rng), z[2] = 2.5;
    (void)v;
}

/* Codes that know nothing, one of them dead. */
static void ignorant_code(void **state) {
    (void)state;
    struct atm_disentangle d = measure(nothing);
    close_to(d.linear.position_r2, 0, 0.01), close_to(d.polynomial.amplitude_r2, 0, 0.01);
    close_to(d.mig, 0, 0.02), close_to(d.sap, 0, 0.005);
    assert_true(d.neighbours.position_r2 < 0);
}

static void too_few(void **state) {
    (void)state;
    struct atm_disentangle d;
    const struct atm_factor_rows rows = {fixture.z, fixture.factors, 150, 100, D};
    assert_int_equal(atm_disentangle_measure(&rows, 1, &d, NULL), ATM_OK);
    assert_true(isnan(d.mig) && isnan(d.linear.position_r2) && isnan(d.dci_completeness));
}

static void information(void **state) {
    (void)state;
    uint8_t a[400], b[400];
    for (int i = 0; i < 400; i++)
        a[i] = (uint8_t)(i % 20), b[i] = (uint8_t)(i / 20);
    close_to(atm_mutual_information(a, a, 400), log(20), 1e-12);
    close_to(atm_mutual_information(a, b, 400), 0, 1e-12);
}

/* v = (z1^2 z2, 1 - z2) is found to its degree. */
static void exact_polynomial(void **state) {
    (void)state;
    enum { N = 400 };
    double z[2 * N], v[2 * N], out[2];
    struct atm_rng rng;
    atm_rng_init(&rng, 7, ATM_RNG_TEST, 2);
    for (int i = 0; i < N; i++) {
        z[2 * i] = 4 * atm_rng_uniform(&rng), z[2 * i + 1] = 10 + atm_rng_uniform(&rng);
        v[2 * i] = z[2 * i] * z[2 * i] * z[2 * i + 1], v[2 * i + 1] = 1 - z[2 * i + 1];
    }
    const struct atm_regression_rows rows = {z, v, N, 2, 2};
    struct atm_regression *map = NULL;
    assert_int_equal(atm_regression_fit(&rows, 5, &map, NULL), ATM_OK);
    assert_true(atm_regression_degree(map) >= 3);
    atm_regression_predict(map, (const double[]){2.5, 10.4}, out);
    close_to(out[0], 65, 1e-5), close_to(out[1], -9.4, 1e-6);
    atm_regression_destroy(&map);
    const struct atm_regression_rows few = {z, v, 10, 2, 2};
    struct atm_err err = {0};
    assert_int_equal(atm_regression_fit(&few, 5, &map, &err), ATM_FAIL);
    assert_null(map);
}

static void few_neighbours(void **state) {
    (void)state;
    const double z[] = {0, 1, 2}, v[] = {3, 4, 8};
    const struct atm_regression_rows rows = {z, v, 3, 1, 1};
    struct atm_neighbours *neighbours = NULL;
    double out;
    assert_int_equal(atm_neighbours_create(&rows, &neighbours, NULL), ATM_OK);
    atm_neighbours_predict(neighbours, (const double[]){0.3}, 1, &out);
    close_to(out, 5, 1e-12);
    atm_neighbours_destroy(&neighbours);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_code_per_factor), cmocka_unit_test(rotation),
        cmocka_unit_test(curved_codes),        cmocka_unit_test(winding_code),
        cmocka_unit_test(ignorant_code),       cmocka_unit_test(too_few),
        cmocka_unit_test(information),         cmocka_unit_test(exact_polynomial),
        cmocka_unit_test(few_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
