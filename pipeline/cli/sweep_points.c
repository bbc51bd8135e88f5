/* The runs of a sweep: each a process of its own, so that one that fails takes nothing with it. */
#include "sweep.h"

#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include "stamp.h"
#include "textfile.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <omp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_NUMBERS_BYTES = 1 << 24 };
extern char **environ;

struct point {
    char folder[PATH_MAX], ini[PATH_MAX], numbers[PATH_MAX], stamp[PATH_MAX], log[PATH_MAX];
    char *text;     /* owned: its resolved configuration */
    char *identity; /* owned: the same without places */
    bool skippable; /* nothing outside of its configuration decides it */
    bool skipped;
    pid_t process; /* 0: not running */
};

struct pool {
    const struct atm_call *call;
    struct point *points;
    ptrdiff_t count, next, finished, failed;
    int running, processes;
    int threads; /* of each */
    bool stopping;
    char first_failure[512];
};

/* ---- one point ---- */

static enum atm_status name_files(const struct atm_call *call, const struct atm_sweep_plan *plan,
                                  const char *folder, ptrdiff_t index, struct point *point,
                                  struct atm_err *err) {
    char name[256];
    atm_sweep_name(plan, index, name, sizeof name);
    int used = snprintf(point->folder, PATH_MAX, "%.*s/points/%s", PATH_MAX / 2, folder, name);
    const char *numbers = call->config.sweep.numbers;
    if (used >= PATH_MAX - 64 || strlen(folder) >= PATH_MAX / 2 || strlen(numbers) > 60 ||
        !numbers[0] || strchr(numbers, '/'))
        return atm_err_set(err, ATM_USAGE, "names of folders or sweep.numbers do not fit");
    snprintf(point->ini, PATH_MAX, "%.*s/point.ini", used, point->folder);
    snprintf(point->numbers, PATH_MAX, "%.*s/%s", used, point->folder, numbers);
    snprintf(point->stamp, PATH_MAX, "%.*s/point.stamp", used, point->folder);
    snprintf(point->log, PATH_MAX, "%.*s/log.txt", used, point->folder);
    return ATM_OK;
}

static enum atm_status prepare(const struct atm_call *call, const struct atm_sweep_plan *plan,
                               const char *folder, ptrdiff_t index, struct point *point,
                               struct atm_err *err) {
    struct atm_config *config = atm_mem_alloc(1, sizeof *config);
    if (!config)
        return atm_err_memory(err, "a sweep");
    *config = call->config;
    enum atm_status status = atm_sweep_configure(plan, index, config, err);
    if (!status)
        status = name_files(call, plan, folder, index, point, err);
    if (!status) {
        char cache[ATM_KEY_TEXT_SIZE];
        snprintf(cache, sizeof cache, "%s", config->run.cache);
        config->run.directory[0] = config->run.cache[0] = 0;
        config->run.threads = config->sweep.processes = 0;
        point->identity = atm_config_resolved(config, ATM_SECTIONS_ALL);
        if (cache[0])
            memcpy(config->run.cache, cache, sizeof cache);
        else
            snprintf(config->run.cache, ATM_KEY_TEXT_SIZE, "%s/cache", folder);
        point->skippable =
            !config->input.path[0] && !config->run.truth[0] && !config->compare.tables.count;
        point->text = atm_config_resolved(config, ATM_SECTIONS_ALL);
        if (!point->text || !point->identity)
            status = atm_err_memory(err, "a configuration");
    }
    atm_mem_free(config);
    return status;
}

/* Done before by this version and configuration? */
static bool is_done(const struct point *point) {
    const char *const files[] = {point->numbers, NULL};
    return point->skippable && atm_stamp_matches(point->stamp, point->identity, files);
}

static enum atm_status start(struct pool *pool, struct point *point, struct atm_err *err) {
    char threads[16];
    snprintf(threads, sizeof threads, "%d", pool->threads);
    char program[] = "/proc/self/exe", run[] = "run", o[] = "-o", t[] = "--threads";
    char *const argv[] = {program, run, point->ini, o, point->folder, t, threads, NULL};
    enum atm_status status = atm_path_make_folder(point->folder, err);
    if (!status)
        status = atm_outfile_write_text(point->ini, point->text, err);
    if (status)
        return status;
    unlink(point->stamp);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, point->log,
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    int failed = posix_spawn(&point->process, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        point->process = 0;
        errno = failed;
        return atm_err_errno(err, point->folder, "start the run");
    }
    pool->running++;
    return ATM_OK;
}

/* ---- all of them ---- */

/* The first error line of a point's log, for the message at the end. */
static void remember_failure(struct pool *pool, const struct point *point) {
    static const char mark[] = "atomloc: error: ";
    char *text = NULL;
    if (pool->first_failure[0])
        return;
    const char *line = "";
    if (!atm_textfile_read(point->log, 1 << 20, &text, NULL) && (line = strstr(text, mark)))
        line += sizeof mark - 1;
    snprintf(pool->first_failure, sizeof pool->first_failure, "%.200s: %.*s", point->log,
             line ? (int)strcspn(line, "\n") : 0, line ? line : "");
    atm_mem_free(text);
}

