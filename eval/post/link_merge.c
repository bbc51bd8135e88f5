/* One row for each blink. */
#include "link.h"

#include "mem.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum rule { MEAN, SUM, FIRST, QUADRATURE, PRECISION };

static enum rule rule_of(const char *name) {
    static const struct {
        const char *name;
        enum rule rule;
    } rules[] = {{"photons", SUM},       {"bg", SUM},        {"n", SUM},
                 {"blocks", SUM},        {"frame", FIRST},   {"id", FIRST},
                 {"group", FIRST},       {"flags", FIRST},   {"photons_unc", QUADRATURE},
                 {"bg_unc", QUADRATURE}, {"lpx", PRECISION}, {"lpy", PRECISION}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(name, rules[i].name) == 0)
            return rules[i].rule;
    return MEAN;
}

/* Sums over the rows of each blink, in the order of the rows: (links->count) of `out`. weights
 * NULL:
 * 1. The sum of the weights goes to `total`. */
static void add_up(const struct atm_links *links, ptrdiff_t rows, const double *values,
                   const double *weights, double *out, double *total) {
    memset(out, 0, (size_t)links->count * sizeof *out);
    memset(total, 0, (size_t)links->count * sizeof *total);
    for (ptrdiff_t i = 0; i < rows; i++) {
        double weight = weights ? weights[i] : 1;
        out[links->blink[i]] += weight * values[i];
        total[links->blink[i]] += weight;
    }
}

/* Weights 1/lp^2; evenly where a precision is unknown or 0. */
static void weigh(const double *precision, ptrdiff_t rows, double *weights) {
    for (ptrdiff_t i = 0; i < rows; i++)
        weights[i] = precision && precision[i] > 0 ? 1 / (precision[i] * precision[i]) : 1;
}

struct merging {
    struct atm_locs *locs;
    const struct atm_links *links;
    double *merged, *total; /* (links->count) */
    double *weights;        /* (rows) */
};

static void merge_mean(struct merging *m, const double *values, const double *weights) {
    add_up(m->links, m->locs->count, values, weights, m->merged, m->total);
    for (ptrdiff_t b = 0; b < m->links->count; b++)
        m->merged[b] /= m->total[b];
}

static void merge_place(struct merging *m, const double *values, const char *precision) {
    weigh(atm_locs_find(m->locs, precision), m->locs->count, m->weights);
    merge_mean(m, values, m->weights);
}

static void merge_first(struct merging *m, const double *values) {
    for (ptrdiff_t i = m->locs->count - 1; i >= 0; i--)
        m->merged[m->links->blink[i]] = values[i];
}

/* sqrt(sum v^2), or 1 / sqrt(sum 1 / v^2). */
static void merge_squares(struct merging *m, const double *values, bool inverse) {
    for (ptrdiff_t i = 0; i < m->locs->count; i++)
        m->weights[i] = inverse ? 1 / (values[i] * values[i]) : values[i] * values[i];
    add_up(m->links, m->locs->count, m->weights, NULL, m->merged, m->total);
    for (ptrdiff_t b = 0; b < m->links->count; b++)
        m->merged[b] = inverse ? 1 / sqrt(m->merged[b]) : sqrt(m->merged[b]);
}

static void merge_column(struct merging *m, const char *name, const double *values) {
    if (strcmp(name, "x") == 0 || strcmp(name, "y") == 0) {
        merge_place(m, values, name[0] == 'x' ? "lpx" : "lpy");
        return;
    }
    switch (rule_of(name)) {
    case SUM:
        add_up(m->links, m->locs->count, values, NULL, m->merged, m->total);
        break;
    case FIRST:
        merge_first(m, values);
        break;
    case QUADRATURE:
        merge_squares(m, values, false);
        break;
    case PRECISION:
        merge_squares(m, values, true);
        break;
    case MEAN:
        merge_mean(m, values, NULL);
        break;
    }
}

/* n and len, before their rows are merged: n is summed like the rest, and len is the number of
 * frames from the first to the last. The rows may be blinks themselves. */
static enum atm_status count_rows(struct atm_locs *locs, const struct atm_links *links,
                                  double *last, struct atm_err *err) {
    double *n;
    const double *len = atm_locs_find(locs, "len");
    bool again = atm_locs_find(locs, "n") != NULL;
    enum atm_status status = atm_locs_add(locs, "n", &n, err);
    if (status != ATM_OK)
        return status;
    for (ptrdiff_t i = 0; i < locs->count; i++) {
        double end = locs->frame[i] + (len ? len[i] : 1) - 1;
        if (!again)
            n[i] = 1;
        last[links->blink[i]] = fmax(last[links->blink[i]], end);
    }
    return ATM_OK;
}

/* In the order of the columns, of which frame, x and y are the first: the precisions, by which
 * places are weighted, are still those of the rows then. */
static void merge_columns(struct merging *m) {
    struct atm_locs *locs = m->locs;
    for (int c = 0; c < locs->column_count; c++) {
        struct atm_locs_column *column = &locs->columns[c];
        merge_column(m, column->name, column->values);
        memcpy(column->values, m->merged, (size_t)m->links->count * sizeof(double));
    }
    locs->count = m->links->count;
}

static enum atm_status add_results(struct atm_locs *locs, const double *last, struct atm_err *err) {
    double *len, *rate;
    const double *photons = atm_locs_find(locs, "photons"), *n = atm_locs_find(locs, "n");
    enum atm_status status = atm_locs_add(locs, "len", &len, err);
    for (ptrdiff_t b = 0; b < locs->count && status == ATM_OK; b++)
        len[b] = last[b] - locs->frame[b] + 1;
    if (status == ATM_OK && photons) {
        status = atm_locs_add(locs, "photon_rate", &rate, err);
        for (ptrdiff_t b = 0; b < locs->count && status == ATM_OK; b++)
            rate[b] = photons[b] / n[b];
    }
    return status;
}

enum atm_status atm_link_merge(struct atm_locs *locs, const struct atm_links *links,
                               struct atm_err *err) {
    struct merging m = {locs, links, NULL, NULL, NULL};
    double *last = atm_mem_alloc((size_t)links->count, sizeof *last);
    m.merged = atm_mem_alloc((size_t)links->count, sizeof *m.merged);
    m.total = atm_mem_alloc((size_t)links->count, sizeof *m.total);
    m.weights = atm_mem_alloc((size_t)locs->count, sizeof *m.weights);
    enum atm_status status = last && m.merged && m.total && m.weights
                                 ? count_rows(locs, links, last, err)
                                 : atm_err_memory(err, "merging blinks");
    if (status == ATM_OK) {
        merge_columns(&m);
        status = add_results(locs, last, err);
    }
    atm_mem_free(last);
    atm_mem_free(m.merged);
    atm_mem_free(m.total);
    atm_mem_free(m.weights);
    return status;
}
