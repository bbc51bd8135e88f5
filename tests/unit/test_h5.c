/* HDF5 wrapper: round trips, error texts, no object left open, equal bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "h5.h"
#include "mem.h"
#include "test_folder.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char PATH[] = "test.h5";

static int each_teardown(void **state) {
    (void)state;
    unlink(PATH);
    return atm_h5_open_objects() == 0 ? 0 : -1;
}

static struct atm_h5 *create(void) {
    struct atm_h5 *file = NULL;
    assert_int_equal(atm_h5_create(PATH, &file, NULL), ATM_OK);
    return file;
}

static struct atm_h5 *reopen(struct atm_h5 *file) {
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    assert_null(file);
    assert_int_equal(atm_h5_open_objects(), 0);
    assert_int_equal(atm_h5_open(PATH, &file, NULL), ATM_OK);
    return file;
}

static void expect_error(const struct atm_err *err, const char *part) {
    if (!strstr(err->text, part) || !strstr(err->text, PATH))
        fail_msg("\"%s\" is not in \"%s\"", part, err->text);
}

static void arrays_come_back(void **state) {
    (void)state;
    const ptrdiff_t dims[] = {3, 1, 5};
    float out[15], in[15];
    for (int i = 0; i < 15; i++)
        out[i] = 2.385f * (float)i - 7;
    struct atm_h5 *file = create();
    assert_string_equal(atm_h5_path(file), PATH);
    assert_int_equal(atm_h5_write(file, "/weights/enc1/w", ATM_H5_F32, 3, dims, out, NULL), ATM_OK);
    const int64_t step = 1234567890123;
    assert_int_equal(atm_h5_write(file, "step", ATM_H5_I64, 0, NULL, &step, NULL), ATM_OK);
    const ptrdiff_t none = 0;
    assert_int_equal(atm_h5_write(file, "none", ATM_H5_F64, 1, &none, NULL, NULL), ATM_OK);
    file = reopen(file);
    int rank;
    ptrdiff_t read_dims[ATM_H5_MAX_RANK];
    assert_int_equal(atm_h5_shape(file, "/weights/enc1/w", &rank, read_dims, NULL), ATM_OK);
    assert_int_equal(rank, 3);
    assert_memory_equal(read_dims, dims, sizeof dims);
    assert_int_equal(atm_h5_read(file, "/weights/enc1/w", ATM_H5_F32, 15, in, NULL), ATM_OK);
    assert_memory_equal(in, out, sizeof in);
    double converted[15];
    assert_int_equal(atm_h5_read(file, "weights/enc1/w", ATM_H5_F64, 15, converted, NULL), ATM_OK);
    assert_true(converted[14] == (double)out[14]);
    int64_t read_step = 0;
    assert_int_equal(atm_h5_read(file, "step", ATM_H5_I64, 1, &read_step, NULL), ATM_OK);
    assert_int_equal(read_step, step);
    assert_int_equal(atm_h5_read(file, "none", ATM_H5_F64, 0, NULL, NULL), ATM_OK);
    char kind[ATM_H5_KIND_SIZE];
    assert_int_equal(atm_h5_kind(file, "step", kind, NULL), ATM_OK);
    assert_string_equal(kind, "int64");
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
}

static void wrong_requests_are_told(void **state) {
    (void)state;
    struct atm_h5 *file = create();
    const ptrdiff_t dims[] = {2, 2};
    const uint8_t bytes[4] = {0};
    atm_h5_write(file, "a", ATM_H5_U8, 2, dims, bytes, NULL);
    file = reopen(file);
    struct atm_err err = {0};
    float in[4];
    assert_int_equal(atm_h5_read(file, "a", ATM_H5_F32, 3, in, &err), ATM_FAIL);
    expect_error(&err, "a has 4 elements where 3 are needed");
    assert_int_equal(atm_h5_read(file, "b", ATM_H5_F32, 3, in, &err), ATM_FAIL);
    expect_error(&err, "cannot read b: object 'b' doesn't exist");
    ptrdiff_t count;
    assert_int_equal(atm_h5_table_size(file, "a", &count, &err), ATM_FAIL);
    expect_error(&err, "a is not a table");
    assert_true(atm_h5_exists(file, "/a") && atm_h5_exists(file, "/"));
    assert_false(atm_h5_exists(file, "/b") || atm_h5_exists(file, "/a/b/c"));
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
}

static void attributes_come_back(void **state) {
    (void)state;
    struct atm_h5 *file = create();
    char *text = NULL, *long_text = atm_mem_alloc(200001, 1);
    memset(long_text, 'x', 200000);
    double number = -1;
    assert_int_equal(atm_h5_write_number(file, "/", "pixel_size_nm", 1, NULL), ATM_OK);
    assert_int_equal(atm_h5_write_number(file, "/", "pixel_size_nm", 133.5, NULL), ATM_OK);
    assert_int_equal(atm_h5_write_text(file, "/", "provenance", "[run]\nµ = 3\n", NULL), ATM_OK);
    assert_int_equal(atm_h5_write_text(file, "/", "empty", "", NULL), ATM_OK);
    assert_int_equal(atm_h5_write_text(file, "/", "long", long_text, NULL), ATM_OK);
    file = reopen(file);
    assert_int_equal(atm_h5_read_number(file, "/", "pixel_size_nm", &number, NULL), ATM_OK);
    assert_true(number == 133.5);
    assert_int_equal(atm_h5_read_number(file, "/", "absent", &number, NULL), ATM_OK);
    assert_int_equal(atm_h5_read_number(file, "/absent", "x", &number, NULL), ATM_OK);
    assert_true(number == 133.5);
    assert_int_equal(atm_h5_read_text(file, "/", "provenance", &text, NULL), ATM_OK);
    assert_string_equal(text, "[run]\nµ = 3\n");
    atm_mem_free(text);
    assert_int_equal(atm_h5_read_text(file, "/", "empty", &text, NULL), ATM_OK);
    assert_string_equal(text, "");
    atm_mem_free(text);
    assert_int_equal(atm_h5_read_text(file, "/", "long", &text, NULL), ATM_OK);
    assert_string_equal(text, long_text);
    atm_mem_free(text);
    assert_int_equal(atm_h5_read_text(file, "/", "absent", &text, NULL), ATM_OK);
    assert_null(text);
    struct atm_err err = {0};
    assert_int_equal(atm_h5_read_number(file, "/", "provenance", &number, &err), ATM_FAIL);
    expect_error(&err, "provenance of / is not a number");
    assert_int_equal(atm_h5_read_text(file, "/", "pixel_size_nm", &text, &err), ATM_FAIL);
    expect_error(&err, "pixel_size_nm of / is not text");
    atm_mem_free(long_text);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
}

struct row {
    double x;
    int64_t frame;
    float y;
    double untouched;
};

static const struct atm_h5_field FIELDS[] = {
    {"frame", ATM_H5_U32, ATM_H5_I64, offsetof(struct row, frame)},
    {"x", ATM_H5_F32, ATM_H5_F64, offsetof(struct row, x)},
    {"y", ATM_H5_F32, ATM_H5_F32, offsetof(struct row, y)},
};
static const struct atm_h5_field ASKED[] = {
    {"absent", ATM_H5_F32, ATM_H5_F64, offsetof(struct row, untouched)},
    {"x", ATM_H5_F32, ATM_H5_F64, offsetof(struct row, x)},
    {"frame", ATM_H5_U32, ATM_H5_I64, offsetof(struct row, frame)},
};

static void tables_come_back(void **state) {
    (void)state;
    enum { ROWS = 9001 };
    struct row *rows = atm_mem_alloc(ROWS, sizeof *rows);
    struct row *back = atm_mem_alloc(ROWS, sizeof *back);
    for (int i = 0; i < ROWS; i++) {
        rows[i] = (struct row){.x = i * 0.375, .frame = i / 7, .y = (float)-i};
        back[i].untouched = 2.385;
    }
    struct atm_h5 *file = create();
    assert_int_equal(atm_h5_write_table(file, "locs", FIELDS, 3, rows, sizeof *rows, ROWS, NULL),
                     ATM_OK);
    assert_int_equal(atm_h5_write_table(file, "none", FIELDS, 3, NULL, sizeof *rows, 0, NULL),
                     ATM_OK);
    file = reopen(file);
    ptrdiff_t count = -1;
    assert_int_equal(atm_h5_table_size(file, "locs", &count, NULL), ATM_OK);
    assert_int_equal(count, ROWS);
    assert_true(atm_h5_table_has(file, "locs", "y"));
    assert_false(atm_h5_table_has(file, "locs", "absent"));
    assert_false(atm_h5_table_has(file, "missing", "y"));
    assert_int_equal(atm_h5_read_table(file, "locs", ASKED, 3, back, sizeof *back, ROWS, NULL),
                     ATM_OK);
    for (int i = 0; i < ROWS; i++) {
        assert_true(back[i].x == rows[i].x && back[i].frame == rows[i].frame);
        assert_true(back[i].untouched == 2.385 && back[i].y == 0);
    }
    assert_int_equal(atm_h5_table_size(file, "none", &count, NULL), ATM_OK);
    assert_int_equal(count, 0);
    assert_int_equal(atm_h5_read_table(file, "none", ASKED, 3, back, sizeof *back, 0, NULL),
                     ATM_OK);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    atm_mem_free(rows);
    atm_mem_free(back);
}

/* Frames of odd shape, appended and read in blocks that do not divide anything. */
static void frames_stream(ptrdiff_t height, ptrdiff_t width, ptrdiff_t frames, int gzip) {
    const ptrdiff_t pixels = height * width;
    uint16_t *out = atm_mem_alloc((size_t)(frames * pixels), sizeof *out);
    float *in = atm_mem_alloc((size_t)(frames * pixels), sizeof *in);
    for (ptrdiff_t i = 0; i < frames * pixels; i++)
        out[i] = (uint16_t)(i * 7919);
    struct atm_h5 *file = create();
    assert_int_equal(atm_h5_frames_create(file, "frames", ATM_H5_U16, height, width, gzip, NULL),
                     ATM_OK);
    for (ptrdiff_t t = 0; t < frames; t += 3) {
        ptrdiff_t count = frames - t < 3 ? frames - t : 3;
        assert_int_equal(atm_h5_frames_append(file, "frames", ATM_H5_U16, count, height, width,
                                              out + t * pixels, NULL),
                         ATM_OK);
    }
    file = reopen(file);
    for (ptrdiff_t t = 0; t < frames; t += 5) {
        ptrdiff_t count = frames - t < 5 ? frames - t : 5;
        assert_int_equal(atm_h5_frames_read(file, "frames", t, count, in + t * pixels, NULL),
                         ATM_OK);
    }
    for (ptrdiff_t i = 0; i < frames * pixels; i++)
        assert_true(in[i] == (float)out[i]);
    struct atm_err err = {0};
    assert_int_equal(atm_h5_frames_read(file, "frames", frames, 1, in, &err), ATM_FAIL);
    expect_error(&err, "has no frames");
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
    atm_mem_free(out);
    atm_mem_free(in);
}

