/* HDF5 tables of other programs: DECODE's emitter sets, read and written, and storm-analysis'
 * localizations.
 *
 * | what           | where                                | frames from | x, y
 * | DECODE         | /data/xyz (N, 3), phot, frame_ix ... | 0           | px or nm, pixel centres
 * at |                |                                      |             | integers; axis 0 is
 * the row | storm-analysis | /fr_N/x, y, sum ...                  | 0           | px, centres at
 * integers
 *
 * (decode.utils.emitter_io; storm_analysis.sa_library.sa_h5py, whose x is the fast axis of the
 * image) */
#include "table_formats.h"

#include "h5.h"
#include "mem.h"
#include "outfile.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A column of `count` numbers, NULL (and no error) where the file has none of this shape: fields
 * that are unknown throughout are missing or empty. */
static enum atm_status read_column(const struct atm_h5 *file, const char *name, ptrdiff_t count,
                                   ptrdiff_t width, double **values, struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    *values = NULL;
    if (!atm_h5_exists(file, name) || atm_h5_shape(file, name, &rank, dims, NULL) != ATM_OK)
        return ATM_OK;
    if (rank != (width > 1 ? 2 : 1) || dims[0] != count || (width > 1 && dims[1] != width))
        return ATM_OK;
    *values = atm_mem_alloc((size_t)(count * width), sizeof **values);
    if (!*values)
        return atm_err_memory(err, atm_h5_path(file));
    return atm_h5_read(file, name, ATM_H5_F64, count * width, *values, err);
}

static double at(const double *column, ptrdiff_t index) { return column ? column[index] : NAN; }

static int64_t whole(double value) {
    return value >= 0 && value < 9e15 ? (int64_t)value : -1; /* tidying takes such rows out */
}

/* ---- DECODE ---- */

struct decode {
    double *xyz, *xyz_sig, *xyz_cr, *phot, *phot_sig, *phot_cr, *bg, *frame, *id; /* owned */
    double unit[2]; /* px per unit of xyz, axis 0 and 1 */
};

static enum atm_status read_decode_columns(const struct atm_h5 *file, ptrdiff_t count,
                                           struct decode *d, struct atm_err *err) {
    const struct {
        const char *name;
        ptrdiff_t width;
        double **values;
    } columns[] = {
        {"/data/xyz", 3, &d->xyz},
        {"/data/xyz_sig", 3, &d->xyz_sig},
        {"/data/xyz_cr", 3, &d->xyz_cr},
        {"/data/phot", 1, &d->phot},
        {"/data/phot_sig", 1, &d->phot_sig},
        {"/data/phot_cr", 1, &d->phot_cr},
        {"/data/bg", 1, &d->bg},
        {"/data/frame_ix", 1, &d->frame},
        {"/data/id", 1, &d->id},
    };
    enum atm_status status = ATM_OK;
    for (size_t i = 0; status == ATM_OK && i < sizeof columns / sizeof *columns; i++)
        status =
            read_column(file, columns[i].name, count, columns[i].width, columns[i].values, err);
    if (status == ATM_OK && count && (!d->xyz || !d->frame))
        status = atm_err_set(err, ATM_FAIL, "%s: /data has no xyz (N, 3) and frame_ix (N)",
                             atm_h5_path(file));
    return status;
}

/* Positions are in px, or in nm with the pixel size beside them. */
static enum atm_status read_decode_unit(const struct atm_h5 *file, struct decode *d,
                                        struct atm_table *table, struct atm_err *err) {
    char *unit = NULL;
    double size[2] = {NAN, NAN};
    ptrdiff_t known = 0;
    enum atm_status status = atm_h5_read_text(file, "/meta", "xy_unit", &unit, err);
    if (status == ATM_OK)
        atm_h5_read_numbers(file, "/meta", "px_size", size, 2, &known, NULL); /* may be no number */
    bool in_nm = unit && !strcmp(unit, "nm");
    if (status == ATM_OK && unit && !in_nm && strcmp(unit, "px") != 0)
        status = atm_err_set(err, ATM_FAIL, "%s: xy_unit is '%.20s'; px and nm are known",
                             atm_h5_path(file), unit);
    bool sized = known == 2 && size[0] > 0 && size[1] > 0;
    if (status == ATM_OK && in_nm && !sized)
        status = atm_err_set(err, ATM_FAIL, "%s: positions are in nm, but there is no px_size",
                             atm_h5_path(file));
    for (int i = 0; i < 2; i++)
        d->unit[i] = in_nm && sized ? 1 / size[i] : 1;
    if (sized && fabs(size[0] - size[1]) <= 1e-6 * size[0])
        table->pixel_size_nm = size[0];
    atm_mem_free(unit);
    return status;
}

