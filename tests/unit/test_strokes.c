/* Synthetic pen strokes: their images, their truth, the same bytes for any thread count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mem.h"
#include "movie_case.h"
#include "pen.h"
#include "strokes.h"
#include <math.h>
#include <omp.h>

enum { SIDE = 48, IMAGES = 150, AREA = SIDE * SIDE };

static const struct atm_synth_options OPTIONS = {.kind = ATM_SYNTH_STROKES,
                                                 .frames = IMAGES,
                                                 .height = SIDE,
                                                 .width = SIDE,
                                                 .strokes_min = 1,
                                                 .strokes_max = 8,
                                                 .pen_px = 1.3};

static void write_stack(const char *path, int threads) {
    const struct atm_camera camera = atm_movie_unknown_camera();
    struct atm_err err = {0};
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    if (atm_scene_write(&OPTIONS, &camera, 5, path, "[synth]\n", NULL, NULL, &err) != ATM_OK)
        fail_msg("%s", err.text);
    omp_set_num_threads(before);
}

/* Distance from a densely sampled curve, in double. */
static double ink_ref(const struct atm_stroke *strokes, ptrdiff_t count, int x, int y) {
    double nearest = INFINITY;
    for (ptrdiff_t s = 0; s < count; s++)
        for (int i = 0; i <= 2000; i++) {
            const struct atm_pen_point p = atm_stroke_point(&strokes[s], i / 2000.0);
            nearest = fmin(nearest, (p.x - x) * (p.x - x) + (p.y - y) * (p.y - y));
        }
    return exp(-0.5 * nearest / (OPTIONS.pen_px * OPTIONS.pen_px));
}

static void stacks_hold_what_their_truth_says(void **state) {
    (void)state;
    write_stack(H5_PATH, 2);
    struct atm_movie *movie = open_movie(H5_PATH, false);
    struct atm_stroke *strokes = NULL;
    ptrdiff_t count = 0;
    static float images[IMAGES * AREA];
    assert_true(atm_movie_info(movie)->has_strokes);
    assert_false(atm_movie_info(movie)->has_truth);
    assert_int_equal(atm_movie_strokes(H5_PATH, &strokes, &count, NULL), ATM_OK);
    assert_int_equal(atm_movie_read(movie, 0, IMAGES, images, NULL), ATM_OK);
    atm_movie_close(&movie);
    int per_image[IMAGES] = {0}, with[9] = {0}, cubic = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        assert_true(strokes[i].id == i && (!i || strokes[i].frame >= strokes[i - 1].frame));
        per_image[strokes[i].frame]++;
        cubic += strokes[i].degree == 3;
    }
    for (int t = 0; t < IMAGES; t++) {
        assert_in_range(per_image[t], 1, 8);
        with[per_image[t]]++;
    }
    for (int n = 1; n <= 8; n++) /* 150 / 8 expected, sd 4 */
        assert_in_range(with[n], 3, 39);
    assert_true(abs(2 * cubic - (int)count) < 4 * sqrt((double)count));
    /* The polyline of 32 segments is nearer to the curve than 0.01 px here: 1 % of the ink. */
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < AREA; i += 7) {
            ptrdiff_t first = 0;
            while (strokes[first].frame < t)
                first++;
            const double expected = ink_ref(strokes + first, per_image[t], i % SIDE, i / SIDE);
            assert_true(fabs((double)images[t * AREA + i] - expected) < 0.01);
        }
    atm_mem_free(strokes);
}

static void a_raised_curve_is_the_same_curve(void **state) {
    (void)state;
    struct atm_stroke strokes[ATM_STROKES_MAX];
    struct atm_rng rng;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    for (int t = 0; t < 40; t++) {
        const ptrdiff_t count = atm_strokes_draw(&OPTIONS, &rng, t, strokes);
        for (ptrdiff_t i = 0; i < count; i++) {
            const struct atm_stroke *s = &strokes[i];
            if (s->degree == 2) /* no third derivative */
                assert_true(fabs(s->x[3] - 3 * s->x[2] + 3 * s->x[1] - s->x[0]) < 1e-9);
            for (int p = 0; p < 4; p++)
                assert_true(s->x[p] > 0 && s->y[p] > 0 && s->x[p] < SIDE - 1 && s->y[p] < SIDE - 1);
        }
    }
}

static void same_bytes_for_any_thread_count(void **state) {
    (void)state;
    uint64_t hash[2];
    for (int threads = 1; threads <= 2; threads++) {
        write_stack(H5_PATH, threads);
        struct atm_movie *movie = open_movie(H5_PATH, false);
        assert_int_equal(atm_movie_hash(movie, &hash[threads - 1], NULL), ATM_OK);
        atm_movie_close(&movie);
    }
    assert_true(hash[0] == hash[1]);
}

static void what_cannot_be_done_is_said(void **state) {
    (void)state;
    const struct atm_camera camera = atm_movie_unknown_camera();
    struct atm_synth_options o = OPTIONS;
    struct atm_err err = {0};
    o.strokes_min = 9;
    assert_int_equal(atm_scene_write(&o, &camera, 1, H5_PATH, NULL, NULL, NULL, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "synth.strokes_min"));
    write_stack(H5_PATH, 1);
    const struct atm_movie_options small = {.picture = {.size_px = 24}};
    struct atm_movie *movie = NULL;
    assert_int_equal(atm_movie_open(H5_PATH, &small, &movie, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "has a truth"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(stacks_hold_what_their_truth_says, each_teardown),
        cmocka_unit_test_teardown(a_raised_curve_is_the_same_curve, each_teardown),
        cmocka_unit_test_teardown(same_bytes_for_any_thread_count, each_teardown),
        cmocka_unit_test_teardown(what_cannot_be_done_is_said, each_teardown),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