static void stacks_stream(void **state) {
    (void)state;
    frames_stream(5, 3, 201, 3);
    frames_stream(301, 257, 4, 0);
    frames_stream(1, 1, 1, 9);
}

static void single_image_reads_as_a_frame(void **state) {
    (void)state;
    const ptrdiff_t dims[] = {2, 3};
    const double image[] = {0, 1, 2.5, 3, 4, 5};
    float in[6] = {0};
    struct atm_h5 *file = create();
    atm_h5_write(file, "frames", ATM_H5_F64, 2, dims, image, NULL);
    file = reopen(file);
    assert_int_equal(atm_h5_frames_read(file, "frames", 0, 1, in, NULL), ATM_OK);
    assert_true(in[2] == 2.5f && in[5] == 5);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
}

static enum atm_status collect(void *context, const char *name) {
    char *names = context; /* 16 bytes */
    size_t used = strlen(names);
    snprintf(names + used, 16 - used, "%s", name);
    return strcmp(name, "c") == 0 ? ATM_STOPPED : ATM_OK;
}

static void list_is_alphabetical_and_stops(void **state) {
    (void)state;
    static const char *const written[] = {"/g/d", "/g/b", "/g/c", "/g/a"};
    const ptrdiff_t dims[] = {1};
    const uint8_t byte = 3;
    char names[16] = "";
    struct atm_h5 *file = create();
    for (size_t i = 0; i < 4; i++)
        atm_h5_write(file, written[i], ATM_H5_U8, 1, dims, &byte, NULL);
    file = reopen(file);
    assert_int_equal(atm_h5_list(file, "/g", collect, names, NULL), ATM_STOPPED);
    assert_string_equal(names, "abc");
    struct atm_err err = {0};
    assert_int_equal(atm_h5_list(file, "/h", collect, names, &err), ATM_FAIL);
    assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
}

