/* TIFF stacks, one page per frame, and ImageJ's large stacks: one page, the other frames behind it.
 */
#include "movie_format.h"

#include "mem.h"
#include "ome_text.h"
#include "pieces.h"
#include "tiff_chain.h"
#include "tiff_page.h"
#include "tiff_text.h"
#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_READERS = 16 };

struct stack {
    int fd;
    struct atm_tiff_chain chain;
    uint64_t file_size;
    struct atm_tiff_page first;                  /* every page has its size and samples */
    struct atm_tiff_reader readers[MAX_READERS]; /* the first indexes; each thread decodes by one */
    int reader_count;
    void *pages;              /* (readers, a page's bytes) */
    uint64_t *offsets;        /* of frames that lie in one piece each; NULL otherwise */
    struct atm_pieces pieces; /* sample NULL: pages are decoded */
};

static enum atm_status check_same(const struct atm_movie *movie, ptrdiff_t index,
                                  const struct atm_tiff_page *page, struct atm_err *err) {
    const struct stack *stack = movie->state;
    if (page->height != stack->first.height || page->width != stack->first.width)
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) has %u x %u pixels, the first page %u x "
                           "%u; a movie has one size: remove or split off the other pages",
                           movie->path, index, page->width, page->height, stack->first.width,
                           stack->first.height);
    if (atm_tiff_page_sample(page) != atm_tiff_page_sample(&stack->first))
        return atm_err_set(err, ATM_FAIL,
                           "%s: page %td (counting from 0) holds other samples than the first page "
                           "(%s); convert all pages to one type",
                           movie->path, index, movie->info.sample);
    return ATM_OK;
}

static enum atm_status select_page(const struct atm_movie *movie, struct atm_tiff_reader *reader,
                                   ptrdiff_t index, struct atm_tiff_page *page,
                                   struct atm_err *err) {
    const struct stack *stack = movie->state;
    enum atm_status status =
        atm_tiff_page_select(reader, stack->chain.offsets[index], index, page, err);
    return status ? status : check_same(movie, index, page, err);
}

/* ---- index ---- */

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

static void use_pieces(struct stack *stack, const uint64_t *offsets, uint64_t start) {
    stack->pieces =
        (struct atm_pieces){.fd = stack->fd,
                            .sample = atm_tiff_page_sample(&stack->first),
                            .swapped = stack->chain.swapped,
                            .pixels = (ptrdiff_t)stack->first.height * stack->first.width,
                            .offsets = offsets,
                            .start = start};
}

/* Frames behind each other: `images` of them, where the first page says. */
static enum atm_status index_contiguous(struct atm_movie *movie, ptrdiff_t images, uint64_t offset,
                                        struct atm_err *err) {
    struct stack *stack = movie->state;
    use_pieces(stack, NULL, offset);
    uint64_t bytes = stack->file_size > offset ? stack->file_size - offset : 0;
    uint64_t whole = bytes / atm_tiff_page_bytes(&stack->first);
    movie->info.frames = images;
    return whole >= (uint64_t)images ? ATM_OK : cut_off(movie, (ptrdiff_t)whole, images, err);
}

/* Every page is looked at; *pieces: all of them, up to one that is cut off, lie in one piece. */
static enum atm_status look_at_pages(struct atm_movie *movie, bool *pieces, struct atm_err *err) {
    struct stack *stack = movie->state;
    const ptrdiff_t frames = stack->chain.count + stack->chain.cut_off;
    for (ptrdiff_t i = 0; i < stack->chain.count; i++) {
        struct atm_tiff_page page;
        enum atm_status status = select_page(movie, &stack->readers[0], i, &page, err);
        if (status != ATM_OK)
            return status;
        enum atm_tiff_extent extent =
            atm_tiff_page_extent(&stack->readers[0], &page, stack->file_size);
        if (extent == ATM_TIFF_CUT_OFF)
            return cut_off(movie, i, frames, err);
        if (extent == ATM_TIFF_DAMAGED)
            return atm_tiff_page_damaged(movie->path, i,
                                         "claims more pixels than its data can hold", err);
        *pieces =
            *pieces && atm_tiff_page_in_one_piece(&stack->readers[0], &page, &stack->offsets[i]);
    }
    movie->info.frames = stack->chain.count;
    return stack->chain.cut_off ? cut_off(movie, stack->chain.count, frames, err) : ATM_OK;
}

