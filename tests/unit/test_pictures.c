/* Pictures of digits: IDX, NumPy, UNIPEN and PNG files, their labels, and the stage that makes them
 * fit for a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "image.h"
#include "mem.h"
#include "movie_case.h"
#include "unipen.h"
#include <math.h>
#include <zlib.h>

enum { COUNT = 5, H = 6, W = 4, HEADER = 16 };
static const char IMAGES[] = "some-images-idx3-ubyte", LABELS[] = "some-labels-idx1-ubyte",
                  PACKED[] = "some-images-idx3-ubyte.gz", NPY[] = "some.npy", PEN[] = "pen.dat";
static const char *const MADE[] = {IMAGES,       LABELS,        PACKED,        NPY,           PEN,
                                   "labels.npy", "digit_1.png", "digit_2.png", "digit_10.png"};

static int remove_files(void **state) {
    for (size_t i = 0; i < sizeof MADE / sizeof *MADE; i++)
        unlink(MADE[i]);
    return each_teardown(state);
}

static unsigned char byte_at(int i) { return (unsigned char)(i * 37 % 251); }

static size_t make_idx(unsigned char bytes[HEADER + COUNT * H * W]) {
    const unsigned char header[HEADER] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, H, 0, 0, 0, W};
    memcpy(bytes, header, HEADER);
    for (int i = 0; i < COUNT * H * W; i++)
        bytes[HEADER + i] = byte_at(i);
    return HEADER + COUNT * H * W;
}

static void put_packed(const char *path, const void *bytes, size_t size) {
    gzFile file = gzopen(path, "wb");
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void put_labels(int count) {
    unsigned char bytes[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, (unsigned char)count, 7, 3, 9, 0, 5};
    put_bytes(LABELS, bytes, 8 + (size_t)count);
}

static void expect_bytes(struct atm_movie *movie, int first, int count) {
    float adu[COUNT * H * W];
    struct atm_err err = {0};
    if (atm_movie_read(movie, first, count, adu, &err) != ATM_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < count * H * W; i++)
        assert_true(adu[i] == (float)byte_at(first * H * W + i));
}

static void idx_files_plain_and_packed(void **state) {
    (void)state;
    unsigned char bytes[HEADER + COUNT * H * W];
    const size_t size = make_idx(bytes);
    put_bytes(IMAGES, bytes, size);
    put_packed(PACKED, bytes, size);
    const char *const paths[] = {IMAGES, PACKED};
    for (int p = 0; p < 2; p++) {
        struct atm_movie *movie = open_movie(paths[p], false);
        const struct atm_movie_info *info = atm_movie_info(movie);
        assert_string_equal(info->format, "IDX");
        assert_string_equal(info->sample, "uint8");
        assert_int_equal(info->frames, COUNT);
        assert_int_equal(info->height, H);
        assert_int_equal(info->width, W);
        assert_false(info->has_labels);
        expect_bytes(movie, 0, COUNT);
        expect_bytes(movie, 3, 2);
        expect_bytes(movie, 1, 1); /* back again */
        atm_movie_close(&movie);
    }
}

static void idx_files_that_are_not_whole(void **state) {
    (void)state;
    unsigned char bytes[HEADER + COUNT * H * W];
    const size_t size = make_idx(bytes);
    put_bytes(IMAGES, bytes, size - 1);
    refuse(IMAGES, false, "frame 4 (counting from 0) is cut off");
    struct atm_movie *movie = open_movie(IMAGES, true);
    assert_int_equal(atm_movie_info(movie)->frames, COUNT - 1);
    assert_int_equal(atm_movie_info(movie)->missing_frames, 1);
    atm_movie_close(&movie);
    put_packed(PACKED, bytes, size);
    assert_int_equal(truncate(PACKED, size_of(PACKED) - 30), 0);
    refuse(PACKED, false, "is cut off");
    bytes[2] = 0x0d;
    put_bytes(IMAGES, bytes, size);
    refuse(IMAGES, false, "type 0x0d");
    bytes[2] = 8, bytes[8] = 0x7f;
    put_bytes(IMAGES, bytes, size);
    refuse(IMAGES, false, "claims");
}

