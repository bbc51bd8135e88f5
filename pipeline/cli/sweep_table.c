/* One tidy table of a sweep: a row per run, the swept keys first, then every number. */
#include "sweep.h"

#include "h5.h"
#include "mem.h"
#include "outfile.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The union of the runs' numbers, in the order in which they first appear. */
struct columns {
    const char **names; /* owned array of borrowed names */
    ptrdiff_t count, capacity;
};

static enum atm_status add_column(struct columns *columns, const char *name, struct atm_err *err) {
    for (ptrdiff_t i = 0; i < columns->count; i++)
        if (!strcmp(columns->names[i], name))
            return ATM_OK;
    if (columns->count == columns->capacity) {
        ptrdiff_t capacity = columns->capacity ? 2 * columns->capacity : 256;
        void *grown = atm_mem_grow(columns->names, (size_t)columns->count, (size_t)capacity,
                                   sizeof *columns->names);
        if (!grown)
            return atm_err_memory(err, "the results");
        columns->names = grown;
        columns->capacity = capacity;
    }
    columns->names[columns->count++] = name;
    return ATM_OK;
}

static bool same_names(const struct atm_json_numbers *numbers, const struct columns *columns) {
    if (numbers->count != columns->count)
        return false;
    for (ptrdiff_t i = 0; i < columns->count; i++)
        if (strcmp(numbers->items[i].name, columns->names[i]) != 0)
            return false;
    return true;
}

static enum atm_status find_columns(const struct atm_sweep_plan *plan,
                                    const struct atm_sweep_result *results, struct columns *columns,
                                    struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (ptrdiff_t p = 0; p < plan->points; p++) {
        const struct atm_json_numbers *numbers = &results[p].numbers;
        if (!results[p].done || same_names(numbers, columns)) /* as a rule all are alike */
            continue;
        for (ptrdiff_t i = 0; !status && i < numbers->count; i++)
            status = add_column(columns, numbers->items[i].name, err);
    }
    return status;
}

/* NAN where the run has no such number. `hint` is where it stands when all runs are alike. */
static double number_of(const struct atm_json_numbers *numbers, const char *name, ptrdiff_t hint) {
    if (hint < numbers->count && !strcmp(numbers->items[hint].name, name))
        return numbers->items[hint].value;
    for (ptrdiff_t i = 0; i < numbers->count; i++)
        if (!strcmp(numbers->items[i].name, name))
            return numbers->items[i].value;
    return NAN;
}

