/* Rows that fulfil an expression, and a table of the columns before and after. */
#include "post_step.h"

#include "expression.h"
#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>

struct summary {
    ptrdiff_t known;
    double least, median, most;
};

/* scratch: (count) */
static struct summary summarize(const double *values, ptrdiff_t count, double *scratch) {
    struct summary s = {0, NAN, NAN, NAN};
    for (ptrdiff_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            scratch[s.known++] = values[i];
    if (!s.known)
        return s;
    gsl_stats_minmax(&s.least, &s.most, scratch, 1, (size_t)s.known);
    s.median = gsl_stats_median(scratch, 1, (size_t)s.known);
    return s;
}

static void put_comparison(FILE *out, const char *name, const struct summary *a,
                           const struct summary *b) {
    fprintf(out, "  %-16s %11.5g %11.5g %11.5g  %11.5g %11.5g %11.5g\n", name, a->least, a->median,
            a->most, b->least, b->median, b->most);
}

static enum atm_status check(const struct atm_post_config *config, struct atm_err *err) {
    struct atm_expression *expression = NULL;
    if (!config->post.filter_keep[0])
        return atm_err_set(err, ATM_USAGE,
                           "the step filter needs an expression: filter(photons > 500), or set "
                           "post.filter_keep");
    enum atm_status status =
        atm_expression_create(config->post.filter_keep, NULL, &expression, err);
    atm_expression_destroy(&expression);
    return status;
}

static enum atm_status filter(struct atm_post *post, double *scratch, unsigned char *keep,
                              struct atm_err *err) {
    struct atm_locs *locs = &post->locs;
    struct atm_expression *expression = NULL;
    struct summary before[ATM_LOCS_COLUMNS];
    enum atm_status status =
        atm_expression_create(post->config.post.filter_keep, locs, &expression, err);
    if (status != ATM_OK)
        return status;
    for (int c = 0; c < locs->column_count; c++)
        before[c] = summarize(locs->columns[c].values, locs->count, scratch);
    ptrdiff_t rows = locs->count;
    atm_expression_evaluate(expression, keep);
    atm_expression_destroy(&expression);
    atm_locs_keep(locs, keep);
    atm_post_note(post, "Keep", "%s", post->config.post.filter_keep);
    atm_post_note(post, "Rows before", "%td", rows);
    atm_post_note(post, "Rows kept", "%td (%.1f %%)", locs->count,
                  rows ? 100 * (double)locs->count / (double)rows : 100);
    fprintf(post->report, "  %-16s %11s %11s %11s  %11s %11s %11s\n", "", "before: min", "median",
            "max", "after: min", "median", "max");
    for (int c = 0; c < locs->column_count; c++) {
        struct summary after = summarize(locs->columns[c].values, locs->count, scratch);
        put_comparison(post->report, locs->columns[c].name, &before[c], &after);
    }
    return ATM_OK;
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    size_t rows = (size_t)post->locs.count;
    double *scratch = atm_mem_alloc(rows, sizeof *scratch);
    unsigned char *keep = atm_mem_alloc(rows, 1);
    enum atm_status status =
        scratch && keep ? filter(post, scratch, keep, err) : atm_err_memory(err, "filtering");
    atm_mem_free(scratch);
    atm_mem_free(keep);
    return status;
}

const struct atm_post_step atm_post_filter = {
    .name = "filter",
    .section = "post",
    .prefix = "filter_",
    .whole = "keep",
    .summary = "keep rows that fulfil an expression over columns",
    .check = check,
    .run = run,
};
