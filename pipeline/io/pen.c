#include "pen.h"

#include <math.h>

struct box {
    ptrdiff_t x0, x1, y0, y1; /* x1, y1 behind the last */
};

static ptrdiff_t clamp(double value, ptrdiff_t most) {
    return value < 0 ? 0 : value > (double)most ? most : (ptrdiff_t)value;
}

static struct box reach_of(struct atm_pen_point a, struct atm_pen_point b, double reach,
                           ptrdiff_t height, ptrdiff_t width) {
    return (struct box){clamp(ceil(fmin(a.x, b.x) - reach), width),
                        clamp(floor(fmax(a.x, b.x) + reach) + 1, width),
                        clamp(ceil(fmin(a.y, b.y) - reach), height),
                        clamp(floor(fmax(a.y, b.y) + reach) + 1, height)};
}

static void draw_segment(struct atm_pen_point a, struct atm_pen_point b, const struct box *box,
                         ptrdiff_t width, float *squared) {
    const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    for (ptrdiff_t y = box->y0; y < box->y1; y++)
        for (ptrdiff_t x = box->x0; x < box->x1; x++) {
            const double px = (double)x - a.x, py = (double)y - a.y;
            const double along = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            const double t = fmin(fmax(along, 0), 1);
            const double ex = px - t * dx, ey = py - t * dy;
            float *to = &squared[y * width + x];
            *to = fminf(*to, (float)(ex * ex + ey * ey));
        }
}

void atm_pen_distance(const struct atm_pen_point *points, ptrdiff_t count, double reach,
                      ptrdiff_t height, ptrdiff_t width, float *squared) {
    for (ptrdiff_t i = 0; i + 1 < count || i == 0; i++) {
        const struct atm_pen_point a = points[i], b = points[i + 1 < count ? i + 1 : i];
        const struct box box = reach_of(a, b, reach, height, width);
        draw_segment(a, b, &box, width, squared);
    }
}
