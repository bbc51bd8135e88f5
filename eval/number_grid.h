/* Numbers in named rows and columns, printed for people and as JSON from the same place. */
#ifndef ATM_NUMBER_GRID_H
#define ATM_NUMBER_GRID_H

#include "err.h"
#include <stdio.h>

enum { ATM_GRID_ROWS = 64, ATM_GRID_COLUMNS = 16 };

struct atm_grid_name {
    const char *key; /* JSON; stable */
    char label[72];
};
struct atm_number_grid {
    const char *key, *title;
    int rows, columns;
    struct atm_grid_name row[ATM_GRID_ROWS], column[ATM_GRID_COLUMNS];
    double value[ATM_GRID_ROWS][ATM_GRID_COLUMNS]; /* NAN: does not exist */
};

/* Four significant digits; "-" for what does not exist. */
void atm_grid_print(const struct atm_number_grid *grid, FILE *out);
/* "key": {"column": {"row": value, ...}, ...}, null for what does not exist. */
void atm_grid_print_json(const struct atm_number_grid *grid, FILE *out);

#endif
