/* What a batch found, as curves over each axis and one page. */
#include "sweep.h"

#include "chart.h"
#include "html.h"
#include "mem.h"
#include "paths.h"
#include "score_figures.h"
#include "score_page.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_LINES = 7, MOST_PLOTS = 24, NAME_SIZE = 128, LABEL_SIZE = 160, CELL_SIZE = 48 };

struct page {
    const struct atm_sweep_plan *plan;
    const struct atm_sweep_result *results;
    const char *folder;
    struct atm_html *html;
    char names[MOST_PLOTS][NAME_SIZE]; /* of the numbers that are plotted */
    int name_count;
    int repeats; /* values of the last axis, when it holds repeats; else 1 */
};

/* ---- numbers ---- */

static double number_at(const struct page *page, ptrdiff_t point, const char *name) {
    if (!page->results[point].done)
        return NAN;
    const struct atm_json_number *number =
        atm_json_numbers_find(&page->results[point].numbers, name);
    return number ? number->value : NAN;
}

/* Mean over the repeats of a point (the first of them), and its ends: the least and the most of the
 * repeats, or with a single run its own 95 % interval where the scores have one. */
struct summary {
    double mean, low, high;
    int count;
};

/* "at_tolerance.all.jaccard" -> "at_tolerance.all_low_95.jaccard" */
static double interval_end(const struct page *page, ptrdiff_t point, const char *name,
                           const char *end) {
    char other[NAME_SIZE + 16];
    const struct atm_json_number *number =
        page->results[point].done ? atm_json_numbers_find(&page->results[point].numbers, name)
                                  : NULL;
    const char *dot = number ? strrchr(number->name, '.') : NULL;
    if (!dot)
        return NAN;
    snprintf(other, sizeof other, "%.*s_%s%s", (int)(dot - number->name), number->name, end, dot);
    return number_at(page, point, other);
}

static struct summary summarize(const struct page *page, ptrdiff_t point, const char *name) {
    struct summary s = {0, INFINITY, -INFINITY, 0};
    for (int r = 0; r < page->repeats; r++) {
        double value = number_at(page, point + r, name);
        if (!isfinite(value))
            continue;
        s.count++;
        s.mean += value;
        s.low = fmin(s.low, value);
        s.high = fmax(s.high, value);
    }
    s.mean = s.count ? s.mean / s.count : NAN;
    if (page->repeats == 1) {
        s.low = interval_end(page, point, name, "low_95");
        s.high = interval_end(page, point, name, "high_95");
    }
    return s;
}

/* ---- curves ---- */

/* Axes but the repeats. */
static int plain_axes(const struct page *page) {
    return page->plan->axis_count - page->plan->repeated;
}

/* The point whose value on `axis` is `value` and whose other values are those of `line`. */
static ptrdiff_t point_of(const struct page *page, int axis, int value, ptrdiff_t line) {
    ptrdiff_t point = 0, weights[ATM_SWEEP_AXES];
    int axes = plain_axes(page);
    for (int i = axes - 1; i >= 0; i--) { /* the last of the others runs fastest */
        int count = page->plan->axes[i].count;
        weights[i] = i == axis ? value : line % count;
        if (i != axis)
            line /= count;
    }
    for (int i = 0; i < axes; i++)
        point = point * page->plan->axes[i].count + weights[i];
    return point * page->repeats;
}

static void describe_line(const struct page *page, int axis, ptrdiff_t point, char *label) {
    size_t used = 0;
    label[0] = 0;
    for (int i = 0; i < plain_axes(page) && used < LABEL_SIZE; i++) {
        const struct atm_sweep_axis *other = &page->plan->axes[i];
        if (i == axis || other->count == 1)
            continue;
        const char *key = strrchr(other->key, '.');
        used += (size_t)snprintf(label + used, LABEL_SIZE - used, "%s%s = %s", used ? ", " : "",
                                 key + 1, other->values[atm_sweep_value(page->plan, point, i)]);
    }
}

/* Values that span a decade or more, all above zero, want a logarithmic axis. */
static bool spans_decade(const struct atm_sweep_axis *axis) {
    double low = INFINITY, high = 0;
    for (int i = 0; i < axis->count; i++) {
        low = fmin(low, axis->numbers[i]);
        high = fmax(high, axis->numbers[i]);
    }
    return low > 0 && high >= 10 * low;
}

