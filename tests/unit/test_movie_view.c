/* What is seen of a movie: regions of interest, camera maps in them, files that grow, reading ahead
 * of pixels in both byte orders by blocks, and Picasso's raw files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "camera.h"
#include "mem.h"
#include "movie_case.h"
#include <math.h>

static const char RAW_PATH[] = "movie.raw", YAML_PATH[] = "movie.yaml", MAP[] = "map.tif";

static int remove_files(void **state) {
    unlink(RAW_PATH);
    unlink(YAML_PATH);
    unlink(MAP);
    return each_teardown(state);
}

static void put_yaml(const char *order, const char *type, int frames, int height, int width) {
    char text[256];
    int size = snprintf(text, sizeof text,
                        "Byte Order: '%s'\nData Type: %s\nFrames: %d\nHeight: %d\nWidth: %d\n",
                        order, type, frames, height, width);
    put_bytes(YAML_PATH, text, (size_t)size);
}

/* `count` frames; the file is not closed by a whole one where rest is not 0. */
static void put_raw(bool big_endian, int count, size_t rest) {
    static uint16_t pixels[(FRAMES + 1) * PIXELS];
    for (int i = 0; i < (count + 1) * PIXELS; i++) {
        uint16_t value = (uint16_t)(256 * (i % 3) + (int)value_at(i / PIXELS % FRAMES, i % PIXELS));
        pixels[i] = big_endian ? __builtin_bswap16(value) : value;
    }
    put_bytes(RAW_PATH, pixels, (size_t)(count * PIXELS) * 2 + rest);
}

static void expect_raw(struct atm_movie *movie, int first, int count) {
    static float adu[FRAMES * PIXELS];
    struct atm_err err = {0};
    if (atm_movie_read(movie, first, count, adu, &err) != ATM_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < count * PIXELS; i++) {
        int all = first * PIXELS + i;
        assert_true((double)adu[i] == 256 * (all % 3) + value_at(all / PIXELS, all % PIXELS));
    }
}

static void raw_files_in_both_byte_orders(void **state) {
    (void)state;
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        put_yaml(big_endian ? ">" : "<", "uint16", FRAMES, HEIGHT, WIDTH);
        put_raw(big_endian, FRAMES, 0);
        struct atm_movie *movie = open_movie(RAW_PATH, false);
        assert_string_equal(atm_movie_info(movie)->sample, "uint16");
        assert_int_equal(atm_movie_info(movie)->frames, FRAMES);
        expect_raw(movie, 0, FRAMES);
        expect_raw(movie, 1, 1);
        atm_movie_close(&movie);
    }
    put_yaml("<", "uint16", FRAMES, 0, WIDTH);
    struct atm_err err = {0};
    struct atm_movie *movie = NULL;
    assert_int_equal(atm_movie_open(RAW_PATH, NULL, &movie, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "movie.yaml: Height is \"0\", which is no size"));
    put_yaml("<", "uint16", FRAMES, 65000, 65000);
    assert_int_equal(atm_movie_open(RAW_PATH, NULL, &movie, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "sides up to 65536"));
}

static void files_that_grow(void **state) {
    (void)state;
    put_yaml("<", "uint16", FRAMES, HEIGHT, WIDTH);
    put_raw(false, 1, 7);
    struct atm_movie *movie = open_movie(RAW_PATH, true);
    assert_int_equal(atm_movie_info(movie)->frames, 1);
    atm_movie_refresh(&movie);
    assert_int_equal(atm_movie_info(movie)->frames, 1);
    put_raw(false, 2, 7);
    atm_movie_refresh(&movie);
    assert_int_equal(atm_movie_info(movie)->frames, 2);
    expect_raw(movie, 0, 2);
    unlink(RAW_PATH); /* for the moment */
    atm_movie_refresh(&movie);
    assert_int_equal(atm_movie_info(movie)->frames, 2);
    put_raw(false, FRAMES, 0);
    atm_movie_refresh(&movie);
    assert_int_equal(atm_movie_info(movie)->frames, FRAMES);
    assert_int_equal(atm_movie_info(movie)->missing_frames, 0);
    expect_raw(movie, 2, 1);
    atm_movie_close(&movie);
}

static struct atm_movie *open_part(struct atm_movie_roi roi) {
    const struct atm_movie_options options = {.roi = roi};
    struct atm_movie *movie = NULL;
    struct atm_err err = {0};
    if (atm_movie_open(RAW_PATH, &options, &movie, &err) != ATM_OK)
        fail_msg("%s", err.text);
    return movie;
}

