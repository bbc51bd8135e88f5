#include "locs.h"

#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Members of atm_loc under Picasso's names. */
static const struct member {
    const char *name;
    size_t offset;
    bool whole; /* int64_t; unknown is `none` */
    int64_t none;
    unsigned column; /* set in atm_table.columns when there */
} members[] = {
#define REAL(name_, field, column)                                                                 \
    { name_, offsetof(struct atm_loc, field), false, 0, column }
#define WHOLE(name_, field, none, column)                                                          \
    { name_, offsetof(struct atm_loc, field), true, none, column }
    WHOLE("frame", frame, -1, 0), /* the first three in this order: see atm_locs_init */
    REAL("x", x, 0),
    REAL("y", y, 0),
    REAL("photons", photons, ATM_COLUMN_PHOTONS),
    REAL("sx", sx, ATM_COLUMN_SIGMA),
    REAL("sy", sy, ATM_COLUMN_SIGMA),
    REAL("bg", background, ATM_COLUMN_BACKGROUND),
    REAL("lpx", x_unc, ATM_COLUMN_UNCERTAINTY),
    REAL("lpy", y_unc, ATM_COLUMN_UNCERTAINTY),
    REAL("photons_unc", photons_unc, 0),
    REAL("bg_unc", background_unc, 0),
    REAL("sx_unc", sx_unc, 0),
    REAL("sy_unc", sy_unc, 0),
    REAL("llr", llr, ATM_COLUMN_QUALITY),
    REAL("chi2", chi2, ATM_COLUMN_QUALITY),
    WHOLE("iterations", iterations, 0, 0),
    WHOLE("flags", flags, 0, 0),
    WHOLE("blocks", blocks, 0, 0),
    WHOLE("id", id, -1, ATM_COLUMN_ID),
};
enum { MEMBERS = sizeof members / sizeof *members, PLACE = 3 };

/* Unknown values are NAN in both forms; whole numbers have their own. */
static double get(const struct atm_loc *row, const struct member *member) {
    const char *at = (const char *)row + member->offset;
    if (member->whole)
        return (double)*(const int64_t *)(const void *)at;
    return *(const double *)(const void *)at;
}

static void set(struct atm_loc *row, const struct member *member, double value) {
    char *at = (char *)row + member->offset;
    if (!member->whole)
        *(double *)(void *)at = value;
    else
        *(int64_t *)(void *)at = isfinite(value) ? (int64_t)value : member->none;
}

static bool has_values(const struct atm_table *table, const struct member *member) {
    for (ptrdiff_t i = 0; i < table->count; i++) {
        double value = get(&table->rows[i], member);
        if (member->whole ? (int64_t)value != member->none : !isnan(value))
            return true;
    }
    return false;
}

static struct atm_locs_column *new_column(struct atm_locs *locs, const char *name,
                                          struct atm_err *err) {
    if (locs->column_count == ATM_LOCS_COLUMNS) {
        atm_err_set(err, ATM_FAIL, "a table has at most %d columns", ATM_LOCS_COLUMNS);
        return NULL;
    }
    struct atm_locs_column *column = &locs->columns[locs->column_count];
    column->values = atm_mem_alloc((size_t)locs->count, sizeof *column->values);
    if (!column->values) {
        atm_err_memory(err, "a column of the table");
        return NULL;
    }
    snprintf(column->name, sizeof column->name, "%s", name);
    locs->column_count++;
    return column;
}

static enum atm_status take_members(struct atm_locs *locs, const struct atm_table *table,
                                    struct atm_err *err) {
    for (int m = 0; m < MEMBERS; m++) {
        if (m >= PLACE && !has_values(table, &members[m]))
            continue;
        struct atm_locs_column *column = new_column(locs, members[m].name, err);
        if (!column)
            return ATM_FAIL;
        for (ptrdiff_t i = 0; i < table->count; i++)
            column->values[i] = get(&table->rows[i], &members[m]);
    }
    locs->frame = locs->columns[0].values;
    locs->x = locs->columns[1].values;
    locs->y = locs->columns[2].values;
    return ATM_OK;
}

/* The arrays of the extras are moved, not copied. */
static enum atm_status take_extras(struct atm_locs *locs, struct atm_table *table,
                                   struct atm_err *err) {
    for (int i = 0; i < table->extra_count; i++) {
        struct atm_extra *extra = &table->extras[i];
        if (locs->column_count == ATM_LOCS_COLUMNS)
            return atm_err_set(err, ATM_FAIL, "a table has at most %d columns", ATM_LOCS_COLUMNS);
        struct atm_locs_column *column = &locs->columns[locs->column_count++];
        snprintf(column->name, sizeof column->name, "%s", extra->name);
        column->values = extra->values;
        extra->values = NULL;
    }
    return ATM_OK;
}

/* Provenance, side file and size go to `to`; what remains of `from` is freed. */
static void move_head(struct atm_table *from, struct atm_table *to) {
    atm_table_init(to);
    to->frames = from->frames, to->height = from->height, to->width = from->width;
    to->pixel_size_nm = from->pixel_size_nm;
    to->columns = from->columns;
    to->provenance = from->provenance, from->provenance = NULL;
    to->notes = from->notes, from->notes = NULL;
    to->side = from->side, from->side = NULL;
    atm_table_free(from);
}

enum atm_status atm_locs_init(struct atm_locs *locs, struct atm_table *table, struct atm_err *err) {
    *locs = (struct atm_locs){.count = table->count};
    enum atm_status status = take_members(locs, table, err);
    if (status == ATM_OK)
        status = take_extras(locs, table, err);
    move_head(table, &locs->head);
    if (status != ATM_OK)
        atm_locs_free(locs);
    return status;
}