static void expect_labels(struct atm_movie *movie) {
    static const int32_t expected[COUNT] = {7, 3, 9, 0, 5};
    int32_t labels[COUNT];
    struct atm_err err = {0};
    if (atm_movie_labels(movie, labels, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_memory_equal(labels, expected, sizeof labels);
}

/* An array of uint8 (COUNT, 25, 25), black digits on white; header in 80 bytes. */
enum { SIDE = 25, NPY_HEADER = 80 };
static size_t make_npy(const char *dict, unsigned char bytes[NPY_HEADER + COUNT * SIDE * SIDE]) {
    memset(bytes, ' ', NPY_HEADER);
    memcpy(bytes, "\x93NUMPY\x01", 7);
    bytes[7] = 0, bytes[8] = NPY_HEADER - 10, bytes[9] = 0;
    memcpy(bytes + 10, dict, strlen(dict));
    bytes[NPY_HEADER - 1] = '\n';
    for (int i = 0; i < COUNT * SIDE * SIDE; i++)
        bytes[NPY_HEADER + i] = byte_at(i);
    return NPY_HEADER + COUNT * SIDE * SIDE;
}
static void labels_are_found_beside_or_named(void **state) {
    (void)state;
    unsigned char bytes[HEADER + COUNT * H * W];
    put_packed(PACKED, bytes, make_idx(bytes));
    put_labels(COUNT);
    struct atm_movie *movie = open_movie(PACKED, false);
    assert_true(atm_movie_info(movie)->has_labels);
    expect_labels(movie);
    atm_movie_close(&movie);
    put_labels(COUNT - 1);
    movie = open_movie(PACKED, false);
    int32_t labels[COUNT];
    struct atm_err err = {0};
    assert_int_equal(atm_movie_labels(movie, labels, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "has 4 labels"));
    atm_movie_close(&movie);

    unsigned char npy[NPY_HEADER + COUNT * SIDE * SIDE];
    make_npy("{'descr': '>i2', 'fortran_order': False, 'shape': (5,), }", npy);
    memcpy(npy + NPY_HEADER, "\0\x07\0\x03\0\x09\0\0\0\x05", 10);
    put_bytes("labels.npy", npy, NPY_HEADER + 10);
    struct atm_movie_options options = {.labels = "labels.npy", .picture = {.size_px = 3}};
    if (atm_movie_open(PACKED, &options, &movie, &err) != ATM_OK)
        fail_msg("%s", err.text);
    expect_labels(movie); /* through the picture stage */
    atm_movie_close(&movie);
}

static const char GOOD[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 25, 25), }";

static void digits_of_numpy_become_small_and_white_on_black(void **state) {
    (void)state;
    unsigned char bytes[NPY_HEADER + COUNT * SIDE * SIDE];
    put_bytes(NPY, bytes, make_npy(GOOD, bytes));
    enum { SMALL = 5, PART = SIDE / SMALL };
    const struct atm_movie_options options = {.picture = {.size_px = SMALL, .invert = true}};
    struct atm_movie *movie = NULL;
    float adu[COUNT * SMALL * SMALL];
    assert_int_equal(atm_movie_open(NPY, &options, &movie, NULL), ATM_OK);
    assert_int_equal(atm_movie_info(movie)->width, SMALL);
    assert_int_equal(atm_movie_read(movie, 0, COUNT, adu, NULL), ATM_OK);
    for (int i = 0; i < COUNT * SMALL * SMALL; i++) {
        double sum = 0;
        const int t = i / (SMALL * SMALL), y = i / SMALL % SMALL, x = i % SMALL;
        for (int p = 0; p < PART * PART; p++)
            sum += byte_at((t * SIDE + y * PART + p / PART) * SIDE + x * PART + p % PART);
        assert_true(fabs((double)adu[i] - (255 - sum / (PART * PART))) < 1e-4);
    }
    uint64_t hash = 0, plain = 0;
    assert_int_equal(atm_movie_hash(movie, &hash, NULL), ATM_OK);
    atm_movie_close(&movie);
    movie = open_movie(NPY, false);
    assert_string_equal(atm_movie_info(movie)->sample, "uint8");
    assert_int_equal(atm_movie_hash(movie, &plain, NULL), ATM_OK);
    assert_true(hash == plain);
    atm_movie_close(&movie);
}

/* No light is lost between sizes that do not divide, and a region lies in the new pixels. */
static void averages_keep_the_mean(void **state) {
    (void)state;
    unsigned char bytes[NPY_HEADER + COUNT * SIDE * SIDE];
    put_bytes(NPY, bytes, make_npy(GOOD, bytes));
    const int sizes[] = {7, 16, 25, 40};
    double mean = 0;
    for (int i = 0; i < SIDE * SIDE; i++)
        mean += byte_at(i) / (double)(SIDE * SIDE);
    for (int s = 0; s < 4; s++) {
        static float whole[40 * 40], part[6];
        struct atm_movie_options options = {.picture = {.size_px = sizes[s]}};
        struct atm_movie *movie = NULL;
        assert_int_equal(atm_movie_open(NPY, &options, &movie, NULL), ATM_OK);
        assert_int_equal(atm_movie_read(movie, 0, 1, whole, NULL), ATM_OK);
        double sum = 0;
        for (int i = 0; i < sizes[s] * sizes[s]; i++)
            sum += (double)whole[i] / (sizes[s] * sizes[s]);
        assert_true(fabs(sum - mean) < 1e-4);
        atm_movie_close(&movie);
        options.roi = (struct atm_movie_roi){2, 1, 3, 2};
        assert_int_equal(atm_movie_open(NPY, &options, &movie, NULL), ATM_OK);
        assert_int_equal(atm_movie_read(movie, 0, 1, part, NULL), ATM_OK);
        for (int i = 0; i < 6; i++)
            assert_true(part[i] == whole[(1 + i / 3) * sizes[s] + 2 + i % 3]);
        atm_movie_close(&movie);
    }
}

static void numpy_files_that_are_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (5, 25, 25), }", "Fortran"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (5, 25, 25), }", "type '<c8'"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (5, 25, 26), }", "frame 4"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", "one axis"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (5, 0, 25), }", "shape (5, 0, 25)"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 5, 5, 25) }", "shape"},
        {"{'descr': '|u1', 'fortran_order': False, }", "not said"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[NPY_HEADER + COUNT * SIDE * SIDE];
        put_bytes(NPY, bytes, make_npy(cases[i][0], bytes));
        refuse(NPY, false, cases[i][1]);
    }
    put_bytes(NPY, "\x93NUMPY\x01\x00\xff\x00{", 11);
    refuse(NPY, false, "cut off");
    put_bytes(NPY, "\x93NUMPY\x09\x00\x01\x00{    ", 15);
    refuse(NPY, false, "unknown version");
}

