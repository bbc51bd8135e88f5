/* A page about the table: its picture, brightness, background, precision, on times, how they change
 * over the movie and the field, and what the steps before said and drew. */
#include "post_step.h"

#include "fit_page.h"
#include "html.h"
#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BINS = 80, TILES = 16 };
/* Histograms show what lies between these quantiles; a few wild rows would squeeze the rest. */
static const double LOW = 0.002, HIGH = 0.99;

enum kind { HISTOGRAM, TIME };

/* Plots of columns that are there; column NULL: rows are counted. */
static const struct plot {
    const char *column;
    enum kind kind;
    const char *title, *axis, *caption;
    bool length; /* px in the table, nm in the plot */
    bool log_y;
} plots[] = {
    {"photons", HISTOGRAM, "Photons", "photons",
     "A left edge that stands upright is a threshold: dimmer ones were not found or were filtered "
     "out.",
     false, false},
    {"bg", HISTOGRAM, "Background", "background (photons per pixel)",
     "Several humps: parts of the field or of the movie differ, see below.", false, false},
    {"lpx", HISTOGRAM, "Precision", "standard deviation in x (nm)",
     "As each row states it. A picture shows nothing finer than about 2.4 times this.", true,
     false},
    {"sx", HISTOGRAM, "PSF width", "sigma in x (nm)",
     "A tail to the right: out of focus, or several emitters taken for one.", true, false},
    {"len", HISTOGRAM, "On times", "length of a blink (frames)",
     "One kind of dye gives a straight line.", false, true},
    {"dark", HISTOGRAM, "Dark times", "frames since the blink before at the same place",
     "One kind of dye gives a straight line; many short times are blinks that were cut into "
     "several (post.link_gap, post.link_radius_nm).",
     false, true},
    {NULL, TIME, "Rows per frame", "rows per frame",
     "Steps and drops: bleaching, a change of the laser, lost focus.", false, false},
    {"photons", TIME, "Photons over time", "mean photons", "Falls where the focus is lost.", false,
     false},
    {"bg", TIME, "Background over time", "mean background (photons per pixel)",
     "Falls while the sample bleaches.", false, false},
    {"lpx", TIME, "Precision over time", "mean standard deviation in x (nm)",
     "Should stay where it is.", true, false},
    {"sx", TIME, "PSF width over time", "mean sigma in x (nm)", "Grows where the focus is lost.",
     true, false},
};

struct range {
    double low, high;
};

/* What a column's known values are between. `dark` has -1 for unknown. */
static bool find_range(const double *values, ptrdiff_t count, double *scratch,
                       struct range *range) {
    size_t n = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        if (isfinite(values[i]) && values[i] >= 0)
            scratch[n++] = values[i];
    if (!n)
        return false;
    range->low = gsl_stats_select(scratch, 1, n, (size_t)(LOW * (double)(n - 1)));
    range->high = gsl_stats_select(scratch, 1, n, (size_t)(HIGH * (double)(n - 1)));
    return true;
}

static bool inside(double value, const struct range *range) {
    return value >= range->low && value <= range->high;
}

/* ---- curves ---- */

struct series {
    double x[BINS + 1], y[BINS + 1];
    int count;
};

/* Whole numbers get bins of whole numbers. */
static void fill_histogram(const double *values, ptrdiff_t count, struct range range, bool whole,
                           struct series *s) {
    double width = (range.high - range.low) / BINS;
    if (whole)
        width = fmax(1, ceil(width));
    if (!(width > 0))
        width = fmax(fabs(range.low), 1) / BINS;
    double start = whole ? range.low - 0.5 : range.low;
    *s = (struct series){.count = BINS + 1};
    for (int b = 0; b <= BINS; b++)
        s->x[b] = start + width * b;
    for (ptrdiff_t i = 0; i < count; i++)
        if (inside(values[i], &range))
            s->y[(int)fmin((values[i] - start) / width, BINS - 1)]++;
    if (whole) /* empty bins behind the last value */
        while (s->count > 2 && s->x[s->count - 2] > range.high)
            s->count--;
}

