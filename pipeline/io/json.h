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

#endif