/* ---- UNIPEN ---- */

static const char TWO[] = ".VERSION 1\n.SEGMENT DIGIT 0 ? \"1\"\n.PEN_DOWN\n 100 100\n 100 300\n"
                          ".PEN_UP\n 7 7\n.SEGMENT DIGIT 1-2 OK \"a\"\n.COMMENT x\n"
                          ".PEN_DOWN\n0 0\n 200 0\n.PEN_UP\n.PEN_DOWN\n 200 50 \n.PEN_UP\n";

static void pen_trajectories_are_drawn_at_any_size(void **state) {
    (void)state;
    put_bytes(PEN, TWO, sizeof TWO - 1);
    const int sizes[] = {32, 65};
    for (int s = 0; s < 2; s++) {
        const int side = sizes[s];
        const struct atm_movie_options options = {.picture = {.size_px = side, .pen_px = 3}};
        struct atm_movie *movie = NULL;
        struct atm_err err = {0};
        if (atm_movie_open(PEN, &options, &movie, &err) != ATM_OK)
            fail_msg("%s", err.text);
        assert_int_equal(atm_movie_info(movie)->frames, 2);
        assert_int_equal(atm_movie_info(movie)->width, side);
        int32_t labels[2];
        assert_int_equal(atm_movie_labels(movie, labels, &err), ATM_OK);
        assert_int_equal(labels[0], 1);
        assert_int_equal(labels[1], 'a');
        static float adu[65 * 65];
        assert_int_equal(atm_movie_read(movie, 0, 1, adu, &err), ATM_OK);
        double ink = 0, x_sum = 0;
        for (int i = 0; i < side * side; i++)
            ink += (double)adu[i] / 255, x_sum += (double)adu[i] / 255 * (i % side);
        /* A bar of 3 px, 88/128 of the side long, with round ends, in the middle; its soft edge
         * keeps its area to some per cent. */
        const double area = 3 * 88.0 / 128 * side + M_PI * 1.5 * 1.5;
        assert_true(fabs(ink - area) < 0.05 * area);
        assert_true(fabs(x_sum / ink - 0.5 * (side - 1)) < 1e-3);
        /* y is upwards: the dot of the second image lies above its bar. */
        assert_int_equal(atm_movie_read(movie, 1, 1, adu, &err), ATM_OK);
        double above = 0, below = 0;
        for (int i = 0; i < side * side / 2; i++)
            above += (double)adu[i], below += (double)adu[side * side - 1 - i];
        assert_true(above > 0 && above < below);
        atm_movie_close(&movie);
    }
}

