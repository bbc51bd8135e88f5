/* IDX, as MNIST is distributed: big-endian magic 0x00000803, three extents, bytes; mostly gzipped.
 * Labels stand in a file of their own, with magic 0x00000801. */
#include "idx.h"
#include "movie_format.h"

#include "mem.h"
#include <stdio.h>
#include <string.h>

struct stack {
    struct atm_zfile *file;
    unsigned char *bytes; /* of a frame */
};

static bool probe(const char *path, const unsigned char *head, size_t size) {
    unsigned char start[4];
    return atm_zfile_head(path, head, size, start, sizeof start) == sizeof start && start[0] == 0 &&
           start[1] == 0 && start[2] != 0 && start[3] == 3;
}

static enum atm_status count_frames(struct atm_movie *movie, const struct atm_idx *idx,
                                    struct atm_err *err) {
    const struct stack *stack = movie->state;
    const uint64_t frame = (uint64_t)(movie->info.height * movie->info.width);
    const uint64_t there =
        atm_zfile_count(stack->file, idx->start + frame * idx->extents[0]) - idx->start;
    movie->info.frames = (ptrdiff_t)(there / frame);
    movie->info.missing_frames = (ptrdiff_t)idx->extents[0] - movie->info.frames;
    if (!movie->info.missing_frames || (movie->options.allow_truncated && movie->info.frames > 0))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: frame %td (counting from 0) is cut off: the file says %u frames; copy "
                       "it again, or use --allow-truncated to read the whole ones",
                       movie->path, movie->info.frames, idx->extents[0]);
}

static enum atm_status open_idx(struct atm_movie *movie, struct atm_err *err) {
    struct atm_idx idx;
    struct stack *stack = movie->state = atm_mem_alloc(1, sizeof *stack);
    if (!stack)
        return atm_err_memory(err, movie->path);
    enum atm_status status = atm_zfile_open(movie->path, &stack->file, err);
    if (status == ATM_OK)
        status = atm_idx_read_header(stack->file, movie->path, 3, &idx, err);
    if (status == ATM_OK)
        status =
            atm_movie_check_size(movie->path, "its header", idx.extents[1], idx.extents[2], err);
    if (status != ATM_OK)
        return status;
    if (idx.extents[0] == 0)
        return atm_err_set(err, ATM_FAIL, "%s: holds no images", movie->path);
    movie->info.height = (ptrdiff_t)idx.extents[1];
    movie->info.width = (ptrdiff_t)idx.extents[2];
    snprintf(movie->info.format, sizeof movie->info.format, "%s", movie->format->name);
    snprintf(movie->info.sample, sizeof movie->info.sample, "uint8");
    status = count_frames(movie, &idx, err);
    if (status != ATM_OK) /* before memory is taken for what a header claims */
        return status;
    stack->bytes = atm_mem_alloc((size_t)(movie->info.height * movie->info.width), 1);
    return stack->bytes ? ATM_OK : atm_err_memory(err, movie->path);
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    const struct stack *stack = movie->state;
    const size_t pixels = (size_t)(movie->info.height * movie->info.width);
    for (ptrdiff_t t = 0; t < count; t++) {
        size_t got;
        enum atm_status status =
            atm_zfile_read(stack->file, ATM_IDX_IMAGES_START + (uint64_t)(first + t) * pixels,
                           pixels, stack->bytes, &got, err);
        if (status != ATM_OK)
            return status;
        if (got < pixels)
            return atm_err_set(err, ATM_FAIL,
                               "%s: cannot read frame %td (counting from 0); was the file changed?",
                               movie->path, first + t);
        for (size_t i = 0; i < pixels; i++)
            adu[(size_t)t * pixels + i] = (float)stack->bytes[i];
    }
    return ATM_OK;
}

static void close_idx(struct atm_movie *movie) {
    struct stack *stack = movie->state;
    if (!stack)
        return;
    atm_zfile_close(&stack->file);
    atm_mem_free(stack->bytes);
    atm_mem_free(stack);
}

const struct atm_movie_format atm_movie_idx = {
    .name = "IDX",
    .probe = probe,
    .open = open_idx,
    .read = read_frames,
    .close = close_idx,
};