static void regions_of_interest(void **state) {
    (void)state;
    enum { X = 5, Y = 11, W = 9, H = 17 };
    static float adu[FRAMES * W * H];
    put_yaml("<", "uint16", FRAMES, HEIGHT, WIDTH);
    put_raw(false, FRAMES, 0);
    struct atm_movie *movie = open_part((struct atm_movie_roi){X, Y, W, H});
    const struct atm_movie_info *info = atm_movie_info(movie);
    assert_true(info->width == W && info->height == H && info->frames == FRAMES);
    assert_true(info->field.x == X && info->field.y == Y);
    assert_true(info->field.width == WIDTH && info->field.height == HEIGHT);
    assert_int_equal(atm_movie_read(movie, 1, 2, adu, NULL), ATM_OK);
    for (int i = 0; i < 2 * W * H; i++) {
        int all = (1 + i / (W * H)) * PIXELS + (Y + i / W % H) * WIDTH + X + i % W;
        assert_true((double)adu[i] == 256 * (all % 3) + value_at(all / PIXELS, all % PIXELS));
    }
    /* a map of the whole camera is cut, one of the region is taken as it is */
    const ptrdiff_t sizes[][2] = {{HEIGHT, WIDTH}, {H, W}};
    for (int k = 0; k < 2; k++) {
        static float values[PIXELS];
        for (int i = 0; i < PIXELS; i++)
            values[i] = (float)i;
        const struct atm_movie_layout layout = {.frames = 1,
                                                .height = sizes[k][0],
                                                .width = sizes[k][1],
                                                .sample = ATM_MOVIE_F32,
                                                .camera = atm_movie_unknown_camera()};
        struct atm_movie_writer *writer = NULL;
        assert_int_equal(atm_movie_create(MAP, &layout, &writer, NULL), ATM_OK);
        assert_int_equal(atm_movie_append(writer, 1, values, NULL), ATM_OK);
        assert_int_equal(atm_movie_finish(&writer, NULL), ATM_OK);
        float *map = NULL;
        uint64_t hash = 0;
        assert_int_equal(atm_camera_read_map(MAP, info, 0, &map, &hash, NULL), ATM_OK);
        for (int i = 0; i < W * H; i++)
            assert_true(map[i] == (float)(k ? i : (Y + i / W) * WIDTH + X + i % W));
        atm_mem_free(map);
    }
    atm_movie_close(&movie);
    const struct atm_movie_options outside = {.roi = {WIDTH - W + 1, 0, W, H}};
    struct atm_err err = {0};
    assert_int_equal(atm_movie_open(RAW_PATH, &outside, &movie, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "the region of 9 x 17 at x 15, y 0 is not inside"));
}

static void regions_as_text(void **state) {
    (void)state;
    struct atm_movie_roi roi;
    assert_int_equal(atm_movie_roi_parse("", "input.roi", &roi, NULL), ATM_OK);
    assert_int_equal(roi.width, 0);
    assert_int_equal(atm_movie_roi_parse(" 3,4 , 50,6 ", "input.roi", &roi, NULL), ATM_OK);
    assert_true(roi.x == 3 && roi.y == 4 && roi.width == 50 && roi.height == 6);
    static const char *const WRONG[] = {"1,2,3",   "1,2,3,0",       "-1,2,3,4", "1,2,3,4,5",
                                        "1,2,3,x", "1,2,3,4 pixel", "a",        "0,0,99999999,1"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct atm_err err = {0};
        assert_int_equal(atm_movie_roi_parse(WRONG[i], "input.roi", &roi, &err), ATM_FAIL);
        assert_non_null(strstr(err.text, "a region is x, y, width, height"));
    }
}

/* Frames and blocks of reading do not coincide; large enough for several threads. */
static void blocks_of_reading(void **state) {
    (void)state;
    enum { W = 333, H = 211, N = 7 };
    const size_t count = (size_t)W * H * N;
    uint16_t *pixels = atm_mem_alloc(count, sizeof *pixels);
    float *adu = atm_mem_alloc(count, sizeof *adu);
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint16_t)(i * 2654435761u >> 7);
    put_yaml("<", "uint16", N, H, W);
    put_bytes(RAW_PATH, pixels, count * sizeof *pixels);
    struct atm_movie *movie = open_movie(RAW_PATH, false);
    for (int first = 0; first < N; first++) {
        assert_int_equal(atm_movie_read(movie, first, N - first, adu, NULL), ATM_OK);
        for (size_t i = 0; i < (size_t)(N - first) * W * H; i++)
            assert_true(adu[i] == (float)pixels[(size_t)first * W * H + i]);
    }
    assert_int_equal(truncate(RAW_PATH, (off_t)(count * sizeof *pixels) - 2 * W * H - 1), 0);
    struct atm_err err = {0};
    assert_int_equal(atm_movie_read(movie, 0, N, adu, &err), ATM_FAIL);
    assert_non_null(
        strstr(err.text, "cannot read frame 5 (counting from 0); was the file changed"));
    atm_movie_close(&movie);
    atm_mem_free(pixels);
    atm_mem_free(adu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(raw_files_in_both_byte_orders, remove_files),
        cmocka_unit_test_teardown(files_that_grow, remove_files),
        cmocka_unit_test_teardown(regions_of_interest, remove_files),
        cmocka_unit_test_teardown(regions_as_text, remove_files),
        cmocka_unit_test_teardown(blocks_of_reading, remove_files),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
