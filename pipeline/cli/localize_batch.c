#include "localize_job.h"

#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum result { WAITING, DONE, FAILED };
static const char *const result_names[] = {"waiting", "done", "failed"};

/* Medians over the localizations of a movie. */
enum number { PHOTONS, BACKGROUND, SIGMA, UNCERTAINTY, CHI2, NUMBERS };
static const struct {
    const char *name;
    size_t member;
} numbers[NUMBERS] = {
    {"photons", offsetof(struct atm_loc, photons)}, {"bg", offsetof(struct atm_loc, background)},
    {"sx_px", offsetof(struct atm_loc, sx)},        {"lpx_px", offsetof(struct atm_loc, x_unc)},
    {"chi2", offsetof(struct atm_loc, chi2)},
};

struct outcome {
    enum result result;
    ptrdiff_t frames, localizations;
    double medians[NUMBERS];
    char message[sizeof((struct atm_err *)NULL)->text];
};

struct batch {
    const struct atm_call *call;
    const struct atm_movie_list *movies;
    struct outcome *outcomes; /* owned, one a movie */
    char *summary;            /* owned: the table's path */
};

/* ---- The table of all ---- */

/* Read back from the file, so that a movie that was done before says the same. */
static enum atm_status look_at(const struct batch *batch, const char *path, struct outcome *outcome,
                               struct atm_err *err) {
    struct atm_table table;
    enum atm_status status =
        atm_table_read(path, batch->call->config.camera.pixel_size_nm, &table, err);
    for (int i = 0; !status && i < NUMBERS; i++)
        outcome->medians[i] = atm_table_median(&table, numbers[i].member);
    outcome->frames = table.frames;
    outcome->localizations = table.count;
    atm_table_free(&table);
    return status;
}

static void put_quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_outcome(FILE *out, const char *name, const struct outcome *outcome) {
    put_quoted(out, name);
    fprintf(out, ",%s,", result_names[outcome->result]);
    if (outcome->result == DONE)
        fprintf(out, "%td,%td", outcome->frames, outcome->localizations);
    else
        fputc(',', out);
    for (int i = 0; i < NUMBERS; i++)
        if (outcome->result == DONE && isfinite(outcome->medians[i]))
            fprintf(out, ",%.5g", outcome->medians[i]);
        else
            fputc(',', out);
    fputc(',', out);
    put_quoted(out, outcome->message);
    fputc('\n', out);
}

static enum atm_status write_summary(const struct batch *batch, struct atm_err *err) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return atm_err_memory(err, "the summary");
    fputs("movie,result,frames,localizations", out);
    for (int i = 0; i < NUMBERS; i++)
        fprintf(out, ",%s", numbers[i].name);
    fputs(",message\n", out);
    for (int i = 0; i < batch->movies->count; i++)
        put_outcome(out, batch->movies->items[i].name, &batch->outcomes[i]);
    bool good = !ferror(out);
    good = (fclose(out) == 0) && good;
    enum atm_status status = good ? atm_outfile_write_text(batch->summary, text, err)
                                  : atm_err_memory(err, "the summary");
    free(text);
    return status;
}

/* ---- Movies ---- */

static enum atm_status make_folder_of(const char *path, struct atm_err *err) {
    char *folder = NULL;
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return ATM_OK;
    const int length = (int)(slash - path);
    if (asprintf(&folder, "%.*s", length, path) < 0)
        return atm_err_memory(err, "a file name");
    enum atm_status status = atm_path_make_folder(folder, err);
    free(folder);
    return status;
}

static enum atm_status do_movie(const struct batch *batch, int index, struct atm_err *err) {
    const struct atm_call *call = batch->call;
    const struct atm_movie_item *movie = &batch->movies->items[index];
    char *outputs[ATM_MOST_OUTPUTS + 1] = {NULL};
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && call->outputs[i]; i++) {
        outputs[i] = atm_output_of(call->outputs[i], movie->name);
        status = outputs[i] ? make_folder_of(outputs[i], err) : atm_err_memory(err, "a file name");
    }
    if (!status)
        status = atm_localize_job(call, movie->path, (const char *const *)outputs, true, err);
    if (!status)
        status = look_at(batch, outputs[0], &batch->outcomes[index], err);
    for (int i = 0; outputs[i]; i++)
        atm_mem_free(outputs[i]);
    return status;
}

