/* All stages of a configuration, one after the other, into one folder. */
#include "command.h"
#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include "provenance.h"
#include "stages.h"
#include "stamp.h"
#include "sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

/* Outputs have fixed names in the run's folder. */
enum file {
    MOVIE_H5,
    MOVIE_TIFF,
    MOVIE_TRUTH,
    SYNTH_STAMP,
    MODEL,
    CURVE,
    LOCS,
    LOCS_CSV,
    JOURNAL,
    LOCALIZE_STAMP,
    SCORES,
    SCORES_JSON,
    PICTURE,
    BLOCKS,
    RESOLVED,
    TEST,
    TEST_STAMP,
    FILE_COUNT
};
static const char *const file_names[FILE_COUNT] = {
    "movie.h5",   "movie.tif",   "movie_truth.px.csv", "synth.stamp",  "model.h5",
    "curve.png",  "locs.hdf5",   "locs.csv",           "locs.journal", "localize.stamp",
    "scores.txt", "scores.json", "picture.png",        "blocks.png",   "resolved.ini",
    "test.h5",    "test.stamp",
};

struct job {
    const struct atm_call *call;
    const struct atm_config *config;
    const struct atm_sink *sink;
    unsigned stages;
    char folder[PATH_MAX];
    char path[FILE_COUNT][PATH_MAX];
    const char *movie, *truth; /* truth NULL: none known */
    struct atm_source *source; /* opened by the first stage that needs it */
    struct atm_model *model;
};

static bool has_stage(const struct job *job, enum atm_stage stage) {
    return job->stages & (1u << stage);
}

/* ---- Before the first stage ---- */

static enum atm_status name_folder(const char *config_path, struct job *job, struct atm_err *err) {
    const char *directory = job->config->run.directory;
    const char *slash = strrchr(config_path, '/'), *name = slash ? slash + 1 : config_path;
    size_t length = strlen(name);
    if (length > 4 && atm_path_ends(name, ".ini"))
        length -= 4;
    int used = directory[0] ? snprintf(job->folder, PATH_MAX, "%s", directory)
                            : snprintf(job->folder, PATH_MAX, "results/%.*s", (int)length, name);
    return used < PATH_MAX - 64 ? atm_path_make_folder(job->folder, err)
                                : atm_err_set(err, ATM_FAIL, "the name of the folder is too long");
}

/* Files [first, end) of a stage into a folder of the cache that is named by the hash of what they
 * depend on. The stages' own stamps still say whether what lies there is right. */
static enum atm_status share(struct job *job, const char *what, unsigned sections, enum file first,
                             enum file end, struct atm_err *err) {
    char folder[PATH_MAX];
    struct atm_config copy = *job->config;
    copy.run = (struct atm_run_options){.seed = copy.run.seed, .movie = copy.run.movie};
    char *text = atm_config_resolved(&copy, sections | ATM_SECTION_RUN);
    if (!text)
        return atm_err_memory(err, "the configuration");
    snprintf(folder, sizeof folder, "%s/%s_%016llx", job->config->run.cache, what,
             (unsigned long long)XXH3_64bits(text, strlen(text)));
    atm_mem_free(text);
    for (int i = (int)first; i < (int)end; i++)
        snprintf(job->path[i], PATH_MAX, "%.*s/%s", PATH_MAX - 64, folder, file_names[i]);
    return atm_path_make_folder(folder, err);
}

static enum atm_status name_files(struct job *job, struct atm_err *err) {
    const unsigned movie = ATM_SECTIONS_SYNTH;
    const unsigned model = movie | ATM_SECTIONS_LEARN | ATM_SECTION_CALIBRATE;
    const unsigned locs = model | ATM_SECTIONS_LOCALIZE;
    for (int i = 0; i < FILE_COUNT; i++)
        snprintf(job->path[i], PATH_MAX, "%.*s/%s", PATH_MAX - 64, job->folder, file_names[i]);
    if (!job->config->run.cache[0])
        return ATM_OK;
    enum atm_status status = share(job, "movie", movie, MOVIE_H5, MODEL, err);
    if (!status)
        status = share(job, "model", model, MODEL, LOCS, err);
    return status ? status : share(job, "locs", locs, LOCS, SCORES, err);
}

static enum atm_status choose_movie(struct job *job, struct atm_err *err) {
    const struct atm_config *config = job->config;
    bool tiff = config->run.movie == ATM_RUN_TIFF, input = config->input.path[0];
    if (input && has_stage(job, ATM_STAGE_SYNTH))
        return atm_err_set(err, ATM_FAIL,
                           "input.path names a movie and run.stages has synth: which movie is "
                           "meant? Remove one of the two");
    job->movie = input ? config->input.path : job->path[tiff ? MOVIE_TIFF : MOVIE_H5];
    if (config->run.truth[0])
        job->truth = config->run.truth;
    else if (!input)
        job->truth = job->path[tiff ? MOVIE_TRUTH : MOVIE_H5];
    return ATM_OK;
}

