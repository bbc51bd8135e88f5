/* Localization precision from neighbours in time. */
#include "post_step.h"

#include "mem.h"
#include "nena.h"

static enum atm_status plot(const struct atm_post *post, const struct atm_nena *nena, double pixel,
                            struct atm_err *err) {
    double r[ATM_NENA_BINS];
    char *path = atm_post_file(post, "nena", ".png");
    if (!path)
        return atm_err_memory(err, "a file name");
    for (int b = 0; b < ATM_NENA_BINS; b++)
        r[b] = pixel * nena->width * (b + 0.5);
    const struct atm_curve curves[] = {{"found", r, nena->found, ATM_NENA_BINS},
                                       {"fit", r, nena->expected, ATM_NENA_BINS}};
    enum atm_status status = atm_render_curves(path, "Nearest neighbours in the next frame",
                                               "distance (nm)", "localizations", curves, 2, 0, err);
    if (status == ATM_OK)
        atm_log(post->sink, ATM_LOG_INFO, "wrote %s", path);
    atm_mem_free(path);
    return status;
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
