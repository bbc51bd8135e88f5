#include "command.h"
#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include "stages.h"
#include <math.h>
#include <stdio.h>

static enum atm_status print_report(struct atm_call *call, const struct atm_table *truth,
                                    const struct atm_table *found,
                                    const struct atm_eval_options *options, struct atm_err *err) {
    char *text = NULL, *json = NULL;
    enum atm_status status = atm_score_report(truth, found, options, &text, &json, err);
    if (!status) {
        const char *report = call->json ? json : text;
        if (call->output)
            status = atm_outfile_write_text(call->output, report, err);
        else
            fputs(report, stdout);
    }
    atm_mem_free(text);
    atm_mem_free(json);
    return status;
}

/* MODEL STACK: into a folder, beside the model unless -o says another. */
static enum atm_status eval_model(struct atm_call *call, struct atm_err *err) {
    struct atm_model *model = NULL;
    char *folder = NULL;
    if (call->json)
        return atm_err_set(err, ATM_USAGE, "--json: a model's numbers.json is in its folder");
    enum atm_status status = atm_model_load(call->args[0], &model, err);
    if (!status && !call->output && !(folder = atm_path_beside(call->args[0], "_eval")))
        status = atm_err_memory(err, "a file name");
    if (!status)
        status = atm_stage_eval_model(model, call->args[1], &call->config,
                                      call->output ? call->output : folder, call->sink, err);
    atm_mem_free(folder);
    atm_model_destroy(&model);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    enum atm_path_kind kind;
    if (!atm_path_kind(call->args[0], &kind, NULL) && kind == ATM_PATH_MODEL)
        return eval_model(call, err);
    struct atm_eval_options options = call->config.eval;
    if (isnan(options.pixel_size_nm))
        options.pixel_size_nm = call->config.camera.pixel_size_nm;
    struct atm_table truth, found;
    atm_table_init(&truth);
    atm_table_init(&found);
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && call->output && i < call->arg_count; i++)
        status = atm_path_check_not_input(call->output, call->args[i], err);
    if (!status)
        status = atm_table_read(call->args[0], options.pixel_size_nm, &truth, err);
    if (!status)
        status = atm_table_read(call->args[1], options.pixel_size_nm, &found, err);
    if (!status)
        status = print_report(call, &truth, &found, &options, err);
    atm_table_free(&truth);
    atm_table_free(&found);
    return status;
}

const struct atm_command atm_command_eval = {
    .name = "eval",
    .arguments = "TRUTH LOCS [--json] [-o FILE] | MODEL STACK [-o FOLDER]",
    .summary = "score localizations, or a model's blocks, against the true emitters",
    .help = "Both tables in any format that convert reads; TRUTH may be an HDF5 stack with /truth. "
            "Prints the SMLM\n"
            "Challenge's score at eval.tolerance_nm and at 100 nm, with bias and two controls.",
    .min_args = 2,
    .max_args = 2,
    .options = ATM_OPTION_OUTPUT | ATM_OPTION_JSON,
    .sections = ATM_SECTION_EVAL | ATM_SECTION_FIGURES,
    .run = run,
};