static struct atm_loc decode_row(const struct decode *d, ptrdiff_t i) {
    struct atm_loc row = atm_loc_empty();
    row.frame = whole(d->frame[i]);
    row.y = d->xyz[3 * i] * d->unit[0];
    row.x = d->xyz[3 * i + 1] * d->unit[1];
    row.photons = at(d->phot, i);
    row.background = at(d->bg, i);
    row.y_unc = (d->xyz_sig ? d->xyz_sig[3 * i] : sqrt(at(d->xyz_cr, 3 * i))) * d->unit[0];
    row.x_unc = (d->xyz_sig ? d->xyz_sig[3 * i + 1] : sqrt(at(d->xyz_cr, 3 * i + 1))) * d->unit[1];
    row.photons_unc = d->phot_sig ? d->phot_sig[i] : sqrt(at(d->phot_cr, i));
    row.id = d->id ? whole(d->id[i]) : -1;
    return row;
}

bool atm_table_is_decode(const struct atm_h5 *file) { return atm_h5_exists(file, "/data/xyz"); }

enum atm_status atm_table_read_decode(const struct atm_h5 *file, struct atm_table *table,
                                      struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    struct decode d = {0};
    enum atm_status status = atm_h5_shape(file, "/data/xyz", &rank, dims, err);
    ptrdiff_t count = rank > 0 ? dims[0] : 0;
    if (status == ATM_OK)
        status = atm_table_check_rows(atm_h5_path(file), "/data/xyz", count, err);
    if (status == ATM_OK)
        status = read_decode_unit(file, &d, table, err);
    if (status == ATM_OK)
        status = read_decode_columns(file, count, &d, err);
    for (ptrdiff_t i = 0; status == ATM_OK && i < count; i++) {
        struct atm_loc row = decode_row(&d, i);
        status = atm_table_append(table, &row, err);
    }
    double *const columns[] = {d.xyz,     d.xyz_sig, d.xyz_cr, d.phot, d.phot_sig,
                               d.phot_cr, d.bg,      d.frame,  d.id};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        atm_mem_free(columns[i]);
    return status;
}

/* A float32 column as DECODE stores it; of three values a row the third belongs to z. */
struct decode_column {
    const char *name;
    ptrdiff_t width;
    const char *wanted_as; /* NULL: no set is whole without it */
    size_t members[2];     /* of struct atm_loc: axis 0 is the row */
    double z;
};
#define MEMBER(name_) offsetof(struct atm_loc, name_)
static const struct decode_column decode_columns[] = {
    {"/data/xyz", 3, NULL, {MEMBER(y), MEMBER(x)}, 0},
    {"/data/phot", 1, NULL, {MEMBER(photons)}, 0},
    {"/data/bg", 1, "bg", {MEMBER(background)}, 0},
    {"/data/xyz_sig", 3, "lpx", {MEMBER(y_unc), MEMBER(x_unc)}, (double)NAN},
    {"/data/phot_sig", 1, "photons_unc", {MEMBER(photons_unc)}, 0},
    {"/data/bg_sig", 1, "bg_unc", {MEMBER(background_unc)}, 0},
};

/* What is NAN throughout is an empty data set, as DECODE itself stores it. values: room for 3 a
 * row. */
