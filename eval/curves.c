#include "chart.h"

#include "axis.h"
#include "canvas.h"
#include "mem.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Large letters on a small sheet: half as wide on a phone they can still be read. */
enum {
    WIDTH = ATM_CHART_WIDTH,
    HEIGHT = ATM_CHART_HEIGHT,
    LEFT = 100,
    RIGHT = 20,
    TOP = 48,
    BOTTOM = 68
};
enum { PLOT_WIDTH = WIDTH - LEFT - RIGHT, PLOT_HEIGHT = HEIGHT - TOP - BOTTOM };
enum { FONT_PX = 18, COLORS = 7, MOST_DOTS = 40 };
enum { PNG_SCALE = 2 }; /* pixels of a PNG for one of these */

/* Told apart by most colour-blind readers (Okabe and Ito 2008, without yellow). */
static const double colors[COLORS][3] = {
    {0, 0.447, 0.698},     {0.835, 0.369, 0}, {0, 0.620, 0.451}, {0.8, 0.475, 0.655},
    {0.337, 0.706, 0.914}, {0.902, 0.624, 0}, {0.2, 0.2, 0.2},
};
static const double black[3] = {0, 0, 0}, grid[3] = {0.87, 0.87, 0.87},
                    faint[3] = {0.95, 0.95, 0.95};

struct plot {
    const struct atm_chart *chart;
    struct atm_canvas canvas;
    struct atm_axis x, y;
};

struct range {
    double lo, hi;
};

/* ---- axes ---- */

static bool shows(double value, bool is_log) { return isfinite(value) && (!is_log || value > 0); }

static bool drawable(const struct atm_chart *chart, const struct atm_curve *curve, ptrdiff_t i) {
    return shows(curve->x[i], chart->log_x) && shows(curve->y[i], chart->log_y);
}

static void include(struct range *range, double value) {
    range->lo = fmin(range->lo, value);
    range->hi = fmax(range->hi, value);
}

static void include_bar(struct range *range, const double *ends, ptrdiff_t i, bool is_log) {
    if (ends && shows(ends[i], is_log))
        include(range, ends[i]);
}

/* False when no curve has a point that can be drawn. */
static bool find_ranges(const struct atm_chart *chart, struct range *x, struct range *y) {
    *x = *y = (struct range){INFINITY, -INFINITY};
    for (int k = 0; k < chart->count; k++) {
        const struct atm_curve *curve = &chart->curves[k];
        for (ptrdiff_t i = 0; i < curve->count; i++) {
            if (!drawable(chart, curve, i))
                continue;
            include(x, curve->x[i]);
            include(y, curve->y[i]);
            include_bar(y, curve->low, i, chart->log_y);
            include_bar(y, curve->high, i, chart->log_y);
        }
    }
    if (chart->y_from_zero && !chart->log_y)
        include(y, 0);
    return x->lo <= x->hi;
}

static double at_x(const struct plot *plot, double value) {
    return LEFT + PLOT_WIDTH * atm_axis_position(&plot->x, value);
}

static double at_y(const struct plot *plot, double value) {
    return TOP + PLOT_HEIGHT * (1 - atm_axis_position(&plot->y, value));
}

static void line(struct plot *plot, double x0, double y0, double x1, double y1) {
    cairo_move_to(plot->canvas.cr, x0, y0);
    cairo_line_to(plot->canvas.cr, x1, y1);
    cairo_stroke(plot->canvas.cr);
}

/* Onto the middle of a pixel, so that a line of one pixel is sharp. */
static double crisp(double position) { return floor(position) + 0.5; }

static void draw_axes(struct plot *plot) {
    struct atm_canvas *canvas = &plot->canvas;
    cairo_set_line_width(canvas->cr, 1);
    atm_canvas_font(canvas, FONT_PX);
    for (int i = 0; i < plot->x.tick_count; i++) {
        const struct atm_axis_tick *tick = &plot->x.ticks[i];
        double x = crisp(at_x(plot, tick->value));
        atm_canvas_color(canvas, tick->label[0] ? grid : faint);
        line(plot, x, TOP, x, TOP + PLOT_HEIGHT);
        atm_canvas_color(canvas, black);
        atm_canvas_text(canvas, x, TOP + PLOT_HEIGHT + 24, 0.5, tick->label);
    }
    for (int i = 0; i < plot->y.tick_count; i++) {
        const struct atm_axis_tick *tick = &plot->y.ticks[i];
        double y = crisp(at_y(plot, tick->value));
        atm_canvas_color(canvas, tick->label[0] ? grid : faint);
        line(plot, LEFT, y, LEFT + PLOT_WIDTH, y);
        atm_canvas_color(canvas, black);
        atm_canvas_text(canvas, LEFT - 8, y + 6, 1, tick->label);
    }
    atm_canvas_color(canvas, black);
    cairo_rectangle(canvas->cr, LEFT + 0.5, TOP + 0.5, PLOT_WIDTH - 1, PLOT_HEIGHT - 1);
    cairo_stroke(canvas->cr);
}

