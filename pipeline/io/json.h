/* JSON: values on a stream, and every number of a document by its path. */
#ifndef ATM_JSON_H
#define ATM_JSON_H

#include "err.h"
#include <stddef.h>
#include <stdio.h>

/* null where not finite. */
void atm_json_number(FILE *out, double value);
/* Quoted and escaped; null for NULL. */
void atm_json_text(FILE *out, const char *text);

struct atm_json_number {
    char *name; /* owned: "at_tolerance.all.jaccard"; members of arrays by number */
    double value;
};
struct atm_json_numbers {
    struct atm_json_number *items; /* owned, in the order of the document */
    ptrdiff_t count, capacity;
};

/* Every number of a document; null counts as the number NAN. name: of the document, for messages.
 */
enum atm_status atm_json_numbers_read(const char *text, const char *name,
                                      struct atm_json_numbers *numbers, struct atm_err *err);
void atm_json_numbers_free(struct atm_json_numbers *numbers);
/* By its whole name, else the first whose last parts are `name`; NULL: none. */
const struct atm_json_number *atm_json_numbers_find(const struct atm_json_numbers *numbers,
                                                    const char *name);

#endif
