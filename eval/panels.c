#include "render.h"

#include "canvas.h"
#include "colormap.h"
#include "mem.h"
#include <gsl/gsl_statistics_float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PANEL_PX = 320, GAP_PX = 12, FONT_PX = 14, CAPTION_PX = 24, TITLE_PX = 22 };
enum { SMALL_PANEL_PX = 200, SMALL_FONT_PX = 11, TITLE_MOST = 255 };

static const double CROSS_COLOR[3] = {1, 0.2, 0.2}, RING_COLOR[3] = {0.2, 0.9, 0.3};
static const double PATH_COLOR[3] = {0.337, 0.706, 0.914}, FRAME_COLOR[3] = {0.902, 0.624, 0};
/* Automatic ranges leave out this much at either end, so that one hot pixel does not blacken the
 * rest. */
static const double DARK_QUANTILE = 0.005, BRIGHT_QUANTILE = 0.998;

struct layout {
    ptrdiff_t zoom, columns, height, width; /* of one magnified panel */
    ptrdiff_t top;                          /* of the first row: the title's height */
    double origin_x, origin_y, binning;
    struct atm_colormap map;
    uint8_t *rgb;  /* (height, width, 3) of an image */
    float *sorted; /* (height, width) */
};

static struct atm_colormap_range automatic_range(const float *image, ptrdiff_t pixels,
                                                 float *scratch) {
    size_t count = 0;
    for (ptrdiff_t i = 0; i < pixels; i++)
        if (isfinite(image[i]))
            scratch[count++] = image[i];
    if (!count)
        return (struct atm_colormap_range){0, 1};
    double last = (double)(count - 1);
    double lo = gsl_stats_float_select(scratch, 1, count, (size_t)floor(DARK_QUANTILE * last));
    double hi = gsl_stats_float_select(scratch, 1, count, (size_t)ceil(BRIGHT_QUANTILE * last));
    return (struct atm_colormap_range){lo, hi};
}

/* Centre of (x, y) px on the canvas. */
static void place(const struct layout *layout, double x_px, double y_px, double *x, double *y) {
    *x = (x_px - layout->origin_x + 0.5) / layout->binning * (double)layout->zoom;
    *y = (y_px - layout->origin_y + 0.5) / layout->binning * (double)layout->zoom;
}

static void add_cross(cairo_t *cr, double x, double y, double arm) {
    cairo_move_to(cr, x - arm, y - arm);
    cairo_line_to(cr, x + arm, y + arm);
    cairo_move_to(cr, x - arm, y + arm);
    cairo_line_to(cr, x + arm, y - arm);
}

/* Crosses and rings in the panel's own coordinates, clipped to it. */
static void draw_marks(struct atm_canvas *canvas, const struct layout *layout,
                       const struct atm_panel *panel) {
    double zoom = (double)layout->zoom, arm = fmax(0.4 * zoom, 3), radius = fmax(0.8 * zoom, 5);
    double x, y;
    cairo_t *cr = canvas->cr;
    cairo_set_line_width(cr, 1.5);
    for (ptrdiff_t i = 0; i < panel->ring_count; i++) {
        place(layout, panel->rings[i].x, panel->rings[i].y, &x, &y);
        if (!isfinite(x) || !isfinite(y))
            continue;
        cairo_new_sub_path(cr);
        cairo_arc(cr, x, y, radius, 0, 2 * acos(-1));
    }
    atm_canvas_color(canvas, RING_COLOR);
    cairo_stroke(cr);
    for (ptrdiff_t i = 0; i < panel->mark_count; i++) {
        place(layout, panel->marks[i].x, panel->marks[i].y, &x, &y);
        if (isfinite(x) && isfinite(y))
            add_cross(cr, x, y, arm);
    }
    atm_canvas_color(canvas, CROSS_COLOR);
    cairo_stroke(cr);
}

/* A motion through the panels of a row. */
static void draw_path(struct atm_canvas *canvas, const struct layout *layout,
                      const struct atm_panel *panel) {
    cairo_t *cr = canvas->cr;
    double x, y;
    atm_canvas_color(canvas, PATH_COLOR);
    for (ptrdiff_t i = 0; i < panel->path_count; i++) {
        place(layout, panel->path[i][0], panel->path[i][1], &x, &y);
        if (isfinite(x) && isfinite(y))
            cairo_line_to(cr, x, y);
    }
    cairo_stroke(cr);
    for (ptrdiff_t i = 0; i < panel->path_count; i++) {
        place(layout, panel->path[i][0], panel->path[i][1], &x, &y);
        if (!isfinite(x) || !isfinite(y))
            continue;
        cairo_arc(cr, x, y, i == panel->path_at ? 6 : 1.5, 0, 2 * acos(-1));
        if (i == panel->path_at)
            cairo_stroke(cr);
        else
            cairo_fill(cr);
    }
}

static void draw_frame(struct atm_canvas *canvas, const struct layout *layout) {
    enum { LINE_PX = 4 };
    atm_canvas_color(canvas, FRAME_COLOR);
    cairo_set_line_width(canvas->cr, LINE_PX);
    cairo_rectangle(canvas->cr, LINE_PX / 2.0, LINE_PX / 2.0, (double)layout->width - LINE_PX,
                    (double)layout->height - LINE_PX);
    cairo_stroke(canvas->cr);
}

