/* Pictures: counts, sizes, scale bar, colour map, axes, and that the same input gives the same
 * bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "atoms.h"
#include "axis.h"
#include "colormap.h"
#include "ini.h"
#include "mem.h"
#include "outfile.h"
#include "picture.h"
#include "render.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PRECISION, FIXED, HISTOGRAM };

static const struct atm_render_options plain = {.zoom = 10,
                                                .blur = FIXED,
                                                .sigma_nm = 20,
                                                .saturation = 0.99,
                                                .max_size = 4096,
                                                .shifts = 4,
                                                .scale_bar = true};

static char folder[] = "/tmp/test_render_XXXXXX";

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder); /* fails when a test or a temporary file was left behind */
}

static struct atm_loc loc(double x, double y) {
    return (struct atm_loc){.x = x, .y = y, .x_unc = NAN, .y_unc = NAN};
}

static struct atm_table table_of(struct atm_loc *rows, ptrdiff_t count, ptrdiff_t side) {
    return (struct atm_table){
        .rows = rows, .count = count, .height = side, .width = side, .pixel_size_nm = 100};
}

static ptrdiff_t count_color(const struct picture *picture, int r, int g, int b) {
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)picture->height * picture->width; i++) {
        const uint8_t *p = picture->rgb + 3 * i;
        count += p[0] == r && p[1] == g && p[2] == b;
    }
    return count;
}

static ptrdiff_t count_greenish(const struct picture *picture) {
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)picture->height * picture->width; i++) {
        const uint8_t *p = picture->rgb + 3 * i;
        count += p[1] > p[0] + 60 && p[1] > p[2] + 60;
    }
    return count;
}

static double sum(const struct atm_render_counts *counts) {
    double total = 0;
    for (ptrdiff_t i = 0; i < counts->height * counts->width; i++)
        total += (double)counts->image[i];
    return total;
}

/* ---- counts ---- */

static void counts_are_conserved(void **state) {
    (void)state;
    struct atm_loc rows[50];
    for (int i = 0; i < 50; i++) {
        rows[i] = loc(5 + 0.137 * i, 18 - 0.211 * i);
        rows[i].x_unc = 0.01 * i; /* 0: falls back on sigma_nm */
        rows[i].y_unc = 0.33;
    }
    struct atm_table table = table_of(rows, 50, 24);
    for (int blur = PRECISION; blur <= HISTOGRAM; blur++) {
        struct atm_render_options options = plain;
        struct atm_render_counts counts;
        options.blur = blur;
        assert_int_equal(atm_render_counts_init(&counts, &table, &options, NULL), ATM_OK);
        assert_int_equal(counts.height, 240);
        assert_int_equal(counts.drawn, 50);
        assert_true(fabs(sum(&counts) - 50) < 1e-4);
        atm_render_counts_free(&counts);
    }
}

/* Pixel 2 covers 1.5..2.5 px, super-resolution pixels 20..29 at zoom 10. */
static void histogram_puts_each_into_its_pixel(void **state) {
    (void)state;
    struct atm_loc rows[] = {loc(1.51, 2.449), loc(-0.5, -0.49), loc(3.49, 3.49), loc(3.51, 2),
                             loc(NAN, 1),      loc(1e300, 1),    loc(-0.51, 2)};
    struct atm_table table = table_of(rows, 7, 4);
    struct atm_render_options options = plain;
    struct atm_render_counts counts;
    options.blur = HISTOGRAM;
    assert_int_equal(atm_render_counts_init(&counts, &table, &options, NULL), ATM_OK);
    assert_int_equal(counts.drawn, 3);
    assert_true(counts.image[29 * 40 + 20] == 1);
    assert_true(counts.image[0] == 1);
    assert_true(counts.image[39 * 40 + 39] == 1);
    atm_render_counts_free(&counts);
}

