#include "stages.h"

#include "mem.h"
#include "paths.h"
#include "provenance.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the movie's file says of its camera and is used: the configuration leaves it to it. */
static void say_camera(const struct atm_camera *file, const struct atm_camera *used,
                       const struct atm_sink *sink) {
    const struct {
        double file, used;
        const char *format;
    } numbers[] = {{file->pixel_size_nm, used->pixel_size_nm, ", pixels of %.6g nm"},
                   {file->exposure_ms, used->exposure_ms, ", exposure %.6g ms"},
                   {file->offset, used->offset, ", offset %.6g"},
                   {file->gain, used->gain, ", gain %.6g e-/ADU"},
                   {file->em_gain, used->em_gain, ", EM gain %.6g"},
                   {file->qe, used->qe, ", quantum efficiency %.6g"},
                   {file->read_noise, used->read_noise, ", read noise %.6g e-"},
                   {file->saturation, used->saturation, ", saturation %.6g"}};
    char text[ATM_KEY_TEXT_SIZE + 512] = "";
    size_t end = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].file == numbers[i].used)
            end +=
                (size_t)snprintf(text + end, sizeof text - end, numbers[i].format, numbers[i].used);
    if (file->name[0] && !strcmp(file->name, used->name))
        snprintf(text + end, sizeof text - end, ", camera %s", used->name);
    if (text[0])
        atm_log(sink, ATM_LOG_INFO, "the file says: %s", text + 2);
}

static void say_estimate(const struct atm_source_info *info, const struct atm_sink *sink) {
    char text[ATM_CAMERA_ESTIMATE_SIZE];
    if (info->photons && !info->estimated)
        return;
    atm_camera_estimate_text(&info->estimate, text);
    atm_log(sink, ATM_LOG_INFO, "camera from the movie's noise: %s%s", text,
            info->estimated        ? "; used"
            : info->estimate.known ? "; localize.photons = estimate would use it"
                                   : "");
}

enum atm_status atm_stage_open(const char *path, const struct atm_config *config,
                               const struct atm_sink *sink, struct atm_source **source,
                               struct atm_err *err) {
    struct atm_input_options input = config->input;
    input.estimate_camera = config->localize.photons == ATM_PHOTONS_ESTIMATE;
    enum atm_status status = atm_source_open(path, &input, &config->camera, source, err);
    if (status)
        return status;
    const struct atm_source_info *info = atm_source_info(*source);
    const struct atm_movie_info *movie = atm_movie_info(atm_source_movie(*source));
    atm_log(sink, ATM_LOG_INFO, "%s: %s, %td frames of %td x %td pixels (width x height), %s", path,
            movie->format, info->frames, info->width, info->height,
            info->photons ? "in photons" : "in ADU: the camera's gain is not known");
    if (!info->estimated)
        say_camera(&movie->camera, &info->camera, sink);
    say_estimate(info, sink);
    if (info->bad_pixels)
        atm_log(
            sink, ATM_LOG_INFO,
            "%td of the camera's pixels are always far brighter or darker than their neighbours "
            "and are left out (input.bad_pixels = keep)",
            info->bad_pixels);
    if (movie->channels > 1)
        atm_log(sink, ATM_LOG_WARNING,
                "%s: frames of %td colours or planes alternate, and all are localized: split them "
                "first",
                path, movie->channels);
    if (movie->missing_frames)
        atm_log(sink, ATM_LOG_WARNING, "%s: truncated, the last %td frames are missing", path,
                movie->missing_frames);
    return ATM_OK;
}

enum atm_status atm_stage_movie_hash(struct atm_source *source, const struct atm_config *config,
                                     uint64_t *hash, struct atm_err *err) {
    return config->input.follow ? atm_source_hash(source, hash, err)
                                : atm_movie_hash(atm_source_movie(source), hash, err);
}

static enum atm_status learn_provenance(struct atm_source *source, const struct atm_config *config,
                                        const struct atm_model *start, char **text,
                                        struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_provenance_input inputs[4] = {{"movie", 0}};
    int count = 1;
    if (start)
        inputs[count++] = (struct atm_provenance_input){"start", atm_provenance_model_hash(start)};
    if (info->maps_hash)
        inputs[count++] = (struct atm_provenance_input){"maps", info->maps_hash};
    if (info->estimated)
        inputs[count++] = atm_provenance_camera(&info->camera);
    enum atm_status status = atm_stage_movie_hash(source, config, &inputs[0].hash, err);
    if (status)
        return status;
    *text =
        atm_provenance_create(config, ATM_SECTIONS_LEARN | ATM_SECTION_CALIBRATE, inputs, count);
    return *text ? ATM_OK : atm_err_memory(err, "the provenance");
}

