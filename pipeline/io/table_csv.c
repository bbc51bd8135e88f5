/* Reading text tables: ThunderSTORM, SMLM Challenge (truth and submission) and plain pixels.
 *
 * | what                     | columns                    | frames from | x, y | | plain |
 * frame,x_px,y_px,...        | 0           | px, pixel centres integers  | | ThunderSTORM |
 * "frame","x [nm]",...       | 1           | origin at the outer corner  | | challenge truth |
 * Ground-truth,frame,xnano,. | 1           | nm, origin at outer corner  | | challenge submission
 * | no header: frame,x,y,z,I   | 1           | nm, origin at outer corner  |
 *
 * A unit stands behind the name, in [] or (). Whatever is not plain counts like ThunderSTORM. */
#include "table_formats.h"

#include "csv_line.h"
#include "mem.h"
#include "textfile.h"
#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum role {
    FRAME,
    X,
    Y,
    PHOTONS,
    BACKGROUND,
    SIGMA_X,
    SIGMA_Y,
    X_UNC,
    Y_UNC,
    CHI2,
    ID,
    ROLES,
    NO_ROLE
};
enum unit { NO_UNIT, PLAIN_PX, PX, NM, UM, PHOTON, OTHER_UNIT };

struct layout {
    int cell[ROLES]; /* -1: no such column */
    enum unit unit[ROLES];
    int least_cells; /* a row with fewer was cut off */
    bool plain;
    double pixel_size_nm;
    int own_count; /* of plain CSV: columns of ours that have no role */
    struct {
        int cell, field; /* field: of atm_table_fields */
    } own[ATM_CSV_CELLS];
};

/* Names as they are met, in lower case and without unit. */
static const struct {
    const char *name;
    enum role role, second; /* one column may fill both axes */
    enum unit unit;
} names[] = {
    {"frame", FRAME, NO_ROLE, NO_UNIT},
    {"x", X, NO_ROLE, NO_UNIT},
    {"y", Y, NO_ROLE, NO_UNIT},
    {"x_px", X, NO_ROLE, PLAIN_PX},
    {"y_px", Y, NO_ROLE, PLAIN_PX},
    {"x_nm", X, NO_ROLE, NM},
    {"y_nm", Y, NO_ROLE, NM},
    {"xnano", X, NO_ROLE, NM},
    {"ynano", Y, NO_ROLE, NM},
    {"xnm", X, NO_ROLE, NM},
    {"ynm", Y, NO_ROLE, NM},
    {"photons", PHOTONS, NO_ROLE, NO_UNIT},
    {"intensity", PHOTONS, NO_ROLE, NO_UNIT},
    {"background", BACKGROUND, NO_ROLE, NO_UNIT},
    {"bg", BACKGROUND, NO_ROLE, NO_UNIT},
    {"offset", BACKGROUND, NO_ROLE, NO_UNIT},
    {"sigma", SIGMA_X, SIGMA_Y, NO_UNIT},
    {"sigma_px", SIGMA_X, SIGMA_Y, PX},
    {"sx_px", SIGMA_X, NO_ROLE, PX},
    {"sy_px", SIGMA_Y, NO_ROLE, PX},
    {"lpx_px", X_UNC, NO_ROLE, PX},
    {"lpy_px", Y_UNC, NO_ROLE, PX},
    {"sigma1", SIGMA_X, NO_ROLE, NO_UNIT},
    {"sigma2", SIGMA_Y, NO_ROLE, NO_UNIT},
    {"uncertainty_xy", X_UNC, Y_UNC, NO_UNIT},
    {"uncertainty", X_UNC, Y_UNC, NO_UNIT},
    {"uncertainty_px", X_UNC, Y_UNC, PX},
    {"chi2", CHI2, NO_ROLE, NO_UNIT},
    {"emitter", ID, NO_ROLE, NO_UNIT},
};
enum { NAMES = sizeof names / sizeof *names };

static bool is_length(int role) {
    return role == X || role == Y || (role >= SIGMA_X && role <= Y_UNC);
}

