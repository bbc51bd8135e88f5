#include "localize_job.h"

#include "mem.h"
#include "outputs.h"
#include "paths.h"
#include "provenance.h"
#include "stages.h"
#include "stamp.h"
#include <math.h>
#include <unistd.h>

/* Files that belong to LOCS. */
struct names {
    char *model, *curve, *journal, *fit, *picture, *blocks, *stamp;
};

static void free_names(struct names *names) {
    atm_mem_free(names->model);
    atm_mem_free(names->curve);
    atm_mem_free(names->journal);
    atm_mem_free(names->fit);
    atm_mem_free(names->picture);
    atm_mem_free(names->blocks);
    atm_mem_free(names->stamp);
}

static enum atm_status make_names(const char *output, struct names *names, struct atm_err *err) {
    *names = (struct names){
        .model = atm_path_beside(output, "_model.h5"),
        .curve = atm_path_beside(output, "_model_curve.png"),
        .journal = atm_path_beside(output, ".journal"),
        .fit = atm_path_beside(output, "_fit.h5"),
        .picture = atm_path_beside(output, ".png"),
        .blocks = atm_path_beside(output, "_blocks.png"),
        .stamp = atm_path_beside(output, ".stamp"),
    };
    return names->model && names->curve && names->journal && names->fit && names->picture &&
                   names->blocks && names->stamp
               ? ATM_OK
               : atm_err_memory(err, "file names");
}

struct job {
    const struct atm_call *call;
    const char *movie;
    const char *const *outputs;
    struct names names;
    struct atm_source *source;
    struct atm_model *model;
    struct atm_table table;
};

/* The map from blocks to photons holds for images like those that the model learned from. */
static enum atm_status check_scale(const struct job *job, struct atm_err *err) {
    enum { SUSPICIOUS = 3, HOPELESS = 20 };
    double ratio = atm_source_info(job->source)->scale / job->model->image_scale;
    double factor = fmax(ratio, 1 / ratio);
    if (factor >= HOPELESS)
        return atm_err_set(err, ATM_FAIL,
                           "%s: the peaks of %s are %.3g times those that this model was trained "
                           "on; is camera.gain right? Otherwise train on this movie: leave out "
                           "--model",
                           job->call->model, job->movie, ratio);
    if (factor >= SUSPICIOUS)
        atm_log(job->call->sink, ATM_LOG_WARNING,
                "%s: the movie's peaks are %.3g times those that this model was trained on",
                job->call->model, ratio);
    return ATM_OK;
}

static enum atm_status get_model(struct job *job, struct atm_err *err) {
    const struct atm_call *call = job->call;
    if (call->model) {
        enum atm_status status = atm_model_load(call->model, &job->model, err);
        return status ? status : check_scale(job, err);
    }
    return atm_stage_learn(job->source, &call->config, job->names.model, job->names.curve,
                           call->sink, &job->model, err);
}

/* Before hours of work. */
static enum atm_status check(const struct job *job, struct atm_err *err) {
    const char *model = job->call->model;
    enum atm_status status = atm_outputs_check(job->outputs, job->movie, err);
    if (!status)
        status = atm_outputs_check_columns(&job->call->config, err);
    for (const char *const *output = job->outputs; !status && *output; output++)
        status = atm_path_check_not_input(*output, model, err);
    if (!status)
        status = atm_path_check_output(job->names.picture, err);
    if (!status)
        status = atm_path_check_output(job->names.fit, err);
    if (!status)
        status = atm_path_check_output(job->names.blocks, err);
    if (!status && model && access(model, R_OK))
        status = atm_err_errno(err, model, "read the model");
    return status;
}

/* No file that is written is one that is read, for the movie or the camera: Picasso's YAML beside a
 * table could be a raw movie's, the picture a frame. */