static enum atm_status write_decode_column(struct atm_h5 *file, const struct decode_column *column,
                                           const struct atm_table *rows, bool wanted, float *values,
                                           struct atm_err *err) {
    const ptrdiff_t dims[] = {rows->count, column->width};
    bool known = !column->wanted_as;
    for (ptrdiff_t i = 0; i < rows->count; i++)
        for (ptrdiff_t axis = 0; axis < column->width; axis++) {
            double value = column->z;
            if (axis < 2)
                memcpy(&value, (const char *)&rows->rows[i] + column->members[axis], sizeof value);
            values[i * column->width + axis] = (float)value;
            known = known || isfinite(value);
        }
    return known && wanted ? atm_h5_write(file, column->name, ATM_H5_F32, column->width > 1 ? 2 : 1,
                                          dims, values, err)
                           : atm_h5_write_empty(file, column->name, ATM_H5_F32, err);
}

static enum atm_status write_decode_whole(struct atm_h5 *file, const char *name, size_t member,
                                          const struct atm_table *rows, int64_t *values,
                                          struct atm_err *err) {
    for (ptrdiff_t i = 0; i < rows->count; i++)
        memcpy(&values[i], (const char *)&rows->rows[i] + member, sizeof *values);
    return atm_h5_write(file, name, ATM_H5_I64, 1, &rows->count, values, err);
}

static enum atm_status write_decode_data(struct atm_h5 *file, const struct atm_table *rows,
                                         const struct atm_table_choice *choice, void *room,
                                         struct atm_err *err) {
    static const char *const unknown[] = {"/data/prob", "/data/xyz_cr", "/data/phot_cr",
                                          "/data/bg_cr"};
    enum atm_status status =
        write_decode_whole(file, "/data/frame_ix", MEMBER(frame), rows, room, err);
    if (status == ATM_OK)
        status = write_decode_whole(file, "/data/id", MEMBER(id), rows, room, err);
    for (size_t i = 0; !status && i < sizeof decode_columns / sizeof *decode_columns; i++) {
        const struct decode_column *column = &decode_columns[i];
        bool wanted = !column->wanted_as || atm_table_wants(choice, column->wanted_as);
        status = write_decode_column(file, column, rows, wanted, room, err);
    }
    for (size_t i = 0; !status && i < sizeof unknown / sizeof *unknown; i++)
        status = atm_h5_write_empty(file, unknown[i], ATM_H5_F32, err);
    return status;
}

static enum atm_status write_decode_meta(struct atm_h5 *file, const struct atm_table *table,
                                         struct atm_err *err) {
    const double size[] = {table->pixel_size_nm, table->pixel_size_nm};
    enum atm_status status = atm_h5_write_group(file, "/meta", err);
    if (status == ATM_OK)
        status = atm_h5_write_group(file, "/decode", err);
    if (status == ATM_OK)
        status = atm_h5_write_text(file, "/meta", "xy_unit", "px", err);
    if (status == ATM_OK && isfinite(table->pixel_size_nm))
        status = atm_h5_write_numbers(file, "/meta", "px_size", size, 2, err);
    if (status == ATM_OK)
        status = atm_h5_write_text(file, "/decode", "version", "atomloc " ATM_VERSION, err);
    if (status == ATM_OK && table->provenance)
        status = atm_h5_write_text(file, "/", "provenance", table->provenance, err);
    if (status == ATM_OK && table->notes)
        status = atm_h5_write_text(file, "/", "notes", table->notes, err);
    return status;
}

static enum atm_status write_decode_file(const char *path, const struct atm_table *rows,
                                         const struct atm_table_choice *choice,
                                         struct atm_err *err) {
    struct atm_h5 *file = NULL;
    void *room = atm_mem_alloc((size_t)rows->count, 3 * sizeof(double));
    enum atm_status status =
        room ? atm_h5_create(path, &file, err) : atm_err_memory(err, "the table's columns");
    if (status == ATM_OK)
        status = write_decode_data(file, rows, choice, room, err);
    if (status == ATM_OK)
        status = write_decode_meta(file, rows, err);
    enum atm_status closed = atm_h5_close(&file, status == ATM_OK ? err : NULL);
    atm_mem_free(room);
    return status == ATM_OK ? closed : status;
}

