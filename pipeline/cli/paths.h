/* Names of files: what they hold, and the names of what is written beside them. */
#ifndef ATM_PATHS_H
#define ATM_PATHS_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

enum atm_path_kind { ATM_PATH_MOVIE, ATM_PATH_MODEL, ATM_PATH_TABLE };

/* By content for HDF5, by name otherwise. Fails when the file cannot be read. */
enum atm_status atm_path_kind(const char *path, enum atm_path_kind *kind, struct atm_err *err);

/* "dir/locs.hdf5", "_model.h5" -> "dir/locs_model.h5". Owned by the caller (atm_mem_free); NULL if out of
 * memory. */
char *atm_path_beside(const char *path, const char *suffix);
/* Case-insensitive. */
bool atm_path_ends(const char *path, const char *ending);

bool atm_path_exists(const char *path);
bool atm_path_is_folder(const char *path);
/* Can a file of this name be made in its folder? To be asked before hours of work. Leaves nothing. */
enum atm_status atm_path_check_output(const char *path, struct atm_err *err);
/* Fails where the output would replace that input (NULL: none), also by another name of the same file. */
enum atm_status atm_path_check_not_input(const char *output, const char *input,
                                         struct atm_err *err);
/* The folder and those above it. */
enum atm_status atm_path_make_folder(const char *path, struct atm_err *err);

#endif
