/* A PNG read back and taken away. To be included after cmocka. */
#ifndef PICTURE_H
#define PICTURE_H

#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct picture {
    int height, width;
    uint8_t *rgb; /* freed by the test */
};

static inline struct picture read_back(const char *path) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    struct picture picture = {(int)image.height, (int)image.width, NULL};
    picture.rgb = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, picture.rgb, 0, NULL));
    assert_int_equal(unlink(path), 0);
    return picture;
}

#endif
