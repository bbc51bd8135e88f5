#include "command.h"
#include "paths.h"
#include "stages.h"
#include <stdio.h>

static void print_residuals(const struct atm_calibration *map) {
    printf("rendered atoms:      %td\n", map->samples);
    printf("degree of the map:   %d (%d terms)\n", map->degree, map->terms);
    printf("position residual:   %.4f px rms (held-out atoms)\n", map->position_rms_px);
    printf("amplitude residual:  %.2f %% rms (held-out atoms)\n", 100 * map->mass_rms);
    printf("monotonicity:        %.4f (rank correlation of mapped and measured amplitude)\n",
           map->monotone);
    printf("width of the atoms:  sigma %.3f px\n", map->sigma_px);
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    const char *output = call->output ? call->output : call->args[0];
    struct atm_model *model = NULL;
    enum atm_status status = atm_path_check_output(output, err);
    if (!status)
        status = atm_model_load(call->args[0], &model, err);
    if (!status)
        status = atm_stage_calibrate(model, &call->config, output, call->sink, err);
    if (!status) {
        print_residuals(&model->calibration);
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s", output);
    }
    atm_model_destroy(&model);
    return status;
}

const struct atm_command atm_command_calibrate = {
    .name = "calibrate",
    .arguments = "MODEL.h5 [-o OUTPUT.h5]",
    .summary = "measure a model's atoms again and print the residuals",
    .help = "Renders atoms from the sample of latents that the training kept in the model, "
            "measures them, and\n"
            "fits the map from latents to amplitude and position. No movie and no truth is needed. "
            "The model is\n"
            "written back, or to OUTPUT.h5.",
    .min_args = 1,
    .max_args = 1,
    .options = ATM_OPTION_OUTPUT,
    .sections = ATM_SECTION_CALIBRATE,
    .run = run,
};
