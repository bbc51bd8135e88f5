#include "score_page.h"

#include "mem.h"
#include "score_figures.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL_SIZE = 64 };

static const struct {
    const char *key, *unit, *label, *meaning;
    double factor;
    int decimals;
} key_figures[] = {
    {"jaccard", "", "Jaccard index",
     "Of all emitters that are there or were claimed, the share that is both. 1 is perfect; missed "
     "and invented emitters lower it alike.",
     1, 3},
    {"recall", " %", "Recall", "Share of the true emitters that were found.", 100, 1},
    {"precision", " %", "Precision", "Share of the localizations that are true emitters.", 100, 1},
    {"rmse_nm", " nm", "RMSE",
     "Typical lateral distance between a localization and its emitter (root mean square).", 1, 1},
    {"rmse_over_crlb", "", "RMSE / CRLB",
     "Error relative to the Cramer-Rao limit, the least that an unbiased fit can reach with these "
     "photons: 1 means nothing was left on the table. Less is possible where the tolerance cuts "
     "off "
     "large errors, or the fit knows how bright emitters are.",
     1, 2},
    {"efficiency", "", "Efficiency E",
     "The SMLM Challenge's single number from Jaccard index and RMSE; 100 is perfect.", 1, 1},
    {"photon_bias", " %", "Photon bias",
     "Mean relative error of the photons; 0 is unbiased, dim emitters weigh most.", 100, 1},
    {"pull_within", " %", "Honest uncertainties",
     "Share of errors within one stated standard deviation. 68.3 % when the uncertainties are "
     "honest, less when they are too small.",
     100, 1},
};
enum { KEY_FIGURES = sizeof key_figures / sizeof *key_figures };

const char *atm_score_meaning(const char *key) {
    for (int i = 0; i < KEY_FIGURES; i++)
        if (!strcmp(key_figures[i].key, key))
            return key_figures[i].meaning;
    return NULL;
}

static const struct atm_score_figure *figure_of(const char *key) {
    for (int k = 0; k < atm_score_figure_count; k++)
        if (!strcmp(atm_score_figures[k].key, key))
            return &atm_score_figures[k];
    return NULL;
}

/* "0.917 (0.909..0.925)"; the interval where there is one. */
static void put_value(const struct atm_score_view *view, int i, char text[CELL_SIZE]) {
    const struct atm_score_figure *figure = figure_of(key_figures[i].key);
    double factor = key_figures[i].factor;
    double value = factor * atm_score_figure_get(figure, &view->score[ATM_EMITTERS_ALL]);
    snprintf(text, CELL_SIZE, "%.*f%s", key_figures[i].decimals, value, key_figures[i].unit);
}

void atm_score_page_key_figures(struct atm_html *page, const struct atm_score_report *report) {
    const struct atm_score_view *view = &report->view[ATM_VIEW_TOLERANCE];
    char values[KEY_FIGURES][CELL_SIZE];
    struct atm_html_figure figures[KEY_FIGURES];
    int count = 0;
    for (int i = 0; i < KEY_FIGURES; i++) {
        const struct atm_score_figure *figure = figure_of(key_figures[i].key);
        if (!isfinite(atm_score_figure_get(figure, &view->score[ATM_EMITTERS_ALL])))
            continue;
        put_value(view, i, values[i]);
        figures[count++] =
            (struct atm_html_figure){values[i], key_figures[i].label, key_figures[i].meaning};
    }
    atm_html_figures(page, figures, count);
    atm_html_text(
        page,
        "%td true emitters, %td localizations in %td frames. A localization and an emitter "
        "are a pair when they lie within %g nm of each other; matching is %s (%s).",
        report->truth->count, report->found->count, report->frames, report->options->tolerance_nm,
        atm_score_matching_name(report->options), atm_score_matching_rule(report->options));
    for (int i = 0; i < report->warning_count; i++)
        atm_html_note(page, ATM_HTML_CAUTION, "Careful: %s.", report->warnings[i]);
}

