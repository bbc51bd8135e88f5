/* Counts to pictures. */
#include "render.h"

#include "canvas.h"
#include "colormap.h"
#include "image.h"
#include "mem.h"
#include "movie.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* 1, 2 or 5 times a power of ten, at most limit. */
static double round_length(double limit) {
    double decade = pow(10, floor(log10(limit)));
    double steps = limit / decade;
    return decade * (steps >= 5 ? 5 : steps >= 2 ? 2 : 1);
}

/* White bar with its length above it, bottom right; left out where the label does not fit. */
static void draw_scale_bar(struct atm_canvas *canvas, double nm_per_px) {
    double size = fmin(fmax((double)canvas->height / 25, 11), 60), margin = size;
    double length_nm = round_length((double)canvas->width / 4 * nm_per_px);
    double length = length_nm / nm_per_px, thick = fmax(2, rint(size / 5));
    char label[32];
    if (length_nm >= 1000)
        snprintf(label, sizeof label, "%g µm", length_nm / 1000);
    else
        snprintf(label, sizeof label, "%g nm", length_nm);
    atm_canvas_font(canvas, size);
    double text = atm_canvas_text_width(canvas, label), room = fmax(text, length);
    if (room + 2 * margin > (double)canvas->width || 4 * size > (double)canvas->height)
        return;
    double right = (double)canvas->width - margin, bottom = (double)canvas->height - margin;
    double left = rint(right - room / 2 - length / 2);
    cairo_set_source_rgba(canvas->cr, 0, 0, 0, 0.6); /* so that no spot disturbs the label */
    cairo_rectangle(canvas->cr, right - room - size / 2, bottom - thick - 1.6 * size, room + size,
                    thick + 2.1 * size);
    cairo_fill(canvas->cr);
    atm_canvas_color(canvas, (double[]){1, 1, 1});
    cairo_rectangle(canvas->cr, left, rint(bottom - thick), rint(length), thick);
    cairo_fill(canvas->cr);
    atm_canvas_text(canvas, right - room / 2, bottom - thick - size / 3, 0.5, label);
}

static enum atm_status draw_counts(struct atm_canvas *canvas,
                                   const struct atm_render_counts *counts,
                                   const struct atm_render_options *options, struct atm_err *err) {
    struct atm_colormap map;
    ptrdiff_t pixels = counts->height * counts->width;
    struct atm_colormap_range range = {
        0, atm_render_quantile(counts->image, pixels, options->saturation)};
    uint8_t *rgb = atm_mem_alloc((size_t)pixels, 3);
    if (!rgb)
        return atm_err_memory(err, "the super-resolution picture");
    if (counts->color) {
        atm_colormap_blend(counts->image, counts->color, pixels, range.hi, rgb);
    } else {
        atm_colormap_init(&map, options->colors);
        atm_colormap_apply(&map, counts->image, pixels, range, rgb);
    }
    struct atm_canvas_pixels view = {rgb, counts->height, counts->width, 1};
    atm_canvas_put(canvas, 0, 0, &view);
    atm_mem_free(rgb);
    return ATM_OK;
}

static enum atm_status write_picture(const char *path, const struct atm_render_counts *counts,
                                     double pixel_size_nm, const struct atm_render_options *options,
                                     struct atm_err *err) {
    struct atm_canvas canvas = {0};
    enum atm_status status = atm_canvas_create(&canvas, counts->height, counts->width, err);
    if (status == ATM_OK)
        status = draw_counts(&canvas, counts, options, err);
    if (status == ATM_OK && options->scale_bar && pixel_size_nm > 0)
        draw_scale_bar(&canvas, pixel_size_nm / counts->zoom);
    if (status == ATM_OK)
        status = atm_canvas_write(&canvas, path, err);
    atm_canvas_destroy(&canvas);
    return status;
}

/* 16 bits of grey, linear up to the saturation. */
static enum atm_status write_gray(const char *path, const struct atm_render_counts *counts,
                                  double saturation, struct atm_err *err) {
    ptrdiff_t pixels = counts->height * counts->width;
    double white = atm_render_quantile(counts->image, pixels, saturation);
    uint16_t *gray = atm_mem_alloc((size_t)pixels, sizeof *gray);
    if (!gray)
        return atm_err_memory(err, "the super-resolution picture");
    for (ptrdiff_t i = 0; i < pixels; i++)
        gray[i] = (uint16_t)lrint(fmin((double)counts->image[i] / white, 1) * UINT16_MAX);
    enum atm_status status = atm_image_write_png16(path, counts->height, counts->width, gray, err);
    atm_mem_free(gray);
    return status;
}

