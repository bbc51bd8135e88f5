/* TIFF stacks, one page per frame, and ImageJ's large stacks: one page, the other frames behind it.
 */
#include "movie_format.h"

#include "mem.h"
#include "tiff_chain.h"
#include "tiff_open.h"
#include "tiff_text.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- samples ---- */

struct sample {
    const char *name;
    uint16_t format, bits;
    void (*convert)(const void *from, ptrdiff_t count, float *to);
};

#define CONVERT(name, type)                                                                        \
    static void name(const void *from, ptrdiff_t count, float *to) {                               \
        const type *values = from;                                                                 \
        for (ptrdiff_t i = 0; i < count; i++)                                                      \
            to[i] = (float)values[i];                                                              \
    }
CONVERT(convert_u8, uint8_t)
CONVERT(convert_u16, uint16_t)
CONVERT(convert_u32, uint32_t)
CONVERT(convert_i8, int8_t)
CONVERT(convert_i16, int16_t)
CONVERT(convert_i32, int32_t)
CONVERT(convert_f32, float)
CONVERT(convert_f64, double)

static const struct sample SAMPLES[] = {
    {"uint8", SAMPLEFORMAT_UINT, 8, convert_u8},
    {"uint16", SAMPLEFORMAT_UINT, 16, convert_u16},
    {"uint32", SAMPLEFORMAT_UINT, 32, convert_u32},
    {"int8", SAMPLEFORMAT_INT, 8, convert_i8},
    {"int16", SAMPLEFORMAT_INT, 16, convert_i16},
    {"int32", SAMPLEFORMAT_INT, 32, convert_i32},
    {"float32", SAMPLEFORMAT_IEEEFP, 32, convert_f32},
    {"float64", SAMPLEFORMAT_IEEEFP, 64, convert_f64},
};

static const struct sample *find_sample(uint16_t format, uint16_t bits) {
    uint16_t meant = format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : format;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++)
        if (SAMPLES[i].format == meant && SAMPLES[i].bits == bits)
            return &SAMPLES[i];
    return NULL;
}

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

/* ---- a page's directory ---- */

struct page {
    uint32_t height, width;
    uint16_t bits, format, samples, compression;
    bool tiled;
    uint32_t rows;                    /* of a strip */
    uint32_t tile_height, tile_width; /* of a tile */
};

struct stack {
    int fd;
    TIFF *tiff;
    struct atm_tiff_message message;
    struct atm_tiff_chain chain;
    uint64_t file_size;
    struct page first; /* every page has its size and samples */
    const struct sample *sample;
    uint64_t contiguous; /* ImageJ: where frame 0 begins and the others follow; 0: pages */
    size_t page_bytes;
    void *page;
    void *tile; /* grown to the largest tile met */
    size_t tile_bytes;
};

static enum atm_status damaged(const struct atm_movie *movie, ptrdiff_t index, const char *what,
                               struct atm_err *err) {
    return atm_err_set(err, ATM_FAIL,
                       "%s: page %td (counting from 0) %s; the file is damaged: copy or record it "
                       "again",
                       movie->path, index, what);
}

/* Make `index` libtiff's current directory and take what we need of it. */
static enum atm_status select_page(struct atm_movie *movie, ptrdiff_t index, struct page *page,
                                   struct atm_err *err) {
    struct stack *stack = movie->state;
    stack->message.text[0] = '\0';
    if (!TIFFSetSubDirectory(stack->tiff, stack->chain.offsets[index]))
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has an unreadable directory (%s); the "
                           "file is damaged: copy or record it again",
                           movie->path, index, stack->message.text);
    TIFF *tiff = stack->tiff;
    *page = (struct page){.rows = UINT32_MAX, .tiled = TIFFIsTiled(tiff)};
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &page->height);
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &page->width);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &page->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &page->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &page->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &page->compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &page->rows);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &page->tile_height);
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &page->tile_width);
    return ATM_OK;
}

static enum atm_status check_kind(const struct atm_movie *movie, ptrdiff_t index,
                                  const struct page *page, struct atm_err *err) {
    char what[64];
    if (page->samples != 1)
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has %d samples per pixel (colour); "
                           "convert it to grey values, in ImageJ by Image > Type > 16-bit",
                           movie->path, index, page->samples);
    if (!find_sample(page->format, page->bits))
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has samples of %d bits, format %d; read "
                           "are 8, 16 and 32-bit integers, 32 and 64-bit floats: convert it to "
                           "16-bit",
                           movie->path, index, page->bits, page->format);
    if (!find_compression(page->compression))
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) is compressed by method %d, which is "
                           "not supported; save it again uncompressed, or with LZW or Deflate",
                           movie->path, index, page->compression);
    snprintf(what, sizeof what, "page %td (counting from 0)", index);
    return atm_movie_check_size(movie->path, what, page->height, page->width, err);
}

