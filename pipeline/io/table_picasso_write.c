/* Writing Picasso's /locs with its YAML side file. */
#include "table_formats.h"

#include "h5.h"
#include "mem.h"
#include "outfile.h"
#include <float.h>
#include <math.h>
#include <string.h>

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

/* Without these no reader takes the table. */
static bool is_needed(const char *name) {
    static const char *const needed[] = {"frame", "x", "y", "lpx", "lpy"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (strcmp(name, needed[i]) == 0)
            return true;
    return false;
}

/* Known fields, then extras; an extra of a known field's name takes its place. */
static int choose_fields(const struct atm_table *table, const struct atm_table_choice *choice,
                         struct atm_h5_field fields[ALL_FIELDS + ATM_EXTRAS]) {
    int count = 0;
    for (int i = 0; i < ALL_FIELDS; i++) {
        const char *name = stored_fields[i].name;
        unsigned column = strcmp(name, "id") == 0 ? ATM_COLUMN_ID : ATM_COLUMN_QUALITY;
        bool usual = i < PICASSO_FIELDS || (table->columns & column);
        if (is_needed(name) || (usual && atm_table_wants(choice, name)))
            fields[count++] = stored_fields[i];
    }
    const int known = count;
    for (int i = 0; i < table->extra_count; i++) {
        const struct atm_extra *extra = &table->extras[i];
        struct atm_h5_field field = {extra->name, extra_type(extra, table->count), ATM_H5_F64,
                                     sizeof(struct stored) + (size_t)i * sizeof(double)};
        int at = 0;
        if (!atm_table_wants(choice, extra->name) && !is_needed(extra->name))
            continue;
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
                                  const struct atm_table_choice *choice,
                                  const struct packed *packed, struct atm_err *err) {
    struct atm_h5_field fields[ALL_FIELDS + ATM_EXTRAS];
    int count = choose_fields(table, choice, fields);
    const char *outside =
        packed->rows + (size_t)(table->count - packed->outside) * packed->row_size;
    enum atm_status status = atm_h5_write_table(file, ATM_PICASSO_LOCS, fields, count, packed->rows,
                                                packed->row_size, packed->inside, err);
    if (status == ATM_OK)
        status =
            atm_h5_write_number(file, ATM_PICASSO_LOCS, ATM_PICASSO_COLUMNS, table->columns, err);
    if (status == ATM_OK && packed->outside)
        status = atm_h5_write_table(file, ATM_PICASSO_OUTSIDE, fields, count, outside,
                                    packed->row_size, packed->outside, err);
    if (status == ATM_OK && table->provenance)
        status = atm_h5_write_text(file, "/", "provenance", table->provenance, err);
    if (status == ATM_OK && table->notes)
        status = atm_h5_write_text(file, "/", "notes", table->notes, err);
    return status;
}

static enum atm_status write_h5(const char *path, const struct atm_table *table,
                                const struct atm_table_choice *choice, ptrdiff_t *dropped,
                                ptrdiff_t *outside, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    struct packed packed = {.rows = NULL};
    enum atm_status status = pack(table, &packed, err);
    if (status == ATM_OK)
        status = atm_h5_create(path, &file, err);
    if (status == ATM_OK)
        status = write_sets(file, table, choice, &packed, err);
    enum atm_status closed = atm_h5_close(&file, status == ATM_OK ? err : NULL);
    *outside = packed.outside;
    *dropped = table->count - packed.inside - packed.outside;
    atm_mem_free(packed.rows);
    return status == ATM_OK ? closed : status;
}

static enum atm_status write_yaml(const char *path, const struct atm_table *table,
                                  ptrdiff_t outside, struct atm_err *err) {
    char *side = atm_table_side_path(path, ATM_PICASSO_SIDE),
         *text = atm_table_side_yaml(table, outside);
    enum atm_status status =
        side && text ? atm_outfile_write_text(side, text, err) : atm_err_memory(err, path);
    atm_mem_free(side);
    atm_mem_free(text);
    return status;
}

enum atm_status atm_table_write_picasso(const char *path, const struct atm_table *table,
                                        const struct atm_table_choice *choice, ptrdiff_t *dropped,
                                        struct atm_err *err) {
    struct atm_outfile out = {0};
    ptrdiff_t outside = 0;
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (status == ATM_OK)
        status = write_h5(out.temporary, table, choice, dropped, &outside, err);
    if (status == ATM_OK)
        status =
            write_yaml(path, table, outside, err); /* first: a table without it is unreadable */
    if (status == ATM_OK)
        status = atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    return status;
}
