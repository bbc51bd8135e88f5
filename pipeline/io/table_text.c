/* Writing text tables: ThunderSTORM with its protocol, and plain pixels. */
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

static bool has_place(const struct atm_loc *row) {
    return row->frame >= 0 && isfinite(row->x) && isfinite(row->y);
}

static bool has_chi2(const struct atm_table *table) {
    for (ptrdiff_t i = 0; i < table->count; i++)
        if (isfinite(table->rows[i].chi2))
            return true;
    return false;
}

/* How many localizations a row was merged from: Picasso's n. NULL: they are single ones. */
static const double *find_detections(const struct atm_table *table) {
    for (int i = 0; i < table->extra_count; i++)
        if (strcmp(table->extras[i].name, "n") == 0)
            return table->extras[i].values;
    return NULL;
}

/* Standard deviation per axis over both axes, as one number. */
static double both_axes(double a, double b) { return sqrt((a * a + b * b) / 2); }

static void put_thunderstorm_header(FILE *out, unsigned columns, bool chi2, bool detections) {
    fputs("\"id\",\"frame\",\"x [nm]\",\"y [nm]\"", out);
    fputs(columns & ATM_COLUMN_SIGMA ? ",\"sigma [nm]\"" : "", out);
    fputs(columns & ATM_COLUMN_PHOTONS ? ",\"intensity [photon]\"" : "", out);
    fputs(columns & ATM_COLUMN_BACKGROUND ? ",\"offset [photon]\",\"bkgstd [photon]\"" : "", out);
    fputs(chi2 ? ",\"chi2\"" : "", out);
    fputs(columns & ATM_COLUMN_UNCERTAINTY ? ",\"uncertainty_xy [nm]\"" : "", out);
    fputs(detections ? ",\"detections\"\n" : "\n", out);
}

static void put_thunderstorm(FILE *out, const struct atm_table *table, ptrdiff_t *dropped) {
    enum { DECIMALS = 5 };
    const unsigned columns = table->columns;
    const double pixel = table->pixel_size_nm;
    const bool chi2 = has_chi2(table);
    const double *detections = find_detections(table);
    put_thunderstorm_header(out, columns, chi2, detections != NULL);
    ptrdiff_t id = 0;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        if (!has_place(row)) {
            (*dropped)++;
            continue;
        }
        const struct {
            bool there;
            double value;
        } cells[] = {
            {true, (row->x + 0.5) * pixel}, /* origin at the outer corner */
            {true, (row->y + 0.5) * pixel},
            {columns & ATM_COLUMN_SIGMA, both_axes(row->sx, row->sy) * pixel},
            {columns & ATM_COLUMN_PHOTONS, row->photons},
            {columns & ATM_COLUMN_BACKGROUND, row->background},
            {columns & ATM_COLUMN_BACKGROUND, sqrt(fmax(row->background, 0))}, /* shot noise */
            {chi2, row->chi2},
            {columns & ATM_COLUMN_UNCERTAINTY, both_axes(row->x_unc, row->y_unc) * pixel},
        };
        fprintf(out, "%td,%lld", ++id, (long long)row->frame + 1);
        for (size_t j = 0; j < sizeof cells / sizeof *cells; j++)
            if (cells[j].there) {
                fputc(',', out);
                put_number(out, cells[j].value, DECIMALS);
            }
        if (detections)
            fprintf(out, ",%.0f", detections[i]);
        fputc('\n', out);
    }
}

static void put_plain(FILE *out, const struct atm_table *table, ptrdiff_t *dropped) {
    fputs("frame,x_px,y_px,photons\n", out);
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        if (!has_place(row)) {
            (*dropped)++;
            continue;
        }
        fprintf(out, "%lld,%.6f,%.6f,", (long long)row->frame, row->x, row->y);
        if (isfinite(row->photons))
            fprintf(out, "%.3f\n", row->photons);
        else
            fputs("nan\n", out);
    }
}

static enum atm_status write_file(const struct atm_outfile *file, const struct atm_table *table,
                                  void (*put)(FILE *out, const struct atm_table *table,
                                              ptrdiff_t *dropped),
                                  ptrdiff_t *dropped, struct atm_err *err) {
    FILE *out = fopen(file->temporary, "wbe");
    if (!out)
        return atm_err_errno(err, file->path, "write");
    put(out, table, dropped);
    bool failed = fflush(out) != 0 || ferror(out);
    if ((fclose(out) != 0) || failed)
        return atm_err_errno(err, file->path, "write");
    return ATM_OK;
}

static enum atm_status write_protocol(const char *path, const struct atm_table *table,
                                      struct atm_err *err) {
    char *side = atm_table_side_path(path, "-protocol.txt"), *text = atm_table_side_json(table);
    enum atm_status status =
        side && text ? atm_outfile_write_text(side, text, err) : atm_err_memory(err, path);
    atm_mem_free(side);
    atm_mem_free(text);
    return status;
}

enum atm_status atm_table_write_thunderstorm(const char *path, const struct atm_table *table,
                                             ptrdiff_t *dropped, struct atm_err *err) {
    struct atm_outfile file = {0};
    if (!(table->pixel_size_nm > 0 && isfinite(table->pixel_size_nm)))
        return atm_err_set(err, ATM_FAIL,
                           "%s: ThunderSTORM's positions are in nm and the pixel size is unknown; "
                           "give it (--set camera.pixel_size_nm=...) or write .px.csv",
                           path);
    enum atm_status status = atm_outfile_begin(&file, path, err);
    if (status == ATM_OK)
        status = write_file(&file, table, put_thunderstorm, dropped, err);
    if (status == ATM_OK)
        status = write_protocol(path, table, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&file, err);
    atm_outfile_discard(&file);
    return status;
}

enum atm_status atm_table_write_plain(const char *path, const struct atm_table *table,
                                      ptrdiff_t *dropped, struct atm_err *err) {
    struct atm_outfile file = {0};
    enum atm_status status = atm_outfile_begin(&file, path, err);
    if (status == ATM_OK)
        status = write_file(&file, table, put_plain, dropped, err);
    if (status == ATM_OK)
        status = atm_outfile_commit(&file, err);
    atm_outfile_discard(&file);
    return status;
}