static void refuse(const char *path, const char *reason) {
    struct atm_err err = {0};
    struct atm_h5 *file = NULL;
    assert_int_equal(atm_h5_open(path, &file, &err), ATM_FAIL);
    assert_null(file);
    if (!strstr(err.text, reason) || !strstr(err.text, path))
        fail_msg("%s", err.text);
    assert_int_equal(atm_h5_open_objects(), 0);
}

static void unreadable_files_are_told_apart(void **state) {
    (void)state;
    refuse("absent.h5", "No such file");
    refuse(folder, "is a folder");
    refuse("/dev/null", "not a regular file");
    int fd = open(PATH, O_CREAT | O_WRONLY, 0666);
    refuse(PATH, "is empty");
    assert_int_equal(write(fd, "x,y\n1,2\n", 8), 8);
    close(fd);
    refuse(PATH, "is not an HDF5 file");
    struct atm_h5 *file = create();
    const ptrdiff_t dims[] = {1000};
    static const double data[1000];
    atm_h5_write(file, "a", ATM_H5_F64, 1, dims, data, NULL);
    atm_h5_close(&file, NULL);
    assert_int_equal(truncate(PATH, 5000), 0);
    refuse(PATH, "is cut off");
    struct atm_err err = {0};
    assert_int_equal(atm_h5_create("no_folder/x.h5", &file, &err), ATM_FAIL);
    assert_string_equal(err.text, "no_folder/x.h5: cannot write: No such file or directory");
}

