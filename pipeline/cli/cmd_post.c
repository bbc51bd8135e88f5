#include "command.h"
#include "mem.h"
#include "outfile.h"
#include "outputs.h"
#include "paths.h"
#include "post.h"
#include "provenance.h"
#include "stamp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 64 };

/* Steps of the command line take the place of post.steps. */
static enum atm_status take_steps(struct atm_call *call, struct atm_err *err) {
    char *steps = call->config.post.steps;
    size_t used = 0;
    if (call->arg_count == 1)
        return ATM_OK;
    for (int i = 1; i < call->arg_count; i++) {
        used += (size_t)snprintf(steps + used, ATM_KEY_TEXT_SIZE - used, "%s%s", i > 1 ? ", " : "",
                                 call->args[i]);
        if (used >= ATM_KEY_TEXT_SIZE)
            return atm_err_set(err, ATM_USAGE, "the steps are too long: at most %d characters",
                               ATM_KEY_TEXT_SIZE - 1);
    }
    return ATM_OK;
}

static enum atm_status check_outputs(const struct atm_call *call, struct atm_err *err) {
    return atm_outputs_check(call->outputs, call->args[0], err);
}

/* The text as comment lines of a configuration. */
static void put_comment(FILE *out, const char *text) {
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = text + strcspn(text, "\n");
        fprintf(out, "# %.*s\n", (int)(end - text), text);
    }
}

/* How the table came about: this call and its steps, and before them what the input said. */
static enum atm_status make_provenance(const struct atm_call *call, const char *steps,
                                       struct atm_table *table, struct atm_err *err) {
    struct atm_provenance_input input = {"table", 0};
    char *text = NULL;
    size_t size;
    enum atm_status status = atm_stamp_hash(call->args[0], &input.hash, err);
    if (status)
        return status;
    char *ours = atm_provenance_create(
        &call->config, ATM_SECTION_CAMERA | ATM_SECTION_POST | ATM_SECTION_RENDER, &input, 1);
    FILE *out = ours ? open_memstream(&text, &size) : NULL;
    if (out) {
        fprintf(out, "%s\n%s", ours, steps);
        if (table->provenance) {
            fputs("# The input's own provenance:\n", out);
            put_comment(out, table->provenance);
        }
    }
    atm_mem_free(ours);
    if (!out || fclose(out)) {
        free(text);
        return atm_err_memory(err, "the provenance");
    }
    atm_mem_free(table->provenance);
    table->provenance = text;
    return ATM_OK;
}

static enum atm_status process(const struct atm_call *call, const struct atm_post_config *config,
                               const char *stem, struct atm_table *table, struct atm_err *err) {
    struct atm_post_result result = {NULL, NULL};
    enum atm_status status =
        atm_table_read(call->args[0], call->config.camera.pixel_size_nm, table, err);
    if (!status)
        status = atm_outputs_check_units(call->outputs, table->pixel_size_nm, err);
    if (!status)
        status = atm_post_run(config, stem, call->sink, table, &result, err);
    if (!status)
        status = make_provenance(call, result.provenance, table, err);
    if (!status)
        status = atm_outputs_write(call->outputs, &call->config, table, call->sink, err);
    if (!status && !call->quiet)
        fputs(result.report, stdout);
    atm_post_result_free(&result);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct atm_table table;
    atm_table_init(&table);
    enum atm_status status = take_steps(call, err);
    struct atm_post_config *config = atm_mem_alloc(1, sizeof *config);
    char *stem = atm_path_beside(call->output, "");
    char *fit = atm_path_beside(call->args[0], "_fit.h5");
    if (!config || !stem || !fit)
        status = atm_err_memory(err, "the steps");
    if (!status) {
        config->post = call->config.post;
        config->render = call->config.render;
        config->seed = (uint64_t)call->config.run.seed;
        config->fit = atm_path_exists(fit) ? fit : NULL;
        status = atm_post_check(config, err);
    }
    if (!status)
        status = check_outputs(call, err);
    if (!status)
        status = process(call, config, stem, &table, err);
    atm_table_free(&table);
    atm_mem_free(config);
    atm_mem_free(stem);
    atm_mem_free(fit);
    return status;
}

const struct atm_command atm_command_post = {
    .name = "post",
    .arguments = "TABLE [STEP ...] -o LOCS",
    .summary = "drift, linking, filters, pictures and resolution of a table",
    .help =
        "TABLE in any format that convert reads. Steps in their order, here or as post.steps; "
        "NAME or\n"
        "'NAME(key=value, ...)' with keys of [post] without the step's name (of [render] for "
        "render):\n"
        "  'filter(photons > 500 and lpx < 0.15 and frame in 100..5000)'\n"
        "              rows to keep, by columns as Picasso names them; prints a table of before "
        "and after\n"
        "  drift       estimate the drift and take it out; drift(method=rcc), "
        "drift(method=fiducials)\n"
        "  link        one row for each blink, with columns n, len, photon_rate, dark\n"
        "  density     columns density and nn_dist\n"
        "  duplicates  of localizations of one frame within a radius, keep the brightest\n"
        "  render      a picture, as 'render(zoom=20, blur=fixed)'\n"
        "  frc, nena   resolution by Fourier ring correlation; precision from neighbours in "
        "time\n"
        "  quality     a page: picture, brightness, background, precision, on times, and what the "
        "steps\n"
        "              before it said and drew\n"
        "\n"
        "Files of the steps lie beside LOCS: LOCS_drift.csv, LOCS_drift.png, LOCS_render.png, "
        "... What each\n"
        "step did is printed, and kept in the provenance and in Picasso's side file.",
    .min_args = 1,
    .max_args = 1 + MOST_STEPS,
    .options = ATM_OPTION_OUTPUT_NEEDED | ATM_OPTION_OUTPUTS,
    .sections = ATM_SECTION_CAMERA | ATM_SECTION_POST | ATM_SECTION_RENDER | ATM_SECTION_OUTPUT,
    .run = run,
};
