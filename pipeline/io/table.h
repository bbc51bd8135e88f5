/* Tables of localizations or ground truth. Inside: x = column, y = row, pixels, pixel centres at
 * integers, frames from 0, photons. Every format converts at its own border. */
#ifndef ATM_TABLE_H
#define ATM_TABLE_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct atm_loc {
    int64_t frame;
    double x, y; /* px */
    double photons;
    double background;   /* photons per pixel */
    double sx, sy;       /* PSF sigma, px */
    double x_unc, y_unc; /* px, standard deviations */
    double photons_unc, background_unc;
    double sx_unc, sy_unc;
    double llr;  /* log-likelihood ratio of emitter against none, or log-likelihood */
    double chi2; /* goodness of fit: chi-square per degree of freedom */
    /* twice the log-likelihood ratio of a perfect model to the fit over the emitter's pixels; its
     * average and standard deviation where the model is right */
    double deviance, deviance_expected, deviance_sd;
    int64_t iterations;
    int64_t id;     /* emitter of a truth table; -1 unknown */
    int64_t flags;  /* enum atm_loc_flag */
    int64_t blocks; /* autoencoder blocks merged into this one */
};

enum atm_loc_flag {
    ATM_LOC_NOT_CONVERGED = 1,
    ATM_LOC_AT_BORDER = 2,
    ATM_LOC_OVERLAPPING = 4,
    ATM_LOC_FROM_RESIDUAL = 8,
    ATM_LOC_ON_MASKED = 16, /* a pixel near its centre was left out */
};

/* Columns that a table carries; the others are NAN (or -1, 0) in its rows. */
enum atm_table_column {
    ATM_COLUMN_PHOTONS = 1 << 0,
    ATM_COLUMN_BACKGROUND = 1 << 1,
    ATM_COLUMN_SIGMA = 1 << 2,
    ATM_COLUMN_UNCERTAINTY = 1 << 3,
    ATM_COLUMN_ID = 1 << 4,
    ATM_COLUMN_QUALITY = 1 << 5, /* llr, chi2, deviance..., iterations, flags, blocks */
};

/* A column that atm_loc does not know: another program's, or one that a later step computed. */
enum { ATM_EXTRA_NAME = 32, ATM_EXTRAS = 64 };
struct atm_extra {
    char name[ATM_EXTRA_NAME]; /* as in the file: letters, digits and _ */
    double *values;            /* owned, one per row */
};

struct atm_table {
    struct atm_loc *rows; /* owned */
    ptrdiff_t count, capacity;
    struct atm_extra *extras; /* owned; rows are not appended to a table that has some */
    int extra_count;
    unsigned columns;                /* set of enum atm_table_column */
    ptrdiff_t frames, height, width; /* of the movie; 0 unknown */
    double pixel_size_nm;            /* NAN unknown */
    char *provenance;                /* owned text or NULL */
    char *notes;                     /* owned or NULL: what was measured, lines of "Key: value" */
    char *side;                      /* owned YAML documents of Picasso's side file, as read and
                                        appended to; written as they are. NULL: made of the rest */
    ptrdiff_t skipped;               /* rows that reading left out: no finite frame or position */
};

/* A row with NAN, -1 and 0 in the right places. */
struct atm_loc atm_loc_empty(void);

void atm_table_init(struct atm_table *table);
enum atm_status atm_table_append(struct atm_table *table, const struct atm_loc *row,
                                 struct atm_err *err);
/* A new column of zeros, ATM_EXTRAS at most; *values is borrowed and has table->count elements. */
enum atm_status atm_table_add_extra(struct atm_table *table, const char *name, double **values,
                                    struct atm_err *err);
/* Append a document to the side file: what a processing step did, as pairs of key and value. */
struct atm_table_pair {
    const char *key, *value;
};
enum atm_status atm_table_add_document(struct atm_table *table, const struct atm_table_pair *pairs,
                                       int count, struct atm_err *err);
/* A line of notes: what was measured on the way to the table. Kept in the file (HDF5: attribute
 * "notes") and in the side files, one pair each. */
enum { ATM_NOTE_SIZE = 600 };
enum atm_status atm_table_note(struct atm_table *table, struct atm_err *err, const char *key,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The line at *notes as its two parts, and *notes to the next; false at the end. */
bool atm_table_next_note(const char **notes, char key[ATM_NOTE_SIZE], char value[ATM_NOTE_SIZE]);
/* Median of a real member of the rows, by its offset in struct atm_loc, over those that are finite.
 * NAN where none is (or memory is short). */
double atm_table_median(const struct atm_table *table, size_t member);
/* Stable order by frame, then y, then x. */
void atm_table_sort(struct atm_table *table);
void atm_table_free(struct atm_table *table);

/* Read by content: Picasso HDF5 (/locs, with or without its YAML), HDF5 stack (/truth), DECODE and
 * storm-analysis HDF5, ThunderSTORM CSV, challenge CSV, and plain CSV with x_px/y_px (frames from
 * 0) or x_nm... columns as FORMATS says: whatever is not x_px, y_px counts frames from 1 and places
 * from the first pixel's outer corner. default_pixel_size_nm is used where the file is in nm and
 * does not say (NAN: an error then). *table is initialised by this call, so free an old one first;
 * it is empty after a failure. */
enum atm_status atm_table_read(const char *path, double default_pixel_size_nm,
                               struct atm_table *table, struct atm_err *err);
/* True for an open HDF5 file that is a table of DECODE or storm-analysis. */
struct atm_h5;
bool atm_table_is_foreign(const struct atm_h5 *file);
/* Write by name: .hdf5/.h5 Picasso (+ .yaml), .csv ThunderSTORM (+ -protocol.txt), .px.csv plain
 * CSV in pixels (frame,x_px,y_px,photons, frames from 0), .challenge.csv submissions to the SMLM
 * Challenge, .decode.h5 DECODE. Rows that a reader would drop (NaN, negative) are counted in
 * *dropped (may be NULL), not written. Rows outside Picasso's field, which misses our outer half
 * pixel, go to a data set of their own (/atomloc/outside) that only we read. */
enum atm_status atm_table_write(const char *path, const struct atm_table *table, ptrdiff_t *dropped,
                                struct atm_err *err);
/* The same with these columns only, by Picasso's names ("frame, x, y, photons, chi2"), as far as
 * the format has them and can do without the others. Plain CSV has them in this order. NULL or
 * "auto": those that the format usually has. */
enum atm_status atm_table_write_columns(const char *path, const struct atm_table *table,
                                        const char *columns, ptrdiff_t *dropped,
                                        struct atm_err *err);
/* ATM_OK when those are columns that a table without extras may have; ATM_USAGE. */
enum atm_status atm_table_check_columns(const char *columns, struct atm_err *err);
/* Length of the name without its format's ending. */
size_t atm_table_stem(const char *path);
/* ATM_OK when atm_table_write knows the name: to be asked before hours of work. */
enum atm_status atm_table_check_name(const char *path, struct atm_err *err);
/* The file that is written beside a table of that name (Picasso's YAML, ThunderSTORM's protocol);
 * owned by the caller (atm_mem_free). NULL: none, or out of memory. */
char *atm_table_side_name(const char *path);
/* The same for the pixel size (NAN: unknown), which a format in nm cannot do without. */
enum atm_status atm_table_check_units(const char *path, double pixel_size_nm, struct atm_err *err);

#endif
