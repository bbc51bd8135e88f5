/* Drift of the sample during a movie, estimated from its localizations. */
#ifndef ATM_DRIFT_H
#define ATM_DRIFT_H

#include "err.h"
#include "log.h"
#include <stdbool.h>
#include <stddef.h>

/* Localizations sorted by frame; borrowed. */
struct atm_drift_points {
    ptrdiff_t count, frames;
    const double *x, *y;    /* px */
    const double *photons;  /* NULL: unknown */
    const ptrdiff_t *first; /* (frames + 1): rows of frame f are first[f] .. first[f + 1] - 1 */
};

struct atm_drift_options {
    int method;            /* enum atm_drift_method */
    ptrdiff_t segment;     /* frames; 0: as short as the localizations allow */
    ptrdiff_t coarse;      /* frames of segments that are searched from afar; 0: the same */
    double range, pixel;   /* px */
    double radius, share;  /* fiducials: px, share of the frames */
    const double *places;  /* given fiducials (2 place_count), px at the start; borrowed */
    ptrdiff_t place_count; /* 0: find them */
    bool check;            /* estimate the error from halves */
};

/* What was subtracted: position = localization - (x, y)[frame]. Zero in the first frame. */
struct atm_drift {
    ptrdiff_t frames;
    double *x, *y;             /* owned (frames), px */
    double error;              /* px, standard deviation per axis; NAN: not estimated */
    ptrdiff_t segment, coarse; /* frames, of the options or chosen */
    ptrdiff_t jumps;           /* places where the sample moved at once */
    ptrdiff_t fiducials;       /* 0: another method */
};

/* ATM_FAIL with advice where the data cannot say: fewer than two segments' worth of localizations,
 * no fiducials. The same result for any thread count. */
enum atm_status atm_drift_estimate(const struct atm_drift_points *points,
                                   const struct atm_drift_options *options,
                                   const struct atm_sink *sink, struct atm_drift *drift,
                                   struct atm_err *err);
void atm_drift_free(struct atm_drift *drift);

#endif
