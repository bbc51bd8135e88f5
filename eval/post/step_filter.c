/* Rows that fulfil an expression, and a table of the columns before and after. */
#include "post_step.h"

#include "expression.h"
#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

struct summary {
    ptrdiff_t known;
    double least, median, most;
};

/* The first bits of a number's place in the order of all numbers. */
enum { PLACES = 1 << 16 };
static unsigned place_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (unsigned)((bits >> 63 ? ~bits : bits | (uint64_t)1 << 63) >> 48);
}

/* The median of those counted in `places`: of ten million rows only the few whose first bits are
 * the median's are sorted. scratch: (count) */
static double median(const double *values, ptrdiff_t count, ptrdiff_t known,
                     const ptrdiff_t *places, double *scratch) {
    unsigned low = 0, high;
    ptrdiff_t before = 0, middle = 0;
    while (before + places[low] <= (known - 1) / 2)
        before += places[low++];
    ptrdiff_t within = before + places[low];
    for (high = low; within <= known / 2;)
        within += places[++high];
    for (ptrdiff_t i = 0; i < count; i++)
        if (isfinite(values[i]) && place_of(values[i]) >= low && place_of(values[i]) <= high)
            scratch[middle++] = values[i];
    size_t lower = (size_t)((known - 1) / 2 - before), upper = (size_t)(known / 2 - before);
    return (gsl_stats_select(scratch, 1, (size_t)middle, lower) +
            gsl_stats_select(scratch, 1, (size_t)middle, upper)) /
           2;
}

/* scratch: (count), places: (PLACES) */
static struct summary summarize(const double *values, ptrdiff_t count, double *scratch,
                                ptrdiff_t *places) {
    struct summary s = {0, NAN, NAN, NAN};
    memset(places, 0, PLACES * sizeof *places);
    for (ptrdiff_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        s.least = fmin(s.least, values[i]); /* fmin drops NAN */
        s.most = fmax(s.most, values[i]);
        places[place_of(values[i])]++;
        s.known++;
    }
    if (s.known)
        s.median = median(values, count, s.known, places, scratch);
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

static enum atm_status filter(struct atm_post *post, double *scratch, ptrdiff_t *places,
                              unsigned char *keep, struct atm_err *err) {
    struct atm_locs *locs = &post->locs;
    struct atm_expression *expression = NULL;
    struct summary before[ATM_LOCS_COLUMNS];
    enum atm_status status =
        atm_expression_create(post->config.post.filter_keep, locs, &expression, err);
    if (status != ATM_OK)
        return status;
    for (int c = 0; c < locs->column_count; c++)
        before[c] = summarize(locs->columns[c].values, locs->count, scratch, places);
    ptrdiff_t rows = locs->count;
    atm_expression_evaluate(expression, keep);
    atm_expression_destroy(&expression);
    atm_locs_keep(locs, keep);
    atm_post_note(post, "Keep", "%s", post->config.post.filter_keep);
    atm_post_note(post, "Rows before", "%td", rows);
    atm_post_note(post, "Rows kept", "%td (%.1f %%)", locs->count,
                  rows ? 100 * (double)locs->count / (double)rows : 100);
    if (!locs->count)
        atm_post_warn(post,
                      "no row fulfils \"%s\"; names and units are Picasso's (pixels, photons, "
                      "frames from 0)",
                      post->config.post.filter_keep);
    fprintf(post->report, "  %-16s %11s %11s %11s  %11s %11s %11s\n", "", "before: min", "median",
            "max", "after: min", "median", "max");
    for (int c = 0; c < locs->column_count; c++) {
        struct summary after = summarize(locs->columns[c].values, locs->count, scratch, places);
        put_comparison(post->report, locs->columns[c].name, &before[c], &after);
    }
    return ATM_OK;
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    size_t rows = (size_t)post->locs.count;
    double *scratch = atm_mem_alloc(rows, sizeof *scratch);
    unsigned char *keep = atm_mem_alloc(rows, 1);
    ptrdiff_t *places = atm_mem_alloc(PLACES, sizeof *places);
    enum atm_status status = scratch && keep && places ? filter(post, scratch, places, keep, err)
                                                       : atm_err_memory(err, "filtering");
    atm_mem_free(places);
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
