#include "stages.h"

#include "mem.h"
#include "paths.h"
#include <math.h>
#include <string.h>

enum atm_status atm_stage_camera(const char *path, const struct atm_camera *configured,
                                 struct atm_camera *camera, struct atm_err *err) {
    enum atm_path_kind kind = ATM_PATH_TABLE;
    struct atm_movie *movie = NULL;
    *camera = *configured;
    enum atm_status status = atm_path_kind(path, &kind, err);
    if (status || kind != ATM_PATH_MOVIE)
        return status;
    status = atm_movie_open(path, NULL, &movie, err);
    if (!status)
        *camera = atm_camera_merge(&atm_movie_info(movie)->camera, configured);
    atm_movie_close(&movie);
    return status;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum atm_status score_one(struct atm_scores *scores, const char *name, const char *path,
                                 struct atm_err *err) {
    struct atm_scored *one = &scores->tables[scores->count];
    double pixel_size_nm = scores->truth.pixel_size_nm > 0 ? scores->truth.pixel_size_nm
                                                           : scores->options.pixel_size_nm;
    one->name = name ? name : base_name(path);
    enum atm_status status = atm_table_read(path, pixel_size_nm, &one->found, err);
    if (!status)
        status = atm_score_adjust(&one->found, &scores->options, err);
    if (!status)
        status = atm_score_report_make(&scores->truth, &one->found, &scores->options,
                                       &scores->camera, &one->report, &one->limits, err);
    if (status) {
        atm_table_free(&one->found);
        return status;
    }
    scores->entries[scores->count] = (struct atm_compare_entry){one->name, &one->report};
    scores->count++;
    return ATM_OK;
}

enum atm_status atm_stage_score_open(struct atm_scores *scores, const char *truth,
                                     const char *movie, const struct atm_config *config,
                                     struct atm_err *err) {
    *scores = (struct atm_scores){.options = config->eval};
    atm_table_init(&scores->truth);
    enum atm_status status = atm_stage_camera(movie, &config->camera, &scores->camera, err);
    if (isnan(scores->options.pixel_size_nm))
        scores->options.pixel_size_nm = scores->camera.pixel_size_nm;
    if (!status)
        status = atm_table_read(truth, scores->options.pixel_size_nm, &scores->truth, err);
    if (!status)
        atm_table_sort(&scores->truth);
    return status;
}

enum atm_status atm_stage_score_add(struct atm_scores *scores, const char *name, const char *path,
                                    struct atm_err *err) {
    if (scores->count == ATM_MOST_SCORED)
        return atm_err_set(err, ATM_USAGE, "more than %d tables", ATM_MOST_SCORED);
    return score_one(scores, name, path, err);
}

char *atm_stage_score_text(const struct atm_scores *scores) {
    return scores->count == 1 ? atm_score_report_text(&scores->tables[0].report)
                              : atm_compare_text(scores->entries, scores->count);
}

char *atm_stage_score_json(const struct atm_scores *scores) {
    return scores->count == 1 ? atm_score_report_json(&scores->tables[0].report)
                              : atm_compare_json(scores->entries, scores->count);
}

void atm_stage_score_close(struct atm_scores *scores) {
    for (int i = 0; i < scores->count; i++) {
        atm_table_free(&scores->tables[i].found);
        atm_crlb_free(&scores->tables[i].limits);
    }
    atm_table_free(&scores->truth);
    *scores = (struct atm_scores){0};
}
