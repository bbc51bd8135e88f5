/* Movies that are written: read back the same, complete under their name or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "movie_case.h"
#include "table.h"
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static const struct atm_camera CAMERA = {.pixel_size_nm = 133.5,
                                         .offset = 100.25,
                                         .gain = 0.45,
                                         .em_gain = 300,
                                         .qe = 0.9,
                                         .read_noise = 74.4,
                                         .saturation = NAN,
                                         .exposure_ms = 12.5};

static void expect_camera(const struct atm_camera *camera) {
    assert_true(camera->pixel_size_nm == 133.5 && camera->offset == 100.25 && camera->gain == 0.45);
    assert_true(camera->em_gain == 300 && camera->qe == 0.9 && camera->read_noise == 74.4);
    assert_true(camera->exposure_ms == 12.5);
}

static void write_frames(const char *path, enum atm_movie_sample sample, int frames, int announced,
                         const struct atm_camera *camera) {
    static float adu[FRAMES * PIXELS];
    struct atm_movie_layout layout = {announced, HEIGHT,  WIDTH,
                                      sample,    *camera, "[run]\nseed = 1\n", 0};
    struct atm_movie_writer *writer = NULL;
    struct atm_err err = {0};
    for (int i = 0; i < FRAMES * PIXELS; i++)
        adu[i] = (float)value_at(i / PIXELS, i % PIXELS);
    if (atm_movie_create(path, &layout, &writer, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(atm_movie_append(writer, 1, adu, &err), ATM_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* not before it is finished */
    assert_int_equal(atm_movie_append(writer, frames - 1, adu + PIXELS, &err), ATM_OK);
    if (atm_movie_finish(&writer, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_null(writer);
}

static void written_movies_read_back(void **state) {
    (void)state;
    const char *const paths[] = {TIFF_PATH, H5_PATH};
    for (int p = 0; p < 2; p++)
        for (int sample = 0; sample < 2; sample++)
            for (int announced = -1; announced <= FRAMES; announced += FRAMES + 1) {
                write_frames(paths[p], (enum atm_movie_sample)sample, FRAMES, announced, &CAMERA);
                struct atm_movie *movie = open_movie(paths[p], false);
                const struct atm_movie_info *info = atm_movie_info(movie);
                assert_int_equal(info->frames, FRAMES);
                assert_string_equal(info->sample, sample ? "float32" : "uint16");
                const char *tiff = announced < 0 ? "BigTIFF" : "TIFF";
                assert_string_equal(info->format, p ? "HDF5 stack" : tiff);
                assert_false(info->has_truth);
                assert_string_equal(atm_movie_path(movie), paths[p]);
                expect_camera(&info->camera);
                expect_frames(movie, 0, FRAMES);
                expect_frames(movie, 1, 1);
                atm_movie_close(&movie);
                unlink(paths[p]);
            }
}

static void rounding_clipping_and_nan(void **state) {
    (void)state;
    const float in[] = {-3, 0.4f, 0.6f, 65535.4f, 70000, 2.385f},
                out[] = {0, 0, 1, 65535, 65535, 2};
    float back[6];
    struct atm_movie_layout layout = {1, 2, 3, ATM_MOVIE_U16, atm_movie_unknown_camera(), NULL, 0};
    struct atm_movie_writer *writer = NULL;
    struct atm_err err = {0};
    assert_int_equal(atm_movie_create(H5_PATH, &layout, &writer, &err), ATM_OK);
    assert_int_equal(atm_movie_append(writer, 1, in, &err), ATM_OK);
    assert_int_equal(atm_movie_finish(&writer, &err), ATM_OK);
    struct atm_movie *movie = open_movie(H5_PATH, false);
    assert_int_equal(atm_movie_read(movie, 0, 1, back, NULL), ATM_OK);
    assert_memory_equal(back, out, sizeof out);
    assert_true(isnan(atm_movie_info(movie)->camera.gain));
    atm_movie_close(&movie);
    back[4] = NAN;
    assert_int_equal(atm_movie_create(H5_PATH, &layout, &writer, &err), ATM_OK);
    assert_int_equal(atm_movie_append(writer, 1, back, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "not a finite number"));
    atm_movie_discard(&writer);
    assert_null(writer);
    atm_movie_discard(&writer);
}

static void truth_goes_beside_the_frames(void **state) {
    (void)state;
    struct atm_loc rows[2] = {{.frame = 0, .x = 1.25, .y = 2.5, .photons = 900, .id = 7},
                              {.frame = 2, .x = 3, .y = 4, .photons = 2.385, .id = 8}};
    const struct atm_table truth = {.rows = rows, .count = 2, .capacity = 2};
    struct atm_movie_layout layout = {1, 1, 1, ATM_MOVIE_F32, CAMERA, NULL, 0};
    struct atm_movie_writer *writer = NULL;
    struct atm_err err = {0};
    const float pixel = 2.385f;
    atm_movie_create(H5_PATH, &layout, &writer, &err);
    atm_movie_append(writer, 1, &pixel, &err);
    assert_int_equal(atm_movie_add_truth(writer, &truth, &err), ATM_OK);
    assert_int_equal(atm_movie_finish(&writer, &err), ATM_OK);
    struct atm_movie *movie = open_movie(H5_PATH, false);
    assert_true(atm_movie_info(movie)->has_truth);
    atm_movie_close(&movie);
    static const struct atm_h5_field FIELDS[] = {
        {"frame", ATM_H5_I64, ATM_H5_I64, offsetof(struct atm_loc, frame)},
        {"photons", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, photons)},
        {"id", ATM_H5_I64, ATM_H5_I64, offsetof(struct atm_loc, id)},
    };
    struct atm_loc back[2] = {{0}};
    struct atm_h5 *file = NULL;
    atm_h5_open(H5_PATH, &file, NULL);
    assert_int_equal(atm_h5_read_table(file, "/truth", FIELDS, 3, back, sizeof *back, 2, &err),
                     ATM_OK);
    atm_h5_close(&file, NULL);
    assert_true(back[1].frame == 2 && back[1].photons == 2.385 && back[1].id == 8);
    assert_int_equal(atm_movie_create(TIFF_PATH, &layout, &writer, &err), ATM_OK);
    assert_int_equal(atm_movie_add_truth(writer, &truth, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "TIFF file cannot hold"));
    atm_movie_discard(&writer);
}

