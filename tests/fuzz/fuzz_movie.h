/* Bytes as a file of pictures: opened, its first frames and labels read, whole and as far as it
 * goes. */
#ifndef FUZZ_MOVIE_H
#define FUZZ_MOVIE_H

#include "mem.h"
#include "movie.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FRAMES = 3, MOST_PIXELS = 1 << 18, MOST_LABELS = 1 << 20 };

static inline void use_frames(struct atm_movie *movie) {
    const struct atm_movie_info *info = atm_movie_info(movie);
    const ptrdiff_t pixels = info->height * info->width;
    struct atm_err err = {0};
    if (info->frames <= 0 || pixels <= 0)
        __builtin_trap();
    float *adu = pixels <= MOST_PIXELS ? atm_mem_alloc((size_t)pixels, sizeof *adu) : NULL;
    for (ptrdiff_t t = 0; adu && t < info->frames && t < MOST_FRAMES; t++)
        atm_movie_read(movie, t, 1, adu, &err);
    int32_t *labels = info->has_labels && info->frames <= MOST_LABELS
                          ? atm_mem_alloc((size_t)info->frames, sizeof *labels)
                          : NULL;
    if (labels)
        atm_movie_labels(movie, labels, &err);
    atm_mem_free(labels);
    atm_mem_free(adu);
}

static inline int fuzz_movie(const uint8_t *data, size_t size,
                             const struct atm_movie_picture_options *picture) {
    struct atm_fuzz_file file;
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    for (int truncated = 0; truncated < 2; truncated++) {
        const struct atm_movie_options options = {.allow_truncated = truncated,
                                                  .picture = *picture};
        struct atm_movie *movie = NULL;
        struct atm_err err = {0};
        if (atm_movie_open(file.path, &options, &movie, &err) == ATM_OK)
            use_frames(movie);
        else if (!err.text[0])
            __builtin_trap(); /* a failure without a message */
        atm_movie_close(&movie);
    }
    atm_fuzz_file_close(&file);
    return 0;
}

static inline void fuzz_put(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        __builtin_trap();
    close(fd);
}

#endif