static enum atm_status check_same(const struct atm_movie *movie, ptrdiff_t index,
                                  const struct page *page, struct atm_err *err) {
    const struct stack *stack = movie->state;
    if (page->height != stack->first.height || page->width != stack->first.width)
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has %u x %u pixels, the first page %u x "
                           "%u; a movie has one size: remove or split off the other pages",
                           movie->path, index, page->width, page->height, stack->first.width,
                           stack->first.height);
    if (find_sample(page->format, page->bits) != stack->sample)
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) holds other samples than the first page "
                           "(%s); convert all pages to one type",
                           movie->path, index, stack->sample->name);
    return ATM_OK;
}

/* ---- where a page's pixels are ---- */

enum extent { WHOLE, CUT_OFF, DAMAGED };

/* Does the file have all the bytes of the current page? */
static enum extent check_extent(const struct stack *stack, const struct page *page) {
    const struct compression *compression = find_compression(page->compression);
    uint32_t count = page->tiled ? TIFFNumberOfTiles(stack->tiff) : TIFFNumberOfStrips(stack->tiff);
    uint64_t stored = 0, size = stack->file_size;
    if (count == 0 || count > size)
        return DAMAGED;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = TIFFGetStrileOffset(stack->tiff, i);
        uint64_t bytes = TIFFGetStrileByteCount(stack->tiff, i);
        if (offset == 0 || bytes == 0 || offset > size || bytes > size - offset)
            return CUT_OFF; /* 0: the writer did not come so far */
        stored += bytes;
    }
    if (compression->tag == COMPRESSION_NONE && stored < stack->page_bytes)
        return CUT_OFF;
    return stack->page_bytes / compression->most <= stored ? WHOLE : DAMAGED;
}

/* The current page's pixels are uncompressed and lie in one piece, beginning at *offset. */
static bool one_piece(const struct stack *stack, const struct page *page, uint64_t *offset) {
    if (page->tiled || page->compression != COMPRESSION_NONE)
        return false;
    uint64_t start = TIFFGetStrileOffset(stack->tiff, 0), next = start;
    uint32_t count = TIFFNumberOfStrips(stack->tiff);
    for (uint32_t i = 0; i < count && next - start < stack->page_bytes; i++) {
        if (TIFFGetStrileOffset(stack->tiff, i) != next)
            return false;
        next += TIFFGetStrileByteCount(stack->tiff, i);
    }
    *offset = start;
    return start > 0 && next - start >= stack->page_bytes;
}

/* ---- opening ---- */

static enum atm_status cut_off(struct atm_movie *movie, ptrdiff_t whole, ptrdiff_t frames,
                               struct atm_err *err) {
    struct atm_movie_info *info = &movie->info;
    info->frames = whole;
    info->missing_frames = frames - whole;
    if (movie->options.allow_truncated && whole > 0)
        return ATM_OK;
    if (whole == 0)
        return atm_err_set(err, ATM_FAIL,
                           "%s: is cut off within the first frame: nothing can be read; copy or "
                           "record it again",
                           movie->path);
    return atm_err_set(err, ATM_FAIL,
                       "%s: frame %td (counting from 0) is cut off: the file ends before its "
                       "pixels; copy the file again, or use --allow-truncated to read the first "
                       "%td whole frames",
                       movie->path, whole, whole);
}

/* Frames behind each other: `images` of them, where the first page says. */
static enum atm_status index_contiguous(struct atm_movie *movie, ptrdiff_t images, uint64_t offset,
                                        struct atm_err *err) {
    struct stack *stack = movie->state;
    stack->contiguous = offset;
    uint64_t bytes = stack->file_size > offset ? stack->file_size - offset : 0;
    uint64_t whole = bytes / stack->page_bytes;
    movie->info.frames = images;
    return whole >= (uint64_t)images ? ATM_OK : cut_off(movie, (ptrdiff_t)whole, images, err);
}

static enum atm_status index_pages(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    const ptrdiff_t frames = stack->chain.count + stack->chain.cut_off;
    for (ptrdiff_t i = 0; i < stack->chain.count; i++) {
        struct page page;
        enum atm_status status = select_page(movie, i, &page, err);
        if (status == ATM_OK)
            status = check_kind(movie, i, &page, err);
        if (status == ATM_OK)
            status = check_same(movie, i, &page, err);
        if (status != ATM_OK)
            return status;
        enum extent extent = check_extent(stack, &page);
        if (extent == CUT_OFF)
            return cut_off(movie, i, frames, err);
        if (extent == DAMAGED)
            return damaged(movie, i, "claims more pixels than its data can hold", err);
    }
    movie->info.frames = stack->chain.count;
    return stack->chain.cut_off ? cut_off(movie, stack->chain.count, frames, err) : ATM_OK;
}

