/* A picture of the table as it is now. */
#include "post_step.h"

#include "mem.h"

static enum atm_status check(const struct atm_post_config *config, struct atm_err *err) {
    return atm_render_check(&config->render, err);
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    const struct atm_locs *locs = &post->locs;
    const struct atm_render_options *options = &post->config.render;
    const struct atm_render_points points = {.count = locs->count,
                                             .x = locs->x,
                                             .y = locs->y,
                                             .x_unc = atm_locs_find(locs, "lpx"),
                                             .y_unc = atm_locs_find(locs, "lpy"),
                                             .frame = locs->frame,
                                             .frames = locs->head.frames,
                                             .height = locs->head.height,
                                             .width = locs->head.width,
                                             .pixel_size_nm = locs->head.pixel_size_nm};
    char *path =
        atm_post_file(post, "render", options->format == ATM_RENDER_TIFF ? ".tif" : ".png");
    if (!path)
        return atm_err_memory(err, "a file name");
    enum atm_status status = atm_render_write(path, &points, options, err);
    if (status == ATM_OK) {
        atm_log(post->sink, ATM_LOG_INFO, "wrote %s", path);
        atm_post_note(post, "Localizations drawn from", "%td", locs->count);
    }
    atm_mem_free(path);
    return status;
}

const struct atm_post_step atm_post_render = {
    .name = "render",
    .section = "render",
    .prefix = "",
    .summary = "write a super-resolution picture",
    .check = check,
    .run = run,
};
