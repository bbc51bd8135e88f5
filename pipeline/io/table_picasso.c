/* HDF5 tables: Picasso's /locs with its YAML side file, and the /truth of our own stacks. */
#include "table_formats.h"

#include "h5.h"
#include "mem.h"
#include "outfile.h"
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static const char LOCS[] = "/locs", TRUTH[] = "/truth", COLUMNS[] = "atomloc_columns";
/* Rows that Picasso's readers would drop although we know them (centres at integers: the outer half
 * pixel is negative) are kept here, where only we look. */
static const char OUTSIDE[] = "/atomloc/outside";

/* --- reading --- */

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
    enum atm_status status = atm_h5_read_number(file, LOCS, COLUMNS, &columns, err);
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
    char *side = atm_table_side_path(path, ".yaml");
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

/* --- writing --- */

/* A row as stored: Picasso's fields, then ours. */
struct stored {
    uint32_t frame, iterations, blocks, flags;
    float x, y, photons, sx, sy, bg, lpx, lpy, ellipticity, net_gradient, log_likelihood;
    float photons_unc, bg_unc, sx_unc, sy_unc, llr, chi2, deviance, deviance_expected, deviance_sd;
    int64_t id;
};
#define STORE(name_, type_)                                                                        \
    { #name_, ATM_H5_##type_, ATM_H5_##type_, offsetof(struct stored, name_) }
static const struct atm_h5_field stored_fields[] = {
    STORE(frame, U32),
    STORE(x, F32),
    STORE(y, F32),
    STORE(photons, F32),
    STORE(sx, F32),
    STORE(sy, F32),
    STORE(bg, F32),
    STORE(lpx, F32),
    STORE(lpy, F32),
    STORE(ellipticity, F32),
    STORE(net_gradient, F32),
    STORE(log_likelihood, F32),
    STORE(iterations, U32),
    STORE(photons_unc, F32),
    STORE(bg_unc, F32),
    STORE(sx_unc, F32),
    STORE(sy_unc, F32),
    STORE(llr, F32),
    STORE(chi2, F32),
    STORE(deviance, F32),
    STORE(deviance_expected, F32),
    STORE(deviance_sd, F32),
    STORE(blocks, U32),
    STORE(flags, U32),
    STORE(id, I64),
};
enum { ALL_FIELDS = sizeof stored_fields / sizeof *stored_fields, PICASSO_FIELDS = 17 };

static bool fits(double value) { return isfinite(value) && fabs(value) <= FLT_MAX; }

static float known(double value, double otherwise) {
    return (float)(fits(value) ? value : fits(otherwise) ? otherwise : 0);
}

static uint32_t small(int64_t value) {
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* False for rows that no reader would take: unknown place, or values below what they can be. */
static bool is_storable(const struct atm_loc *row, unsigned columns) {
    if (row->frame < 0 || row->frame > UINT32_MAX || !fits(row->x) || !fits(row->y))
        return false;
    if ((columns & ATM_COLUMN_PHOTONS) && !(fits(row->photons) && row->photons >= 0))
        return false;
    return !(row->sx < 0 || row->sy < 0 || row->x_unc < 0 || row->y_unc < 0);
}

static struct stored store(const struct atm_loc *row) {
    double large = fmax(row->sx, row->sy), lesser = fmin(row->sx, row->sy);
    double by_photons = row->photons > 0 ? 1 / sqrt(row->photons) : NAN;
    return (struct stored){
        .frame = (uint32_t)row->frame,
        .x = (float)row->x,
        .y = (float)row->y,
        .photons = known(row->photons, 0),
        .sx = known(row->sx, 0),
        .sy = known(row->sy, 0),
        .bg = known(row->background, 0),
        .lpx = known(row->x_unc, row->sx * by_photons), /* the shot-noise limit */
        .lpy = known(row->y_unc, row->sy * by_photons),
        .ellipticity = known(large > 0 ? (large - lesser) / large : 0, 0),
        .log_likelihood = known(row->llr, 0),
        .iterations = small(row->iterations),
        .photons_unc = known(row->photons_unc, 0),
        .bg_unc = known(row->background_unc, 0),
        .sx_unc = known(row->sx_unc, 0),
        .sy_unc = known(row->sy_unc, 0),
        .llr = known(row->llr, 0),
        .chi2 = known(row->chi2, 0),
        .deviance = known(row->deviance, 0),
        .deviance_expected = known(row->deviance_expected, 0),
        .deviance_sd = known(row->deviance_sd, 0),
        .blocks = small(row->blocks),
        .flags = small(row->flags),
        .id = row->id,
    };
}

/* What Picasso's loader keeps; compared as it will see them, in single precision. */
static bool is_inside(const struct stored *row, ptrdiff_t height, ptrdiff_t width) {
    return row->x >= 0 && row->y >= 0 && row->x < (float)width && row->y < (float)height;
}

/* Rows to be stored: a `struct stored` and behind it the extras as doubles; those inside Picasso's
 * field first, each group in the table's order. */
struct packed {
    char *rows; /* owned */
    size_t row_size;
    ptrdiff_t inside, outside;
};

static void pack_row(const struct atm_table *table, ptrdiff_t row, const struct stored *stored,
                     char *to) {
    memcpy(to, stored, sizeof *stored);
    for (int i = 0; i < table->extra_count; i++) {
        double value = table->extras[i].values[row];
        value = fits(value) ? value : 0;
        memcpy(to + sizeof *stored + (size_t)i * sizeof value, &value, sizeof value);
    }
}

static enum atm_status pack(const struct atm_table *table, struct packed *packed,
                            struct atm_err *err) {
    ptrdiff_t frames, height, width, last = table->count;
    atm_table_extent(table, &frames, &height, &width);
    packed->row_size = sizeof(struct stored) + (size_t)table->extra_count * sizeof(double);
    packed->rows = atm_mem_alloc((size_t)table->count, packed->row_size);
    if (!packed->rows)
        return atm_err_memory(err, "the table's rows");
    for (ptrdiff_t i = 0; i < table->count; i++) {
        if (!is_storable(&table->rows[i], table->columns))
            continue;
        struct stored row = store(&table->rows[i]);
        if (is_inside(&row, height, width))
            pack_row(table, i, &row, packed->rows + (size_t)packed->inside++ * packed->row_size);
    }
    for (ptrdiff_t i = table->count - 1; i >= 0; i--) { /* from the back, so that they fit */
        if (!is_storable(&table->rows[i], table->columns))
            continue;
        struct stored row = store(&table->rows[i]);
        if (!is_inside(&row, height, width))
            pack_row(table, i, &row, packed->rows + (size_t)--last * packed->row_size);
    }
    packed->outside = table->count - last;
    return ATM_OK;
}

/* Frames, groups, counts: Picasso has whole numbers as such. */
static enum atm_h5_type extra_type(const struct atm_extra *extra, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (!(extra->values[i] >= 0 && extra->values[i] <= UINT32_MAX &&
              extra->values[i] == floor(extra->values[i])))
            return ATM_H5_F32;
    return ATM_H5_U32;
}

/* Known fields, then extras; an extra of a known field's name takes its place. */
static int choose_fields(const struct atm_table *table,
                         struct atm_h5_field fields[ALL_FIELDS + ATM_EXTRAS]) {
    int count = 0;
    for (int i = 0; i < ALL_FIELDS; i++) {
        bool is_id = strcmp(stored_fields[i].name, "id") == 0;
        unsigned column = is_id ? ATM_COLUMN_ID : ATM_COLUMN_QUALITY;
        if (i < PICASSO_FIELDS || (table->columns & column))
            fields[count++] = stored_fields[i];
    }
    const int known = count;
    for (int i = 0; i < table->extra_count; i++) {
        const struct atm_extra *extra = &table->extras[i];
        struct atm_h5_field field = {extra->name, extra_type(extra, table->count), ATM_H5_F64,
                                     sizeof(struct stored) + (size_t)i * sizeof(double)};
        int at = 0;
        while (at < known && strcmp(fields[at].name, extra->name) != 0)
            at++;
        if (at < known)
            field.file_type = fields[at].file_type;
        else
            at = count++;
        fields[at] = field;
    }
    return count;
}

static enum atm_status write_sets(struct atm_h5 *file, const struct atm_table *table,
                                  const struct packed *packed, struct atm_err *err) {
    struct atm_h5_field fields[ALL_FIELDS + ATM_EXTRAS];
    int count = choose_fields(table, fields);
    const char *outside =
        packed->rows + (size_t)(table->count - packed->outside) * packed->row_size;
    enum atm_status status = atm_h5_write_table(file, LOCS, fields, count, packed->rows,
                                                packed->row_size, packed->inside, err);
    if (status == ATM_OK)
        status = atm_h5_write_number(file, LOCS, COLUMNS, table->columns, err);
    if (status == ATM_OK && packed->outside)
        status = atm_h5_write_table(file, OUTSIDE, fields, count, outside, packed->row_size,
                                    packed->outside, err);
    if (status == ATM_OK && table->provenance)
        status = atm_h5_write_text(file, "/", "provenance", table->provenance, err);
    return status;
}

static enum atm_status write_h5(const char *path, const struct atm_table *table, ptrdiff_t *dropped,
                                ptrdiff_t *outside, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    struct packed packed = {.rows = NULL};
    enum atm_status status = pack(table, &packed, err);
    if (status == ATM_OK)
        status = atm_h5_create(path, &file, err);
    if (status == ATM_OK)
        status = write_sets(file, table, &packed, err);
    enum atm_status closed = atm_h5_close(&file, status == ATM_OK ? err : NULL);
    *outside = packed.outside;
    *dropped = table->count - packed.inside - packed.outside;
    atm_mem_free(packed.rows);
    return status == ATM_OK ? closed : status;
}

static enum atm_status write_yaml(const char *path, const struct atm_table *table,
                                  ptrdiff_t outside, struct atm_err *err) {
    char *side = atm_table_side_path(path, ".yaml"), *text = atm_table_side_yaml(table, outside);
    enum atm_status status =
        side && text ? atm_outfile_write_text(side, text, err) : atm_err_memory(err, path);
    atm_mem_free(side);
    atm_mem_free(text);
    return status;
}

enum atm_status atm_table_write_picasso(const char *path, const struct atm_table *table,
                                        ptrdiff_t *dropped, struct atm_err *err) {
    struct atm_outfile out = {0};
    ptrdiff_t outside = 0;
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (status == ATM_OK)
        status = write_h5(out.temporary, table, dropped, &outside, err);
    if (status == ATM_OK)
        status =
            write_yaml(path, table, outside, err); /* first: a table without it is unreadable */
    if (status == ATM_OK)
        status = atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    return status;
}
