/* One configuration value: text to memory and back. Internal to the ini_*.c files. */
#ifndef ATM_INI_VALUE_H
#define ATM_INI_VALUE_H

#include "ini.h"
#include <stdio.h>

enum { ATM_INI_VALUE_SIZE = 2 * ATM_KEY_TEXT_SIZE + 8 };

/* Check text and store it in the key's field of options. The message names the key, the text and
 * what is allowed. */
enum atm_status atm_ini_value_parse(const struct atm_key *key, const char *text, void *options,
                                    struct atm_err *err);

/* Add a key of another name, or with `replace` change the one that is there. */
enum atm_status atm_ini_pairs_add(struct atm_ini_pairs *pairs, const char *name, const char *value,
                                  int replace, struct atm_err *err);

/* The text that parses back to the same value, quoted where a file needs it. */
void atm_ini_value_format(const struct atm_key *key, const void *options,
                          char out[ATM_INI_VALUE_SIZE]);

/* The same quoting for a default's text. */
void atm_ini_value_quote(const char *text, char out[ATM_INI_VALUE_SIZE]);

/* "0.3 to 20 px", "one of a, b", "yes or no": what a value may be; "" for free text. */
void atm_ini_value_allowed(const struct atm_key *key, char *out, size_t size);

#endif
