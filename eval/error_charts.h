/* Errors of localizations as charts, beside what the Cramer-Rao limit and the stated uncertainties
 * predict. */
#ifndef ATM_ERROR_CHARTS_H
#define ATM_ERROR_CHARTS_H

#include "crlb.h"
#include "html.h"
#include "score_report.h"

/* Charts of the pairs at the report's tolerance, each as FOLDER/NAME.svg, .png and .json (the
 * folder must be there) and with its caption on the page: errors, pulls, error over photons,
 * photons, goodness of fit. What the tables cannot show is left out. limits: those of the report.
 */
enum atm_status atm_error_charts_put(struct atm_html *page, const struct atm_score_report *report,
                                     const struct atm_crlb *limits, const char *folder,
                                     struct atm_err *err);

/* Chi-square per degree of freedom of every localization as a histogram, and a verdict in words;
 * nothing where the table has none. */
enum atm_status atm_fit_chart_put(struct atm_html *page, const struct atm_table *found,
                                  const char *folder, struct atm_err *err);

#endif
