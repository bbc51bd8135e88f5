/* What is measured of strokes: parts, overlap, principal components, true strokes and their blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mem.h"
#include "pca.h"
#include "rng.h"
#include "stroke_parts.h"
#include "stroke_truth.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

enum { H = 20, W = 30, PIXELS = H * W };

static struct atm_stroke_part measure(const float *atom) {
    ptrdiff_t stack[PIXELS];
    unsigned char seen[PIXELS];
    struct atm_stroke_part part;
    atm_stroke_part_measure(atom, H, W, stack, seen, &part);
    return part;
}

static void parts_hang_together_across_corners(void **state) {
    (void)state;
    float atom[PIXELS] = {0};
    for (int i = 0; i < 10; i++)
        atom[(3 + i) * W + 5 + i] = 0.8F; /* a diagonal: one part */
    struct atm_stroke_part part = measure(atom);
    assert_int_equal(part.parts, 1);
    assert_true(fabs(part.energy - 6.4) < 1e-5);
    assert_true(fabs(part.largest - 1) < 1e-6);
    atom[0] = atom[1] = 0.5F; /* another one, of less energy */
    atom[W * H - 1] = 0.07F;  /* below a tenth of the greatest: none, but its energy counts */
    part = measure(atom);
    assert_int_equal(part.parts, 2);
    assert_true(fabs(part.largest - 6.4 / (6.4 + 0.5 + 0.0049)) < 1e-6);
    atom[PIXELS / 2] = 7; /* clipped */
    assert_true(measure(atom).greatest == 1);
    memset(atom, 0, sizeof atom);
    part = measure(atom);
    assert_true(part.parts == 0 && part.energy == 0 && part.largest == 0);
}

static void overlap_is_the_ink_under_other_blocks(void **state) {
    (void)state;
    static float atoms[3 * PIXELS];
    const unsigned char all[] = {1, 1, 1}, two[] = {1, 0, 1};
    for (int p = 0; p < 40; p++)
        atoms[p] = 0.5F, atoms[PIXELS + 30 + p] = 1, atoms[2 * PIXELS + 200 + p] = -3;
    /* 20 + 40 of ink, of which 10 pixels of 0.5 lie under a brighter block */
    assert_true(fabs(atm_stroke_overlap(atoms, all, 3, PIXELS) - 5.0 / 60) < 1e-6);
    assert_true(atm_stroke_overlap(atoms, two, 3, PIXELS) == 0);
}

/* Images in a space of three directions, of known variances, about a mean. */
static void components_are_found_and_leave_what_they_should(void **state) {
    (void)state;
    enum { COUNT = 60, TRUE = 3 };
    static float images[COUNT * PIXELS], base[TRUE * PIXELS];
    static const double sizes[TRUE] = {5, 2, 0.5};
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 0);
    for (int j = 0; j < TRUE; j++) /* disjoint pixels: orthogonal */
        for (int p = 0; p < 100; p++)
            base[j * PIXELS + 100 * j + p] = 0.1F;
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < TRUE; j++) {
            const double size = gsl_ran_gaussian(&rng.gsl, sizes[j]);
            for (int p = 0; p < PIXELS; p++)
                images[i * PIXELS + p] +=
                    (float)(size * (double)base[j * PIXELS + p]) + (j ? 0 : 0.01F * (float)(p % 7));
        }
    double before = INFINITY;
    for (int components = 0; components <= TRUE; components++) {
        struct atm_pca *pca = NULL;
        struct atm_err err = {0};
        if (atm_pca_fit(images, COUNT, PIXELS, components, &pca, &err))
            fail_msg("%s", err.text);
        assert_int_equal(atm_pca_components(pca), components);
        double mean = 0, rest = 0, one, other;
        for (int i = 0; i < COUNT; i++) {
            atm_pca_errors(pca, images + i * PIXELS, &one, &other);
            mean += one, rest += other;
        }
        /* What is left is the variance of the directions that were not taken. */
        double expected = 0;
        for (int j = components; j < TRUE; j++)
            expected += COUNT * sizes[j] * sizes[j];
        assert_true(components ? rest < before : rest == mean);
        assert_true(rest < 1.6 * expected + 1e-2 && rest > 0.5 * expected - 1e-2);
        before = rest;
        atm_pca_destroy(&pca);
    }
    assert_true(before < 1e-2);
}