/* Size, samples and description from the first page. */
static enum atm_status take_first(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    struct atm_movie_info *info = &movie->info;
    enum atm_status status = select_page(movie, 0, &stack->first, err);
    if (status == ATM_OK)
        status = check_kind(movie, 0, &stack->first, err);
    if (status != ATM_OK)
        return status;
    stack->sample = find_sample(stack->first.format, stack->first.bits);
    stack->page_bytes = (size_t)stack->first.height * stack->first.width * (stack->first.bits / 8);
    info->height = stack->first.height;
    info->width = stack->first.width;
    snprintf(info->sample, sizeof info->sample, "%s", stack->sample->name);
    snprintf(info->format, sizeof info->format, "%s", stack->chain.big ? "BigTIFF" : "TIFF");
    return ATM_OK;
}

static enum atm_status index_frames(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    const char *description = NULL;
    float resolution = 0;
    uint64_t offset = 0;
    ptrdiff_t images = 0;
    TIFFGetField(stack->tiff, TIFFTAG_XRESOLUTION, &resolution);
    if (TIFFGetField(stack->tiff, TIFFTAG_IMAGEDESCRIPTION, &description) && description) {
        atm_tiff_text_camera(description, (double)resolution, &movie->info.camera);
        images = atm_tiff_text_images(description);
    }
    /* ImageJ writes the frames together, then the other directories, none of them above 4 GB;
     * tifffile can be told to leave them out. */
    bool few_pages = stack->chain.count == 1 || stack->chain.cut_off;
    if (few_pages && images > stack->chain.count && one_piece(stack, &stack->first, &offset))
        return index_contiguous(movie, images, offset, err);
    return index_pages(movie, err);
}

static enum atm_status open_files(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    struct stat info;
    stack->fd = open(movie->path, O_RDONLY | O_CLOEXEC);
    if (stack->fd < 0 || fstat(stack->fd, &info))
        return atm_err_errno(err, movie->path, "open");
    stack->file_size = (uint64_t)info.st_size;
    enum atm_status status =
        atm_tiff_chain_read(stack->fd, stack->file_size, movie->path, &stack->chain, err);
    if (status != ATM_OK)
        return status;
    if (stack->chain.count == 0)
        return stack->chain.cut_off ? cut_off(movie, 0, 1, err)
                                    : damaged(movie, 0, "is not there", err);
    /* m: not mapped into memory, where a file that shrinks would kill us */
    stack->tiff = atm_tiff_open(movie->path, "rm", &stack->message);
    if (stack->tiff)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: page 0 (counting from 0) has an unreadable directory (%s); the file is "
                       "damaged: copy or record it again",
                       movie->path, stack->message.text);
}

static enum atm_status open_stack(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state = atm_mem_alloc(1, sizeof *stack);
    if (!stack)
        return atm_err_memory(err, movie->path);
    stack->fd = -1;
    enum atm_status status = open_files(movie, err);
    if (status == ATM_OK)
        status = take_first(movie, err);
    if (status == ATM_OK)
        status = index_frames(movie, err);
    if (status != ATM_OK)
        return status;
    stack->page = atm_mem_alloc(stack->page_bytes, 1);
    return stack->page ? ATM_OK : atm_err_memory(err, movie->path);
}

/* ---- reading ---- */

static enum atm_status undecoded(const struct atm_movie *movie, ptrdiff_t index,
                                 struct atm_err *err) {
    const struct stack *stack = movie->state;
    return atm_err_set(err, ATM_FAIL,
                       "%s: the pixels of frame %td (counting from 0) cannot be decoded (%s); the "
                       "file is damaged: copy or record it again",
                       movie->path, index, stack->message.text);
}

static enum atm_status read_strips(struct atm_movie *movie, ptrdiff_t index,
                                   const struct page *page, struct atm_err *err) {
    struct stack *stack = movie->state;
    const size_t row_bytes = (size_t)page->width * (page->bits / 8);
    const size_t rows = page->rows < page->height ? page->rows : page->height;
    if (rows == 0)
        return damaged(movie, index, "has strips without rows", err);
    char *to = stack->page;
    uint32_t strip = 0;
    for (size_t y = 0; y < page->height; y += rows, strip++) {
        size_t bytes = (page->height - y < rows ? page->height - y : rows) * row_bytes;
        if (TIFFReadEncodedStrip(stack->tiff, strip, to, (tmsize_t)bytes) != (tmsize_t)bytes)
            return undecoded(movie, index, err);
        to += bytes;
    }
    return ATM_OK;
}

