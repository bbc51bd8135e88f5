#include "tiff_page.h"

#include "mem.h"
#include "movie_format.h"
#include <stdio.h>
#include <string.h>

/* ---- compressions: those whose decoders are simple and lossless. most: the largest ratio of
 * decoded to stored bytes that the method can reach, so that small files cannot ask for much memory
 * ---- */

struct compression {
    uint16_t tag;
    uint64_t most;
};
static const struct compression COMPRESSIONS[] = {
    {COMPRESSION_NONE, 1},       {COMPRESSION_LZW, 2048},    {COMPRESSION_ADOBE_DEFLATE, 1040},
    {COMPRESSION_DEFLATE, 1040}, {COMPRESSION_PACKBITS, 64}, {COMPRESSION_ZSTD, 65536},
};

static const struct compression *find_compression(uint16_t tag) {
    for (size_t i = 0; i < sizeof COMPRESSIONS / sizeof *COMPRESSIONS; i++)
        if (COMPRESSIONS[i].tag == tag && TIFFIsCODECConfigured(tag))
            return &COMPRESSIONS[i];
    return NULL;
}

const struct atm_sample *atm_tiff_page_sample(const struct atm_tiff_page *page) {
    switch (page->format) {
    case SAMPLEFORMAT_UINT:
    case SAMPLEFORMAT_VOID:
        return atm_sample_find(ATM_SAMPLE_UINT, page->bits);
    case SAMPLEFORMAT_INT:
        return atm_sample_find(ATM_SAMPLE_INT, page->bits);
    case SAMPLEFORMAT_IEEEFP:
        return atm_sample_find(ATM_SAMPLE_FLOAT, page->bits);
    default:
        return NULL;
    }
}

size_t atm_tiff_page_bytes(const struct atm_tiff_page *page) {
    return (size_t)page->height * page->width * (page->bits / 8);
}

enum atm_status atm_tiff_page_damaged(const char *path, ptrdiff_t index, const char *what,
                                      struct atm_err *err) {
    return atm_err_set(err, ATM_FAIL,
                       "%s: page %td (counting from 0) %s; the file is damaged: copy or record it "
                       "again",
                       path, index, what);
}

/* ---- handles ---- */

static enum atm_status unreadable(const struct atm_tiff_reader *reader, ptrdiff_t index,
                                  struct atm_err *err) {
    return atm_err_set(err, ATM_FAIL,
                       "%s: page %td (counting from 0) has an unreadable directory (%s); the file "
                       "is damaged: copy or record it again",
                       reader->path, index, reader->message.text);
}

enum atm_status atm_tiff_reader_open(struct atm_tiff_reader *reader, const char *path,
                                     struct atm_err *err) {
    *reader = (struct atm_tiff_reader){.path = path};
    /* m: not mapped into memory, where a file that shrinks would kill us */
    reader->tiff = atm_tiff_open(path, "rm", &reader->message);
    return reader->tiff ? ATM_OK : unreadable(reader, 0, err);
}

void atm_tiff_reader_close(struct atm_tiff_reader *reader) {
    if (reader->tiff)
        TIFFClose(reader->tiff);
    atm_mem_free(reader->tile);
    *reader = (struct atm_tiff_reader){0};
}

/* ---- a page's directory ---- */

static enum atm_status check_kind(const char *path, ptrdiff_t index,
                                  const struct atm_tiff_page *page, struct atm_err *err) {
    char what[64];
    if (page->samples != 1)
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has %d samples per pixel (colour); "
                           "convert it to grey values, in ImageJ by Image > Type > 16-bit",
                           path, index, page->samples);
    if (!atm_tiff_page_sample(page))
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has samples of %d bits, format %d; read "
                           "are 8, 16 and 32-bit integers, 32 and 64-bit floats: convert it to "
                           "16-bit",
                           path, index, page->bits, page->format);
    if (!find_compression(page->compression))
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) is compressed by method %d, which is "
                           "not supported; save it again uncompressed, or with LZW or Deflate",
                           path, index, page->compression);
    snprintf(what, sizeof what, "page %td (counting from 0)", index);
    return atm_movie_check_size(path, what, page->height, page->width, err);
}

enum atm_status atm_tiff_page_select(struct atm_tiff_reader *reader, uint64_t offset,
                                     ptrdiff_t index, struct atm_tiff_page *page,
                                     struct atm_err *err) {
    TIFF *tiff = reader->tiff;
    reader->message.text[0] = '\0';
    if (!TIFFSetSubDirectory(tiff, offset))
        return unreadable(reader, index, err);
    *page = (struct atm_tiff_page){.rows = UINT32_MAX, .tiled = TIFFIsTiled(tiff)};
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &page->height);
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &page->width);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &page->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &page->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &page->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &page->compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &page->rows);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &page->tile_height);
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &page->tile_width);
    return check_kind(reader->path, index, page, err);
}

/* ---- where a page's pixels are ---- */

