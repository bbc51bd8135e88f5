/* Smooth random curves that cross the field, like labelled microtubules, as lists of sites. */
#ifndef ATM_FILAMENTS_H
#define ATM_FILAMENTS_H

#include "repulsion.h"
#include <stddef.h>

struct atm_site {
    double x, y; /* px */
};

struct atm_sites {
    struct atm_site *at; /* owned */
    ptrdiff_t count, capacity;
};

struct atm_filaments_options {
    int64_t count;
    double spacing_px; /* between neighbouring sites, along the curve */
};

/* Each curve enters at a random place of the border and runs until it leaves the region. One random
 * substream per filament: adding a filament does not move the others. sites: zeroed; also freed by
 * the caller after a failure. */
enum atm_status atm_filaments_draw(const struct atm_filaments_options *options,
                                   const struct atm_region *region, uint64_t seed,
                                   struct atm_sites *sites, struct atm_err *err);
void atm_sites_free(struct atm_sites *sites);

#endif
