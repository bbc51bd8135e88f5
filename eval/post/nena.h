/* Localization precision from neighbours in time (NeNA: Endesfelder et al. 2014,
 * doi:10.1007/s00418-014-1192-3). */
#ifndef ATM_NENA_H
#define ATM_NENA_H

#include "locs.h"

enum { ATM_NENA_BINS = 200 };

struct atm_nena {
    double precision; /* px, standard deviation per axis of one localization */
    double same;      /* share of localizations whose emitter is still on in the next frame */
    ptrdiff_t count;  /* localizations with a next frame */
    double width;     /* px, of a bin */
    double found[ATM_NENA_BINS], expected[ATM_NENA_BINS]; /* nearest neighbours at each distance */
};

/* For each localization the nearest one of the next frame: either the same emitter once more, at a
 * distance r distributed as r / (2 s^2) exp(-r^2 / (4 s^2)), or another one, met at a rate of b0 +
 * b1 r per distance (along lines, and in the plane); whichever is nearer. s, the share, b0 and b1
 * by maximum likelihood of the counts per distance. ATM_FAIL where there are too few neighbours. */
enum atm_status atm_nena_estimate(const struct atm_locs *locs, struct atm_nena *nena,
                                  struct atm_err *err);

#endif
