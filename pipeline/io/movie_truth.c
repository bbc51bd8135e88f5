/* What is known of a movie's images: labels, and the strokes that synthetic ones are made of. */
#include "h5.h"
#include "idx.h"
#include "mem.h"
#include "movie_format.h"
#include "npy.h"
#include "pieces.h"
#include "stroke_fields.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Labels ---- */

/* from becomes to in the last part of the path; false where it is not there. */
static bool replace(char *path, size_t room, const char *from, const char *to) {
    char *slash = strrchr(path, '/'), *at = strstr(slash ? slash : path, from);
    const size_t length = strlen(path), old = strlen(from), new = strlen(to);
    if (!at || length - old + new >= room)
        return false;
    memmove(at + new, at + old, strlen(at + old) + 1);
    memcpy(at, to, new);
    return true;
}

/* x-images-idx3-ubyte.gz has x-labels-idx1-ubyte.gz beside it, packed or not. */
static bool find_beside(const char *images, char path[PATH_MAX]) {
    if (snprintf(path, PATH_MAX, "%s", images) >= PATH_MAX ||
        !replace(path, PATH_MAX, "images", "labels"))
        return false;
    replace(path, PATH_MAX, "idx3", "idx1");
    if (access(path, F_OK) == 0)
        return true;
    const size_t length = strlen(path);
    if (length > 3 && !strcmp(path + length - 3, ".gz"))
        path[length - 3] = '\0';
    else if (length + 3 < PATH_MAX)
        memcpy(path + length, ".gz", 4);
    return access(path, F_OK) == 0;
}

enum atm_status atm_movie_find_labels(struct atm_movie *movie, struct atm_err *err) {
    char path[PATH_MAX];
    const char *found = movie->options.labels;
    if (!found[0] && movie->format == &atm_movie_idx && find_beside(movie->path, path))
        found = path;
    if (!found[0])
        return ATM_OK;
    movie->labels = atm_mem_alloc(strlen(found) + 1, 1);
    if (!movie->labels)
        return atm_err_memory(err, movie->path);
    memcpy(movie->labels, found, strlen(found));
    movie->info.has_labels = movie->shown.has_labels = true;
    return ATM_OK;
}

static enum atm_status check_count(const struct atm_movie *movie, long long count,
                                   struct atm_err *err) {
    if (count == movie->info.frames || (count > movie->info.frames && movie->info.missing_frames))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: has %lld labels, and %s %td images; name another file "
                       "by input.labels",
                       movie->labels, count, movie->path, movie->info.frames);
}

static enum atm_status read_idx(const struct atm_movie *movie, unsigned char *bytes,
                                struct atm_err *err) {
    struct atm_zfile *file = NULL;
    struct atm_idx idx;
    size_t got = 0;
    const size_t frames = (size_t)movie->info.frames;
    enum atm_status status = atm_zfile_open(movie->labels, &file, err);
    if (status == ATM_OK)
        status = atm_idx_read_header(file, movie->labels, 1, &idx, err);
    if (status == ATM_OK)
        status = check_count(movie, idx.extents[0], err);
    if (status == ATM_OK)
        status = atm_zfile_read(file, idx.start, frames, bytes, &got, err);
    if (status == ATM_OK && got < frames)
        status = atm_err_set(err, ATM_FAIL, "%s: is cut off; copy it again", movie->labels);
    atm_zfile_close(&file);
    return status;
}

static enum atm_status read_npy(const struct atm_movie *movie, int fd, float *values,
                                struct atm_err *err) {
    struct atm_npy npy;
    enum atm_status status = atm_npy_read_header(fd, movie->labels, &npy, err);
    if (status == ATM_OK && (npy.rank != 1 || npy.sample->kind == ATM_SAMPLE_FLOAT))
        status = atm_err_set(err, ATM_FAIL, "%s: labels are whole numbers along one axis",
                             movie->labels);
    if (status == ATM_OK)
        status = check_count(movie, npy.extents[0], err);
    if (status != ATM_OK)
        return status;
    const struct atm_pieces pieces = {.fd = fd,
                                      .sample = npy.sample,
                                      .swapped = npy.swapped,
                                      .pixels = movie->info.frames,
                                      .start = npy.start};
    return atm_pieces_read(&pieces, movie->labels, 0, 1, values, err);
}