enum atm_tiff_extent atm_tiff_page_extent(const struct atm_tiff_reader *reader,
                                          const struct atm_tiff_page *page, uint64_t file_size) {
    const struct compression *compression = find_compression(page->compression);
    const size_t page_bytes = atm_tiff_page_bytes(page);
    uint32_t count =
        page->tiled ? TIFFNumberOfTiles(reader->tiff) : TIFFNumberOfStrips(reader->tiff);
    uint64_t stored = 0;
    if (count == 0 || count > file_size)
        return ATM_TIFF_DAMAGED;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = TIFFGetStrileOffset(reader->tiff, i);
        uint64_t bytes = TIFFGetStrileByteCount(reader->tiff, i);
        if (offset == 0 || bytes == 0 || offset > file_size || bytes > file_size - offset)
            return ATM_TIFF_CUT_OFF; /* 0: the writer did not come so far */
        stored += bytes;
    }
    if (compression->tag == COMPRESSION_NONE && stored < page_bytes)
        return ATM_TIFF_CUT_OFF;
    return page_bytes / compression->most <= stored ? ATM_TIFF_WHOLE : ATM_TIFF_DAMAGED;
}

bool atm_tiff_page_in_one_piece(const struct atm_tiff_reader *reader,
                                const struct atm_tiff_page *page, uint64_t *offset) {
    if (page->tiled || page->compression != COMPRESSION_NONE)
        return false;
    const size_t page_bytes = atm_tiff_page_bytes(page);
    uint64_t start = TIFFGetStrileOffset(reader->tiff, 0), next = start;
    uint32_t count = TIFFNumberOfStrips(reader->tiff);
    for (uint32_t i = 0; i < count && next - start < page_bytes; i++) {
        if (TIFFGetStrileOffset(reader->tiff, i) != next)
            return false;
        next += TIFFGetStrileByteCount(reader->tiff, i);
    }
    *offset = start;
    return start > 0 && next - start >= page_bytes;
}

/* ---- decoding ---- */

static enum atm_status undecoded(const struct atm_tiff_reader *reader, ptrdiff_t index,
                                 struct atm_err *err) {
    return atm_err_set(err, ATM_FAIL,
                       "%s: the pixels of frame %td (counting from 0) cannot be decoded (%s); the "
                       "file is damaged: copy or record it again",
                       reader->path, index, reader->message.text);
}

static enum atm_status read_strips(struct atm_tiff_reader *reader, ptrdiff_t index,
                                   const struct atm_tiff_page *page, char *to,
                                   struct atm_err *err) {
    const size_t row_bytes = (size_t)page->width * (page->bits / 8);
    const size_t rows = page->rows < page->height ? page->rows : page->height;
    if (rows == 0)
        return atm_tiff_page_damaged(reader->path, index, "has strips without rows", err);
    uint32_t strip = 0;
    for (size_t y = 0; y < page->height; y += rows, strip++) {
        size_t bytes = (page->height - y < rows ? page->height - y : rows) * row_bytes;
        if (TIFFReadEncodedStrip(reader->tiff, strip, to, (tmsize_t)bytes) != (tmsize_t)bytes)
            return undecoded(reader, index, err);
        to += bytes;
    }
    return ATM_OK;
}

/* Room for a tile; foreign headers choose its size, so it has limits like a page. */
static enum atm_status prepare_tile(struct atm_tiff_reader *reader, ptrdiff_t index,
                                    const struct atm_tiff_page *page, struct atm_err *err) {
    char what[64];
    snprintf(what, sizeof what, "a tile of page %td", index);
    enum atm_status status =
        atm_movie_check_size(reader->path, what, page->tile_height, page->tile_width, err);
    if (status != ATM_OK)
        return status;
    size_t bytes = (size_t)page->tile_height * page->tile_width * (page->bits / 8);
    if (TIFFTileSize(reader->tiff) != (tmsize_t)bytes)
        return atm_tiff_page_damaged(reader->path, index, "has tiles of an odd size", err);
    if (bytes <= reader->tile_bytes)
        return ATM_OK;
    atm_mem_free(reader->tile);
    reader->tile = atm_mem_alloc(bytes, 1);
    reader->tile_bytes = reader->tile ? bytes : 0;
    return reader->tile ? ATM_OK : atm_err_memory(err, reader->path);
}

static enum atm_status read_tiles(struct atm_tiff_reader *reader, ptrdiff_t index,
                                  const struct atm_tiff_page *page, char *to, struct atm_err *err) {
    enum atm_status status = prepare_tile(reader, index, page, err);
    if (status != ATM_OK)
        return status;
    const size_t sample = page->bits / 8, tile_row = page->tile_width * sample;
    const tmsize_t tile_bytes = TIFFTileSize(reader->tiff);
    for (uint32_t y = 0; y < page->height; y += page->tile_height)
        for (uint32_t x = 0; x < page->width; x += page->tile_width) {
            uint32_t tile = TIFFComputeTile(reader->tiff, x, y, 0, 0);
            if (TIFFReadEncodedTile(reader->tiff, tile, reader->tile, tile_bytes) != tile_bytes)
                return undecoded(reader, index, err);
            size_t rows =
                page->height - y < page->tile_height ? page->height - y : page->tile_height;
            size_t columns =
                page->width - x < page->tile_width ? page->width - x : page->tile_width;
            for (size_t row = 0; row < rows; row++)
                memcpy(to + ((y + row) * page->width + x) * sample,
                       (const char *)reader->tile + row * tile_row, columns * sample);
        }
    return ATM_OK;
}

enum atm_status atm_tiff_page_decode(struct atm_tiff_reader *reader, ptrdiff_t index,
                                     const struct atm_tiff_page *page, void *to,
                                     struct atm_err *err) {
    reader->message.text[0] = '\0';
    return page->tiled ? read_tiles(reader, index, page, to, err)
                       : read_strips(reader, index, page, to, err);
}
