/* Which localizations are one blink: near each other in consecutive frames, gaps allowed. */
#ifndef ATM_LINK_H
#define ATM_LINK_H

#include "locs.h"

struct atm_link_rule {
    double radius; /* px; NAN: by the precision of the two, lpx and lpy, which must be there */
    int64_t gap;   /* frames that may be missing in between */
};

/* Two localizations belong together within this many standard deviations of their difference; by
 * chance 1 in 500 pairs that do is missed (exp(-3.5^2 / 2)). */
#define ATM_LINK_SIGMAS 3.5
/* ... and within this many median precisions, so that one with a huge uncertainty links nothing. */
#define ATM_LINK_MOST_PRECISIONS 20

struct atm_links {
    ptrdiff_t count; /* blinks */
    uint32_t *blink; /* owned, of each row; blinks count from 0 in the order of their first rows */
};

/* Every localization is given to the nearest blink that is still open in its frame, nearest pairs
 * first. The same result for any thread count. */
enum atm_status atm_link(const struct atm_locs *locs, const struct atm_link_rule *rule,
                         struct atm_links *links, struct atm_err *err);
void atm_links_free(struct atm_links *links);

/* Replace the rows by one for each blink, in the order of their first frames. Sums: photons, bg, n,
 * blocks. x and y: mean weighted by 1/lpx^2, 1/lpy^2 (evenly where there is none). lpx, lpy: 1 /
 * sqrt(sum 1/lpx^2). photons_unc, bg_unc: root of the sum of squares. frame, id, group: of the
 * first. Others: mean. New columns n (localizations), len (frames from the first to the last),
 * photon_rate (photons per localization). As Picasso's link does. */
enum atm_status atm_link_merge(struct atm_locs *locs, const struct atm_links *links,
                               struct atm_err *err);

/* Frames since the blink before at the same place, by the same rule of distance: column `dark`, -1
 * where there was none. For rows that are blinks already (column len). */
enum atm_status atm_link_dark(struct atm_locs *locs, const struct atm_link_rule *rule,
                              struct atm_err *err);

#endif