static enum atm_status check_inputs(const struct job *job, struct atm_err *err) {
    const struct names *n = &job->names;
    const struct atm_movie *movie = atm_source_movie(job->source);
    const char *written[2 * ATM_MOST_OUTPUTS + 7] = {n->curve,  n->journal, n->fit,  n->picture,
                                                     n->blocks, n->stamp,   n->model};
    char *sides[ATM_MOST_OUTPUTS] = {NULL};
    const struct atm_config *config = &job->call->config;
    const char *const settings[] = {config->camera.maps.offset, config->camera.maps.gain,
                                    config->camera.maps.variance, config->refine.psf_file};
    int count = job->call->model ? 6 : 7;
    for (int i = 0; job->outputs[i]; i++) {
        written[count++] = job->outputs[i];
        sides[i] = atm_table_side_name(job->outputs[i]);
        if (sides[i])
            written[count++] = sides[i];
    }
    enum atm_status status = ATM_OK;
    for (int i = 0; i < count && !status; i++) {
        const char *file;
        for (ptrdiff_t k = 0; !status && (file = atm_movie_file(movie, k)); k++)
            status = atm_path_check_not_input(written[i], file, err);
        for (size_t k = 0; !status && k < sizeof settings / sizeof *settings; k++)
            if (settings[k][0])
                status = atm_path_check_not_input(written[i], settings[k], err);
    }
    for (int i = 0; i < ATM_MOST_OUTPUTS; i++)
        atm_mem_free(sides[i]);
    return status;
}

static enum atm_status localize(struct job *job, struct atm_err *err) {
    const struct atm_call *call = job->call;
    const struct atm_sink *sink = call->sink;
    const struct atm_localize_files files = {job->outputs, job->names.journal, job->names.fit};
    enum atm_status status =
        atm_stage_localize(job->source, job->model, &call->config, &files, sink, &job->table, err);
    const ptrdiff_t missing = atm_movie_info(atm_source_movie(job->source))->missing_frames;
    if (!status && call->config.input.follow && missing)
        atm_log(sink, ATM_LOG_WARNING,
                "%s: nothing came for %g s, and the file is still cut off: %td frames are missing",
                job->movie, call->config.input.follow_s, missing);
    if (!status)
        status = atm_stage_picture(&job->table, &call->config, job->names.picture, sink, err);
    if (!status)
        status = atm_stage_blocks(job->source, job->model, &job->table, NULL, job->names.blocks,
                                  sink, err);
    return status;
}

/* What decides all that is written, for the stamp. */
static enum atm_status make_identity(struct job *job, char **identity, struct atm_err *err) {
    char *provenance = NULL;
    enum atm_status status = atm_stage_localize_provenance(job->source, job->model,
                                                           &job->call->config, &provenance, err);
    char *drawn = atm_config_resolved(&job->call->config, ATM_SECTION_RENDER | ATM_SECTION_OUTPUT);
    if (!status &&
        (!drawn || asprintf(identity, "%s\n%s", atm_provenance_identity(provenance), drawn) < 0))
        status = atm_err_memory(err, "the provenance");
    atm_mem_free(provenance);
    atm_mem_free(drawn);
    return status;
}

static enum atm_status localize_stamped(struct job *job, struct atm_err *err) {
    const char *files[ATM_MOST_OUTPUTS + 4] = {NULL};
    char *identity = NULL;
    int count = 0;
    for (; job->outputs[count]; count++)
        files[count] = job->outputs[count];
    files[count++] = job->names.fit;
    files[count++] = job->names.picture;
    files[count++] = job->names.blocks;
    enum atm_status status = make_identity(job, &identity, err);
    if (!status && atm_stamp_matches(job->names.stamp, identity, files)) {
        atm_log(job->call->sink, ATM_LOG_INFO, "%s: made by this configuration before; reused",
                job->outputs[0]);
    } else if (!status) {
        status = localize(job, err);
        if (!status)
            status = atm_stamp_write(job->names.stamp, identity, files, err);
    }
    atm_mem_free(identity);
    return status;
}

enum atm_status atm_localize_job(const struct atm_call *call, const char *movie,
                                 const char *const *outputs, bool stamped, struct atm_err *err) {
    struct job job = {.call = call, .movie = movie, .outputs = outputs};
    atm_table_init(&job.table);
    enum atm_status status = make_names(outputs[0], &job.names, err);
    if (!status)
        status = check(&job, err);
    if (!status)
        status = atm_stage_open(movie, &call->config, call->sink, &job.source, err);
    if (!status)
        status = check_inputs(&job, err);
    if (!status)
        status = atm_outputs_check_units(outputs, atm_source_info(job.source)->camera.pixel_size_nm,
                                         err);
    if (!status)
        status = get_model(&job, err);
    if (!status)
        status = stamped ? localize_stamped(&job, err) : localize(&job, err);
    atm_table_free(&job.table);
    atm_model_destroy(&job.model);
    atm_source_close(&job.source);
    free_names(&job.names);
    return status;
}
