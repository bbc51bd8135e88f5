/* Lines and cells of delimited text, as tolerant as files in the wild demand. Internal to the
 * table_*.c files. */
#ifndef ATM_CSV_LINE_H
#define ATM_CSV_LINE_H

#include "err.h"
#include <stdbool.h>
#include <stdio.h>

enum { ATM_CSV_LINE_BYTES = 1 << 16, ATM_CSV_CELLS = 256 };

struct atm_csv {
    const char *path;           /* borrowed, for messages */
    FILE *file;                 /* borrowed */
    int line;                   /* number of the line in text, from 1 */
    char separator;             /* 0 until the first line has been split */
    int count;                  /* cells of that line */
    char *cells[ATM_CSV_CELLS]; /* point into text: trimmed, without quotes */
    char text[ATM_CSV_LINE_BYTES];
};

/* Read and split the next line that is neither blank nor a '#' comment. Line ends may be LF, CRLF
 * or CR, the last may be missing; the separator (comma, semicolon or tab) is told from the first
 * line. *more is false at the end. Zero bytes, too long lines and too many cells are errors. */
enum atm_status atm_csv_next(struct atm_csv *csv, bool *more, struct atm_err *err);

/* A cell as number; empty cells and what programs print for undefined values are NAN. */
bool atm_csv_number(const char *cell, double *value);

#endif
