#include "command.h"
#include "mem.h"
#include "outfile.h"
#include "sweep.h"
#include <stdio.h>

/* The lists of a batch, too, are checked. */
static enum atm_status check_sweep(const struct atm_config *config, struct atm_err *err) {
    struct atm_sweep_plan plan;
    enum atm_status status = atm_sweep_plan_init(config, &plan, err);
    atm_sweep_plan_free(&plan);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    if (check_sweep(&call->config, err))
        return err->status;
    char *text = call->configured ? atm_config_resolved(&call->config, ATM_SECTIONS_ALL)
                                  : atm_config_template();
    if (!text)
        return atm_err_memory(err, "the configuration");
    enum atm_status status = ATM_OK;
    if (call->output)
        status = atm_outfile_write_text(call->output, text, err);
    else
        fputs(text, stdout);
    atm_mem_free(text);
    return status;
}

const struct atm_command atm_command_config = {
    .name = "config",
    .arguments = "[-c CONFIG.ini] [--set section.key=value ...] [-o FILE]",
    .summary = "print every key with its meaning, or the resolved configuration",
    .help = "Without options: a template with every section and key, its default and what it "
            "means. With -c or\n"
            "--set: the configuration that results, in a form that reads back to the same values.",
    .options = ATM_OPTION_OUTPUT,
    .run = run,
};