static void writers_refuse(void **state) {
    (void)state;
    struct atm_movie_layout layout = {2, 4, 4, ATM_MOVIE_U16, CAMERA, NULL, 0};
    struct atm_movie_writer *writer = NULL;
    struct atm_err err = {0};
    const float adu[16] = {0};
    assert_int_equal(atm_movie_create("movie.avi", &layout, &writer, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "change the name"));
    assert_int_equal(atm_movie_create("absent/m.tif", &layout, &writer, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "create the folder"));
    assert_null(writer);
    assert_int_equal(atm_movie_create(TIFF_PATH, &layout, &writer, &err), ATM_OK);
    assert_int_equal(atm_movie_append(writer, 1, adu, &err), ATM_OK);
    assert_int_equal(atm_movie_finish(&writer, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "1 frames were written where 2 were announced"));
    assert_int_not_equal(access(TIFF_PATH, F_OK), 0);
    layout.width = 0;
    assert_int_equal(atm_movie_create(TIFF_PATH, &layout, &writer, &err), ATM_FAIL);
}

static void full_disk_is_an_error(void **state) {
    (void)state;
    static float adu[FRAMES * PIXELS];
    const char *const paths[] = {TIFF_PATH, H5_PATH};
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < FRAMES * PIXELS; i++)
        adu[i] = sinf((float)i);
    for (int p = 0; p < 2; p++)
        for (rlim_t bytes = 1; bytes < FRAMES * PIXELS * 4; bytes = bytes * 3 / 2 + 1) {
            struct atm_movie_layout layout = {FRAMES, HEIGHT, WIDTH, ATM_MOVIE_F32, CAMERA, NULL, 0};
            struct atm_movie_writer *writer = NULL;
            struct atm_err err = {0};
            small = (struct rlimit){.rlim_cur = bytes, .rlim_max = limit.rlim_max};
            setrlimit(RLIMIT_FSIZE, &small);
            enum atm_status status = atm_movie_create(paths[p], &layout, &writer, &err);
            if (status == ATM_OK)
                status = atm_movie_append(writer, FRAMES, adu, &err);
            if (status == ATM_OK)
                status = atm_movie_finish(&writer, &err);
            else
                atm_movie_discard(&writer);
            setrlimit(RLIMIT_FSIZE, &limit);
            assert_int_equal(status, ATM_FAIL);
            if (!strstr(err.text, "File too large") || !strstr(err.text, paths[p]))
                fail_msg("%s", err.text);
            assert_int_not_equal(access(paths[p], F_OK), 0);
        }
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(written_movies_read_back, each_teardown),
        cmocka_unit_test_teardown(rounding_clipping_and_nan, each_teardown),
        cmocka_unit_test_teardown(truth_goes_beside_the_frames, each_teardown),
        cmocka_unit_test_teardown(writers_refuse, each_teardown),
        cmocka_unit_test_teardown(full_disk_is_an_error, each_teardown),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