/* ---- the whole table ---- */

enum { TABLE_COLUMNS = 8 };

static void put_number(char cell[CELL_SIZE], double value, const struct atm_score_figure *figure) {
    if (isfinite(value))
        snprintf(cell, CELL_SIZE, "%.*f", figure->decimals, value * figure->factor);
    else
        snprintf(cell, CELL_SIZE, "n/a");
}

static void fill_row(const struct atm_score_report *r, const struct atm_score_figure *figure,
                     char (*cells)[CELL_SIZE]) {
    const struct atm_score_view *main = &r->view[ATM_VIEW_TOLERANCE];
    int column = 0;
    snprintf(cells[column++], CELL_SIZE, "%s", figure->label);
    for (int v = 0; v < ATM_VIEWS; v++)
        for (int e = 0; e < ATM_EMITTERS; e++) {
            bool known = r->view[v].known && (e == ATM_EMITTERS_ALL || !isnan(r->threshold));
            double value = atm_score_figure_get(figure, &r->view[v].score[e]);
            put_number(cells[column++], known ? value : NAN, figure);
        }
    double low = atm_score_figure_get(figure, &main->low[0]);
    double high = atm_score_figure_get(figure, &main->high[0]);
    if (figure->is_count || !r->options->bootstrap || !isfinite(low))
        cells[column][0] = 0;
    else
        snprintf(cells[column], CELL_SIZE, "%.*f to %.*f", figure->decimals, low * figure->factor,
                 figure->decimals, high * figure->factor);
}

static void put_heads(const struct atm_score_report *r, char heads[TABLE_COLUMNS][CELL_SIZE]) {
    snprintf(heads[0], CELL_SIZE, "figure");
    for (int v = 0; v < ATM_VIEWS; v++)
        for (int e = 0; e < ATM_EMITTERS; e++) {
            char *head = heads[1 + v * ATM_EMITTERS + e];
            const char *emitters = e == ATM_EMITTERS_ALL ? "all" : "bright";
            if (v == ATM_VIEW_CHALLENGE)
                snprintf(head, CELL_SIZE, "challenge, %s", emitters);
            else
                snprintf(head, CELL_SIZE, "%g nm, %s", r->view[v].tolerance_nm, emitters);
        }
    snprintf(heads[TABLE_COLUMNS - 1], CELL_SIZE, "95 %% interval, %g nm, all",
             r->options->tolerance_nm);
}

static void put_conventions(struct atm_html *page, const struct atm_score_report *r) {
    if (!isnan(r->threshold))
        atm_html_text(page,
                      "all: every emitter. bright: emitters below the %g %% quantile of the true "
                      "photons (%.1f) ignored, with the localizations paired with them.",
                      100 * r->quantile, r->threshold);
    atm_html_text(
        page,
        "challenge: the SMLM Challenge's rules to the letter: greedy, 250 nm, a border of "
        "450 nm left out of both lists. Elsewhere the border is %g nm. Intervals: "
        "bootstrap over frames, %lld resamples.",
        r->options->border_nm, (long long)r->options->bootstrap);
    atm_html_text(
        page, "[1] sqrt(sum(dx^2 + dy^2) / TP). [2] the same with 2 TP. [3] ThunderSTORM's RMSE. "
              "[4] mean of |dx| and |dy|, DECODE's MAD. [5] 100 - sqrt((100 - J)^2 + RMSE^2). "
              "[6] mean and root mean square of (found - true) / true. [7] least error of any "
              "unbiased fit, neighbours included; pairs whose limit is above a third of the "
              "tolerance left out. [8] of the uncertainties that the localizations state. "
              "[9] (found - true) / stated uncertainty. [10] its root mean square without blends, "
              "localizations that stand for a missed emitter too (missed emitters matched with the "
              "localizations by the same rules).");
    atm_html_text(
        page,
        "Controls, what a result must beat (Jaccard at %g and %g nm): the truth of the "
        "frame half a movie away %.3f and %.3f; an even grid with the true count %.3f and "
        "%.3f.",
        r->view[0].tolerance_nm, r->view[1].tolerance_nm, r->wrong_frame[0].jaccard,
        r->wrong_frame[1].jaccard, r->grid[0].jaccard, r->grid[1].jaccard);
}

