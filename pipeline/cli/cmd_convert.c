#include "command.h"
#include "mem.h"
#include "outputs.h"
#include "paths.h"
#include "provenance.h"
#include "stages.h"
#include <math.h>
#include <string.h>

enum { FRAMES_AT_ONCE = 16 };

/* ---- Movies ---- */

static enum atm_status copy_frames(const struct atm_call *call, struct atm_movie *movie,
                                   ptrdiff_t first, ptrdiff_t count,
                                   struct atm_movie_writer *writer, struct atm_err *err) {
    const struct atm_movie_info *info = atm_movie_info(movie);
    float *adu = atm_mem_alloc(FRAMES_AT_ONCE * (size_t)(info->height * info->width), sizeof *adu);
    enum atm_status status = adu ? ATM_OK : atm_err_memory(err, "frames");
    for (ptrdiff_t done = 0; !status && done < count; done += FRAMES_AT_ONCE) {
        ptrdiff_t n = count - done < FRAMES_AT_ONCE ? count - done : FRAMES_AT_ONCE;
        if (atm_log_stopped(call->sink))
            status = atm_err_set(err, ATM_STOPPED, "nothing was written");
        if (!status)
            status = atm_movie_read(movie, first + done, n, adu, err);
        if (!status)
            status = atm_movie_append(writer, n, adu, err);
        atm_log_progress(call->sink, "frames", done + n, count, "%s", "");
    }
    atm_mem_free(adu);
    return status;
}

static bool is_inside(const struct atm_loc *row, const struct atm_movie_info *info) {
    return row->x >= -0.5 && row->x < (double)info->width - 0.5 && row->y >= -0.5 &&
           row->y < (double)info->height - 0.5;
}

/* The truth of the frames and the region that are kept, counted from the first of them. */
static enum atm_status read_truth(const char *path, ptrdiff_t first, ptrdiff_t count,
                                  const struct atm_movie_info *info, struct atm_table *truth,
                                  struct atm_err *err) {
    const bool whole = info->width == info->field.width && info->height == info->field.height;
    enum atm_status status = atm_table_read(path, (double)NAN, truth, err);
    ptrdiff_t kept = 0;
    for (ptrdiff_t i = 0; !status && i < truth->count; i++) {
        struct atm_loc row = truth->rows[i];
        row.frame -= first;
        row.x -= (double)info->field.x;
        row.y -= (double)info->field.y;
        if (row.frame >= 0 && row.frame < count && (whole || is_inside(&row, info)))
            truth->rows[kept++] = row;
    }
    truth->count = kept;
    truth->frames = count;
    truth->height = info->height;
    truth->width = info->width;
    return status;
}

static bool is_stack(const char *path) {
    return atm_path_ends(path, ".h5") || atm_path_ends(path, ".hdf5");
}

/* Into the HDF5 stack, or beside a TIFF. */
static enum atm_status write_truth(const struct atm_call *call, const struct atm_movie_info *info,
                                   ptrdiff_t first, ptrdiff_t count,
                                   struct atm_movie_writer *writer, struct atm_err *err) {
    struct atm_table truth;
    atm_table_init(&truth);
    enum atm_status status = read_truth(call->args[0], first, count, info, &truth, err);
    if (!status && is_stack(call->args[1])) {
        status = atm_movie_add_truth(writer, &truth, err);
    } else if (!status) {
        char *beside = atm_path_beside(call->args[1], "_truth.px.csv");
        status = beside ? atm_table_write(beside, &truth, NULL, err)
                        : atm_err_memory(err, "a file name");
        if (!status)
            atm_log(call->sink, ATM_LOG_INFO, "wrote the true emitters to %s", beside);
        atm_mem_free(beside);
    }
    atm_table_free(&truth);
    return status;
}