static void put_cell(FILE *out, const char *text) {
    if (!strpbrk(text, ",\"\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fputs((char[]){*text, *text == '"' ? '"' : 0, 0}, out);
    fputc('"', out);
}

static void put_csv(FILE *out, const struct atm_sweep_plan *plan,
                    const struct atm_sweep_result *results, const struct columns *columns) {
    for (int a = 0; a < plan->axis_count; a++) {
        fputs(a ? "," : "", out);
        put_cell(out, plan->axes[a].key);
    }
    for (ptrdiff_t i = 0; i < columns->count; i++) {
        fputc(',', out);
        put_cell(out, columns->names[i]);
    }
    fputc('\n', out);
    for (ptrdiff_t p = 0; p < plan->points; p++) {
        if (!results[p].done)
            continue;
        for (int a = 0; a < plan->axis_count; a++) {
            fputs(a ? "," : "", out);
            put_cell(out, plan->axes[a].values[atm_sweep_value(plan, p, a)]);
        }
        for (ptrdiff_t i = 0; i < columns->count; i++) {
            double value = number_of(&results[p].numbers, columns->names[i], i);
            fputc(',', out);
            if (isfinite(value))
                fprintf(out, "%.10g", value);
        }
        fputc('\n', out);
    }
}

static enum atm_status write_csv(const char *path, const struct atm_sweep_plan *plan,
                                 const struct atm_sweep_result *results,
                                 const struct columns *columns, struct atm_err *err) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return atm_err_memory(err, path);
    put_csv(out, plan, results, columns);
    bool whole = !ferror(out);
    whole = fclose(out) == 0 && whole;
    enum atm_status status =
        whole ? atm_outfile_write_text(path, text, err) : atm_err_memory(err, path);
    free(text);
    return status;
}

/* rows: (runs done, axes + columns). */
static ptrdiff_t fill_rows(const struct atm_sweep_plan *plan,
                           const struct atm_sweep_result *results, const struct columns *columns,
                           double *rows) {
    ptrdiff_t done = 0, width = plan->axis_count + columns->count;
    for (ptrdiff_t p = 0; p < plan->points; p++) {
        if (!results[p].done)
            continue;
        double *row = rows + done++ * width;
        for (int a = 0; a < plan->axis_count; a++) {
            int value = atm_sweep_value(plan, p, a);
            row[a] = plan->axes[a].numeric ? plan->axes[a].numbers[value] : value;
        }
        for (ptrdiff_t i = 0; i < columns->count; i++)
            row[plan->axis_count + i] = number_of(&results[p].numbers, columns->names[i], i);
    }
    return done;
}

/* Each column a data set of its own: a compound of hundreds of fields would not fit HDF5's headers.
 */
static enum atm_status put_column(struct atm_h5 *file, const char *name, const double *rows,
                                  ptrdiff_t at, ptrdiff_t width, ptrdiff_t count, double *scratch,
                                  struct atm_err *err) {
    char path[512];
    snprintf(path, sizeof path, "/results/%s", name);
    for (ptrdiff_t i = 0; i < count; i++)
        scratch[i] = rows[i * width + at];
    return atm_h5_write(file, path, ATM_H5_F64, 1, &count, scratch, err);
}

static enum atm_status put_words(struct atm_h5 *file, const struct atm_sweep_axis *axis,
                                 struct atm_err *err) {
    char path[128], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return atm_err_memory(err, "the results");
    for (int i = 0; i < axis->count; i++)
        fprintf(out, "%s%s", i ? ", " : "", axis->values[i]);
    snprintf(path, sizeof path, "/results/%s", axis->key);
    enum atm_status status = fclose(out) == 0 ? atm_h5_write_text(file, path, "values", text, err)
                                              : atm_err_memory(err, "the results");
    free(text);
    return status;
}

static enum atm_status put_h5(const char *path, const struct atm_sweep_plan *plan,
                              const struct columns *columns, const double *rows, ptrdiff_t count,
                              double *scratch, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    const ptrdiff_t width = plan->axis_count + columns->count;
    enum atm_status status = atm_h5_create(path, &file, err);
    for (int a = 0; !status && a < plan->axis_count; a++) {
        status = put_column(file, plan->axes[a].key, rows, a, width, count, scratch, err);
        if (!status && !plan->axes[a].numeric)
            status = put_words(file, &plan->axes[a], err);
    }
    for (ptrdiff_t i = 0; !status && i < columns->count; i++)
        status = put_column(file, columns->names[i], rows, plan->axis_count + i, width, count,
                            scratch, err);
    enum atm_status closed = atm_h5_close(&file, status ? NULL : err);
    return status ? status : closed;
}

static enum atm_status write_h5(const char *path, const struct atm_sweep_plan *plan,
                                const struct atm_sweep_result *results,
                                const struct columns *columns, struct atm_err *err) {
    struct atm_outfile out = {0};
    size_t width = (size_t)(plan->axis_count + columns->count);
    double *rows = atm_mem_alloc((size_t)plan->points, width * sizeof *rows);
    double *scratch = atm_mem_alloc((size_t)plan->points, sizeof *scratch);
    enum atm_status status = rows && scratch ? ATM_OK : atm_err_memory(err, path);
    if (!status)
        status = atm_outfile_begin(&out, path, err);
    if (!status) {
        ptrdiff_t count = fill_rows(plan, results, columns, rows);
        status = put_h5(out.temporary, plan, columns, rows, count, scratch, err);
    }
    if (!status)
        status = atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    atm_mem_free(rows);
    atm_mem_free(scratch);
    return status;
}

enum atm_status atm_sweep_write_table(const struct atm_sweep_plan *plan,
                                      const struct atm_sweep_result *results, const char *folder,
                                      struct atm_err *err) {
    char csv[PATH_MAX], h5[PATH_MAX];
    struct columns columns = {0};
    snprintf(csv, sizeof csv, "%s/results.csv", folder);
    snprintf(h5, sizeof h5, "%s/results.h5", folder);
    enum atm_status status = find_columns(plan, results, &columns, err);
    if (!status)
        status = write_csv(csv, plan, results, &columns, err);
    if (!status)
        status = write_h5(h5, plan, results, &columns, err);
    atm_mem_free(columns.names);
    return status;
}