static enum atm_status index_pages(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    bool pieces = true;
    stack->offsets = atm_mem_alloc((size_t)stack->chain.count, sizeof *stack->offsets);
    if (!stack->offsets)
        return atm_err_memory(err, movie->path);
    enum atm_status status = look_at_pages(movie, &pieces, err);
    if (pieces)
        use_pieces(stack, stack->offsets, 0);
    return status;
}

/* Size, samples and description from the first page. */
static enum atm_status take_first(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    struct atm_movie_info *info = &movie->info;
    enum atm_status status =
        atm_tiff_page_select(&stack->readers[0], stack->chain.offsets[0], 0, &stack->first, err);
    if (status != ATM_OK)
        return status;
    info->height = stack->first.height;
    info->width = stack->first.width;
    snprintf(info->sample, sizeof info->sample, "%s", atm_tiff_page_sample(&stack->first)->name);
    snprintf(info->format, sizeof info->format, "%s", stack->chain.big ? "BigTIFF" : "TIFF");
    return ATM_OK;
}

/* ---- what the first page's texts say ---- */

static bool is_among(const struct atm_files *files, const char *path) {
    for (ptrdiff_t i = 0; i < files->count; i++)
        if (!strcmp(files->paths[i], path))
            return true;
    return false;
}

/* Other files of the same recording: as OME's text lists them, or by Micro-Manager's names, also
 * where the text has names that they no longer have. */
static enum atm_status find_parts(struct atm_movie *movie, const char *description,
                                  struct atm_err *err) {
    const ptrdiff_t all = atm_ome_frames(description);
    if (all && all <= movie->info.frames)
        return ATM_OK;
    enum atm_status status = atm_ome_files(description, movie->path, &movie->files, err);
    if (status == ATM_OK && (movie->files.count < 2 || !is_among(&movie->files, movie->path))) {
        atm_files_free(&movie->files);
        status = atm_files_of_parts(movie->path, &movie->files, err);
    }
    movie->in_parts = movie->files.count > 1;
    movie->announced = all;
    return status;
}

static void read_micromanager(struct atm_movie *movie, TIFF *tiff) {
    enum { MICROMANAGER = 51123, MOST = 1 << 20 };
    uint32_t size = 0;
    const char *data = NULL;
    if (!TIFFGetField(tiff, MICROMANAGER, &size, &data) || !data || size > MOST)
        return;
    char *json = atm_mem_alloc((size_t)size + 1, 1); /* it may not end with a zero */
    if (!json)
        return;
    memcpy(json, data, size);
    atm_tiff_text_micromanager(json, &movie->info.camera);
    atm_mem_free(json);
}

static enum atm_status index_frames(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    TIFF *tiff = stack->readers[0].tiff;
    const char *text = NULL;
    float resolution = 0;
    uint64_t offset = 0;
    TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &resolution);
    read_micromanager(movie, tiff);
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &text) || !text)
        return index_pages(movie, err);
    char *description = atm_mem_alloc(strlen(text) + 1, 1); /* libtiff's goes with its page */
    if (!description)
        return atm_err_memory(err, movie->path);
    memcpy(description, text, strlen(text));
    atm_tiff_text_camera(description, (double)resolution, &movie->info.camera);
    movie->info.oversampling = atm_tiff_text_oversampling(description);
    /* ImageJ writes the frames together, then the other directories, none of them above 4 GB;
     * tifffile can be told to leave them out. */
    const ptrdiff_t images = atm_tiff_text_images(description);
    bool few_pages = stack->chain.count == 1 || stack->chain.cut_off;
    bool behind = few_pages && images > stack->chain.count &&
                  atm_tiff_page_in_one_piece(&stack->readers[0], &stack->first, &offset);
    enum atm_status status =
        behind ? index_contiguous(movie, images, offset, err) : index_pages(movie, err);
    movie->info.channels = atm_tiff_text_channels(description);
    if (status == ATM_OK && atm_ome_is(description))
        status = find_parts(movie, description, err);
    atm_mem_free(description);
    return status;
}