/* The strokes of the frames that are kept, in the region's coordinates. */
static enum atm_status write_strokes(const struct atm_call *call, const struct atm_movie_info *info,
                                     ptrdiff_t first, ptrdiff_t count,
                                     struct atm_movie_writer *writer, struct atm_err *err) {
    struct atm_stroke *strokes = NULL;
    ptrdiff_t all = 0, kept = 0;
    enum atm_status status = atm_movie_strokes(call->args[0], &strokes, &all, err);
    for (ptrdiff_t i = 0; !status && i < all; i++) {
        struct atm_stroke stroke = strokes[i];
        stroke.frame -= first;
        for (int p = 0; p < 4; p++) {
            stroke.x[p] -= (double)info->field.x;
            stroke.y[p] -= (double)info->field.y;
        }
        if (stroke.frame >= 0 && stroke.frame < count)
            strokes[kept++] = stroke;
    }
    if (!status)
        status = atm_movie_add_strokes(writer, strokes, kept, err);
    atm_mem_free(strokes);
    return status;
}

static enum atm_status write_labels(struct atm_movie *movie, ptrdiff_t first,
                                    struct atm_movie_writer *writer, struct atm_err *err) {
    int32_t *labels = atm_mem_alloc((size_t)atm_movie_info(movie)->frames, sizeof *labels);
    enum atm_status status = labels ? ATM_OK : atm_err_memory(err, "the labels");
    if (!status)
        status = atm_movie_labels(movie, labels, err);
    if (!status)
        status = atm_movie_add_labels(writer, labels + first, err);
    atm_mem_free(labels);
    return status;
}

/* What is known of the images goes with them, as far as OUT can hold it. */
static enum atm_status write_known(const struct atm_call *call, struct atm_movie *movie,
                                   ptrdiff_t first, ptrdiff_t count,
                                   struct atm_movie_writer *writer, struct atm_err *err) {
    const struct atm_movie_info *info = atm_movie_info(movie);
    const bool stack = is_stack(call->args[1]);
    enum atm_status status = ATM_OK;
    if (info->has_truth)
        status = write_truth(call, info, first, count, writer, err);
    if (!status && info->has_strokes && stack)
        status = write_strokes(call, info, first, count, writer, err);
    if (!status && info->has_labels && stack)
        status = write_labels(movie, first, writer, err);
    if (!status && (info->has_strokes || info->has_labels) && !stack)
        atm_log(call->sink, ATM_LOG_WARNING,
                "%s: labels and strokes are left out; an .h5 stack "
                "holds them",
                call->args[1]);
    return status;
}

static enum atm_status write_movie(const struct atm_call *call, struct atm_movie *movie,
                                   const char *provenance, struct atm_err *err) {
    const struct atm_movie_info *info = atm_movie_info(movie);
    ptrdiff_t first = call->config.input.first_frame, count = call->config.input.frame_count;
    if (call->config.input.binning > 1)
        return atm_err_set(err, ATM_USAGE, "convert adds no pixels up: input.binning must be 1");
    if (first >= info->frames)
        return atm_err_set(err, ATM_FAIL, "%s: input.first_frame is %td, but there are %td frames",
                           call->args[0], first, info->frames);
    if (!count || count > info->frames - first)
        count = info->frames - first;
    const struct atm_movie_layout layout = {
        .frames = count,
        .height = info->height,
        .width = info->width,
        .sample = strcmp(info->sample, "uint8") && strcmp(info->sample, "uint16") ? ATM_MOVIE_F32
                                                                                  : ATM_MOVIE_U16,
        .camera = atm_camera_merge(&info->camera, &call->config.camera),
        .provenance = provenance,
    };
    struct atm_movie_writer *writer = NULL;
    enum atm_status status = atm_movie_create(call->args[1], &layout, &writer, err);
    if (!status)
        status = copy_frames(call, movie, first, count, writer, err);
    if (!status)
        status = write_known(call, movie, first, count, writer, err);
    if (!status)
        return atm_movie_finish(&writer, err);
    atm_movie_discard(&writer);
    return status;
}

