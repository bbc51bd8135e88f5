#include "command.h"
#include "mem.h"
#include "outputs.h"
#include "paths.h"
#include "stages.h"
#include <math.h>
#include <unistd.h>

/* Files that belong to LOCS. */
struct names {
    char *model, *curve, *journal, *picture, *blocks;
};

static void free_names(struct names *names) {
    atm_mem_free(names->model);
    atm_mem_free(names->curve);
    atm_mem_free(names->journal);
    atm_mem_free(names->picture);
    atm_mem_free(names->blocks);
}

static enum atm_status make_names(const char *output, struct names *names, struct atm_err *err) {
    *names = (struct names){
        .model = atm_path_beside(output, "_model.h5"),
        .curve = atm_path_beside(output, "_model_curve.png"),
        .journal = atm_path_beside(output, ".journal"),
        .picture = atm_path_beside(output, ".png"),
        .blocks = atm_path_beside(output, "_blocks.png"),
    };
    return names->model && names->curve && names->journal && names->picture && names->blocks
               ? ATM_OK
               : atm_err_memory(err, "file names");
}

/* The map from blocks to photons holds for images like those that the model learned from. */
static enum atm_status check_scale(const struct atm_call *call, const struct atm_source *source,
                                   const struct atm_model *model, struct atm_err *err) {
    enum { SUSPICIOUS = 3, HOPELESS = 20 };
    double ratio = atm_source_info(source)->scale / model->image_scale;
    double factor = fmax(ratio, 1 / ratio);
    if (factor >= HOPELESS)
        return atm_err_set(err, ATM_FAIL,
                           "%s: the peaks of %s are %.3g times those that this model was trained "
                           "on; is camera.gain right? Otherwise train on this movie: leave out "
                           "--model",
                           call->model, call->args[0], ratio);
    if (factor >= SUSPICIOUS)
        atm_log(call->sink, ATM_LOG_WARNING,
                "%s: the movie's peaks are %.3g times those that this model was trained on",
                call->model, ratio);
    return ATM_OK;
}

static enum atm_status get_model(struct atm_call *call, struct atm_source *source,
                                 const struct names *names, struct atm_model **model,
                                 struct atm_err *err) {
    if (call->model) {
        enum atm_status status = atm_model_load(call->model, model, err);
        return status ? status : check_scale(call, source, *model, err);
    }
    return atm_stage_learn(source, &call->config, names->model, names->curve, call->sink, model,
                           err);
}

static enum atm_status work(struct atm_call *call, const struct names *names,
                            struct atm_source **source, struct atm_model **model,
                            struct atm_table *table, struct atm_err *err) {
    enum atm_status status = atm_outputs_check(call->outputs, call->args[0], err);
    if (!status)
        status = atm_outputs_check_columns(&call->config, err);
    for (const char *const *output = call->outputs; !status && *output; output++)
        status = atm_path_check_not_input(*output, call->model, err);
    const char *const later[] = {names->picture, names->blocks};
    for (size_t i = 0; !status && i < sizeof later / sizeof *later; i++)
        status = atm_path_check_output(later[i], err);
    if (!status && call->model && access(call->model, R_OK))
        status = atm_err_errno(err, call->model, "read the model");
    if (!status)
        status = atm_stage_open(call->args[0], &call->config, call->sink, source, err);
    if (!status)
        status = get_model(call, *source, names, model, err);
    if (!status)
        status = atm_stage_localize(*source, *model, &call->config, names->journal, call->outputs,
                                    call->sink, table, err);
    if (!status)
        status = atm_stage_picture(table, &call->config, names->picture, call->sink, err);
    if (!status)
        status = atm_stage_blocks(*source, *model, table, NULL, names->blocks, call->sink, err);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct names names;
    struct atm_source *source = NULL;
    struct atm_model *model = NULL;
    struct atm_table table;
    atm_table_init(&table);
    enum atm_status status = make_names(call->output, &names, err);
    if (!status)
        status = work(call, &names, &source, &model, &table, err);
    atm_table_free(&table);
    atm_model_destroy(&model);
    atm_source_close(&source);
    free_names(&names);
    return status;
}

const struct atm_command atm_command_localize = {
    .name = "localize",
    .arguments = "MOVIE -o LOCS [-o LOCS ...] [--model MODEL.h5]",
    .summary = "find the emitters of a movie: table and picture",
    .help =
        "LOCS by name: .hdf5 for Picasso (with its .yaml), .csv for ThunderSTORM (with its "
        "protocol),\n"
        ".decode.h5 for DECODE, .challenge.csv for the SMLM Challenge, .px.csv in pixels; several "
        "-o write the\n"
        "same in several formats, and output.columns chooses columns. Without --model it learns on "
        "the movie itself first and keeps the "
        "model as\n"
        "LOCS_model.h5. Beside LOCS it also writes LOCS.png, the super-resolution picture, and\n"
        "LOCS_blocks.png: one frame, its reconstruction and its brightest blocks.\n"
        "\n"
        "Ctrl-C stops: what is done is kept in LOCS_model.h5.checkpoint or LOCS.journal, and the "
        "same command\n"
        "continues to the same bytes.",
    .min_args = 1,
    .max_args = 1,
    .options =
        ATM_OPTION_OUTPUT_NEEDED | ATM_OPTION_OUTPUTS | ATM_OPTION_MODEL | ATM_OPTION_TRUNCATED,
    .sections = ATM_SECTION_RUN | ATM_SECTIONS_LEARN | ATM_SECTION_CALIBRATE |
                ATM_SECTIONS_LOCALIZE | ATM_SECTION_RENDER | ATM_SECTION_OUTPUT,
    .run = run,
};
