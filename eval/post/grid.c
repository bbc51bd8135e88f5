#include "grid.h"

#include "mem.h"
#include <math.h>

static void find_extent(const double *values, ptrdiff_t count, double *low, double *high) {
    *low = INFINITY, *high = -INFINITY;
    for (ptrdiff_t i = 0; i < count; i++) {
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
}

/* As many cells as points at most, more or less. */
static void plan_cells(struct atm_grid *grid, const double *x, const double *y) {
    double x1, y1, most = 1024 + 2.0 * (double)grid->count;
    find_extent(x, grid->count, &grid->x0, &x1);
    find_extent(y, grid->count, &grid->y0, &y1);
    double width = x1 - grid->x0, height = y1 - grid->y0;
    while ((width / grid->cell + 1) * (height / grid->cell + 1) > most)
        grid->cell *= 1.5;
    grid->across = (ptrdiff_t)(width / grid->cell) + 1;
    grid->down = (ptrdiff_t)(height / grid->cell) + 1;
}

static ptrdiff_t clamp(double position, ptrdiff_t cells) {
    if (!(position > 0))
        return 0;
    return position < (double)(cells - 1) ? (ptrdiff_t)position : cells - 1;
}

static ptrdiff_t cell_of(const struct atm_grid *grid, double x, double y) {
    return clamp((y - grid->y0) / grid->cell, grid->down) * grid->across +
           clamp((x - grid->x0) / grid->cell, grid->across);
}

static void fill(struct atm_grid *grid, const double *x, const double *y) {
    const ptrdiff_t cells = grid->across * grid->down;
    for (ptrdiff_t i = 0; i < grid->count; i++)
        grid->start[cell_of(grid, x[i], y[i])]++;
    ptrdiff_t before = 0;
    for (ptrdiff_t c = 0; c <= cells; c++) {
        ptrdiff_t here = grid->start[c];
        grid->start[c] = before;
        before += here;
    }
    for (ptrdiff_t i = 0; i < grid->count; i++) {
        ptrdiff_t at = grid->start[cell_of(grid, x[i], y[i])]++;
        grid->row[at] = (uint32_t)i;
        grid->x[at] = x[i], grid->y[at] = y[i];
    }
    for (ptrdiff_t c = cells; c > 0; c--) /* every start has moved to its end */
        grid->start[c] = grid->start[c - 1];
    grid->start[0] = 0;
}

enum atm_status atm_grid_init(struct atm_grid *grid, const double *x, const double *y,
                              ptrdiff_t count, double cell, struct atm_err *err) {
    *grid = (struct atm_grid){.cell = cell, .count = count};
    if (count > UINT32_MAX)
        return atm_err_set(err, ATM_FAIL, "%td localizations are too many for this step", count);
    if (count)
        plan_cells(grid, x, y);
    else
        grid->across = grid->down = 1;
    grid->start = atm_mem_alloc((size_t)(grid->across * grid->down) + 1, sizeof *grid->start);
    grid->row = atm_mem_alloc((size_t)count, sizeof *grid->row);
    grid->x = atm_mem_alloc((size_t)count, sizeof *grid->x);
    grid->y = atm_mem_alloc((size_t)count, sizeof *grid->y);
    if (!grid->start || !grid->row || !grid->x || !grid->y) {
        atm_grid_free(grid);
        return atm_err_memory(err, "the grid of localizations");
    }
    fill(grid, x, y);
    return ATM_OK;
}

void atm_grid_free(struct atm_grid *grid) {
    atm_mem_free(grid->start);
    atm_mem_free(grid->row);
    atm_mem_free(grid->x);
    atm_mem_free(grid->y);
    *grid = (struct atm_grid){.start = NULL};
}

struct atm_grid_window atm_grid_around(const struct atm_grid *grid, double x, double y,
                                       double reach) {
    return (struct atm_grid_window){
        clamp((x - reach - grid->x0) / grid->cell, grid->across),
        clamp((x + reach - grid->x0) / grid->cell, grid->across),
        clamp((y - reach - grid->y0) / grid->cell, grid->down),
        clamp((y + reach - grid->y0) / grid->cell, grid->down),
    };
}

ptrdiff_t atm_grid_first(const struct atm_grid *grid, ptrdiff_t cell, ptrdiff_t row) {
    ptrdiff_t low = grid->start[cell], high = grid->start[cell + 1];
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        if ((ptrdiff_t)grid->row[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
