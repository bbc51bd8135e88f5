/* Whole simulated movies: the truth explains the pixels, threads do not change the bytes, and
 * nothing is left of what was stopped or failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "exposure.h"
#include "h5.h"
#include "mem.h"
#include "psf.h"
#include "scene.h"
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/atomloc_scene_XXXXXX";

static const char *in_folder(const char *name) {
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static struct atm_synth_options small_movie(void) {
    struct atm_synth_options options;
    struct atm_binding binding = {&atm_synth_section, &options};
    atm_ini_defaults(&binding, 1);
    options.frames = 70; /* more than one block */
    options.height = 33;
    options.width = 41;
    return options;
}

static const struct atm_camera camera = {
    .pixel_size_nm = 100, .offset = 385, .gain = 0.45, .em_gain = 1, .qe = 0.9, .read_noise = 1.6};

static void write_scene(const struct atm_synth_options *options, uint64_t seed, const char *path,
                        const struct atm_sink *sink, struct atm_table *truth) {
    struct atm_err err = {0};
    if (atm_scene_write(options, &camera, seed, path, "[synth]\n", sink, truth, &err) != ATM_OK)
        fail_msg("%s", err.text);
}

static float *read_movie(const char *path, struct atm_movie_info *info) {
    struct atm_err err = {0};
    struct atm_movie *movie = NULL;
    if (atm_movie_open(path, NULL, &movie, &err) != ATM_OK)
        fail_msg("%s", err.text);
    *info = *atm_movie_info(movie);
    ptrdiff_t pixels = info->frames * info->height * info->width;
    float *adu = atm_mem_alloc((size_t)pixels, sizeof *adu);
    assert_int_equal(atm_movie_read(movie, 0, info->frames, adu, &err), ATM_OK);
    atm_movie_close(&movie);
    return adu;
}

/* Expected frame of a truth: same order of sums as documented (rows in order), so exact. */
static void render_truth(const struct atm_synth_options *o, const struct atm_table *truth,
                         int64_t frame, double *expected, float *adu) {
    for (ptrdiff_t i = 0; i < o->height * o->width; i++)
        expected[i] = o->background;
    for (ptrdiff_t i = 0; i < truth->count; i++) {
        const struct atm_loc *row = &truth->rows[i];
        struct atm_psf_spot spot = {row->x, row->y, o->sigma_px, row->photons};
        if (row->frame == frame)
            atm_psf_add(&atm_psfs[o->psf], &spot, o->height, o->width, expected);
    }
    atm_exposure_execute(&camera, NULL, o->height * o->width, expected, adu);
}

static void truth_explains_every_pixel(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    o.noise = ATM_SYNTH_NO_NOISE;
    o.sample = ATM_SYNTH_FLOAT32;
    ptrdiff_t pixels = o.height * o.width;
    double *expected = atm_mem_alloc((size_t)pixels, sizeof *expected);
    float *adu = atm_mem_alloc((size_t)pixels, sizeof *adu);
    for (int variant = 0; variant < 2; variant++) {
        o.psf = variant ? ATM_PSF_SAMPLED : ATM_PSF_INTEGRATED;
        o.blinking = variant ? ATM_SYNTH_ON_OFF : ATM_SYNTH_NO_BLINKING;
        struct atm_table truth, stored;
        struct atm_movie_info info;
        write_scene(&o, 5, in_folder("clean.h5"), NULL, &truth);
        float *movie = read_movie(in_folder("clean.h5"), &info);
        assert_int_equal(info.frames, o.frames);
        assert_true(info.has_truth && info.camera.qe == camera.qe);
        for (int64_t f = 0; f < o.frames; f++) {
            render_truth(&o, &truth, f, expected, adu);
            assert_memory_equal(adu, movie + f * pixels, (size_t)pixels * sizeof *adu);
        }
        atm_table_init(&stored);
        assert_int_equal(atm_table_read(in_folder("clean.h5"), NAN, &stored, NULL), ATM_OK);
        assert_int_equal(stored.count, truth.count);
        for (ptrdiff_t i = 0; i < truth.count; i++) {
            const struct atm_loc *a = &truth.rows[i], *b = &stored.rows[i];
            assert_true(a->frame == b->frame && fabs(a->x - b->x) < 1e-5);
            assert_true(fabs(a->photons - b->photons) <= 1e-6 * a->photons);
            assert_true(fabs(b->background - 20) < 1e-5);
        }
        atm_table_free(&truth);
        atm_table_free(&stored);
        atm_mem_free(movie);
    }
    assert_int_equal(atm_h5_open_objects(), 0);
    atm_mem_free(expected);
    atm_mem_free(adu);
}