static enum atm_status open_source(struct job *job, struct atm_err *err) {
    return job->source ? ATM_OK
                       : atm_stage_open(job->movie, job->config, job->sink, &job->source, err);
}

static enum atm_status load_model(struct job *job, struct atm_err *err) {
    return job->model ? ATM_OK : atm_model_load(job->path[MODEL], &job->model, err);
}

/* A movie that is given is opened first: a mistake in its name shows before hours of work. */
static enum atm_status check_input(struct job *job, struct atm_err *err) {
    enum atm_status status = choose_movie(job, err);
    if (!status && job->config->input.path[0])
        status = open_source(job, err);
    if (status)
        return status;
    if (!job->truth && job->source && atm_movie_info(atm_source_movie(job->source))->has_truth)
        job->truth = job->movie;
    if (!job->truth && has_stage(job, ATM_STAGE_EVAL) && !job->config->run.test_frames)
        return atm_err_set(err, ATM_FAIL,
                           "the eval stage needs the true emitters: set run.truth, or remove eval "
                           "from run.stages");
    return ATM_OK;
}

/* The configuration without what no output depends on: where and how fast it was made. Owned by the
 * caller; NULL if out of memory. */
static char *resolve(const struct job *job) {
    struct atm_config *copy = atm_mem_alloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *job->config;
    copy->run.threads = 0;
    copy->run.directory[0] = copy->run.cache[0] = 0;
    char *text = atm_config_resolved(copy, ATM_SECTIONS_ALL);
    atm_mem_free(copy);
    return text;
}

static enum atm_status write_resolved(const struct job *job, struct atm_err *err) {
    char *text = resolve(job);
    enum atm_status status = text ? atm_outfile_write_text(job->path[RESOLVED], text, err)
                                  : atm_err_memory(err, "the configuration");
    atm_mem_free(text);
    return status;
}

/* ---- Stages ---- */

/* The simulated stack of a configuration, outputs[0] and what lies beside it. */
static enum atm_status simulate(const struct job *job, const struct atm_config *config,
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

static enum atm_status synth(struct job *job, struct atm_err *err) {
    const char *outputs[] = {job->movie, NULL, NULL};
    if (job->config->run.movie == ATM_RUN_TIFF)
        outputs[1] = job->path[MOVIE_TRUTH];
    return simulate(job, job->config, job->path[SYNTH_STAMP], outputs, err);
}

static enum atm_status train(struct job *job, struct atm_err *err) {
    enum atm_status status = open_source(job, err);
    return status ? status
                  : atm_stage_learn(job->source, job->config, job->path[MODEL], job->path[CURVE],
                                    job->sink, &job->model, err);
}

static enum atm_status calibrate(struct job *job, struct atm_err *err) {
    enum atm_status status = load_model(job, err);
    return status ? status
                  : atm_stage_calibrate(job->model, job->config, job->path[MODEL], job->sink, err);
}

static enum atm_status localize(struct job *job, struct atm_err *err) {
    const char *const outputs[] = {job->path[LOCS], job->path[LOCS_CSV], NULL};
    char *provenance = NULL;
    enum atm_status status = open_source(job, err);
    if (!status)
        status = load_model(job, err);
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
        status = atm_stage_localize(job->source, job->model, job->config, job->path[JOURNAL],
                                    outputs, job->sink, &table, err);
        if (!status)
            status = atm_stamp_write(job->path[LOCALIZE_STAMP], identity, outputs, err);
        atm_table_free(&table);
    }
    atm_mem_free(provenance);
    return status;
}

/* The tables are read from their files, so that a continued run sees what an undisturbed one sees.
 */
