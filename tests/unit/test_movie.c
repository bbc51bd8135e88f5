/* Movies: every dialect of TIFF that we promise, HDF5 stacks, writers, truncated and damaged files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "h5.h"
#include "mem.h"
#include "movie.h"
#include "table.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tiffio.h>
#include <unistd.h>

static char folder[] = "/tmp/atm_movie_XXXXXX";
static const char TIFF_PATH[] = "movie.tif", H5_PATH[] = "movie.h5";

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static int each_teardown(void **state) {
    (void)state;
    unlink(TIFF_PATH);
    unlink(H5_PATH);
    return atm_h5_open_objects() == 0 ? 0 : -1;
}

static struct atm_movie *open_movie(const char *path, bool allow_truncated) {
    const struct atm_movie_options options = {.allow_truncated = allow_truncated};
    struct atm_err err = {0};
    struct atm_movie *movie = NULL;
    if (atm_movie_open(path, &options, &movie, &err) != ATM_OK)
        fail_msg("%s", err.text);
    return movie;
}

static void refuse(const char *path, bool allow_truncated, const char *reason) {
    const struct atm_movie_options options = {.allow_truncated = allow_truncated};
    struct atm_err err = {0};
    struct atm_movie *movie = NULL;
    assert_int_equal(atm_movie_open(path, &options, &movie, &err), ATM_FAIL);
    assert_null(movie);
    if (!strstr(err.text, reason) || strncmp(err.text, path, strlen(path)) != 0)
        fail_msg("\"%s\" is not in \"%s\"", reason, err.text);
}

static void put_bytes(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static off_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

/* ---- stacks written with libtiff in a given dialect ---- */

struct dialect {
    const char *mode; /* "wl", "wb", "w8l", "w8b" */
    uint16_t compression, predictor, format, bits;
    bool tiled;
    uint32_t rows; /* of a strip */
    const char *description;
    float resolution;
};

enum { FRAMES = 3, HEIGHT = 37, WIDTH = 23, PIXELS = HEIGHT * WIDTH };

/* Whole values that every sample type can hold; different in every frame and pixel near by. */
static double value_at(int frame, int pixel) { return (frame * 41 + pixel * 7) % 127; }

static size_t put_sample(const struct dialect *dialect, double value, void *to) {
    switch (dialect->format * 100 + dialect->bits) {
    case SAMPLEFORMAT_UINT * 100 + 8:
    case SAMPLEFORMAT_INT * 100 + 8:
        return memcpy(to, &(uint8_t){(uint8_t)value}, 1), 1;
    case SAMPLEFORMAT_UINT * 100 + 16:
    case SAMPLEFORMAT_INT * 100 + 16:
        return memcpy(to, &(uint16_t){(uint16_t)value}, 2), 2;
    case SAMPLEFORMAT_IEEEFP * 100 + 32:
        return memcpy(to, &(float){(float)value}, 4), 4;
    case SAMPLEFORMAT_IEEEFP * 100 + 64:
        return memcpy(to, &value, 8), 8;
    default:
        return memcpy(to, &(uint32_t){(uint32_t)value}, 4), 4;
    }
}

static void write_strips(TIFF *tiff, const struct dialect *dialect, int frame) {
    static char pixels[PIXELS * 8];
    size_t used = 0;
    for (int i = 0; i < PIXELS; i++)
        used += put_sample(dialect, value_at(frame, i), pixels + used);
    for (uint32_t y = 0; y < HEIGHT; y++)
        assert_true(TIFFWriteScanline(tiff, pixels + y * (used / HEIGHT), y, 0) == 1);
}

static void write_tiles(TIFF *tiff, const struct dialect *dialect, int frame) {
    static char tile[16 * 32 * 8];
    for (int y = 0; y < HEIGHT; y += 16)
        for (int x = 0; x < WIDTH; x += 32) {
            size_t used = 0;
            for (int j = y; j < y + 16; j++)
                for (int i = x; i < x + 32; i++) {
                    bool inside = j < HEIGHT && i < WIDTH;
                    double value = inside ? value_at(frame, j * WIDTH + i) : 99;
                    used += put_sample(dialect, value, tile + used);
                }
            assert_true(TIFFWriteTile(tiff, tile, (uint32_t)x, (uint32_t)y, 0, 0) > 0);
        }
}