static void noise_keeps_the_mean(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    struct atm_table truth;
    struct atm_movie_info info;
    o.background_gradient = 0.8;
    o.sigma_px = 0.7;
    o.margin_px = 6; /* all photons fall into the field */
    write_scene(&o, 6, in_folder("noisy.h5"), NULL, &truth);
    float *movie = read_movie(in_folder("noisy.h5"), &info);
    double photons = 0, pixels = (double)(o.frames * o.height * o.width), sum = 0, left = 0;
    double slope = 0; /* of the truth's background */
    for (ptrdiff_t i = 0; i < truth.count; i++) {
        photons += truth.rows[i].photons;
        double line = 20 * (1 + 0.8 * ((truth.rows[i].x + 0.5) / 41 - 0.5));
        slope = fmax(slope, fabs(truth.rows[i].background - line));
    }
    for (ptrdiff_t i = 0; i < (ptrdiff_t)pixels; i++) {
        double electrons = (movie[i] - camera.offset) * camera.gain;
        sum += electrons;
        left += i % o.width == 0 ? electrons : 0;
    }
    double total = camera.qe * (photons + 20 * pixels); /* electrons */
    assert_true(slope < 1e-9);
    assert_true(fabs(sum - total) < 5 * sqrt(total + 2.6 * pixels));
    double edge = 18 * (1 - 0.4 + 0.8 * 0.5 / 41), edge_pixels = pixels / 41;
    assert_true(fabs(left / edge_pixels - edge) < 5 * sqrt((edge + 2.6) / edge_pixels));
    atm_table_free(&truth);
    atm_mem_free(movie);
}

static void assert_same_bytes(const char *a, const char *b) {
    FILE *fa = fopen(a, "rb"), *fb = fopen(b, "rb");
    assert_true(fa && fb);
    int ca, cb;
    do {
        ca = fgetc(fa);
        cb = fgetc(fb);
        assert_int_equal(ca, cb);
    } while (ca != EOF);
    fclose(fa);
    fclose(fb);
}

static void threads_do_not_change_the_bytes(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    const char *endings[] = {"h5", "tif"};
    int threads = omp_get_max_threads();
    for (int i = 0; i < 2; i++) {
        char one[256], two[256];
        snprintf(one, sizeof one, "%s/one.%s", folder, endings[i]);
        snprintf(two, sizeof two, "%s/two.%s", folder, endings[i]);
        omp_set_num_threads(1);
        write_scene(&o, 7, one, NULL, NULL);
        omp_set_num_threads(2);
        write_scene(&o, 7, two, NULL, NULL);
        omp_set_num_threads(threads);
        assert_same_bytes(one, two);
    }
    assert_same_bytes(in_folder("one_truth.px.csv"), in_folder("two_truth.px.csv"));
}

static void truth_of_a_tiff_stands_beside_it(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    struct atm_table truth, stored;
    struct atm_movie_info info;
    write_scene(&o, 8, in_folder("movie.tif"), NULL, &truth);
    atm_mem_free(read_movie(in_folder("movie.tif"), &info));
    assert_int_equal(info.frames, o.frames);
    assert_string_equal(info.sample, "uint16");
    atm_table_init(&stored);
    assert_int_equal(atm_table_read(in_folder("movie_truth.px.csv"), 100, &stored, NULL), ATM_OK);
    assert_int_equal(stored.count, truth.count);
    assert_true(fabs(stored.rows[17].x - truth.rows[17].x) < 1e-3);
    assert_int_equal(stored.rows[17].frame, truth.rows[17].frame);
    atm_table_free(&truth);
    atm_table_free(&stored);
}

static void outside_emitters_light_pixels_only(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    struct atm_table truth;
    struct atm_movie_info info;
    o.margin_px = -3;
    o.density = 2;
    o.noise = ATM_SYNTH_NO_NOISE;
    o.frames = 200;
    write_scene(&o, 9, in_folder("outside.h5"), NULL, &truth);
    double sum = 0, light = 0, least = INFINITY;
    for (ptrdiff_t i = 0; i < truth.count; i++) {
        light += truth.rows[i].photons;
        least = fmin(least, fmin(truth.rows[i].x, truth.rows[i].y));
    }
    assert_true(least >= -0.5 && least < -0.4);
    float *movie = read_movie(in_folder("outside.h5"), &info);
    ptrdiff_t pixels = o.frames * o.height * o.width;
    for (ptrdiff_t i = 0; i < pixels; i++)
        sum += (movie[i] - camera.offset) * camera.gain / camera.qe - 20;
    /* what flows in over the edge equals what flows out */
    assert_true(fabs(sum / light - 1) < 0.02);
    atm_table_free(&truth);
    atm_mem_free(movie);
}

/* ---- sink: progress, stop, warnings ---- */

struct listener {
    int64_t done, stop_at;
    char warning[512];
};

