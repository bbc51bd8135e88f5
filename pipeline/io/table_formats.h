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

enum atm_status atm_table_write_picasso(const char *path, const struct atm_table *table,
                                        ptrdiff_t *dropped, struct atm_err *err);
enum atm_status atm_table_write_thunderstorm(const char *path, const struct atm_table *table,
                                             ptrdiff_t *dropped, struct atm_err *err);
enum atm_status atm_table_write_plain(const char *path, const struct atm_table *table,
                                      ptrdiff_t *dropped, struct atm_err *err);

/* Side files. "<path without extension><suffix>", owned by the caller; NULL when out of memory. */
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
