/* Pictures made fit for a network, in front of any format: another size by area averaging, white on
 * black. */
#include "movie_format.h"

#include "mem.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct axis {
    ptrdiff_t from, to; /* pixels of the input and of the output */
};

struct stage {
    struct atm_movie *inner; /* owned */
    struct axis rows, columns;
    float white;   /* value that becomes 0; 0: not inverted */
    float *frame;  /* one of the inner ones */
    double *row;   /* of it */
    double *lines; /* (inner height, width) */
};

static double start_of(const struct axis *axis, ptrdiff_t i) {
    return (double)i * (double)axis->from / (double)axis->to;
}

/* Mean over output pixel i's interval; input values stand `stride` apart. */
static double mean_over(const struct axis *axis, ptrdiff_t i, const double *values,
                        ptrdiff_t stride) {
    const double begin = start_of(axis, i), end = start_of(axis, i + 1);
    double sum = 0;
    for (ptrdiff_t j = (ptrdiff_t)begin; j < axis->from && (double)j < end; j++)
        sum += (fmin(end, (double)(j + 1)) - fmax(begin, (double)j)) * values[j * stride];
    return sum / (end - begin);
}

static void average(const struct stage *stage, float *to) {
    const struct axis *rows = &stage->rows, *columns = &stage->columns;
    for (ptrdiff_t y = 0; y < rows->from; y++) {
        for (ptrdiff_t x = 0; x < columns->from; x++)
            stage->row[x] = (double)stage->frame[y * columns->from + x];
        for (ptrdiff_t x = 0; x < columns->to; x++)
            stage->lines[y * columns->to + x] = mean_over(columns, x, stage->row, 1);
    }
    for (ptrdiff_t y = 0; y < rows->to; y++)
        for (ptrdiff_t x = 0; x < columns->to; x++)
            to[y * columns->to + x] = (float)mean_over(rows, y, stage->lines + x, columns->to);
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    const struct stage *stage = movie->state;
    const ptrdiff_t pixels = movie->info.height * movie->info.width;
    for (ptrdiff_t t = 0; t < count; t++) {
        enum atm_status status = atm_movie_read(stage->inner, first + t, 1, stage->frame, err);
        if (status != ATM_OK)
            return status;
        average(stage, adu + t * pixels);
    }
    for (ptrdiff_t i = 0; stage->white > 0 && i < count * pixels; i++)
        adu[i] = stage->white - adu[i];
    return ATM_OK;
}

static enum atm_status read_labels(struct atm_movie *movie, int32_t *labels, struct atm_err *err) {
    const struct stage *stage = movie->state;
    return atm_movie_labels(stage->inner, labels, err);
}

static enum atm_status take_white(struct atm_movie *movie, float *white, struct atm_err *err) {
    const char *sample = movie->info.sample;
    *white = !strcmp(sample, "uint8") ? 255 : 65535;
    if (!strcmp(sample, "uint8") || !strcmp(sample, "uint16"))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: holds %s, and input.invert needs uint8 or uint16, whose white is known",
                       movie->path, sample);
}

static enum atm_status resize(struct atm_movie *movie, ptrdiff_t size_px, struct atm_err *err) {
    struct atm_movie_info *info = &movie->info;
    const ptrdiff_t longest = info->height > info->width ? info->height : info->width;
    const double scale = (double)size_px / (double)longest;
    if (info->has_truth || info->has_strokes)
        return atm_err_set(err, ATM_FAIL,
                           "%s: has a truth in pixels of its frames of %td x %td; input.size_px "
                           "would leave it behind. Make the stack in the size that is wanted",
                           movie->path, info->width, info->height);
    info->height = (ptrdiff_t)fmax(1, round(scale * (double)info->height));
    info->width = (ptrdiff_t)fmax(1, round(scale * (double)info->width));
    snprintf(info->sample, sizeof info->sample, "float32");
    return ATM_OK;
}

static enum atm_status open_stage(struct atm_movie *movie, struct atm_err *err) {
    struct stage *stage = movie->state;
    const struct atm_movie_picture_options *picture = &movie->options.picture;
    const struct atm_movie_info *inner = atm_movie_info(stage->inner);
    enum atm_status status = ATM_OK;
    movie->info = *inner;
    if (picture->invert)
        status = take_white(movie, &stage->white, err);
    if (status == ATM_OK && picture->size_px &&
        (picture->size_px != inner->height || picture->size_px != inner->width))
        status = resize(movie, picture->size_px, err);
    for (ptrdiff_t i = 0; status == ATM_OK && i < stage->inner->files.count; i++)
        status = atm_files_add(&movie->files, "", 0, stage->inner->files.paths[i], err);
    if (status != ATM_OK)
        return status;
    stage->rows = (struct axis){inner->height, movie->info.height};
    stage->columns = (struct axis){inner->width, movie->info.width};
    stage->frame = atm_mem_alloc((size_t)(inner->height * inner->width), sizeof *stage->frame);
    stage->lines = atm_mem_alloc((size_t)(inner->height * movie->info.width), sizeof *stage->lines);
    stage->row = atm_mem_alloc((size_t)inner->width, sizeof *stage->row);
    return stage->frame && stage->lines && stage->row ? ATM_OK : atm_err_memory(err, movie->path);
}

enum atm_status atm_movie_picture_state(struct atm_movie *inner, void **state,
                                        struct atm_err *err) {
    struct stage *stage = atm_mem_alloc(1, sizeof *stage);
    *state = stage;
    if (!stage)
        return atm_err_memory(err, "a picture");
    stage->inner = inner;
    return ATM_OK;
}

static void close_stage(struct atm_movie *movie) {
    struct stage *stage = movie->state;
    if (!stage)
        return;
    atm_movie_close(&stage->inner);
    atm_mem_free(stage->frame);
    atm_mem_free(stage->lines);
    atm_mem_free(stage->row);
    atm_mem_free(stage);
}

const struct atm_movie_format atm_movie_picture = {
    .name = "picture",
    .open = open_stage,
    .read = read_frames,
    .read_labels = read_labels,
    .close = close_stage,
};
