/* Localization precision from neighbours in time. */
#include "post_step.h"

#include "nena.h"

static enum atm_status plot(struct atm_post *post, const struct atm_nena *nena, double pixel,
                            struct atm_err *err) {
    double r[ATM_NENA_BINS];
    for (int b = 0; b < ATM_NENA_BINS; b++)
        r[b] = pixel * nena->width * (b + 0.5);
    const struct atm_curve curves[] = {
        {.label = "found", .x = r, .y = nena->found, .count = ATM_NENA_BINS},
        {.label = "fit", .x = r, .y = nena->expected, .count = ATM_NENA_BINS}};
    const struct atm_chart chart = {.title = "Nearest neighbours in the next frame",
                                    .x_label = "distance (nm)",
                                    .y_label = "localizations",
                                    .curves = curves,
                                    .count = 2};
    return atm_post_chart(post, "nena", &chart, err);
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    struct atm_nena nena;
    double pixel, stated;
    enum atm_status status = atm_locs_pixel(&post->locs, &pixel, err);
    if (status == ATM_OK)
        status = atm_nena_estimate(&post->locs, &nena, err);
    if (status == ATM_OK)
        status = atm_locs_median(&post->locs, ATM_LOCS_PRECISION, &stated, err);
    if (status != ATM_OK)
        return status;
    atm_post_note(post, "Precision by NeNA", "%.4g nm (the table's median: %.4g nm)",
                  pixel * nena.precision, pixel * stated);
    atm_post_note(post, "Still on in the next frame", "%.3g %%", 100 * nena.same);
    return plot(post, &nena, pixel, err);
}

const struct atm_post_step atm_post_nena = {
    .name = "nena",
    .section = "post",
    .prefix = "nena_",
    .summary = "localization precision from nearest neighbours in the next frame",
    .run = run,
};
