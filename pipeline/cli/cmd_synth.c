#include "command.h"
#include "mem.h"
#include "paths.h"
#include "provenance.h"

static enum atm_status check_name(const char *path, struct atm_err *err) {
    static const char *const endings[] = {".h5", ".hdf5", ".tif", ".tiff"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (atm_path_ends(path, endings[i]))
            return atm_path_check_output(path, err);
    return atm_err_set(err, ATM_USAGE, "%s: a movie's name ends in .h5, .hdf5, .tif or .tiff",
                       path);
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    enum atm_status status = check_name(call->output, err);
    if (status)
        return status;
    char *provenance = atm_provenance_create(&call->config, ATM_SECTIONS_SYNTH, NULL, 0);
    if (!provenance)
        return atm_err_memory(err, "the provenance");
    status =
        atm_scene_write(&call->config.synth, &call->config.camera, (uint64_t)call->config.run.seed,
                        call->output, provenance, call->sink, NULL, err);
    bool in_stack = atm_path_ends(call->output, ".h5") || atm_path_ends(call->output, ".hdf5");
    const bool strokes = call->config.synth.kind == ATM_SYNTH_STROKES;
    if (!status)
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s, the true %s %s", call->output,
                strokes ? "strokes" : "emitters",
                in_stack  ? "in its /truth"
                : strokes ? "nowhere: only .h5 holds them"
                          : "beside it as _truth.px.csv");
    atm_mem_free(provenance);
    return status;
}

const struct atm_command atm_command_synth = {
    .name = "synth",
    .arguments = "[-c CONFIG.ini] -o MOVIE",
    .summary = "simulate a movie with known emitters, or images of known pen strokes",
    .help = "MOVIE.h5 is an HDF5 stack with the true emitters in /truth. MOVIE.tif is a TIFF "
            "stack, and\n"
            "the true emitters go beside it, into MOVIE_truth.px.csv.",
    .options = ATM_OPTION_OUTPUT_NEEDED,
    .sections = ATM_SECTIONS_SYNTH,
    .run = run,
};