/* A model at path from the same training goes to *model; anything else leaves it NULL. */
static enum atm_status reuse(const char *path, const char *provenance, const struct atm_sink *sink,
                             struct atm_model **model, struct atm_err *err) {
    if (!atm_path_exists(path))
        return ATM_OK;
    struct atm_model *old = NULL;
    if (atm_model_load(path, &old, err)) {
        atm_err_prefix(err, "the model would be written over a file that is not one; remove it or "
                            "choose another output: ");
        return ATM_FAIL;
    }
    if (atm_provenance_same_training(old->provenance, provenance)) {
        atm_log(sink, ATM_LOG_INFO, "%s: trained on this movie with this configuration; reused",
                path);
        *model = old;
        return ATM_OK;
    }
    atm_log(sink, ATM_LOG_INFO,
            "%s: comes from another movie or configuration; training again, then it is replaced",
            path);
    atm_model_destroy(&old);
    return ATM_OK;
}

static enum atm_status train(struct atm_source *source, const struct atm_config *config,
                             const struct atm_model *start, const char *path,
                             const char *checkpoint, const char *provenance,
                             const struct atm_sink *sink, struct atm_model **model,
                             struct atm_err *err) {
    const struct atm_learn_options options = {
        .model = config->model,
        .net = config->net,
        .train = config->train,
        .calibrate = config->calibrate,
        .seed = (uint64_t)config->run.seed,
        .start = start,
    };
    atm_log(sink, ATM_LOG_INFO, "training on the movie, %lld steps",
            (long long)config->train.steps);
    enum atm_status status =
        atm_learn_movie(source, &options, checkpoint, provenance, sink, model, err);
    if (status == ATM_STOPPED)
        atm_err_set(err, ATM_STOPPED, "the training is kept in %s; the same command continues it",
                    checkpoint);
    if (!status)
        status = atm_model_save(*model, path, false, err);
    return status;
}

/* Of a model of the same kind the network is, too, where the configuration does not say otherwise.
 */
static struct atm_config like_start(const struct atm_config *config,
                                    const struct atm_model *start) {
    struct atm_config wanted = *config;
    if (start && start->options.kind == config->model.kind)
        atm_ini_fill(&atm_model_section, &wanted.model, &start->options);
    return wanted;
}

enum atm_status atm_stage_learn(struct atm_source *source, const struct atm_config *config,
                                const char *model_path, const char *curve_path,
                                const struct atm_sink *sink, struct atm_model **model,
                                struct atm_err *err) {
    char *provenance = NULL, *checkpoint = NULL;
    struct atm_model *start = NULL;
    if (asprintf(&checkpoint, "%s.checkpoint", model_path) < 0)
        return atm_err_memory(err, "a file name");
    enum atm_status status = atm_path_check_output(model_path, err);
    if (!status)
        status = atm_path_check_output(curve_path, err);
    if (!status && config->train.from[0])
        status = atm_path_check_not_input(model_path, config->train.from, err);
    if (!status && config->train.from[0] &&
        (status = atm_model_load(config->train.from, &start, err)))
        atm_err_prefix(err, "train.from: ");
    const struct atm_config wanted = like_start(config, start);
    if (!status)
        status = learn_provenance(source, &wanted, start, &provenance, err);
    if (!status)
        status = reuse(model_path, provenance, sink, model, err);
    bool as_it_was = !status && *model;
    if (!status && !*model)
        status =
            train(source, &wanted, start, model_path, checkpoint, provenance, sink, model, err);
    else if (!status && strcmp(atm_provenance_identity((*model)->provenance),
                               atm_provenance_identity(provenance)) != 0) {
        as_it_was = false;
        status = atm_stage_calibrate(*model, &wanted, model_path, sink, err);
    }
    if (!status)
        atm_learn_forget(checkpoint); /* also one that was left when this was killed before */
    if (!status)
        status = atm_stage_curve(*model, curve_path, err);
    if (!status && !as_it_was)
        atm_log(sink, ATM_LOG_INFO, "wrote %s and %s", model_path, curve_path);
    atm_model_destroy(&start);
    atm_mem_free(provenance);
    free(checkpoint);
    return status;
}

enum atm_status atm_stage_calibrate(struct atm_model *model, const struct atm_config *config,
                                    const char *path, const struct atm_sink *sink,
                                    struct atm_err *err) {
    enum atm_status status = atm_calibrate_model(model, &config->calibrate, err);
    if (status)
        return status;
    char *provenance = atm_provenance_calibrated(model->provenance, config);
    if (!provenance)
        return atm_err_memory(err, "the provenance");
    atm_mem_free(model->provenance);
    model->provenance = provenance;
    const struct atm_calibration *map = &model->calibration;
    atm_log(sink, ATM_LOG_INFO,
            "calibration on %td rendered atoms: degree %d, residual %.3f px and %.1f %% of the "
            "amplitude, PSF sigma %.2f px",
            map->samples, map->degree, map->position_rms_px, 100 * map->mass_rms, map->sigma_px);
    return atm_model_save(model, path, false, err);
}