/* Split "Name [unit]" in place; the name in lower case. */
static enum unit split_unit(char *name) {
    static const struct {
        const char *text;
        enum unit unit;
    } units[] = {{"nm", NM},    {"um", UM},     {"\xc2\xb5m", UM},  {"\xce\xbcm", UM},  {"px", PX},
                 {"pixel", PX}, {"pixels", PX}, {"photon", PHOTON}, {"photons", PHOTON}};
    enum unit unit = NO_UNIT;
    char *open = strpbrk(name, "[(");
    if (open) {
        char *text = open + 1, *close = strpbrk(text, "])");
        if (close)
            *close = '\0';
        unit = OTHER_UNIT;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcasecmp(text, units[i].text) == 0)
                unit = units[i].unit;
        *open = '\0';
    }
    size_t length = strlen(name);
    while (length && name[length - 1] == ' ')
        name[--length] = '\0';
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return unit;
}

static void assign(struct layout *layout, enum role role, int cell, enum unit unit) {
    if (role == NO_ROLE || layout->cell[role] >= 0)
        return; /* the first column of a kind counts */
    bool counts = role == PHOTONS || role == BACKGROUND;
    if (counts && unit != NO_UNIT && unit != PHOTON)
        return; /* camera counts are not photons */
    layout->cell[role] = cell;
    layout->unit[role] = unit;
    if (cell >= layout->least_cells)
        layout->least_cells = cell + 1;
}

static enum atm_status check_lengths(const struct atm_csv *csv, struct layout *layout,
                                     struct atm_err *err) {
    const enum unit x = layout->unit[X], y = layout->unit[Y];
    if (x == NO_UNIT || y == NO_UNIT)
        return atm_err_set(err, ATM_FAIL,
                           "%s:%d: columns x, y without a unit; call them x_px, y_px (frames from "
                           "0, pixel centres at integers) or x [nm], y [nm]",
                           csv->path, csv->line);
    if (x != y || x == OTHER_UNIT || x == PHOTON)
        return atm_err_set(err, ATM_FAIL,
                           "%s:%d: columns x and y need one known unit: px, nm or um", csv->path,
                           csv->line);
    layout->plain = x == PLAIN_PX;
    for (int role = 0; role < ROLES; role++)
        if (is_length(role) && layout->unit[role] == NO_UNIT)
            layout->unit[role] = x;
    return ATM_OK;
}

