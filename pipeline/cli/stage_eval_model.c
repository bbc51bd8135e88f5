/* A model on test images: numbers and figures, into one folder. */
#include "stages.h"

#include "mem.h"
#include "model_test.h"
#include "outfile.h"
#include "paths.h"
#include "psf.h"
#include "stroke_test.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>

static const char *const numbers_text = "numbers.txt", *const numbers_json = "numbers.json";

/* What the stack's provenance says of its spikes; options stay alone where it says nothing. */
static void read_spike(const struct atm_table *truth, struct atm_test_images *images) {
    struct atm_config config;
    struct atm_binding bindings[ATM_SECTION_COUNT];
    atm_config_defaults(&config);
    size_t count = atm_config_bind(&config, ATM_SECTIONS_ALL, bindings);
    images->sigma_px = NAN;
    images->amplitude_is_mass = true;
    if (!truth->provenance ||
        atm_ini_read_text(truth->provenance, "provenance", bindings, count, NULL))
        return;
    images->sigma_px = config.synth.sigma_px;
    images->amplitude_is_mass = config.synth.psf != ATM_PSF_SAMPLED;
}

/* The network must see the images as in training: what was taken off then is taken off now. */
static struct atm_config input_of_model(const struct atm_model *model,
                                        const struct atm_config *config) {
    struct atm_config wanted = *config, trained;
    struct atm_binding bindings[ATM_SECTION_COUNT];
    atm_config_defaults(&trained);
    size_t count = atm_config_bind(&trained, ATM_SECTIONS_ALL, bindings);
    if (model->provenance &&
        !atm_ini_read_text(model->provenance, "provenance", bindings, count, NULL))
        wanted.input.background = trained.input.background;
    return wanted;
}

static enum atm_status write_text(const char *folder, const char *name, const char *text,
                                  const struct atm_sink *sink, struct atm_err *err) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return atm_err_set(err, ATM_USAGE, "%s: the name is too long", folder);
    enum atm_status status = atm_outfile_write_text(path, text, err);
    if (!status)
        atm_log(sink, ATM_LOG_INFO, "wrote %s", path);
    return status;
}

/* numbers.txt, also to stdout, and numbers.json. */
static enum atm_status write_numbers(const struct atm_call *call, const char *folder,
                                     const char *text, const char *json, struct atm_err *err) {
    enum atm_status status = write_text(folder, numbers_text, text, call->sink, err);
    if (!status)
        status = write_text(folder, numbers_json, json, call->sink, err);
    if (!status && !call->quiet)
        fputs(text, stdout);
    return status;
}

/* json: owned by the caller. */
static enum atm_status numbers(const struct atm_model *model, const struct atm_test_images *images,
                               const struct atm_call *call, const char *folder, char **json,
                               struct atm_err *err) {
    struct atm_model_test test = {0};
    char *text = NULL;
    enum atm_status status =
        atm_model_test_run(&test, model, images, &call->config.eval, call->sink, err);
    if (!status)
        status = atm_model_test_report(&test, &text, json, err);
    if (!status)
        status = write_numbers(call, folder, text, *json, err);
    atm_mem_free(text);
    atm_model_test_free(&test);
    return status;
}

/* ---- Strokes ---- */

/* Images whose mean and components stand beside the model: from the beginning of their movie. */
static enum atm_status open_baseline(const struct atm_config *config, const struct atm_sink *sink,
                                     struct atm_source **source, struct atm_err *err) {
    struct atm_config wanted = *config;
    wanted.input.first_frame = 0;
    wanted.input.frame_count = config->eval.baseline_images;
    return config->eval.baseline[0]
               ? atm_stage_open(config->eval.baseline, &wanted, sink, source, err)
               : ATM_OK;
}

static enum atm_status write_stroke_numbers(const struct atm_stroke_test *test,
                                            const struct atm_call *call, const char *folder,
                                            char **json, struct atm_err *err) {
    char *text = NULL;
    enum atm_status status = atm_stroke_test_report(test, &text, json, err);
    if (!status)
        status = write_numbers(call, folder, text, *json, err);
    atm_mem_free(text);
    return status;
}

/* json: owned by the caller. */
static enum atm_status stroke_numbers(const struct atm_model *model, struct atm_source *source,
                                      const struct atm_call *call, const struct atm_config *config,
                                      const char *folder, char **json, struct atm_err *err) {
    struct atm_movie *movie = atm_source_movie(source);
    struct atm_stroke_test test = {0};
    struct atm_stroke *strokes = NULL;
    struct atm_stroke_images images = {.source = source};
    enum atm_status status = ATM_OK;
    if (atm_movie_info(movie)->has_strokes)
        status = atm_movie_strokes(atm_movie_path(movie), &strokes, &images.stroke_count, err);
    images.strokes = strokes;
    if (!status)
        status = open_baseline(config, call->sink, &images.baseline, err);
    if (!status)
        status = atm_stroke_test_run(&test, model, &images, &call->config.eval, call->sink, err);
    if (!status)
        status = write_stroke_numbers(&test, call, folder, json, err);
    atm_stroke_test_free(&test);
    atm_source_close(&images.baseline);
    atm_mem_free(strokes);
    return status;
}

enum atm_status atm_stage_eval_model(const struct atm_model *model, const char *stack,
                                     const struct atm_call *call, const char *folder,
                                     struct atm_err *err) {
    const struct atm_config *config = &call->config;
    char *json = NULL;
    struct atm_config wanted = input_of_model(model, config);
    struct atm_test_images images = {.seed = (uint64_t)config->run.seed};
    struct atm_table truth;
    atm_table_init(&truth);
    images.truth = &truth;
    enum atm_status status = atm_stage_open(stack, &wanted, call->sink, &images.source, err);
    const bool has_truth = !status && atm_movie_info(atm_source_movie(images.source))->has_truth;
    if (has_truth)
        status = atm_table_read(stack, config->camera.pixel_size_nm, &truth, err);
    if (!status)
        status = atm_path_make_folder(folder, err);
    if (!status && has_truth) {
        atm_table_sort(&truth);
        read_spike(&truth, &images);
        status = numbers(model, &images, call, folder, &json, err);
    } else if (!status && !model->cell) {
        status = stroke_numbers(model, images.source, call, &wanted, folder, &json, err);
    } else if (!status) {
        atm_log(call->sink, ATM_LOG_WARNING, "%s: no /truth, so there are figures but no numbers",
                stack);
    }
    if (!status)
        status = atm_stage_figures(images.source, model, has_truth ? &truth : NULL, config, folder,
                                   call->sink, err);
    if (!status)
        status = atm_limits_check(call, json, err);
    atm_mem_free(json);
    atm_source_close(&images.source);
    atm_table_free(&truth);
    return status;
}
