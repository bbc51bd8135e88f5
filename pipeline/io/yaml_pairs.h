/* YAML (and so JSON) of other programs, as the pairs of names and plain values in it. */
#ifndef ATM_YAML_PAIRS_H
#define ATM_YAML_PAIRS_H

#include "err.h"

typedef enum atm_status atm_yaml_take(const char *key, const char *value, void *context,
                                      struct atm_err *err);

/* take is called for each pair of every document, at any depth, in order. path is for messages. */
enum atm_status atm_yaml_pairs(const char *path, const char *text, atm_yaml_take *take,
                               void *context, struct atm_err *err);

#endif
