#include "movie_files.h"

#include "mem.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

void atm_files_free(struct atm_files *files) {
    for (ptrdiff_t i = 0; i < files->count; i++)
        atm_mem_free(files->paths[i]);
    atm_mem_free(files->paths);
    *files = (struct atm_files){0};
}

void atm_files_cut(struct atm_files *files) {
    ptrdiff_t there = 0;
    while (there < files->count && access(files->paths[there], F_OK) == 0)
        there++;
    while (files->count > there)
        atm_mem_free(files->paths[--files->count]);
}

enum atm_status atm_files_add(struct atm_files *files, const char *folder, size_t length,
                              const char *name, struct atm_err *err) {
    if (files->count == files->room) {
        ptrdiff_t room = files->room ? 2 * files->room : 16;
        char **grown = atm_mem_grow(files->paths, (size_t)files->room, (size_t)room, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, name);
        files->paths = grown;
        files->room = room;
    }
    const size_t size = length + strlen(name) + 2;
    char *path = atm_mem_alloc(size, 1);
    if (!path)
        return atm_err_memory(err, name);
    snprintf(path, size, "%.*s%s%s", (int)length, folder, length ? "/" : "", name);
    files->paths[files->count++] = path;
    return ATM_OK;
}

/* ---- names ---- */

static bool is_image(const char *name) {
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && dot &&
           (!strcasecmp(dot, ".tif") || !strcasecmp(dot, ".tiff") || !strcasecmp(dot, ".png"));
}

