/* Several TIFF or PNG files as one movie: sequences of images, recordings in parts. */
#include "movie_format.h"

#include "mem.h"
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

struct joined {
    ptrdiff_t *ends;        /* (files) frames up to the end of each */
    struct atm_movie *open; /* of the files, the one last read from */
    ptrdiff_t open_file;
};

static enum atm_status check_part(const struct atm_movie *movie, ptrdiff_t file,
                                  const struct atm_movie_info *part, struct atm_err *err) {
    const struct atm_movie_info *info = &movie->info;
    const char *path = movie->files.paths[file];
    if (part->height != info->height || part->width != info->width)
        return atm_err_set(err, ATM_FAIL,
                           "%s: has images of %td x %td pixels, and %s of %td x %td: they do not "
                           "belong to one movie",
                           path, part->width, part->height, movie->files.paths[0], info->width,
                           info->height);
    if (strcmp(part->sample, info->sample) != 0)
        return atm_err_set(err, ATM_FAIL, "%s: holds %s and %s %s: convert all to one type", path,
                           part->sample, movie->files.paths[0], info->sample);
    if (part->missing_frames && file + 1 < movie->files.count)
        return atm_err_set(err, ATM_FAIL,
                           "%s: frame %td (counting from 0) is cut off, and other files follow; "
                           "copy the file again",
                           path, part->frames);
    return ATM_OK;
}

/* Frames of one file; what is the same in all is checked. */
static enum atm_status count_part(struct atm_movie *movie, ptrdiff_t file, struct atm_err *err) {
    struct joined *joined = movie->state;
    struct atm_movie *part = NULL;
    enum atm_status status =
        atm_movie_open_file(movie->files.paths[file], &movie->options, &part, err);
    if (!status)
        status = check_part(movie, file, &part->info, err);
    if (!status)
        joined->ends[file] = part->info.frames;
    if (!status && file + 1 == movie->files.count)
        movie->info.missing_frames = part->info.missing_frames;
    atm_movie_close(&part);
    return status;
}

static enum atm_status count_frames(struct atm_movie *movie, struct atm_err *err) {
    struct joined *joined = movie->state;
    enum atm_status result = ATM_OK;
    ptrdiff_t failed = movie->files.count;
#pragma omp parallel for schedule(dynamic)
    for (ptrdiff_t i = 0; i < movie->files.count; i++) {
        struct atm_err own = {0};
        enum atm_status status = count_part(movie, i, &own);
#pragma omp critical(atm_movie_joined)
        if (status && i < failed) {
            failed = i;
            result = status;
            if (err)
                *err = own;
        }
    }
    for (ptrdiff_t i = 1; !result && i < movie->files.count; i++)
        joined->ends[i] += joined->ends[i - 1];
    return result;
}

static enum atm_status open_joined(struct atm_movie *movie, struct atm_err *err) {
    struct joined *joined = movie->state = atm_mem_alloc(1, sizeof *joined);
    const ptrdiff_t files = movie->files.count;
    if (!joined || !(joined->ends = atm_mem_alloc((size_t)files, sizeof *joined->ends)))
        return atm_err_memory(err, movie->path);
    enum atm_status status =
        atm_movie_open_file(movie->files.paths[0], &movie->options, &joined->open, err);
    if (status)
        return status;
    movie->info = joined->open->info;
    status = count_frames(movie, err);
    if (status)
        return status;
    movie->info.frames = joined->ends[files - 1];
    movie->ahead = files == movie->info.frames; /* otherwise each file is read ahead */
    snprintf(movie->info.format, sizeof movie->info.format, "%.12s in %td files",
             joined->open->info.format, files);
    return ATM_OK;
}

/* ---- reading ---- */

static enum atm_status read_part(struct atm_movie *movie, ptrdiff_t file, ptrdiff_t first,
                                 ptrdiff_t count, float *adu, struct atm_err *err) {
    struct joined *joined = movie->state;
    enum atm_status status = ATM_OK;
    if (!joined->open || joined->open_file != file) {
        atm_movie_close(&joined->open);
        status = atm_movie_open_file(movie->files.paths[file], &movie->options, &joined->open, err);
        joined->open_file = file;
    }
    /* Again, for files may have been changed since. */
    if (!status)
        status = check_part(movie, file, &joined->open->info, err);
    return status ? status : atm_movie_read(joined->open, first, count, adu, err);
}

static enum atm_status read_image(const struct atm_movie *movie, ptrdiff_t file, float *adu,
                                  struct atm_err *err) {
    struct atm_movie *part = NULL;
    enum atm_status status =
        atm_movie_open_file(movie->files.paths[file], &movie->options, &part, err);
    if (!status)
        status = check_part(movie, file, &part->info, err);
    if (!status)
        status = atm_movie_read(part, 0, 1, adu, err);
    atm_movie_close(&part);
    return status;
}

/* A sequence of single images: each is opened, by several threads. */
static enum atm_status read_images(const struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    const ptrdiff_t pixels = movie->info.height * movie->info.width;
    enum atm_status result = ATM_OK;
    ptrdiff_t failed = count;
#pragma omp parallel for schedule(dynamic) if (count > 1)
    for (ptrdiff_t i = 0; i < count; i++) {
        struct atm_err own = {0};
        enum atm_status status = read_image(movie, first + i, adu + i * pixels, &own);
#pragma omp critical(atm_movie_joined)
        if (status && i < failed) {
            failed = i;
            result = status;
            if (err)
                *err = own;
        }
    }
    return result;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    const struct joined *joined = movie->state;
    const ptrdiff_t pixels = movie->info.height * movie->info.width;
    if (movie->files.count == movie->info.frames)
        return read_images(movie, first, count, adu, err);
    enum atm_status status = ATM_OK;
    for (ptrdiff_t file = 0; count > 0 && !status; file++) {
        if (first >= joined->ends[file])
            continue;
        ptrdiff_t start = file ? joined->ends[file - 1] : 0, left = joined->ends[file] - first;
        ptrdiff_t some = count < left ? count : left;
        status = read_part(movie, file, first - start, some, adu, err);
        adu += some * pixels;
        first += some;
        count -= some;
    }
    return status;
}

static void close_joined(struct atm_movie *movie) {
    struct joined *joined = movie->state;
    if (!joined)
        return;
    atm_movie_close(&joined->open);
    atm_mem_free(joined->ends);
    atm_mem_free(joined);
}

const struct atm_movie_format atm_movie_joined = {
    .name = "several image files",
    .open = open_joined,
    .read = read_frames,
    .close = close_joined,
};
