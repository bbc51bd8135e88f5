/* Images of random pen strokes: Bezier curves drawn with a Gaussian pen, white on black. */
#ifndef ATM_STROKES_H
#define ATM_STROKES_H

#include "movie.h"
#include "rng.h"
#include "scene.h"

enum { ATM_STROKES_MAX = 64 }; /* of an image */

/* The strokes of one image, strokes_min to strokes_max of them, evenly; returns their number. A
 * stroke is a quadratic or a cubic curve (evenly); its chord is 0.15 to 0.5 of the shorter side in
 * any direction, its middle control points lie off the chord by up to 0.35 of it to either side,
 * and all control points lie in the field, 8 % away from its edges. */
ptrdiff_t atm_strokes_draw(const struct atm_synth_options *options, struct atm_rng *rng,
                           int64_t frame, struct atm_stroke strokes[ATM_STROKES_MAX]);
struct atm_pen_point;
/* Point of the curve at t in [0, 1]. */
struct atm_pen_point atm_stroke_point(const struct atm_stroke *stroke, double t);
/* All strokes of one pen. (height, width): the largest of exp(-d^2 / (2 pen_px^2)) over the
 * strokes, d a pixel's distance from the curve: ink does not add up. Thread-safe. */
void atm_strokes_render(const struct atm_stroke *strokes, ptrdiff_t count, ptrdiff_t height,
                        ptrdiff_t width, float *pixels);

/* atm_scene_write for synth.kind = strokes: an HDF5 stack of float images in [0, 1] with the
 * control points as /truth, or a TIFF without. */
enum atm_status atm_strokes_write(const struct atm_synth_options *options,
                                  const struct atm_camera *camera, uint64_t seed, const char *path,
                                  const char *provenance, const struct atm_sink *sink,
                                  struct atm_err *err);

#endif