static enum atm_status convert_movie(const struct atm_call *call, struct atm_err *err) {
    struct atm_movie_options options;
    struct atm_movie *movie = NULL;
    struct atm_provenance_input input = {"movie", 0};
    char *provenance = NULL;
    enum atm_status status = atm_input_movie_options(&call->config.input, &options, err);
    if (!status)
        status = atm_movie_open(call->args[0], &options, &movie, err);
    if (!status)
        status = atm_movie_hash(movie, &input.hash, err);
    if (!status) {
        provenance =
            atm_provenance_create(&call->config, ATM_SECTION_CAMERA | ATM_SECTION_INPUT, &input, 1);
        status = provenance ? write_movie(call, movie, provenance, err)
                            : atm_err_memory(err, "the provenance");
    }
    if (!status)
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s", call->args[1]);
    atm_mem_free(provenance);
    atm_movie_close(&movie);
    return status;
}

/* ---- Tables ---- */

static enum atm_status convert_table(const struct atm_call *call, struct atm_err *err) {
    struct atm_table table;
    const char *const outputs[] = {call->args[1], NULL};
    atm_table_init(&table);
    bool picture = atm_path_ends(call->args[1], ".png") || atm_path_ends(call->args[1], ".tif");
    enum atm_status status = picture ? ATM_OK : atm_table_check_name(call->args[1], err);
    if (!status)
        status = atm_table_read(call->args[0], call->config.camera.pixel_size_nm, &table, err);
    if (!status && isnan(table.pixel_size_nm))
        table.pixel_size_nm = call->config.camera.pixel_size_nm;
    if (!status)
        status = picture ? atm_stage_picture(&table, &call->config, call->args[1], call->sink, err)
                         : atm_outputs_write(outputs, &call->config, &table, call->sink, err);
    atm_table_free(&table);
    return status;
}

/* ---- A network of others ---- */

static enum atm_status import_model(const struct atm_call *call, struct atm_err *err) {
    struct atm_model *model = NULL;
    if (!is_stack(call->args[1]))
        return atm_err_set(err, ATM_USAGE, "%s: a model's name ends in .h5", call->args[1]);
    enum atm_status status = atm_model_import(call->args[0], &model, err);
    if (!status)
        status = atm_model_save(model, call->args[1], false, err);
    if (!status)
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s: the follow-up paper's network, %td parameters",
                call->args[1], model->param_count);
    atm_model_destroy(&model);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    static const char *const movies[] = {".tif", ".tiff", ".h5", ".hdf5"};
    enum atm_path_kind kind;
    enum atm_status status = atm_path_kind(call->args[0], &kind, err);
    if (!status)
        status = atm_path_check_not_input(call->args[1], call->args[0], err);
    if (status)
        return status;
    if (kind == ATM_PATH_MODEL)
        return import_model(call, err);
    bool movie = false; /* a movie with /truth to .csv, .decode.h5 or .png means the truth */
    for (size_t i = 0; kind == ATM_PATH_MOVIE && i < sizeof movies / sizeof *movies; i++)
        movie = movie || atm_path_ends(call->args[1], movies[i]);
    movie = movie && !atm_path_ends(call->args[1], ".decode.h5");
    return movie ? convert_movie(call, err) : convert_table(call, err);
}

const struct atm_command atm_command_convert = {
    .name = "convert",
    .arguments = "IN OUT",
    .summary = "movies to movies, tables to tables, a table to a picture",
    .help =
        "OUT says the format. Movies: .tif, .h5. Tables: .hdf5 for Picasso (with its .yaml), .csv "
        "for\n"
        "ThunderSTORM (with its protocol), .decode.h5 for DECODE, .challenge.csv for the SMLM "
        "Challenge, .px.csv\n"
        "in pixels; output.columns chooses columns. .png draws the table, .tif holds its counts.\n"
        "The weights that the follow-up paper published become a model of ours.\n"
        "Labels of images (/labels) and true strokes (/truth) go with them into .h5.\n"
        "A stack with /truth as IN and .csv or .png as OUT means its true emitters. "
        "input.first_frame and\n"
        "input.frame_count cut a movie; camera.pixel_size_nm is needed where a table does not say "
        "it.",
    .min_args = 2,
    .max_args = 2,
    .options = ATM_OPTION_TRUNCATED,
    .sections = ATM_SECTION_CAMERA | ATM_SECTION_INPUT | ATM_SECTION_RENDER | ATM_SECTION_OUTPUT,
    .run = run,
};
