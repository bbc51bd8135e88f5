/* ImageJ's and tifffile's large stacks: one directory, the frames behind it. Written byte by byte,
 * so that they can lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "movie_case.h"
#include <stdint.h>
#include <sys/resource.h>

struct bytes {
    unsigned char at[65536];
    size_t size;
    bool big_endian;
};

static void put(struct bytes *bytes, int width, uint32_t value) {
    for (int i = 0; i < width; i++) {
        int shift = 8 * (bytes->big_endian ? width - 1 - i : i);
        bytes->at[bytes->size++] = (unsigned char)(value >> shift);
    }
}

static void put_entry(struct bytes *bytes, int tag, int type, uint32_t count, uint32_t value) {
    put(bytes, 2, (uint32_t)tag);
    put(bytes, 2, (uint32_t)type);
    put(bytes, 4, count);
    if (type == TIFF_SHORT) {
        put(bytes, 2, value);
        put(bytes, 2, 0);
    } else {
        put(bytes, 4, value);
    }
}

/* As ImageJ does: header, directory, description, frames; `next` is the second directory or 0. */
static void write_contiguous(bool big_endian, const char *text, int present, uint32_t next) {
    static struct bytes bytes;
    bytes = (struct bytes){.big_endian = big_endian};
    enum { ENTRIES = 8, TEXT_AT = 8 + 2 + ENTRIES * 12 + 4, DATA_AT = TEXT_AT + 64 };
    memcpy(bytes.at, big_endian ? "MM" : "II", 2);
    bytes.size = 2;
    put(&bytes, 2, 42);
    put(&bytes, 4, 8);
    put(&bytes, 2, ENTRIES);
    put_entry(&bytes, TIFFTAG_IMAGEWIDTH, TIFF_LONG, 1, WIDTH);
    put_entry(&bytes, TIFFTAG_IMAGELENGTH, TIFF_LONG, 1, HEIGHT);
    put_entry(&bytes, TIFFTAG_BITSPERSAMPLE, TIFF_SHORT, 1, 16);
    put_entry(&bytes, TIFFTAG_PHOTOMETRIC, TIFF_SHORT, 1, PHOTOMETRIC_MINISBLACK);
    put_entry(&bytes, TIFFTAG_IMAGEDESCRIPTION, TIFF_ASCII, 64, TEXT_AT);
    put_entry(&bytes, TIFFTAG_STRIPOFFSETS, TIFF_LONG, 1, DATA_AT);
    put_entry(&bytes, TIFFTAG_ROWSPERSTRIP, TIFF_SHORT, 1, HEIGHT);
    put_entry(&bytes, TIFFTAG_STRIPBYTECOUNTS, TIFF_LONG, 1, PIXELS * 2);
    put(&bytes, 4, next);
    snprintf((char *)bytes.at + bytes.size, 64, "%s", text);
    bytes.size += 64;
    for (int frame = 0; frame < present; frame++)
        for (int i = 0; i < PIXELS; i++)
            put(&bytes, 2, (uint32_t)value_at(frame, i));
    put_bytes(TIFF_PATH, bytes.at, bytes.size);
}

static void write_imagej(bool big_endian, int announced, int present, uint32_t next) {
    char text[64];
    snprintf(text, sizeof text, "ImageJ=1.53t\nimages=%d\nslices=%d\n", announced, announced);
    write_contiguous(big_endian, text, present, next);
}

static void tifffile_frames_without_directories(void **state) {
    (void)state;
    write_contiguous(false, "{\"truncated\": true, \"shape\": [1, 3, 37, 23]}", FRAMES, 0);
    struct atm_movie *movie = open_movie(TIFF_PATH, false);
    assert_int_equal(atm_movie_info(movie)->frames, FRAMES);
    expect_frames(movie, 0, FRAMES);
    atm_movie_close(&movie);
    static const char *const SINGLE[] = {
        "{\"shape\": [3, 37, 23]}", "{\"shape\": [37, 23], \"truncated\": true}",
        "{\"shape\": [3, x], \"truncated\": true}", "{\"shape\": "};
    for (size_t i = 0; i < sizeof SINGLE / sizeof *SINGLE; i++) {
        write_contiguous(false, SINGLE[i], FRAMES, 0);
        movie = open_movie(TIFF_PATH, false);
        assert_int_equal(atm_movie_info(movie)->frames, 1);
        atm_movie_close(&movie);
    }
}