static void start_page(TIFF *tiff, const struct dialect *dialect, uint32_t height, uint32_t width) {
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

static void write_dialect(const struct dialect *dialect) {
    TIFF *tiff = TIFFOpen(TIFF_PATH, dialect->mode);
    assert_non_null(tiff);
    for (int frame = 0; frame < FRAMES; frame++) {
        start_page(tiff, dialect, HEIGHT, WIDTH);
        if (dialect->tiled)
            write_tiles(tiff, dialect, frame);
        else
            write_strips(tiff, dialect, frame);
        assert_int_equal(TIFFWriteDirectory(tiff), 1);
    }
    TIFFClose(tiff);
}

static void expect_frames(struct atm_movie *movie, int first, int count) {
    static float adu[FRAMES * PIXELS];
    struct atm_err err = {0};
    if (atm_movie_read(movie, first, count, adu, &err) != ATM_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < count * PIXELS; i++)
        if (adu[i] != (float)value_at(first + i / PIXELS, i % PIXELS))
            fail_msg("frame %d pixel %d is %g", first + i / PIXELS, i % PIXELS, (double)adu[i]);
}

static void expect_dialect(const struct dialect *dialect, const char *sample) {
    write_dialect(dialect);
    struct atm_movie *movie = open_movie(TIFF_PATH, false);
    const struct atm_movie_info *info = atm_movie_info(movie);
    assert_int_equal(info->frames, FRAMES);
    assert_int_equal(info->height, HEIGHT);
    assert_int_equal(info->width, WIDTH);
    assert_string_equal(info->format, dialect->mode[1] == '8' ? "BigTIFF" : "TIFF");
    assert_string_equal(info->sample, sample);
    assert_int_equal(info->missing_frames, 0);
    expect_frames(movie, 0, FRAMES);
    expect_frames(movie, 2, 1); /* and back */
    expect_frames(movie, 0, 2);
    atm_movie_close(&movie);
    assert_null(movie);
}

static const struct dialect PLAIN = {.mode = "wl",
                                     .compression = COMPRESSION_NONE,
                                     .format = SAMPLEFORMAT_UINT,
                                     .bits = 16,
                                     .rows = HEIGHT};

static const char *const MODES[] = {"wl", "wb", "w8l", "w8b"};

static void every_sample_type_and_byte_order(void **state) {
    (void)state;
    static const struct {
        uint16_t format, bits;
        const char *name;
    } SAMPLES[] = {
        {SAMPLEFORMAT_UINT, 8, "uint8"},      {SAMPLEFORMAT_UINT, 16, "uint16"},
        {SAMPLEFORMAT_UINT, 32, "uint32"},    {SAMPLEFORMAT_INT, 8, "int8"},
        {SAMPLEFORMAT_INT, 16, "int16"},      {SAMPLEFORMAT_INT, 32, "int32"},
        {SAMPLEFORMAT_IEEEFP, 32, "float32"}, {SAMPLEFORMAT_IEEEFP, 64, "float64"},
    };
    for (size_t m = 0; m < 4; m++)
        for (size_t s = 0; s < sizeof SAMPLES / sizeof *SAMPLES; s++) {
            struct dialect dialect = PLAIN;
            dialect.mode = MODES[m];
            dialect.format = SAMPLES[s].format;
            dialect.bits = SAMPLES[s].bits;
            dialect.rows = 5;
            expect_dialect(&dialect, SAMPLES[s].name);
        }
}

static void every_compression_in_strips_and_tiles(void **state) {
    (void)state;
    static const uint16_t METHODS[] = {COMPRESSION_NONE,          COMPRESSION_LZW,
                                       COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE,
                                       COMPRESSION_PACKBITS,      COMPRESSION_ZSTD};
    for (size_t m = 0; m < 4; m++)
        for (size_t c = 0; c < sizeof METHODS / sizeof *METHODS; c++)
            for (int variant = 0; variant < 4; variant++) {
                bool can_predict = c != 0 && METHODS[c] != COMPRESSION_PACKBITS;
                if (!TIFFIsCODECConfigured(METHODS[c])) {
                    print_message("libtiff here lacks compression %d\n", METHODS[c]);
                    continue;
                }
                struct dialect dialect = PLAIN;
                dialect.mode = MODES[m];
                dialect.compression = METHODS[c];
                dialect.tiled = variant & 1;
                dialect.predictor = (variant & 2) && can_predict ? PREDICTOR_HORIZONTAL : 0;
                dialect.rows = variant ? 1 : 10;
                expect_dialect(&dialect, "uint16");
            }
}

static void pixel_size_from_description(void **state) {
    (void)state;
    static const struct {
        const char *text;
        float resolution;
        double nm;
    } CASES[] = {
        {"ImageJ=1.51w\nunit=\\u00B5m\nloop=false\n", 10, 100},
        {"ImageJ=1.51w\nunit=micron\n", 6.25f, 160},
        {"ImageJ=1.51w\nunit=um", 8, 125},
        {"ImageJ=1.51w\nunit=\302\265m\n", 8, 125},
        {"ImageJ=1.51w\nunit=nm\n", 0.0078125f, 128},
        {"ImageJ=1.51w\nunit=pixel\n", 100, NAN},
        {"ImageJ=1.51w\nspacing=1\n", 10, NAN},
        {"ImageJ=1.51w\nunit=um\n", 0, NAN},
        {"unit=um\n", 10, NAN},
        {"<?xml version=\"1.0\"?><OME><Pixels PhysicalSizeX=\"0.1335\" SizeX=\"9\"/></OME>", 0,
         133.5},
        {"<OME><Pixels PhysicalSizeXUnit=\"nm\" PhysicalSizeX=\"107\"/></OME>", 0, 107},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct dialect dialect = PLAIN;
        dialect.description = CASES[i].text;
        dialect.resolution = CASES[i].resolution;
        write_dialect(&dialect);
        struct atm_movie *movie = open_movie(TIFF_PATH, false);
        double nm = atm_movie_info(movie)->camera.pixel_size_nm;
        if (isnan(CASES[i].nm) ? !isnan(nm) : !(fabs(nm - CASES[i].nm) < 1e-4))
            fail_msg("%s gives %g", CASES[i].text, nm);
        assert_true(isnan(atm_movie_info(movie)->camera.gain));
        atm_movie_close(&movie);
    }
}

/* ---- ImageJ's large stacks: one directory, the frames behind it ---- */

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

/* More than 4 GB, as a hole in the file: only the last frame is written. */
static void imagej_stack_above_4_gb(void **state) {
    (void)state;
    enum { MANY = 3000000, FIRST_AT = 8 + 2 + 8 * 12 + 4 + 64 };
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
    atm_movie_close(&movie);
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

/* ---- truncated and damaged files ---- */

/* A file cut anywhere opens with exactly its whole frames, or says that it has none. */
static void cut_everywhere(const struct dialect *dialect, const char *name) {
    static char bytes[200000];
    write_dialect(dialect);
    const off_t size = size_of(TIFF_PATH);
    int fd = open(TIFF_PATH, O_RDONLY);
    assert_int_equal(read(fd, bytes, sizeof bytes), size);
    close(fd);
    int most = 0;
    for (off_t cut = 1; cut < size; cut += 1 + cut % 29) {
        put_bytes(TIFF_PATH, bytes, (size_t)cut);
        struct atm_err err = {0};
        struct atm_movie *movie = NULL;
        assert_int_equal(atm_movie_open(TIFF_PATH, NULL, &movie, &err), ATM_FAIL);
        if (cut >= 4 && !strstr(err.text, "cut off"))
            fail_msg("%s cut at %ld: %s", name, (long)cut, err.text);
        const struct atm_movie_options options = {.allow_truncated = true};
        if (atm_movie_open(TIFF_PATH, &options, &movie, &err) != ATM_OK)
            continue;
        const struct atm_movie_info *info = atm_movie_info(movie);
        assert_true(info->frames >= most && info->frames < FRAMES && info->missing_frames > 0);
        most = (int)info->frames;
        expect_frames(movie, 0, most);
        atm_movie_close(&movie);
    }
    assert_int_equal(most, FRAMES - 1);
}

static void cut_off_files(void **state) {
    (void)state;
    struct dialect dialect = PLAIN;
    cut_everywhere(&dialect, "classic");
    dialect.mode = "w8b";
    dialect.rows = 4;
    dialect.compression = COMPRESSION_LZW;
    cut_everywhere(&dialect, "BigTIFF");
    dialect.mode = "wb";
    dialect.tiled = true;
    dialect.compression = COMPRESSION_ADOBE_DEFLATE;
    cut_everywhere(&dialect, "tiles");
}

static void files_that_are_no_movies(void **state) {
    (void)state;
    refuse("absent.tif", false, "No such file or directory; check the name");
    refuse(folder, false, "is a folder");
    refuse("/dev/null", false, "not a regular file");
    put_bytes(TIFF_PATH, "", 0);
    refuse(TIFF_PATH, false, "is empty (0 bytes)");
    put_bytes(TIFF_PATH, "frame,x,y\n0,1,2\n", 16);
    refuse(TIFF_PATH, false, "not a movie in a known format (TIFF, HDF5 stack)");
    put_bytes(TIFF_PATH, "II*\0", 4);
    refuse(TIFF_PATH, true, "cut off within the first frame");
    put_bytes(TIFF_PATH, "II*\0\0\0\0\0", 8);
    refuse(TIFF_PATH, false, "page 0 (counting from 0) is not there");
}

static void write_odd_second_page(uint32_t height, uint16_t bits, uint16_t samples) {
    static char pixels[HEIGHT * WIDTH * 16];
    TIFF *tiff = TIFFOpen(TIFF_PATH, "wl");
    struct dialect dialect = PLAIN;
    start_page(tiff, &dialect, HEIGHT, WIDTH);
    assert_true(TIFFWriteEncodedStrip(tiff, 0, pixels, PIXELS * 2) > 0);
    assert_int_equal(TIFFWriteDirectory(tiff), 1);
    dialect.bits = bits;
    start_page(tiff, &dialect, height, WIDTH);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
    assert_true(TIFFWriteEncodedStrip(tiff, 0, pixels, TIFFStripSize(tiff)) > 0);
    assert_int_equal(TIFFWriteDirectory(tiff), 1);
    TIFFClose(tiff);
}

static void odd_pages_are_named(void **state) {
    (void)state;
    write_odd_second_page(20, 16, 1);
    refuse(TIFF_PATH, true, "page 1 (counting from 0) has 23 x 20 pixels, the first page 23 x 37");
    write_odd_second_page(HEIGHT, 8, 1);
    refuse(TIFF_PATH, false, "page 1 (counting from 0) holds other samples");
    write_odd_second_page(HEIGHT, 16, 3);
    refuse(TIFF_PATH, false, "page 1 (counting from 0) has 3 samples per pixel (colour)");
    write_odd_second_page(HEIGHT, 4, 1);
    refuse(TIFF_PATH, false, "samples of 4 bits");
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
    struct dialect dialect = PLAIN;
    dialect.compression = COMPRESSION_LZW;
    write_dialect(&dialect);
    fd = open(TIFF_PATH, O_WRONLY); /* the first strip begins behind the header */
    for (int i = 0; i < 64; i++)
        assert_int_equal(pwrite(fd, "\252", 1, 20 + i), 1);
    close(fd);
    struct atm_movie *movie = open_movie(TIFF_PATH, false);
    static float adu[PIXELS];
    struct atm_err err = {0};
    assert_int_equal(atm_movie_read(movie, 0, 1, adu, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "frame 0 (counting from 0) cannot be decoded"));
    expect_frames(movie, 1, 1);
    assert_int_equal(atm_movie_read(movie, 2, 2, adu, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "has 3 frames; there are no frames 2 to 3"));
    atm_movie_close(&movie);
}

/* ---- writers ---- */

static const struct atm_camera CAMERA = {133.5, 100.25, 0.45, 300, 0.9, 74.4};

static void expect_camera(const struct atm_camera *camera) {
    assert_true(camera->pixel_size_nm == 133.5 && camera->offset == 100.25 && camera->gain == 0.45);
    assert_true(camera->em_gain == 300 && camera->qe == 0.9 && camera->read_noise == 74.4);
}

static void write_frames(const char *path, enum atm_movie_sample sample, int frames, int announced,
                         const struct atm_camera *camera) {
    static float adu[FRAMES * PIXELS];
    struct atm_movie_layout layout = {announced, HEIGHT,  WIDTH,
                                      sample,    *camera, "[run]\nseed = 1\n"};
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
    struct atm_movie_layout layout = {1, 2, 3, ATM_MOVIE_U16, {NAN, NAN, NAN, NAN, NAN, NAN}, NULL};
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

static void write_raw_float(const char *path, const float *adu) {
    if (path == H5_PATH) {
        struct atm_h5 *file = NULL;
        assert_int_equal(atm_h5_create(path, &file, NULL), ATM_OK);
        atm_h5_frames_create(file, "frames", ATM_H5_F32, HEIGHT, WIDTH, 0, NULL);
        atm_h5_frames_append(file, "frames", ATM_H5_F32, FRAMES, HEIGHT, WIDTH, adu, NULL);
        assert_int_equal(atm_h5_close(&file, NULL), ATM_OK);
        return;
    }
    struct dialect dialect = PLAIN;
    dialect.format = SAMPLEFORMAT_IEEEFP;
    dialect.bits = 32;
    TIFF *tiff = TIFFOpen(path, "wl");
    for (int frame = 0; frame < FRAMES; frame++) {
        static float copy[PIXELS];
        memcpy(copy, adu + frame * PIXELS, sizeof copy);
        start_page(tiff, &dialect, HEIGHT, WIDTH);
        TIFFWriteEncodedStrip(tiff, 0, copy, sizeof copy);
        TIFFWriteDirectory(tiff);
    }
    TIFFClose(tiff);
}

static void not_finite_pixels_are_named(void **state) {
    (void)state;
    static float adu[FRAMES * PIXELS];
    for (int i = 0; i < 2; i++) {
        const char *path = i ? H5_PATH : TIFF_PATH;
        adu[1 * PIXELS + 2 * WIDTH + 5] = i ? INFINITY : NAN;
        write_raw_float(path, adu);
        struct atm_movie *movie = open_movie(path, false);
        struct atm_err err = {0};
        static float back[FRAMES * PIXELS];
        assert_int_equal(atm_movie_read(movie, 0, 3, back, &err), ATM_FAIL);
        const char *expected = i ? "(infinite) at x 5, y 2" : "(NaN) at x 5, y 2";
        if (!strstr(err.text, expected) || !strstr(err.text, "frame 1 "))
            fail_msg("%s", err.text);
        assert_int_equal(atm_movie_read(movie, 2, 1, back, &err), ATM_OK);
        atm_movie_close(&movie);
    }
}

static void truth_goes_beside_the_frames(void **state) {
    (void)state;
    struct atm_loc rows[2] = {{.frame = 0, .x = 1.25, .y = 2.5, .photons = 900, .id = 7},
                              {.frame = 2, .x = 3, .y = 4, .photons = 2.385, .id = 8}};
    const struct atm_table truth = {.rows = rows, .count = 2, .capacity = 2};
    struct atm_movie_layout layout = {1, 1, 1, ATM_MOVIE_F32, CAMERA, NULL};
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
    struct atm_movie_layout layout = {2, 4, 4, ATM_MOVIE_U16, CAMERA, NULL};
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
            struct atm_movie_layout layout = {FRAMES, HEIGHT, WIDTH, ATM_MOVIE_F32, CAMERA, NULL};
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

static void hdf5_files_that_are_no_stacks(void **state) {
    (void)state;
    struct atm_h5 *file = NULL;
    const ptrdiff_t dims[4] = {1, 2, 3, 1}, none[3] = {0, 2, 3};
    const float data[6] = {0};
    atm_h5_create(H5_PATH, &file, NULL);
    atm_h5_write(file, "locs", ATM_H5_F32, 2, dims, data, NULL);
    atm_h5_close(&file, NULL);
    refuse(H5_PATH, false, "is a table of localizations, not a movie");
    atm_h5_create(H5_PATH, &file, NULL);
    atm_h5_write(file, "images", ATM_H5_F32, 2, dims, data, NULL);
    atm_h5_close(&file, NULL);
    refuse(H5_PATH, false, "has no data set /frames");
    atm_h5_create(H5_PATH, &file, NULL);
    atm_h5_write(file, "frames", ATM_H5_F32, 4, dims, data, NULL);
    atm_h5_close(&file, NULL);
    refuse(H5_PATH, false, "has 4 axes");
    atm_h5_create(H5_PATH, &file, NULL);
    atm_h5_write(file, "frames", ATM_H5_F32, 3, none, data, NULL);
    atm_h5_close(&file, NULL);
    refuse(H5_PATH, false, "has no frames");
    unlink(H5_PATH);
    write_frames(H5_PATH, ATM_MOVIE_F32, FRAMES, FRAMES, &CAMERA);
    assert_int_equal(truncate(H5_PATH, size_of(H5_PATH) - 100), 0);
    refuse(H5_PATH, true, "is cut off");
}

/* ---- the shared data ---- */

struct expected {
    const char *path;
    ptrdiff_t frames, height, width;
    double nm;
};

static const struct expected SHARED[] = {
    {"deepstorm/tubes_hd.tif", 361, 64, 64, 100},
    {"deepstorm/random_hd.tif", 20, 64, 64, 100},
    {"nairr/2DGauss_LD_Train.tif", 1000, 32, 32, NAN},
    {"nairr/2DGauss_HD_Validate.tif", 500, 32, 32, NAN},
    {"nairr/2DAiry_LD_Validate.tif", 500, 32, 32, NAN},
    {"nairr/2DAiry_HD_Train.tif", 1000, 32, 32, NAN},
    {"storm-analysis/sparse_256.tif", 10, 256, 256, NAN},
    {"storm-analysis/low_snr_400x300.tif", 2, 300, 400, NAN},
    {"storm-analysis/dense_single_frame.tif", 1, 256, 256, NAN},
    {"storm-analysis/storm_cell_256.tif", 5, 256, 256, NAN},
    {"threeb/podosome_60.tif", 300, 60, 60, NAN},
    {"deconstorm/microtubules_16.tif", 626, 16, 16, NAN},
    {"mars/tirf_ld655_crop_a.tif", 170, 192, 192, NAN},
    {"sdt-python/pmhc_af647.tif", 10, 128, 128, NAN},
    {"locan/dstorm_5frames.tif", 5, 128, 128, NAN},
    {"picasso/origami_sim_32.tif", 100, 32, 32, NAN},
    {"beads/Beads-AS-Exp.tif", 151, 150, 150, NAN},
    {"deepstorm3d/tetrapod_crop.tif", 50, 160, 200, NAN},
};

static void expect_shared(const struct expected *expected, const char *path) {
    struct atm_movie *movie = open_movie(path, false);
    const struct atm_movie_info *info = atm_movie_info(movie);
    assert_int_equal(info->frames, expected->frames);
    assert_int_equal(info->height, expected->height);
    assert_int_equal(info->width, expected->width);
    assert_string_equal(info->sample, "uint16");
    double nm = info->camera.pixel_size_nm;
    assert_true(isnan(expected->nm) ? isnan(nm) : fabs(nm - expected->nm) < 1e-4);
    float *adu = atm_mem_alloc((size_t)(info->height * info->width), sizeof *adu);
    struct atm_err err = {0};
    for (ptrdiff_t t = 0; t < info->frames; t++)
        if (atm_movie_read(movie, t, 1, adu, &err) != ATM_OK)
            fail_msg("%s", err.text);
    atm_mem_free(adu);
    atm_movie_close(&movie);
}

static void shared_stacks_open(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHARED / sizeof *SHARED; i++) {
        char path[1024];
        snprintf(path, sizeof path, ATM_SHARED_DIR "/data/real/%s", SHARED[i].path);
        if (access(path, R_OK) == 0)
            expect_shared(&SHARED[i], path);
        else
            print_message("not checked, for it is not here: %s\n", SHARED[i].path);
    }
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    TIFFSetWarningHandler(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_sample_type_and_byte_order, each_teardown),
        cmocka_unit_test_teardown(every_compression_in_strips_and_tiles, each_teardown),
        cmocka_unit_test_teardown(pixel_size_from_description, each_teardown),
        cmocka_unit_test_teardown(imagej_frames_without_directories, each_teardown),
        cmocka_unit_test_teardown(imagej_stack_cut_off, each_teardown),
        cmocka_unit_test_teardown(imagej_stack_above_4_gb, each_teardown),
        cmocka_unit_test_teardown(tifffile_frames_without_directories, each_teardown),
        cmocka_unit_test_teardown(cut_off_files, each_teardown),
        cmocka_unit_test_teardown(files_that_are_no_movies, each_teardown),
        cmocka_unit_test_teardown(odd_pages_are_named, each_teardown),
        cmocka_unit_test_teardown(loops_and_lies_are_refused, each_teardown),
        cmocka_unit_test_teardown(written_movies_read_back, each_teardown),
        cmocka_unit_test_teardown(rounding_clipping_and_nan, each_teardown),
        cmocka_unit_test_teardown(not_finite_pixels_are_named, each_teardown),
        cmocka_unit_test_teardown(truth_goes_beside_the_frames, each_teardown),
        cmocka_unit_test_teardown(writers_refuse, each_teardown),
        cmocka_unit_test_teardown(full_disk_is_an_error, each_teardown),
        cmocka_unit_test_teardown(hash_is_of_the_bytes, each_teardown),
        cmocka_unit_test_teardown(hdf5_files_that_are_no_stacks, each_teardown),
        cmocka_unit_test_teardown(shared_stacks_open, each_teardown),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
