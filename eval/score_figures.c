#include "score_figures.h"

#include <string.h>

#define FIGURE(field, label, decimals, factor)                                                     \
    { #field, label, offsetof(struct atm_score, field), false, decimals, factor }
#define COUNT(field, label)                                                                        \
    { #field, label, offsetof(struct atm_score, field), true, 0, 1 }

const struct atm_score_figure atm_score_figures[] = {
    COUNT(true_positive, "pairs (TP)"),
    COUNT(false_positive, "false positives (FP)"),
    COUNT(false_negative, "false negatives (FN)"),
    FIGURE(jaccard, "Jaccard TP/(TP+FP+FN)", 4, 1),
    FIGURE(recall, "recall TP/(TP+FN)", 4, 1),
    FIGURE(precision, "precision TP/(TP+FP)", 4, 1),
    FIGURE(rmse_nm, "RMSE lateral [1]  nm", 2, 1),
    FIGURE(rmse_axis_nm, "RMSE per axis [2]  nm", 2, 1),
    FIGURE(mean_distance_nm, "mean distance [3]  nm", 2, 1),
    FIGURE(median_distance_nm, "median distance  nm", 2, 1),
    FIGURE(mad_nm, "MAD per axis [4]  nm", 2, 1),
    FIGURE(mean_dx_nm, "mean dx  nm", 2, 1),
    FIGURE(mean_dy_nm, "mean dy  nm", 2, 1),
    FIGURE(efficiency, "efficiency E [5]", 2, 1),
    FIGURE(photon_bias, "photon bias [6]  %", 2, 100),
    FIGURE(photon_error, "photon error [6]  %", 2, 100),
    FIGURE(photon_correlation, "photon correlation", 4, 1),
    FIGURE(crlb_nm, "CRLB lateral [7]  nm", 2, 1),
    FIGURE(rmse_over_crlb, "RMSE / CRLB [7]", 3, 1),
    FIGURE(stated_nm, "stated error [8]  nm", 2, 1),
    FIGURE(rmse_over_stated, "RMSE / stated [8]", 3, 1),
    FIGURE(pull_x_mean, "pull x, mean [9]", 3, 1),
    FIGURE(pull_x_sd, "pull x, sd", 3, 1),
    FIGURE(pull_y_mean, "pull y, mean", 3, 1),
    FIGURE(pull_y_sd, "pull y, sd", 3, 1),
    FIGURE(pull_within, "pulls within 1", 3, 1),
    FIGURE(pull_resolved, "pull of resolved [10]", 3, 1),
    FIGURE(photon_pull_mean, "pull photons, mean", 3, 1),
    FIGURE(photon_pull_sd, "pull photons, sd", 3, 1),
};
const int atm_score_figure_count = sizeof atm_score_figures / sizeof *atm_score_figures;

double atm_score_figure_get(const struct atm_score_figure *figure, const struct atm_score *score) {
    const char *field = (const char *)score + figure->offset;
    if (figure->is_count) {
        ptrdiff_t count;
        memcpy(&count, field, sizeof count);
        return (double)count;
    }
    double value;
    memcpy(&value, field, sizeof value);
    return value;
}

void atm_score_figure_set(const struct atm_score_figure *figure, struct atm_score *score,
                          double value) {
    memcpy((char *)score + figure->offset, &value, sizeof value);
}