/* Room for a tile; foreign headers choose its size, so it has limits like a page. */
static enum atm_status prepare_tile(struct atm_movie *movie, ptrdiff_t index,
                                    const struct page *page, struct atm_err *err) {
    struct stack *stack = movie->state;
    char what[64];
    snprintf(what, sizeof what, "a tile of page %td", index);
    enum atm_status status =
        atm_movie_check_size(movie->path, what, page->tile_height, page->tile_width, err);
    if (status != ATM_OK)
        return status;
    size_t bytes = (size_t)page->tile_height * page->tile_width * (page->bits / 8);
    if (TIFFTileSize(stack->tiff) != (tmsize_t)bytes)
        return damaged(movie, index, "has tiles of an odd size", err);
    if (bytes <= stack->tile_bytes)
        return ATM_OK;
    atm_mem_free(stack->tile);
    stack->tile = atm_mem_alloc(bytes, 1);
    stack->tile_bytes = stack->tile ? bytes : 0;
    return stack->tile ? ATM_OK : atm_err_memory(err, movie->path);
}

static enum atm_status read_tiles(struct atm_movie *movie, ptrdiff_t index, const struct page *page,
                                  struct atm_err *err) {
    struct stack *stack = movie->state;
    enum atm_status status = prepare_tile(movie, index, page, err);
    if (status != ATM_OK)
        return status;
    const size_t sample = page->bits / 8, tile_row = page->tile_width * sample;
    const tmsize_t tile_bytes = TIFFTileSize(stack->tiff);
    for (uint32_t y = 0; y < page->height; y += page->tile_height)
        for (uint32_t x = 0; x < page->width; x += page->tile_width) {
            uint32_t tile = TIFFComputeTile(stack->tiff, x, y, 0, 0);
            if (TIFFReadEncodedTile(stack->tiff, tile, stack->tile, tile_bytes) != tile_bytes)
                return undecoded(movie, index, err);
            size_t rows =
                page->height - y < page->tile_height ? page->height - y : page->tile_height;
            size_t columns =
                page->width - x < page->tile_width ? page->width - x : page->tile_width;
            for (size_t row = 0; row < rows; row++)
                memcpy((char *)stack->page + ((y + row) * page->width + x) * sample,
                       (const char *)stack->tile + row * tile_row, columns * sample);
        }
    return ATM_OK;
}

static enum atm_status read_page(struct atm_movie *movie, ptrdiff_t index, struct atm_err *err) {
    struct stack *stack = movie->state;
    struct page page;
    enum atm_status status = select_page(movie, index, &page, err);
    /* Again, for the file may have been changed since it was opened. */
    if (status == ATM_OK)
        status = check_kind(movie, index, &page, err);
    if (status == ATM_OK)
        status = check_same(movie, index, &page, err);
    if (status != ATM_OK)
        return status;
    stack->message.text[0] = '\0';
    return page.tiled ? read_tiles(movie, index, &page, err)
                      : read_strips(movie, index, &page, err);
}

static enum atm_status read_contiguous(struct atm_movie *movie, ptrdiff_t index,
                                       struct atm_err *err) {
    struct stack *stack = movie->state;
    const tmsize_t count = (tmsize_t)(movie->info.height * movie->info.width);
    uint64_t offset = stack->contiguous + (uint64_t)index * stack->page_bytes;
    if (!atm_tiff_chain_pread(stack->fd, stack->page, stack->page_bytes, offset))
        return atm_err_set(err, ATM_FAIL,
                           "%s: cannot read frame %td (counting from 0); was the file changed?",
                           movie->path, index);
    if (!stack->chain.swapped)
        return ATM_OK;
    if (stack->first.bits == 16)
        TIFFSwabArrayOfShort(stack->page, count);
    else if (stack->first.bits == 32)
        TIFFSwabArrayOfLong(stack->page, count);
    else if (stack->first.bits == 64)
        TIFFSwabArrayOfDouble(stack->page, count);
    return ATM_OK;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    struct stack *stack = movie->state;
    const ptrdiff_t pixels = movie->info.height * movie->info.width;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; i < count && status == ATM_OK; i++) {
        status = stack->contiguous ? read_contiguous(movie, first + i, err)
                                   : read_page(movie, first + i, err);
        if (status == ATM_OK)
            stack->sample->convert(stack->page, pixels, adu + i * pixels);
    }
    return status;
}

static void close_stack(struct atm_movie *movie) {
    struct stack *stack = movie->state;
    if (!stack)
        return;
    if (stack->tiff)
        TIFFClose(stack->tiff);
    if (stack->fd >= 0)
        close(stack->fd);
    atm_tiff_chain_free(&stack->chain);
    atm_mem_free(stack->page);
    atm_mem_free(stack->tile);
    atm_mem_free(stack);
}

const struct atm_movie_format atm_movie_tiff = {
    .name = "TIFF",
    .probe = atm_tiff_chain_probe,
    .open = open_stack,
    .read = read_frames,
    .close = close_stack,
};
