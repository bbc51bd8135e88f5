#include "movie_list.h"

#include "h5.h"
#include "mem.h"
#include "movie.h"
#include "paths.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PLACE[] = "{}";

static enum atm_status add(struct atm_movie_list *list, const char *path, struct atm_err *err) {
    for (int i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].path, path))
            return ATM_OK;
    if (list->count == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 16;
        struct atm_movie_item *items =
            atm_mem_grow(list->items, (size_t)list->count, (size_t)capacity, sizeof *list->items);
        if (!items)
            return atm_err_memory(err, "the list of movies");
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = NULL;
    if (asprintf(&copy, "%s", path) < 0)
        return atm_err_memory(err, "the list of movies");
    list->items[list->count++].path = copy;
    return ATM_OK;
}

/* ---- Folders and patterns ---- */

static bool opens_as_movie(const char *path) {
    const struct atm_movie_options options = {.allow_truncated = true};
    struct atm_movie *movie = NULL;
    bool opens = atm_movie_open(path, &options, &movie, NULL) == ATM_OK;
    atm_movie_close(&movie);
    return opens;
}

/* An HDF5 file of something else, like the fit's own beside a table. */
static bool has_no_frames(const char *path) {
    struct atm_h5 *file = NULL;
    ptrdiff_t shape[ATM_H5_MAX_RANK];
    int rank = 0;
    if (atm_h5_open(path, &file, NULL))
        return false;
    const bool none = atm_h5_shape(file, "/frames", &rank, shape, NULL) != ATM_OK;
    atm_h5_close(&file, NULL);
    return none;
}

/* Tables, models and more may lie among the movies. */
static bool is_movie_file(const char *path) {
    static const char *const endings[] = {".tif", ".tiff", ".h5", ".hdf5", ".raw"};
    enum atm_path_kind kind;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (atm_path_ends(path, endings[i]))
            return !atm_path_is_folder(path) &&
                   (atm_path_kind(path, &kind, NULL) != ATM_OK || kind == ATM_PATH_MOVIE) &&
                   !has_no_frames(path);
    return false;
}

/* A file of a recording (name.ome.tif, name_1.ome.tif, ...) that is in the list by an earlier one.
 */
static bool is_listed(const struct atm_movie_list *list, const char *path) {
    const struct atm_movie_options options = {.allow_truncated = true};
    struct atm_movie *movie = NULL;
    const char *file;
    bool listed = false;
    if (!strcasestr(path, ".ome.tif") || atm_movie_open(path, &options, &movie, NULL))
        return false;
    for (ptrdiff_t k = 0; !listed && (file = atm_movie_file(movie, k)); k++)
        for (int i = 0; !listed && i < list->count; i++)
            listed = strcmp(file, path) != 0 && !strcmp(file, list->items[i].path);
    atm_movie_close(&movie);
    return listed;
}

