#include "run_job.h"

#include "mem.h"
#include "outfile.h"
#include "outputs.h"
#include "paths.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

static const char *const file_names[FILE_COUNT] = {
    "movie.h5",   "movie.tif",   "movie_truth.px.csv", "synth.stamp",  "model.h5",
    "curve.png",  "locs.hdf5",   "locs.csv",           "locs_fit.h5", "locs.journal", "localize.stamp",
    "scores.txt", "scores.json", "picture.png",        "blocks.png",   "resolved.ini",
    "test.h5",    "test.stamp",
};

bool atm_run_has_stage(const struct atm_run_job *job, enum atm_stage stage) {
    return job->stages & (1u << stage);
}

enum atm_status atm_run_name_folder(const char *config_path, struct atm_run_job *job,
                                    struct atm_err *err) {
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
static enum atm_status share(struct atm_run_job *job, const char *what, unsigned sections,
                             enum atm_run_file first, enum atm_run_file end, struct atm_err *err) {
    char folder[PATH_MAX];
    struct atm_config copy = *job->config;
    copy.run = (struct atm_run_options){.seed = copy.run.seed,
                                        .movie = copy.run.movie,
                                        .test_frames = first == TEST ? copy.run.test_frames : 0};
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

enum atm_status atm_run_name_files(struct atm_run_job *job, struct atm_err *err) {
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
    if (!status)
        status = share(job, "locs", locs, LOCS, SCORES, err);
    return status || !job->config->run.test_frames
               ? status
               : share(job, "test", movie, TEST, FILE_COUNT, err);
}

enum atm_status atm_run_lock(const struct atm_run_job *job, enum atm_run_file file, int *lock,
                             struct atm_err *err) {
    char path[PATH_MAX];
    *lock = -1;
    if (!job->config->run.cache[0])
        return ATM_OK;
    snprintf(path, sizeof path, "%.*s.lock", PATH_MAX - 8, job->path[file]);
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

void atm_run_unlock(int lock) {
    if (lock >= 0)
        close(lock);
}

static enum atm_status choose_movie(struct atm_run_job *job, struct atm_err *err) {
    const struct atm_config *config = job->config;
    bool tiff = config->run.movie == ATM_RUN_TIFF, input = config->input.path[0];
    if (input && atm_run_has_stage(job, ATM_STAGE_SYNTH))
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

enum atm_status atm_run_open_source(struct atm_run_job *job, struct atm_err *err) {
    return job->source ? ATM_OK
                       : atm_stage_open(job->movie, job->config, job->sink, &job->source, err);
}

enum atm_status atm_run_load_model(struct atm_run_job *job, struct atm_err *err) {
    return job->model ? ATM_OK : atm_model_load(job->path[MODEL], &job->model, err);
}

/* A run that looks at a model has pictures and numbers of it, but no localizations to draw. */
static enum atm_status check_stages(const struct atm_run_job *job, struct atm_err *err) {
    enum atm_status status = atm_outputs_check_columns(job->config, err);
    if (status)
        return status;
    const bool draws =
        atm_run_has_stage(job, ATM_STAGE_RENDER) || atm_run_has_stage(job, ATM_STAGE_REPORT);
    if (job->config->run.test_frames && draws && !atm_run_has_stage(job, ATM_STAGE_LOCALIZE))
        return atm_err_set(err, ATM_USAGE,
                           "run.test_frames evaluates the model itself; render and report need "
                           "localizations: remove them from run.stages, or add localize");
    return ATM_OK;
}

enum atm_status atm_run_check_input(struct atm_run_job *job, struct atm_err *err) {
    enum atm_status status = check_stages(job, err);
    if (!status)
        status = choose_movie(job, err);
    if (!status && job->config->input.path[0])
        status = atm_run_open_source(job, err);
    if (status)
        return status;
    if (!job->truth && job->source && atm_movie_info(atm_source_movie(job->source))->has_truth)
        job->truth = job->movie;
    if (!job->truth && atm_run_has_stage(job, ATM_STAGE_EVAL) && !job->config->run.test_frames)
        return atm_err_set(err, ATM_FAIL,
                           "the eval stage needs the true emitters: set run.truth, or remove eval "
                           "from run.stages");
    return ATM_OK;
}

char *atm_run_resolve(const struct atm_run_job *job) {
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

enum atm_status atm_run_write_resolved(const struct atm_run_job *job, struct atm_err *err) {
    char *text = atm_run_resolve(job);
    enum atm_status status = text ? atm_outfile_write_text(job->path[RESOLVED], text, err)
                                  : atm_err_memory(err, "the configuration");
    atm_mem_free(text);
    return status;
}