static void draw_caption(struct atm_canvas *canvas, const struct layout *layout, double left,
                         double top, const char *caption) {
    cairo_save(canvas->cr);
    cairo_rectangle(canvas->cr, left, top - CAPTION_PX, (double)layout->width, CAPTION_PX);
    cairo_clip(canvas->cr);
    atm_canvas_color(canvas, (double[]){0, 0, 0});
    atm_canvas_text(canvas, left, top - 7, 0, caption);
    cairo_restore(canvas->cr);
}

static void draw_panel(struct atm_canvas *canvas, struct layout *layout,
                       const struct atm_panel *panel, int index) {
    ptrdiff_t height = layout->height / layout->zoom, width = layout->width / layout->zoom;
    ptrdiff_t left = GAP_PX + index % layout->columns * (layout->width + GAP_PX);
    ptrdiff_t top =
        layout->top + CAPTION_PX + index / layout->columns * (layout->height + CAPTION_PX + GAP_PX);
    if (!panel->image)
        return;
    struct atm_colormap_range range = {panel->lo, panel->hi};
    if (!(range.lo < range.hi))
        range = automatic_range(panel->image, height * width, layout->sorted);
    atm_colormap_apply(&layout->map, panel->image, height * width, range, layout->rgb);
    struct atm_canvas_pixels pixels = {layout->rgb, height, width, layout->zoom};
    atm_canvas_put(canvas, left, top, &pixels);
    cairo_save(canvas->cr);
    cairo_translate(canvas->cr, (double)left, (double)top);
    cairo_rectangle(canvas->cr, 0, 0, (double)layout->width, (double)layout->height);
    cairo_clip(canvas->cr);
    draw_marks(canvas, layout, panel);
    draw_path(canvas, layout, panel);
    if (panel->framed)
        draw_frame(canvas, layout);
    cairo_restore(canvas->cr);
    if (panel->caption)
        draw_caption(canvas, layout, (double)left, (double)top, panel->caption);
}

/* Draw the title's lines, or only count them where canvas is NULL. */
static int title_lines(struct atm_canvas *canvas, const char *title) {
    int lines = 0;
    while (title && *title) {
        char line[TITLE_MOST + 1];
        size_t length = strcspn(title, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, title);
        if (canvas)
            atm_canvas_text(canvas, GAP_PX, TITLE_PX * (lines + 1) - 4, 0, line);
        title += length + (title[length] == '\n');
        lines++;
    }
    return lines;
}

static enum atm_status plan_layout(struct layout *layout, const struct atm_panel_sheet *sheet,
                                   struct atm_err *err) {
    ptrdiff_t height = sheet->height, width = sheet->width;
    ptrdiff_t longer = height > width ? height : width;
    ptrdiff_t panel_px = sheet->panel_px ? sheet->panel_px : PANEL_PX;
    layout->columns = sheet->columns < sheet->count ? sheet->columns : sheet->count;
    layout->top = TITLE_PX * title_lines(NULL, sheet->title);
    layout->zoom = longer < panel_px ? panel_px / longer : 1;
    layout->origin_x = sheet->origin_x, layout->origin_y = sheet->origin_y;
    layout->binning = sheet->binning > 0 ? sheet->binning : 1;
    layout->height = height * layout->zoom;
    layout->width = width * layout->zoom;
    layout->rgb = atm_mem_alloc((size_t)height * (size_t)width, 3);
    layout->sorted = atm_mem_alloc((size_t)height * (size_t)width, sizeof *layout->sorted);
    atm_colormap_gray(&layout->map);
    return layout->rgb && layout->sorted ? ATM_OK : atm_err_memory(err, "panels");
}

enum atm_status atm_render_panels(const char *path, const struct atm_panel_sheet *sheet,
                                  struct atm_err *err) {
    if (sheet->count < 1 || sheet->columns < 1 || sheet->height < 1 || sheet->width < 1)
        return atm_err_set(err, ATM_FAIL, "%s: no panels to draw", path);
    struct layout layout = {0};
    struct atm_canvas canvas = {0};
    enum atm_status status = plan_layout(&layout, sheet, err);
    ptrdiff_t rows = (sheet->count + layout.columns - 1) / layout.columns;
    if (status == ATM_OK)
        status =
            atm_canvas_create(&canvas, layout.top + rows * (layout.height + CAPTION_PX + GAP_PX),
                              GAP_PX + layout.columns * (layout.width + GAP_PX), err);
    if (status == ATM_OK) {
        atm_canvas_font(&canvas, FONT_PX);
        atm_canvas_color(&canvas, (double[]){0, 0, 0});
        title_lines(&canvas, sheet->title);
        atm_canvas_font(&canvas, layout.width < SMALL_PANEL_PX ? SMALL_FONT_PX : FONT_PX);
        for (int i = 0; i < sheet->count; i++)
            draw_panel(&canvas, &layout, &sheet->panels[i], i);
        status = atm_canvas_write(&canvas, path, err);
    }
    atm_canvas_destroy(&canvas);
    atm_mem_free(layout.rgb);
    atm_mem_free(layout.sorted);
    return status;
}
