/* Movies of any format: files that are none, pixels that are no numbers, the stacks of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mem.h"
#include "movie_case.h"
#include <math.h>

static void files_that_are_no_movies(void **state) {
    (void)state;
    refuse("absent.tif", false, "No such file or directory; check the name");
    refuse(folder, false, "there are no .tif files");
    refuse("/dev/null", false, "not a regular file");
    put_bytes(TIFF_PATH, "", 0);
    refuse(TIFF_PATH, false, "is empty (0 bytes)");
    put_bytes(TIFF_PATH, "frame,x,y\n0,1,2\n", 16);
    refuse(TIFF_PATH, false,
           "not a movie in a known format (TIFF, HDF5 stack, raw with YAML, PNG,"
           " NumPy, IDX, UNIPEN)");
    put_bytes(TIFF_PATH, "II*\0", 4);
    refuse(TIFF_PATH, true, "cut off within the first frame");
    put_bytes(TIFF_PATH, "II*\0\0\0\0\0", 8);
    refuse(TIFF_PATH, false, "page 0 (counting from 0) is not there");
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
    static const float adu[FRAMES * PIXELS];
    write_raw_float(H5_PATH, adu);
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
    TIFFSetWarningHandler(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(files_that_are_no_movies, each_teardown),
        cmocka_unit_test_teardown(not_finite_pixels_are_named, each_teardown),
        cmocka_unit_test_teardown(hdf5_files_that_are_no_stacks, each_teardown),
        cmocka_unit_test_teardown(shared_stacks_open, each_teardown),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
