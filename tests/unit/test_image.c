/* PNG pictures: read back by libpng, failures leave nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "image.h"
#include "mem.h"
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { H = 5, W = 7 };

static void fill(uint8_t rgb[H * W * 3]) {
    for (int i = 0; i < H * W * 3; i++)
        rgb[i] = (uint8_t)(37 * i + 11);
}

static void picture_reads_back(void **state) {
    (void)state;
    char path[] = "/tmp/atm_image_XXXXXX";
    uint8_t rgb[H * W * 3], back[H * W * 3] = {0};
    struct atm_err err = {0};
    fill(rgb);
    assert_non_null(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof file, "%s/a.png", path);
    assert_int_equal(atm_image_write_png(file, H, W, rgb, &err), ATM_OK);
    assert_int_equal(atm_image_write_png(file, H, W, rgb, &err), ATM_OK); /* replaces */
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, file));
    assert_true(image.width == W && image.height == H && image.format == PNG_FORMAT_RGB);
    assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    assert_memory_equal(back, rgb, sizeof rgb);
    assert_int_equal(remove(file), 0);
    assert_int_equal(rmdir(path), 0); /* nothing else is in the folder */
}

static void failures_are_told(void **state) {
    (void)state;
    uint8_t rgb[H * W * 3];
    struct atm_err err = {0};
    fill(rgb);
    assert_int_equal(atm_image_write_png("/nowhere/a.png", H, W, rgb, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "/nowhere"));
    assert_int_equal(atm_image_write_png("/tmp/atm.png", 0, W, rgb, &err), ATM_FAIL);
    assert_string_equal(err.text, "/tmp/atm.png: a picture of 7 x 0 pixels cannot be written");
    assert_int_equal(atm_image_write_png("/tmp/atm.png", H, 2000000, rgb, NULL), ATM_FAIL);
    assert_int_equal(access("/tmp/atm.png", F_OK), -1);
}

/* A link of the temporary name to /dev/full is a full disk, met by libpng or by the last flush. */
static void full_disk_is_told(void **state) {
    (void)state;
    char path[] = "/tmp/atm_image_XXXXXX", file[64], part[80];
    struct atm_err err = {0};
    enum { SIDE = 300 };
    uint8_t *rgb = atm_mem_alloc(SIDE * SIDE * 3, 1);
    assert_non_null(rgb);
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        rgb[i] = (uint8_t)(((unsigned)i * 2654435761u) >> 13);
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/a.png", path);
    snprintf(part, sizeof part, "%s.part", file);
    for (int side = 2; side <= SIDE; side += SIDE - 2) {
        if (access("/dev/full", W_OK) != 0 || symlink("/dev/full", part) != 0)
            break;
        assert_int_equal(atm_image_write_png(file, side, side, rgb, &err), ATM_FAIL);
        assert_non_null(strstr(err.text, "No space left"));
        assert_int_equal(access(file, F_OK), -1);
        assert_int_equal(access(part, F_OK), -1);
    }
    atm_mem_free(rgb);
    assert_int_equal(rmdir(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picture_reads_back),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
