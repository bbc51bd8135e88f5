/* HDF5 tables: no crash, nothing left open. */
#include "fuzz.h"

#include "h5.h"
#include "mem.h"
#include "table_formats.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct atm_err err = {0};
    struct atm_table table;
    struct atm_fuzz_file file;
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    if (atm_table_read(file.path, 100, &table, &err) != ATM_OK && !err.text[0])
        abort();
    atm_table_free(&table);
    if (atm_h5_open_objects() != 0)
        abort();
    atm_fuzz_file_close(&file);
    return 0;
}

/* A table with rows outside Picasso's field, so that both data sets are there. */
static bool write_locs(const char *path, struct atm_table *table) {
    static const struct atm_table_choice usual = {.given = false};
    ptrdiff_t dropped = 0;
    bool good = atm_table_write_picasso(path, table, &usual, &dropped, NULL) == ATM_OK;
    char *side = atm_table_side_path(path, ".yaml");
    if (side)
        unlink(side);
    atm_mem_free(side);
    return good;
}

static bool write_truth(const char *path, const struct atm_table *table) {
    static const struct atm_h5_field fields[] = {
        {"frame", ATM_H5_I64, ATM_H5_I64, offsetof(struct atm_loc, frame)},
        {"x", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, x)},
        {"y", ATM_H5_F64, ATM_H5_F64, offsetof(struct atm_loc, y)},
        {"id", ATM_H5_I64, ATM_H5_I64, offsetof(struct atm_loc, id)},
    };
    const ptrdiff_t dims[] = {2, 3, 4};
    const uint16_t frames[2 * 3 * 4] = {0};
    struct atm_h5 *file = NULL;
    if (atm_h5_create(path, &file, NULL) != ATM_OK)
        return false;
    bool good = atm_h5_write(file, "/frames", ATM_H5_U16, 3, dims, frames, NULL) == ATM_OK &&
                atm_h5_write_number(file, "/frames", "pixel_size_nm", 98.5, NULL) == ATM_OK &&
                atm_h5_write_table(file, "/truth", fields, 4, table->rows, sizeof *table->rows,
                                   table->count, NULL) == ATM_OK;
    return (atm_h5_close(&file, NULL) == ATM_OK) && good;
}

/* DECODE's layout. */
static bool write_decode(const char *path) {
    static const double xyz[6] = {1.5, 2.5, 0, 3.5, 4.25, 0}, frames[2] = {0, 3};
    const ptrdiff_t two[] = {2, 3};
    struct atm_h5 *file = NULL;
    if (atm_h5_create(path, &file, NULL) != ATM_OK)
        return false;
    bool good = atm_h5_write(file, "/data/xyz", ATM_H5_F64, 2, two, xyz, NULL) == ATM_OK &&
                atm_h5_write(file, "/data/frame_ix", ATM_H5_F64, 1, two, frames, NULL) == ATM_OK &&
                atm_h5_write(file, "/meta/nothing", ATM_H5_F64, 1, two, frames, NULL) == ATM_OK &&
                atm_h5_write_text(file, "/meta", "xy_unit", "px", NULL) == ATM_OK &&
                atm_h5_write_number(file, "/meta", "px_size", 100, NULL) == ATM_OK;
    return (atm_h5_close(&file, NULL) == ATM_OK) && good;
}

/* storm-analysis' layout. */
static bool write_storm(const char *path) {
    static const double x[2] = {1.5, 2.5};
    const ptrdiff_t two[] = {2};
    struct atm_h5 *file = NULL;
    if (atm_h5_create(path, &file, NULL) != ATM_OK)
        return false;
    bool good = atm_h5_write(file, "/fr_0/x", ATM_H5_F64, 1, two, x, NULL) == ATM_OK &&
                atm_h5_write(file, "/fr_0/y", ATM_H5_F64, 1, two, x, NULL) == ATM_OK &&
                atm_h5_write(file, "/fr_12/x", ATM_H5_F64, 1, two, x, NULL) == ATM_OK &&
                atm_h5_write_text(file, "/", "sa_type", "fuzz", NULL) == ATM_OK &&
                atm_h5_write_number(file, "/", "movie_x", 32, NULL) == ATM_OK;
    return (atm_h5_close(&file, NULL) == ATM_OK) && good;
}

bool atm_fuzz_seed(int index, const char *path) {
    struct atm_table table;
    bool good = index >= 0 && index < 2;
    if (index == 2 || index == 3)
        return index == 2 ? write_decode(path) : write_storm(path);
    atm_table_init(&table);
    for (int i = 0; good && i < 40; i++) {
        struct atm_loc row = atm_loc_empty();
        row.frame = i / 4, row.id = i, row.x = i * 0.75 - 0.25, row.y = 7, row.photons = 500.5 + i;
        good = atm_table_append(&table, &row, NULL) == ATM_OK;
    }
    table.columns = ATM_COLUMN_PHOTONS | ATM_COLUMN_ID | ATM_COLUMN_QUALITY;
    good = good && (index ? write_truth(path, &table) : write_locs(path, &table));
    atm_table_free(&table);
    return good;
}