static void true_strokes_are_covered_by_themselves(void **state) {
    (void)state;
    enum { SIDE = 64, AREA = SIDE * SIDE };
    const struct atm_synth_options options = {
        .height = SIDE, .width = SIDE, .strokes_min = 5, .strokes_max = 5, .pen_px = 1.3};
    struct atm_stroke strokes[ATM_STROKES_MAX];
    static float atoms[7 * AREA], ink[AREA];
    unsigned char active[7] = {1, 1, 1, 1, 1, 1, 0};
    float greatest[7];
    struct atm_rng rng;
    atm_rng_init(&rng, 8, ATM_RNG_TEST, 0);
    const ptrdiff_t count = atm_strokes_draw(&options, &rng, 0, strokes);
    memset(atoms, 0, sizeof atoms);
    for (ptrdiff_t i = 0; i < 4; i++) /* in another order, dimmer; the fifth stroke has no block */
        atm_strokes_render(&strokes[i], 1, SIDE, SIDE, atoms + (5 - i) * AREA);
    for (ptrdiff_t p = 0; p < AREA; p++)
        atoms[5 * AREA + p] *= 0.7F;
    atm_strokes_render(&strokes[4], 1, SIDE, SIDE, atoms + 6 * AREA); /* not active */
    for (int b = 0; b < 7; b++) {
        greatest[b] = 0;
        for (ptrdiff_t p = 0; p < AREA; p++)
            greatest[b] = fmaxf(greatest[b], atoms[b * AREA + p]);
    }
    const struct atm_stroke_blocks blocks = {atoms, active, greatest, 7, SIDE, SIDE};
    double iou[ATM_STROKES_MAX];
    ptrdiff_t block[ATM_STROKES_MAX];
    assert_int_equal(atm_stroke_cover(strokes, count, &blocks, ink, iou, block, NULL), ATM_OK);
    for (ptrdiff_t i = 0; i < 4; i++) {
        assert_int_equal(block[i], 5 - i);
        assert_true(iou[i] >
                    0.97); /* half of the ink's greatest value is a little less than half */
    }
    assert_true(iou[4] < 0.5);
}

/* z follows from the control points, which are told in either direction. */
static void control_points_follow_from_z(void **state) {
    (void)state;
    enum { COUNT = 600, D = 4 };
    static struct atm_stroke_pair pairs[COUNT];
    static float z[COUNT * D];
    struct atm_rng rng;
    atm_rng_init(&rng, 2, ATM_RNG_TEST, 0);
    for (int i = 0; i < COUNT; i++) {
        const double x = 40 * atm_rng_uniform(&rng), y = 40 * atm_rng_uniform(&rng);
        const double length = 10 + 5 * atm_rng_uniform(&rng), bend = 4 * atm_rng_uniform(&rng);
        const bool back = atm_rng_next(&rng) & 1;
        for (int p = 0; p < 4; p++) {
            const int at = back ? 3 - p : p;
            pairs[i].stroke.x[at] = x + length * p / 3;
            pairs[i].stroke.y[at] = y + (p == 1 || p == 2 ? bend : 0);
        }
        z[i * D] = (float)(x + y), z[i * D + 1] = (float)(x - y);
        z[i * D + 2] = (float)length, z[i * D + 3] = (float)(bend + 0.1 * x);
        pairs[i].z = z + i * D;
    }
    double r2 = 0;
    struct atm_err err = {0};
    assert_int_equal(atm_stroke_smoothness(pairs, COUNT, D, &r2, &err), ATM_OK);
    assert_true(r2 > 0.999);
    for (int i = 0; i < COUNT * D; i++)
        z[i] = (float)gsl_ran_gaussian(&rng.gsl, 1);
    assert_int_equal(atm_stroke_smoothness(pairs, COUNT, D, &r2, &err), ATM_OK);
    assert_true(r2 < 0.2);
    assert_int_equal(atm_stroke_smoothness(pairs, 50, D, &r2, &err), ATM_OK);
    assert_true(isnan(r2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_hang_together_across_corners),
        cmocka_unit_test(overlap_is_the_ink_under_other_blocks),
        cmocka_unit_test(components_are_found_and_leave_what_they_should),
        cmocka_unit_test(true_strokes_are_covered_by_themselves),
        cmocka_unit_test(control_points_follow_from_z),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
