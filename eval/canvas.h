/* Inside eval: a picture on which Cairo draws text and lines; written as PNG or SVG. */
#ifndef ATM_CANVAS_H
#define ATM_CANVAS_H

#include "err.h"
#include <cairo.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct atm_canvas {
    cairo_surface_t *surface; /* owned */
    cairo_t *cr;              /* owned */
    ptrdiff_t height, width;
    bool ascii_only; /* the current font has nothing else */
    FILE *stream;    /* owned: where an SVG goes; NULL for pixels */
    char *svg;       /* owned: its text */
    size_t svg_size;
};

enum { ATM_CANVAS_MOST = 30000 }; /* px; Cairo's images end at 32767 */

/* A white picture of pixels. */
enum atm_status atm_canvas_create(struct atm_canvas *canvas, ptrdiff_t height, ptrdiff_t width,
                                  struct atm_err *err);
/* The same as SVG, for lines and text only: no atm_canvas_put. */
enum atm_status atm_canvas_create_svg(struct atm_canvas *canvas, ptrdiff_t height, ptrdiff_t width,
                                      struct atm_err *err);
void atm_canvas_destroy(struct atm_canvas *canvas);

/* Copy pixels (height, width, 3), each enlarged to zoom x zoom, to (left, top). Must fit. */
struct atm_canvas_pixels {
    const uint8_t *rgb; /* borrowed */
    ptrdiff_t height, width, zoom;
};
void atm_canvas_put(struct atm_canvas *canvas, ptrdiff_t left, ptrdiff_t top,
                    const struct atm_canvas_pixels *pixels);

/* Text is DejaVu Sans or what fontconfig gives in its place; without any font installed, Cairo's
 * own stroke font, which knows ASCII only (µ becomes u, others ?). size_px is the em height. */
void atm_canvas_font(struct atm_canvas *canvas, double size_px);
double atm_canvas_text_width(struct atm_canvas *canvas, const char *text);
/* align 0: text starts at x; 0.5: centred there; 1: ends there. y is the baseline. */
void atm_canvas_text(struct atm_canvas *canvas, double x, double y, double align, const char *text);
void atm_canvas_color(struct atm_canvas *canvas, const double rgb[3]);

/* Write as SVG or PNG, as it was created, under a temporary name, then rename. Once. */
enum atm_status atm_canvas_write(struct atm_canvas *canvas, const char *path, struct atm_err *err);

#endif
