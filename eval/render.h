/* Pictures: super-resolution images of tables, and input | reconstruction | brightest blocks. */
#ifndef ATM_RENDER_H
#define ATM_RENDER_H

#include "chart.h"
#include "ini.h"
#include "table.h"
#include <stdbool.h>

struct atm_render_options {
    int64_t zoom; /* super-resolution pixels per camera pixel */
    int blur;     /* precision (each localization's own uncertainty) | fixed | none (histogram) */
    double sigma_nm;   /* fixed blur */
    double saturation; /* quantile of the non-empty pixels shown as full intensity, 0..1 */
    int64_t max_size;  /* zoom is lowered until the longer side fits */
};
extern const struct atm_section atm_render_section;

/* Super-resolution image (height * zoom, width * zoom), a pixel-integrated Gaussian of weight 1 per
 * localization, with a colour map and a scale bar (when the pixel size is known). */
enum atm_status atm_render_png(const char *path, const struct atm_table *table,
                               const struct atm_render_options *options, struct atm_err *err);

/* The numbers behind that picture: localizations per super-resolution pixel. The sum is the number
 * drawn, less what the blur carries over the field's edge. Localizations outside the field are not
 * drawn. */
struct atm_render_counts {
    float *image;                  /* owned, (height, width) */
    ptrdiff_t height, width, zoom; /* zoom may be lower than asked for: max_size */
    ptrdiff_t drawn;
};
enum atm_status atm_render_counts_init(struct atm_render_counts *counts,
                                       const struct atm_table *table,
                                       const struct atm_render_options *options,
                                       struct atm_err *err);
void atm_render_counts_free(struct atm_render_counts *counts);

/* A panel: one image, scaled by its own range, magnified by a whole factor, with a caption and what
 * is drawn over it. Positions are x, y in px. */
struct atm_panel {
    const float *image; /* borrowed (height, width); NULL leaves the place empty */
    double lo, hi;      /* black and white; lo = hi: automatic */
    const char *caption;
    const struct atm_loc *marks; /* drawn as red crosses: localizations */
    ptrdiff_t mark_count;
    const struct atm_loc *rings; /* drawn as green rings: truth */
    ptrdiff_t ring_count;
    const double (*path)[2]; /* a motion: blue line through these points, a dot at each */
    ptrdiff_t path_count;
    ptrdiff_t path_at; /* the point with a ring instead: where this panel stands */
    bool framed;       /* an orange frame sets the panel apart */
};
/* Panels of equal size in rows, from left to right. */
struct atm_panel_sheet {
    const struct atm_panel *panels;
    int count, columns;
    ptrdiff_t height, width; /* of every image */
    ptrdiff_t panel_px;      /* the longer side is magnified to at most this; 0: 320 */
    const char *title;       /* lines above the panels, or NULL */
};
enum atm_status atm_render_panels(const char *path, const struct atm_panel_sheet *sheet,
                                  struct atm_err *err);

/* Curves with a title and a linear x axis: see chart.h. */
enum atm_status atm_render_curves(const char *path, const char *title, const char *x_label,
                                  const char *y_label, const struct atm_curve *curves, int count,
                                  int log_y, struct atm_err *err);

/* Training curve of a model (atoms.h): loss and validation loss over the step. The loss axis is
 * logarithmic unless a loss is zero or negative. */
struct atm_curve_point;
enum atm_status atm_render_training(const char *path, const struct atm_curve_point *points,
                                    ptrdiff_t count, struct atm_err *err);

#endif