/* Means over stretches of time; values NULL: rows per frame. */
static void fill_time(const struct atm_locs *locs, const double *values, struct range range,
                      ptrdiff_t frames, struct series *s) {
    double n[BINS] = {0}, bins = fmin(BINS, (double)frames);
    *s = (struct series){.count = (int)bins};
    for (ptrdiff_t i = 0; i < locs->count; i++) {
        int b = (int)fmin(locs->frame[i] * bins / (double)frames, bins - 1);
        if (values && !inside(values[i], &range))
            continue;
        n[b]++;
        s->y[b] += values ? values[i] : 1;
    }
    for (int b = 0; b < s->count; b++) {
        s->x[b] = (b + 0.5) * (double)frames / bins;
        s->y[b] /= values ? n[b] : (double)frames / bins; /* nothing there: NAN, a gap */
    }
}

static void scale(double *values, int count, double factor) {
    for (int i = 0; i < count; i++)
        values[i] *= factor;
}

/* ---- the page ---- */

struct page {
    struct atm_post *post;
    struct atm_html *html;
    double pixel; /* nm, NAN unknown */
    bool linked;  /* rows are blinks */
    ptrdiff_t frames;
    double *scratch; /* owned (rows) */
};

/* The picture goes into the page and is not needed any more. */
static enum atm_status embed(struct page *p, const char *path, const char *caption,
                             struct atm_err *err) {
    enum atm_status status = atm_html_image(p->html, path, caption, err);
    unlink(path);
    return status;
}

static enum atm_status add_plot(struct page *p, const struct plot *plot, struct atm_err *err) {
    const struct atm_locs *locs = &p->post->locs;
    const double *values = plot->column ? atm_locs_find(locs, plot->column) : NULL;
    const double unit = plot->length && p->pixel > 0 ? p->pixel : 1;
    struct range range = {0, 0};
    struct series s;
    if (plot->column && (!values || !find_range(values, locs->count, p->scratch, &range)))
        return ATM_OK;
    if (plot->kind == HISTOGRAM && !(range.high > range.low))
        return ATM_OK; /* one value for all, as of a PSF that was held fixed */
    if (plot->kind == HISTOGRAM) {
        bool whole = strcmp(plot->column, "len") == 0 || strcmp(plot->column, "dark") == 0;
        fill_histogram(values, locs->count, range, whole, &s);
        scale(s.x, s.count, unit);
    } else {
        fill_time(locs, values, range, p->frames, &s);
        scale(s.y, s.count, unit);
    }
    const struct atm_curve curve = {.x = s.x,
                                    .y = s.y,
                                    .count = s.count,
                                    .style =
                                        plot->kind == HISTOGRAM ? ATM_CURVE_STEPS : ATM_CURVE_LINE};
    const char *rows = p->linked ? "blinks" : "localizations";
    const struct atm_chart chart = {.title = plot->title,
                                    .x_label = plot->kind == HISTOGRAM ? plot->axis : "frame",
                                    .y_label = plot->kind == HISTOGRAM ? rows : plot->axis,
                                    .curves = &curve,
                                    .count = 1,
                                    .y_from_zero = plot->kind == TIME,
                                    .log_y = plot->log_y};
    char *path = atm_post_file(p->post, "quality", ".svg");
    enum atm_status status =
        path ? atm_chart_write(path, &chart, err) : atm_err_memory(err, "a file name");
    if (status == ATM_OK)
        status = embed(p, path, plot->caption, err);
    atm_mem_free(path);
    return status;
}

struct map {
    const char *column, *caption;
    bool length; /* px in the table, nm on the page */
};

/* Means over tiles of the field; NAN where there are none. */
static void fill_map(const struct atm_locs *locs, const double *values, const struct range *range,
                     double unit, float *map) {
    double n[TILES * TILES] = {0}, sum[TILES * TILES] = {0};
    for (ptrdiff_t i = 0; i < locs->count; i++) {
        double column = (locs->x[i] + 0.5) / (double)locs->head.width * TILES;
        double row = (locs->y[i] + 0.5) / (double)locs->head.height * TILES;
        if (!(column >= 0 && column < TILES && row >= 0 && row < TILES) ||
            !inside(values[i], range))
            continue;
        int tile = (int)row * TILES + (int)column;
        n[tile]++;
        sum[tile] += values[i];
    }
    for (int t = 0; t < TILES * TILES; t++)
        map[t] = n[t] > 0 ? (float)(unit * sum[t] / n[t]) : NAN;
}

