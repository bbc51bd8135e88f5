/* Writing text tables: ThunderSTORM with its protocol, the SMLM Challenge's submissions, and plain
 * pixels. */
#include "table_formats.h"

#include "mem.h"
#include "outfile.h"
#include <errno.h>
#include <math.h>
#include <string.h>

/* Fixed notation: ThunderSTORM and spreadsheets read it alike. */
static void put_number(FILE *out, double value, int decimals) {
    if (isnan(value))
        fputs("NaN", out);
    else if (isinf(value))
        fputs(value < 0 ? "-Infinity" : "Infinity", out);
    else
        fprintf(out, "%.*f", decimals, value);
}

static bool has_chi2(const struct atm_table *table) {
    for (ptrdiff_t i = 0; i < table->count; i++)
        if (isfinite(table->rows[i].chi2))
            return true;
    return false;
}

/* What a file's rows need to know of the whole. */
struct text_job {
    const struct atm_table *table;
    const struct atm_table_choice *choice;
    ptrdiff_t dropped;
};

/* Standard deviation per axis over both axes, as one number. */
static double both_axes(double a, double b) { return sqrt((a * a + b * b) / 2); }

/* ThunderSTORM's columns behind frame, x and y. */
enum { SIGMA, INTENSITY, OFFSET, BKGSTD, CHI2, UNCERTAINTY, DETECTIONS, OPTIONAL };
static const char *const optional_names[OPTIONAL] = {
    "sigma [nm]", "intensity [photon]",  "offset [photon]", "bkgstd [photon]",
    "chi2",       "uncertainty_xy [nm]", "detections"};

static void find_optional(const struct text_job *job, bool there[OPTIONAL]) {
    const struct atm_table_choice *choice = job->choice;
    const unsigned columns = job->table->columns;
    const bool all[OPTIONAL] = {
        [SIGMA] = (columns & ATM_COLUMN_SIGMA) && atm_table_wants(choice, "sx"),
        [INTENSITY] = (columns & ATM_COLUMN_PHOTONS) && atm_table_wants(choice, "photons"),
        [OFFSET] = (columns & ATM_COLUMN_BACKGROUND) && atm_table_wants(choice, "bg"),
        [BKGSTD] = (columns & ATM_COLUMN_BACKGROUND) && atm_table_wants(choice, "bg"),
        [CHI2] = has_chi2(job->table) && atm_table_wants(choice, "chi2"),
        [UNCERTAINTY] = (columns & ATM_COLUMN_UNCERTAINTY) && atm_table_wants(choice, "lpx"),
        [DETECTIONS] = atm_table_find_extra(job->table, "n") >= 0 && atm_table_wants(choice, "n"),
    };
    memcpy(there, all, sizeof all);
}

/* Origin at the outer corner of the first pixel. */
static double corner_nm(double px, double pixel_size_nm) { return (px + 0.5) * pixel_size_nm; }

static void put_thunderstorm(FILE *out, struct text_job *job) {
    enum { DECIMALS = 5 };
    const struct atm_table *table = job->table;
    const double pixel = table->pixel_size_nm;
    const int detections = atm_table_find_extra(table, "n"); /* merged from so many: Picasso's n */
    bool there[OPTIONAL];
    ptrdiff_t id = 0;
    find_optional(job, there);
    fputs("\"id\",\"frame\",\"x [nm]\",\"y [nm]\"", out);
    for (int j = 0; j < OPTIONAL; j++)
        if (there[j])
            fprintf(out, ",\"%s\"", optional_names[j]);
    fputc('\n', out);
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        if (!atm_table_has_place(row))
            continue;
        const double values[OPTIONAL] = {
            [SIGMA] = both_axes(row->sx, row->sy) * pixel,
            [INTENSITY] = row->photons,
            [OFFSET] = row->background,
            [BKGSTD] = sqrt(fmax(row->background, 0)), /* shot noise */
            [CHI2] = row->chi2,
            [UNCERTAINTY] = both_axes(row->x_unc, row->y_unc) * pixel,
            [DETECTIONS] = there[DETECTIONS] ? table->extras[detections].values[i] : NAN,
        };
        fprintf(out, "%td,%lld,", ++id, (long long)row->frame + 1);
        put_number(out, corner_nm(row->x, pixel), DECIMALS);
        fputc(',', out);
        put_number(out, corner_nm(row->y, pixel), DECIMALS);
        for (int j = 0; j < OPTIONAL; j++)
            if (there[j]) {
                fputc(',', out);
                put_number(out, values[j], j == DETECTIONS ? 0 : DECIMALS);
            }
        fputc('\n', out);
    }
    job->dropped = table->count - id;
}

