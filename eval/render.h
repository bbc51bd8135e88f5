/* Pictures: super-resolution images of tables, and input | reconstruction | brightest blocks. */
#ifndef ATM_RENDER_H
#define ATM_RENDER_H

#include "chart.h"
#include "ini.h"
#include "table.h"
#include <stdbool.h>

enum atm_render_blur {
    ATM_BLUR_PRECISION, /* each localization's own uncertainty */
    ATM_BLUR_FIXED,
    ATM_BLUR_NONE, /* a histogram */
    ATM_BLUR_ASH,  /* averaged shifted histograms */
};
enum atm_render_format { ATM_RENDER_PNG, ATM_RENDER_TIFF };
enum atm_render_depth { ATM_RENDER_8_BIT, ATM_RENDER_16_BIT };

struct atm_render_options {
    double zoom;         /* super-resolution pixels per camera pixel */
    int blur;            /* enum atm_render_blur */
    double sigma_nm;     /* fixed blur */
    double min_sigma_nm; /* least blur by precision */
    int64_t shifts;      /* of histograms that are averaged */
    double saturation;   /* quantile of the non-empty pixels shown as full intensity, 0..1 */
    int64_t max_size;    /* zoom is lowered until the longer side fits */
    char region[ATM_KEY_TEXT_SIZE];
    int colors; /* atm_colormaps, or behind them by time */
    int depth;  /* enum atm_render_depth */
    bool scale_bar;
    int format; /* enum atm_render_format; of the post step, which makes the name */
};
extern const struct atm_section atm_render_section;

/* What is drawn, as columns. Borrowed. */
struct atm_render_points {
    ptrdiff_t count;
    const double *x, *y;             /* px */
    const double *x_unc, *y_unc;     /* px; NULL: unknown */
    const double *frame;             /* NULL: no colour by time */
    ptrdiff_t frames, height, width; /* of the movie; 0 unknown */
    double pixel_size_nm;            /* NAN unknown */
};

/* Are the options sensible? ATM_USAGE. */
enum atm_status atm_render_check(const struct atm_render_options *options, struct atm_err *err);

/* Super-resolution image: .png with a colour map and a scale bar (when the pixel size is known), or
 * 16 bits of grey without them; .tif holds the counts as floats, with ImageJ's pixel size. */
enum atm_status atm_render_write(const char *path, const struct atm_render_points *points,
                                 const struct atm_render_options *options, struct atm_err *err);
/* The same of a table. */
enum atm_status atm_render_png(const char *path, const struct atm_table *table,
                               const struct atm_render_options *options, struct atm_err *err);

/* The numbers behind that picture: localizations per super-resolution pixel, a pixel-integrated
 * Gaussian (or what blur says) of weight 1 for each. The sum is the number drawn, less what the
 * blur carries over the edge. Localizations outside are not drawn. The same bytes for any thread
 * count. */
struct atm_render_counts {
    float *image; /* owned, (height, width) */
    float *color; /* owned, (height, width, 3) linear, weighted by counts; NULL: not by time */
    ptrdiff_t height, width;
    double zoom;   /* may be lower than asked for: max_size */
    double x0, y0; /* px, outer corner of the first pixel */
    ptrdiff_t drawn;
};
enum atm_status atm_render_points_init(struct atm_render_counts *counts,
                                       const struct atm_render_points *points,
                                       const struct atm_render_options *options,
                                       struct atm_err *err);
enum atm_status atm_render_counts_init(struct atm_render_counts *counts,
                                       const struct atm_table *table,
                                       const struct atm_render_options *options,
                                       struct atm_err *err);
void atm_render_counts_free(struct atm_render_counts *counts);
/* The picture of these counts, as atm_render_write makes it. pixel_size_nm: of the camera. */
enum atm_status atm_render_write_counts(const char *path, const struct atm_render_counts *counts,
                                        double pixel_size_nm,
                                        const struct atm_render_options *options,
                                        struct atm_err *err);
/* Value of the non-empty pixels at the quantile, exactly. 1 for an empty picture. */
double atm_render_quantile(const float *image, ptrdiff_t count, double quantile);

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
    /* Where marks and rings are counted from, and how many of their pixels one of the image is; 0
     * counts as 1. */
    double origin_x, origin_y, binning;
};
enum atm_status atm_render_panels(const char *path, const struct atm_panel_sheet *sheet,
                                  struct atm_err *err);

/* Training curve of a model (atoms.h): loss and validation loss over the step. The loss axis is
 * logarithmic unless a loss is zero or negative. */
struct atm_curve_point;
enum atm_status atm_render_training(const char *path, const struct atm_curve_point *points,
                                    ptrdiff_t count, struct atm_err *err);
/* STEM.svg, STEM.png and STEM.json. */
enum atm_status atm_render_training_all(const char *stem, const struct atm_curve_point *points,
                                        ptrdiff_t count, struct atm_err *err);

#endif