/* cells as a table. */
static enum atm_status put_cells(struct atm_html *page, const char *const *heads, int columns,
                                 char (*cells)[CELL_SIZE], ptrdiff_t rows, struct atm_err *err) {
    const char **texts = atm_mem_alloc((size_t)(rows * columns), sizeof *texts);
    if (!texts)
        return atm_err_memory(err, "the report");
    for (ptrdiff_t i = 0; i < rows * columns; i++)
        texts[i] = cells[i];
    const struct atm_html_table table = {NULL, heads, texts, columns, rows};
    atm_html_table(page, &table);
    atm_mem_free(texts);
    return ATM_OK;
}

enum atm_status atm_score_page_table(struct atm_html *page, const struct atm_score_report *report,
                                     struct atm_err *err) {
    char heads[TABLE_COLUMNS][CELL_SIZE];
    const char *head_texts[TABLE_COLUMNS];
    char(*cells)[CELL_SIZE] =
        atm_mem_alloc((size_t)atm_score_figure_count * TABLE_COLUMNS, sizeof *cells);
    if (!cells)
        return atm_err_memory(err, "the report");
    put_heads(report, heads);
    for (int i = 0; i < TABLE_COLUMNS; i++)
        head_texts[i] = heads[i];
    for (int k = 0; k < atm_score_figure_count; k++)
        fill_row(report, &atm_score_figures[k], cells + (ptrdiff_t)k * TABLE_COLUMNS);
    enum atm_status status =
        put_cells(page, head_texts, TABLE_COLUMNS, cells, atm_score_figure_count, err);
    put_conventions(page, report);
    atm_mem_free(cells);
    return status;
}

/* ---- side by side ---- */

enum atm_status atm_score_page_compare(struct atm_html *page,
                                       const struct atm_compare_entry *entries, int count,
                                       struct atm_err *err) {
    enum { MOST_COLUMNS = 32 };
    const int columns = 2 + atm_compare_columns;
    const char *heads[MOST_COLUMNS] = {"table", "rows"};
    char(*cells)[CELL_SIZE] = atm_mem_alloc((size_t)(count * columns), sizeof *cells);
    if (!cells || columns > MOST_COLUMNS) {
        atm_mem_free(cells);
        return atm_err_memory(err, "the report");
    }
    for (int i = 0; i < atm_compare_columns; i++)
        heads[2 + i] = atm_compare_heads[i];
    for (int k = 0; k < count; k++) {
        char(*row)[CELL_SIZE] = cells + (ptrdiff_t)k * columns;
        snprintf(row[0], CELL_SIZE, "%s", entries[k].name);
        snprintf(row[1], CELL_SIZE, "%td", entries[k].report->found->count);
        for (int i = 0; i < atm_compare_columns; i++)
            atm_compare_cell(&entries[k], i, row[2 + i]);
    }
    enum atm_status status = put_cells(page, heads, columns, cells, count, err);
    atm_html_text(page,
                  "All tables against the same truth by the same rules (%g nm, %s matching, border "
                  "%g nm). dx, dy: a value near half a pixel means that a program counts positions "
                  "from another place; it is not corrected here. Photons depend on each program's "
                  "own camera settings.",
                  entries[0].report->options->tolerance_nm,
                  atm_score_matching_name(entries[0].report->options),
                  entries[0].report->options->border_nm);
    for (int k = 0; k < count; k++)
        for (int i = 0; i < entries[k].report->warning_count; i++)
            atm_html_note(page, ATM_HTML_CAUTION, "%s: %s.", entries[k].name,
                          entries[k].report->warnings[i]);
    atm_mem_free(cells);
    return status;
}
