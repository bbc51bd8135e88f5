/* What the drift*.c files share. */
#ifndef ATM_DRIFT_PRIVATE_H
#define ATM_DRIFT_PRIVATE_H

#include "drift.h"

/* ---- drift_curve.c: segments of time, and a curve through their drifts ---- */

/* Frames [first, end). */
struct atm_drift_segment {
    ptrdiff_t first, end;
    double x, y; /* its drift, px */
    bool known;
};

enum { ATM_DRIFT_JUMPS = 256 };

struct atm_drift_cut {
    struct atm_drift_segment *segments; /* owned */
    ptrdiff_t count;
    ptrdiff_t jumps[ATM_DRIFT_JUMPS]; /* first frames behind jumps, ascending */
    ptrdiff_t jump_count;
};

/* Cut all frames into segments of about `length` frames that contain no jump. The jumps of cut are
 * kept, its segments replaced. */
enum atm_status atm_drift_cut_init(struct atm_drift_cut *cut, ptrdiff_t frames, ptrdiff_t length,
                                   struct atm_err *err);
void atm_drift_cut_free(struct atm_drift_cut *cut);

/* Add the curve through the known segments to (x, y)[frames]: a monotone cubic spline (Steffen
 * 1990) between jumps, straight on beyond its ends. */
enum atm_status atm_drift_curve_add(const struct atm_drift_cut *cut, ptrdiff_t frames, double *x,
                                    double *y, struct atm_err *err);

/* ---- drift_map.c: a picture of corrected localizations ---- */

/* Localizations with a curve taken off. */
struct atm_drift_moved {
    const struct atm_drift_points *points;
    double *x, *y; /* owned (count), px */
};
enum atm_status atm_drift_moved_init(struct atm_drift_moved *moved,
                                     const struct atm_drift_points *points, struct atm_err *err);
/* x, y: (frames). */
void atm_drift_moved_set(struct atm_drift_moved *moved, const double *x, const double *y);
void atm_drift_moved_free(struct atm_drift_moved *moved);

/* Every localization is shared out to the four pixels around it, and read in the same way; so two
 * that lie together count as meeting, falling smoothly to nothing at two pixels' distance. */
struct atm_drift_map {
    double x0, y0, pixel; /* px */
    ptrdiff_t width, height;
    float *image; /* owned (height, width) */
};
/* Large enough for all points and a margin of `margin` px. The pixel is enlarged until no side has
 * more than `most`. */
enum atm_status atm_drift_map_init(struct atm_drift_map *map, const struct atm_drift_moved *moved,
                                   double pixel, double margin, ptrdiff_t most,
                                   struct atm_err *err);
void atm_drift_map_free(struct atm_drift_map *map);
void atm_drift_map_clear(struct atm_drift_map *map);
/* Rows [first, end) moved by (-dx, -dy), each with that weight. */
void atm_drift_map_add(struct atm_drift_map *map, const struct atm_drift_moved *moved,
                       ptrdiff_t first, ptrdiff_t end, double dx, double dy, float weight);
/* Set what these rows touch to 0. */
void atm_drift_map_wipe(struct atm_drift_map *map, const struct atm_drift_moved *moved,
                        ptrdiff_t first, ptrdiff_t end, double dx, double dy);
/* Sum of the picture at the rows moved by (-dx, -dy). */
double atm_drift_map_meet(const struct atm_drift_map *map, const struct atm_drift_moved *moved,
                          ptrdiff_t first, ptrdiff_t end, double dx, double dy);
/* The move of the rows that meets most of the map, climbing from (*dx, *dy); `own` (may be NULL) is
 * taken off the map. Returns false where no summit was found. */
bool atm_drift_map_climb(const struct atm_drift_map *map, const struct atm_drift_map *own,
                         const struct atm_drift_moved *moved, ptrdiff_t first, ptrdiff_t end,
                         double *dx, double *dy);

/* Places where consecutive segments differ by far more than usual: the frame is found by asking
 * frame after frame on which side it lies. Adds to cut->jumps. */
enum atm_status atm_drift_find_jumps(struct atm_drift_cut *cut, const struct atm_drift_moved *moved,
                                     double pixel, struct atm_err *err);

/* ---- methods: the drift of every segment, what is taken off `moved` already apart ---- */

/* Coarse: each segment is looked for anywhere within the range, in those before it. */
enum atm_status atm_drift_aim_coarse(const struct atm_drift_moved *moved,
                                     const struct atm_drift_options *options,
                                     struct atm_drift_cut *cut, struct atm_err *err);
/* Fine: near where it is, each segment against all the others. */
enum atm_status atm_drift_aim_fine(const struct atm_drift_moved *moved,
                                   const struct atm_drift_options *options,
                                   struct atm_drift_cut *cut, struct atm_err *err);
enum atm_status atm_drift_rcc(const struct atm_drift_moved *moved,
                              const struct atm_drift_options *options, struct atm_drift_cut *cut,
                              struct atm_err *err);
/* Replaces (x, y)[frames], by which `moved` is corrected roughly, by the mean path of fiducials.
 * error: of two halves of them, left alone where there is one only. */
enum atm_status atm_drift_fiducials(const struct atm_drift_moved *moved,
                                    const struct atm_drift_options *options, double *x, double *y,
                                    double *error, ptrdiff_t *fiducials, struct atm_err *err);

#endif
