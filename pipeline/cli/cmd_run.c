/* All stages of a configuration, one after the other, into one folder. */
#include "run_job.h"

#include "mem.h"
#include "sweep.h"
#include <stdio.h>

static enum atm_status do_locked(struct atm_run_job *job, enum atm_stage stage,
                                 struct atm_err *err) {
    static const enum atm_run_file outputs[ATM_STAGE_COUNT] = {[ATM_STAGE_SYNTH] = MOVIE_H5,
                                                               [ATM_STAGE_TRAIN] = MODEL,
                                                               [ATM_STAGE_CALIBRATE] = MODEL,
                                                               [ATM_STAGE_LOCALIZE] = LOCS};
    int lock = -1;
    enum atm_status status =
        stage > ATM_STAGE_LOCALIZE ? ATM_OK : atm_run_lock(job, outputs[stage], &lock, err);
    if (!status)
        status = atm_run_stage(job, stage, err);
    atm_run_unlock(lock);
    return status;
}

static enum atm_status run_stages(struct atm_run_job *job, struct atm_err *err) {
    enum atm_status status = atm_run_name_files(job, err);
    if (!status)
        status = atm_run_check_input(job, err);
    if (!status)
        status = atm_run_write_resolved(job, err);
    for (int stage = 0; !status && stage < ATM_STAGE_COUNT; stage++) {
        if (!atm_run_has_stage(job, stage))
            continue;
        atm_log(job->sink, ATM_LOG_INFO, "--- %s", atm_stage_names[stage]);
        status =
            atm_log_stopped(job->sink)
                ? atm_err_set(err, ATM_STOPPED, "before the stage %s; the same command continues",
                              atm_stage_names[stage])
                : do_locked(job, stage, err);
    }
    return status;
}

static enum atm_status run_all(struct atm_run_job *job, const char *config_path,
                               struct atm_err *err) {
    enum atm_status status = atm_config_stages(job->config, &job->stages, err);
    if (!status)
        status = atm_limits_possible(job->call, atm_run_has_stage(job, ATM_STAGE_EVAL), err);
    if (!status)
        status = atm_run_name_folder(config_path, job, err);
    if (!status)
        status = atm_sweep_wanted(job->config) ? atm_sweep_run(job->call, job->folder, err)
                                               : run_stages(job, err);
    if (!status)
        atm_log(job->sink, ATM_LOG_INFO, "done; everything is in %s", job->folder);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct atm_run_job *job = atm_mem_alloc(1, sizeof *job);
    if (!job)
        return atm_err_memory(err, "the run");
    job->call = call;
    job->config = &call->config;
    job->sink = call->sink;
    if (call->output)
        snprintf(call->config.run.directory, ATM_KEY_TEXT_SIZE, "%s", call->output);
    enum atm_status status = run_all(job, call->args[0], err);
    atm_model_destroy(&job->model);
    atm_source_close(&job->source);
    atm_mem_free(job);
    return status;
}

const struct atm_command atm_command_run = {
    .name = "run",
    .arguments = "CONFIG.ini [-o FOLDER]",
    .summary = "run all stages of a configuration",
    .help = "Stages: synth, train, calibrate, localize, eval, render, report; run.stages says "
            "which. Everything goes into\n"
            "run.directory (or FOLDER, or results/NAME of the configuration) under fixed names: "
            "movie, model.h5, curve.png,\n"
            "locs.hdf5, locs.csv, scores.txt, scores.json, picture.png, blocks.png, resolved.ini. "
            "With\n"
            "input.path the stages work on that movie; the eval stage then needs run.truth. With "
            "run.test_frames it\n"
            "evaluates the model itself: test.h5, and numbers and figures as `eval MODEL.h5 STACK` "
            "makes them.\n"
            "\n"
            "A section [sweep] makes it a batch: every combination of the values that it lists, "
            "several "
            "at a time,\n"
            "with one table (results.csv, results.h5) and one report.html.\n"
            "\n"
            "Ctrl-C stops; the same command continues, reuses what is done, and says so.",
    .min_args = 1,
    .max_args = 1,
    .options =
        ATM_OPTION_OUTPUT | ATM_OPTION_TRUNCATED | ATM_OPTION_CONFIG_ARGUMENT | ATM_OPTION_LIMITS,
    .sections = ATM_SECTION_RUN | ATM_SECTION_COMPARE | ATM_SECTION_SWEEP,
    .run = run,
};
