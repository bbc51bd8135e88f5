/* Inside eval: 256 colours of even steps in lightness. */
#ifndef ATM_COLORMAP_H
#define ATM_COLORMAP_H

#include <stddef.h>
#include <stdint.h>

struct atm_colormap {
    uint8_t rgb[256][3];
};

/* Black, red, orange, yellow, white; lightness in OKLab grows evenly, so that equal steps in value
 * look equal and survive a black-and-white printer. */
void atm_colormap_hot(struct atm_colormap *map);
void atm_colormap_gray(struct atm_colormap *map);
/* Black, blue, cyan, white. */
void atm_colormap_ice(struct atm_colormap *map);
enum atm_colormap_kind {
    ATM_COLORMAP_HOT,
    ATM_COLORMAP_GRAY,
    ATM_COLORMAP_ICE,
    ATM_COLORMAP_COUNT
};
void atm_colormap_init(struct atm_colormap *map, int kind);

/* (256, 3) linear colours of one lightness for a coordinate such as time: blue, green, yellow, red.
 */
void atm_colormap_time(float *colors);
/* Mean colour of each pixel, as bright as its weight is of white: color (count, 3) linear, weighted
 * by weight (count); to rgb (count, 3). */
void atm_colormap_blend(const float *weight, const float *color, ptrdiff_t count, double white,
                        uint8_t *rgb);

/* Values lo..hi to colours (count, 3); outside is clipped, NAN is a pale blue that no map has. */
struct atm_colormap_range {
    double lo, hi;
};
void atm_colormap_apply(const struct atm_colormap *map, const float *values, ptrdiff_t count,
                        struct atm_colormap_range range, uint8_t *rgb);

#endif
