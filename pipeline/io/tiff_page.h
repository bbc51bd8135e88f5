/* One page of a TIFF file: what its directory says, where its pixels are, and decoding them. */
#ifndef ATM_TIFF_PAGE_H
#define ATM_TIFF_PAGE_H

#include "err.h"
#include "sample.h"
#include "tiff_open.h"
#include <stdbool.h>
#include <stdint.h>

struct atm_tiff_page {
    uint32_t height, width;
    uint16_t bits, format, samples, compression;
    bool tiled;
    uint32_t rows;                    /* of a strip */
    uint32_t tile_height, tile_width; /* of a tile */
};

/* A handle with its scratch; one a thread. */
struct atm_tiff_reader {
    const char *path; /* borrowed */
    TIFF *tiff;
    struct atm_tiff_message message;
    void *tile; /* grown to the largest tile met */
    size_t tile_bytes;
};

/* The reader must not move afterwards. */
enum atm_status atm_tiff_reader_open(struct atm_tiff_reader *reader, const char *path,
                                     struct atm_err *err);
void atm_tiff_reader_close(struct atm_tiff_reader *reader);

/* Make the directory at `offset` libtiff's current one and take what we need of it. Fails where
 * such pages are not read at all. index: of the page, for messages. */
enum atm_status atm_tiff_page_select(struct atm_tiff_reader *reader, uint64_t offset,
                                     ptrdiff_t index, struct atm_tiff_page *page,
                                     struct atm_err *err);
/* Never NULL for a page that was selected. */
const struct atm_sample *atm_tiff_page_sample(const struct atm_tiff_page *page);
size_t atm_tiff_page_bytes(const struct atm_tiff_page *page);

enum atm_tiff_extent { ATM_TIFF_WHOLE, ATM_TIFF_CUT_OFF, ATM_TIFF_DAMAGED };
/* Does the file have all the bytes of the current page? */
enum atm_tiff_extent atm_tiff_page_extent(const struct atm_tiff_reader *reader,
                                          const struct atm_tiff_page *page, uint64_t file_size);
/* The current page's pixels are uncompressed and lie in one piece, beginning at *offset. */
bool atm_tiff_page_in_one_piece(const struct atm_tiff_reader *reader,
                                const struct atm_tiff_page *page, uint64_t *offset);
/* The current page's pixels, in our byte order; to has atm_tiff_page_bytes. */
enum atm_status atm_tiff_page_decode(struct atm_tiff_reader *reader, ptrdiff_t index,
                                     const struct atm_tiff_page *page, void *to,
                                     struct atm_err *err);

enum atm_status atm_tiff_page_damaged(const char *path, ptrdiff_t index, const char *what,
                                      struct atm_err *err);

#endif