struct lines {
    struct atm_curve curves[MOST_LINES];
    char labels[MOST_LINES][LABEL_SIZE];
    double *block; /* owned: x; then y, low, high of each */
    int count;
};

static enum atm_status fill_lines(const struct page *page, int axis, const char *name,
                                  struct lines *lines, struct atm_err *err) {
    const struct atm_sweep_axis *x = &page->plan->axes[axis];
    ptrdiff_t all = page->plan->points / page->repeats / x->count;
    lines->count = all < MOST_LINES ? (int)all : MOST_LINES;
    lines->block = atm_mem_alloc((size_t)(lines->count * 3 + 1) * (size_t)x->count, sizeof(double));
    if (!lines->block)
        return atm_err_memory(err, "curves");
    for (int i = 0; i < x->count; i++)
        lines->block[i] = x->numeric ? x->numbers[i] : i;
    for (int k = 0; k < lines->count; k++) {
        /* where there are too many lines, some of them, evenly */
        ptrdiff_t line = lines->count > 1 ? k * (all - 1) / (lines->count - 1) : 0;
        double *y = lines->block + (ptrdiff_t)(k * 3 + 1) * x->count, *low = y + x->count,
               *high = low + x->count;
        for (int i = 0; i < x->count; i++) {
            struct summary s = summarize(page, point_of(page, axis, i, line), name);
            y[i] = s.mean;
            low[i] = s.low;
            high[i] = s.high;
        }
        describe_line(page, axis, point_of(page, axis, 0, line), lines->labels[k]);
        lines->curves[k] =
            (struct atm_curve){.label = lines->labels[k][0] ? lines->labels[k] : NULL,
                               .x = lines->block,
                               .y = y,
                               .count = x->count,
                               .style = x->numeric ? ATM_CURVE_LINE : ATM_CURVE_DOTS,
                               .low = low,
                               .high = high};
    }
    return ATM_OK;
}

/* "at_100_nm.all.rmse_nm" -> "RMSE lateral (nm), at_100_nm.all"; other numbers keep their names. */
static void describe_number(const char *name, char text[LABEL_SIZE]) {
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
    snprintf(text, LABEL_SIZE, "%s", name);
    for (int i = 0; i < atm_score_figure_count; i++) {
        const struct atm_score_figure *figure = &atm_score_figures[i];
        if (strcmp(figure->key, last))
            continue;
        const char *unit = strstr(figure->label, "  "); /* percentages are shares in the JSON */
        int length = (int)strcspn(figure->label, "[");
        if (unit && unit - figure->label < length)
            length = (int)(unit - figure->label);
        while (length && figure->label[length - 1] == ' ')
            length--;
        bool has_unit = unit && figure->factor == 1;
        snprintf(text, LABEL_SIZE, "%.*s%s%s%s%s%.*s", length, figure->label, has_unit ? " (" : "",
                 has_unit ? unit + 2 : "", has_unit ? ")" : "", dot ? ", " : "",
                 dot ? (int)(dot - name) : 0, name);
    }
}

/* "synth.density" -> "synth.density (1/um^2)" */
static void describe_key(const char *name, char text[LABEL_SIZE]) {
    struct atm_config config;
    struct atm_binding bindings[ATM_SECTION_COUNT];
    size_t count = atm_config_bind(&config, ATM_SECTIONS_ALL, bindings);
    snprintf(text, LABEL_SIZE, "%s", name);
    for (size_t i = 0; i < count; i++) {
        const struct atm_section *section = bindings[i].section;
        size_t length = strlen(section->name);
        if (strncmp(name, section->name, length) || name[length] != '.')
            continue;
        for (size_t k = 0; k < section->key_count; k++)
            if (!strcmp(section->keys[k].name, name + length + 1) && section->keys[k].unit[0])
                snprintf(text, LABEL_SIZE, "%s (%s)", name, section->keys[k].unit);
    }
}

