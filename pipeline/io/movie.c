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

static const struct atm_movie_format *const FORMATS[] = {
    &atm_movie_tiff, &atm_movie_hdf5, &atm_movie_raw,   &atm_movie_png,
    &atm_movie_npy,  &atm_movie_idx,  &atm_movie_unipen};
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
    return (struct atm_camera){.pixel_size_nm = NAN,
                               .offset = NAN,
                               .gain = NAN,
                               .em_gain = NAN,
                               .qe = NAN,
                               .read_noise = NAN,
                               .saturation = NAN,
                               .exposure_ms = NAN};
}

/* First bytes of a regular file, or why there are none. */
static enum atm_status read_head(const char *path, unsigned char *head, size_t *size,
                                 struct atm_err *err) {
    struct stat info;
    if (stat(path, &info))
        return atm_err_set(err, ATM_FAIL, "%s: cannot open: %s; check the name and the folder",
                           path, strerror(errno));
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

static const struct atm_movie_format *find_format(const char *path, const unsigned char *head,
                                                  size_t size) {
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (FORMATS[i]->probe(path, head, size))
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

static void show_all(struct atm_movie *movie) {
    movie->shown = movie->info;
    movie->shown.field = (struct atm_movie_roi){0, 0, movie->info.width, movie->info.height};
}

static enum atm_status create(const char *path, const struct atm_movie_options *options,
                              const struct atm_movie_format *format, struct atm_movie **movie,
                              struct atm_err *err) {
    *movie = atm_mem_alloc(1, sizeof **movie);
    char *copy = atm_mem_alloc(strlen(path) + 1, 1);
    if (!*movie || !copy) {
        atm_mem_free(*movie);
        atm_mem_free(copy);
        *movie = NULL;
        return atm_err_memory(err, path);
    }
    memcpy(copy, path, strlen(path));
    **movie = (struct atm_movie){.format = format, .path = copy};
    (*movie)->info.camera = atm_movie_unknown_camera();
    (*movie)->info.channels = 1;
    if (options)
        (*movie)->options = *options;
    return ATM_OK;
}

enum atm_status atm_movie_open_file(const char *path, const struct atm_movie_options *options,
                                    struct atm_movie **movie, struct atm_err *err) {
    *movie = NULL;
    unsigned char head[HEAD_BYTES];
    size_t size = 0;
    enum atm_status status = read_head(path, head, &size, err);
    if (status != ATM_OK)
        return status;
    const struct atm_movie_format *format = find_format(path, head, size);
    if (!format)
        return unknown_format(path, err);
    status = create(path, options, format, movie, err);
    if (status == ATM_OK)
        status = format->open(*movie, err);
    if (status == ATM_OK)
        show_all(*movie);
    if (status == ATM_OK && !(*movie)->files.count)
        status = atm_files_add(&(*movie)->files, "", 0, path, err);
    if (status != ATM_OK)
        atm_movie_close(movie);
    return status;
}

/* The files become the movie's, also where this fails. */
static enum atm_status open_joined(const char *path, const struct atm_movie_options *options,
                                   struct atm_files *files, struct atm_movie **movie,
                                   struct atm_err *err) {
    enum atm_status status = create(path, options, &atm_movie_joined, movie, err);
    if (status != ATM_OK) {
        atm_files_free(files);
        return status;
    }
    (*movie)->files = *files;
    *files = (struct atm_files){0};
    status = atm_movie_joined.open(*movie, err);
    if (status == ATM_OK)
        show_all(*movie);
    else
        atm_movie_close(movie);
    return status;
}

/* A recording that goes on in other files is opened again, as all of them. */
static enum atm_status open_recording(const char *path, const struct atm_movie_options *options,
                                      struct atm_movie **movie, struct atm_err *err) {
    enum atm_status status = atm_movie_open_file(path, options, movie, err);
    if (status != ATM_OK || !(*movie)->in_parts)
        return status;
    struct atm_files files = (*movie)->files;
    const ptrdiff_t announced = (*movie)->announced;
    (*movie)->files = (struct atm_files){0};
    atm_movie_close(movie);
    if (options && options->allow_truncated)
        atm_files_cut(&files);
    if (files.count == 0) {
        atm_files_free(&files);
        return atm_err_set(err, ATM_FAIL,
                           "%s: says that the recording begins in another file, which is not there",
                           path);
    }
    status = open_joined(path, options, &files, movie, err);
    if (status == ATM_OK && options && options->allow_truncated &&
        (*movie)->info.frames < announced)
        (*movie)->shown.missing_frames = announced - (*movie)->info.frames;
    return status;
}

static enum atm_status several_stacks(const char *path, struct atm_err *err) {
    return atm_err_set(
        err, ATM_FAIL,
        "%s: there are stacks of several frames, so several movies; give one of them", path);
}

/* Numbered images, or the parts of one recording. */
static enum atm_status open_list(const char *path, const struct atm_movie_options *options,
                                 struct atm_files *files, bool split, struct atm_movie **movie,
                                 struct atm_err *err) {
    const ptrdiff_t count = files->count;
    enum atm_status status = open_recording(files->paths[0], options, movie, err);
    if (status != ATM_OK || (*movie)->files.count >= count)
        return status;
    const bool single = (*movie)->info.frames == 1 && (*movie)->files.count == 1;
    atm_movie_close(movie);
    if (!split && !single)
        return several_stacks(path, err);
    status = open_joined(path, options, files, movie, err);
    if (status != ATM_OK || split || (*movie)->info.frames == count)
        return status;
    atm_movie_close(movie);
    return several_stacks(path, err);
}

static enum atm_status open_whole(const char *path, const struct atm_movie_options *options,
                                  struct atm_movie **movie, struct atm_err *err) {
    struct stat info;
    struct atm_files files = {0};
    bool split = false;
    enum atm_status status;
    *movie = NULL;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        status = atm_files_of_folder(path, &files, &split, err);
    else if (atm_files_is_pattern(path))
        status = atm_files_of_pattern(path, &files, &split, err);
    else
        return open_recording(path, options, movie, err);
    if (status == ATM_OK)
        status = open_list(path, options, &files, split, movie, err);
    atm_files_free(&files);
    return status;
}

enum { WHOLE_AT_ONCE = 16 }; /* frames, where a part of them is shown */

static enum atm_status show_part(struct atm_movie *movie, const struct atm_movie_roi *roi,
                                 struct atm_err *err) {
    struct atm_movie_info *shown = &movie->shown;
    if (roi->x > shown->width - roi->width || roi->y > shown->height - roi->height)
        return atm_err_set(err, ATM_FAIL,
                           "%s: has frames of %td x %td pixels; the region of %td x %td at x %td, "
                           "y %td is not inside",
                           movie->path, shown->width, shown->height, roi->width, roi->height,
                           roi->x, roi->y);
    shown->field.x = roi->x, shown->field.y = roi->y;
    shown->width = roi->width, shown->height = roi->height;
    movie->whole = atm_mem_alloc((size_t)(movie->info.height * movie->info.width),
                                 WHOLE_AT_ONCE * sizeof *movie->whole);
    return movie->whole ? ATM_OK : atm_err_memory(err, movie->path);
}

/* The picture stage in front of the movie, which becomes its own also where this fails. */
static enum atm_status put_picture(struct atm_movie **movie, struct atm_err *err) {
    struct atm_movie *inner = *movie;
    void *state = NULL;
    enum atm_status status = create(inner->path, &inner->options, &atm_movie_picture, movie, err);
    if (status == ATM_OK)
        status = atm_movie_picture_state(inner, &state, err);
    if (status != ATM_OK) {
        atm_movie_close(&inner);
        return status;
    }
    (*movie)->state = state;
    status = atm_movie_picture.open(*movie, err);
    if (status == ATM_OK)
        show_all(*movie);
    return status;
}

enum atm_status atm_movie_open(const char *path, const struct atm_movie_options *options,
                               struct atm_movie **movie, struct atm_err *err) {
    enum atm_status status = open_whole(path, options, movie, err);
    if (status == ATM_OK)
        status = atm_movie_find_labels(*movie, err);
    if (status == ATM_OK && options && (options->picture.size_px || options->picture.invert))
        status = put_picture(movie, err);
    if (status == ATM_OK && options && options->roi.width)
        status = show_part(*movie, &options->roi, err);
    if (status != ATM_OK)
        atm_movie_close(movie);
    return status;
}

enum atm_status atm_movie_roi_parse(const char *text, const char *key, struct atm_movie_roi *roi,
                                    struct atm_err *err) {
    long x, y, width, height;
    int end = 0;
    *roi = (struct atm_movie_roi){0};
    if (!text[strspn(text, " ")])
        return ATM_OK;
    if (sscanf(text, " %ld , %ld , %ld , %ld %n", &x, &y, &width, &height, &end) < 4 || text[end] ||
        x < 0 || y < 0 || width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE)
        return atm_err_set(err, ATM_FAIL,
                           "%s = %s: a region is x, y, width, height in pixels: 10, 20, 64, 64",
                           key, text);
    *roi = (struct atm_movie_roi){x, y, width, height};
    return ATM_OK;
}

const struct atm_movie_info *atm_movie_info(const struct atm_movie *movie) { return &movie->shown; }

const char *atm_movie_path(const struct atm_movie *movie) { return movie->path; }

const char *atm_movie_file(const struct atm_movie *movie, ptrdiff_t index) {
    return index < movie->files.count    ? movie->files.paths[index]
           : index == movie->files.count ? movie->labels
                                         : NULL;
}

/* Without branches, and so at the speed of memory. */
static bool all_finite(const float *adu, ptrdiff_t count) {
    int strange = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        strange |= !(fabsf(adu[i]) <= FLT_MAX);
    return !strange;
}

static enum atm_status check_pixels(const struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                    const float *adu, struct atm_err *err) {
    const ptrdiff_t width = movie->shown.width, pixels = movie->shown.height * width;
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

static enum atm_status read_whole(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                  float *adu, struct atm_err *err) {
    return movie->ahead ? atm_movie_ahead_read(movie, first, count, adu, err)
                        : movie->format->read(movie, first, count, adu, err);
}

static enum atm_status read_part(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                 float *adu, struct atm_err *err) {
    const struct atm_movie_info *shown = &movie->shown;
    const ptrdiff_t width = movie->info.width, pixels = movie->info.height * width;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t done = 0; done < count && status == ATM_OK; done += WHOLE_AT_ONCE) {
        ptrdiff_t some = count - done < WHOLE_AT_ONCE ? count - done : WHOLE_AT_ONCE;
        status = read_whole(movie, first + done, some, movie->whole, err);
        for (ptrdiff_t row = 0; row < some * shown->height && status == ATM_OK; row++) {
            ptrdiff_t y = shown->field.y + row % shown->height;
            memcpy(adu + (done * shown->height + row) * shown->width,
                   movie->whole + row / shown->height * pixels + y * width + shown->field.x,
                   (size_t)shown->width * sizeof *adu);
        }
    }
    return status;
}

enum atm_status atm_movie_read(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                               float *adu, struct atm_err *err) {
    if (first < 0 || count < 0 || first > movie->info.frames || count > movie->info.frames - first)
        return atm_err_set(err, ATM_FAIL, "%s: has %td frames; there are no frames %td to %td",
                           movie->path, movie->info.frames, first, first + count - 1);
    enum atm_status status = movie->whole ? read_part(movie, first, count, adu, err)
                                          : read_whole(movie, first, count, adu, err);
    return status == ATM_OK ? check_pixels(movie, first, count, adu, err) : status;
}

static enum atm_status hash_file(const char *path, XXH3_state_t *state, void *block,
                                 size_t block_size, struct atm_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return atm_err_errno(err, path, "open");
    ssize_t got;
    while ((got = read(fd, block, block_size)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        XXH3_64bits_update(state, block, (size_t)got);
    }
    enum atm_status status = got < 0 ? atm_err_errno(err, path, "read") : ATM_OK;
    close(fd);
    return status;
}

enum atm_status atm_movie_hash(struct atm_movie *movie, uint64_t *hash, struct atm_err *err) {
    enum { BLOCK = 1 << 20 };
    XXH3_state_t *state = XXH3_createState();
    void *block = atm_mem_alloc(BLOCK, 1);
    enum atm_status status = state && block ? ATM_OK : atm_err_memory(err, movie->path);
    if (status == ATM_OK)
        XXH3_64bits_reset(state);
    for (ptrdiff_t i = 0; i < movie->files.count && status == ATM_OK; i++)
        status = hash_file(movie->files.paths[i], state, block, BLOCK, err);
    if (status == ATM_OK)
        *hash = movie->shown.hash = XXH3_64bits_digest(state);
    atm_mem_free(block);
    XXH3_freeState(state);
    return status;
}

int64_t atm_movie_bytes(const struct atm_movie *movie) {
    int64_t bytes = 0;
    struct stat info;
    for (ptrdiff_t i = 0; i < movie->files.count; i++) {
        if (stat(movie->files.paths[i], &info))
            return 0;
        bytes += (int64_t)info.st_size;
    }
    return bytes;
}

void atm_movie_refresh(struct atm_movie **movie) {
    struct atm_movie *again = NULL, *old = *movie;
    if (atm_movie_open(old->path, &old->options, &again, NULL) != ATM_OK)
        return;
    const struct atm_movie_info *info = atm_movie_info(again);
    bool grown = info->frames > old->shown.frames && info->height == old->shown.height &&
                 info->width == old->shown.width;
    *movie = grown ? again : old;
    old = grown ? old : again;
    atm_movie_close(&old);
}

void atm_movie_close(struct atm_movie **movie) {
    struct atm_movie *closed = *movie;
    *movie = NULL;
    if (!closed)
        return;
    atm_movie_ahead_free(&closed->reading_ahead);
    closed->format->close(closed);
    atm_files_free(&closed->files);
    atm_mem_free(closed->whole);
    atm_mem_free(closed->labels);
    atm_mem_free(closed->path);
    atm_mem_free(closed);
}