/* Every size of disk fails with a message, leaves no object open and does not crash later. */
static bool write_everything(struct atm_err *err) {
    enum { N = 20000 };
    static double data[N];
    static struct row rows[N];
    for (int i = 0; i < N; i++)
        rows[i].x = data[i] = sin(i);
    const ptrdiff_t dims[] = {N}, height = 100, width = 50;
    struct atm_h5 *file = NULL;
    bool good = atm_h5_create(PATH, &file, err) == ATM_OK;
    good = good && atm_h5_write(file, "g/a", ATM_H5_F64, 1, dims, data, err) == ATM_OK;
    good =
        good && atm_h5_write_table(file, "locs", FIELDS, 3, rows, sizeof *rows, N, err) == ATM_OK;
    good =
        good && atm_h5_frames_create(file, "frames", ATM_H5_F64, height, width, 1, err) == ATM_OK;
    good = good &&
           atm_h5_frames_append(file, "frames", ATM_H5_F64, 4, height, width, data, err) == ATM_OK;
    good = good && atm_h5_write_number(file, "frames", "gain", 2.385, err) == ATM_OK;
    return (atm_h5_close(&file, good ? err : NULL) == ATM_OK) && good;
}

static void full_disk_is_an_error(void **state) {
    (void)state;
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlim_t sizes[] = {10, 1000, 100000, 170000, 250000, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct atm_err err = {0};
        small = (struct rlimit){.rlim_cur = sizes[i], .rlim_max = limit.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        bool good = write_everything(&err);
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_false(good);
        expect_error(&err, "File too large");
        assert_int_equal(atm_h5_open_objects(), 0);
    }
    struct atm_err err = {0};
    if (!write_everything(&err))
        fail_msg("%s", err.text);
}

static long file_bytes(char **bytes) {
    FILE *stream = fopen(PATH, "rb");
    assert_non_null(stream);
    fseek(stream, 0, SEEK_END);
    long size = ftell(stream);
    rewind(stream);
    *bytes = atm_mem_alloc((size_t)size, 1);
    assert_int_equal(fread(*bytes, 1, (size_t)size, stream), size);
    fclose(stream);
    return size;
}

static void equal_content_is_equal_bytes(void **state) {
    (void)state;
    char *first, *second;
    struct atm_err err = {0};
    assert_true(write_everything(&err));
    long size = file_bytes(&first);
    sleep(1); /* HDF5's times have a resolution of one second */
    assert_true(write_everything(&err));
    assert_int_equal(file_bytes(&second), size);
    assert_memory_equal(first, second, (size_t)size);
    atm_mem_free(first);
    atm_mem_free(second);
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(arrays_come_back, each_teardown),
        cmocka_unit_test_teardown(wrong_requests_are_told, each_teardown),
        cmocka_unit_test_teardown(attributes_come_back, each_teardown),
        cmocka_unit_test_teardown(tables_come_back, each_teardown),
        cmocka_unit_test_teardown(stacks_stream, each_teardown),
        cmocka_unit_test_teardown(single_image_reads_as_a_frame, each_teardown),
        cmocka_unit_test_teardown(list_is_alphabetical_and_stops, each_teardown),
        cmocka_unit_test_teardown(unreadable_files_are_told_apart, each_teardown),
        cmocka_unit_test_teardown(full_disk_is_an_error, each_teardown),
        cmocka_unit_test_teardown(equal_content_is_equal_bytes, each_teardown),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
