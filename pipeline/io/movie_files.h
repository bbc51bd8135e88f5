/* Movies in several files: which files, in which order. */
#ifndef ATM_MOVIE_FILES_H
#define ATM_MOVIE_FILES_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct atm_files {
    char **paths; /* owned, as are the texts */
    ptrdiff_t count, room;
};

void atm_files_free(struct atm_files *files);
/* A copy of folder/name (folder of `length` characters; 0: name alone) at the end. */
enum atm_status atm_files_add(struct atm_files *files, const char *folder, size_t length,
                              const char *name, struct atm_err *err);

/* The image files of a folder, or those that a pattern in the shell's style names, with numbers in
 * names in their order (2 before 10). Fails where they belong to several movies: their names differ
 * in more than numbers. *split: the names are one name, alone and with _1, _2, ... behind it: parts
 * of one recording. Pictures (.png) in a folder of .tif do not count. */
enum atm_status atm_files_of_folder(const char *folder, struct atm_files *files, bool *split,
                                    struct atm_err *err);
enum atm_status atm_files_of_pattern(const char *pattern, struct atm_files *files, bool *split,
                                     struct atm_err *err);
/* Leaves those that come before the first one that is not there. */
void atm_files_cut(struct atm_files *files);
bool atm_files_is_pattern(const char *path);
/* Micro-Manager's parts of a large recording: path, and name_1.ome.tif, name_2.ome.tif, ... as far
 * as there are. */
enum atm_status atm_files_of_parts(const char *path, struct atm_files *files, struct atm_err *err);

#endif
