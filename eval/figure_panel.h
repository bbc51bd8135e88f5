/* Inside eval: what the figures of a model have in common. */
#ifndef ATM_FIGURE_PANEL_H
#define ATM_FIGURE_PANEL_H

#include "render.h"

enum { FIGURE_CAPTION = 64, FIGURE_TITLE = 512, FIGURE_PANEL_PX = 256 };

/* Every image is shown from black = 0 to white = 1, clipped. */
static inline struct atm_panel figure_panel(const float *image, const char *caption) {
    return (struct atm_panel){.image = image, .lo = 0, .hi = 1, .caption = caption};
}

#endif