static void note_progress(void *context, const char *what, int64_t done, int64_t total,
                          const char *note) {
    (void)note;
    struct listener *listener = context;
    assert_string_equal(what, "frames");
    assert_true(done > listener->done && done <= total);
    listener->done = done;
}

static bool should_stop(void *context) {
    const struct listener *listener = context;
    return listener->done >= listener->stop_at;
}

static void note_line(void *context, enum atm_log_level level, const char *text) {
    struct listener *listener = context;
    if (level == ATM_LOG_WARNING)
        snprintf(listener->warning, sizeof listener->warning, "%s", text);
}

static struct atm_sink listen(struct listener *listener) {
    return (struct atm_sink){note_line, note_progress, should_stop, listener};
}

static void stopping_leaves_nothing(void **state) {
    (void)state;
    const char *names[] = {"stopped.h5", "stopped.tif"};
    struct atm_synth_options o = small_movie();
    for (int i = 0; i < 2; i++) {
        struct listener listener = {.stop_at = 1};
        struct atm_sink sink = listen(&listener);
        struct atm_err err = {0};
        struct atm_table truth = {.count = -7};
        const char *path = in_folder(names[i]);
        assert_int_equal(atm_scene_write(&o, &camera, 1, path, NULL, &sink, &truth, &err),
                         ATM_STOPPED);
        assert_non_null(strstr(err.text, "stopped: "));
        assert_int_equal(truth.count, -7);
        assert_true(listener.done > 0 && listener.done < o.frames);
        assert_int_not_equal(access(path, F_OK), 0);
        char part[300];
        snprintf(part, sizeof part, "%s.part", path);
        assert_int_not_equal(access(part, F_OK), 0);
    }
    assert_int_not_equal(access(in_folder("stopped_truth.px.csv"), F_OK), 0);
    assert_int_equal(atm_h5_open_objects(), 0);
}

static void what_the_sample_cannot_hold_is_said(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    struct listener listener = {.stop_at = INT64_MAX};
    struct atm_sink sink = listen(&listener);
    o.photons = o.photons_max = 1e6;
    o.amplitude_law = ATM_SYNTH_FIXED;
    write_scene(&o, 1, in_folder("bright.h5"), &sink, NULL);
    assert_int_equal(listener.done, o.frames);
    assert_non_null(strstr(listener.warning, "were outside 0..65535 ADU and clipped"));
    listener = (struct listener){.stop_at = INT64_MAX};
    o.photons = 1;
    o.psf = ATM_PSF_SAMPLED;
    o.noise = ATM_SYNTH_NO_NOISE;
    o.frames = 3;
    struct atm_camera plain = atm_movie_unknown_camera();
    o.count_law = ATM_SYNTH_COUNT;
    assert_int_equal(atm_scene_write(&o, &plain, 1, in_folder("faint.h5"), NULL, &sink, NULL, NULL),
                     ATM_OK);
    assert_non_null(strstr(listener.warning, "use synth.sample = float32"));
}

static void failures_leave_nothing(void **state) {
    (void)state;
    struct atm_synth_options o = small_movie();
    struct atm_camera unknown = atm_movie_unknown_camera();
    struct atm_err err = {0};
    const char *path = in_folder("failed.h5");
    assert_int_equal(atm_scene_write(&o, &unknown, 1, path, NULL, NULL, NULL, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "set camera.pixel_size_nm"));
    o.separation_px = 20;
    o.density = 3;
    assert_int_equal(atm_scene_write(&o, &camera, 1, path, NULL, NULL, NULL, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "found no place"));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(in_folder("failed.h5.part"), F_OK), 0);
    o = small_movie();
    const char *nowhere = in_folder("no/such/folder/movie.h5");
    assert_int_equal(atm_scene_write(&o, &camera, 1, nowhere, NULL, NULL, NULL, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "no/such/folder"));
    assert_int_equal(atm_h5_open_objects(), 0);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {
        "clean.h5",
        "noisy.h5",
        "outside.h5",
        "bright.h5",
        "faint.h5",
        "one.h5",
        "two.h5",
        "one.tif",
        "two.tif",
        "movie.tif",
        "one_truth.px.csv",
        "two_truth.px.csv",
        "movie_truth.px.csv",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder); /* fails when something unexpected was left */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_explains_every_pixel),
        cmocka_unit_test(noise_keeps_the_mean),
        cmocka_unit_test(threads_do_not_change_the_bytes),
        cmocka_unit_test(truth_of_a_tiff_stands_beside_it),
        cmocka_unit_test(outside_emitters_light_pixels_only),
        cmocka_unit_test(stopping_leaves_nothing),
        cmocka_unit_test(what_the_sample_cannot_hold_is_said),
        cmocka_unit_test(failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
