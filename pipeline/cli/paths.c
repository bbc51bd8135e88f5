#include "paths.h"

#include "h5.h"
#include "movie_files.h"
#include "outfile.h"
#include "table.h"
#include "unipen.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool atm_path_ends(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && !strcasecmp(path + length - tail, ending);
}

static enum atm_status kind_of_h5(const char *path, enum atm_path_kind *kind, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (status)
        return status;
    if (atm_h5_exists(file, "/weights"))
        *kind = ATM_PATH_MODEL;
    else if (atm_h5_exists(file, "/locs") ||
             (atm_h5_exists(file, "/truth") && !atm_h5_exists(file, "/frames")) ||
             atm_table_is_foreign(file))
        *kind = ATM_PATH_TABLE;
    else
        *kind = ATM_PATH_MOVIE;
    return atm_h5_close(&file, err);
}

enum atm_status atm_path_kind(const char *path, enum atm_path_kind *kind, struct atm_err *err) {
    static const char h5_magic[8] = "\211HDF\r\n\032\n";
    static const char *const tables[] = {".csv", ".txt", ".tsv", ".yaml"};
    char start[1024] = "";
    *kind = ATM_PATH_MOVIE;
    if (atm_files_is_pattern(path))
        return ATM_OK;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return atm_err_errno(err, path, "open");
    ssize_t got = read(file, start, sizeof start);
    close(file);
    if (got >= (ssize_t)sizeof h5_magic && !memcmp(start, h5_magic, sizeof h5_magic))
        return kind_of_h5(path, kind, err);
    if (got > 0 && atm_unipen_probe(start, (size_t)got))
        return ATM_OK;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) /* a folder of images is a movie */
        if (atm_path_ends(path, tables[i]))
            *kind = ATM_PATH_TABLE;
    return ATM_OK;
}

char *atm_path_beside(const char *path, const char *suffix) {
    static const char *const double_endings[] = {".px.csv", ".challenge.csv", ".decode.h5",
                                                 ".ome.tif", ".ome.tiff"};
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t length = dot && dot != name ? (size_t)(dot - path) : strlen(path);
    for (size_t i = 0; i < sizeof double_endings / sizeof *double_endings; i++)
        if (atm_path_ends(name, double_endings[i]))
            length = strlen(path) - strlen(double_endings[i]);
    char *result = NULL;
    return asprintf(&result, "%.*s%s", (int)length, path, suffix) < 0 ? NULL : result;
}

bool atm_path_exists(const char *path) { return access(path, F_OK) == 0; }

bool atm_path_is_folder(const char *path) {
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

enum atm_status atm_path_check_output(const char *path, struct atm_err *err) {
    struct atm_outfile probe = {0};
    if (atm_path_is_folder(path))
        return atm_err_set(err, ATM_FAIL, "%s: is a folder; give the name of a file", path);
    enum atm_status status = atm_outfile_begin(&probe, path, err);
    atm_outfile_discard(&probe);
    return status;
}

enum atm_status atm_path_check_not_input(const char *output, const char *input,
                                         struct atm_err *err) {
    struct stat out, in;
    if (!input || stat(output, &out) || stat(input, &in) || out.st_dev != in.st_dev ||
        out.st_ino != in.st_ino)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "%s: the output would replace the input; give it another name", output);
}

enum atm_status atm_path_make_folder(const char *path, struct atm_err *err) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return atm_err_set(err, ATM_FAIL, "%s: the name is too long", path);
    for (char *end = folder; end;) {
        end = strchr(end + 1, '/');
        if (end)
            *end = 0;
        if (mkdir(folder, 0777) && errno != EEXIST)
            return atm_err_errno(err, folder, "make the folder");
        if (end)
            *end = '/';
    }
    return atm_path_is_folder(path) ? ATM_OK
                                    : atm_err_set(err, ATM_FAIL, "%s: is not a folder", path);
}
