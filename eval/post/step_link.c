/* Blinks instead of localizations, and how long they were on and off. */
#include "post_step.h"

#include "link.h"
#include <math.h>

/* Mean of a column over rows that are known and not cut by the movie's ends. */
struct times {
    double sum;
    ptrdiff_t count;
};

/* of: what was averaged over. */
static void note_mean(struct atm_post *post, const char *key, struct times times, const char *of) {
    if (times.count)
        atm_post_note(post, key, "%.4g frames (of %td %s)", times.sum / (double)times.count,
                      times.count, of);
    else
        atm_post_note(post, key, "unknown: there are no %s", of);
}

static void note_times(struct atm_post *post) {
    const struct atm_locs *locs = &post->locs;
    const double *len = atm_locs_find(locs, "len"), *dark = atm_locs_find(locs, "dark");
    double end = locs->count ? (double)locs->head.frames : 0;
    struct times on = {0, 0}, off = {0, 0};
    for (ptrdiff_t i = 0; i < locs->count; i++) {
        if (locs->frame[i] > 0 && !(end > 0 && locs->frame[i] + len[i] >= end))
            on.sum += len[i], on.count++;
        if (dark[i] >= 0)
            off.sum += dark[i], off.count++;
    }
    note_mean(post, "Mean on time", on, "blinks that begin and end in the movie");
    note_mean(post, "Mean dark time", off, "blinks at a place that was on before");
    atm_post_note(post, "Places", "%td", locs->count - off.count);
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    struct atm_locs *locs = &post->locs;
    struct atm_links links = {0, NULL};
    struct atm_link_rule rule = {NAN, post->config.post.link_gap};
    ptrdiff_t rows = locs->count;
    double pixel = NAN, radius_nm = post->config.post.link_radius_nm;
    enum atm_status status = isnan(radius_nm) ? ATM_OK : atm_locs_pixel(locs, &pixel, err);
    rule.radius = radius_nm / pixel;
    if (status == ATM_OK)
        status = atm_link(locs, &rule, &links, err);
    if (status == ATM_OK)
        status = atm_link_merge(locs, &links, err);
    atm_links_free(&links);
    if (status == ATM_OK)
        status = atm_link_dark(locs, &rule, err);
    if (status != ATM_OK)
        return status;
    if (isnan(radius_nm))
        atm_post_note(post, "Radius", "%g times the precision of the difference", ATM_LINK_SIGMAS);
    else
        atm_post_note(post, "Radius", "%g nm", radius_nm);
    atm_post_note(post, "Gap", "%lld frames", (long long)rule.gap);
    atm_post_note(post, "Localizations", "%td", rows);
    atm_post_note(post, "Blinks", "%td", locs->count);
    note_times(post);
    return ATM_OK;
}

const struct atm_post_step atm_post_link = {
    .name = "link",
    .section = "post",
    .prefix = "link_",
    .summary = "merge the localizations of each blink into one row; on and dark times",
    .run = run,
};