static enum atm_status write_scores(const struct job *job, const struct atm_scores *scores,
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
static enum atm_status open_scores(const struct job *job, struct atm_scores *scores,
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

static enum atm_status score(const struct job *job, struct atm_err *err) {
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

/* The model itself, on images that it has not seen: another seed's. */
static enum atm_status test_model(struct job *job, struct atm_err *err) {
    struct atm_config config = *job->config;
    const char *const outputs[] = {job->path[TEST], NULL};
    config.synth.frames = config.run.test_frames;
    config.run.seed++;
    enum atm_status status = load_model(job, err);
    if (!status)
        status = simulate(job, &config, job->path[TEST_STAMP], outputs, err);
    return status ? status
                  : atm_stage_eval_model(job->model, job->path[TEST], job->config, job->folder,
                                         job->sink, err);
}

static enum atm_status read_tables(const struct job *job, struct atm_table *found,
                                   struct atm_table *truth, struct atm_err *err) {
    double pixel_size_nm = job->config->camera.pixel_size_nm;
    enum atm_status status = atm_table_read(job->path[LOCS], pixel_size_nm, found, err);
    if (!status && job->truth)
        status = atm_table_read(job->truth, pixel_size_nm, truth, err);
    if (!status)
        atm_table_sort(truth);
    return status;
}

static enum atm_status draw(struct job *job, const struct atm_table *found,
                            const struct atm_table *truth, struct atm_err *err) {
    enum atm_status status = open_source(job, err);
    if (!status)
        status = load_model(job, err);
    if (!status)
        status = atm_stage_picture(found, job->config, job->path[PICTURE], job->sink, err);
    if (!status)
        status = atm_stage_blocks(job->source, job->model, found, truth, job->path[BLOCKS],
                                  job->sink, err);
    return status;
}

static enum atm_status pictures(struct job *job, struct atm_err *err) {
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

static enum atm_status write_report(struct job *job, struct atm_report_input *input,
                                    struct atm_err *err) {
    const char *name = strrchr(job->folder, '/');
    enum atm_status status = open_source(job, err);
    if (!status)
        status = load_model(job, err);
    input->source = job->source;
    input->model = job->model;
    return status ? status
                  : atm_stage_report(input, job->folder, name ? name + 1 : job->folder, job->sink,
                                     err);
}

static enum atm_status report(struct job *job, struct atm_err *err) {
    struct atm_table found, truth;
    struct atm_scores *scores = atm_mem_alloc(1, sizeof *scores);
    char *resolved = resolve(job);
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

static enum atm_status do_stage(struct job *job, enum atm_stage stage, struct atm_err *err) {
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

/* Runs that share stages must not make the same one at the same time: who comes second waits, and
 * then finds it done. lock: -1 where nothing is shared. */
static enum atm_status lock_stage(const struct job *job, enum atm_stage stage, int *lock,
                                  struct atm_err *err) {
    static const enum file outputs[ATM_STAGE_COUNT] = {[ATM_STAGE_SYNTH] = MOVIE_H5,
                                                       [ATM_STAGE_TRAIN] = MODEL,
                                                       [ATM_STAGE_CALIBRATE] = MODEL,
                                                       [ATM_STAGE_LOCALIZE] = LOCS};
    char path[PATH_MAX];
    if (!job->config->run.cache[0] || stage > ATM_STAGE_LOCALIZE)
        return ATM_OK;
    snprintf(path, sizeof path, "%.*s.lock", PATH_MAX - 8, job->path[outputs[stage]]);
    *lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (*lock < 0)
        return atm_err_errno(err, path, "open");
    while (flock(*lock, LOCK_EX)) {
        if (errno != EINTR)
            return atm_err_errno(err, path, "lock");
        if (atm_log_stopped(job->sink))
            return atm_err_set(err, ATM_STOPPED, "while another run made what this one needs");
    }
    return ATM_OK;
}

static enum atm_status do_locked(struct job *job, enum atm_stage stage, struct atm_err *err) {
    int lock = -1;
    enum atm_status status = lock_stage(job, stage, &lock, err);
    if (!status)
        status = do_stage(job, stage, err);
    if (lock >= 0)
        close(lock);
    return status;
}

static enum atm_status run_stages(struct job *job, struct atm_err *err) {
    enum atm_status status = name_files(job, err);
    if (!status)
        status = check_input(job, err);
    if (!status)
        status = write_resolved(job, err);
    for (int stage = 0; !status && stage < ATM_STAGE_COUNT; stage++) {
        if (!has_stage(job, stage))
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

static enum atm_status run_all(struct job *job, const char *config_path, struct atm_err *err) {
    enum atm_status status = atm_config_stages(job->config, &job->stages, err);
    if (!status)
        status = atm_limits_possible(job->call, has_stage(job, ATM_STAGE_EVAL), err);
    if (!status)
        status = name_folder(config_path, job, err);
    if (!status)
        status = atm_sweep_wanted(job->config) ? atm_sweep_run(job->call, job->folder, err)
                                               : run_stages(job, err);
    if (!status)
        atm_log(job->sink, ATM_LOG_INFO, "done; everything is in %s", job->folder);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct job *job = atm_mem_alloc(1, sizeof *job);
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
