/* TIFF stacks: every dialect that we promise, files that were cut off, damaged and odd pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "movie_case.h"
#include <math.h>
#include <stdint.h>

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
    for (int frame = 0; frame < FRAMES; frame++) /* in order: decoded ahead */
        expect_frames(movie, frame, 1);
    expect_frames(movie, 1, 1); /* another than the one that is ready */
    expect_frames(movie, 2, 1); /* and closed while the end is being read */
    atm_movie_close(&movie);
    assert_null(movie);
}

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

static void undecodable_frames_are_named(void **state) {
    (void)state;
    struct dialect dialect = PLAIN;
    dialect.compression = COMPRESSION_LZW;
    write_dialect(&dialect);
    int fd = open(TIFF_PATH, O_WRONLY); /* the first strip begins behind the header */
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

int main(void) {
    TIFFSetWarningHandler(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_sample_type_and_byte_order, each_teardown),
        cmocka_unit_test_teardown(every_compression_in_strips_and_tiles, each_teardown),
        cmocka_unit_test_teardown(pixel_size_from_description, each_teardown),
        cmocka_unit_test_teardown(cut_off_files, each_teardown),
        cmocka_unit_test_teardown(odd_pages_are_named, each_teardown),
        cmocka_unit_test_teardown(undecodable_frames_are_named, each_teardown),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
