/* Scores on a page: key figures in plain language, the whole table, several tables side by side. */
#ifndef ATM_SCORE_PAGE_H
#define ATM_SCORE_PAGE_H

#include "compare.h"
#include "html.h"

/* The figures that say most, each with what it means; then the report's warnings. */
void atm_score_page_key_figures(struct atm_html *page, const struct atm_score_report *report);
/* Every figure at both tolerances and by the challenge's rules, the intervals, the controls, and
 * the conventions in words. */
enum atm_status atm_score_page_table(struct atm_html *page, const struct atm_score_report *report,
                                     struct atm_err *err);
/* One row per entry. */
enum atm_status atm_score_page_compare(struct atm_html *page,
                                       const struct atm_compare_entry *entries, int count,
                                       struct atm_err *err);

/* What a number of the scores means, by its key ("jaccard"), or NULL. */
const char *atm_score_meaning(const char *key);

#endif
