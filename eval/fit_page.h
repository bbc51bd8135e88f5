/* How well the fit explains a movie, on a page: verdict, maps over the field, course over time, and
 * brightness beside that of the training set. */
#ifndef ATM_FIT_PAGE_H
#define ATM_FIT_PAGE_H

#include "fit_record.h"
#include "html.h"

/* Pictures go to STEMfit_map.png, STEMfit_frames.svg, ... and, unless keep is set, are removed when
 * the page has them. */
enum atm_status atm_fit_page_put(struct atm_html *page, const struct atm_fit_record *record,
                                 const char *stem, bool keep, struct atm_err *err);

#endif