static enum atm_status put_curves(const struct page *page, int axis, const char *name,
                                  struct atm_err *err) {
    const struct atm_sweep_axis *x = &page->plan->axes[axis];
    struct lines lines = {0};
    char stem[PATH_MAX], svg[PATH_MAX + 8], caption[768], title[LABEL_SIZE], x_label[LABEL_SIZE];
    describe_number(name, title);
    describe_key(x->key, x_label);
    snprintf(stem, sizeof stem, "%.*s/figures/%s_over_%s", PATH_MAX / 2, page->folder, name,
             x->key);
    snprintf(svg, sizeof svg, "%s.svg", stem);
    enum atm_status status = fill_lines(page, axis, name, &lines, err);
    struct atm_chart chart = {.title = title,
                              .x_label = x_label,
                              .curves = lines.curves,
                              .count = lines.count,
                              .log_x = x->numeric && spans_decade(x)};
    if (!x->numeric) {
        chart.x_words = (const char *const *)x->values;
        chart.x_word_count = x->count;
    }
    const char *last = strrchr(name, '.'), *meaning = atm_score_meaning(last ? last + 1 : name);
    snprintf(caption, sizeof caption, "%s over %s. %s%s%s", name, x->key, meaning ? meaning : "",
             meaning ? " " : "",
             page->repeats > 1 ? "Dots: mean over the repeats; bars: their least and most."
                               : "Bars: 95 % interval of each run, where it has one.");
    if (!status)
        status = atm_chart_write_all(stem, &chart, err);
    if (!status)
        status = atm_html_image(page->html, svg, caption, err);
    atm_mem_free(lines.block);
    return status;
}

static bool any_number(const struct page *page, const char *name) {
    for (ptrdiff_t p = 0; p < page->plan->points; p++)
        if (isfinite(number_at(page, p, name)))
            return true;
    return false;
}

/* The numbers that the configuration wants plotted and that there are. */
static void choose_names(struct page *page, const char *list, const struct atm_sink *sink) {
    while (*(list += strspn(list, ", \t")) && page->name_count < MOST_PLOTS) {
        char *name = page->names[page->name_count];
        size_t length = strcspn(list, ", \t");
        snprintf(name, NAME_SIZE, "%.*s", (int)length, list);
        if (any_number(page, name))
            page->name_count++;
        else
            atm_log(sink, ATM_LOG_WARNING, "sweep.plot: no run has a number called %s", name);
        list += length;
    }
}

static enum atm_status put_all_curves(const struct page *page, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int axis = 0; !status && axis < plain_axes(page); axis++) {
        char heading[128];
        if (page->plan->axes[axis].count < 2)
            continue;
        snprintf(heading, sizeof heading, "Over %s", page->plan->axes[axis].key);
        atm_html_section(page->html, heading);
        for (int i = 0; !status && i < page->name_count; i++)
            status = put_curves(page, axis, page->names[i], err);
    }
    return status;
}

/* ---- table ---- */

static void put_row(const struct page *page, ptrdiff_t point, char (*cells)[CELL_SIZE]) {
    int column = 0;
    for (int a = 0; a < plain_axes(page); a++)
        snprintf(cells[column++], CELL_SIZE, "%s",
                 page->plan->axes[a].values[atm_sweep_value(page->plan, point, a)]);
    int done = 0;
    for (int r = 0; r < page->repeats; r++)
        done += page->results[point + r].done;
    snprintf(cells[column++], CELL_SIZE, "%d", done);
    for (int i = 0; i < page->name_count; i++) {
        struct summary s = summarize(page, point, page->names[i]);
        if (!s.count)
            snprintf(cells[column++], CELL_SIZE, "n/a");
        else if (page->repeats > 1)
            snprintf(cells[column++], CELL_SIZE, "%.4g (%.4g..%.4g)", s.mean, s.low, s.high);
        else
            snprintf(cells[column++], CELL_SIZE, "%.4g", s.mean);
    }
}