/* ---- opening ---- */

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
                                    : atm_tiff_page_damaged(movie->path, 0, "is not there", err);
    stack->reader_count = 1;
    return atm_tiff_reader_open(&stack->readers[0], movie->path, err);
}

/* A handle and a page for each thread, where pages are to be decoded. */
static enum atm_status prepare_decoding(struct atm_movie *movie, struct atm_err *err) {
    struct stack *stack = movie->state;
    enum atm_status status = ATM_OK;
    int wanted = omp_get_max_threads() < MAX_READERS ? omp_get_max_threads() : MAX_READERS;
    wanted = wanted < movie->info.frames ? wanted : (int)movie->info.frames;
    movie->ahead = movie->info.frames > 1;
    for (; stack->reader_count < wanted && !status; stack->reader_count++)
        status = atm_tiff_reader_open(&stack->readers[stack->reader_count], movie->path, err);
    stack->pages = atm_mem_alloc((size_t)stack->reader_count, atm_tiff_page_bytes(&stack->first));
    return status || stack->pages ? status : atm_err_memory(err, movie->path);
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
    return status || stack->pieces.sample ? status : prepare_decoding(movie, err);
}

/* ---- reading ---- */

/* The directory is looked at again, for the file may have been changed since it was opened. */
static enum atm_status decode_frame(struct atm_movie *movie, int thread, ptrdiff_t index,
                                    float *adu, struct atm_err *err) {
    struct stack *stack = movie->state;
    struct atm_tiff_reader *reader = &stack->readers[thread];
    struct atm_tiff_page page;
    char *pixels = (char *)stack->pages + (size_t)thread * atm_tiff_page_bytes(&stack->first);
    enum atm_status status = select_page(movie, reader, index, &page, err);
    if (status == ATM_OK)
        status = atm_tiff_page_decode(reader, index, &page, pixels, err);
    if (status == ATM_OK)
        atm_tiff_page_sample(&page)->convert(pixels, movie->info.height * movie->info.width, adu);
    return status;
}

/* Of several frames that fail, the first one is named: the same for any number of threads. */
static enum atm_status decode_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                     float *adu, struct atm_err *err) {
    struct stack *stack = movie->state;
    const ptrdiff_t pixels = movie->info.height * movie->info.width;
    enum atm_status result = ATM_OK;
    ptrdiff_t failed = count;
#pragma omp parallel for schedule(dynamic) num_threads(stack->reader_count) if (count > 1)
    for (ptrdiff_t i = 0; i < count; i++) {
        struct atm_err own = {0};
        enum atm_status status =
            decode_frame(movie, omp_get_thread_num(), first + i, adu + i * pixels, &own);
#pragma omp critical(atm_tiff_decoding)
        if (status && i < failed) {
            failed = i;
            result = status;
            if (err)
                *err = own;
        }
    }
    return result;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    struct stack *stack = movie->state;
    return stack->pieces.sample
               ? atm_pieces_read(&stack->pieces, movie->path, first, count, adu, err)
               : decode_frames(movie, first, count, adu, err);
}

static void close_stack(struct atm_movie *movie) {
    struct stack *stack = movie->state;
    if (!stack)
        return;
    for (int i = 0; i < stack->reader_count; i++)
        atm_tiff_reader_close(&stack->readers[i]);
    if (stack->fd >= 0)
        close(stack->fd);
    atm_tiff_chain_free(&stack->chain);
    atm_mem_free(stack->offsets);
    atm_mem_free(stack->pages);
    atm_mem_free(stack);
}

static bool probe(const char *path, const unsigned char *head, size_t size) {
    (void)path;
    return atm_tiff_chain_probe(head, size);
}

const struct atm_movie_format atm_movie_tiff = {
    .name = "TIFF",
    .probe = probe,
    .open = open_stack,
    .read = read_frames,
    .close = close_stack,
};
