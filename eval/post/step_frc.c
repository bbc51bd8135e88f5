/* Resolution by Fourier ring correlation; its curve as a table and a plot. */
#include "post_step.h"

#include "frc.h"
#include "link.h"
#include "mem.h"
#include <math.h>

enum { STRETCHES = 40 }; /* of time */

/* Which rows stay together; *group is owned by the caller. */
static enum atm_status make_groups(struct atm_post *post, uint32_t **group, ptrdiff_t *groups,
                                   struct atm_err *err) {
    const struct atm_locs *locs = &post->locs;
    const struct atm_link_rule rule = {NAN, post->config.post.link_gap};
    struct atm_links links;
    ptrdiff_t frames = 0;
    if (post->config.post.frc_split == ATM_FRC_BLINKS) {
        enum atm_status status = atm_link(locs, &rule, &links, err);
        *group = links.blink;
        *groups = links.count;
        return status;
    }
    enum atm_status status = atm_locs_frames(locs, &frames, err);
    *group = atm_mem_alloc((size_t)locs->count, sizeof **group);
    if (status != ATM_OK || !*group)
        return status != ATM_OK ? status : atm_err_memory(err, "halves of the data");
    bool time = post->config.post.frc_split == ATM_FRC_TIME;
    *groups = time ? STRETCHES : locs->count;
    for (ptrdiff_t i = 0; i < locs->count; i++)
        (*group)[i] = (uint32_t)(time ? locs->frame[i] * STRETCHES / (double)frames : (double)i);
    return ATM_OK;
}

static enum atm_status write_table(const struct atm_post *post, const struct atm_frc *frc,
                                   double pixel, struct atm_err *err) {
    struct atm_post_text table;
    atm_post_text_begin(&table);
    if (table.stream)
        fputs("frequency_per_nm,correlation\n", table.stream);
    for (ptrdiff_t k = 0; k < frc->rings && table.stream; k++)
        fprintf(table.stream, "%.8f,%.6f\n", frc->frequency[k] / pixel, frc->correlation[k]);
    return atm_post_text_write(post, "frc", ".csv", &table, err);
}

static enum atm_status plot(struct atm_post *post, const struct atm_frc *frc, double pixel,
                            struct atm_err *err) {
    double *q = atm_mem_alloc((size_t)frc->rings, sizeof *q);
    if (!q)
        return atm_err_memory(err, "a plot");
    for (ptrdiff_t k = 0; k < frc->rings; k++)
        q[k] = frc->frequency[k] / pixel;
    const double ends[] = {q[0], q[frc->rings - 1]}, threshold[] = {1.0 / 7, 1.0 / 7};
    const struct atm_curve curves[] = {
        {.label = "correlation", .x = q, .y = frc->correlation, .count = frc->rings},
        {.label = "1/7", .x = ends, .y = threshold, .count = 2, .style = ATM_CURVE_DASHED}};
    const struct atm_chart chart = {.title = "Fourier ring correlation",
                                    .x_label = "spatial frequency (1/nm)",
                                    .y_label = "correlation of the halves",
                                    .curves = curves,
                                    .count = 2};
    enum atm_status status = atm_post_chart(post, "frc", &chart, err);
    atm_mem_free(q);
    return status;
}

static enum atm_status choose_pixel(struct atm_post *post, double pixel_nm, double *pixel,
                                    struct atm_err *err) {
    *pixel = post->config.post.frc_pixel_nm / pixel_nm;
    if (!isnan(*pixel))
        return ATM_OK;
    enum atm_status status = atm_locs_precision(&post->locs, "post.frc_pixel_nm", pixel, err);
    *pixel /= 2;
    return status;
}

static void note(struct atm_post *post, const struct atm_frc *frc, double pixel_nm) {
    static const char *const splits[] = {"blinks", "time", "random"};
    atm_post_note(post, "Split by", "%s", splits[post->config.post.frc_split]);
    if (!frc->crossed)
        atm_post_warn(post,
                      "the correlation of the halves does not fall through 1/7: no resolution "
                      "can be said; there are too few localizations, or the pixel "
                      "(post.frc_pixel_nm) is too large");
    else
        atm_post_note(post, "Resolution by FRC",
                      "%.4g nm (1/7; standard deviation %.2g nm over "
                      "%td splits)",
                      pixel_nm * frc->resolution, pixel_nm * frc->error, frc->crossed);
    if (frc->crossed && 2 * frc->crossed < post->config.post.frc_repeats)
        atm_post_warn(post,
                      "only %td of %lld splits cross 1/7, and the others are left out of this "
                      "resolution: there are too few localizations to trust it",
                      frc->crossed, (long long)post->config.post.frc_repeats);
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    struct atm_frc frc = {.rings = 0};
    struct atm_frc_options options = {.repeats = (ptrdiff_t)post->config.post.frc_repeats,
                                      .seed = post->config.seed};
    double pixel_nm;
    uint32_t *group = NULL;
    enum atm_status status = atm_locs_pixel(&post->locs, &pixel_nm, err);
    if (status == ATM_OK)
        status = choose_pixel(post, pixel_nm, &options.pixel, err);
    if (status == ATM_OK)
        status = make_groups(post, &group, &options.groups, err);
    options.group = group;
    if (status == ATM_OK)
        status = atm_frc_estimate(&post->locs, &options, &frc, err);
    if (status == ATM_OK) {
        note(post, &frc, pixel_nm);
        status = write_table(post, &frc, pixel_nm, err);
    }
    if (status == ATM_OK)
        status = plot(post, &frc, pixel_nm, err);
    atm_frc_free(&frc);
    atm_mem_free(group);
    return status;
}

const struct atm_post_step atm_post_frc = {
    .name = "frc",
    .section = "post",
    .prefix = "frc_",
    .summary = "resolution by Fourier ring correlation of halves of the data",
    .run = run,
};
