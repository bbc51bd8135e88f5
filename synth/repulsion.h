/* Least distance between points that are alive together: a spatial hash of live points. */
#ifndef ATM_REPULSION_H
#define ATM_REPULSION_H

#include "err.h"
#include <stdint.h>

struct atm_region {
    double x0, y0, x1, y1; /* px */
};

struct atm_repulsion; /* owns its points; not thread-safe */

/* For points inside region that repel up to distance (px, > 0). */
enum atm_status atm_repulsion_create(const struct atm_region *region, double distance,
                                     struct atm_repulsion **repulsion, struct atm_err *err);
void atm_repulsion_destroy(struct atm_repulsion **repulsion);

/* Distance (px) from x, y to the nearest point that lives in `frame` or later; exact up to the
 * repelling distance, and otherwise something larger. Points that ended before `frame` are
 * forgotten, so frames must not decrease from call to call. */
double atm_repulsion_nearest(struct atm_repulsion *repulsion, double x, double y, int64_t frame);
enum atm_status atm_repulsion_add(struct atm_repulsion *repulsion, double x, double y,
                                  int64_t last_frame, struct atm_err *err);

#endif
