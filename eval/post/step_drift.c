/* Estimate the drift and take it out; a table and a plot of it beside the output. */
#include "post_step.h"

#include "drift.h"
#include "mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PLACES = 64 };

/* "12.3 40.1, 55 20.5" to pairs. */
static enum atm_status parse_places(const char *text, double places[2 * MOST_PLACES],
                                    ptrdiff_t *count, struct atm_err *err) {
    ptrdiff_t numbers = 0;
    const char *at = text + strspn(text, " \t,;");
    while (*at && numbers < 2 * MOST_PLACES) {
        char *end;
        places[numbers++] = strtod(at, &end);
        if (end == at || !isfinite(places[numbers - 1]))
            break;
        at = end + strspn(end, " \t,;");
    }
    *count = numbers / 2;
    if (!*at && numbers % 2 == 0)
        return ATM_OK;
    return atm_err_set(
        err, ATM_USAGE,
        "post.drift_fiducials: \"%.80s\" is no list of places; give x and y of up to "
        "%d fiducials in pixels, as 12.3 40.1, 55 20.5",
        text, MOST_PLACES);
}

static enum atm_status check(const struct atm_post_config *config, struct atm_err *err) {
    double places[2 * MOST_PLACES];
    ptrdiff_t count;
    return parse_places(config->post.drift_fiducials, places, &count, err);
}

/* ---- files ---- */

static enum atm_status write_table(const struct atm_post *post, const struct atm_drift *drift,
                                   double pixel, struct atm_err *err) {
    struct atm_post_text table;
    atm_post_text_begin(&table);
    if (table.stream)
        fputs("frame,dx_px,dy_px,dx_nm,dy_nm\n", table.stream);
    for (ptrdiff_t f = 0; f < drift->frames && table.stream; f++)
        fprintf(table.stream, "%td,%.6f,%.6f,%.4f,%.4f\n", f, drift->x[f], drift->y[f],
                pixel * drift->x[f], pixel * drift->y[f]);
    return atm_post_text_write(post, "drift", ".csv", &table, err);
}

static enum atm_status write_plot(struct atm_post *post, const struct atm_drift *drift,
                                  double pixel, bool corrected, struct atm_err *err) {
    const ptrdiff_t n = drift->frames;
    double *block = atm_mem_alloc(3 * (size_t)n, sizeof *block);
    if (!block)
        return atm_err_memory(err, "a plot");
    for (ptrdiff_t f = 0; f < n; f++) {
        block[f] = (double)f;
        block[n + f] = pixel * drift->x[f];
        block[2 * n + f] = pixel * drift->y[f];
    }
    const struct atm_curve curves[] = {{.label = "x", .x = block, .y = block + n, .count = n},
                                       {.label = "y", .x = block, .y = block + 2 * n, .count = n}};
    const struct atm_chart chart = {.title = corrected ? "Drift" : "Not believed and not taken out",
                                    .x_label = "frame",
                                    .y_label = "drift (nm)",
                                    .curves = curves,
                                    .count = 2};
    enum atm_status status = atm_post_chart(post, "drift", &chart, err);
    atm_mem_free(block);
    return status;
}

/* ---- what is said ---- */

/* Spread per axis over the frames. */
static double spread(const struct atm_drift *drift) {
    double sum[2] = {0, 0}, square = 0, n = (double)drift->frames;
    for (ptrdiff_t f = 0; f < drift->frames; f++) {
        sum[0] += drift->x[f], sum[1] += drift->y[f];
        square += drift->x[f] * drift->x[f] + drift->y[f] * drift->y[f];
    }
    return sqrt(fmax(square / n - (sum[0] * sum[0] + sum[1] * sum[1]) / (n * n), 0) / 2);
}

static void note(struct atm_post *post, const struct atm_drift *drift, double pixel) {
    static const char *const names[] = {"aim", "rcc", "fiducials"};
    atm_post_note(post, "Method", "%s", names[post->config.post.drift_method]);
    if (drift->fiducials)
        atm_post_note(post, "Fiducials", "%td", drift->fiducials);
    else
        atm_post_note(post, "Segment", "%td frames", drift->segment);
    atm_post_note(post, "Jumps", "%td", drift->jumps);
    atm_post_note(post, "Drift", "%.4g nm (standard deviation per axis)", pixel * spread(drift));
    if (isnan(drift->error))
        atm_post_note(post, "Error of the drift", "not estimated");
    else
        atm_post_note(post, "Error of the drift", "%.3g nm (per axis, from halves of the data)",
                      pixel * drift->error);
}

