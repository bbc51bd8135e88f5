/* Movies of a batch: what folders and patterns stand for, and a name for each one's outputs. */
#ifndef ATM_MOVIE_LIST_H
#define ATM_MOVIE_LIST_H

#include "err.h"
#include <stdbool.h>

struct atm_movie_item {
    char *path; /* owned */
    char *name; /* owned: "cell1" of "data/cell1.ome.tif"; different for each */
};
struct atm_movie_list {
    struct atm_movie_item *items; /* owned */
    int count, capacity;
    bool expanded; /* some argument was a folder or a pattern */
};

/* Arguments are movies (also such that are not there: they fail when their turn comes), folders of
 * movies and patterns ("day1/\*.tif", where the shell has not expanded it). A folder or pattern
 * that can be opened as one movie, a sequence of images, is one. In the order of numbers in their
 * names, each file once. */
enum atm_status atm_movie_list_create(char *const *arguments, int count,
                                      struct atm_movie_list *list, struct atm_err *err);
void atm_movie_list_free(struct atm_movie_list *list);

/* What -o means for several movies: "{}" in it stands for a movie's name; "folder/" for
 * "folder/{}.hdf5". False: a single file. */
bool atm_output_is_pattern(const char *output);
/* The name of one movie's output, owned by the caller; NULL if out of memory. */
char *atm_output_of(const char *output, const char *name);

#endif
