/* Rendering: what each way of blurring, regions, colours and file formats make of known points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "colormap.h"
#include "movie.h"
#include "render.h"
#include "rng.h"
#include "test_folder.h"
#include <math.h>
#include <omp.h>
#include <png.h>
#include <string.h>

enum { N = 3000, SIDE = 40 };

struct points {
    double x[N], y[N], x_unc[N], y_unc[N], frame[N];
};

static struct atm_render_points view_of(const struct points *p) {
    return (struct atm_render_points){.count = N,
                                      .x = p->x,
                                      .y = p->y,
                                      .x_unc = p->x_unc,
                                      .y_unc = p->y_unc,
                                      .frame = p->frame,
                                      .frames = N,
                                      .height = SIDE,
                                      .width = SIDE,
                                      .pixel_size_nm = 100};
}

static struct atm_render_options options_of(int blur) {
    return (struct atm_render_options){.zoom = 7.5,
                                       .blur = blur,
                                       .sigma_nm = 13,
                                       .shifts = 5,
                                       .saturation = 0.99,
                                       .max_size = 4096};
}

/* Three pixels from the edge, more than any blur reaches. */
static void draw(struct points *p) {
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 2);
    for (int i = 0; i < N; i++) {
        p->x[i] = 3 + (SIDE - 7) * atm_rng_uniform(&rng);
        p->y[i] = 3 + (SIDE - 7) * atm_rng_uniform(&rng);
        p->x_unc[i] = 0.2 * atm_rng_uniform(&rng);
        p->y_unc[i] = 0.2 * atm_rng_uniform(&rng);
        p->frame[i] = i;
    }
}

static double sum(const float *image, ptrdiff_t count) {
    double total = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        total += (double)image[i];
    return total;
}

/* Every blur: the sum is the number, and one and two threads give the same bytes. */
static void counts_are_conserved_on_any_threads(void **state) {
    (void)state;
    static struct points p;
    draw(&p);
    const struct atm_render_points points = view_of(&p);
    for (int blur = ATM_BLUR_PRECISION; blur <= ATM_BLUR_ASH; blur++) {
        struct atm_render_options options = options_of(blur);
        struct atm_render_counts counts[2];
        for (int run = 0; run < 2; run++) {
            omp_set_num_threads(1 + run);
            assert_int_equal(atm_render_points_init(&counts[run], &points, &options, NULL), ATM_OK);
        }
        assert_int_equal(counts[0].height, 300);
        assert_int_equal(counts[0].drawn, N);
        ptrdiff_t pixels = counts[0].height * counts[0].width;
        assert_true(fabs(sum(counts[0].image, pixels) - N) < 1e-3 * sqrt(N));
        assert_memory_equal(counts[0].image, counts[1].image, (size_t)pixels * sizeof(float));
        atm_render_counts_free(&counts[0]);
        atm_render_counts_free(&counts[1]);
    }
}

/* Against the Gaussian's integral over each pixel, computed by itself. */
static void check_spot(double own, double least) {
    const double x = 9.37, y = 10.81, unc = fmax(own, least);
    const struct atm_render_points points = {.count = 1,
                                             .x = &x,
                                             .y = &y,
                                             .x_unc = &own,
                                             .y_unc = &own,
                                             .height = 20,
                                             .width = 20,
                                             .pixel_size_nm = 100};
    struct atm_render_options options = options_of(ATM_BLUR_PRECISION);
    struct atm_render_counts counts;
    options.min_sigma_nm = 100 * least;
    assert_int_equal(atm_render_points_init(&counts, &points, &options, NULL), ATM_OK);
    const double scale = 1 / (unc * M_SQRT2);
    for (ptrdiff_t j = 0; j < counts.height; j++)
        for (ptrdiff_t i = 0; i < counts.width; i++) {
            double left = (double)i / 7.5 - 0.5 - x, top = (double)j / 7.5 - 0.5 - y;
            double wx = 0.5 * (erf((left + 1 / 7.5) * scale) - erf(left * scale));
            double wy = 0.5 * (erf((top + 1 / 7.5) * scale) - erf(top * scale));
            /* 4 sigma leave out 6.3e-5 of each axis */
            assert_true(fabs((double)counts.image[j * counts.width + i] - wx * wy) < 2e-5);
        }
    atm_render_counts_free(&counts);
}

static void a_spot_is_the_integral_over_pixels(void **state) {
    (void)state;
    check_spot(0.23, 0);
    check_spot(0.23, 0.1);
    check_spot(0.004, 0.15); /* a very precise one gets the least blur */
}

/* The average of histograms of bins m pixels wide, at all m shifts, made one by one. */
static void ash_is_the_average_of_shifted_histograms(void **state) {
    (void)state;
    enum { M = 5, SIZE = 300 };
    static struct points p;
    static double expected[SIZE];
    draw(&p);
    struct atm_render_points points = view_of(&p);
    struct atm_render_options options = options_of(ATM_BLUR_ASH);
    struct atm_render_counts counts;
    assert_int_equal(atm_render_points_init(&counts, &points, &options, NULL), ATM_OK);
    for (int shift = 0; shift < M; shift++)
        for (int i = 0; i < N; i++) {
            int pixel = (int)floor((p.x[i] + 0.5) * 7.5), bin = (pixel + shift) / M * M - shift;
            for (int k = bin; k < bin + M; k++)
                expected[k] += 1.0 / (M * M);
        }
    for (ptrdiff_t column = 0; column < SIZE; column++) { /* along x; y has summed up to 1 */
        double found = 0;
        for (ptrdiff_t row = 0; row < SIZE; row++)
            found += (double)counts.image[row * SIZE + column];
        assert_true(fabs(found - expected[column]) < 1e-3);
    }
    atm_render_counts_free(&counts);
}