/* One map with its caption. False: the column is not there. */
static bool make_map(const struct page *p, const struct map *map, float *image, char caption[80],
                     struct atm_panel *panel) {
    const struct atm_locs *locs = &p->post->locs;
    const double *values = atm_locs_find(locs, map->column);
    const bool nm = map->length && p->pixel > 0;
    struct range range, shown = {INFINITY, -INFINITY};
    if (!values || !find_range(values, locs->count, p->scratch, &range))
        return false;
    fill_map(locs, values, &range, nm ? p->pixel : 1, image);
    for (int t = 0; t < TILES * TILES; t++) {
        shown.low = fmin(shown.low, (double)image[t]); /* drops NAN */
        shown.high = fmax(shown.high, (double)image[t]);
    }
    snprintf(caption, 80, "%s %.4g to %.4g %s", map->caption, shown.low, shown.high,
             nm            ? "nm"
             : map->length ? "px"
                           : "photons");
    *panel =
        (struct atm_panel){.image = image, .caption = caption, .lo = shown.low, .hi = shown.high};
    return true;
}

static enum atm_status add_maps(struct page *p, struct atm_err *err) {
    static const struct map maps[] = {
        {"sx", "PSF sigma", true}, {"bg", "background", false}, {"lpx", "precision", true}};
    enum { MAPS = sizeof maps / sizeof *maps };
    float images[MAPS][TILES * TILES];
    char captions[MAPS][80];
    struct atm_panel panels[MAPS];
    int count = 0;
    const bool has_field = p->post->locs.head.width > 0 && p->post->locs.head.height > 0;
    for (int m = 0; m < MAPS && has_field; m++)
        count += make_map(p, &maps[m], images[count], captions[count], &panels[count]);
    if (!count)
        return ATM_OK;
    const struct atm_panel_sheet sheet = {
        .panels = panels, .count = count, .columns = count, .height = TILES, .width = TILES};
    char *path = atm_post_file(p->post, "quality", ".png");
    enum atm_status status =
        path ? atm_render_panels(path, &sheet, err) : atm_err_memory(err, "a file name");
    if (status == ATM_OK)
        status = embed(p, path,
                       "Means over tiles of the field, black the least and white the most; blue "
                       "where there are none. A gradient is uneven illumination or focus.",
                       err);
    atm_mem_free(path);
    return status;
}

/* ---- picture and steps ---- */

/* "chain/out" -> "out" */
static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

enum { PICTURE_PX = 1024 };

/* The whole field, whatever pictures the step render makes. */
static enum atm_status add_picture(struct page *p, struct atm_err *err) {
    const struct atm_render_points points = atm_post_points(&p->post->locs);
    struct atm_render_options options = p->post->config.render;
    options.max_size = PICTURE_PX;
    options.depth = ATM_RENDER_8_BIT;
    options.region[0] = '\0';
    char *path = atm_post_file(p->post, "quality", ".png");
    enum atm_status status =
        path ? atm_render_write(path, &points, &options, err) : atm_err_memory(err, "a file name");
    if (status == ATM_OK)
        status = embed(p, path, "The rows as they are now, drawn as [render] says.", err);
    atm_mem_free(path);
    return status;
}

static enum atm_status add_steps(struct page *p, struct atm_err *err) {
    struct atm_post *post = p->post;
    enum atm_status status = ATM_OK;
    if (post->number == 1)
        return ATM_OK;
    atm_html_section(p->html, "Steps");
    if (fflush(post->report))
        return atm_err_memory(err, "the report");
    atm_html_preformatted(p->html, *post->said);
    for (int i = 0; i < post->chart_count && status == ATM_OK; i++)
        status = atm_html_image(p->html, post->charts[i], last_part(post->charts[i]), err);
    return status;
}

/* ---- numbers ---- */