void atm_locs_free(struct atm_locs *locs) {
    for (int i = 0; i < locs->column_count; i++)
        atm_mem_free(locs->columns[i].values);
    atm_table_free(&locs->head);
    *locs = (struct atm_locs){.count = 0};
}

static const struct member *member_of(const char *name) {
    for (int m = 0; m < MEMBERS; m++)
        if (strcmp(name, members[m].name) == 0)
            return &members[m];
    return NULL;
}

static enum atm_status give_column(struct atm_locs_column *column, struct atm_table *table,
                                   struct atm_err *err) {
    const struct member *member = member_of(column->name);
    double *values;
    if (member) {
        for (ptrdiff_t i = 0; i < table->count; i++)
            set(&table->rows[i], member, column->values[i]);
        table->columns |= member->column;
    } else {
        enum atm_status status = atm_table_add_extra(table, column->name, &values, err);
        if (status != ATM_OK)
            return status;
        memcpy(values, column->values, (size_t)table->count * sizeof *values);
    }
    atm_mem_free(column->values); /* at once: a large table is not held twice */
    column->values = NULL;
    return ATM_OK;
}

enum atm_status atm_locs_finish(struct atm_locs *locs, struct atm_table *table,
                                struct atm_err *err) {
    enum atm_status status = ATM_OK;
    move_head(&locs->head, table);
    table->columns = 0;
    table->rows = atm_mem_alloc((size_t)locs->count, sizeof *table->rows);
    if (!table->rows)
        status = atm_err_memory(err, "the table of localizations");
    else
        table->count = table->capacity = locs->count;
    for (ptrdiff_t i = 0; i < table->count; i++)
        table->rows[i] = atm_loc_empty();
    for (int i = 0; i < locs->column_count && status == ATM_OK; i++)
        status = give_column(&locs->columns[i], table, err);
    atm_locs_free(locs);
    if (status != ATM_OK)
        atm_table_free(table);
    return status;
}

double *atm_locs_find(const struct atm_locs *locs, const char *name) {
    for (int i = 0; i < locs->column_count; i++)
        if (strcmp(name, locs->columns[i].name) == 0)
            return locs->columns[i].values;
    return NULL;
}

enum atm_status atm_locs_add(struct atm_locs *locs, const char *name, double **values,
                             struct atm_err *err) {
    *values = atm_locs_find(locs, name);
    if (*values)
        return ATM_OK;
    struct atm_locs_column *column = new_column(locs, name, err);
    *values = column ? column->values : NULL;
    return column ? ATM_OK : ATM_FAIL;
}

void atm_locs_keep(struct atm_locs *locs, const unsigned char *keep) {
    ptrdiff_t kept = 0;
    for (int c = 0; c < locs->column_count; c++) {
        double *values = locs->columns[c].values;
        kept = 0;
        for (ptrdiff_t i = 0; i < locs->count; i++)
            if (keep[i])
                values[kept++] = values[i];
    }
    locs->count = kept;
}

enum atm_status atm_locs_frames(const struct atm_locs *locs, ptrdiff_t *frames,
                                struct atm_err *err) {
    const double most = 1 << 26;
    double last = locs->count ? locs->frame[locs->count - 1] : -1;
    double count = fmax((double)locs->head.frames, last + 1);
    if (count > most)
        return atm_err_set(err, ATM_FAIL,
                           "the table goes to frame %.0f; at most %.0f frames can be worked on",
                           count - 1, most);
    *frames = (ptrdiff_t)count;
    return ATM_OK;
}

enum atm_status atm_locs_index(const struct atm_locs *locs, ptrdiff_t frames, ptrdiff_t **first,
                               struct atm_err *err) {
    *first = atm_mem_alloc((size_t)frames + 1, sizeof **first);
    if (!*first)
        return atm_err_memory(err, "the index of the frames");
    ptrdiff_t row = 0;
    for (ptrdiff_t f = 0; f <= frames; f++) {
        while (row < locs->count && locs->frame[row] < (double)f)
            row++;
        (*first)[f] = row;
    }
    return ATM_OK;
}

enum atm_status atm_locs_pixel(const struct atm_locs *locs, double *pixel_nm, struct atm_err *err) {
    *pixel_nm = locs->head.pixel_size_nm;
    if (*pixel_nm > 0 && isfinite(*pixel_nm))
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "the table does not say how large a pixel is; give it (--set "
                       "camera.pixel_size_nm=...)");
}

enum atm_status atm_locs_median(const struct atm_locs *locs, const char *name, double *median,
                                struct atm_err *err) {
    bool precision = strcmp(name, ATM_LOCS_PRECISION) == 0;
    const double *columns[2] = {atm_locs_find(locs, precision ? "lpx" : name),
                                precision ? atm_locs_find(locs, "lpy") : NULL};
    double *values = atm_mem_alloc(2 * (size_t)locs->count, sizeof *values);
    size_t count = 0;
    if (!values)
        return atm_err_memory(err, "a column of the table");
    for (int c = 0; c < 2; c++)
        for (ptrdiff_t i = 0; columns[c] && i < locs->count; i++)
            if (isfinite(columns[c][i]))
                values[count++] = columns[c][i];
    *median = count ? gsl_stats_median(values, 1, count) : NAN;
    atm_mem_free(values);
    return ATM_OK;
}

enum atm_status atm_locs_precision(const struct atm_locs *locs, const char *instead,
                                   double *precision, struct atm_err *err) {
    enum atm_status status = atm_locs_median(locs, ATM_LOCS_PRECISION, precision, err);
    if (status != ATM_OK || *precision > 0)
        return status;
    return atm_err_set(err, ATM_USAGE,
                       "the table does not say how precise its localizations are; give %s",
                       instead);
}