static enum atm_status read_file(const struct atm_movie *movie, int fd, int32_t *labels,
                                 struct atm_err *err) {
    unsigned char head[8] = {0};
    const ptrdiff_t frames = movie->info.frames;
    const ssize_t size = pread(fd, head, sizeof head, 0);
    const bool is_npy = size > 0 && atm_npy_probe(head, (size_t)size);
    unsigned char *bytes = atm_mem_alloc((size_t)frames, 1);
    float *values = is_npy ? atm_mem_alloc((size_t)frames, sizeof *values) : NULL;
    enum atm_status status =
        bytes && (values || !is_npy) ? ATM_OK : atm_err_memory(err, movie->labels);
    if (status == ATM_OK)
        status = is_npy ? read_npy(movie, fd, values, err) : read_idx(movie, bytes, err);
    for (ptrdiff_t t = 0; status == ATM_OK && t < frames; t++) {
        const bool good = is_npy && values[t] >= 0 && values[t] < 1e9F;
        labels[t] = !is_npy ? bytes[t] : good ? (int32_t)values[t] : -1;
    }
    atm_mem_free(bytes);
    atm_mem_free(values);
    return status;
}

enum atm_status atm_movie_labels(struct atm_movie *movie, int32_t *labels, struct atm_err *err) {
    if (!movie->info.has_labels)
        return atm_err_set(err, ATM_FAIL, "%s: has no labels; name their file by input.labels",
                           movie->path);
    if (!movie->labels)
        return movie->format->read_labels(movie, labels, err);
    int fd = open(movie->labels, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return atm_err_errno(err, movie->labels, "open");
    enum atm_status status = read_file(movie, fd, labels, err);
    close(fd);
    return status;
}

/* ---- Strokes ---- */

#define FIELD(name, type, member)                                                                  \
    { name, type, type, offsetof(struct atm_stroke, member) }
const struct atm_h5_field atm_stroke_fields[ATM_STROKE_FIELDS] = {
    FIELD("frame", ATM_H5_I64, frame),   FIELD("id", ATM_H5_I64, id),
    FIELD("degree", ATM_H5_I64, degree), FIELD("x0", ATM_H5_F64, x[0]),
    FIELD("y0", ATM_H5_F64, y[0]),       FIELD("x1", ATM_H5_F64, x[1]),
    FIELD("y1", ATM_H5_F64, y[1]),       FIELD("x2", ATM_H5_F64, x[2]),
    FIELD("y2", ATM_H5_F64, y[2]),       FIELD("x3", ATM_H5_F64, x[3]),
    FIELD("y3", ATM_H5_F64, y[3]),       FIELD("pen_px", ATM_H5_F64, pen_px),
};

enum atm_status atm_movie_strokes(const char *path, struct atm_stroke **strokes, ptrdiff_t *count,
                                  struct atm_err *err) {
    struct atm_h5 *file = NULL;
    *strokes = NULL;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (status == ATM_OK)
        status = atm_h5_table_size(file, "/truth", count, err);
    if (status == ATM_OK && !(*strokes = atm_mem_alloc((size_t)*count + 1, sizeof **strokes)))
        status = atm_err_memory(err, path);
    if (status == ATM_OK)
        status = atm_h5_read_table(file, "/truth", atm_stroke_fields, ATM_STROKE_FIELDS, *strokes,
                                   sizeof **strokes, *count, err);
    if (status != ATM_OK) {
        atm_mem_free(*strokes);
        *strokes = NULL;
    }
    enum atm_status closed = atm_h5_close(&file, status == ATM_OK ? err : NULL);
    return status == ATM_OK ? closed : status;
}