static enum atm_status do_all(const struct batch *batch, int *failed, struct atm_err *err) {
    const struct atm_sink *sink = batch->call->sink;
    enum atm_status status = write_summary(batch, err);
    for (int i = 0; !status && i < batch->movies->count; i++) {
        struct atm_err own = {0};
        struct outcome *outcome = &batch->outcomes[i];
        atm_log(sink, ATM_LOG_INFO, "--- %d of %d: %s", i + 1, batch->movies->count,
                batch->movies->items[i].path);
        enum atm_status done = do_movie(batch, i, &own);
        if (done == ATM_STOPPED)
            return atm_err_set(err, ATM_STOPPED, "%d of %d movies are done; %s", i - *failed,
                               batch->movies->count, own.text);
        outcome->result = done ? FAILED : DONE;
        if (done) {
            atm_log(sink, ATM_LOG_WARNING, "failed: %s", own.text);
            snprintf(outcome->message, sizeof outcome->message, "%s", own.text);
            ++*failed;
        }
        status = write_summary(batch, err);
    }
    return status;
}

static enum atm_status report_failures(const struct batch *batch, int failed, struct atm_err *err) {
    char names[200] = "";
    for (int i = 0; i < batch->movies->count; i++) {
        size_t used = strlen(names);
        if (batch->outcomes[i].result == FAILED)
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                     batch->movies->items[i].name);
    }
    return atm_err_set(err, ATM_FAIL, "%d of %d movies failed: %s; %s says why", failed,
                       batch->movies->count, names, batch->summary);
}

/* ---- Outputs ---- */

/* Beside the outputs: where the folders are not yet those of single movies. */
static char *name_summary(const char *output) {
    static const char NAME[] = "summary.csv";
    char *first = atm_output_of(output, "{}");
    size_t length = first ? strcspn(first, "{") : 0;
    while (length > 0 && first[length - 1] != '/')
        length--;
    char *path = first ? atm_mem_alloc(length + sizeof NAME, 1) : NULL;
    if (path) {
        memcpy(path, first, length);
        memcpy(path + length, NAME, sizeof NAME);
    }
    atm_mem_free(first);
    return path;
}

static enum atm_status check_patterns(const struct batch *batch, struct atm_err *err) {
    for (const char *const *output = batch->call->outputs; *output; output++)
        if (!atm_output_is_pattern(*output) && !atm_path_is_folder(*output))
            return atm_err_set(err, ATM_USAGE,
                               "%s cannot be the output of several movies; give a folder "
                               "(results/) or {} in place of each movie's name",
                               *output);
    for (int i = 0; i < batch->movies->count; i++)
        if (!strcmp(batch->movies->items[i].name, "summary"))
            return atm_err_set(err, ATM_USAGE, "%s: its table would be the summary's; rename it",
                               batch->movies->items[i].path);
    return ATM_OK;
}

enum atm_status atm_localize_batch(const struct atm_call *call, const struct atm_movie_list *movies,
                                   struct atm_err *err) {
    struct batch batch = {call, movies,
                          atm_mem_alloc((size_t)movies->count, sizeof *batch.outcomes),
                          name_summary(call->outputs[0])};
    int failed = 0;
    enum atm_status status = batch.outcomes && batch.summary ? check_patterns(&batch, err)
                                                             : atm_err_memory(err, "the batch");
    if (!status)
        status = make_folder_of(batch.summary, err);
    if (!status)
        status = do_all(&batch, &failed, err);
    if (!status)
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s", batch.summary);
    if (!status && failed)
        status = report_failures(&batch, failed, err);
    atm_mem_free(batch.outcomes);
    atm_mem_free(batch.summary);
    return status;
}
