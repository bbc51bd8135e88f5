#include "table.h"

#include "mem.h"
#include "table_formats.h"
#include "textfile.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct atm_loc atm_loc_empty(void) {
    return (struct atm_loc){.x = NAN,
                            .y = NAN,
                            .photons = NAN,
                            .background = NAN,
                            .sx = NAN,
                            .sy = NAN,
                            .x_unc = NAN,
                            .y_unc = NAN,
                            .photons_unc = NAN,
                            .background_unc = NAN,
                            .sx_unc = NAN,
                            .sy_unc = NAN,
                            .llr = NAN,
                            .chi2 = NAN,
                            .deviance = NAN,
                            .deviance_expected = NAN,
                            .deviance_sd = NAN,
                            .id = -1};
}

void atm_table_init(struct atm_table *table) { *table = (struct atm_table){.pixel_size_nm = NAN}; }

enum atm_status atm_table_append(struct atm_table *table, const struct atm_loc *row,
                                 struct atm_err *err) {
    if (table->count == table->capacity) {
        struct atm_loc copy = *row; /* row may lie in the block that is about to move */
        ptrdiff_t capacity = table->capacity ? 2 * table->capacity : 256;
        struct atm_loc *rows =
            atm_mem_grow(table->rows, (size_t)table->count, (size_t)capacity, sizeof *rows);
        if (!rows)
            return atm_err_memory(err, "the table of localizations");
        table->rows = rows;
        table->capacity = capacity;
        table->rows[table->count++] = copy;
        return ATM_OK;
    }
    table->rows[table->count++] = *row;
    return ATM_OK;
}

enum atm_status atm_table_add_extra(struct atm_table *table, const char *name, double **values,
                                    struct atm_err *err) {
    if (!table->extras)
        table->extras = atm_mem_alloc(ATM_EXTRAS, sizeof *table->extras);
    if (table->extra_count == ATM_EXTRAS)
        return atm_err_set(err, ATM_FAIL, "a table has at most %d columns of its own", ATM_EXTRAS);
    *values = atm_mem_alloc((size_t)table->count, sizeof **values);
    if (!table->extras || !*values) {
        atm_mem_free(*values);
        return atm_err_memory(err, "a column of the table");
    }
    struct atm_extra *extra = &table->extras[table->extra_count++];
    snprintf(extra->name, sizeof extra->name, "%s", name);
    extra->values = *values;
    return ATM_OK;
}

static void free_extras(struct atm_table *table) {
    for (int i = 0; i < table->extra_count; i++)
        atm_mem_free(table->extras[i].values);
    atm_mem_free(table->extras);
    table->extras = NULL;
    table->extra_count = 0;
}

void atm_table_free(struct atm_table *table) {
    free_extras(table);
    atm_mem_free(table->rows);
    atm_mem_free(table->provenance);
    atm_mem_free(table->notes);
    atm_mem_free(table->side);
    atm_table_init(table);
}

enum atm_status atm_table_note(struct atm_table *table, struct atm_err *err, const char *key,
                               const char *format, ...) {
    char line[ATM_NOTE_SIZE];
    va_list arguments;
    size_t used = (size_t)snprintf(line, sizeof line, "%.64s: ", key);
    va_start(arguments, format);
    vsnprintf(line + used, sizeof line - used, format, arguments);
    va_end(arguments);
    const size_t length = strlen(line), before = table->notes ? strlen(table->notes) : 0;
    char *notes = atm_mem_grow(table->notes, before, before + length + 2, 1);
    if (!notes)
        return atm_err_memory(err, "the notes of a table");
    memcpy(notes + before, line, length);
    notes[before + length] = '\n';
    table->notes = notes;
    return ATM_OK;
}

bool atm_table_next_note(const char **notes, char key[ATM_NOTE_SIZE], char value[ATM_NOTE_SIZE]) {
    const char *at = *notes, *colon = strchr(at, ':');
    const size_t length = strcspn(at, "\n");
    if (!length || !colon || colon >= at + length)
        return false;
    const char *text = colon + 1 + (colon[1] == ' ');
    snprintf(key, ATM_NOTE_SIZE, "%.*s", (int)(colon - at), at);
    snprintf(value, ATM_NOTE_SIZE, "%.*s", (int)(at + length - text), text);
    *notes = at + length + (at[length] == '\n');
    return true;
}

