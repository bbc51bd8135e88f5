/* What each stage of a run does. */
#include "run_job.h"

#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include "provenance.h"
#include "stamp.h"
#include <stdio.h>
#include <string.h>

/* The simulated stack of a configuration, outputs[0] and what lies beside it. */
static enum atm_status simulate(const struct atm_run_job *job, const struct atm_config *config,
                                const char *stamp, const char *const *outputs,
                                struct atm_err *err) {
    char *provenance = atm_provenance_create(config, ATM_SECTIONS_SYNTH, NULL, 0);
    if (!provenance)
        return atm_err_memory(err, "the provenance");
    const char *identity = atm_provenance_identity(provenance);
    enum atm_status status = ATM_OK;
    if (atm_stamp_matches(stamp, identity, outputs)) {
        atm_log(job->sink, ATM_LOG_INFO, "%s: made by this configuration before; reused",
                outputs[0]);
    } else {
        status = atm_scene_write(&config->synth, &config->camera, (uint64_t)config->run.seed,
                                 outputs[0], provenance, job->sink, NULL, err);
        if (!status)
            status = atm_stamp_write(stamp, identity, outputs, err);
        if (!status)
            atm_log(job->sink, ATM_LOG_INFO, "wrote %s", outputs[0]);
    }
    atm_mem_free(provenance);
    return status;
}

static enum atm_status synth(struct atm_run_job *job, struct atm_err *err) {
    const char *outputs[] = {job->movie, NULL, NULL};
    if (job->config->run.movie == ATM_RUN_TIFF)
        outputs[1] = job->path[MOVIE_TRUTH];
    return simulate(job, job->config, job->path[SYNTH_STAMP], outputs, err);
}

static enum atm_status train(struct atm_run_job *job, struct atm_err *err) {
    enum atm_status status = atm_run_open_source(job, err);
    return status ? status
                  : atm_stage_learn(job->source, job->config, job->path[MODEL], job->path[CURVE],
                                    job->sink, &job->model, err);
}

static enum atm_status calibrate(struct atm_run_job *job, struct atm_err *err) {
    enum atm_status status = atm_run_load_model(job, err);
    return status ? status
                  : atm_stage_calibrate(job->model, job->config, job->path[MODEL], job->sink, err);
}

static enum atm_status localize(struct atm_run_job *job, struct atm_err *err) {
    const char *const tables[] = {job->path[LOCS], job->path[LOCS_CSV], NULL};
    const char *const outputs[] = {job->path[LOCS], job->path[LOCS_CSV], job->path[FIT], NULL};
    const struct atm_localize_files files = {tables, job->path[JOURNAL], job->path[FIT]};
    char *provenance = NULL;
    enum atm_status status = atm_run_open_source(job, err);
    if (!status)
        status = atm_run_load_model(job, err);
    if (!status)
        status =
            atm_stage_localize_provenance(job->source, job->model, job->config, &provenance, err);
    if (status)
        return status;
    const char *identity = atm_provenance_identity(provenance);
    if (atm_stamp_matches(job->path[LOCALIZE_STAMP], identity, outputs)) {
        atm_log(job->sink, ATM_LOG_INFO, "%s: made by this configuration before; reused",
                outputs[0]);
    } else {
        struct atm_table table;
        atm_table_init(&table);
        status = atm_stage_localize(job->source, job->model, job->config, &files, job->sink, &table,
                                    err);
        if (!status)
            status = atm_stamp_write(job->path[LOCALIZE_STAMP], identity, outputs, err);
        atm_table_free(&table);
    }
    atm_mem_free(provenance);
    return status;
}

/* The tables are read from their files, so that a continued run sees what an undisturbed one sees.
 */
static enum atm_status write_scores(const struct atm_run_job *job, const struct atm_scores *scores,
                                    struct atm_err *err) {
    char *text = atm_stage_score_text(scores), *json = atm_stage_score_json(scores);
    enum atm_status status = text && json ? ATM_OK : atm_err_memory(err, "the scores");
    if (!status)
        status = atm_outfile_write_text(job->path[SCORES], text, err);
    if (!status)
        status = atm_outfile_write_text(job->path[SCORES_JSON], json, err);
    if (!status && !job->call->quiet)
        fputs(text, stdout);
    if (!status)
        status = atm_limits_check(job->call, json, err);
    atm_mem_free(text);
    atm_mem_free(json);
    return status;
}

/* Ours, and those of [compare]. Closed by the caller in every case. */
static enum atm_status open_scores(const struct atm_run_job *job, struct atm_scores *scores,
                                   struct atm_err *err) {
    const struct atm_ini_pairs *others = &job->config->compare.tables;
    enum atm_status status = atm_stage_score_open(scores, job->truth, job->movie, job->config, err);
    if (!status)
        status =
            atm_stage_score_add(scores, others->count ? "atomloc" : NULL, job->path[LOCS], err);
    for (int i = 0; !status && i < others->count; i++) {
        const struct atm_ini_pair *other = &others->items[i];
        if (atm_path_exists(other->value))
            status = atm_stage_score_add(scores, other->name, other->value, err);
        else
            atm_log(job->sink, ATM_LOG_WARNING, "[compare] %s: %s is not there; left out",
                    other->name, other->value);
    }
    return status;
}

static enum atm_status score(const struct atm_run_job *job, struct atm_err *err) {
    struct atm_scores *scores = atm_mem_alloc(1, sizeof *scores);
    if (!scores)
        return atm_err_memory(err, "scores");
    enum atm_status status = open_scores(job, scores, err);
    if (!status)
        status = write_scores(job, scores, err);
    atm_stage_score_close(scores);
    atm_mem_free(scores);
    return status;
}

