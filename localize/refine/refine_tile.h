/* One rectangle of a frame while its emitters are being found: counts, the current emitters, the
 * expectation that they make, and the elementary changes to them. */
#ifndef ATM_REFINE_TILE_H
#define ATM_REFINE_TILE_H

#include "joint_fit.h"
#include "refine.h"

struct atm_mark { /* what an emitter carries besides its place */
    int64_t blocks, flags;
    bool settled; /* nothing changed near it since it was last reviewed */
    /* How it would differ if another number of emitters were right: sum of the other explanations'
     * weights (the chosen one's is 1), and of weight times squared difference of x, y, amplitude.
     */
    double doubt, difference[3];
};

struct atm_tile {
    ptrdiff_t height, width;
    double x_min, x_max, y_min, y_max; /* where centres may be, tile pixels */
    struct atm_psf psf; /* of a fixed width: what the number of emitters is decided with */
    const struct atm_likelihood *likelihood;
    struct atm_brightness brightness; /* of the population, in counts */
    double density;                   /* px^-2, its mean over the frame */
    const float *where; /* (height, width) of rows where_stride apart: relative to it; NULL: 1 */
    ptrdiff_t where_stride;
    double threshold; /* likelihood ratio (in deviance) that an emitter must be worth */
    double position_precision;
    double *counts, *valid, *variance, *own, /* own: the pixel's own variance, in counts */
        *base;                               /* (height, width), owned; base: background as given */
    double *mean;                            /* (height, width): base + background + emitters */
    int background_terms;                    /* of atm_fit_basis */
    double background[ATM_FIT_BACKGROUND_TERMS]; /* correction to base, counts */
    struct atm_spot *spots;                      /* owned */
    struct atm_mark *marks;
    ptrdiff_t count, capacity, pixel_capacity;
    struct atm_fit fit;     /* of all emitters at once */
    struct atm_fit local;   /* of a few */
    struct atm_patch patch; /* scratch for one emitter */
    double *patch_values;
    double *significance, *filtered, *kernel; /* matched filter */
    double *window[4];                        /* counts, valid, variance, base of a window */
    ptrdiff_t plane_capacity, span_capacity;
};

enum atm_status atm_tile_reserve(struct atm_tile *tile, ptrdiff_t height, ptrdiff_t width,
                                 const struct atm_psf *psf, struct atm_err *err);
void atm_tile_free(struct atm_tile *tile);

enum atm_status atm_tile_append(struct atm_tile *tile, struct atm_spot spot, struct atm_mark mark,
                                struct atm_err *err);
/* Drop the emitters whose amplitude is not positive; order the others by y. */
void atm_tile_tidy(struct atm_tile *tile);
/* Place an emitter in tile->patch. */
void atm_tile_place(struct atm_tile *tile, const struct atm_spot *spot);
/* Add factor times an emitter's image to mean. */
void atm_tile_paint(struct atm_tile *tile, const struct atm_spot *spot, double factor);
/* Joint fit of all emitters and the background; renews mean. */
enum atm_status atm_tile_fit(struct atm_tile *tile, double tolerance, int64_t max_iterations,
                             struct atm_err *err);
/* Score test of one more emitter of the best brightness at every pixel centre, the others held
 * fixed: significance (height, width), in standard deviations, and the amplitude of one pixel's
 * emitter. */
void atm_tile_matched_filter(struct atm_tile *tile);
double atm_tile_matched_amplitude(const struct atm_tile *tile, ptrdiff_t x, ptrdiff_t y);

#endif