/* What only a table of ours has. */
static void assign_own(struct layout *layout, const char *name, int cell) {
    static const char *const own[] = {
        "photons_unc", "bg_unc",     "sx_unc_px",         "sy_unc_px",   "llr",  "deviance",
        "blocks",      "iterations", "deviance_expected", "deviance_sd", "flags"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        for (int field = 0; strcmp(name, own[i]) == 0 && field < atm_table_field_count; field++)
            if (strcmp(name, atm_table_fields[field].plain) == 0) {
                layout->own[layout->own_count].cell = cell;
                layout->own[layout->own_count++].field = field;
            }
}

static enum atm_status read_header(struct atm_csv *csv, struct layout *layout,
                                   struct atm_err *err) {
    static const char *const needed[] = {[FRAME] = "frame", [X] = "x", [Y] = "y"};
    char seen[200] = "";
    int id_cell = -1;
    for (int i = 0; i < csv->count; i++) {
        size_t used = strlen(seen);
        snprintf(seen + used, sizeof seen - used, "%s%s", i ? ", " : "", csv->cells[i]);
        enum unit unit = split_unit(csv->cells[i]);
        if (strcmp(csv->cells[i], "id") == 0)
            id_cell = i;
        assign_own(layout, csv->cells[i], i);
        for (int j = 0; j < NAMES; j++)
            if (strcmp(csv->cells[i], names[j].name) == 0) {
                unit = names[j].unit ? names[j].unit : unit;
                assign(layout, names[j].role, i, unit);
                assign(layout, names[j].second, i, unit);
            }
    }
    for (int role = FRAME; role <= Y; role++)
        if (layout->cell[role] < 0)
            return atm_err_set(err, ATM_FAIL, "%s:%d: no column '%s' in the header: %s", csv->path,
                               csv->line, needed[role], seen);
    enum atm_status status = check_lengths(csv, layout, err);
    if (status == ATM_OK && layout->plain) /* elsewhere id is the number of the row */
        assign(layout, ID, id_cell, NO_UNIT);
    else
        layout->own_count = 0;
    return status;
}

/* A first line of numbers is the challenge's submission format. */
static enum atm_status assume_challenge(const struct atm_csv *csv, struct layout *layout,
                                        struct atm_err *err) {
    enum { CELLS = 5 };
    if (csv->count != CELLS)
        return atm_err_set(err, ATM_FAIL,
                           "%s:%d: no header and %d columns; without a header they must be "
                           "frame,x,y,z,photons in nm, separated by commas, semicolons or tabs",
                           csv->path, csv->line, csv->count);
    assign(layout, FRAME, 0, NO_UNIT);
    assign(layout, X, 1, NM);
    assign(layout, Y, 2, NM);
    assign(layout, PHOTONS, 4, NO_UNIT);
    return ATM_OK;
}

static enum atm_status get(const struct atm_csv *csv, const struct layout *layout, enum role role,
                           double *value, struct atm_err *err) {
    *value = NAN;
    if (layout->cell[role] < 0)
        return ATM_OK;
    const char *cell = csv->cells[layout->cell[role]];
    if (!atm_csv_number(cell, value))
        return atm_err_set(err, ATM_FAIL, "%s:%d: column %d: '%.40s' is not a number", csv->path,
                           csv->line, layout->cell[role] + 1, cell);
    const enum unit unit = layout->unit[role];
    if (is_length(role) && (unit == NM || unit == UM))
        *value *= (unit == UM ? 1000 : 1) / layout->pixel_size_nm;
    return ATM_OK;
}

/* Programs write frames as 12 or 12.0; the result counts from 0. -1: the row has none. */
static enum atm_status frame_of(const struct atm_csv *csv, const struct layout *layout,
                                double value, int64_t *frame, struct atm_err *err) {
    *frame = -1;
    if (!isfinite(value))
        return ATM_OK;
    double first = layout->plain ? 0 : 1;
    if (value < first || value > 4294967295.0 || value != floor(value))
        return atm_err_set(err, ATM_FAIL,
                           "%s:%d: frame %.10g; in this format frames are whole numbers from %g",
                           csv->path, csv->line, value, first);
    *frame = (int64_t)(value - first);
    return ATM_OK;
}

static enum atm_status get_own(const struct atm_csv *csv, const struct layout *layout, int index,
                               struct atm_loc *row, struct atm_err *err) {
    const struct atm_table_field *field = &atm_table_fields[layout->own[index].field];
    const int cell = layout->own[index].cell;
    double value = NAN;
    if (cell < csv->count && !atm_csv_number(csv->cells[cell], &value))
        return atm_err_set(err, ATM_FAIL, "%s:%d: column %d: '%.40s' is not a number", csv->path,
                           csv->line, cell + 1, csv->cells[cell]);
    int64_t whole = fabs(value) < 9e15 ? (int64_t)value : 0;
    if (field->whole)
        memcpy((char *)row + field->offset, &whole, sizeof whole);
    else
        memcpy((char *)row + field->offset, &value, sizeof value);
    return ATM_OK;
}

static enum atm_status read_row(const struct atm_csv *csv, const struct layout *layout,
                                struct atm_loc *row, struct atm_err *err) {
    double values[ROLES];
    enum atm_status status = ATM_OK;
    if (csv->count < layout->least_cells)
        return atm_err_set(err, ATM_FAIL,
                           "%s:%d: %d columns where at least %d are needed; was the file cut off?",
                           csv->path, csv->line, csv->count, layout->least_cells);
    for (int role = 0; role < ROLES && status == ATM_OK; role++)
        status = get(csv, layout, (enum role)role, &values[role], err);
    *row = atm_loc_empty();
    if (status == ATM_OK)
        status = frame_of(csv, layout, values[FRAME], &row->frame, err);
    const double corner =
        layout->plain ? 0 : 0.5; /* px from the first pixel's corner to its centre */
    row->x = values[X] - corner, row->y = values[Y] - corner;
    row->photons = values[PHOTONS], row->background = values[BACKGROUND];
    row->sx = values[SIGMA_X];
    row->sy = layout->cell[SIGMA_Y] < 0 ? values[SIGMA_X] : values[SIGMA_Y];
    row->x_unc = values[X_UNC], row->y_unc = values[Y_UNC];
    row->chi2 = values[CHI2];
    if (values[ID] >= 0 && values[ID] < 9e15)
        row->id = (int64_t)values[ID];
    for (int i = 0; i < layout->own_count && status == ATM_OK; i++)
        status = get_own(csv, layout, i, row, err);
    return status;
}

static enum atm_status find_pixel_size(const struct atm_csv *csv, const struct layout *layout,
                                       double given_nm, struct atm_table *table,
                                       struct atm_err *err) {
    char *side = atm_table_side_path(csv->path, ATM_THUNDERSTORM_SIDE);
    if (!side)
        return atm_err_memory(err, csv->path);
    /* a foreign protocol that cannot be read is no reason to refuse its table */
    if (atm_table_side_read(side, table, NULL) != ATM_OK)
        table->pixel_size_nm = NAN;
    atm_mem_free(side);
    if (isnan(table->pixel_size_nm))
        table->pixel_size_nm = given_nm;
    bool in_px = layout->unit[X] == PX || layout->unit[X] == PLAIN_PX;
    if (!in_px && !(table->pixel_size_nm > 0 && isfinite(table->pixel_size_nm)))
        return atm_err_set(err, ATM_FAIL,
                           "%s: positions are in nm and nothing says how large a pixel is; give "
                           "the pixel size (--set camera.pixel_size_nm=...)",
                           csv->path);
    return ATM_OK;
}

/* Not by strtod, which would take a column called "info" for infinity. */
static bool starts_with_number(const char *cell) {
    return cell[strspn(cell, "+-.")] && strspn(cell, "+-.0123456789") > strspn(cell, "+-.");
}

static enum atm_status read_rows(struct atm_csv *csv, double given_nm, struct atm_table *table,
                                 struct atm_err *err) {
    struct layout layout = {.least_cells = 0};
    bool more = false;
    memset(layout.cell, -1, sizeof layout.cell);
    enum atm_status status = atm_csv_next(csv, &more, err);
    if (status == ATM_OK && !more)
        status = atm_err_set(err, ATM_FAIL, "%s: the file has no lines", csv->path);
    if (status != ATM_OK)
        return status;
    bool header = !starts_with_number(csv->cells[0]);
    status = header ? read_header(csv, &layout, err) : assume_challenge(csv, &layout, err);
    if (status == ATM_OK)
        status = find_pixel_size(csv, &layout, given_nm, table, err);
    layout.pixel_size_nm = table->pixel_size_nm;
    if (status == ATM_OK && header)
        status = atm_csv_next(csv, &more, err);
    while (status == ATM_OK && more) {
        struct atm_loc row;
        status = read_row(csv, &layout, &row, err);
        if (status == ATM_OK)
            status = atm_table_append(table, &row, err);
        if (status == ATM_OK)
            status = atm_csv_next(csv, &more, err);
    }
    return status;
}

enum atm_status atm_table_read_csv(const char *path, double default_pixel_size_nm,
                                   struct atm_table *table, struct atm_err *err) {
    struct atm_csv *csv = atm_mem_alloc(1, sizeof *csv);
    if (!csv)
        return atm_err_memory(err, path);
    csv->path = path;
    enum atm_status status = atm_textfile_open(path, &csv->file, NULL, err);
    if (status == ATM_OK) {
        status = read_rows(csv, default_pixel_size_nm, table, err);
        fclose(csv->file);
    }
    atm_table_tidy(table, ~0u);
    atm_mem_free(csv);
    return status;
}