static int compare_paths(const void *a, const void *b) {
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* The movies among these paths, in order. */
static enum atm_status add_movies(struct atm_movie_list *list, char **paths, size_t count,
                                  const char *where, struct atm_err *err) {
    const int before = list->count;
    enum atm_status status = ATM_OK;
    qsort(paths, count, sizeof *paths, compare_paths);
    for (size_t i = 0; !status && i < count; i++)
        if (is_movie_file(paths[i]) && !is_listed(list, paths[i]))
            status = add(list, paths[i], err);
    list->expanded = true;
    if (!status && list->count == before)
        status = atm_err_set(err, ATM_FAIL, "%s: no movies there (.tif, .tiff, .h5, .hdf5, .raw)",
                             where);
    return status;
}

/* Patterns over the folder's own files: hidden ones are not meant. */
static enum atm_status add_matches(struct atm_movie_list *list, const char *pattern,
                                   const char *where, struct atm_err *err) {
    glob_t found;
    int code = glob(pattern, 0, NULL, &found);
    if (code == GLOB_NOSPACE)
        return atm_err_memory(err, "the list of movies");
    if (code)
        return atm_err_set(err, ATM_FAIL, "%s: no movies there", where);
    enum atm_status status = add_movies(list, found.gl_pathv, found.gl_pathc, where, err);
    globfree(&found);
    return status;
}

/* The folder's name as a pattern that stands for nothing but itself. */
static char *pattern_of_folder(const char *folder) {
    char *pattern = NULL;
    size_t size;
    FILE *out = open_memstream(&pattern, &size);
    if (!out)
        return NULL;
    for (const char *c = folder; *c; c++) {
        if (strchr("*?[]\\", *c))
            fputc('\\', out);
        fputc(*c, out);
    }
    fputs(folder[strlen(folder) - 1] == '/' ? "*" : "/*", out);
    if (!fclose(out))
        return pattern;
    free(pattern);
    return NULL;
}

static enum atm_status add_argument(struct atm_movie_list *list, const char *argument,
                                    struct atm_err *err) {
    const bool folder = atm_path_is_folder(argument);
    const bool pattern = !atm_path_exists(argument) && strpbrk(argument, "*?[");
    if (!*argument || (!folder && !pattern) || opens_as_movie(argument))
        return add(list, argument, err);
    if (pattern)
        return add_matches(list, argument, argument, err);
    char *inside = pattern_of_folder(argument);
    enum atm_status status = inside ? add_matches(list, inside, argument, err)
                                    : atm_err_memory(err, "the list of movies");
    atm_mem_free(inside);
    return status;
}

/* ---- Names ---- */

/* The last `parts` parts of the path without its ending, joined by _. */
static char *name_of(const char *path, int parts) {
    char *name = atm_path_beside(path, "");
    size_t length = name ? strlen(name) : 0;
    while (length > 1 && name[length - 1] == '/') /* a folder of images */
        name[--length] = '\0';
    char *start = name ? name + length : NULL;
    while (name && start > name && (start[-1] != '/' || --parts > 0))
        start--;
    if (name)
        memmove(name, start, strlen(start) + 1);
    for (char *c = name; c && *c; c++)
        if (*c == '/')
            *c = '_';
    return name;
}

static enum atm_status name_all(struct atm_movie_list *list, int parts, struct atm_err *err) {
    for (int i = 0; i < list->count; i++) {
        atm_mem_free(list->items[i].name);
        list->items[i].name = name_of(list->items[i].path, parts);
        if (!list->items[i].name)
            return atm_err_memory(err, "the names of the outputs");
    }
    return ATM_OK;
}

/* Two items of one name, or -1. */
static int find_twins(const struct atm_movie_list *list, int *other) {
    for (int i = 0; i < list->count; i++)
        for (int j = i + 1; j < list->count; j++)
            if (!strcmp(list->items[i].name, list->items[j].name)) {
                *other = j;
                return i;
            }
    return -1;
}

static enum atm_status name_outputs(struct atm_movie_list *list, struct atm_err *err) {
    enum { MOST_PARTS = 16 };
    int twin = 0, other = 0;
    enum atm_status status = ATM_OK;
    for (int parts = 1; !status && parts <= MOST_PARTS; parts++) {
        status = name_all(list, parts, err);
        twin = status ? -1 : find_twins(list, &other);
        if (twin < 0)
            return status;
    }
    return atm_err_set(err, ATM_USAGE,
                       "%s and %s would have the same outputs; take one of them alone",
                       list->items[twin].path, list->items[other].path);
}

enum atm_status atm_movie_list_create(char *const *arguments, int count,
                                      struct atm_movie_list *list, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    *list = (struct atm_movie_list){0};
    for (int i = 0; !status && i < count; i++) {
        status = add_argument(list, arguments[i], err);
        if (status == ATM_FAIL && count > 1) /* it will fail among the others */
            status = add(list, arguments[i], err);
    }
    if (!status)
        status = name_outputs(list, err);
    if (status)
        atm_movie_list_free(list);
    return status;
}

void atm_movie_list_free(struct atm_movie_list *list) {
    for (int i = 0; i < list->count; i++) {
        atm_mem_free(list->items[i].path);
        atm_mem_free(list->items[i].name);
    }
    atm_mem_free(list->items);
    *list = (struct atm_movie_list){0};
}

/* ---- Outputs ---- */

bool atm_output_is_pattern(const char *output) {
    size_t length = strlen(output);
    return strstr(output, PLACE) || (length && output[length - 1] == '/');
}

char *atm_output_of(const char *output, const char *name) {
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    if (!out)
        return NULL;
    if (!strstr(output, PLACE)) { /* a folder */
        fprintf(out, "%s%s%s.hdf5", output, output[strlen(output) - 1] == '/' ? "" : "/", name);
        output = "";
    }
    for (const char *at; (at = strstr(output, PLACE)); output = at + strlen(PLACE))
        fprintf(out, "%.*s%s", (int)(at - output), output, name);
    fputs(output, out);
    if (!fclose(out))
        return result;
    free(result);
    return NULL;
}
