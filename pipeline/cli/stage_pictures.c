#include "stages.h"

#include "mem.h"
#include <stdio.h>

enum { BLOCKS = 5, PANELS = 3 + BLOCKS, COLUMNS = 4 };

/* Rows [first, end) of a table that is sorted by frame. */
struct rows {
    ptrdiff_t first, end;
};

static struct rows rows_of_frame(const struct atm_table *table, int64_t frame) {
    struct rows rows = {0, 0};
    while (rows.first < table->count && table->rows[rows.first].frame < frame)
        rows.first++;
    rows.end = rows.first;
    while (rows.end < table->count && table->rows[rows.end].frame == frame)
        rows.end++;
    return rows;
}

/* A frame that is typical of those with emitters: the one of the middle row. */
static int64_t typical_frame(const struct atm_table *table, int64_t fallback) {
    return table->count ? table->rows[table->count / 2].frame : fallback;
}

static float brightest(const float *image, ptrdiff_t pixels) {
    float most = 0;
    for (ptrdiff_t i = 0; i < pixels; i++)
        most = image[i] > most ? image[i] : most;
    return most;
}

/* Images for the panels: input, reconstruction, blocks. */
static enum atm_status draw_blocks(struct atm_source *source, const struct atm_model *model,
                                   const struct atm_table *table, const struct atm_table *truth,
                                   const char *path, float *images, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    ptrdiff_t pixels = info->height * info->width;
    int64_t frame = typical_frame(table, info->first_frame);
    float *input = images, *reconstruction = images + pixels, *blocks = images + 2 * pixels;
    enum atm_status status = atm_localize_example(source, model, frame - info->first_frame, input,
                                                  reconstruction, BLOCKS, blocks, err);
    if (status)
        return status;
    struct rows found = rows_of_frame(table, frame);
    char captions[PANELS][64];
    struct atm_panel panels[PANELS] = {
        {.image = input, .caption = captions[0]},
        {.image = input,
         .caption = captions[1],
         .marks = table->rows + found.first,
         .mark_count = found.end - found.first},
        {.image = reconstruction, .caption = captions[2]},
    };
    snprintf(captions[0], sizeof captions[0], "frame %lld", (long long)frame);
    snprintf(captions[1], sizeof captions[1], "%td localizations%s", found.end - found.first,
             truth ? ", truth green" : "");
    snprintf(captions[2], sizeof captions[2], "reconstruction");
    if (truth) {
        struct rows real = rows_of_frame(truth, frame);
        panels[1].rings = truth->rows + real.first;
        panels[1].ring_count = real.end - real.first;
    }
    for (int i = 0; i < BLOCKS; i++) {
        /* one spot in an empty frame: quantiles would show its foot as white */
        panels[3 + i] = (struct atm_panel){.image = blocks + i * pixels,
                                           .hi = (double)brightest(blocks + i * pixels, pixels),
                                           .caption = captions[3 + i]};
        snprintf(captions[3 + i], sizeof captions[3 + i], "block %d", i + 1);
    }
    const struct atm_panel_sheet sheet = {.panels = panels,
                                          .count = PANELS,
                                          .columns = COLUMNS,
                                          .height = info->height,
                                          .width = info->width,
                                          .origin_x = (double)info->field.x,
                                          .origin_y = (double)info->field.y,
                                          .binning = (double)info->binning};
    return atm_render_panels(path, &sheet, err);
}

enum atm_status atm_stage_blocks(struct atm_source *source, const struct atm_model *model,
                                 const struct atm_table *table, const struct atm_table *truth,
                                 const char *path, const struct atm_sink *sink,
                                 struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    float *images =
        atm_mem_alloc((size_t)(info->height * info->width), (2 + BLOCKS) * sizeof *images);
    if (!images)
        return atm_err_memory(err, "the picture of the blocks");
    enum atm_status status = draw_blocks(source, model, table, truth, path, images, err);
    if (!status)
        atm_log(sink, ATM_LOG_INFO, "wrote %s", path);
    atm_mem_free(images);
    return status;
}

enum atm_status atm_stage_picture(const struct atm_table *table, const struct atm_config *config,
                                  const char *path, const struct atm_sink *sink,
                                  struct atm_err *err) {
    enum atm_status status = atm_render_png(path, table, &config->render, err);
    if (!status)
        atm_log(sink, ATM_LOG_INFO, "wrote %s", path);
    return status;
}

enum atm_status atm_stage_curve(const struct atm_model *model, const char *path,
                                struct atm_err *err) {
    return model->curve_count ? atm_render_training(path, model->curve, model->curve_count, err)
                              : ATM_OK;
}
