#include "render.h"

#include "canvas.h"
#include "colormap.h"
#include "mem.h"
#include <gsl/gsl_statistics_float.h>
#include <math.h>
#include <stdio.h>

enum { PRECISION, FIXED, HISTOGRAM }; /* render.blur */

/* Of a pixel-integrated Gaussian no more than this is left out; what is kept is scaled to weight 1.
 */
static const double REACH_SIGMAS = 4;
/* A worse localization would be a veil over the picture. */
static const double WORST_PX = 1;
/* Blur in camera pixels of a localization without uncertainty in a table without pixel size. */
static const double DEFAULT_BLUR_PX = 0.1;

/* ---- size ---- */

/* Field in camera pixels: stated, or as far as the localizations go. */
static enum atm_status find_field(const struct atm_table *table, double *height, double *width,
                                  struct atm_err *err) {
    *height = (double)table->height;
    *width = (double)table->width;
    if (*height > 0 && *width > 0)
        return ATM_OK;
    *height = *width = 0;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        *height = fmax(*height, floor(table->rows[i].y + 0.5) + 1); /* fmax drops NAN */
        *width = fmax(*width, floor(table->rows[i].x + 0.5) + 1);
    }
    if (*height > 0 && *width > 0)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "nothing to draw: the table states no field size and has no localizations");
}

static enum atm_status plan_size(const struct atm_table *table,
                                 const struct atm_render_options *options,
                                 struct atm_render_counts *counts, struct atm_err *err) {
    double height, width, zoom = (double)options->zoom;
    if (find_field(table, &height, &width, err) != ATM_OK)
        return ATM_FAIL;
    zoom = fmin(zoom, floor((double)options->max_size / fmax(height, width)));
    if (zoom < 1)
        return atm_err_set(err, ATM_FAIL,
                           "a field of %g x %g px is larger than render.max_size (%lld px): raise "
                           "it, or correct the positions",
                           width, height, (long long)options->max_size);
    counts->zoom = (ptrdiff_t)zoom;
    counts->height = (ptrdiff_t)(height * zoom);
    counts->width = (ptrdiff_t)(width * zoom);
    return ATM_OK;
}

/* ---- counts ---- */

/* Weights of pixels first, first + 1, ... under a Gaussian, in super-resolution pixels. */
struct stripe {
    ptrdiff_t first, count;
    double *weights; /* room for the longest */
};

static void fill_stripe(struct stripe *stripe, double centre, double sigma) {
    stripe->first = (ptrdiff_t)floor(centre - REACH_SIGMAS * sigma + 0.5);
    stripe->count = (ptrdiff_t)floor(centre + REACH_SIGMAS * sigma + 0.5) - stripe->first + 1;
    if (!(sigma > 0)) {
        stripe->weights[0] = 1;
        return;
    }
    double scale = 1 / (sigma * sqrt(2)), total = 0;
    double left = erf(((double)stripe->first - 0.5 - centre) * scale);
    for (ptrdiff_t i = 0; i < stripe->count; i++) {
        double right = erf(((double)(stripe->first + i) + 0.5 - centre) * scale);
        stripe->weights[i] = right - left;
        total += stripe->weights[i];
        left = right;
    }
    for (ptrdiff_t i = 0; i < stripe->count; i++)
        stripe->weights[i] /= total;
}

static void add_spot(struct atm_render_counts *counts, const struct stripe *x,
                     const struct stripe *y) {
    for (ptrdiff_t j = 0; j < y->count; j++) {
        ptrdiff_t row = y->first + j;
        if (row < 0 || row >= counts->height)
            continue;
        for (ptrdiff_t i = 0; i < x->count; i++) {
            ptrdiff_t column = x->first + i;
            if (column >= 0 && column < counts->width)
                counts->image[row * counts->width + column] +=
                    (float)(x->weights[i] * y->weights[j]);
        }
    }
}

static double clip_blur(double sigma_px, double fallback_px) {
    return fmin(sigma_px > 0 ? sigma_px : fallback_px, WORST_PX); /* NAN is not > 0 */
}

/* Blur in camera pixels where a localization has none of its own. */
static enum atm_status fallback_blur(const struct atm_table *table,
                                     const struct atm_render_options *options, double *blur_px,
                                     struct atm_err *err) {
    *blur_px = options->sigma_nm / table->pixel_size_nm;
    if (options->blur == HISTOGRAM || table->pixel_size_nm > 0)
        return ATM_OK;
    *blur_px = DEFAULT_BLUR_PX;
    if (options->blur != FIXED)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "render.blur=fixed needs the pixel size, which the table does not state: "
                       "give it when reading the table, or choose precision or none");
}

