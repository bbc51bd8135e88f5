/* Lines that a pen has drawn, as distances of pixels. */
#ifndef ATM_PEN_H
#define ATM_PEN_H

#include <stddef.h>

struct atm_pen_point {
    double x, y; /* px, pixel centres at integers */
};

/* Lowers squared (height, width) to the squared distance in px^2 of each pixel's centre from the
 * polyline through the points (one point: from it) where that is nearer than reach; start with
 * INFINITY or what other lines gave. Thread-safe. */
void atm_pen_distance(const struct atm_pen_point *points, ptrdiff_t count, double reach,
                      ptrdiff_t height, ptrdiff_t width, float *squared);

#endif
