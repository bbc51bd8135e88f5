/* Tables as a command's -o options name them: one or several, each in the format of its ending. */
#ifndef ATM_OUTPUTS_H
#define ATM_OUTPUTS_H

#include "config.h"
#include "err.h"
#include "log.h"

/* Before hours of work: are the names (NULL-terminated) formats, different, in folders that can be
 * written to, and none of them that input (NULL: none)? */
enum atm_status atm_outputs_check(const char *const *outputs, const char *input,
                                  struct atm_err *err);
/* The same once the pixel size is known, or known to be unknown (NAN): formats in nm need it. */
enum atm_status atm_outputs_check_units(const char *const *outputs, double pixel_size_nm,
                                        struct atm_err *err);
/* The same for [output], where only columns that localizing gives can be asked for. */
enum atm_status atm_outputs_check_columns(const struct atm_config *config, struct atm_err *err);
/* Write all of them, each with the columns of [output], and say so. */
enum atm_status atm_outputs_write(const char *const *outputs, const struct atm_config *config,
                                  const struct atm_table *table, const struct atm_sink *sink,
                                  struct atm_err *err);

#endif