static enum atm_status add_figures(struct page *p, struct atm_err *err) {
    static const struct {
        const char *column, *label, *note, *meaning, *unit;
    } medians[] = {
        {"photons", "photons", "Median photons", "median", ""},
        {"bg", "background", "Median background", "median, photons per pixel", ""},
        {ATM_LOCS_PRECISION, "precision", "Median precision", "median standard deviation", NULL},
        {"sx", "PSF sigma", "Median sigma", "median", NULL},
        {"len", "on time", "Median on time", "median length of a blink", " frames"},
    }; /* unit NULL: a length, px in the table */
    enum { MEDIANS = 5 };
    struct atm_post *post = p->post;
    char texts[MEDIANS + 2][32];
    struct atm_html_figure figures[MEDIANS + 2] = {
        {texts[0], p->linked ? "blinks" : "localizations", "rows of the table"},
        {texts[1], "per frame", "mean over the movie"},
    };
    int count = 2;
    snprintf(texts[0], sizeof texts[0], "%td", post->locs.count);
    snprintf(texts[1], sizeof texts[1], "%.4g", (double)post->locs.count / (double)p->frames);
    atm_post_note(post, "Rows", "%s", texts[0]);
    atm_post_note(post, "Rows per frame", "%s", texts[1]);
    for (int m = 0; m < MEDIANS; m++) {
        double median;
        enum atm_status status = atm_locs_median(&post->locs, medians[m].column, &median, err);
        if (status != ATM_OK)
            return status;
        if (isnan(median))
            continue;
        bool nm = !medians[m].unit && p->pixel > 0;
        snprintf(texts[count], sizeof texts[count], "%.4g%s", nm ? p->pixel * median : median,
                 nm                ? " nm"
                 : medians[m].unit ? medians[m].unit
                                   : " px");
        figures[count] =
            (struct atm_html_figure){texts[count], medians[m].label, medians[m].meaning};
        atm_post_note(post, medians[m].note, "%s", texts[count]);
        count++;
    }
    atm_html_figures(p->html, figures, count);
    return ATM_OK;
}

/* What localize has left about its fit. */
static enum atm_status add_fit(struct page *p, struct atm_err *err) {
    struct atm_fit_record record = {0};
    if (!p->post->config.fit)
        return ATM_OK;
    char *stem = atm_post_file(p->post, "quality", "_");
    enum atm_status status = stem ? atm_fit_record_read(p->post->config.fit, &record, err)
                                  : atm_err_memory(err, "a file name");
    if (!status) {
        atm_html_section(p->html, "Does the fit explain the data?");
        status = atm_fit_page_put(p->html, &record, stem, false, err);
    }
    if (!status)
        atm_post_note(p->post, "Verdict", "%s", record.verdict);
    atm_fit_record_free(&record);
    atm_mem_free(stem);
    return status;
}

static enum atm_status fill_page(struct page *p, struct atm_err *err) {
    atm_html_section(p->html, "The table");
    enum atm_status status = add_figures(p, err);
    if (p->linked)
        atm_html_text(p->html, "Photons and background are summed over the frames of a blink.");
    if (status == ATM_OK)
        status = add_picture(p, err);
    for (size_t i = 0; i < sizeof plots / sizeof *plots && status == ATM_OK; i++) {
        if (i == 0 || plots[i].kind != plots[i - 1].kind)
            atm_html_section(p->html, plots[i].kind == HISTOGRAM ? "Distributions" : "Over time");
        status = add_plot(p, &plots[i], err);
    }
    if (status == ATM_OK) {
        atm_html_section(p->html, "Over the field");
        status = add_maps(p, err);
    }
    if (status == ATM_OK)
        status = add_fit(p, err);
    return status == ATM_OK ? add_steps(p, err) : status;
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    struct page p = {.post = post, .pixel = post->locs.head.pixel_size_nm};
    p.linked = atm_locs_find(&post->locs, "n") != NULL;
    char *path = atm_post_file(post, "report", ".html");
    p.scratch = atm_mem_alloc((size_t)post->locs.count, sizeof *p.scratch);
    enum atm_status status =
        path && p.scratch ? ATM_OK : atm_err_memory(err, "the report of the table");
    if (status == ATM_OK)
        status = atm_locs_frames(&post->locs, &p.frames, err);
    if (status == ATM_OK)
        status = atm_html_create(last_part(post->stem),
                                 "quality of a table of localizations, atomloc " ATM_VERSION,
                                 &p.html, err);
    if (status == ATM_OK)
        status = fill_page(&p, err);
    if (status == ATM_OK)
        status = atm_html_write(p.html, path, err);
    if (status == ATM_OK)
        atm_log(post->sink, ATM_LOG_INFO, "wrote %s", path);
    atm_html_destroy(&p.html);
    atm_mem_free(p.scratch);
    atm_mem_free(path);
    return status;
}

const struct atm_post_step atm_post_quality = {
    .name = "quality",
    .section = "post",
    .prefix = "quality_",
    .summary = "a page: photons, background, precision, on times, sigma over time and field",
    .run = run,
};
