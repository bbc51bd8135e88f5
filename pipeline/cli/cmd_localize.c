#include "localize_job.h"

enum { MOST_MOVIES = 100000 };

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    struct atm_movie_list movies;
    enum atm_status status = atm_movie_list_create(call->args, call->arg_count, &movies, err);
    if (status)
        return status;
    bool many = movies.count > 1 || movies.expanded;
    for (const char *const *output = call->outputs; *output; output++)
        many = many || atm_output_is_pattern(*output);
    status = many ? atm_localize_batch(call, &movies, err)
                  : atm_localize_job(call, movies.items[0].path, call->outputs, false, err);
    atm_movie_list_free(&movies);
    return status;
}

const struct atm_command atm_command_localize = {
    .name = "localize",
    .arguments = "MOVIE ... -o LOCS [-o LOCS ...] [--model MODEL.h5]",
    .summary = "find the emitters of movies: table and picture of each",
    .help =
        "LOCS by name: .hdf5 for Picasso (with its .yaml), .csv for ThunderSTORM (with its "
        "protocol),\n"
        ".decode.h5 for DECODE, .challenge.csv for the SMLM Challenge, .px.csv in pixels; several "
        "-o write the\n"
        "same in several formats, and output.columns chooses columns. Without --model it learns "
        "on the movie\n"
        "itself first and keeps the model as LOCS_model.h5. Beside LOCS it also writes LOCS.png, "
        "the\n"
        "super-resolution picture, and LOCS_blocks.png: one frame, its reconstruction and its "
        "brightest blocks;\n"
        "LOCS_fit.h5 says where and when the fit explains the data, with the verdict.\n"
        "\n"
        "Many movies, folders of movies or patterns: -o FOLDER/ writes FOLDER/NAME.hdf5 for each, "
        "and {} in -o\n"
        "stands for NAME: -o 'FOLDER/{}.csv'. FOLDER/summary.csv is a table of all; one that fails "
        "does not stop\n"
        "the others, but the exit code is 1 then. Movies that are done are not done again.\n"
        "\n"
        "Ctrl-C stops: what is done is kept in LOCS_model.h5.checkpoint or LOCS.journal, and the "
        "same command\n"
        "continues to the same bytes. So it does after a crash, a power cut or a full disk.",
    .min_args = 1,
    .max_args = MOST_MOVIES,
    .options = ATM_OPTION_OUTPUT_NEEDED | ATM_OPTION_OUTPUTS | ATM_OPTION_MODEL |
               ATM_OPTION_TRUNCATED | ATM_OPTION_FOLLOW,
    .sections = ATM_SECTION_RUN | ATM_SECTIONS_LEARN | ATM_SECTION_CALIBRATE |
                ATM_SECTIONS_LOCALIZE | ATM_SECTION_RENDER | ATM_SECTION_OUTPUT,
    .run = run,
};
