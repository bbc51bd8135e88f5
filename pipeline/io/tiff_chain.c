#include "tiff_chain.h"

#include "mem.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* TIFF 6.0, section 2; BigTIFF: the same with 8-byte counts and offsets. */
struct widths {
    size_t count, entry, offset;
};
static const struct widths CLASSIC = {2, 12, 4}, BIG = {8, 20, 8};

bool atm_tiff_chain_probe(const unsigned char *head, size_t size) {
    return size >= 4 && (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0 ||
                         memcmp(head, "II+\0", 4) == 0 || memcmp(head, "MM\0+", 4) == 0);
}

bool atm_tiff_chain_pread(int fd, void *bytes, size_t size, uint64_t offset) {
    while (size > 0) {
        ssize_t got = pread(fd, bytes, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        bytes = (char *)bytes + got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

/* A window over the file: a directory costs one system call. */
struct reader {
    int fd;
    uint64_t size; /* of the file */
    bool swapped;
    uint64_t start; /* of the window */
    size_t length;
    unsigned char window[1024];
};

static bool move_window(struct reader *reader, uint64_t offset) {
    uint64_t left = reader->size - offset;
    reader->start = offset;
    reader->length = left < sizeof reader->window ? (size_t)left : sizeof reader->window;
    if (atm_tiff_chain_pread(reader->fd, reader->window, reader->length, offset))
        return true;
    reader->length = 0;
    return false;
}

/* A number of 2, 4 or 8 bytes; false where the file ends before. */
static bool read_number(struct reader *reader, size_t width, uint64_t offset, uint64_t *value) {
    if (reader->size < width || offset > reader->size - width)
        return false;
    bool inside = offset >= reader->start && offset - reader->start <= reader->length &&
                  reader->length - (offset - reader->start) >= width;
    if (!inside && !move_window(reader, offset))
        return false;
    const unsigned char *bytes = reader->window + (offset - reader->start);
    uint16_t two;
    uint32_t four;
    if (width == 2) {
        memcpy(&two, bytes, 2);
        *value = reader->swapped ? __builtin_bswap16(two) : two;
    } else if (width == 4) {
        memcpy(&four, bytes, 4);
        *value = reader->swapped ? __builtin_bswap32(four) : four;
    } else {
        memcpy(value, bytes, 8);
        *value = reader->swapped ? __builtin_bswap64(*value) : *value;
    }
    return true;
}

static bool append(struct atm_tiff_chain *chain, uint64_t offset) {
    if (chain->count == chain->capacity) {
        ptrdiff_t capacity = chain->capacity ? 2 * chain->capacity : 64;
        uint64_t *grown =
            atm_mem_grow(chain->offsets, (size_t)chain->capacity, (size_t)capacity, sizeof *grown);
        if (!grown)
            return false;
        chain->offsets = grown;
        chain->capacity = capacity;
    }
    chain->offsets[chain->count++] = offset;
    return true;
}

enum { STRIP_OFFSETS = 273, STRIP_BYTES = 279, TILE_OFFSETS = 324, TILE_BYTES = 325 };

/* Where the pixels are stands in arrays of their own; those may be what was cut off. Other tags may
 * be wrong in a file that is whole. */
static bool entry_is_whole(struct reader *reader, const struct widths *widths, uint64_t at) {
    uint64_t tag = 0, type = 0, count = 0, offset = 0;
    if (!read_number(reader, 2, at, &tag))
        return false;
    if (tag != STRIP_OFFSETS && tag != STRIP_BYTES && tag != TILE_OFFSETS && tag != TILE_BYTES)
        return true;
    if (!read_number(reader, 2, at + 2, &type) ||
        !read_number(reader, widths->offset, at + 4, &count) ||
        !read_number(reader, widths->offset, at + 4 + widths->offset, &offset))
        return false;
    uint64_t value = type == 3 ? 2 : type == 4 ? 4 : 8; /* SHORT, LONG, LONG8 */
    if (count <= widths->offset / value)
        return true; /* the value stands in the entry itself */
    return offset <= reader->size && count <= (reader->size - offset) / value;
}

/* Find the end of the directory at `offset`, which is the offset of the next one. */
static bool directory_is_whole(struct reader *reader, const struct widths *widths, uint64_t offset,
                               uint64_t *entries, uint64_t *end) {
    if (!read_number(reader, widths->count, offset, entries))
        return false;
    uint64_t at = offset + widths->count;
    if (*entries > (reader->size - at) / widths->entry)
        return false;
    for (uint64_t i = 0; i < *entries; i++, at += widths->entry)
        if (!entry_is_whole(reader, widths, at))
            return false;
    *end = at;
    return true;
}

/* Every directory ends with the offset of the next one, 0 in the last. */
static enum atm_status walk(struct reader *reader, uint64_t offset, const char *path,
                            struct atm_tiff_chain *chain, struct atm_err *err) {
    const struct widths *widths = chain->big ? &BIG : &CLASSIC;
    uint64_t mark = 0; /* Brent: a loop comes back to a mark set at growing distances */
    ptrdiff_t mark_at = 1;
    while (offset != 0) {
        uint64_t entries = 0, end = 0;
        if (!directory_is_whole(reader, widths, offset, &entries, &end)) {
            chain->cut_off = true;
            return ATM_OK;
        }
        if (entries == 0 || offset == mark)
            return atm_err_set(err, ATM_FAIL,
                               "%s: the directory of page %td (counting from 0) %s; the file is "
                               "damaged: copy or record it again",
                               path, chain->count,
                               entries ? "was there before (a loop)" : "is empty");
        if (!append(chain, offset))
            return atm_err_memory(err, path);
        if (chain->count == mark_at) {
            mark = offset;
            mark_at *= 2;
        }
        if (!read_number(reader, widths->offset, end, &offset)) {
            chain->cut_off = true;
            return ATM_OK;
        }
    }
    return ATM_OK;
}

enum atm_status atm_tiff_chain_read(int fd, uint64_t size, const char *path,
                                    struct atm_tiff_chain *chain, struct atm_err *err) {
    unsigned char head[4];
    *chain = (struct atm_tiff_chain){0};
    if (!atm_tiff_chain_pread(fd, head, sizeof head, 0))
        return atm_err_set(err, ATM_FAIL, "%s: cannot read the first bytes", path);
    const uint16_t one = 1;
    bool little = *(const unsigned char *)&one == 1;
    chain->swapped = (head[0] == 'I') != little;
    chain->big = head[2] == '+' || head[3] == '+';
    struct reader reader = {.fd = fd, .size = size, .swapped = chain->swapped};
    const size_t width = chain->big ? BIG.offset : CLASSIC.offset;
    uint64_t first = 0;
    if (read_number(&reader, width, width,
                    &first)) /* in BigTIFF the sizes of offsets come before */
        return walk(&reader, first, path, chain, err);
    chain->cut_off = true;
    return ATM_OK;
}

void atm_tiff_chain_free(struct atm_tiff_chain *chain) {
    atm_mem_free(chain->offsets);
    *chain = (struct atm_tiff_chain){0};
}
