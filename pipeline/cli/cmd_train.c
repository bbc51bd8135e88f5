#include "command.h"
#include "mem.h"
#include "paths.h"
#include "stages.h"
#include <stdio.h>

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct atm_source *source = NULL;
    struct atm_model *model = NULL;
    char *from = call->config.train.from;
    char *curve = atm_path_beside(call->output, "_curve.png");
    enum atm_status status = curve ? atm_path_check_not_input(call->output, call->args[0], err)
                                   : atm_err_memory(err, "a file name");
    if (!status && call->model &&
        snprintf(from, ATM_KEY_TEXT_SIZE, "%s", call->model) >= ATM_KEY_TEXT_SIZE)
        status = atm_err_set(err, ATM_USAGE, "--model %s: the name is too long", call->model);
    if (!status)
        status = atm_path_check_output(call->output, err);
    if (!status)
        status = atm_stage_open(call->args[0], &call->config, call->sink, &source, err);
    if (!status)
        status =
            atm_stage_learn(source, &call->config, call->output, curve, call->sink, &model, err);
    atm_model_destroy(&model);
    atm_source_close(&source);
    atm_mem_free(curve);
    return status;
}

const struct atm_command atm_command_train = {
    .name = "train",
    .arguments = "MOVIE -o MODEL.h5 [--model EARLIER.h5]",
    .summary = "learn a model on a movie",
    .help = "Trains, calibrates and writes MODEL.h5 and MODEL_curve.png. Ctrl-C keeps what is "
            "learned in\n"
            "MODEL.h5.checkpoint, and the same command continues to the same bytes. A MODEL.h5 "
            "that comes from\n"
            "the same movie and configuration is reused. --model (or the key train.from, also for "
            "localize and\n"
            "run) starts from an earlier model instead of from random weights: train.steps=250 "
            "then goes as far.",
    .min_args = 1,
    .max_args = 1,
    .options = ATM_OPTION_OUTPUT_NEEDED | ATM_OPTION_MODEL | ATM_OPTION_TRUNCATED,
    .sections = ATM_SECTION_RUN | ATM_SECTIONS_LEARN | ATM_SECTION_CALIBRATE,
    .run = run,
};