enum atm_status atm_table_write_decode(const char *path, const struct atm_table *table,
                                       const struct atm_table_choice *choice, ptrdiff_t *dropped,
                                       struct atm_err *err) {
    struct atm_outfile out = {0};
    struct atm_table rows = *table; /* those that have a place; owns its rows only */
    rows.rows = atm_mem_alloc((size_t)table->count, sizeof *rows.rows);
    rows.count = 0;
    if (!rows.rows)
        return atm_err_memory(err, "the table's rows");
    for (ptrdiff_t i = 0; i < table->count; i++)
        if (atm_table_has_place(&table->rows[i]))
            rows.rows[rows.count++] = table->rows[i];
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (status == ATM_OK)
        status = write_decode_file(out.temporary, &rows, choice, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    *dropped += table->count - rows.count;
    atm_mem_free(rows.rows);
    return status;
}

/* ---- storm-analysis ---- */

struct storm_reader {
    const struct atm_h5 *file;
    struct atm_table *table;
    struct atm_err *err;
};

static enum atm_status append_frame(struct storm_reader *reader, int64_t frame, ptrdiff_t count,
                                    double *const columns[6]) {
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; status == ATM_OK && i < count; i++) {
        struct atm_loc row = atm_loc_empty();
        row.frame = frame;
        row.x = at(columns[0], i), row.y = at(columns[1], i);
        row.photons = at(columns[2], i), row.background = at(columns[3], i);
        row.sx = at(columns[4], i);
        row.sy = columns[5] ? columns[5][i] : row.sx;
        status = atm_table_append(reader->table, &row, reader->err);
    }
    return status;
}

/* One member of the file: a group fr_N is a frame. */
static enum atm_status take_frame(void *context, const char *name) {
    static const char *const fields[6] = {"x", "y", "sum", "background", "xsigma", "ysigma"};
    struct storm_reader *reader = context;
    char *end, path[128];
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    double *columns[6] = {NULL};
    if (strncmp(name, "fr_", 3) != 0 || strlen(name) > 40)
        return ATM_OK;
    long long frame = strtoll(name + 3, &end, 10);
    snprintf(path, sizeof path, "/%s/x", name);
    if (*end || frame < 0 || !atm_h5_exists(reader->file, path))
        return ATM_OK;
    enum atm_status status = atm_h5_shape(reader->file, path, &rank, dims, reader->err);
    ptrdiff_t count = rank == 1 ? dims[0] : 0;
    if (status == ATM_OK)
        status = atm_table_check_rows(atm_h5_path(reader->file), path, count, reader->err);
    for (int i = 0; status == ATM_OK && i < 6; i++) {
        snprintf(path, sizeof path, "/%s/%s", name, fields[i]);
        status = read_column(reader->file, path, count, 1, &columns[i], reader->err);
    }
    if (status == ATM_OK)
        status = append_frame(reader, frame, count, columns);
    for (int i = 0; i < 6; i++)
        atm_mem_free(columns[i]);
    return status;
}

bool atm_table_is_storm_analysis(const struct atm_h5 *file) {
    char *type = NULL;
    bool is = atm_h5_read_text(file, "/", "sa_type", &type, NULL) == ATM_OK && type;
    atm_mem_free(type);
    return is;
}

static ptrdiff_t size_of(const struct atm_h5 *file, const char *name) {
    double value = NAN;
    if (atm_h5_read_number(file, "/", name, &value, NULL) != ATM_OK)
        return 0;
    return value > 0 && value < 1e9 ? (ptrdiff_t)value : 0;
}

enum atm_status atm_table_read_storm_analysis(const struct atm_h5 *file, struct atm_table *table,
                                              struct atm_err *err) {
    struct storm_reader reader = {file, table, err};
    double pixel_nm = NAN;
    table->width = size_of(file, "movie_x");
    table->height = size_of(file, "movie_y");
    table->frames = size_of(file, "movie_l");
    if (atm_h5_read_number(file, "/", "pixel_size", &pixel_nm, NULL) == ATM_OK && pixel_nm > 0 &&
        isfinite(pixel_nm))
        table->pixel_size_nm = pixel_nm;
    enum atm_status status = atm_h5_list(file, "/", take_frame, &reader, err);
    if (status == ATM_OK)
        atm_table_sort(table); /* the file lists fr_10 before fr_2 */
    return status;
}
