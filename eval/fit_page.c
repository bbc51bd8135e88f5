#include "fit_page.h"

#include "mem.h"
#include "render.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { POINTS = 400 /* of the course over time, at most */ };

struct sheet {
    struct atm_html *page;
    const struct atm_fit_record *record;
    const char *stem;
    bool keep;
};

static void name_of(const struct sheet *sheet, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s%s", PATH_MAX - 64, sheet->stem, name);
}

static enum atm_status embed(const struct sheet *sheet, const char *path, const char *caption,
                             struct atm_err *err) {
    enum atm_status status = atm_html_image(sheet->page, path, caption, err);
    if (!sheet->keep)
        unlink(path);
    return status;
}

static enum atm_status put_chart(const struct sheet *sheet, const char *name,
                                 const struct atm_chart *chart, const char *caption,
                                 struct atm_err *err) {
    char path[PATH_MAX];
    name_of(sheet, name, path);
    enum atm_status status = atm_chart_write(path, chart, err);
    return status ? status : embed(sheet, path, caption, err);
}

static void range_of(const float *values, ptrdiff_t count, struct atm_panel *panel) {
    panel->lo = INFINITY, panel->hi = -INFINITY;
    for (ptrdiff_t i = 0; i < count; i++) {
        panel->lo = fmin(panel->lo, (double)values[i]); /* drops NAN */
        panel->hi = fmax(panel->hi, (double)values[i]);
    }
}

static enum atm_status put_maps(const struct sheet *sheet, struct atm_err *err) {
    const struct atm_fit_record *r = sheet->record;
    const struct {
        const float *values;
        const char *what;
        double factor;
        const char *unit;
    } maps[] = {{r->deviance, "deviance over noise", 1, ""},
                {r->unexplained, "unexplained signal", 100, " %"}};
    struct atm_panel panels[2];
    char captions[2][80], path[PATH_MAX];
    int count = 0;
    for (int m = 0; m < 2; m++) {
        struct atm_panel panel = {.image = maps[m].values, .caption = captions[count]};
        range_of(maps[m].values, r->grid.rows * r->grid.columns, &panel);
        if (!(panel.hi >= panel.lo))
            continue;
        snprintf(captions[count], sizeof captions[count], "%s %.3g to %.3g%s", maps[m].what,
                 maps[m].factor * panel.lo, maps[m].factor * panel.hi, maps[m].unit);
        panels[count++] = panel;
    }
    if (!count)
        return ATM_OK;
    const struct atm_panel_sheet panel_sheet = {.panels = panels,
                                                .count = count,
                                                .columns = count,
                                                .height = r->grid.rows,
                                                .width = r->grid.columns};
    name_of(sheet, "fit_map.png", path);
    enum atm_status status = atm_render_panels(path, &panel_sheet, err);
    return status ? status
                  : embed(sheet, path,
                          "Over the field, black the least and white the most. Left: what the fit "
                          "leaves over what noise makes, 1 is perfect. Right: the "
                          "signal that the fit does not explain, in parts of the field's mean.",
                          err);
}

static enum atm_status put_frames(const struct sheet *sheet, struct atm_err *err) {
    const struct atm_fit_record *r = sheet->record;
    double x[POINTS], y[POINTS], low[POINTS], high[POINTS];
    const ptrdiff_t points = r->frames < POINTS ? r->frames : POINTS;
    ptrdiff_t count = 0;
    for (ptrdiff_t p = 0; p < points; p++) {
        double sum = 0, least = INFINITY, most = -INFINITY, n = 0;
        for (ptrdiff_t t = p * r->frames / points; t < (p + 1) * r->frames / points; t++) {
            const double value = (double)r->by_frame[t].deviance;
            if (!isfinite(value))
                continue;
            sum += value, n++, least = fmin(least, value), most = fmax(most, value);
        }
        if (!(n > 0))
            continue;
        x[count] = (double)r->first_frame + ((double)p + 0.5) * (double)r->frames / (double)points;
        y[count] = sum / n, low[count] = least, high[count++] = most;
    }
    if (count < 2)
        return ATM_OK;
    const struct atm_curve curves[] = {
        {.label = "mean", .x = x, .y = y, .count = count},
        {.label = "least", .x = x, .y = low, .count = count, .style = ATM_CURVE_DASHED},
        {.label = "most", .x = x, .y = high, .count = count, .style = ATM_CURVE_DASHED}};
    const struct atm_chart chart = {.title = "Fit over time",
                                    .x_label = "frame",
                                    .y_label = "deviance over noise",
                                    .curves = curves,
                                    .count = r->frames > points ? 3 : 1};
    return put_chart(sheet, "fit_frames.svg", &chart,
                     "What the fit leaves over what noise makes, frame by frame; 1 is perfect.",
                     err);
}

/* Shares of bins, from the first to the last of both that is not empty. */
static enum atm_status put_histogram(const struct sheet *sheet, const struct atm_histogram *here,
                                     const struct atm_histogram *trained, const char *name,
                                     const char *axis, const char *caption, struct atm_err *err) {
    double x[ATM_HISTOGRAM_BINS + 1], y[2][ATM_HISTOGRAM_BINS + 1] = {{0}}, sums[2] = {0};
    int first = ATM_HISTOGRAM_BINS, last = 0;
    for (int b = 0; b < ATM_HISTOGRAM_BINS; b++) {
        sums[0] += here->counts[b], sums[1] += trained->counts[b];
        if (here->counts[b] > 0 || trained->counts[b] > 0)
            first = b < first ? b : first, last = b;
    }
    if (!(sums[0] > 0 && sums[1] > 0))
        return ATM_OK;
    int count = 0;
    for (int b = first; b <= last + 1; b++, count++) {
        x[count] = atm_histogram_edge(b);
        if (b <= last)
            y[0][count] = here->counts[b] / sums[0], y[1][count] = trained->counts[b] / sums[1];
    }
    const struct atm_curve curves[] = {
        {.label = "this movie", .x = x, .y = y[0], .count = count, .style = ATM_CURVE_STEPS},
        {.label = "training", .x = x, .y = y[1], .count = count, .style = ATM_CURVE_STEPS}};
    const struct atm_chart chart = {
        .x_label = axis, .y_label = "share", .curves = curves, .count = 2, .log_x = true};
    return put_chart(sheet, name, &chart, caption, err);
}

enum atm_status atm_fit_page_put(struct atm_html *page, const struct atm_fit_record *record,
                                 const char *stem, bool keep, struct atm_err *err) {
    const struct sheet sheet = {page, record, stem, keep};
    const enum atm_html_tone tones[] = {[ATM_FIT_UNKNOWN] = ATM_HTML_CAUTION,
                                        [ATM_FIT_FITS] = ATM_HTML_GOOD,
                                        [ATM_FIT_PARTLY] = ATM_HTML_CAUTION,
                                        [ATM_FIT_FAILS] = ATM_HTML_BAD};
    atm_html_note(page, tones[record->level], "Model and fit: %s.", record->verdict);
    enum atm_status status = put_maps(&sheet, err);
    if (!status)
        status = put_frames(&sheet, err);
    if (!status && record->compared)
        status = put_histogram(&sheet, &record->blocks, &record->trained_blocks, "fit_blocks.svg",
                               "photons of the network's blocks",
                               "What the network sees, before any fit, beside what it saw in the "
                               "movie that it was trained on.",
                               err);
    if (!status && record->compared)
        status =
            put_histogram(&sheet, &record->background, &record->trained_background,
                          "fit_background.svg", "background per pixel",
                          "Background of parts of the field, beside that of the training.", err);
    return status;
}