/* Mean and variance of a blurred spot: its position, and sigma^2 + 1/12 of the pixel. */
static void blur_has_its_position_and_width(void **state) {
    (void)state;
    struct atm_loc row = loc(9.37, 10.81);
    row.x_unc = 0.31;
    row.y_unc = 0.17;
    struct atm_table table = table_of(&row, 1, 20);
    struct atm_render_options options = plain;
    struct atm_render_counts counts;
    double mean = 0, square = 0;
    options.blur = PRECISION;
    assert_int_equal(atm_render_counts_init(&counts, &table, &options, NULL), ATM_OK);
    for (ptrdiff_t i = 0; i < 200 * 200; i++) {
        double x = (double)(i % 200);
        mean += x * (double)counts.image[i];
        square += x * x * (double)counts.image[i];
    }
    assert_true(fabs(mean - (9.87 * 10 - 0.5)) < 1e-3);
    assert_true(fabs(square - mean * mean - (3.1 * 3.1 + 1.0 / 12)) < 0.03);
    atm_render_counts_free(&counts);
}

static void zoom_is_lowered_to_fit(void **state) {
    (void)state;
    struct atm_loc row = loc(70, 3);
    struct atm_table table = table_of(&row, 1, 0); /* field as far as the localizations go */
    struct atm_render_options options = plain;
    struct atm_render_counts counts;
    struct atm_err err = {0};
    options.max_size = 300;
    assert_int_equal(atm_render_counts_init(&counts, &table, &options, NULL), ATM_OK);
    assert_int_equal(counts.zoom, 4);
    assert_int_equal(counts.width, 71 * 4);
    assert_int_equal(counts.height, 4 * 4);
    atm_render_counts_free(&counts);
    row.x = 1e7;
    assert_int_equal(atm_render_counts_init(&counts, &table, &options, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "larger than render.max_size (300 px)"));
    table.count = 0;
    assert_int_equal(atm_render_counts_init(&counts, &table, &options, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "nothing to draw"));
    table = table_of(&row, 1, 8);
    table.pixel_size_nm = NAN;
    assert_int_equal(atm_render_counts_init(&counts, &table, &options, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "render.blur=fixed needs the pixel size"));
}

/* ---- super-resolution picture ---- */

/* Pure white is the scale bar's alone: the only spot is far less than white at its rim. */
static void scale_bar_needs_the_pixel_size(void **state) {
    (void)state;
    struct atm_loc row = loc(3, 3);
    struct atm_table table = table_of(&row, 1, 32);
    struct atm_render_options options = plain;
    options.blur = PRECISION;
    options.saturation = 1;
    assert_int_equal(atm_render_png(in_folder("a.png"), &table, &options, NULL), ATM_OK);
    struct picture with = read_back(in_folder("a.png"));
    assert_int_equal(with.width, 320);
    ptrdiff_t white = count_color(&with, 255, 255, 255);
    assert_true(white > 2 * 50 && white < 1000); /* 500 nm = 50 px wide, and its label */
    table.pixel_size_nm = NAN;
    assert_int_equal(atm_render_png(in_folder("a.png"), &table, &options, NULL), ATM_OK);
    struct picture without = read_back(in_folder("a.png"));
    assert_true(count_color(&without, 255, 255, 255) <= 4);
    free(with.rgb);
    free(without.rgb);
}

static void tiny_empty_and_odd_fields(void **state) {
    (void)state;
    struct atm_loc row = loc(0, 0);
    const ptrdiff_t sides[][2] = {{1, 1}, {1, 7}, {3, 101}, {13, 1}};
    for (int i = 0; i < 4; i++)
        for (ptrdiff_t count = 0; count < 2; count++) {
            struct atm_table table = table_of(&row, count, 1);
            struct atm_render_options options = plain;
            table.height = sides[i][0];
            table.width = sides[i][1];
            options.zoom = i == 0 ? 1 : 7;
            assert_int_equal(atm_render_png(in_folder("b.png"), &table, &options, NULL), ATM_OK);
            struct picture picture = read_back(in_folder("b.png"));
            assert_int_equal(picture.height, (i == 0 ? 1 : 7) * sides[i][0]);
            assert_int_equal(picture.width, (i == 0 ? 1 : 7) * sides[i][1]);
            free(picture.rgb);
        }
}

static void same_bytes_twice(void **state) {
    (void)state;
    struct atm_loc rows[] = {loc(3, 3), loc(7.7, 12.1)};
    struct atm_table table = table_of(rows, 2, 20);
    struct picture a, b;
    assert_int_equal(atm_render_png(in_folder("c.png"), &table, &plain, NULL), ATM_OK);
    a = read_back(in_folder("c.png"));
    assert_int_equal(atm_render_png(in_folder("c.png"), &table, &plain, NULL), ATM_OK);
    b = read_back(in_folder("c.png"));
    assert_memory_equal(a.rgb, b.rgb, (size_t)(a.height * a.width * 3));
    free(a.rgb);
    free(b.rgb);
}