static void pen_files_that_are_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {".PEN_DOWN\n 1 2\n 3\n", "line 3"},
        {".PEN_DOWN\n 1 nan\n", "line 2"},
        {".PEN_DOWN\n 1 1e300\n", "line 2"},
        {".SEGMENT DIGIT 0 ? \"1\"\n.SEGMENT DIGIT 1 ? \"2\"\n.PEN_DOWN\n", "line 2"},
        {".SEGMENT DIGIT 0 ? \"1\"\n.PEN_DOWN\n.PEN_UP\n", "no points"},
        {".HIERARCHY DIGIT\n", "no pen strokes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_bytes(PEN, cases[i][0], strlen(cases[i][0]));
        refuse(PEN, false, cases[i][1]);
    }
}

/* ---- PNG ---- */

static void a_folder_of_png_pictures_is_one_movie(void **state) {
    (void)state;
    const int numbers[] = {1, 2, 10};
    uint16_t gray[H * W];
    for (int n = 0; n < 3; n++) {
        char path[32];
        snprintf(path, sizeof path, "digit_%d.png", numbers[n]);
        for (int i = 0; i < H * W; i++)
            gray[i] = (uint16_t)(1000 * numbers[n] + i);
        assert_int_equal(atm_image_write_png16(path, H, W, gray, NULL), ATM_OK);
    }
    struct atm_movie *movie = open_movie("digit_*.png", false);
    float adu[3 * H * W];
    assert_int_equal(atm_movie_info(movie)->frames, 3);
    assert_string_equal(atm_movie_info(movie)->sample, "uint16");
    assert_int_equal(atm_movie_read(movie, 0, 3, adu, NULL), ATM_OK);
    for (int i = 0; i < 3 * H * W; i++)
        assert_true(adu[i] == (float)(1000 * numbers[i / (H * W)] + i % (H * W)));
    atm_movie_close(&movie);
    uint8_t rgb[3 * H * W];
    for (int i = 0; i < 3 * H * W; i++)
        rgb[i] = byte_at(i / 3);
    assert_int_equal(atm_image_write_png("digit_1.png", H, W, rgb, NULL), ATM_OK);
    movie = open_movie("digit_1.png", false);
    assert_string_equal(atm_movie_info(movie)->sample, "uint8");
    expect_bytes(movie, 0, 1);
    atm_movie_close(&movie);
    assert_int_equal(truncate("digit_1.png", size_of("digit_1.png") / 2), 0);
    refuse("digit_1.png", false, "no whole PNG picture");
}

static void what_the_picture_stage_refuses(void **state) {
    (void)state;
    unsigned char bytes[NPY_HEADER + COUNT * SIDE * SIDE];
    put_bytes(NPY, bytes,
              make_npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 25, 25), }", bytes));
    const struct atm_movie_options options = {.picture = {.invert = true}};
    struct atm_movie *movie = NULL;
    struct atm_err err = {0};
    assert_int_equal(atm_movie_open(NPY, &options, &movie, &err), ATM_FAIL);
    assert_null(movie);
    assert_non_null(strstr(err.text, "input.invert needs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(idx_files_plain_and_packed, remove_files),
        cmocka_unit_test_teardown(idx_files_that_are_not_whole, remove_files),
        cmocka_unit_test_teardown(labels_are_found_beside_or_named, remove_files),
        cmocka_unit_test_teardown(digits_of_numpy_become_small_and_white_on_black, remove_files),
        cmocka_unit_test_teardown(averages_keep_the_mean, remove_files),
        cmocka_unit_test_teardown(numpy_files_that_are_refused, remove_files),
        cmocka_unit_test_teardown(pen_trajectories_are_drawn_at_any_size, remove_files),
        cmocka_unit_test_teardown(pen_files_that_are_refused, remove_files),
        cmocka_unit_test_teardown(a_folder_of_png_pictures_is_one_movie, remove_files),
        cmocka_unit_test_teardown(what_the_picture_stage_refuses, remove_files),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