/* One page of floats; ImageJ finds the pixel size. */
static enum atm_status write_tiff(const char *path, const struct atm_render_counts *counts,
                                  double pixel_size_nm, struct atm_err *err) {
    struct atm_movie_layout layout = {
        .frames = 1,
        .height = counts->height,
        .width = counts->width,
        .sample = ATM_MOVIE_F32,
        .camera = atm_movie_unknown_camera(),
    };
    layout.camera.pixel_size_nm = pixel_size_nm / counts->zoom;
    struct atm_movie_writer *writer = NULL;
    enum atm_status status = atm_movie_create(path, &layout, &writer, err);
    if (status == ATM_OK)
        status = atm_movie_append(writer, 1, counts->image, err);
    if (status == ATM_OK)
        return atm_movie_finish(&writer, err);
    atm_movie_discard(&writer);
    return status;
}

static bool ends(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcasecmp(path + length - tail, ending) == 0;
}

enum atm_status atm_render_write_counts(const char *path, const struct atm_render_counts *counts,
                                        double pixel_size_nm,
                                        const struct atm_render_options *options,
                                        struct atm_err *err) {
    if (ends(path, ".tif") || ends(path, ".tiff"))
        return write_tiff(path, counts, pixel_size_nm, err);
    if (options->depth == ATM_RENDER_16_BIT)
        return write_gray(path, counts, options->saturation, err);
    return write_picture(path, counts, pixel_size_nm, options, err);
}

enum atm_status atm_render_write(const char *path, const struct atm_render_points *points,
                                 const struct atm_render_options *options, struct atm_err *err) {
    struct atm_render_counts counts = {0};
    enum atm_status status = atm_render_points_init(&counts, points, options, err);
    if (status == ATM_OK)
        status = atm_render_write_counts(path, &counts, points->pixel_size_nm, options, err);
    atm_render_counts_free(&counts);
    return status;
}

/* ---- tables ---- */

enum { COLUMNS = 5 };

/* The columns that are drawn; `block` is owned by the caller. */
static enum atm_status points_of(const struct atm_table *table, struct atm_render_points *points,
                                 double **block, struct atm_err *err) {
    const ptrdiff_t n = table->count;
    double *at = *block = atm_mem_alloc((size_t)n, COLUMNS * sizeof **block);
    if (!at)
        return atm_err_memory(err, "the super-resolution picture");
    for (ptrdiff_t i = 0; i < n; i++) {
        const struct atm_loc *row = &table->rows[i];
        const double values[COLUMNS] = {row->x, row->y, row->x_unc, row->y_unc, (double)row->frame};
        for (int k = 0; k < COLUMNS; k++)
            at[k * n + i] = values[k];
    }
    *points = (struct atm_render_points){.count = n,
                                         .x = at,
                                         .y = at + n,
                                         .x_unc = at + 2 * n,
                                         .y_unc = at + 3 * n,
                                         .frame = at + 4 * n,
                                         .frames = table->frames,
                                         .height = table->height,
                                         .width = table->width,
                                         .pixel_size_nm = table->pixel_size_nm};
    return ATM_OK;
}

enum atm_status atm_render_counts_init(struct atm_render_counts *counts,
                                       const struct atm_table *table,
                                       const struct atm_render_options *options,
                                       struct atm_err *err) {
    struct atm_render_points points;
    double *block;
    *counts = (struct atm_render_counts){0};
    enum atm_status status = points_of(table, &points, &block, err);
    if (status == ATM_OK)
        status = atm_render_points_init(counts, &points, options, err);
    atm_mem_free(block);
    return status;
}

enum atm_status atm_render_png(const char *path, const struct atm_table *table,
                               const struct atm_render_options *options, struct atm_err *err) {
    struct atm_render_points points;
    double *block;
    enum atm_status status = points_of(table, &points, &block, err);
    if (status == ATM_OK)
        status = atm_render_write(path, &points, options, err);
    atm_mem_free(block);
    return status;
}