/* A region is that part of the whole picture. */
static void a_region_is_a_part_of_the_picture(void **state) {
    (void)state;
    static struct points p;
    draw(&p);
    const struct atm_render_points points = view_of(&p);
    struct atm_render_options options = options_of(ATM_BLUR_NONE);
    struct atm_render_counts all, part;
    struct atm_err err = {0};
    options.zoom = 8;
    assert_int_equal(atm_render_points_init(&all, &points, &options, NULL), ATM_OK);
    snprintf(options.region, sizeof options.region, "9.5 19.5 29.5 24.5");
    assert_int_equal(atm_render_points_init(&part, &points, &options, NULL), ATM_OK);
    assert_int_equal(part.width, 160);
    assert_int_equal(part.height, 40);
    for (ptrdiff_t row = 0; row < 40; row++)
        assert_memory_equal(part.image + row * 160, all.image + (row + 160) * 320 + 80,
                            160 * sizeof(float));
    atm_render_counts_free(&all);
    atm_render_counts_free(&part);
    snprintf(options.region, sizeof options.region, "10 10 5 20");
    assert_int_equal(atm_render_check(&options, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "is no region"));
}

/* Early is blue and late is red. */
static void colours_follow_time(void **state) {
    (void)state;
    const double x[] = {5, 15}, y[] = {5, 15}, frame[] = {0, 99};
    const struct atm_render_points points = {.count = 2,
                                             .x = x,
                                             .y = y,
                                             .frame = frame,
                                             .frames = 100,
                                             .height = 20,
                                             .width = 20,
                                             .pixel_size_nm = 100};
    struct atm_render_options options = options_of(ATM_BLUR_NONE);
    struct atm_render_counts counts;
    options.zoom = 1;
    options.colors = ATM_COLORMAP_COUNT;
    assert_int_equal(atm_render_points_init(&counts, &points, &options, NULL), ATM_OK);
    const float *early = counts.color + 3 * (5 * 20 + 5), *late = counts.color + 3 * (15 * 20 + 15);
    assert_true(early[2] > 2 * early[0] && late[0] > 2 * late[2]);
    uint8_t rgb[20 * 20 * 3];
    atm_colormap_blend(counts.image, counts.color, 400, 1, rgb);
    assert_true(rgb[3 * (5 * 20 + 5) + 2] > 150 && rgb[3 * (15 * 20 + 15)] > 150);
    assert_int_equal(rgb[0] + rgb[1] + rgb[2], 0);
    atm_render_counts_free(&counts);
}

static void the_quantile_is_exact(void **state) {
    (void)state;
    float image[1000] = {0};
    for (int i = 0; i < 101; i++)
        image[(i * 37) % 1000] = 0.001f * (float)(i + 1);
    assert_true(atm_render_quantile(image, 1000, 1) == (double)(0.001f * 101));
    assert_true(atm_render_quantile(image, 1000, 0) == (double)0.001f);
    assert_true(atm_render_quantile(image, 1000, 0.5) == (double)(0.001f * 51));
    float empty[3] = {0};
    assert_true(atm_render_quantile(empty, 3, 0.9) == 1);
}

/* 16 bits of grey keep the ratio of counts; floats are the counts, with the pixel size. */
static void files_hold_the_counts(void **state) {
    (void)state;
    const double x[] = {5, 5, 5, 12}, y[] = {6, 6, 6, 3};
    const struct atm_render_points points = {
        .count = 4, .x = x, .y = y, .height = 20, .width = 16, .pixel_size_nm = 100};
    struct atm_render_options options = options_of(ATM_BLUR_NONE);
    options.zoom = 2, options.saturation = 1, options.depth = ATM_RENDER_16_BIT;
    assert_int_equal(atm_render_write(at("a.png"), &points, &options, NULL), ATM_OK);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, at("a.png")));
    assert_int_equal(image.format & PNG_FORMAT_FLAG_LINEAR, PNG_FORMAT_FLAG_LINEAR); /* 16 bits */
    image.format = PNG_FORMAT_LINEAR_Y;
    static uint16_t gray[40 * 32];
    assert_true(png_image_finish_read(&image, NULL, gray, 0, NULL));
    int bright = 0, dim = 0;
    for (int i = 0; i < 40 * 32; i++)
        bright += gray[i] == 65535, dim += gray[i] > 0 && gray[i] < 65535;
    assert_int_equal(bright, 1);
    assert_int_equal(dim, 1);
    assert_int_equal(remove(at("a.png")), 0);

    struct atm_movie *movie = NULL;
    static float counts[40 * 32];
    assert_int_equal(atm_render_write(at("a.tif"), &points, &options, NULL), ATM_OK);
    assert_int_equal(atm_movie_open(at("a.tif"), NULL, &movie, NULL), ATM_OK);
    assert_int_equal(atm_movie_info(movie)->width, 32);
    assert_true(fabs(atm_movie_info(movie)->camera.pixel_size_nm - 50) < 1e-3);
    assert_int_equal(atm_movie_read(movie, 0, 1, counts, NULL), ATM_OK);
    assert_true(counts[13 * 32 + 11] == 3 && counts[7 * 32 + 25] == 1);
    assert_true(sum(counts, 40 * 32) == 4);
    atm_movie_close(&movie);
    assert_int_equal(remove(at("a.tif")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_conserved_on_any_threads),
        cmocka_unit_test(a_spot_is_the_integral_over_pixels),
        cmocka_unit_test(ash_is_the_average_of_shifted_histograms),
        cmocka_unit_test(a_region_is_a_part_of_the_picture),
        cmocka_unit_test(colours_follow_time),
        cmocka_unit_test(the_quantile_is_exact),
        cmocka_unit_test(files_hold_the_counts),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