/* NAN sorts last, so that the order is total. */
static int compare_double(double a, double b) {
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int compare_rows(const struct atm_loc *a, const struct atm_loc *b) {
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    int by_y = compare_double(a->y, b->y);
    return by_y ? by_y : compare_double(a->x, b->x);
}

static int compare_pointers(const void *a, const void *b) {
    const struct atm_loc *p = *(const struct atm_loc *const *)a;
    const struct atm_loc *q = *(const struct atm_loc *const *)b;
    int order = compare_rows(p, q);
    return order ? order : (p > q) - (p < q); /* one array: addresses are the input order */
}

static int compare_plain(const void *a, const void *b) {
    int order = compare_rows(a, b);
    return order ? order : memcmp(a, b, sizeof(struct atm_loc));
}

static void move_extras(struct atm_table *table, ptrdiff_t to, ptrdiff_t from) {
    for (int i = 0; i < table->extra_count; i++)
        table->extras[i].values[to] = table->extras[i].values[from];
}

/* rows[i] = what order[i] points to, cycle by cycle; order is used up. */
static void permute(struct atm_table *table, const struct atm_loc **order) {
    struct atm_loc *rows = table->rows;
    double first_extras[ATM_EXTRAS];
    for (ptrdiff_t start = 0; start < table->count; start++) {
        if (!order[start])
            continue;
        struct atm_loc first = rows[start];
        for (int i = 0; i < table->extra_count; i++)
            first_extras[i] = table->extras[i].values[start];
        ptrdiff_t to = start;
        for (;;) {
            ptrdiff_t from = order[to] - rows;
            order[to] = NULL;
            if (from == start)
                break;
            rows[to] = rows[from];
            move_extras(table, to, from);
            to = from;
        }
        rows[to] = first;
        for (int i = 0; i < table->extra_count; i++)
            table->extras[i].values[to] = first_extras[i];
    }
}

double atm_table_median(const struct atm_table *table, size_t member) {
    double *values = atm_mem_alloc((size_t)table->count + 1, sizeof *values);
    size_t count = 0;
    for (ptrdiff_t i = 0; values && i < table->count; i++) {
        memcpy(&values[count], (const char *)&table->rows[i] + member, sizeof *values);
        count += isfinite(values[count]) ? 1 : 0;
    }
    double median = count ? gsl_stats_median(values, 1, count) : NAN;
    atm_mem_free(values);
    return median;
}

void atm_table_sort(struct atm_table *table) {
    struct atm_loc *rows = table->rows;
    ptrdiff_t count = table->count, sorted = 1;
    while (sorted < count && compare_rows(&rows[sorted - 1], &rows[sorted]) <= 0)
        sorted++;
    if (sorted >= count)
        return;
    const struct atm_loc **order = atm_mem_alloc((size_t)count, sizeof *order);
    if (!order) {           /* still one well-defined order, though ties no longer keep theirs */
        free_extras(table); /* they would belong to other rows */
        qsort(rows, (size_t)count, sizeof *rows, compare_plain);
        return;
    }
    for (ptrdiff_t i = 0; i < count; i++)
        order[i] = &rows[i];
    qsort(order, (size_t)count, sizeof *order, compare_pointers);
    permute(table, order);
    atm_mem_free(order);
}

static unsigned columns_of(const struct atm_loc *row) {
    unsigned found = 0;
    found |= isfinite(row->photons) ? ATM_COLUMN_PHOTONS : 0;
    found |= isfinite(row->background) ? ATM_COLUMN_BACKGROUND : 0;
    found |= isfinite(row->sx) && isfinite(row->sy) ? ATM_COLUMN_SIGMA : 0;
    found |= isfinite(row->x_unc) && isfinite(row->y_unc) ? ATM_COLUMN_UNCERTAINTY : 0;
    found |= row->id >= 0 ? ATM_COLUMN_ID : 0;
    found |= isfinite(row->llr) || isfinite(row->chi2) ? ATM_COLUMN_QUALITY : 0;
    return found;
}

void atm_table_tidy(struct atm_table *table, unsigned candidates) {
    ptrdiff_t kept = 0;
    unsigned found = 0;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        if (row->frame < 0 || !isfinite(row->x) || !isfinite(row->y))
            continue;
        found |= columns_of(row);
        move_extras(table, kept, i);
        table->rows[kept++] = *row;
    }
    table->skipped += table->count - kept;
    table->count = kept;
    table->columns = (found | (kept == 0 ? candidates : 0)) & candidates;
}

/* Pixels that a coordinate needs: pixel i covers i - 0.5 to i + 0.5. */
static ptrdiff_t pixels_for(double coordinate) {
    enum { MOST = 1 << 30 };
    if (!(coordinate > -0.5))
        return 0;
    return coordinate < MOST ? (ptrdiff_t)floor(coordinate + 0.5) + 1 : MOST;
}

void atm_table_extent(const struct atm_table *table, ptrdiff_t *frames, ptrdiff_t *height,
                      ptrdiff_t *width) {
    *frames = table->frames, *height = table->height, *width = table->width;
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        ptrdiff_t tall = pixels_for(row->y), wide = pixels_for(row->x);
        if (!table->frames && row->frame >= *frames)
            *frames = (ptrdiff_t)row->frame + 1;
        if (!table->height && tall > *height)
            *height = tall;
        if (!table->width && wide > *width)
            *width = wide;
    }
}

bool atm_table_has_place(const struct atm_loc *row) {
    return row->frame >= 0 && isfinite(row->x) && isfinite(row->y);
}

