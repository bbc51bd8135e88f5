/* A picture of the table as it is now. */
#include "post_step.h"

#include "colormap.h"
#include "mem.h"

static enum atm_status check(const struct atm_post_config *config, struct atm_err *err) {
    return atm_render_check(&config->render, err);
}

struct atm_render_points atm_post_points(const struct atm_locs *locs) {
    return (struct atm_render_points){.count = locs->count,
                                      .x = locs->x,
                                      .y = locs->y,
                                      .x_unc = atm_locs_find(locs, "lpx"),
                                      .y_unc = atm_locs_find(locs, "lpy"),
                                      .frame = locs->frame,
                                      .frames = locs->head.frames,
                                      .height = locs->head.height,
                                      .width = locs->head.width,
                                      .pixel_size_nm = locs->head.pixel_size_nm};
}

/* What the picture shows, and where it is not what was asked for. */
static void note(struct atm_post *post, const struct atm_render_counts *counts) {
    const struct atm_render_options *options = &post->config.render;
    double pixel_nm = post->locs.head.pixel_size_nm / counts->zoom;
    if (pixel_nm > 0)
        atm_post_note(post, "Picture", "%td x %td px of %.4g nm", counts->width, counts->height,
                      pixel_nm);
    else
        atm_post_note(post, "Picture", "%td x %td px, %g for each of the camera", counts->width,
                      counts->height, counts->zoom);
    atm_post_note(post, "Localizations drawn", "%td of %td", counts->drawn, post->locs.count);
    if (!counts->drawn)
        atm_post_warn(post, "the picture is empty: no localization lies in it; render.region is in "
                            "camera pixels");
    if (counts->zoom < options->zoom)
        atm_post_warn(post,
                      "the zoom was lowered from %g to %g, so that the picture has at most "
                      "%lld px (render.max_size)",
                      options->zoom, counts->zoom, (long long)options->max_size);
    if (options->colors == ATM_COLORMAP_COUNT &&
        (options->depth == ATM_RENDER_16_BIT || options->format == ATM_RENDER_TIFF))
        atm_post_warn(post, "render.colors = time is for PNGs of 8 bits; this picture is grey");
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    const struct atm_render_options *options = &post->config.render;
    const struct atm_render_points points = atm_post_points(&post->locs);
    struct atm_render_counts counts = {0};
    char *path =
        atm_post_file(post, "render", options->format == ATM_RENDER_TIFF ? ".tif" : ".png");
    if (!path)
        return atm_err_memory(err, "a file name");
    enum atm_status status = atm_render_points_init(&counts, &points, options, err);
    if (status == ATM_OK)
        status = atm_render_write_counts(path, &counts, points.pixel_size_nm, options, err);
    if (status == ATM_OK) {
        atm_log(post->sink, ATM_LOG_INFO, "wrote %s", path);
        note(post, &counts);
    }
    atm_render_counts_free(&counts);
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
