/* The formats behind atm_table_read and atm_table_write. Internal to the table_*.c files. */
#ifndef ATM_TABLE_FORMATS_H
#define ATM_TABLE_FORMATS_H

#include "table.h"
#include <stdbool.h>
#include <stdio.h>

/* A format's readers leave pixel_size_nm NAN where neither the file nor its side file says. */
enum atm_status atm_table_read_h5(const char *path, struct atm_table *table, struct atm_err *err);
enum atm_status atm_table_read_csv(const char *path, double default_pixel_size_nm,
                                   struct atm_table *table, struct atm_err *err);

/* Kinds of HDF5 files, told by what is in them; open files. */
struct atm_h5;
bool atm_table_is_picasso(const struct atm_h5 *file);
enum atm_status atm_table_read_picasso(const struct atm_h5 *file, struct atm_table *table,
                                       struct atm_err *err);
bool atm_table_is_truth(const struct atm_h5 *file);
enum atm_status atm_table_read_truth(const struct atm_h5 *file, struct atm_table *table,
                                     struct atm_err *err);
bool atm_table_is_decode(const struct atm_h5 *file);
enum atm_status atm_table_read_decode(const struct atm_h5 *file, struct atm_table *table,
                                      struct atm_err *err);
bool atm_table_is_storm_analysis(const struct atm_h5 *file);
enum atm_status atm_table_read_storm_analysis(const struct atm_h5 *file, struct atm_table *table,
                                              struct atm_err *err);
/* Fails when a file claims more rows than one of its size can hold. */
enum atm_status atm_table_check_rows(const char *path, const char *name, ptrdiff_t count,
                                     struct atm_err *err);

/* Names of what both of Picasso's halves, reading and writing, know. */
#define ATM_PICASSO_LOCS "/locs"
#define ATM_PICASSO_COLUMNS "atomloc_columns"
/* Rows that Picasso's readers would drop although we know them (centres at integers: the outer half
 * pixel is negative) are kept here, where only we look. */
#define ATM_PICASSO_OUTSIDE "/atomloc/outside"

/* Columns that atm_loc has, by Picasso's name where it has one and by that of plain CSV. */
struct atm_table_field {
    const char *name, *plain;
    size_t offset; /* of a double, or of an int64_t where whole */
    bool whole;
    int decimals; /* of a plain CSV */
};
extern const struct atm_table_field atm_table_fields[];
extern const int atm_table_field_count;
/* Index, or -1. */
int atm_table_find_field(const char *name);
int atm_table_find_extra(const struct atm_table *table, const char *name);

/* Columns that are wanted, in the user's order. */
enum { ATM_CHOSEN = 64 };
struct atm_table_choice {
    bool given; /* false: those that a format usually has */
    int count;
    char names[ATM_CHOSEN][ATM_EXTRA_NAME];
};
enum atm_status atm_table_choose(const char *text, const struct atm_table *table,
                                 struct atm_table_choice *choice, struct atm_err *err);
/* Where nothing is chosen, everything is wanted. */
bool atm_table_wants(const struct atm_table_choice *choice, const char *name);

/* A writer adds the rows that its format cannot hold to *dropped. Formats with a fixed layout do
 * not look at the choice. */
typedef enum atm_status atm_table_writer(const char *path, const struct atm_table *table,
                                         const struct atm_table_choice *choice, ptrdiff_t *dropped,
                                         struct atm_err *err);
atm_table_writer atm_table_write_picasso, atm_table_write_decode, atm_table_write_thunderstorm,
    atm_table_write_challenge, atm_table_write_plain;
/* True for a row that every format can place. */
bool atm_table_has_place(const struct atm_loc *row);

/* Side files. "<path without extension><suffix>", owned by the caller; NULL when out of memory. */
#define ATM_PICASSO_SIDE ".yaml"
#define ATM_THUNDERSTORM_SIDE "-protocol.txt"
char *atm_table_side_path(const char *path, const char *suffix);
/* Size, pixel size and provenance from a YAML or JSON side file into what table does not know yet.
 * No such file is fine. */
enum atm_status atm_table_side_read(const char *path, struct atm_table *table, struct atm_err *err);
/* Text for Picasso (YAML, two documents) and ThunderSTORM (JSON), owned by the caller. NULL when
 * out of memory. */
char *atm_table_side_yaml(const struct atm_table *table, ptrdiff_t outside);
char *atm_table_side_json(const struct atm_table *table);

/* Take unusable rows out (non-finite position), count them in skipped, and set the column bits that
 * have a value anywhere among `candidates`. */
void atm_table_tidy(struct atm_table *table, unsigned candidates);

/* Frames, height and width at least as large as the rows need, where the table does not know. */
void atm_table_extent(const struct atm_table *table, ptrdiff_t *frames, ptrdiff_t *height,
                      ptrdiff_t *width);

#endif
