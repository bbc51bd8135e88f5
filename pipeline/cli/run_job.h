/* A run of `atomloc run` as its stages see it: the configuration, the names of its files, and what
 * is open. */
#ifndef ATM_RUN_JOB_H
#define ATM_RUN_JOB_H

#include "command.h"
#include "stages.h"
#include <limits.h>

/* Outputs have fixed names in the run's folder. */
enum atm_run_file {
    MOVIE_H5,
    MOVIE_TIFF,
    MOVIE_TRUTH,
    SYNTH_STAMP,
    MODEL,
    CURVE,
    LOCS,
    LOCS_CSV,
    FIT,
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

struct atm_run_job {
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

bool atm_run_has_stage(const struct atm_run_job *job, enum atm_stage stage);
/* The folder of the results; made if it is not there. */
enum atm_status atm_run_name_folder(const char *config_path, struct atm_run_job *job,
                                    struct atm_err *err);
/* The names of all files, those of shared stages in run.cache. */
enum atm_status atm_run_name_files(struct atm_run_job *job, struct atm_err *err);
/* Runs that share stages must not make the same file at the same time: who comes second waits, and
 * then finds it done. *lock: for atm_run_unlock in every case; -1 where nothing is shared. */
enum atm_status atm_run_lock(const struct atm_run_job *job, enum atm_run_file file, int *lock,
                             struct atm_err *err);
void atm_run_unlock(int lock);
/* Which movie and truth. A movie that is given is opened: a mistake in its name shows before hours
 * of work. */
enum atm_status atm_run_check_input(struct atm_run_job *job, struct atm_err *err);
/* The configuration without what no output depends on: where and how fast it was made. Owned by the
 * caller (atm_mem_free); NULL if out of memory. */
char *atm_run_resolve(const struct atm_run_job *job);
enum atm_status atm_run_write_resolved(const struct atm_run_job *job, struct atm_err *err);
/* By the first stage that needs them. */
enum atm_status atm_run_open_source(struct atm_run_job *job, struct atm_err *err);
enum atm_status atm_run_load_model(struct atm_run_job *job, struct atm_err *err);

/* Do one stage, or reuse what it made before. */
enum atm_status atm_run_stage(struct atm_run_job *job, enum atm_stage stage, struct atm_err *err);

#endif
