#include "repulsion.h"

#include "mem.h"
#include <math.h>

struct point {
    double x, y;
    int64_t last_frame;
    int32_t next; /* in its cell or in the list of free points; -1 ends */
};

/* Cells are no smaller than the distance, so neighbours are in 3 x 3 cells; MAX_CELLS per axis
 * bounds memory for tiny distances. */
struct atm_repulsion {
    struct atm_region region;
    double side;
    int32_t columns, rows;
    int32_t *head; /* owned (rows, columns): first point, or -1 */
    struct point *points;
    int32_t count, capacity, unused; /* unused: head of the list of free points */
};

enum { MAX_CELLS = 256 };

static int32_t cells_along(double extent, double side) {
    return (int32_t)fmin(fmax(ceil(extent / side), 1), MAX_CELLS + 1);
}

enum atm_status atm_repulsion_create(const struct atm_region *region, double distance,
                                     struct atm_repulsion **repulsion, struct atm_err *err) {
    *repulsion = NULL;
    struct atm_repulsion *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "the repulsion of emitters");
    double width = region->x1 - region->x0, height = region->y1 - region->y0;
    made->region = *region;
    made->side = fmax(distance, fmax(width, height) / MAX_CELLS);
    made->columns = cells_along(width, made->side);
    made->rows = cells_along(height, made->side);
    made->unused = -1;
    size_t cells = (size_t)made->columns * (size_t)made->rows;
    made->head = atm_mem_alloc(cells, sizeof *made->head);
    if (!made->head) {
        atm_repulsion_destroy(&made);
        return atm_err_memory(err, "the repulsion of emitters");
    }
    for (size_t i = 0; i < cells; i++)
        made->head[i] = -1;
    *repulsion = made;
    return ATM_OK;
}

void atm_repulsion_destroy(struct atm_repulsion **repulsion) {
    if (!*repulsion)
        return;
    atm_mem_free((*repulsion)->head);
    atm_mem_free((*repulsion)->points);
    atm_mem_free(*repulsion);
    *repulsion = NULL;
}

static int32_t cell_of(double position, double origin, double side, int32_t cells) {
    double cell = floor((position - origin) / side);
    return (int32_t)fmin(fmax(cell, 0), cells - 1);
}

/* Squared distance to the nearest point of one cell; unlinks the points that ended. */
static double nearest_in_cell(struct atm_repulsion *r, int32_t *link, const double at[2],
                              int64_t frame) {
    double best = INFINITY;
    while (*link >= 0) {
        struct point *point = &r->points[*link];
        if (point->last_frame < frame) {
            int32_t ended = *link;
            *link = point->next;
            point->next = r->unused;
            r->unused = ended;
            continue;
        }
        double dx = point->x - at[0], dy = point->y - at[1];
        best = fmin(best, dx * dx + dy * dy);
        link = &point->next;
    }
    return best;
}

double atm_repulsion_nearest(struct atm_repulsion *repulsion, double x, double y, int64_t frame) {
    struct atm_repulsion *r = repulsion;
    int32_t column = cell_of(x, r->region.x0, r->side, r->columns);
    int32_t row = cell_of(y, r->region.y0, r->side, r->rows);
    double best = INFINITY, at[2] = {x, y};
    for (int32_t i = row > 0 ? row - 1 : 0; i <= row + 1 && i < r->rows; i++)
        for (int32_t j = column > 0 ? column - 1 : 0; j <= column + 1 && j < r->columns; j++)
            best = fmin(best, nearest_in_cell(r, &r->head[i * r->columns + j], at, frame));
    return sqrt(best);
}

/* Index of a free point, or -1 if out of memory. */
static int32_t reserve_point(struct atm_repulsion *r) {
    if (r->unused >= 0) {
        int32_t index = r->unused;
        r->unused = r->points[index].next;
        return index;
    }
    if (r->count == r->capacity) {
        if (r->capacity > INT32_MAX / 2 - 64)
            return -1;
        int32_t capacity = 2 * r->capacity + 64;
        struct point *grown =
            atm_mem_grow(r->points, (size_t)r->count, (size_t)capacity, sizeof *grown);
        if (!grown)
            return -1;
        r->points = grown;
        r->capacity = capacity;
    }
    return r->count++;
}

enum atm_status atm_repulsion_add(struct atm_repulsion *repulsion, double x, double y,
                                  int64_t last_frame, struct atm_err *err) {
    int32_t index = reserve_point(repulsion);
    if (index < 0)
        return atm_err_memory(err, "the repulsion of emitters");
    int32_t column = cell_of(x, repulsion->region.x0, repulsion->side, repulsion->columns);
    int32_t row = cell_of(y, repulsion->region.y0, repulsion->side, repulsion->rows);
    int32_t *head = &repulsion->head[row * repulsion->columns + column];
    repulsion->points[index] = (struct point){x, y, last_frame, *head};
    *head = index;
    return ATM_OK;
}
