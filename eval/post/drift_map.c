#include "drift_private.h"

#include "mem.h"
#include <math.h>
#include <string.h>

/* ---- corrected localizations ---- */

enum atm_status atm_drift_moved_init(struct atm_drift_moved *moved,
                                     const struct atm_drift_points *points, struct atm_err *err) {
    *moved = (struct atm_drift_moved){points, NULL, NULL};
    moved->x = atm_mem_alloc((size_t)points->count, sizeof *moved->x);
    moved->y = atm_mem_alloc((size_t)points->count, sizeof *moved->y);
    if (moved->x && moved->y) {
        memcpy(moved->x, points->x, (size_t)points->count * sizeof *moved->x);
        memcpy(moved->y, points->y, (size_t)points->count * sizeof *moved->y);
        return ATM_OK;
    }
    atm_drift_moved_free(moved);
    return atm_err_memory(err, "the localizations of the drift");
}

void atm_drift_moved_set(struct atm_drift_moved *moved, const double *x, const double *y) {
    const struct atm_drift_points *p = moved->points;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t f = 0; f < p->frames; f++)
        for (ptrdiff_t i = p->first[f]; i < p->first[f + 1]; i++) {
            moved->x[i] = p->x[i] - x[f];
            moved->y[i] = p->y[i] - y[f];
        }
}

void atm_drift_moved_free(struct atm_drift_moved *moved) {
    atm_mem_free(moved->x);
    atm_mem_free(moved->y);
    moved->x = moved->y = NULL;
}

/* ---- the picture ---- */

enum atm_status atm_drift_map_init(struct atm_drift_map *map, const struct atm_drift_moved *moved,
                                   double pixel, double margin, ptrdiff_t most,
                                   struct atm_err *err) {
    double x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY, y1 = -INFINITY;
    for (ptrdiff_t i = 0; i < moved->points->count; i++) {
        x0 = fmin(x0, moved->x[i]), x1 = fmax(x1, moved->x[i]);
        y0 = fmin(y0, moved->y[i]), y1 = fmax(y1, moved->y[i]);
    }
    double longer = fmax(x1 - x0, y1 - y0) + 2 * margin;
    *map = (struct atm_drift_map){.x0 = x0 - margin, .y0 = y0 - margin, .pixel = pixel};
    map->pixel = fmax(pixel, longer / (double)(most - 3));
    map->width = (ptrdiff_t)((x1 - x0 + 2 * margin) / map->pixel) + 3;
    map->height = (ptrdiff_t)((y1 - y0 + 2 * margin) / map->pixel) + 3;
    map->image = atm_mem_alloc((size_t)(map->width * map->height), sizeof *map->image);
    return map->image ? ATM_OK : atm_err_memory(err, "a picture of the drift");
}

void atm_drift_map_free(struct atm_drift_map *map) {
    atm_mem_free(map->image);
    map->image = NULL;
}

void atm_drift_map_clear(struct atm_drift_map *map) {
    memset(map->image, 0, (size_t)(map->width * map->height) * sizeof *map->image);
}

/* The four pixels around a place. False outside of the picture. */
struct corner {
    ptrdiff_t at;
    float right, down; /* shares of the further ones */
};

static inline bool find_corner(const struct atm_drift_map *map, double x, double y,
                               struct corner *corner) {
    double column = (x - map->x0) / map->pixel, row = (y - map->y0) / map->pixel;
    if (!(column >= 0 && row >= 0 && column < (double)(map->width - 1) &&
          row < (double)(map->height - 1)))
        return false;
    ptrdiff_t i = (ptrdiff_t)column, j = (ptrdiff_t)row;
    *corner =
        (struct corner){j * map->width + i, (float)(column - (double)i), (float)(row - (double)j)};
    return true;
}

void atm_drift_map_add(struct atm_drift_map *map, const struct atm_drift_moved *moved,
                       ptrdiff_t first, ptrdiff_t end, double dx, double dy, float weight) {
    struct corner c;
    for (ptrdiff_t i = first; i < end; i++) {
        if (!find_corner(map, moved->x[i] - dx, moved->y[i] - dy, &c))
            continue;
        float *at = map->image + c.at, *below = at + map->width;
        at[0] += weight * (1 - c.right) * (1 - c.down);
        at[1] += weight * c.right * (1 - c.down);
        below[0] += weight * (1 - c.right) * c.down;
        below[1] += weight * c.right * c.down;
    }
}

void atm_drift_map_wipe(struct atm_drift_map *map, const struct atm_drift_moved *moved,
                        ptrdiff_t first, ptrdiff_t end, double dx, double dy) {
    struct corner c;
    for (ptrdiff_t i = first; i < end; i++) {
        if (!find_corner(map, moved->x[i] - dx, moved->y[i] - dy, &c))
            continue;
        float *at = map->image + c.at, *below = at + map->width;
        at[0] = at[1] = below[0] = below[1] = 0;
    }
}

double atm_drift_map_meet(const struct atm_drift_map *map, const struct atm_drift_moved *moved,
                          ptrdiff_t first, ptrdiff_t end, double dx, double dy) {
    struct corner c;
    double sum = 0;
    for (ptrdiff_t i = first; i < end; i++) {
        if (!find_corner(map, moved->x[i] - dx, moved->y[i] - dy, &c))
            continue;
        const float *at = map->image + c.at, *below = at + map->width;
        float above = at[0] + c.right * (at[1] - at[0]);
        sum += (double)(above + c.down * (below[0] + c.right * (below[1] - below[0]) - above));
    }
    return sum;
}

