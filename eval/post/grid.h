/* Points in square cells, by counting sort: within a cell they stand in the order of their rows, so
 * in rows sorted by frame a stretch of time is a stretch of each cell. */
#ifndef ATM_GRID_H
#define ATM_GRID_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

struct atm_grid {
    double x0, y0, cell; /* px */
    ptrdiff_t across, down;
    ptrdiff_t *start; /* owned (across * down + 1) */
    uint32_t *row;    /* owned (count), by cell */
    double *x, *y;    /* owned (count), copies in the order of row */
    ptrdiff_t count;
};

/* x, y: (count), finite. cell is at least the one asked for: sparse points get larger cells, so
 * that memory follows their number (20 bytes a point, and at most as much for the cells). */
enum atm_status atm_grid_init(struct atm_grid *grid, const double *x, const double *y,
                              ptrdiff_t count, double cell, struct atm_err *err);
void atm_grid_free(struct atm_grid *grid);

/* Cells that may hold points within `reach` px of x, y: rows of cells cy0..cy1 with columns
 * cx0..cx1; a row's points are one stretch, start[cy * across + cx0] .. start[cy * across + cx1 +
 * 1]. */
struct atm_grid_window {
    ptrdiff_t cx0, cx1, cy0, cy1;
};
struct atm_grid_window atm_grid_around(const struct atm_grid *grid, double x, double y,
                                       double reach);

/* The first point of a cell whose row is at least `row`. */
ptrdiff_t atm_grid_first(const struct atm_grid *grid, ptrdiff_t cell, ptrdiff_t row);

#endif
