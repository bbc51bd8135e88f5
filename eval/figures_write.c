/* All figures of a model over a test set, into one folder; and the section [figures]. */
#include "explorer.h"
#include "figures.h"

#include "mem.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct atm_key figure_keys[] = {
    ATM_KEY_STRING(struct atm_figure_options, images, "",
                   "images that are taken apart into their blocks, counted from 0, separated by "
                   "commas; empty: number 100 and four that are spread evenly"),
    ATM_KEY(struct atm_figure_options, sweep_image, INT, "100", 0, 1e9, "",
            "image whose block is moved; this and the next ones: the last image where there are "
            "fewer"),
    ATM_KEY(struct atm_figure_options, sweep_block, INT, "4", 0, 1e6, "",
            "block that is moved, counted from 1; 0, or inactive in that image: the most active"),
    ATM_KEY(struct atm_figure_options, from_image, INT, "100", 0, 1e9, "",
            "first image of the interpolation"),
    ATM_KEY(struct atm_figure_options, to_image, INT, "101", 0, 1e9, "",
            "last image of the interpolation"),
    ATM_KEY(struct atm_figure_options, pairs, INT, "48", 0, 2000, "",
            "images shown beside their reconstruction; 0: no such picture"),
    ATM_KEY(struct atm_figure_options, page_images, INT, "40", 0, 1000, "",
            "images to choose from on the page index.html; 0: no page"),
};

const struct atm_section atm_figure_section = {
    .name = "figures",
    .help = "pictures and page of a model over a test set",
    .keys = figure_keys,
    .key_count = sizeof figure_keys / sizeof *figure_keys,
};

enum { IMAGES_MOST = 256 };

static ptrdiff_t at_most(int64_t index, ptrdiff_t last) {
    return index < last ? (ptrdiff_t)index : last;
}

static enum atm_status choose_images(const struct atm_figure_set *set, const char *list,
                                     ptrdiff_t images[IMAGES_MOST], int *count,
                                     struct atm_err *err) {
    static const char separators[] = ", \t";
    enum { SPREAD = 4 };
    *count = 0;
    while (*(list += strspn(list, separators))) {
        char *end;
        errno = 0;
        const long long image = strtoll(list, &end, 10);
        if (end == list || errno || !strchr(separators, *end))
            return atm_err_set(err, ATM_USAGE, "figures.images: \"%s\" is no list of numbers",
                               list);
        if (image < 0 || image >= set->count || *count == IMAGES_MOST)
            return atm_err_set(err, ATM_USAGE,
                               "figures.images: %lld: the test set has %td images, counted from "
                               "0, and at most %d of them are drawn",
                               image, set->count, IMAGES_MOST);
        images[(*count)++] = (ptrdiff_t)image;
        list = end;
    }
    if (*count)
        return ATM_OK;
    images[(*count)++] = at_most(100, set->count - 1);
    for (int i = 0; i < SPREAD; i++) {
        const ptrdiff_t image = i * set->count / SPREAD;
        if (image != images[0] && image != images[*count - 1])
            images[(*count)++] = image;
    }
    return ATM_OK;
}

/* ---- Written one after the other, and remembered for the page ---- */

enum { FIGURES_MOST = IMAGES_MOST + 3, NAME = 64, TEXT = 128 };

struct book {
    const char *folder;
    const struct atm_sink *sink;
    char path[PATH_MAX]; /* of the figure that is being written */
    int count;
    struct atm_explorer_figure figures[FIGURES_MOST];
    char names[FIGURES_MOST][NAME], texts[FIGURES_MOST][TEXT];
};

static const char *path_of(struct book *book, const char *name) {
    snprintf(book->path, sizeof book->path, "%s/%s", book->folder, name);
    return book->path;
}

/* Where the next figure goes. */
__attribute__((format(printf, 3, 4))) static const char *next(struct book *book, const char *name,
                                                              const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(book->texts[book->count], TEXT, format, args);
    va_end(args);
    snprintf(book->names[book->count], NAME, "%s", name);
    book->figures[book->count] =
        (struct atm_explorer_figure){book->names[book->count], book->texts[book->count]};
    book->count++;
    return path_of(book, name);
}

static enum atm_status said(const struct book *book, enum atm_status status) {
    if (!status)
        atm_log(book->sink, ATM_LOG_INFO, "wrote %s", book->path);
    return status;
}

static enum atm_status write_blocks(struct atm_figure_set *set, ptrdiff_t image, struct book *book,
                                    struct atm_err *err) {
    char name[NAME];
    snprintf(name, sizeof name, "blocks_%td.png", set->first_frame + image);
    const char *path =
        next(book, name, "Image %td, its reconstruction and each of its blocks alone",
             set->first_frame + image);
    return said(book, atm_figure_blocks(set, image, path, err));
}

static enum atm_status write_pictures(struct atm_figure_set *set,
                                      const struct atm_figure_options *options, struct book *book,
                                      struct atm_err *err) {
    const ptrdiff_t last = set->count - 1, from = at_most(options->from_image, last),
                    to = at_most(options->to_image, last);
    ptrdiff_t images[IMAGES_MOST];
    int count;
    enum atm_status status = choose_images(set, options->images, images, &count, err);
    for (int i = 0; !status && i < count; i++)
        status = write_blocks(set, images[i], book, err);
    if (status)
        return status;
    const char *path = next(book, "sweep.png", "Each coordinate of one block, moved alone");
    status = said(book, atm_figure_sweep(set, at_most(options->sweep_image, last),
                                         (ptrdiff_t)options->sweep_block - 1, path, err));
    if (status)
        return status;
    path = next(book, "interpolation.png", "From image %td to image %td, block by block",
                set->first_frame + from, set->first_frame + to);
    status = said(book, atm_figure_interpolation(set, from, to, path, err));
    if (status || !options->pairs)
        return status;
    path = next(book, "pairs.png", "Images beside their reconstruction");
    return said(book, atm_figure_pairs(set, (ptrdiff_t)options->pairs, path, err));
}

enum atm_status atm_figures_write(struct atm_figure_set *set,
                                  const struct atm_figure_options *options, const char *folder,
                                  const struct atm_sink *sink, struct atm_err *err) {
    struct book *book = atm_mem_alloc(1, sizeof *book);
    if (!book)
        return atm_err_memory(err, "figures");
    book->folder = folder;
    book->sink = sink;
    enum atm_status status = write_pictures(set, options, book, err);
    if (!status && options->page_images)
        status = said(book, atm_explorer_write(set, (ptrdiff_t)options->page_images, book->figures,
                                               book->count, path_of(book, "index.html"), err));
    atm_mem_free(book);
    return status;
}