static void add_all(struct atm_render_counts *counts, const struct atm_table *table, int blur,
                    double fallback_px, struct stripe stripes[2]) {
    double zoom = (double)counts->zoom;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        /* Inside the field only: also keeps NAN and wild positions from the integers. */
        double x = (row->x + 0.5) * zoom - 0.5, y = (row->y + 0.5) * zoom - 0.5;
        if (!(x >= -0.5 && x < (double)counts->width - 0.5 && y >= -0.5 &&
              y < (double)counts->height - 0.5))
            continue;
        double sigma_x = 0, sigma_y = 0;
        if (blur != HISTOGRAM) {
            sigma_x = clip_blur(blur == PRECISION ? row->x_unc : NAN, fallback_px);
            sigma_y = clip_blur(blur == PRECISION ? row->y_unc : NAN, fallback_px);
        }
        fill_stripe(&stripes[0], x, sigma_x * zoom);
        fill_stripe(&stripes[1], y, sigma_y * zoom);
        add_spot(counts, &stripes[0], &stripes[1]);
        counts->drawn++;
    }
}

enum atm_status atm_render_counts_init(struct atm_render_counts *counts,
                                       const struct atm_table *table,
                                       const struct atm_render_options *options,
                                       struct atm_err *err) {
    *counts = (struct atm_render_counts){0};
    double blur_px;
    enum atm_status status = fallback_blur(table, options, &blur_px, err);
    if (status == ATM_OK)
        status = plan_size(table, options, counts, err);
    if (status != ATM_OK)
        return status;
    size_t room = (size_t)(2 * REACH_SIGMAS * WORST_PX * (double)counts->zoom) + 3;
    struct stripe stripes[2] = {{.weights = atm_mem_alloc(room, sizeof(double))},
                                {.weights = atm_mem_alloc(room, sizeof(double))}};
    counts->image =
        atm_mem_alloc((size_t)counts->height * (size_t)counts->width, sizeof *counts->image);
    if (counts->image && stripes[0].weights && stripes[1].weights)
        add_all(counts, table, options->blur, blur_px, stripes);
    else
        status = atm_err_memory(err, "the super-resolution picture");
    atm_mem_free(stripes[0].weights);
    atm_mem_free(stripes[1].weights);
    if (status != ATM_OK)
        atm_render_counts_free(counts);
    return status;
}

void atm_render_counts_free(struct atm_render_counts *counts) {
    atm_mem_free(counts->image);
    *counts = (struct atm_render_counts){0};
}

/* ---- picture ---- */

/* Value shown at full intensity. */
static enum atm_status find_white(const struct atm_render_counts *counts, double saturation,
                                  double *white, struct atm_err *err) {
    size_t count = (size_t)(counts->height * counts->width), filled = 0;
    float *values = atm_mem_alloc(count, sizeof *values);
    if (!values)
        return atm_err_memory(err, "the super-resolution picture");
    for (size_t i = 0; i < count; i++)
        if (counts->image[i] > 0)
            values[filled++] = counts->image[i];
    *white = 1;
    if (filled)
        *white =
            gsl_stats_float_select(values, 1, filled, (size_t)(saturation * (double)(filled - 1)));
    atm_mem_free(values);
    return ATM_OK;
}

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
                                   const struct atm_render_counts *counts, double saturation,
                                   struct atm_err *err) {
    struct atm_colormap map;
    struct atm_colormap_range range = {0, 1};
    ptrdiff_t pixels = counts->height * counts->width;
    uint8_t *rgb = atm_mem_alloc((size_t)pixels, 3);
    enum atm_status status = rgb ? find_white(counts, saturation, &range.hi, err)
                                 : atm_err_memory(err, "the super-resolution picture");
    if (status == ATM_OK) {
        atm_colormap_hot(&map);
        atm_colormap_apply(&map, counts->image, pixels, range, rgb);
        struct atm_canvas_pixels view = {rgb, counts->height, counts->width, 1};
        atm_canvas_put(canvas, 0, 0, &view);
    }
    atm_mem_free(rgb);
    return status;
}

enum atm_status atm_render_png(const char *path, const struct atm_table *table,
                               const struct atm_render_options *options, struct atm_err *err) {
    struct atm_render_counts counts = {0};
    struct atm_canvas canvas = {0};
    enum atm_status status = atm_render_counts_init(&counts, table, options, err);
    if (status == ATM_OK)
        status = atm_canvas_create(&canvas, counts.height, counts.width, err);
    if (status == ATM_OK)
        status = draw_counts(&canvas, &counts, options->saturation, err);
    if (status == ATM_OK && table->pixel_size_nm > 0)
        draw_scale_bar(&canvas, table->pixel_size_nm / (double)counts.zoom);
    if (status == ATM_OK)
        status = atm_canvas_write(&canvas, path, err);
    atm_canvas_destroy(&canvas);
    atm_render_counts_free(&counts);
    return status;
}
