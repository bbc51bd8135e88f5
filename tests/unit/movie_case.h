/* What the tests of movies share: opening and refusing, frames of known values, pages of a TIFF in
 * a given dialect. To be included after cmocka. */
#ifndef MOVIE_CASE_H
#define MOVIE_CASE_H

#include "h5.h"
#include "movie.h"
#include "test_folder.h"
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <tiffio.h>

static const char TIFF_PATH[] = "movie.tif", H5_PATH[] = "movie.h5";

static inline int each_teardown(void **state) {
    (void)state;
    unlink(TIFF_PATH);
    unlink(H5_PATH);
    return atm_h5_open_objects() == 0 ? 0 : -1;
}

static inline struct atm_movie *open_movie(const char *path, bool allow_truncated) {
    const struct atm_movie_options options = {.allow_truncated = allow_truncated};
    struct atm_err err = {0};
    struct atm_movie *movie = NULL;
    if (atm_movie_open(path, &options, &movie, &err) != ATM_OK)
        fail_msg("%s", err.text);
    return movie;
}

static inline void refuse(const char *path, bool allow_truncated, const char *reason) {
    const struct atm_movie_options options = {.allow_truncated = allow_truncated};
    struct atm_err err = {0};
    struct atm_movie *movie = NULL;
    assert_int_equal(atm_movie_open(path, &options, &movie, &err), ATM_FAIL);
    assert_null(movie);
    if (!strstr(err.text, reason) || strncmp(err.text, path, strlen(path)) != 0)
        fail_msg("\"%s\" is not in \"%s\"", reason, err.text);
}

static inline void put_bytes(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static inline off_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

enum { FRAMES = 3, HEIGHT = 37, WIDTH = 23, PIXELS = HEIGHT * WIDTH };

/* Whole values that every sample type can hold; different in every frame and pixel near by. */
static double value_at(int frame, int pixel) { return (frame * 41 + pixel * 7) % 127; }

static inline void expect_frames(struct atm_movie *movie, int first, int count) {
    static float adu[FRAMES * PIXELS];
    struct atm_err err = {0};
    if (atm_movie_read(movie, first, count, adu, &err) != ATM_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < count * PIXELS; i++)
        if (adu[i] != (float)value_at(first + i / PIXELS, i % PIXELS))
            fail_msg("frame %d pixel %d is %g", first + i / PIXELS, i % PIXELS, (double)adu[i]);
}

/* ---- pages written with libtiff in a given dialect ---- */

struct dialect {
    const char *mode; /* "wl", "wb", "w8l", "w8b" */
    uint16_t compression, predictor, format, bits;
    bool tiled;
    uint32_t rows; /* of a strip */
    const char *description;
    float resolution;
};

static const struct dialect PLAIN = {.mode = "wl",
                                     .compression = COMPRESSION_NONE,
                                     .format = SAMPLEFORMAT_UINT,
                                     .bits = 16,
                                     .rows = HEIGHT};

static inline void start_page(TIFF *tiff, const struct dialect *dialect, uint32_t height,
                              uint32_t width) {
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, dialect->bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, dialect->format);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, dialect->compression);
    if (dialect->predictor)
        TIFFSetField(tiff, TIFFTAG_PREDICTOR, dialect->predictor);
    if (dialect->tiled) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 32);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, dialect->rows);
    }
    if (dialect->description)
        TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, dialect->description);
    if (dialect->resolution > 0)
        TIFFSetField(tiff, TIFFTAG_XRESOLUTION, (double)dialect->resolution);
}

#endif