static void draw_words(struct plot *plot) {
    struct atm_canvas *canvas = &plot->canvas;
    const struct atm_chart *chart = plot->chart;
    atm_canvas_color(canvas, black);
    atm_canvas_font(canvas, FONT_PX + 3);
    atm_canvas_text(canvas, LEFT + PLOT_WIDTH / 2.0, 30, 0.5, chart->title ? chart->title : "");
    atm_canvas_font(canvas, FONT_PX);
    atm_canvas_text(canvas, LEFT + PLOT_WIDTH / 2.0, HEIGHT - 16, 0.5,
                    chart->x_label ? chart->x_label : "");
    cairo_save(canvas->cr);
    cairo_translate(canvas->cr, 24, TOP + PLOT_HEIGHT / 2.0);
    cairo_rotate(canvas->cr, -acos(-1) / 2);
    atm_canvas_text(canvas, 0, 0, 0.5, chart->y_label ? chart->y_label : "");
    cairo_restore(canvas->cr);
}

/* ---- curves ---- */

/* A run of points in one column of pixels; of 1e6 points only what can be seen is drawn. */
struct column {
    double x, first, lo, hi, last;
    ptrdiff_t count;
};

static void flush_column(cairo_t *cr, struct column *column) {
    if (!column->count)
        return;
    cairo_line_to(cr, column->x, column->first); /* starts the path where there is none */
    if (column->count > 2) {
        cairo_line_to(cr, column->x, column->lo);
        cairo_line_to(cr, column->x, column->hi);
    }
    if (column->count > 1)
        cairo_line_to(cr, column->x, column->last);
    column->count = 0;
}

static void add_point(cairo_t *cr, struct column *column, double x, double y) {
    if (column->count && fabs(x - column->x) >= 0.5)
        flush_column(cr, column);
    if (!column->count)
        *column = (struct column){x, y, y, y, y, 0};
    column->lo = fmin(column->lo, y);
    column->hi = fmax(column->hi, y);
    column->last = y;
    column->count++;
}

static void draw_dot(struct plot *plot, double x, double y) {
    cairo_new_path(plot->canvas.cr);
    cairo_arc(plot->canvas.cr, x, y, 3.5, 0, 2 * acos(-1));
    cairo_fill(plot->canvas.cr);
}

/* Few points get dots too: then it shows where something was measured. */
static void draw_line(struct plot *plot, const struct atm_curve *curve, bool dots) {
    cairo_t *cr = plot->canvas.cr;
    struct column column = {0};
    ptrdiff_t run = 0;
    for (ptrdiff_t i = 0; i <= curve->count; i++) {
        if (i < curve->count && drawable(plot->chart, curve, i)) {
            add_point(cr, &column, at_x(plot, curve->x[i]), at_y(plot, curve->y[i]));
            run++;
            continue;
        }
        flush_column(cr, &column);
        cairo_stroke(cr);
        if (run == 1 && !dots) /* a lone point has no line */
            draw_dot(plot, at_x(plot, curve->x[i - 1]), at_y(plot, curve->y[i - 1]));
        run = 0;
    }
}

/* Where the axis cannot show a value (a logarithm of 0) the outline runs along its edge. */
static double step_y(const struct plot *plot, double value) {
    double y = at_y(plot, value);
    return isnan(y) ? TOP + PLOT_HEIGHT : fmin(y, TOP + PLOT_HEIGHT);
}

static void draw_steps(struct plot *plot, const struct atm_curve *curve) {
    cairo_t *cr = plot->canvas.cr;
    for (ptrdiff_t i = 0; i + 1 < curve->count; i++) {
        double y = step_y(plot, curve->y[i]);
        cairo_line_to(cr, at_x(plot, curve->x[i]), y);
        cairo_line_to(cr, at_x(plot, curve->x[i + 1]), y);
    }
    cairo_stroke(cr);
}