/* The same with the model's own movie beside it, unless the configuration names another. */
static enum atm_status test_on(const struct atm_run_job *job, const struct atm_config *config,
                               const char *stack, struct atm_err *err) {
    struct atm_call call = *job->call;
    call.config = *config;
    if (!config->eval.baseline[0]) {
        const int64_t trained = job->config->input.frame_count, most = ATM_BASELINE_MOST;
        call.config.eval.baseline_images = trained < most ? trained : most;
        snprintf(call.config.eval.baseline, sizeof call.config.eval.baseline, "%s", job->movie);
    }
    return atm_stage_eval_model(job->model, stack, &call, job->folder, err);
}

/* On a part of the movie of [input] that it was not trained on. */
static enum atm_status test_on_movie(struct atm_run_job *job, struct atm_err *err) {
    struct atm_config config = *job->config;
    config.input.first_frame = config.run.test_first;
    config.input.frame_count = config.run.test_frames;
    enum atm_status status = atm_run_load_model(job, err);
    return status ? status : test_on(job, &config, job->movie, err);
}

/* The model itself, on images that it has not seen: another seed's. */
static enum atm_status test_model(struct atm_run_job *job, struct atm_err *err) {
    struct atm_config config = *job->config;
    const char *const outputs[] = {job->path[TEST], NULL};
    if (config.input.path[0])
        return test_on_movie(job, err);
    config.synth.frames = config.run.test_frames;
    config.run.seed++;
    int lock = -1;
    enum atm_status status = atm_run_load_model(job, err);
    if (!status)
        status = atm_run_lock(job, TEST, &lock, err);
    if (!status)
        status = simulate(job, &config, job->path[TEST_STAMP], outputs, err);
    atm_run_unlock(lock);
    return status ? status : test_on(job, &config, job->path[TEST], err);
}

static enum atm_status read_tables(const struct atm_run_job *job, struct atm_table *found,
                                   struct atm_table *truth, struct atm_err *err) {
    double pixel_size_nm = job->config->camera.pixel_size_nm;
    enum atm_status status = atm_table_read(job->path[LOCS], pixel_size_nm, found, err);
    if (!status && job->truth)
        status = atm_table_read(job->truth, pixel_size_nm, truth, err);
    if (!status)
        atm_table_sort(truth);
    return status;
}

static enum atm_status draw(struct atm_run_job *job, const struct atm_table *found,
                            const struct atm_table *truth, struct atm_err *err) {
    enum atm_status status = atm_run_open_source(job, err);
    if (!status)
        status = atm_run_load_model(job, err);
    if (!status)
        status = atm_stage_picture(found, job->config, job->path[PICTURE], job->sink, err);
    if (!status)
        status = atm_stage_blocks(job->source, job->model, found, truth, job->path[BLOCKS],
                                  job->sink, err);
    return status;
}

static enum atm_status pictures(struct atm_run_job *job, struct atm_err *err) {
    struct atm_table found, truth;
    atm_table_init(&found);
    atm_table_init(&truth);
    enum atm_status status = read_tables(job, &found, &truth, err);
    if (!status)
        status = draw(job, &found, job->truth ? &truth : NULL, err);
    atm_table_free(&found);
    atm_table_free(&truth);
    return status;
}

static enum atm_status write_report(struct atm_run_job *job, struct atm_report_input *input,
                                    struct atm_err *err) {
    const char *name = strrchr(job->folder, '/');
    enum atm_status status = atm_run_open_source(job, err);
    if (!status)
        status = atm_run_load_model(job, err);
    input->source = job->source;
    input->model = job->model;
    return status ? status
                  : atm_stage_report(input, job->folder, name ? name + 1 : job->folder, job->sink,
                                     err);
}

static enum atm_status report(struct atm_run_job *job, struct atm_err *err) {
    struct atm_table found, truth;
    struct atm_scores *scores = atm_mem_alloc(1, sizeof *scores);
    char *resolved = atm_run_resolve(job);
    atm_table_init(&found);
    atm_table_init(&truth);
    enum atm_status status = scores && resolved ? ATM_OK : atm_err_memory(err, "the report");
    if (!status)
        status = read_tables(job, &found, &truth, err);
    if (!status && job->truth)
        status = open_scores(job, scores, err);
    if (!status) {
        struct atm_report_input input = {.config = job->config,
                                         .found = &found,
                                         .truth = job->truth ? &truth : NULL,
                                         .scores = job->truth ? scores : NULL,
                                         .fit = atm_path_exists(job->path[FIT]) ? job->path[FIT]
                                                                                : NULL,
                                         .resolved = resolved};
        status = write_report(job, &input, err);
    }
    if (scores)
        atm_stage_score_close(scores);
    atm_mem_free(scores);
    atm_mem_free(resolved);
    atm_table_free(&found);
    atm_table_free(&truth);
    return status;
}

enum atm_status atm_run_stage(struct atm_run_job *job, enum atm_stage stage, struct atm_err *err) {
    switch (stage) {
    case ATM_STAGE_SYNTH:
        return synth(job, err);
    case ATM_STAGE_TRAIN:
        return train(job, err);
    case ATM_STAGE_CALIBRATE:
        return calibrate(job, err);
    case ATM_STAGE_LOCALIZE:
        return localize(job, err);
    case ATM_STAGE_EVAL:
        return job->config->run.test_frames ? test_model(job, err) : score(job, err);
    case ATM_STAGE_RENDER:
        return pictures(job, err);
    case ATM_STAGE_REPORT:
        return report(job, err);
    case ATM_STAGE_COUNT:
        break;
    }
    return ATM_OK;
}
