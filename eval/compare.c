#include "compare.h"

#include "json.h"
#include "mem.h"
#include "score_figures.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A figure of one view, all emitters. */
static const struct {
    const char *key;
    int view, decimals;
    double factor;
} columns[] = {
    {"jaccard", ATM_VIEW_TOLERANCE, 4, 1},     {"recall", ATM_VIEW_TOLERANCE, 4, 1},
    {"precision", ATM_VIEW_TOLERANCE, 4, 1},   {"rmse_nm", ATM_VIEW_TOLERANCE, 2, 1},
    {"efficiency", ATM_VIEW_TOLERANCE, 2, 1},  {"jaccard", ATM_VIEW_100_NM, 4, 1},
    {"rmse_nm", ATM_VIEW_100_NM, 2, 1},        {"mean_dx_nm", ATM_VIEW_TOLERANCE, 2, 1},
    {"mean_dy_nm", ATM_VIEW_TOLERANCE, 2, 1},  {"photon_bias", ATM_VIEW_TOLERANCE, 2, 100},
    {"rmse_over_crlb", ATM_VIEW_100_NM, 3, 1}, {"pull_x_sd", ATM_VIEW_100_NM, 3, 1},
    {"jaccard", ATM_VIEW_CHALLENGE, 4, 1},     {"efficiency", ATM_VIEW_CHALLENGE, 2, 1},
};
const char *const atm_compare_heads[] = {
    "Jaccard", "recall", "precision", "RMSE nm",   "E",         "J 100nm",     "RMSE 100nm",
    "dx nm",   "dy nm",  "photons %", "RMSE/CRLB", "pull x sd", "J challenge", "E chall.",
};
const int atm_compare_columns = sizeof columns / sizeof *columns;

void atm_compare_cell(const struct atm_compare_entry *entry, int column,
                      char text[ATM_COMPARE_CELL]) {
    const struct atm_score_view *view = &entry->report->view[columns[column].view];
    snprintf(text, ATM_COMPARE_CELL, "n/a");
    for (int k = 0; view->known && k < atm_score_figure_count; k++) {
        const struct atm_score_figure *figure = &atm_score_figures[k];
        double value = atm_score_figure_get(figure, &view->score[ATM_EMITTERS_ALL]);
        if (!strcmp(figure->key, columns[column].key) && isfinite(value))
            snprintf(text, ATM_COMPARE_CELL, "%.*f", columns[column].decimals,
                     value * columns[column].factor);
    }
}

/* Tables are rows. */
static void write_text(FILE *out, const struct atm_compare_entry *entries, int count) {
    const struct atm_score_report *first = entries[0].report;
    fprintf(out, "%td true emitters; %s matching, %g nm, border %g nm; all emitters\n\n",
            first->truth->count, atm_score_matching_name(first->options),
            first->options->tolerance_nm, first->options->border_nm);
    fprintf(out, "%-24s%12s", "table", "rows");
    for (int i = 0; i < atm_compare_columns; i++)
        fprintf(out, "%12s", atm_compare_heads[i]);
    fputc('\n', out);
    for (int k = 0; k < count; k++) {
        fprintf(out, "%-24s%12td", entries[k].name, entries[k].report->found->count);
        for (int i = 0; i < atm_compare_columns; i++) {
            char cell[ATM_COMPARE_CELL];
            atm_compare_cell(&entries[k], i, cell);
            fprintf(out, "%12s", cell);
        }
        fputc('\n', out);
    }
    for (int k = 0; k < count; k++)
        for (int i = 0; i < entries[k].report->warning_count; i++)
            fprintf(out, "warning: %s: %s\n", entries[k].name, entries[k].report->warnings[i]);
}

static void write_json(FILE *out, const struct atm_compare_entry *entries, int count) {
    fputs("{\"tables\": {", out);
    for (int k = 0; k < count; k++) {
        char *json = atm_score_report_json(entries[k].report);
        fputs(k ? ",\n" : "\n", out);
        atm_json_text(out, entries[k].name);
        fprintf(out, ": %s", json ? json : "null");
        atm_mem_free(json);
    }
    fputs("}}\n", out);
}

static char *compose(void (*write)(FILE *, const struct atm_compare_entry *, int),
                     const struct atm_compare_entry *entries, int count) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    write(out, entries, count);
    bool whole = !ferror(out);
    if (fclose(out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}

char *atm_compare_text(const struct atm_compare_entry *entries, int count) {
    return compose(write_text, entries, count);
}

char *atm_compare_json(const struct atm_compare_entry *entries, int count) {
    return compose(write_json, entries, count);
}