static void draw_bars(struct plot *plot, const struct atm_curve *curve) {
    for (ptrdiff_t i = 0; curve->low && curve->high && i < curve->count; i++) {
        double x = at_x(plot, curve->x[i]), low = step_y(plot, curve->low[i]);
        double high = at_y(plot, curve->high[i]);
        if (!drawable(plot->chart, curve, i) || !isfinite(high))
            continue;
        line(plot, x, low, x, high);
        line(plot, x - 4, low, x + 4, low);
        line(plot, x - 4, high, x + 4, high);
    }
}

static void draw_curve(struct plot *plot, const struct atm_curve *curve) {
    cairo_t *cr = plot->canvas.cr;
    static const double dashes[] = {7, 5};
    bool dots = curve->style == ATM_CURVE_DOTS ||
                (curve->style == ATM_CURVE_LINE && curve->count <= MOST_DOTS);
    cairo_new_path(cr);
    draw_bars(plot, curve);
    if (curve->style == ATM_CURVE_DASHED)
        cairo_set_dash(cr, dashes, 2, 0);
    if (curve->style == ATM_CURVE_STEPS)
        draw_steps(plot, curve);
    else if (curve->style != ATM_CURVE_DOTS)
        draw_line(plot, curve, dots);
    cairo_set_dash(cr, NULL, 0, 0);
    for (ptrdiff_t i = 0; i < curve->count && dots; i++)
        if (drawable(plot->chart, curve, i))
            draw_dot(plot, at_x(plot, curve->x[i]), at_y(plot, curve->y[i]));
}

static void draw_curves(struct plot *plot) {
    cairo_t *cr = plot->canvas.cr;
    cairo_save(cr);
    cairo_rectangle(cr, LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT);
    cairo_clip(cr);
    cairo_set_line_width(cr, 1.8);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    for (int k = 0; k < plot->chart->count; k++) {
        atm_canvas_color(&plot->canvas, colors[k % COLORS]);
        draw_curve(plot, &plot->chart->curves[k]);
    }
    cairo_restore(cr);
}

/* ---- legend ---- */

/* Number of curve points under a legend of this size in that corner. */
static ptrdiff_t covered(const struct plot *plot, const double box[4]) {
    ptrdiff_t points = 0;
    for (int k = 0; k < plot->chart->count; k++) {
        const struct atm_curve *curve = &plot->chart->curves[k];
        for (ptrdiff_t i = 0; i < curve->count; i++) {
            if (!drawable(plot->chart, curve, i))
                continue;
            double x = at_x(plot, curve->x[i]), y = at_y(plot, curve->y[i]);
            double low = curve->low ? step_y(plot, curve->low[i]) : y;
            double high = curve->high ? fmin(step_y(plot, curve->high[i]), y) : y;
            points += x >= box[0] && x <= box[0] + box[2] && fmax(low, y) >= box[1] &&
                      high <= box[1] + box[3];
        }
    }
    return points;
}

/* The corner that hides the least; box: left, top, width, height. */
static void choose_corner(const struct plot *plot, double box[4]) {
    double width = box[2], height = box[3];
    ptrdiff_t least = PTRDIFF_MAX;
    for (int corner = 0; corner < 4; corner++) {
        double candidate[4] = {corner % 2 ? LEFT + 12 : LEFT + PLOT_WIDTH - 12 - width,
                               corner / 2 ? TOP + PLOT_HEIGHT - 12 - height : TOP + 12, width,
                               height};
        ptrdiff_t points = covered(plot, candidate);
        if (points >= least)
            continue;
        least = points;
        box[0] = candidate[0];
        box[1] = candidate[1];
    }
}

