#include "command.h"
#include "paths.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_number(const char *what, double value, const char *unit) {
    if (isnan(value))
        printf("%-20s unknown\n", what);
    else
        printf("%-20s %.6g%s%s\n", what, value, unit[0] ? " " : "", unit);
}

/* A table may not say its movie's size: 0. */
static void print_extent(const char *what, ptrdiff_t extent) {
    if (extent)
        printf("%-20s %td\n", what, extent);
    else
        printf("%-20s unknown\n", what);
}

static void print_provenance(const char *text) {
    if (text && text[0])
        printf("\nprovenance:\n%s", text);
}

/* What the file says, and over it what is configured. */
static void print_camera(const struct atm_camera *file, const struct atm_camera *configured) {
    const struct atm_camera camera = atm_camera_merge(file, configured);
    print_number("pixel size:", camera.pixel_size_nm, "nm");
    print_number("camera offset:", camera.offset, "ADU");
    print_number("camera gain:", camera.gain, "e-/ADU");
    print_number("EM gain:", camera.em_gain, "");
    print_number("quantum efficiency:", camera.qe, "");
    print_number("read noise:", camera.read_noise, "e-");
    print_number("exposure:", camera.exposure_ms, "ms");
    printf("%-20s %s\n", "camera:", camera.name[0] ? camera.name : "unknown");
}

static enum atm_status print_movie(const struct atm_call *call, struct atm_err *err) {
    struct atm_movie_options options;
    struct atm_movie *movie = NULL;
    uint64_t hash;
    enum atm_status status = atm_input_movie_options(&call->config.input, &options, err);
    if (!status)
        status = atm_movie_open(call->args[0], &options, &movie, err);
    if (!status)
        status = atm_movie_hash(movie, &hash, err);
    if (!status) {
        const struct atm_movie_info *info = atm_movie_info(movie);
        printf("%-20s movie\n%-20s %s\n%-20s %s\n", "kind:", "format:", info->format,
               "samples:", info->sample);
        printf("%-20s %td\n%-20s %td\n%-20s %td\n", "frames:", info->frames, "width:", info->width,
               "height:", info->height);
        if (info->missing_frames)
            printf("%-20s %td (the file is truncated)\n", "missing frames:", info->missing_frames);
        if (info->channels > 1)
            printf("%-20s %td: frames of so many colours or planes alternate\n",
                   "channels:", info->channels);
        print_camera(&info->camera, &call->config.camera);
        printf("%-20s %s\n", "truth:",
               info->has_truth     ? "yes"
               : info->has_strokes ? "pen strokes"
                                   : "no");
        if (info->has_labels)
            printf("%-20s yes\n", "labels:");
        printf("%-20s %016llx\n", "xxh3:", (unsigned long long)hash);
    }
    atm_movie_close(&movie);
    return status;
}

static enum atm_status print_model(const struct atm_call *call, struct atm_err *err) {
    struct atm_model *model = NULL;
    enum atm_status status = atm_model_load(call->args[0], &model, err);
    if (status)
        return status;
    printf("%-20s model\n%-20s %s\n%-20s %td\n",
           "kind:", "network:", atm_model_kind_names[model->options.kind],
           "parameters:", model->param_count);
    printf("%-20s %td\n%-20s %td\n", "latent numbers:", model->latent,
           model->cell ? "blocks per cell:" : "blocks:", model->blocks);
    if (model->cell)
        printf("%-20s %td px\n%-20s %td px\n", "cell:", model->cell, "window:", model->window);
    printf("%-20s %lld of %lld\n", "steps:", (long long)model->step, (long long)model->steps);
    if (model->curve_count)
        print_number("last loss:", model->curve[model->curve_count - 1].loss, "");
    printf("%-20s %s\n", "calibrated:", model->calibration.done ? "yes" : "no");
    if (model->calibration.done) {
        print_number("position residual:", model->calibration.position_rms_px, "px");
        print_number("amplitude residual:", 100 * model->calibration.mass_rms, "%");
        print_number("atom sigma:", model->calibration.sigma_px, "px");
    }
    print_provenance(model->provenance);
    atm_model_destroy(&model);
    return ATM_OK;
}

static void print_columns(unsigned columns) {
    static const char *const names[] = {"photons",     "background", "sigma",
                                        "uncertainty", "id",         "quality"};
    printf("%-20s frame x y", "columns:");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (columns & (1u << i))
            printf(" %s", names[i]);
    putchar('\n');
}

static void print_notes(const char *notes) {
    char key[ATM_NOTE_SIZE], value[ATM_NOTE_SIZE];
    while (notes && atm_table_next_note(&notes, key, value)) {
        const int gap = 19 - (int)strlen(key);
        printf("%s:%*s%s\n", key, gap > 1 ? gap : 1, "", value);
    }
}

static enum atm_status print_table(const struct atm_call *call, struct atm_err *err) {
    struct atm_table table;
    atm_table_init(&table);
    enum atm_status status =
        atm_table_read(call->args[0], call->config.camera.pixel_size_nm, &table, err);
    if (!status) {
        printf("%-20s table\n%-20s %td\n", "kind:", "rows:", table.count);
        print_columns(table.columns);
        print_extent("frames of movie:", table.frames);
        print_extent("width:", table.width);
        print_extent("height:", table.height);
        print_number("pixel size:", table.pixel_size_nm, "nm");
        print_notes(table.notes);
        print_provenance(table.provenance);
    }
    atm_table_free(&table);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    enum atm_path_kind kind;
    enum atm_status status = atm_path_kind(call->args[0], &kind, err);
    if (status)
        return status;
    if (kind == ATM_PATH_MOVIE)
        return print_movie(call, err);
    return kind == ATM_PATH_MODEL ? print_model(call, err) : print_table(call, err);
}

const struct atm_command atm_command_info = {
    .name = "info",
    .arguments = "PATH",
    .summary = "say what a movie, a model or a table holds",
    .help = "Size, camera, hash and provenance, as far as the file has them.",
    .min_args = 1,
    .max_args = 1,
    .options = ATM_OPTION_TRUNCATED,
    .run = run,
};