static enum atm_status put_table(const struct page *page, struct atm_err *err) {
    const int axes = plain_axes(page), columns = axes + 1 + page->name_count;
    const ptrdiff_t rows = page->plan->points / page->repeats;
    const char *head[ATM_SWEEP_AXES + 1 + MOST_PLOTS];
    char(*cells)[CELL_SIZE] = atm_mem_alloc((size_t)(rows * columns), sizeof *cells);
    const char **texts = atm_mem_alloc((size_t)(rows * columns), sizeof *texts);
    enum atm_status status = cells && texts ? ATM_OK : atm_err_memory(err, "the report");
    for (int a = 0; a < axes; a++)
        head[a] = page->plan->axes[a].key;
    head[axes] = "runs";
    for (int i = 0; i < page->name_count; i++)
        head[axes + 1 + i] = page->names[i];
    for (ptrdiff_t row = 0; !status && row < rows; row++)
        put_row(page, row * page->repeats, cells + row * columns);
    for (ptrdiff_t i = 0; !status && i < rows * columns; i++)
        texts[i] = cells[i];
    if (!status) {
        const struct atm_html_table table = {
            page->repeats > 1
                ? "Mean over the repeats (least..most). results.csv and results.h5 have "
                  "every number of every run."
                : "results.csv and results.h5 have every number of every run.",
            head, texts, columns, rows};
        atm_html_section(page->html, "Table");
        atm_html_table(page->html, &table);
    }
    atm_mem_free(cells);
    atm_mem_free(texts);
    return status;
}

/* ---- the page ---- */

static void put_overview(const struct page *page) {
    ptrdiff_t done = 0;
    for (ptrdiff_t p = 0; p < page->plan->points; p++)
        done += page->results[p].done;
    atm_html_section(page->html, "What was varied");
    for (int a = 0; a < page->plan->axis_count; a++) {
        const struct atm_sweep_axis *axis = &page->plan->axes[a];
        char list[1024];
        size_t used = 0;
        for (int i = 0; i < axis->count && used < sizeof list - 64; i++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s", i ? ", " : "",
                                     axis->values[i]);
        atm_html_text(page->html, "%s: %s%s", axis->key, list,
                      used >= sizeof list - 64 ? ", ..." : "");
    }
    atm_html_text(page->html,
                  "Every combination was run: %td runs, each in points/ with its log and files.",
                  page->plan->points);
    if (done < page->plan->points)
        atm_html_note(page->html, ATM_HTML_BAD,
                      "%td of %td runs failed; they are not in the table.",
                      page->plan->points - done, page->plan->points);
}

static enum atm_status put_configuration(const struct atm_call *call, const struct page *page,
                                         struct atm_err *err) {
    struct atm_config *copy = atm_mem_alloc(1, sizeof *copy);
    char *text = NULL;
    if (copy) {
        *copy = call->config;
        copy->run.threads = copy->sweep.processes = 0; /* no output depends on them */
        copy->run.directory[0] = copy->run.cache[0] = 0;
        text = atm_config_resolved(copy, ATM_SECTIONS_ALL);
    }
    enum atm_status status = text ? ATM_OK : atm_err_memory(err, "the report");
    if (!status) {
        atm_html_section(page->html, "What was run");
        atm_html_text(page->html, "atomloc %s. The configuration below makes this batch again.",
                      ATM_VERSION);
        atm_html_details(page->html, "Resolved configuration", text);
    }
    atm_mem_free(text);
    atm_mem_free(copy);
    return status;
}

static enum atm_status put_page(const struct atm_call *call, struct page *page,
                                struct atm_err *err) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/figures", page->folder);
    enum atm_status status = atm_path_make_folder(path, err);
    choose_names(page, call->config.sweep.plot, call->sink);
    put_overview(page);
    if (!status)
        status = put_all_curves(page, err);
    if (!status)
        status = put_table(page, err);
    if (!status)
        status = put_configuration(call, page, err);
    snprintf(path, sizeof path, "%s/report.html", page->folder);
    return status ? status : atm_html_write(page->html, path, err);
}

enum atm_status atm_sweep_write_report(const struct atm_call *call,
                                       const struct atm_sweep_plan *plan,
                                       const struct atm_sweep_result *results, const char *folder,
                                       struct atm_err *err) {
    struct page page = {.plan = plan, .results = results, .folder = folder, .repeats = 1};
    if (plan->repeated)
        page.repeats = plan->axes[plan->axis_count - 1].count;
    const char *name = strrchr(folder, '/');
    enum atm_status status =
        atm_html_create(name ? name + 1 : folder, "A batch of atomloc runs", &page.html, err);
    if (!status)
        status = put_page(call, &page, err);
    atm_html_destroy(&page.html);
    return status;
}
