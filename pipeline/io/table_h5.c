/* HDF5 tables: whose it is, told by content. */
#include "table_formats.h"

#include "h5.h"

/* tidied: the reader has done it. */
static const struct {
    bool (*is)(const struct atm_h5 *file);
    enum atm_status (*read)(const struct atm_h5 *file, struct atm_table *table,
                            struct atm_err *err);
    bool tidied;
} formats[] = {
    {atm_table_is_picasso, atm_table_read_picasso, true},
    {atm_table_is_truth, atm_table_read_truth, true},
    {atm_table_is_decode, atm_table_read_decode, false},
    {atm_table_is_storm_analysis, atm_table_read_storm_analysis, false},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static enum atm_status read_any(const struct atm_h5 *file, struct atm_table *table,
                                struct atm_err *err) {
    for (int i = 0; i < FORMATS; i++) {
        if (!formats[i].is(file))
            continue;
        enum atm_status status = formats[i].read(file, table, err);
        if (!formats[i].tidied)
            atm_table_tidy(table, ~0u);
        return status;
    }
    return atm_err_set(err, ATM_FAIL,
                       "%s: holds no table: neither /locs (Picasso) nor /truth (stack), /data "
                       "(DECODE) or /fr_0 (storm-analysis)",
                       atm_h5_path(file));
}

enum atm_status atm_table_read_h5(const char *path, struct atm_table *table, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (status != ATM_OK)
        return status;
    /* the file's own comes first: documents of a side file may be those of an earlier step */
    status = atm_h5_read_text(file, "/", "provenance", &table->provenance, err);
    if (status == ATM_OK)
        status = atm_h5_read_text(file, "/", "notes", &table->notes, err);
    if (status == ATM_OK)
        status = read_any(file, table, err);
    enum atm_status closed = atm_h5_close(&file, status == ATM_OK ? err : NULL);
    return status == ATM_OK ? closed : status;
}

bool atm_table_is_foreign(const struct atm_h5 *file) {
    return atm_table_is_decode(file) || atm_table_is_storm_analysis(file);
}
