#include "pieces.h"

#include "tiff_chain.h"

/* What a thread reads at once: it stays in the cache until it is converted. */
enum { BLOCK_BYTES = 1 << 17 };

static size_t sample_bytes(const struct atm_pieces *pieces) {
    return (size_t)pieces->sample->bits / 8;
}

static uint64_t offset_of(const struct atm_pieces *pieces, ptrdiff_t frame) {
    const uint64_t bytes = (uint64_t)pieces->pixels * sample_bytes(pieces);
    return pieces->offsets ? pieces->offsets[frame] : pieces->start + (uint64_t)frame * bytes;
}

/* `count` pixels that lie together, at most a block of them. */
static bool read_run(const struct atm_pieces *pieces, uint64_t offset, ptrdiff_t count, float *to) {
    _Alignas(64) unsigned char block[BLOCK_BYTES];
    if (!atm_tiff_chain_pread(pieces->fd, block, (size_t)count * sample_bytes(pieces), offset))
        return false;
    (pieces->swapped ? pieces->sample->convert_swapped : pieces->sample->convert)(block, count, to);
    return true;
}

/* Pixels [from, to), counted through the frames from `first` on. */
static bool read_pixels(const struct atm_pieces *pieces, ptrdiff_t first, ptrdiff_t from,
                        ptrdiff_t to, float *adu) {
    const size_t sample = sample_bytes(pieces);
    while (from < to) {
        ptrdiff_t frame = first + from / pieces->pixels, within = from % pieces->pixels;
        uint64_t start = offset_of(pieces, frame) + (uint64_t)within * sample;
        ptrdiff_t run = pieces->pixels - within;
        while (from + run < to && offset_of(pieces, ++frame) == start + (uint64_t)run * sample)
            run += pieces->pixels;
        run = run < to - from ? run : to - from;
        if (!read_run(pieces, start, run, adu + from))
            return false;
        from += run;
    }
    return true;
}

enum atm_status atm_pieces_read(const struct atm_pieces *pieces, const char *path, ptrdiff_t first,
                                ptrdiff_t count, float *adu, struct atm_err *err) {
    const ptrdiff_t block = BLOCK_BYTES / (ptrdiff_t)sample_bytes(pieces);
    const ptrdiff_t all = count * pieces->pixels, blocks = (all + block - 1) / block;
    ptrdiff_t failed = blocks;
#pragma omp parallel for schedule(static) reduction(min : failed) if (blocks > 1)
    for (ptrdiff_t i = 0; i < blocks; i++) {
        ptrdiff_t from = i * block, to = from + block < all ? from + block : all;
        if (!read_pixels(pieces, first, from, to, adu) && i < failed)
            failed = i;
    }
    if (failed == blocks)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: cannot read frame %td (counting from 0); was the file changed?", path,
                       first + failed * block / pieces->pixels);
}
