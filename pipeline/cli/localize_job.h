/* Localizing a movie: model, tables, pictures, and the files beside them. */
#ifndef ATM_LOCALIZE_JOB_H
#define ATM_LOCALIZE_JOB_H

#include "command.h"
#include "movie_list.h"

/* outputs: NULL-terminated tables; what else is written is named after the first. stamped: a stamp
 * is left beside it, and a movie whose outputs are there already, from the same configuration, is
 * not localized again. */
enum atm_status atm_localize_job(const struct atm_call *call, const char *movie,
                                 const char *const *outputs, bool stamped, struct atm_err *err);

/* Many: call->outputs are patterns or one folder. A movie that fails does not stop the others; a
 * table of all, summary.csv, is kept beside the outputs. */
enum atm_status atm_localize_batch(const struct atm_call *call, const struct atm_movie_list *movies,
                                   struct atm_err *err);

#endif
