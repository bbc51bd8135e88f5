/* Neighbours: how many within a radius, and how far the nearest. */
#include "post_step.h"

#include "grid.h"
#include "mem.h"
#include <math.h>

struct neighbours {
    double count, nearest2; /* nearest squared, px^2; INFINITY: none in the window */
};

/* Of the point that stands at `self` in the grid. */
static struct neighbours look(const struct atm_grid *grid, ptrdiff_t self, double reach,
                              double radius) {
    const double x = grid->x[self], y = grid->y[self];
    const struct atm_grid_window w = atm_grid_around(grid, x, y, reach);
    struct neighbours found = {0, INFINITY};
    for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++) {
        ptrdiff_t end = grid->start[cy * grid->across + w.cx1 + 1];
        for (ptrdiff_t i = grid->start[cy * grid->across + w.cx0]; i < end; i++) {
            double dx = grid->x[i] - x, dy = grid->y[i] - y, d2 = dx * dx + dy * dy;
            if (i == self)
                continue;
            found.count += d2 <= radius * radius;
            found.nearest2 = fmin(found.nearest2, d2);
        }
    }
    return found;
}

/* The window grows until nothing outside of it can be nearer. -1: there is no other point. */
static double nearest(const struct atm_grid *grid, ptrdiff_t self, struct neighbours found,
                      double reach) {
    const double all = grid->cell * (double)(grid->across + grid->down);
    while (found.nearest2 > reach * reach && reach < all) {
        reach *= 2;
        found = look(grid, self, reach, 0);
    }
    return isfinite(found.nearest2) ? sqrt(found.nearest2) : -1;
}

static void measure(const struct atm_grid *grid, double radius, double *density, double *distance) {
#pragma omp parallel for schedule(dynamic, 4096)
    for (ptrdiff_t i = 0; i < grid->count; i++) {
        struct neighbours found = look(grid, i, radius, radius);
        density[grid->row[i]] = found.count;
        distance[grid->row[i]] = nearest(grid, i, found, radius);
    }
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    struct atm_locs *locs = &post->locs;
    struct atm_grid grid = {.start = NULL};
    double pixel, middle, *density = NULL, *distance = NULL;
    enum atm_status status = atm_locs_pixel(locs, &pixel, err);
    if (status == ATM_OK)
        status = atm_locs_add(locs, "density", &density, err);
    if (status == ATM_OK)
        status = atm_locs_add(locs, "nn_dist", &distance, err);
    double radius = post->config.post.density_radius_nm / pixel;
    if (status == ATM_OK)
        status = atm_grid_init(&grid, locs->x, locs->y, locs->count, radius, err);
    if (status == ATM_OK) {
        measure(&grid, radius, density, distance);
        atm_post_note(post, "Radius", "%g nm", post->config.post.density_radius_nm);
        status = atm_locs_median(locs, "density", &middle, err);
        atm_post_note(post, "Median neighbours", "%.4g (column density)", middle);
    }
    if (status == ATM_OK) {
        status = atm_locs_median(locs, "nn_dist", &middle, err);
        if (middle < 0) /* of a single row */
            atm_post_note(post, "Median nearest neighbour", "none (column nn_dist is -1)");
        else
            atm_post_note(post, "Median nearest neighbour", "%.4g nm (column nn_dist, in pixels)",
                          middle * pixel);
    }
    atm_grid_free(&grid);
    return status;
}

const struct atm_post_step atm_post_density = {
    .name = "density",
    .section = "post",
    .prefix = "density_",
    .summary = "columns density (neighbours within a radius) and nn_dist (nearest neighbour, px)",
    .run = run,
};
