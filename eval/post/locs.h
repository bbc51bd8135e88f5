/* Localizations as columns: what the steps behind localization work on. Names and units are
 * Picasso's: frame, x, y, photons, sx, sy, bg, lpx, lpy, ... in camera pixels and photons; columns
 * of other programs keep theirs. Only columns that hold something are there, 8 bytes a row each: 10
 * million rows of a table of ours (19 columns at most) are 1.5 GB. */
#ifndef ATM_LOCS_H
#define ATM_LOCS_H

#include "table.h"

struct atm_locs_column {
    char name[ATM_EXTRA_NAME];
    double *values; /* owned */
};

enum { ATM_LOCS_COLUMNS = 96 };

struct atm_locs {
    ptrdiff_t count;
    struct atm_locs_column columns[ATM_LOCS_COLUMNS];
    int column_count;
    double *frame, *x, *y; /* borrowed from the columns; always there */
    struct atm_table head; /* owned; what is known of the movie, provenance, side file; no rows */
};

/* *table is used up. Its rows must be sorted by frame, and stay so in all that works on locs. */
enum atm_status atm_locs_init(struct atm_locs *locs, struct atm_table *table, struct atm_err *err);
/* The way back; *locs is used up, also on failure, where *table is empty. */
enum atm_status atm_locs_finish(struct atm_locs *locs, struct atm_table *table,
                                struct atm_err *err);
void atm_locs_free(struct atm_locs *locs);

/* NULL: no such column. */
double *atm_locs_find(const struct atm_locs *locs, const char *name);
/* The column of that name, added with zeros where it is missing. */
enum atm_status atm_locs_add(struct atm_locs *locs, const char *name, double **values,
                             struct atm_err *err);
/* Keep the rows with keep[i] != 0, in their order. */
void atm_locs_keep(struct atm_locs *locs, const unsigned char *keep);

/* Frames as the table states them, or as far as the rows go. Fails above what an array of one
 * number per frame should hold. */
enum atm_status atm_locs_frames(const struct atm_locs *locs, ptrdiff_t *frames,
                                struct atm_err *err);
/* The first row of every frame and, behind the last, the count: (frames + 1), owned by the caller.
 */
enum atm_status atm_locs_index(const struct atm_locs *locs, ptrdiff_t frames, ptrdiff_t **first,
                               struct atm_err *err);
/* nm per camera pixel; ATM_USAGE where nothing says it. */
enum atm_status atm_locs_pixel(const struct atm_locs *locs, double *pixel_nm, struct atm_err *err);
/* Median of a column's finite values (lpx and lpy together for ATM_LOCS_PRECISION), NAN for none.
 */
#define ATM_LOCS_PRECISION "lpx, lpy"
enum atm_status atm_locs_median(const struct atm_locs *locs, const char *name, double *median,
                                struct atm_err *err);
/* Median of lpx and lpy, px; ATM_USAGE where the table has none, which says what to give instead.
 */
enum atm_status atm_locs_precision(const struct atm_locs *locs, const char *instead,
                                   double *precision, struct atm_err *err);

#endif
