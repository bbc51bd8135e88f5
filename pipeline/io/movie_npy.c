/* NumPy's .npy: (frames, height, width), or (height, width) for one frame. */
#include "movie_format.h"
#include "npy.h"

#include "mem.h"
#include "pieces.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool probe(const char *path, const unsigned char *head, size_t size) {
    (void)path;
    return atm_npy_probe(head, size);
}

static enum atm_status count_frames(struct atm_movie *movie, const struct atm_npy *npy,
                                    struct atm_err *err) {
    const struct atm_pieces *pieces = movie->state;
    const ptrdiff_t announced = npy->rank == 3 ? npy->extents[0] : 1;
    struct stat info;
    if (fstat(pieces->fd, &info))
        return atm_err_errno(err, movie->path, "look at");
    const long long whole =
        (info.st_size - (long long)npy->start) / (pieces->pixels * npy->sample->bits / 8);
    movie->info.frames = whole < announced ? (ptrdiff_t)whole : announced;
    movie->info.missing_frames = announced - movie->info.frames;
    if (!movie->info.missing_frames || (movie->options.allow_truncated && whole > 0))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: frame %td (counting from 0) is cut off: the file says %td frames; copy "
                       "it again, or use --allow-truncated to read the whole ones",
                       movie->path, movie->info.frames, announced);
}

static enum atm_status open_npy(struct atm_movie *movie, struct atm_err *err) {
    struct atm_npy npy;
    struct atm_pieces *pieces = movie->state = atm_mem_alloc(1, sizeof *pieces);
    if (!pieces)
        return atm_err_memory(err, movie->path);
    pieces->fd = open(movie->path, O_RDONLY | O_CLOEXEC);
    if (pieces->fd < 0)
        return atm_err_errno(err, movie->path, "open");
    enum atm_status status = atm_npy_read_header(pieces->fd, movie->path, &npy, err);
    if (status == ATM_OK && npy.rank < 2)
        status = atm_err_set(err, ATM_FAIL,
                             "%s: an array of one axis; images have (frames, height, width)",
                             movie->path);
    if (status == ATM_OK)
        status =
            atm_movie_check_size(movie->path, "its header", (uint64_t)npy.extents[npy.rank - 2],
                                 (uint64_t)npy.extents[npy.rank - 1], err);
    if (status != ATM_OK)
        return status;
    movie->info.height = npy.extents[npy.rank - 2];
    movie->info.width = npy.extents[npy.rank - 1];
    snprintf(movie->info.format, sizeof movie->info.format, "%s", movie->format->name);
    snprintf(movie->info.sample, sizeof movie->info.sample, "%s", npy.sample->name);
    pieces->sample = npy.sample;
    pieces->swapped = npy.swapped;
    pieces->pixels = movie->info.height * movie->info.width;
    pieces->start = npy.start;
    return count_frames(movie, &npy, err);
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    return atm_pieces_read(movie->state, movie->path, first, count, adu, err);
}

static void close_npy(struct atm_movie *movie) {
    struct atm_pieces *pieces = movie->state;
    if (pieces && pieces->fd >= 0)
        close(pieces->fd);
    atm_mem_free(pieces);
}

const struct atm_movie_format atm_movie_npy = {
    .name = "NumPy",
    .probe = probe,
    .open = open_npy,
    .read = read_frames,
    .close = close_npy,
};
