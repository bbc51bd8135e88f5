/* Several tables of localizations against one truth, side by side. */
#ifndef ATM_COMPARE_H
#define ATM_COMPARE_H

#include "score_report.h"
#include <stdio.h>

struct atm_compare_entry {
    const char *name;
    const struct atm_score_report *report; /* all of the same truth and options */
};

/* What is compared: one column each, for text and pages. */
enum { ATM_COMPARE_CELL = 32 };
extern const char *const atm_compare_heads[];
extern const int atm_compare_columns;
/* The cell of a column as text; n/a where unknown. */
void atm_compare_cell(const struct atm_compare_entry *entry, int column,
                      char text[ATM_COMPARE_CELL]);

/* Owned by the caller (atm_mem_free); NULL if out of memory. The JSON has each entry's whole
 * report:
 * {"tables": {NAME: ...}}. */
char *atm_compare_text(const struct atm_compare_entry *entries, int count);
char *atm_compare_json(const struct atm_compare_entry *entries, int count);

#endif
