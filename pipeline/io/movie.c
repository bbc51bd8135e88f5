/* Movies of any format: dispatch by content, range and pixel checks, hash. */
#include "movie_format.h"

#include "mem.h"
#include "movie_ahead.h"
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const struct atm_movie_format *const FORMATS[] = {&atm_movie_tiff, &atm_movie_hdf5};
enum { FORMAT_COUNT = sizeof FORMATS / sizeof *FORMATS };

enum { HEAD_BYTES = 4096, MAX_SIDE = 65536 };
static const uint64_t MAX_PIXELS = (uint64_t)1 << 28; /* 1 GB as float */

enum atm_status atm_movie_check_size(const char *path, const char *what, uint64_t height,
                                     uint64_t width, struct atm_err *err) {
    if (height > 0 && width > 0 && height <= MAX_SIDE && width <= MAX_SIDE &&
        height * width <= MAX_PIXELS)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: %s claims %llu x %llu pixels; sides up to %d and %llu pixels are read: "
                       "the file is damaged, or must be cut into smaller images",
                       path, what, (unsigned long long)width, (unsigned long long)height, MAX_SIDE,
                       (unsigned long long)MAX_PIXELS);
}

struct atm_camera atm_movie_unknown_camera(void) {
    return (struct atm_camera){NAN, NAN, NAN, NAN, NAN, NAN, NAN, {{0}, {0}, {0}}};
}

/* First bytes of a regular file, or why there are none. */
static enum atm_status read_head(const char *path, unsigned char *head, size_t *size,
                                 struct atm_err *err) {
    struct stat info;
    if (stat(path, &info))
        return atm_err_set(err, ATM_FAIL, "%s: cannot open: %s; check the name and the folder",
                           path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return atm_err_set(err, ATM_FAIL,
                           "%s: is a folder; give one movie file (a sequence of single images must "
                           "be joined to a stack first)",
                           path);
    if (!S_ISREG(info.st_mode))
        return atm_err_set(err, ATM_FAIL, "%s: is not a regular file; give a movie file", path);
    if (info.st_size == 0)
        return atm_err_set(err, ATM_FAIL, "%s: is empty (0 bytes); copy or record it again", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, head, HEAD_BYTES) : -1;
    enum atm_status status = got >= 0 ? ATM_OK : atm_err_errno(err, path, "read");
    *size = got >= 0 ? (size_t)got : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

static const struct atm_movie_format *find_format(const unsigned char *head, size_t size) {
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (FORMATS[i]->probe(head, size))
            return FORMATS[i];
    return NULL;
}

static enum atm_status unknown_format(const char *path, struct atm_err *err) {
    char names[256] = "";
    for (int i = 0; i < FORMAT_COUNT; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", FORMATS[i]->name);
    }
    return atm_err_set(err, ATM_FAIL,
                       "%s: is not a movie in a known format (%s); convert it to a TIFF stack",
                       path, names);
}

enum atm_status atm_movie_open(const char *path, const struct atm_movie_options *options,
                               struct atm_movie **movie, struct atm_err *err) {
    *movie = NULL;
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    enum atm_status status = read_head(path, head, &size, err);
    if (status != ATM_OK)
        return status;
    const struct atm_movie_format *format = find_format(head, size);
    if (!format)
        return unknown_format(path, err);
    struct atm_movie *opened = atm_mem_alloc(1, sizeof *opened);
    char *copy = atm_mem_alloc(strlen(path) + 1, 1);
    if (!opened || !copy) {
        atm_mem_free(opened);
        atm_mem_free(copy);
        return atm_err_memory(err, path);
    }
    memcpy(copy, path, strlen(path));
    *opened = (struct atm_movie){.format = format, .path = copy};
    opened->info.camera = atm_movie_unknown_camera();
    if (options)
        opened->options = *options;
    status = format->open(opened, err);
    if (status == ATM_OK)
        *movie = opened;
    else
        atm_movie_close(&opened);
    return status;
}

const struct atm_movie_info *atm_movie_info(const struct atm_movie *movie) { return &movie->info; }

const char *atm_movie_path(const struct atm_movie *movie) { return movie->path; }

/* Without branches, and so at the speed of memory. */
static bool all_finite(const float *adu, ptrdiff_t count) {
    int strange = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        strange |= !(fabsf(adu[i]) <= FLT_MAX);
    return !strange;
}

static enum atm_status check_pixels(const struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                    const float *adu, struct atm_err *err) {
    const ptrdiff_t width = movie->info.width, pixels = movie->info.height * width;
    if (strstr(movie->info.sample, "int") || all_finite(adu, count * pixels))
        return ATM_OK;
    ptrdiff_t i = 0;
    while (isfinite(adu[i]))
        i++;
    return atm_err_set(err, ATM_FAIL,
                       "%s: frame %td (counting from 0) has a pixel that is not a finite number "
                       "(%s) at x %td, y %td; replace such pixels before use",
                       movie->path, first + i / pixels, isnan(adu[i]) ? "NaN" : "infinite",
                       i % pixels % width, i % pixels / width);
}

enum atm_status atm_movie_read(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                               float *adu, struct atm_err *err) {
    if (first < 0 || count < 0 || first > movie->info.frames || count > movie->info.frames - first)
        return atm_err_set(err, ATM_FAIL, "%s: has %td frames; there are no frames %td to %td",
                           movie->path, movie->info.frames, first, first + count - 1);
    enum atm_status status = movie->ahead ? atm_movie_ahead_read(movie, first, count, adu, err)
                                          : movie->format->read(movie, first, count, adu, err);
    return status == ATM_OK ? check_pixels(movie, first, count, adu, err) : status;
}

static enum atm_status hash_file(int fd, const char *path, XXH3_state_t *state, void *block,
                                 size_t block_size, struct atm_err *err) {
    for (;;) {
        ssize_t got = read(fd, block, block_size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return atm_err_errno(err, path, "read");
        if (got == 0)
            return ATM_OK;
        XXH3_64bits_update(state, block, (size_t)got);
    }
}

enum atm_status atm_movie_hash(struct atm_movie *movie, uint64_t *hash, struct atm_err *err) {
    enum { BLOCK = 1 << 20 };
    enum atm_status status = ATM_OK;
    XXH3_state_t *state = XXH3_createState();
    void *block = atm_mem_alloc(BLOCK, 1);
    int fd = open(movie->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        status = atm_err_errno(err, movie->path, "open");
    } else if (!state || !block) {
        status = atm_err_memory(err, movie->path);
    } else {
        XXH3_64bits_reset(state);
        status = hash_file(fd, movie->path, state, block, BLOCK, err);
    }
    if (status == ATM_OK)
        *hash = movie->info.hash = XXH3_64bits_digest(state);
    if (fd >= 0)
        close(fd);
    atm_mem_free(block);
    XXH3_freeState(state);
    return status;
}

void atm_movie_close(struct atm_movie **movie) {
    struct atm_movie *closed = *movie;
    *movie = NULL;
    if (!closed)
        return;
    atm_movie_ahead_free(&closed->reading_ahead);
    closed->format->close(closed);
    atm_mem_free(closed->path);
    atm_mem_free(closed);
}
