/* Single blocks as strokes: their connected parts, and what they share with each other. */
#ifndef ATM_STROKE_PARTS_H
#define ATM_STROKE_PARTS_H

#include <stddef.h>

struct atm_stroke_part {
    double energy;   /* sum of squares, clipped to 0..1 */
    double largest;  /* that of the largest connected part, as a share of it */
    ptrdiff_t parts; /* connected ones */
    float greatest;  /* value */
};
/* Parts are of pixels above a tenth of the greatest value, neighbours also across corners; of
 * `atom` (height, width), clipped to 0..1. stack: room for height * width; seen: likewise, bytes.
 * Thread-safe. */
void atm_stroke_part_measure(const float *atom, ptrdiff_t height, ptrdiff_t width, ptrdiff_t *stack,
                             unsigned char *seen, struct atm_stroke_part *part);

/* Share of the ink of several blocks (count, pixels), clipped to 0..1, that lies where another
 * block has more: 1 - sum_p max_i g_i(p) / sum_p sum_i g_i(p). active[i] chooses; 0 of nothing. */
double atm_stroke_overlap(const float *atoms, const unsigned char *active, ptrdiff_t count,
                          ptrdiff_t pixels);

#endif
