/* Where the pages of a TIFF file are. libtiff ends the chain silently where the file was cut off,
 * and finds page n by walking from the first (4.5.0), so it is walked once, here. */
#ifndef ATM_TIFF_CHAIN_H
#define ATM_TIFF_CHAIN_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct atm_tiff_chain {
    bool big;          /* BigTIFF */
    bool swapped;      /* the file's byte order is not ours */
    bool cut_off;      /* the chain points beyond the end of the file */
    uint64_t *offsets; /* owned: of the directories */
    ptrdiff_t count, capacity;
};

bool atm_tiff_chain_probe(const unsigned char *head, size_t size);
/* size: of the file in bytes. Not knowing of a page's content: a chain may be whole and the pages
 * not. */
enum atm_status atm_tiff_chain_read(int fd, uint64_t size, const char *path,
                                    struct atm_tiff_chain *chain, struct atm_err *err);
void atm_tiff_chain_free(struct atm_tiff_chain *chain);

/* All of `size` bytes at `offset`, or false. */
bool atm_tiff_chain_pread(int fd, void *bytes, size_t size, uint64_t offset);

#endif