/* ---- climbing ---- */

enum { HALF = 2, SIDE = 2 * HALF + 1, PATCH = HALF + 2, MOST_STEPS = 24, POLISH = 3 };
/* So many rows place a segment far better than its pixel; of more, every n-th is looked at. */
enum { MOST_ROWS = 1500 };

/* The rows to move, and the maps that they are moved over. */
struct climber {
    const struct atm_drift_map *map, *own; /* own may be NULL */
    const struct atm_drift_moved *moved;
    ptrdiff_t first, end, stride;
};

/* Values between the pixels of a line at `part`, part + 1/2, ... part + HALF. */
static inline void along(const float line[PATCH], float part, float values[SIDE]) {
    for (int k = 0; k < SIDE; k++) {
        float at = part + 0.5f * (float)k;
        int i = (int)at;
        values[k] = line[i] + (at - (float)i) * (line[i + 1] - line[i]);
    }
}

/* Add what one place meets on all moves: they need the same few pixels. Nothing at the edge. */
static void look_at_one(const struct climber *c, double x, double y, double values[SIDE][SIDE]) {
    const struct atm_drift_map *map = c->map;
    /* the move to the far right and down is where the row itself is furthest left and up */
    double column = (x - map->x0) / map->pixel - 0.5 * HALF;
    double row = (y - map->y0) / map->pixel - 0.5 * HALF;
    if (!(column >= 0 && row >= 0 && column < (double)(map->width - PATCH) &&
          row < (double)(map->height - PATCH)))
        return;
    const ptrdiff_t i = (ptrdiff_t)column, j = (ptrdiff_t)row, at = j * map->width + i;
    float lines[SIDE][PATCH], line[PATCH], met[SIDE];
    for (int r = 0; r < PATCH; r++) {
        for (int k = 0; k < PATCH; k++)
            line[k] = map->image[at + r * map->width + k] -
                      (c->own ? c->own->image[at + r * map->width + k] : 0);
        along(line, (float)(column - (double)i), met);
        for (int k = 0; k < SIDE; k++)
            lines[k][r] = met[k];
    }
    for (int k = 0; k < SIDE; k++) {
        along(lines[k], (float)(row - (double)j), met);
        for (int r = 0; r < SIDE; r++)
            values[SIDE - 1 - r][SIDE - 1 - k] += (double)met[r];
    }
}

/* Values on SIDE x SIDE moves around a centre, half a pixel apart. */
static void look_around(const struct climber *c, const double centre[2],
                        double values[SIDE][SIDE]) {
    memset(values, 0, SIDE * sizeof *values);
    for (ptrdiff_t i = c->first; i < c->end; i += c->stride)
        look_at_one(c, c->moved->x[i] - centre[0], c->moved->y[i] - centre[1], values);
}

/* Move the centre to the highest value. False: it is in the middle already. */
static bool step(double values[SIDE][SIDE], double spacing, double centre[2]) {
    int best_i = HALF, best_j = HALF;
    for (int j = 0; j < SIDE; j++)
        for (int i = 0; i < SIDE; i++)
            if (values[j][i] > values[best_j][best_i])
                best_i = i, best_j = j;
    centre[0] += spacing * (best_i - HALF);
    centre[1] += spacing * (best_j - HALF);
    return best_i != HALF || best_j != HALF;
}

/* Top of the paraboloid that fits the values best. False where it has none nearby. */
static bool fit_top(double values[SIDE][SIDE], double spacing, double centre[2]) {
    double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    const double mean_square = 2; /* of -2 .. 2 */
    for (int j = -HALF; j <= HALF; j++)
        for (int i = -HALF; i <= HALF; i++) {
            double value = values[j + HALF][i + HALF];
            sx += i * value, sy += j * value;
            sxx += (i * i - mean_square) * value, syy += (j * j - mean_square) * value;
            sxy += i * j * value;
        }
    /* value = b.u + u.C.u / 2 by least squares over the square: sums of u^2, (u^2 - 2)^2, (u v)^2
     */
    double bx = sx / 50, by = sy / 50, cxx = 2 * sxx / 70, cyy = 2 * syy / 70, cxy = sxy / 100;
    double determinant = cxx * cyy - cxy * cxy;
    if (!(cxx < 0 && cyy < 0 && determinant > 0))
        return false;
    double x = (-bx * cyy + by * cxy) / determinant, y = (-by * cxx + bx * cxy) / determinant;
    if (!(fabs(x) <= HALF && fabs(y) <= HALF))
        return false;
    centre[0] += spacing * x;
    centre[1] += spacing * y;
    return true;
}

bool atm_drift_map_climb(const struct atm_drift_map *map, const struct atm_drift_map *own,
                         const struct atm_drift_moved *moved, ptrdiff_t first, ptrdiff_t end,
                         double *dx, double *dy) {
    const struct climber climber = {map, own, moved, first, end, (end - first) / MOST_ROWS + 1};
    double values[SIDE][SIDE], centre[2] = {*dx, *dy}, spacing = 0.5 * map->pixel;
    bool moving = true, top = true;
    for (int n = 0; n < MOST_STEPS && moving; n++) {
        look_around(&climber, centre, values);
        moving = step(values, spacing, centre);
    }
    for (int n = 0; n < POLISH && top && !moving; n++) {
        if (n)
            look_around(&climber, centre, values);
        top = fit_top(values, spacing, centre);
    }
    if (moving || !top)
        return false;
    *dx = centre[0], *dy = centre[1];
    return true;
}