static long memory_kb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* 6 GB, as a hole in the file: only the last frame is written. Memory does not grow with it. */
static void imagej_stack_above_4_gb(void **state) {
    (void)state;
    const long before_kb = memory_kb();
    enum { MANY = 3600000, FIRST_AT = 8 + 2 + 8 * 12 + 4 + 64 };
    write_imagej(true, MANY, 1, 0);
    const off_t last_at = FIRST_AT + (off_t)(MANY - 1) * PIXELS * 2;
    int fd = open(TIFF_PATH, O_WRONLY);
    bool written = pwrite(fd, "\1\2", 2, last_at) == 2 && ftruncate(fd, last_at + PIXELS * 2) == 0;
    close(fd);
    if (!written) {
        print_message("not checked: the file system has no files above 4 GB\n");
        return;
    }
    struct atm_movie *movie = open_movie(TIFF_PATH, false);
    assert_int_equal(atm_movie_info(movie)->frames, MANY);
    expect_frames(movie, 0, 1);
    static float adu[2 * PIXELS];
    assert_int_equal(atm_movie_read(movie, MANY - 2, 2, adu, NULL), ATM_OK);
    assert_true(adu[0] == 0 && adu[PIXELS] == 0x0102 && adu[PIXELS + 1] == 0);
    for (int frame = 0; frame < MANY - 1; frame += MANY / 50)
        assert_int_equal(atm_movie_read(movie, frame, 2, adu, NULL), ATM_OK);
    atm_movie_close(&movie);
    assert_true(size_of(TIFF_PATH) > 6000000000);
    assert_true(memory_kb() - before_kb < 8192);
}

static void imagej_frames_without_directories(void **state) {
    (void)state;
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        write_imagej(big_endian, FRAMES, FRAMES, 0);
        struct atm_movie *movie = open_movie(TIFF_PATH, false);
        assert_int_equal(atm_movie_info(movie)->frames, FRAMES);
        expect_frames(movie, 0, FRAMES);
        expect_frames(movie, 1, 1);
        atm_movie_close(&movie);
    }
}

static void imagej_stack_cut_off(void **state) {
    (void)state;
    write_imagej(false, FRAMES, 2, 0);
    refuse(TIFF_PATH, false, "frame 2 (counting from 0) is cut off");
    refuse(TIFF_PATH, false, "--allow-truncated to read the first 2 whole frames");
    /* below 4 GB the other directories stand behind the frames, and so are lost first */
    write_imagej(true, FRAMES, 2, 1000000);
    assert_int_equal(truncate(TIFF_PATH, size_of(TIFF_PATH) - 1), 0);
    refuse(TIFF_PATH, false, "first 1 whole frames");
    struct atm_movie *movie = open_movie(TIFF_PATH, true);
    assert_int_equal(atm_movie_info(movie)->frames, 1);
    assert_int_equal(atm_movie_info(movie)->missing_frames, 2);
    expect_frames(movie, 0, 1);
    atm_movie_close(&movie);
    write_imagej(true, FRAMES, FRAMES, 1000000); /* only a directory is lost, and not needed */
    movie = open_movie(TIFF_PATH, false);
    expect_frames(movie, 0, FRAMES);
    atm_movie_close(&movie);
}

static void loops_and_lies_are_refused(void **state) {
    (void)state;
    write_imagej(false, 1, 1, 8);
    refuse(TIFF_PATH, false, "(a loop)");
    write_imagej(false, 1, 1, 0);
    int fd = open(TIFF_PATH, O_WRONLY); /* the width's value */
    assert_int_equal(pwrite(fd, "\377\377\377\177", 4, 18), 4);
    close(fd);
    refuse(TIFF_PATH, true, "pixels");
}

static void hash_is_of_the_bytes(void **state) {
    (void)state;
    uint64_t first = 0, same = 0, other = 0;
    write_imagej(false, FRAMES, FRAMES, 0);
    struct atm_movie *movie = open_movie(TIFF_PATH, false);
    assert_int_equal(atm_movie_info(movie)->hash, 0);
    assert_int_equal(atm_movie_hash(movie, &first, NULL), ATM_OK);
    assert_true(atm_movie_info(movie)->hash == first && first != 0);
    assert_int_equal(atm_movie_hash(movie, &same, NULL), ATM_OK);
    assert_true(same == first);
    atm_movie_close(&movie);
    write_imagej(true, FRAMES, FRAMES, 0);
    movie = open_movie(TIFF_PATH, false);
    assert_int_equal(atm_movie_hash(movie, &other, NULL), ATM_OK);
    assert_true(other != first);
    atm_movie_close(&movie);
}

int main(void) {
    TIFFSetWarningHandler(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(imagej_frames_without_directories, each_teardown),
        cmocka_unit_test_teardown(imagej_stack_cut_off, each_teardown),
        cmocka_unit_test_teardown(imagej_stack_above_4_gb, each_teardown),
        cmocka_unit_test_teardown(tifffile_frames_without_directories, each_teardown),
        cmocka_unit_test_teardown(loops_and_lies_are_refused, each_teardown),
        cmocka_unit_test_teardown(hash_is_of_the_bytes, each_teardown),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