/* Is what was found more than its error? It spreads by the drift and by the error: with half of its
 * variance from the error, correcting begins to harm. The error comes from few independent pieces
 * of time, so one that would be seen in the picture must be far smaller. precision: px, NAN unknown
 */
static bool is_worth(const struct atm_drift *drift, double precision) {
    const double share = drift->error > precision ? 0.25 : M_SQRT1_2;
    return drift->error <= share * spread(drift);
}

/* False: nothing is to be corrected. */
static bool judge(struct atm_post *post, const struct atm_drift *drift, double precision,
                  double pixel) {
    if (isnan(drift->error))
        return true;
    if (!(precision > 0)) /* what post.drift_pixel_nm stands for */
        precision = post->config.post.drift_pixel_nm / pixel / 2;
    if (!is_worth(drift, precision)) {
        atm_post_warn(post,
                      "the halves of the data do not agree on a drift (%.3g nm apart, drift "
                      "%.3g nm): nothing was corrected; there is none to be seen, or the data are "
                      "too sparse: try longer segments or another method",
                      2 * pixel * drift->error, pixel * spread(drift));
        return false;
    }
    if (drift->error > precision)
        atm_post_warn(
            post,
            "the drift is uncertain: its error of %.3g nm is larger than the precision of "
            "a localization (%.3g nm); try longer segments or another method",
            pixel * drift->error, pixel * precision);
    return true;
}

/* ---- the step ---- */

static void apply(struct atm_locs *locs, const ptrdiff_t *first, const struct atm_drift *drift) {
    for (ptrdiff_t f = 0; f < drift->frames; f++)
        for (ptrdiff_t i = first[f]; i < first[f + 1]; i++) {
            locs->x[i] -= drift->x[f];
            locs->y[i] -= drift->y[f];
        }
}

static enum atm_status correct(struct atm_post *post, const ptrdiff_t *first, ptrdiff_t frames,
                               double pixel, struct atm_err *err) {
    const struct atm_post_options *o = &post->config.post;
    struct atm_locs *locs = &post->locs;
    struct atm_drift drift = {.frames = 0};
    double places[2 * MOST_PLACES], precision;
    struct atm_drift_options options = {.method = o->drift_method,
                                        .segment = (ptrdiff_t)o->drift_segment_frames,
                                        .range = o->drift_range_nm / pixel,
                                        .pixel = o->drift_pixel_nm / pixel,
                                        .radius = o->drift_fiducial_radius_nm / pixel,
                                        .share = o->drift_fiducial_share,
                                        .places = places,
                                        .check = o->drift_check};
    const struct atm_drift_points points = {
        locs->count, frames, locs->x, locs->y, atm_locs_find(locs, "photons"), first};
    enum atm_status status = parse_places(o->drift_fiducials, places, &options.place_count, err);
    if (status == ATM_OK)
        status = atm_locs_median(locs, ATM_LOCS_PRECISION, &precision, err);
    if (status == ATM_OK)
        status = atm_drift_estimate(&points, &options, post->sink, &drift, err);
    if (status != ATM_OK)
        return status;
    note(post, &drift, pixel);
    const bool corrected = judge(post, &drift, precision, pixel);
    if (corrected)
        apply(locs, first, &drift);
    status = write_table(post, &drift, pixel, err);
    if (status == ATM_OK)
        status = write_plot(post, &drift, pixel, corrected, err);
    atm_drift_free(&drift);
    return status;
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    ptrdiff_t frames = 0, *first = NULL;
    double pixel;
    enum atm_status status = atm_locs_pixel(&post->locs, &pixel, err);
    if (status == ATM_OK)
        status = atm_locs_frames(&post->locs, &frames, err);
    if (status == ATM_OK)
        status = atm_locs_index(&post->locs, frames, &first, err);
    if (status == ATM_OK)
        status = correct(post, first, frames, pixel, err);
    atm_mem_free(first);
    return status;
}

const struct atm_post_step atm_post_drift = {
    .name = "drift",
    .section = "post",
    .prefix = "drift_",
    .summary = "estimate the drift of the sample and take it out",
    .check = check,
    .run = run,
};
