#include "command.h"
#include "mem.h"
#include "outfile.h"
#include "paths.h"
#include "stages.h"
#include <stdbool.h>
#include <stdio.h>

static enum atm_status print_scores(struct atm_call *call, const struct atm_scores *scores,
                                    struct atm_err *err) {
    char *json = atm_stage_score_json(scores);
    char *text = call->json ? NULL : atm_stage_score_text(scores);
    const char *report = call->json ? json : text;
    const bool page = call->output && !call->json && atm_path_ends(call->output, ".html");
    enum atm_status status = json && report ? ATM_OK : atm_err_memory(err, "the report");
    if (!status && page)
        status = atm_stage_score_page(scores, call->output, err);
    else if (!status && call->output)
        status = atm_outfile_write_text(call->output, report, err);
    if (!status && (!call->output || page) && (!call->quiet || call->json))
        fputs(report, stdout);
    if (!status && call->output)
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s", call->output);
    if (!status)
        status = atm_limits_check(call, json, err);
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
    if (call->arg_count > 2)
        return atm_err_set(err, ATM_USAGE, "a model is scored on one stack");
    enum atm_status status = atm_model_load(call->args[0], &model, err);
    if (!status && !call->output && !(folder = atm_path_beside(call->args[0], "_eval")))
        status = atm_err_memory(err, "a file name");
    if (!status)
        status = atm_stage_eval_model(model, call->args[1], call,
                                      call->output ? call->output : folder, err);
    atm_mem_free(folder);
    atm_model_destroy(&model);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    enum atm_path_kind kind;
    if (!atm_path_kind(call->args[0], &kind, NULL) && kind == ATM_PATH_MODEL)
        return eval_model(call, err);
    struct atm_scores *scores = atm_mem_alloc(1, sizeof *scores);
    enum atm_status status = scores ? ATM_OK : atm_err_memory(err, "scores");
    for (int i = 0; !status && call->output && i < call->arg_count; i++)
        status = atm_path_check_not_input(call->output, call->args[i], err);
    if (!status)
        status = atm_stage_score_open(scores, call->args[0], call->args[0], &call->config, err);
    for (int i = 1; !status && i < call->arg_count; i++)
        status = atm_stage_score_add(scores, NULL, call->args[i], err);
    if (!status)
        status = print_scores(call, scores, err);
    if (scores)
        atm_stage_score_close(scores);
    atm_mem_free(scores);
    return status;
}

const struct atm_command atm_command_eval = {
    .name = "eval",
    .arguments = "TRUTH LOCS [LOCS ...] [--json] [-o FILE] | MODEL STACK [-o FOLDER]",
    .summary = "score localizations, or a model's blocks, against the true emitters",
    .help =
        "Tables in any format that convert reads; TRUTH may be an HDF5 stack with /truth. Prints "
        "the score at\n"
        "eval.tolerance_nm, at 100 nm and by the SMLM Challenge's rules, with bias, intervals, "
        "the Cramer-Rao\n"
        "limit and two controls; several LOCS are compared, one line each. -o FILE.html makes a "
        "page with figures.\n"
        "A MODEL on a STACK of test images gives figures, a page with sliders (index.html) and, "
        "where the stack\n"
        "has /truth, numbers, in a folder.",
    .min_args = 2,
    .max_args = 1 + ATM_MOST_SCORED,
    .options = ATM_OPTION_OUTPUT | ATM_OPTION_JSON | ATM_OPTION_LIMITS,
    .sections = ATM_SECTION_CAMERA | ATM_SECTION_EVAL | ATM_SECTION_FIGURES,
    .run = run,
};