/* Writers by name; the longer ending stands before the one that it contains. */
static const struct {
    const char *ending;
    atm_table_writer *write;
    bool in_nm;       /* positions, so that the pixel size must be known */
    const char *side; /* what its side file has instead of .ending; NULL: none */
} writers[] = {
    {".px.csv", atm_table_write_plain, false, NULL},
    {".challenge.csv", atm_table_write_challenge, true, NULL},
    {".csv", atm_table_write_thunderstorm, true, ATM_THUNDERSTORM_SIDE},
    {".decode.h5", atm_table_write_decode, false, NULL},
    {".hdf5", atm_table_write_picasso, false, ATM_PICASSO_SIDE},
    {".h5", atm_table_write_picasso, false, ATM_PICASSO_SIDE},
};
enum { WRITER_COUNT = sizeof writers / sizeof *writers };

/* Index into writers, or -1. */
static int find_writer(const char *path) {
    size_t length = strlen(path);
    for (int i = 0; i < WRITER_COUNT; i++) {
        size_t ending = strlen(writers[i].ending);
        if (length > ending && path[length - ending - 1] != '/' &&
            strcasecmp(path + length - ending, writers[i].ending) == 0)
            return i;
    }
    return -1;
}

size_t atm_table_stem(const char *path) {
    int writer = find_writer(path);
    return strlen(path) - (writer < 0 ? 0 : strlen(writers[writer].ending));
}

enum atm_status atm_table_check_name(const char *path, struct atm_err *err) {
    if (find_writer(path) >= 0)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: no table format has this ending; use .hdf5 (Picasso), .csv "
                       "(ThunderSTORM), .px.csv (pixels), .challenge.csv (SMLM Challenge) or "
                       ".decode.h5 (DECODE)",
                       path);
}

char *atm_table_side_name(const char *path) {
    const int writer = find_writer(path);
    return writer < 0 || !writers[writer].side ? NULL
                                               : atm_table_side_path(path, writers[writer].side);
}

enum atm_status atm_table_check_units(const char *path, double pixel_size_nm, struct atm_err *err) {
    int writer = find_writer(path);
    if (writer < 0 || !writers[writer].in_nm || (pixel_size_nm > 0 && isfinite(pixel_size_nm)))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: this format's positions are in nm and the pixel size is unknown; give "
                       "it (--set camera.pixel_size_nm=...) or write .px.csv",
                       path);
}

enum atm_status atm_table_write(const char *path, const struct atm_table *table, ptrdiff_t *dropped,
                                struct atm_err *err) {
    return atm_table_write_columns(path, table, NULL, dropped, err);
}

enum atm_status atm_table_write_columns(const char *path, const struct atm_table *table,
                                        const char *columns, ptrdiff_t *dropped,
                                        struct atm_err *err) {
    ptrdiff_t ignored;
    struct atm_table_choice choice;
    int writer = find_writer(path);
    if (writer < 0)
        return atm_table_check_name(path, err);
    dropped = dropped ? dropped : &ignored;
    *dropped = 0;
    enum atm_status status = atm_table_check_units(path, table->pixel_size_nm, err);
    if (status == ATM_OK)
        status = atm_table_choose(columns, table, &choice, err);
    return status ? status : writers[writer].write(path, table, &choice, dropped, err);
}

/* The signature stands at 0 or, behind a user block, at 512, 1024, 2048, ... */
static bool has_h5_signature(const char *head, size_t length) {
    static const char H5[] = "\x89HDF\r\n\x1a\n";
    for (size_t at = 0; at + 8 <= length; at = at ? 2 * at : 512)
        if (memcmp(head + at, H5, 8) == 0)
            return true;
    return false;
}

/* HDF5 or text, told by the first bytes. */
static enum atm_status look_inside(const char *path, bool *is_h5, struct atm_err *err) {
    char head[4096];
    FILE *file = NULL;
    enum atm_status status = atm_textfile_open(path, &file, NULL, err);
    if (status != ATM_OK)
        return status;
    size_t length = fread(head, 1, sizeof head, file);
    if (ferror(file))
        status = atm_err_errno(err, path, "read");
    fclose(file);
    if (status != ATM_OK)
        return status;
    *is_h5 = has_h5_signature(head, length);
    if (length == 0)
        return atm_err_set(err, ATM_FAIL, "%s: the file is empty", path);
    if (!*is_h5 && memchr(head, '\0', length))
        return atm_err_set(err, ATM_FAIL, "%s: not a table (neither HDF5 nor CSV text)", path);
    return ATM_OK;
}

enum atm_status atm_table_read(const char *path, double default_pixel_size_nm,
                               struct atm_table *table, struct atm_err *err) {
    bool is_h5 = false;
    atm_table_init(table);
    enum atm_status status = look_inside(path, &is_h5, err);
    if (status == ATM_OK && is_h5)
        status = atm_table_read_h5(path, table, err);
    else if (status == ATM_OK)
        status = atm_table_read_csv(path, default_pixel_size_nm, table, err);
    if (status != ATM_OK)
        atm_table_free(table);
    else if (isnan(table->pixel_size_nm))
        table->pixel_size_nm = default_pixel_size_nm;
    return status;
}
