/* Frames that lie in a file as they are: uncompressed, each in one piece. Read by several threads
 * and not mapped into memory: a file that shrinks under a mapping kills the program. */
#ifndef ATM_PIECES_H
#define ATM_PIECES_H

#include "err.h"
#include "sample.h"
#include <stdbool.h>
#include <stdint.h>

struct atm_pieces {
    int fd;
    const struct atm_sample *sample;
    bool swapped;
    ptrdiff_t pixels;        /* of a frame */
    const uint64_t *offsets; /* of the frames, borrowed; NULL: they follow each other */
    uint64_t start;          /* of frame 0 where they do */
};

/* Frames [first, first + count) as float; path is for messages. */
enum atm_status atm_pieces_read(const struct atm_pieces *pieces, const char *path, ptrdiff_t first,
                                ptrdiff_t count, float *adu, struct atm_err *err);

#endif