/* Text as text, numbers as numbers. */
static int compare_names(const char *a, const char *b) {
    while (*a && *b) {
        if (!isdigit((unsigned char)*a) || !isdigit((unsigned char)*b)) {
            if (*a != *b)
                return (unsigned char)*a - (unsigned char)*b;
            a++, b++;
            continue;
        }
        a += strspn(a, "0"), b += strspn(b, "0");
        size_t digits_a = strspn(a, "0123456789"), digits_b = strspn(b, "0123456789");
        if (digits_a != digits_b)
            return digits_a < digits_b ? -1 : 1;
        int order = strncmp(a, b, digits_a);
        if (order)
            return order;
        a += digits_a, b += digits_b;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int compare_paths(const void *a, const void *b) {
    const char *first = *(char *const *)a, *second = *(char *const *)b;
    int order = compare_names(first, second);
    return order ? order : strcmp(first, second);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Where the extension begins: .tif, .ome.tif. */
static size_t stem_length(const char *path) {
    const char *dot = strrchr(path, '.');
    size_t length = dot ? (size_t)(dot - path) : strlen(path);
    if (length > 4 && !strncasecmp(path + length - 4, ".ome", 4))
        length -= 4;
    return length;
}

/* The name without _12 before its extension; numbers: other numbers become #. */
static void take_skeleton(const char *name, bool numbers, char skeleton[NAME_MAX + 1]) {
    size_t stem = stem_length(name), end = stem, used = 0;
    while (end > 0 && isdigit((unsigned char)name[end - 1]))
        end--;
    const bool counted = end < stem && end > 1 && name[end - 1] == '_';
    for (size_t i = 0; name[i] && used < NAME_MAX; i++) {
        if (counted && i == end - 1)
            i = stem;
        bool digit = numbers && isdigit((unsigned char)name[i]);
        if (digit && used && skeleton[used - 1] == '#')
            continue;
        skeleton[used++] = digit ? '#' : name[i];
    }
    skeleton[used] = '\0';
}

/* Parts are name, name_1, name_2, ...; cell_1, cell_2, ... without a cell are movies of their own.
 */
static bool is_first_part(const char *path) {
    char skeleton[NAME_MAX + 1];
    take_skeleton(file_name(path), false, skeleton);
    return strcmp(skeleton, file_name(path)) == 0;
}

/* In one folder, too. */
static bool all_alike(const struct atm_files *files, bool numbers, ptrdiff_t *other) {
    char first[NAME_MAX + 1], own[NAME_MAX + 1];
    const size_t folder = (size_t)(file_name(files->paths[0]) - files->paths[0]);
    take_skeleton(file_name(files->paths[0]), numbers, first);
    for (*other = 1; *other < files->count; ++*other) {
        const char *path = files->paths[*other], *name = file_name(path);
        take_skeleton(name, numbers, own);
        if ((size_t)(name - path) != folder || strncmp(path, files->paths[0], folder) != 0 ||
            strcmp(first, own) != 0)
            return false;
    }
    return true;
}

/* ---- lists ---- */

static bool is_png(const char *path) { return !strcasecmp(path + strlen(path) - 4, ".png"); }

/* Where there are TIFFs, they are the images: our own pictures are .png. */
static void drop_pictures(struct atm_files *files) {
    ptrdiff_t kept = 0, pictures = 0;
    for (ptrdiff_t i = 0; i < files->count; i++)
        pictures += is_png(files->paths[i]);
    if (pictures == files->count)
        return;
    for (ptrdiff_t i = 0; i < files->count; i++)
        if (is_png(files->paths[i]))
            atm_mem_free(files->paths[i]);
        else
            files->paths[kept++] = files->paths[i];
    files->count = kept;
}

static enum atm_status read_folder(const char *folder, DIR *open, struct atm_files *files,
                                   struct atm_err *err) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    enum atm_status status = ATM_OK;
    struct dirent *entry;
    while (!status && (errno = 0, entry = readdir(open)))
        if (is_image(entry->d_name))
            status = atm_files_add(files, folder, length, entry->d_name, err);
    return !status && errno ? atm_err_errno(err, folder, "read the folder") : status;
}

static enum atm_status put_in_order(const char *where, struct atm_files *files, bool *split,
                                    struct atm_err *err) {
    ptrdiff_t other;
    if (!files->count)
        return atm_err_set(err, ATM_FAIL, "%s: there are no .tif files (nor .png); give a movie",
                           where);
    qsort(files->paths, (size_t)files->count, sizeof *files->paths, compare_paths);
    *split = all_alike(files, false, &other) && is_first_part(files->paths[0]);
    if (*split || all_alike(files, true, &other))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: there are several movies (%s, %s); give one of them, or a pattern in "
                       "quotes that names the images of one",
                       where, file_name(files->paths[0]), file_name(files->paths[other]));
}

enum atm_status atm_files_of_folder(const char *folder, struct atm_files *files, bool *split,
                                    struct atm_err *err) {
    DIR *open = opendir(folder);
    if (!open)
        return atm_err_errno(err, folder, "open the folder");
    enum atm_status status = read_folder(folder, open, files, err);
    closedir(open);
    drop_pictures(files);
    return status ? status : put_in_order(folder, files, split, err);
}

bool atm_files_is_pattern(const char *path) {
    return strpbrk(path, "*?[") && access(path, F_OK) != 0;
}

enum atm_status atm_files_of_pattern(const char *pattern, struct atm_files *files, bool *split,
                                     struct atm_err *err) {
    glob_t found = {0};
    int code = glob(pattern, GLOB_NOSORT, NULL, &found);
    enum atm_status status = ATM_OK;
    if (code && code != GLOB_NOMATCH)
        status = atm_err_set(err, ATM_FAIL, "%s: cannot look for such files", pattern);
    for (size_t i = 0; !status && i < found.gl_pathc; i++)
        if (is_image(file_name(found.gl_pathv[i])))
            status = atm_files_add(files, "", 0, found.gl_pathv[i], err);
    globfree(&found);
    return status ? status : put_in_order(pattern, files, split, err);
}

enum atm_status atm_files_of_parts(const char *path, struct atm_files *files, struct atm_err *err) {
    const size_t stem = stem_length(path);
    enum atm_status status = atm_files_add(files, "", 0, path, err);
    for (int part = 1; !status && !strncasecmp(path + stem, ".ome.", 5); part++) {
        char name[PATH_MAX];
        int length = snprintf(name, sizeof name, "%.*s_%d%s", (int)stem, path, part, path + stem);
        if (length >= (int)sizeof name || access(name, F_OK) != 0)
            break;
        status = atm_files_add(files, "", 0, name, err);
    }
    return status;
}
