/* Stamps tell whether the outputs of a stage are still those of this configuration: a small text beside
 * them with the stage's identity and the hash of each output. A changed configuration, a changed
 * or missing output: the stage runs again. */
#ifndef ATM_STAMP_H
#define ATM_STAMP_H

#include "err.h"
#include <stdbool.h>
#include <stdint.h>

/* XXH3 of a file's bytes. */
enum atm_status atm_stamp_hash(const char *path, uint64_t *hash, struct atm_err *err);

/* files: NULL-terminated paths of the outputs. */
bool atm_stamp_matches(const char *stamp, const char *identity, const char *const *files);
/* After the outputs are written. */
enum atm_status atm_stamp_write(const char *stamp, const char *identity, const char *const *files,
                                struct atm_err *err);

#endif