/* frame,x,y,z,photons in nm without a header; two dimensions, so z is 0. */
static void put_challenge(FILE *out, struct text_job *job) {
    enum { DECIMALS = 4 };
    const double pixel = job->table->pixel_size_nm;
    for (ptrdiff_t i = 0; i < job->table->count; i++) {
        const struct atm_loc *row = &job->table->rows[i];
        if (!atm_table_has_place(row)) {
            job->dropped++;
            continue;
        }
        fprintf(out, "%lld,", (long long)row->frame + 1);
        put_number(out, corner_nm(row->x, pixel), DECIMALS);
        fputc(',', out);
        put_number(out, corner_nm(row->y, pixel), DECIMALS);
        fputs(",0,", out);
        put_number(out, row->photons, DECIMALS);
        fputc('\n', out);
    }
}

/* One cell of plain CSV: a field of the row, or a column of the table's own. */
static void put_cell(FILE *out, const struct atm_table *table, ptrdiff_t i, int field, int extra) {
    const char *row = (const char *)&table->rows[i];
    if (extra >= 0) {
        fprintf(out, "%.9g", table->extras[extra].values[i]);
    } else if (atm_table_fields[field].whole) {
        int64_t value;
        memcpy(&value, row + atm_table_fields[field].offset, sizeof value);
        fprintf(out, "%lld", (long long)value);
    } else {
        double value;
        memcpy(&value, row + atm_table_fields[field].offset, sizeof value);
        if (isfinite(value))
            put_number(out, value, atm_table_fields[field].decimals);
        else
            fputs("nan", out);
    }
}

static void put_plain(FILE *out, struct text_job *job) {
    static const struct atm_table_choice usual = {true, 4, {"frame", "x", "y", "photons"}};
    const struct atm_table *table = job->table;
    const struct atm_table_choice *choice = job->choice->given ? job->choice : &usual;
    int extras[ATM_CHOSEN], fields[ATM_CHOSEN];
    for (int j = 0; j < choice->count; j++) {
        extras[j] = atm_table_find_extra(table, choice->names[j]);
        fields[j] = atm_table_find_field(choice->names[j]);
        fprintf(out, "%s%s", j ? "," : "",
                fields[j] >= 0 ? atm_table_fields[fields[j]].plain : choice->names[j]);
    }
    fputc('\n', out);
    for (ptrdiff_t i = 0; i < table->count; i++) {
        if (!atm_table_has_place(&table->rows[i])) {
            job->dropped++;
            continue;
        }
        for (int j = 0; j < choice->count; j++) {
            if (j)
                fputc(',', out);
            put_cell(out, table, i, fields[j], extras[j]);
        }
        fputc('\n', out);
    }
}

/* Under a temporary name; `file` is to be committed. */
static enum atm_status write_file(const struct atm_outfile *file, struct text_job *job,
                                  void (*put)(FILE *out, struct text_job *job),
                                  struct atm_err *err) {
    FILE *out = fopen(file->temporary, "wbe");
    if (!out)
        return atm_err_errno(err, file->path, "write");
    put(out, job);
    bool failed = fflush(out) != 0 || ferror(out);
    if ((fclose(out) != 0) || failed)
        return atm_err_errno(err, file->path, "write");
    return ATM_OK;
}

static enum atm_status write_protocol(const char *path, const struct atm_table *table,
                                      struct atm_err *err) {
    char *side = atm_table_side_path(path, ATM_THUNDERSTORM_SIDE),
         *text = atm_table_side_json(table);
    enum atm_status status =
        side && text ? atm_outfile_write_text(side, text, err) : atm_err_memory(err, path);
    atm_mem_free(side);
    atm_mem_free(text);
    return status;
}

/* Files without a side file. */
static enum atm_status write_alone(const char *path, struct text_job *job,
                                   void (*put)(FILE *out, struct text_job *job), ptrdiff_t *dropped,
                                   struct atm_err *err) {
    struct atm_outfile file = {0};
    enum atm_status status = atm_outfile_begin(&file, path, err);
    if (status == ATM_OK)
        status = write_file(&file, job, put, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&file, err);
    atm_outfile_discard(&file);
    *dropped += job->dropped;
    return status;
}

enum atm_status atm_table_write_thunderstorm(const char *path, const struct atm_table *table,
                                             const struct atm_table_choice *choice,
                                             ptrdiff_t *dropped, struct atm_err *err) {
    struct atm_outfile file = {0};
    struct text_job job = {table, choice, 0};
    enum atm_status status = atm_outfile_begin(&file, path, err);
    if (status == ATM_OK)
        status = write_file(&file, &job, put_thunderstorm, err);
    if (status == ATM_OK)
        status = write_protocol(path, table, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&file, err);
    atm_outfile_discard(&file);
    *dropped += job.dropped;
    return status;
}

enum atm_status atm_table_write_challenge(const char *path, const struct atm_table *table,
                                          const struct atm_table_choice *choice, ptrdiff_t *dropped,
                                          struct atm_err *err) {
    struct text_job job = {table, choice, 0};
    return write_alone(path, &job, put_challenge, dropped, err);
}

enum atm_status atm_table_write_plain(const char *path, const struct atm_table *table,
                                      const struct atm_table_choice *choice, ptrdiff_t *dropped,
                                      struct atm_err *err) {
    struct text_job job = {table, choice, 0};
    return write_alone(path, &job, put_plain, dropped, err);
}
