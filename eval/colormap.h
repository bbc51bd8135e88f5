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

/* Values lo..hi to colours (count, 3); outside is clipped, NAN is the lowest. */
struct atm_colormap_range {
    double lo, hi;
};
void atm_colormap_apply(const struct atm_colormap *map, const float *values, ptrdiff_t count,
                        struct atm_colormap_range range, uint8_t *rgb);

#endif
