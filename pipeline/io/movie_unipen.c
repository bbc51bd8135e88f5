/* UNIPEN pen trajectories as images, drawn when they are read. */
#include "movie_format.h"
#include "unipen.h"
#include "zfile.h"

#include "mem.h"
#include <stdio.h>
#include <string.h>

enum { MAX_TEXT = 1 << 30, DEFAULT_SIZE = 128, HEAD = 4096 };
static const double PEN = 7.0 / 128; /* width of the line in parts of the image */

struct drawer {
    struct atm_unipen unipen;
    struct atm_unipen_drawing drawing;
};

static bool probe(const char *path, const unsigned char *head, size_t size) {
    unsigned char text[HEAD];
    return atm_unipen_probe((const char *)text,
                            atm_zfile_head(path, head, size, text, sizeof text));
}

static enum atm_status parse(struct atm_movie *movie, struct atm_err *err) {
    struct drawer *drawer = movie->state;
    char *text = NULL;
    size_t size;
    enum atm_status status = atm_zfile_text(movie->path, MAX_TEXT, &text, &size, err);
    if (status == ATM_OK)
        status = atm_unipen_parse(movie->path, text, size, &drawer->unipen, err);
    atm_mem_free(text);
    return status;
}

static enum atm_status open_unipen(struct atm_movie *movie, struct atm_err *err) {
    struct drawer *drawer = movie->state = atm_mem_alloc(1, sizeof *drawer);
    if (!drawer)
        return atm_err_memory(err, movie->path);
    enum atm_status status = parse(movie, err);
    if (status != ATM_OK)
        return status;
    const struct atm_movie_picture_options *picture = &movie->options.picture;
    drawer->drawing.size_px = picture->size_px ? picture->size_px : DEFAULT_SIZE;
    drawer->drawing.pen_px =
        picture->pen_px > 0 ? picture->pen_px : PEN * (double)drawer->drawing.size_px;
    movie->info.frames = drawer->unipen.image_count;
    movie->info.height = movie->info.width = drawer->drawing.size_px;
    movie->info.has_labels = true;
    snprintf(movie->info.format, sizeof movie->info.format, "%s", movie->format->name);
    snprintf(movie->info.sample, sizeof movie->info.sample, "uint8");
    return ATM_OK;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    const struct drawer *drawer = movie->state;
    const ptrdiff_t pixels = movie->info.height * movie->info.width;
    (void)err;
#pragma omp parallel for schedule(static) if (count > 1)
    for (ptrdiff_t t = 0; t < count; t++)
        atm_unipen_draw(&drawer->unipen, first + t, &drawer->drawing, adu + t * pixels);
    return ATM_OK;
}

static enum atm_status read_labels(struct atm_movie *movie, int32_t *labels, struct atm_err *err) {
    const struct drawer *drawer = movie->state;
    (void)err;
    for (ptrdiff_t t = 0; t < movie->info.frames; t++)
        labels[t] = drawer->unipen.images[t].label;
    return ATM_OK;
}

static void close_unipen(struct atm_movie *movie) {
    struct drawer *drawer = movie->state;
    if (!drawer)
        return;
    atm_unipen_free(&drawer->unipen);
    atm_mem_free(drawer);
}

const struct atm_movie_format atm_movie_unipen = {
    .name = "UNIPEN",
    .probe = probe,
    .open = open_unipen,
    .read = read_frames,
    .read_labels = read_labels,
    .close = close_unipen,
};