static void unwritable_names_are_errors(void **state) {
    (void)state;
    struct atm_loc row = loc(3, 3);
    struct atm_table table = table_of(&row, 1, 8);
    struct atm_err err = {0};
    const char *path = in_folder("missing/a.png");
    assert_int_equal(atm_render_png(path, &table, &plain, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "missing"));
    struct atm_curve curve = {0};
    const struct atm_chart chart = {.title = "t", .curves = &curve, .count = 1};
    assert_int_equal(atm_chart_write(path, &chart, &err), ATM_FAIL);
}

/* In a process of its own: fontconfig looks for fonts once. */
static void text_needs_no_installed_font(void **state) {
    (void)state;
    char config[256];
    snprintf(config, sizeof config, "%s/fonts.conf", folder);
    assert_int_equal(atm_outfile_write_text(config, "<fontconfig></fontconfig>\n", NULL), ATM_OK);
    pid_t child = fork();
    if (child == 0) {
        const double x[] = {1, 2}, y[] = {3, 4};
        const struct atm_curve curve = {.label = "\xc2\xb5m", .x = x, .y = y, .count = 2};
        setenv("FONTCONFIG_FILE", config, 1);
        const struct atm_chart chart = {.title = "title", .curves = &curve, .count = 1};
        _exit((int)atm_chart_write(in_folder("g.png"), &chart, NULL));
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct picture picture = read_back(in_folder("g.png"));
    ptrdiff_t black = 0; /* in the title's strip: the text is there */
    for (ptrdiff_t i = 0; i < 90 * 1440; i++)
        black += picture.rgb[3 * i] < 128;
    assert_true(black > 20);
    free(picture.rgb);
    assert_int_equal(unlink(config), 0);
}

/* ---- colour map ---- */

static void hot_map_grows_lighter_from_black_to_white(void **state) {
    (void)state;
    struct atm_colormap map;
    atm_colormap_hot(&map);
    double before = -1;
    for (int i = 0; i < 256; i++) {
        const uint8_t *c = map.rgb[i];
        double luma = 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
        assert_true(luma > before - 0.3); /* rounding to bytes */
        before = luma;
    }
    assert_int_equal(map.rgb[0][0] + map.rgb[0][1] + map.rgb[0][2], 0);
    assert_true(map.rgb[255][0] >= 254 && map.rgb[255][1] >= 254 && map.rgb[255][2] >= 254);
    assert_true(map.rgb[128][0] > map.rgb[128][2] + 50);
    const float values[] = {-3, NAN, 2.385F, 1e30F};
    uint8_t rgb[12];
    struct atm_colormap_range range = {0, 4};
    atm_colormap_apply(&map, values, 4, range, rgb);
    assert_memory_equal(rgb, map.rgb[0], 3);
    for (int i = 0; i < 256; i++) /* unknown looks like no value */
        assert_memory_not_equal(rgb + 3, map.rgb[i], 3);
    assert_memory_equal(rgb + 6, map.rgb[152], 3);
    assert_memory_equal(rgb + 9, map.rgb[255], 3);
}

/* ---- panels ---- */

static void panels_magnify_and_mark(void **state) {
    (void)state;
    float image[3 * 5];
    for (int i = 0; i < 15; i++)
        image[i] = 2.5F * (float)i;
    image[7] = NAN;
    struct atm_loc marks[] = {loc(4, 0), loc(NAN, 1)}, rings[] = {loc(0, 2)};
    struct atm_panel panels[3] = {
        {image, 0, 35, "all of it", marks, 2, rings, 1, NULL, 0, 0, false},
        {.image = image},
        {.image = image, .caption = ""},
    };
    struct atm_panel_sheet sheet = {
        .panels = panels, .count = 3, .columns = 2, .height = 3, .width = 5};
    assert_int_equal(atm_render_panels(in_folder("d.png"), &sheet, NULL), ATM_OK);
    struct picture picture = read_back(in_folder("d.png"));
    assert_int_equal(picture.width, 12 + 2 * (320 + 12));
    assert_int_equal(picture.height, 2 * (192 + 24 + 12));
    assert_true(count_color(&picture, 255, 51, 51) > 20);
    assert_true(count_greenish(&picture) > 50);
    /* Pixel (x 1, y 2) has value 27.5 of 35: 200 of 255; 64 px per pixel. */
    const uint8_t *p = picture.rgb + ((24 + 2 * 64 + 5) * picture.width + 12 + 64 + 60) * 3;
    assert_int_equal(p[0], 200);
    free(picture.rgb);
    struct atm_err err = {0};
    sheet.count = 0;
    assert_int_equal(atm_render_panels(in_folder("d.png"), &sheet, &err), ATM_FAIL);
    sheet = (struct atm_panel_sheet){
        .panels = panels, .count = 1, .columns = 1, .height = 40000, .width = 1};
    assert_int_equal(atm_render_panels(in_folder("d.png"), &sheet, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "a picture of"));
}

/* Title, smaller panels, an empty place, a path from (0, 1) to (2, 1) and a frame. */
static void panels_have_titles_and_motions(void **state) {
    (void)state;
    float image[3 * 5] = {0};
    const double path[2][2] = {{0, 1}, {2, 1}};
    struct atm_panel panels[3] = {
        {.image = image, .hi = 1, .path = path, .path_count = 2, .path_at = 1},
        {.image = NULL},
        {.image = image, .hi = 1, .framed = true},
    };
    struct atm_panel_sheet sheet = {.panels = panels,
                                    .count = 3,
                                    .columns = 3,
                                    .height = 3,
                                    .width = 5,
                                    .panel_px = 100,
                                    .title = "first line\nsecond line"};
    assert_int_equal(atm_render_panels(in_folder("t.png"), &sheet, NULL), ATM_OK);
    struct picture picture = read_back(in_folder("t.png"));
    const int top = 2 * 22 + 24, zoom = 20, panel = 5 * zoom + 12;
    assert_int_equal(picture.width, 12 + 3 * panel);
    assert_int_equal(picture.height, top + 3 * zoom + 12);
    const uint8_t orange[3] = {230, 159, 0};
    const uint8_t *row = picture.rgb + (top + zoom + zoom / 2) * picture.width * 3;
    assert_true(row[3 * (12 + zoom) + 2] > 150 && row[3 * (12 + zoom)] < 100);  /* the blue line */
    assert_memory_equal(row + 3 * (12 + 2 * zoom + zoom / 2 + 4), "\0\0\0", 3); /* in the ring */
    assert_true(row[3 * (12 + 2 * zoom + zoom / 2 + 6) + 2] > 150);             /* on the ring */
    int dark = 0; /* of the title, which is black */
    for (int i = 0; i < 2 * 22 * picture.width; i++)
        dark += picture.rgb[3 * i] < 100;
    assert_true(dark > 50);
    assert_memory_equal(row + 3 * (12 + panel + 5), "\xff\xff\xff", 3);
    assert_memory_equal(row + 3 * (12 + 2 * panel + 1), orange, 3);
    assert_memory_equal(row + 3 * (12 + 2 * panel + 5), "\0\0\0", 3);
    free(picture.rgb);
}

/* ---- axes and curves ---- */

static const char *labels(double lo, double hi, int log) {
    static char text[512];
    struct atm_axis axis;
    text[0] = 0;
    atm_axis_init(&axis, lo, hi, log, 6);
    for (int i = 0; i < axis.tick_count; i++) {
        double position = atm_axis_position(&axis, axis.ticks[i].value);
        assert_true(position > -1e-6 && position < 1 + 1e-6);
        if (axis.ticks[i].label[0])
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", axis.ticks[i].label);
    }
    return text;
}

static void ticks_are_round(void **state) {
    (void)state;
    assert_string_equal(labels(0, 1500, 0), "0 200 400 600 800 1000 1200 1400 ");
    assert_string_equal(labels(-0.31, 0.29, 0), "-0.3 -0.2 -0.1 0 0.1 0.2 0.3 ");
    assert_string_equal(labels(3, 3, 0), "2.7 2.8 2.9 3 3.1 3.2 3.3 ");
    assert_string_equal(labels(0, 0, 0), "0 0.2 0.4 0.6 0.8 1 ");
    assert_string_equal(labels(0.013, 0.9, 1), "0.02 0.05 0.1 0.2 0.5 1 ");
    assert_string_equal(labels(2, 3e4, 1), "10 100 1000 10000 ");
    assert_string_equal(labels(12, 40, 1), "20 30 40 ");
    assert_string_equal(labels(80, 900, 1), "100 200 300 500 ");
    assert_string_equal(labels(1e-9, 1e9, 1), "1e-9 1e-6 0.001 1 1000 1e6 1e9 ");
    assert_string_equal(labels(1.02, 1.3, 1), "1.05 1.1 1.15 1.2 1.25 1.3 ");
    assert_string_equal(labels(5, 5, 1), "4 5 6 ");
}

static void curves_survive_anything(void **state) {
    (void)state;
    const double x[] = {1, 2, NAN, 4, 5}, y[] = {1e-3, NAN, 3, -2, INFINITY}, flat[] = {0, 0};
    const struct atm_curve curves[] = {{.label = "a", .x = x, .y = y, .count = 5},
                                       {.x = x, .y = y, .count = 5},
                                       {.label = "flat", .x = x, .y = flat, .count = 2},
                                       {.label = "none"}};
    for (int log = 0; log < 2; log++)
        for (int count = 0; count <= 4; count++) {
            const struct atm_chart chart = {.title = "t",
                                            .x_label = "x",
                                            .curves = curves,
                                            .count = count,
                                            .log_x = log,
                                            .log_y = log};
            assert_int_equal(atm_chart_write(in_folder("e.png"), &chart, NULL), ATM_OK);
            struct picture picture = read_back(in_folder("e.png"));
            assert_int_equal(picture.width, 1440);
            free(picture.rgb);
        }
}

/* A million points cost no more than the picture's columns. */
static void long_training_curve(void **state) {
    (void)state;
    enum { STEPS = 1000 * 1000 };
    struct atm_curve_point *points = atm_mem_alloc(STEPS, sizeof *points);
    assert_non_null(points);
    for (ptrdiff_t i = 0; i < STEPS; i++)
        points[i] = (struct atm_curve_point){.step = i,
                                             .loss = 0.9 * exp((double)-i / 1e5) + 0.01,
                                             .validation = i % 50000 ? NAN : 0.5};
    assert_int_equal(atm_render_training(in_folder("f.png"), points, STEPS, NULL), ATM_OK);
    struct picture picture = read_back(in_folder("f.png"));
    free(picture.rgb);
    points[5].loss = 0; /* no logarithm then */
    assert_int_equal(atm_render_training(in_folder("f.png"), points, 9, NULL), ATM_OK);
    picture = read_back(in_folder("f.png"));
    free(picture.rgb);
    assert_int_equal(atm_render_training(in_folder("f.png"), NULL, 0, NULL), ATM_OK);
    picture = read_back(in_folder("f.png"));
    free(picture.rgb);
    atm_mem_free(points);
}

static void defaults_are_those_of_the_header(void **state) {
    (void)state;
    struct atm_render_options options;
    struct atm_binding binding = {&atm_render_section, &options};
    atm_ini_defaults(&binding, 1);
    assert_int_equal(options.zoom, 10);
    assert_int_equal(options.blur, PRECISION);
    assert_int_equal(options.max_size, 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_needs_no_installed_font), /* first: fontconfig is untouched yet */
        cmocka_unit_test(counts_are_conserved),
        cmocka_unit_test(histogram_puts_each_into_its_pixel),
        cmocka_unit_test(blur_has_its_position_and_width),
        cmocka_unit_test(zoom_is_lowered_to_fit),
        cmocka_unit_test(scale_bar_needs_the_pixel_size),
        cmocka_unit_test(tiny_empty_and_odd_fields),
        cmocka_unit_test(same_bytes_twice),
        cmocka_unit_test(unwritable_names_are_errors),
        cmocka_unit_test(hot_map_grows_lighter_from_black_to_white),
        cmocka_unit_test(panels_magnify_and_mark),
        cmocka_unit_test(panels_have_titles_and_motions),
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(curves_survive_anything),
        cmocka_unit_test(long_training_curve),
        cmocka_unit_test(defaults_are_those_of_the_header),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
