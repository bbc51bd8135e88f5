/* Reading HDF5 tables: Picasso's /locs with its YAML side file, and the /truth of our own stacks.
 */
#include "table_formats.h"

#include "h5.h"
#include "mem.h"
#include <ctype.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static const char LOCS[] = ATM_PICASSO_LOCS, OUTSIDE[] = ATM_PICASSO_OUTSIDE, TRUTH[] = "/truth";

#define FIELD(name_, type_, memory_, member_)                                                      \
    { name_, ATM_H5_##type_, ATM_H5_##memory_, offsetof(struct atm_loc, member_) }
static const struct atm_h5_field read_fields[] = {
    FIELD("frame", U32, I64, frame),
    FIELD("x", F32, F64, x),
    FIELD("y", F32, F64, y),
    FIELD("photons", F32, F64, photons),
    FIELD("sx", F32, F64, sx),
    FIELD("sy", F32, F64, sy),
    FIELD("bg", F32, F64, background),
    FIELD("background", F32, F64, background),
    FIELD("lpx", F32, F64, x_unc),
    FIELD("lpy", F32, F64, y_unc),
    FIELD("iterations", U32, I64, iterations),
    FIELD("photons_unc", F32, F64, photons_unc),
    FIELD("bg_unc", F32, F64, background_unc),
    FIELD("sx_unc", F32, F64, sx_unc),
    FIELD("sy_unc", F32, F64, sy_unc),
    FIELD("llr", F32, F64, llr),
    FIELD("chi2", F32, F64, chi2),
    FIELD("deviance", F32, F64, deviance),
    FIELD("deviance_expected", F32, F64, deviance_expected),
    FIELD("deviance_sd", F32, F64, deviance_sd),
    FIELD("blocks", U32, I64, blocks),
    FIELD("flags", U32, I64, flags),
    FIELD("id", I64, I64, id),
};
enum { READ_COUNT = sizeof read_fields / sizeof *read_fields };

/* A foreign file's log_likelihood stands in where there is no llr. */
static const struct atm_h5_field likelihood_field[] = {FIELD("log_likelihood", F32, F64, llr)};

/* Deflate packs at most about 1030 to 1: more rows than that were never written, and allocating for
 * them would only exhaust the memory. */
enum atm_status atm_table_check_rows(const char *path, const char *name, ptrdiff_t count,
                                     struct atm_err *err) {
    enum { LEAST_ROW_BYTES = 6, PACKING = 1100 };
    struct stat about;
    if (stat(path, &about) != 0)
        return atm_err_errno(err, path, "read");
    if (count > (ptrdiff_t)about.st_size * PACKING / LEAST_ROW_BYTES)
        return atm_err_set(err, ATM_FAIL,
                           "%s: %s claims %td rows, more than a file of %lld bytes can hold", path,
                           name, count, (long long)about.st_size);
    return ATM_OK;
}

static enum atm_status check_columns(const struct atm_h5 *file, const char *name,
                                     struct atm_err *err) {
    static const char *const needed[] = {"frame", "x", "y"};
    for (int i = 0; i < 3; i++)
        if (!atm_h5_table_has(file, name, needed[i]))
            return atm_err_set(err, ATM_FAIL, "%s: %s has no column '%s'", atm_h5_path(file), name,
                               needed[i]);
    return ATM_OK;
}

/* Append the rows of one data set. */
static enum atm_status read_rows(const struct atm_h5 *file, const char *name,
                                 struct atm_table *table, struct atm_err *err) {
    ptrdiff_t count = 0, old = table->count;
    enum atm_status status = atm_h5_table_size(file, name, &count, err);
    if (status == ATM_OK)
        status = atm_table_check_rows(atm_h5_path(file), name, count, err);
    if (status == ATM_OK)
        status = check_columns(file, name, err);
    if (status != ATM_OK)
        return status;
    struct atm_loc *rows =
        atm_mem_grow(table->rows, (size_t)old, (size_t)(old + count), sizeof *rows);
    if (!rows)
        return atm_err_memory(err, atm_h5_path(file));
    table->rows = rows;
    table->count = table->capacity = old + count;
    for (ptrdiff_t i = old; i < table->count; i++)
        rows[i] = atm_loc_empty();
    status =
        atm_h5_read_table(file, name, likelihood_field, 1, rows + old, sizeof *rows, count, err);
    if (status != ATM_OK)
        return status;
    return atm_h5_read_table(file, name, read_fields, READ_COUNT, rows + old, sizeof *rows, count,
                             err);
}

/* Columns of the file that atm_loc has no place for. */
struct unknown_columns {
    const struct atm_h5 *file;
    const char *set;
    struct atm_table *table;
    struct atm_err *err;
};

/* log_likelihood is read as llr, and ellipticity follows from sx and sy. */
static bool has_place(const char *name) {
    if (strcmp(name, "log_likelihood") == 0 || strcmp(name, "ellipticity") == 0)
        return true;
    for (int i = 0; i < READ_COUNT; i++)
        if (strcmp(name, read_fields[i].name) == 0)
            return true;
    return false;
}

static bool is_word(const char *name) {
    size_t length = strlen(name);
    return length > 0 && length < ATM_EXTRA_NAME && !isdigit((unsigned char)name[0]) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               length;
}

static bool all_zero(const double *values, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (values[i] != 0)
            return false;
    return true;
}

static enum atm_status take_column(void *context, const char *name) {
    const struct unknown_columns *unknown = context;
    struct atm_table *table = unknown->table;
    double *values = NULL;
    if (has_place(name) || !is_word(name) || table->extra_count == ATM_EXTRAS)
        return ATM_OK;
    enum atm_status status = atm_table_add_extra(table, name, &values, unknown->err);
    const struct atm_h5_field field = {name, ATM_H5_F64, ATM_H5_F64, 0};
    if (status != ATM_OK)
        return status;
    status = atm_h5_read_table(unknown->file, unknown->set, &field, 1, values, sizeof *values,
                               table->count, unknown->err);
    if (strcmp(name, "net_gradient") == 0 && all_zero(values, table->count)) /* we write none */
        atm_mem_free(table->extras[--table->extra_count].values);
    return status;
}

/* The rows that only we look at have the same columns. */
static enum atm_status read_outside(const struct atm_h5 *file, struct atm_table *table,
                                    struct atm_err *err) {
    ptrdiff_t inside = table->count;
    enum atm_status status = read_rows(file, OUTSIDE, table, err);
    for (int i = 0; i < table->extra_count && status == ATM_OK; i++) {
        struct atm_extra *extra = &table->extras[i];
        const struct atm_h5_field field = {extra->name, ATM_H5_F64, ATM_H5_F64, 0};
        double *grown = atm_mem_grow(extra->values, (size_t)inside, (size_t)table->count,
                                     sizeof *extra->values);
        if (!grown)
            return atm_err_memory(err, atm_h5_path(file));
        extra->values = grown;
        status = atm_h5_read_table(file, OUTSIDE, &field, 1, grown + inside, sizeof *grown,
                                   table->count - inside, err);
    }
    return status;
}

/* Writing replaces unknown values by 0, since Picasso drops rows with NaN: take that back. */
static void restore_unknown(struct atm_table *table, unsigned columns) {
    for (ptrdiff_t i = 0; i < table->count; i++) {
        struct atm_loc *row = &table->rows[i];
        double *const uncertainties[] = {&row->photons_unc, &row->background_unc, &row->sx_unc,
                                         &row->sy_unc};
        for (int j = 0; j < 4; j++)
            if (*uncertainties[j] == 0)
                *uncertainties[j] = NAN;
        if (!(columns & ATM_COLUMN_PHOTONS))
            row->photons = NAN;
        if (!(columns & ATM_COLUMN_BACKGROUND))
            row->background = NAN;
        if (!(columns & ATM_COLUMN_SIGMA))
            row->sx = row->sy = NAN;
        if (!(columns & ATM_COLUMN_UNCERTAINTY))
            row->x_unc = row->y_unc = NAN;
        if (!(columns & ATM_COLUMN_QUALITY))
            row->llr = row->chi2 = row->deviance = row->deviance_expected = row->deviance_sd = NAN;
    }
}

static enum atm_status read_locs(const struct atm_h5 *file, const char *path,
                                 struct atm_table *table, struct atm_err *err) {
    double columns = NAN; /* a foreign file has no such attribute: believe its columns */
    enum atm_status status = atm_h5_read_number(file, LOCS, ATM_PICASSO_COLUMNS, &columns, err);
    bool known = columns >= 0 && columns < 1 << 16;
    struct unknown_columns unknown = {file, LOCS, table, err};
    if (status == ATM_OK)
        status = read_rows(file, LOCS, table, err);
    if (status == ATM_OK)
        status = atm_h5_table_fields(file, LOCS, take_column, &unknown, err);
    if (status == ATM_OK && atm_h5_exists(file, OUTSIDE)) {
        status = read_outside(file, table, err);
        atm_table_sort(table);
    }
    unsigned candidates = known ? (unsigned)columns : ~0u;
    if (status == ATM_OK) {
        restore_unknown(table, candidates);
        atm_table_tidy(table, candidates & ((1u << 16) - 1));
    }
    char *side = atm_table_side_path(path, ATM_PICASSO_SIDE);
    if (status == ATM_OK && !side)
        status = atm_err_memory(err, path);
    if (status == ATM_OK)
        status = atm_table_side_read(side, table, err);
    atm_mem_free(side);
    return status;
}

/* Shape and pixel size as our stacks keep them. */
static enum atm_status read_stack_size(const struct atm_h5 *file, struct atm_table *table,
                                       struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    if (!atm_h5_exists(file, "/frames"))
        return ATM_OK;
    enum atm_status status = atm_h5_shape(file, "/frames", &rank, dims, err);
    if (status == ATM_OK && (rank == 3 || rank == 2)) {
        table->frames = rank == 3 ? dims[0] : 1;
        table->height = dims[rank - 2], table->width = dims[rank - 1];
    }
    if (status == ATM_OK)
        status = atm_h5_read_number(file, "/frames", "pixel_size_nm", &table->pixel_size_nm, err);
    if (status == ATM_OK && isnan(table->pixel_size_nm))
        status = atm_h5_read_number(file, "/", "pixel_size_nm", &table->pixel_size_nm, err);
    if (!(table->pixel_size_nm > 0) || !isfinite(table->pixel_size_nm))
        table->pixel_size_nm = NAN;
    return status;
}

bool atm_table_is_picasso(const struct atm_h5 *file) { return atm_h5_exists(file, LOCS); }

enum atm_status atm_table_read_picasso(const struct atm_h5 *file, struct atm_table *table,
                                       struct atm_err *err) {
    return read_locs(file, atm_h5_path(file), table, err);
}

bool atm_table_is_truth(const struct atm_h5 *file) { return atm_h5_exists(file, TRUTH); }

enum atm_status atm_table_read_truth(const struct atm_h5 *file, struct atm_table *table,
                                     struct atm_err *err) {
    enum atm_status status = read_rows(file, TRUTH, table, err);
    atm_table_tidy(table, ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_ID);
    return status == ATM_OK ? read_stack_size(file, table, err) : status;
}