static void finish(struct pool *pool, struct point *point, int exit_status) {
    const char *const files[] = {point->numbers, NULL};
    bool good = WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0;
    point->process = 0;
    pool->running--;
    pool->finished += good || !pool->stopping;
    if (good && atm_stamp_write(point->stamp, point->identity, files, NULL))
        good = false;
    if (!good && !pool->stopping) {
        pool->failed++;
        remember_failure(pool, point);
    }
    atm_log_progress(pool->call->sink, "runs", pool->finished, pool->count, "%s", "");
}

static void ask_all_to_stop(struct pool *pool) {
    pool->stopping = true;
    for (ptrdiff_t i = 0; i < pool->next; i++)
        if (pool->points[i].process)
            kill(pool->points[i].process, SIGINT);
}

/* Wait for any of the processes; a signal that asks to stop is handed on. */
static void wait_for_one(struct pool *pool) {
    int exit_status;
    pid_t process = waitpid(-1, &exit_status, 0);
    if (atm_log_stopped(pool->call->sink) && !pool->stopping)
        ask_all_to_stop(pool);
    for (ptrdiff_t i = 0; process > 0 && i < pool->next; i++)
        if (pool->points[i].process == process)
            finish(pool, &pool->points[i], exit_status);
}

static enum atm_status run_all(struct pool *pool, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    while (!status && !pool->stopping && pool->next < pool->count) {
        struct point *point = &pool->points[pool->next];
        if (pool->running == pool->processes) {
            wait_for_one(pool);
            continue;
        }
        pool->next++;
        if (atm_log_stopped(pool->call->sink))
            pool->stopping = true;
        else if (is_done(point))
            point->skipped = true, pool->finished++;
        else
            status = start(pool, point, err);
    }
    if (status)
        ask_all_to_stop(pool);
    while (pool->running)
        wait_for_one(pool);
    if (!status && (pool->stopping || atm_log_stopped(pool->call->sink)))
        status =
            atm_err_set(err, ATM_STOPPED, "%td of %td runs are done; the same command continues",
                        pool->finished, pool->count);
    return status;
}

static enum atm_status collect(struct pool *pool, struct atm_sweep_result *results,
                               struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; !status && i < pool->count; i++) {
        char *text = NULL;
        const char *const files[] = {pool->points[i].numbers, NULL};
        if (!atm_stamp_matches(pool->points[i].stamp, pool->points[i].identity, files))
            continue;
        status = atm_textfile_read(pool->points[i].numbers, MOST_NUMBERS_BYTES, &text, err);
        if (!status)
            status = atm_json_numbers_read(text, pool->points[i].numbers, &results[i].numbers, err);
        results[i].done = !status;
        atm_mem_free(text);
    }
    return status;
}

static void say_start(const struct pool *pool) {
    ptrdiff_t done = 0;
    for (ptrdiff_t i = 0; i < pool->count; i++)
        done += is_done(&pool->points[i]);
    atm_log(pool->call->sink, ATM_LOG_INFO, "%td runs, %td of them done before; %d at a time",
            pool->count, done, pool->processes);
}

enum atm_status atm_sweep_points(const struct atm_call *call, const struct atm_sweep_plan *plan,
                                 const char *folder, struct atm_sweep_result *results,
                                 ptrdiff_t *failed, struct atm_err *err) {
    int cores = omp_get_num_procs();
    int64_t wanted = call->config.sweep.processes;
    struct pool pool = {.call = call, .count = plan->points};
    pool.processes = wanted ? (int)wanted : cores;
    pool.threads = call->config.run.threads     ? (int)call->config.run.threads
                   : cores > 2 * pool.processes ? cores / pool.processes
                                                : 1;
    pool.points = atm_mem_alloc((size_t)pool.count, sizeof *pool.points);
    enum atm_status status = pool.points ? ATM_OK : atm_err_memory(err, "a sweep");
    for (ptrdiff_t i = 0; !status && i < pool.count; i++)
        status = prepare(call, plan, folder, i, &pool.points[i], err);
    if (!status) {
        say_start(&pool);
        status = run_all(&pool, err);
    }
    if (!status)
        status = collect(&pool, results, err);
    *failed = pool.failed;
    if (pool.failed)
        atm_log(call->sink, ATM_LOG_WARNING, "%td of %td runs failed; the first: %s", pool.failed,
                pool.count, pool.first_failure);
    for (ptrdiff_t i = 0; pool.points && i < pool.count; i++) {
        atm_mem_free(pool.points[i].text);
        atm_mem_free(pool.points[i].identity);
    }
    atm_mem_free(pool.points);
    return status;
}
