/* UNIPEN text: pen trajectories with labels. .SEGMENT begins an image, .PEN_DOWN a stroke, lines of
 * x y (upwards) follow, .PEN_UP ends it; other keywords are passed over. */
#ifndef ATM_UNIPEN_H
#define ATM_UNIPEN_H

#include "err.h"
#include "pen.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct atm_unipen_image {
    ptrdiff_t stroke, strokes; /* first one, number */
    int32_t label;             /* number or character in quotes; -1: none */
};
struct atm_unipen {
    struct atm_pen_point *points; /* owned, y upwards */
    ptrdiff_t point_count, point_room;
    ptrdiff_t *ends; /* owned: points up to the end of each stroke */
    ptrdiff_t stroke_count, stroke_room;
    struct atm_unipen_image *images; /* owned */
    ptrdiff_t image_count, image_room;
};

/* Do these first bytes look like it? */
bool atm_unipen_probe(const char *head, size_t size);
/* text ends with a 0 at size. Messages have the line. Free *unipen also after a failure. */
enum atm_status atm_unipen_parse(const char *path, const char *text, size_t size,
                                 struct atm_unipen *unipen, struct atm_err *err);
void atm_unipen_free(struct atm_unipen *unipen);

struct atm_unipen_drawing {
    ptrdiff_t size_px;
    double pen_px; /* width of the line; its edge is one pixel soft */
};
/* One image (size, size), 0 to 255 in whole steps, white on black, y downwards; the longest side is
 * 88/128 of the image, in its middle. */
void atm_unipen_draw(const struct atm_unipen *unipen, ptrdiff_t image,
                     const struct atm_unipen_drawing *drawing, float *pixels);

#endif
