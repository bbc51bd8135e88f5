/* Columns of a stack's /truth whose images are pen strokes: frame, id, degree, x0, y0 .. x3, y3,
 * pen_px. */
#ifndef ATM_STROKE_FIELDS_H
#define ATM_STROKE_FIELDS_H

#include "h5.h"

enum { ATM_STROKE_FIELDS = 12 };
extern const struct atm_h5_field atm_stroke_fields[ATM_STROKE_FIELDS];

#endif