static void draw_legend(struct plot *plot) {
    static const double legend_dashes[] = {6, 5};
    const struct atm_curve *curves = plot->chart->curves;
    int count = plot->chart->count;
    struct atm_canvas *canvas = &plot->canvas;
    double box[4] = {0, 0, 0, 12}, step = FONT_PX + 7, y;
    for (int k = 0; k < count; k++) {
        if (!curves[k].label)
            continue;
        box[2] = fmax(box[2], 56 + atm_canvas_text_width(canvas, curves[k].label));
        box[3] += step;
    }
    if (!(box[2] > 0) || box[3] > PLOT_HEIGHT - 24)
        return;
    choose_corner(plot, box);
    cairo_set_source_rgba(canvas->cr, 1, 1, 1, 0.85);
    cairo_rectangle(canvas->cr, crisp(box[0]), crisp(box[1]), rint(box[2]), rint(box[3]));
    cairo_fill_preserve(canvas->cr);
    atm_canvas_color(canvas, grid);
    cairo_set_line_width(canvas->cr, 1);
    cairo_stroke(canvas->cr);
    y = box[1] + 6;
    for (int k = 0; k < count; k++) {
        if (!curves[k].label)
            continue;
        atm_canvas_color(canvas, colors[k % COLORS]);
        cairo_set_line_width(canvas->cr, 3);
        if (curves[k].style == ATM_CURVE_DASHED)
            cairo_set_dash(canvas->cr, legend_dashes, 2, 0);
        line(plot, box[0] + 10, y + step / 2, box[0] + 38, y + step / 2);
        cairo_set_dash(canvas->cr, NULL, 0, 0);
        atm_canvas_color(canvas, black);
        atm_canvas_text(canvas, box[0] + 46, y + step / 2 + 6, 0, curves[k].label);
        y += step;
    }
}

/* ---- together ---- */

static void draw(struct plot *plot) {
    struct range x, y;
    bool any = find_ranges(plot->chart, &x, &y);
    if (!any) {
        x = (struct range){plot->chart->log_x ? 0.1 : 0, 1};
        y = (struct range){plot->chart->log_y ? 0.1 : 0, 1};
    }
    if (plot->chart->x_words)
        atm_axis_init_words(&plot->x, plot->chart->x_words, plot->chart->x_word_count);
    else
        atm_axis_init(&plot->x, x.lo, x.hi, plot->chart->log_x, 6);
    atm_axis_init(&plot->y, y.lo, y.hi, plot->chart->log_y, 6);
    draw_axes(plot);
    draw_words(plot);
    if (any) {
        draw_curves(plot);
        draw_legend(plot);
    } else {
        atm_canvas_text(&plot->canvas, LEFT + PLOT_WIDTH / 2.0, TOP + PLOT_HEIGHT / 2.0, 0.5,
                        "no data");
    }
}

void atm_chart_draw(struct atm_canvas *canvas, double left, double top,
                    const struct atm_chart *chart) {
    struct plot plot = {.chart = chart, .canvas = *canvas};
    cairo_save(canvas->cr);
    cairo_translate(canvas->cr, left, top);
    draw(&plot);
    cairo_restore(canvas->cr);
}

enum atm_status atm_chart_write(const char *path, const struct atm_chart *chart,
                                struct atm_err *err) {
    struct plot plot = {.chart = chart};
    size_t length = strlen(path);
    bool svg = length > 4 && !strcasecmp(path + length - 4, ".svg");
    enum atm_status status =
        svg ? atm_canvas_create_svg(&plot.canvas, HEIGHT, WIDTH, err)
            : atm_canvas_create(&plot.canvas, PNG_SCALE * HEIGHT, PNG_SCALE * WIDTH, err);
    if (status != ATM_OK)
        return status;
    if (!svg)
        cairo_scale(plot.canvas.cr, PNG_SCALE, PNG_SCALE);
    draw(&plot);
    status = atm_canvas_write(&plot.canvas, path, err);
    atm_canvas_destroy(&plot.canvas);
    return status;
}

enum atm_status atm_chart_write_all(const char *stem, const struct atm_chart *chart,
                                    struct atm_err *err) {
    char svg[PATH_MAX], png[PATH_MAX], json[PATH_MAX];
    if (snprintf(svg, sizeof svg, "%s.svg", stem) >= (int)sizeof svg ||
        snprintf(png, sizeof png, "%s.png", stem) >= (int)sizeof png ||
        snprintf(json, sizeof json, "%s.json", stem) >= (int)sizeof json)
        return atm_err_set(err, ATM_FAIL, "%s: the name is too long", stem);
    enum atm_status status = atm_chart_write(svg, chart, err);
    if (status == ATM_OK)
        status = atm_chart_write(png, chart, err);
    return status == ATM_OK ? atm_chart_write_json(json, chart, err) : status;
}
