#include "command.h"
#include "mem.h"
#include "movie_psf.h"
#include "paths.h"
#include "provenance.h"
#include "psf_file.h"
#include "stages.h"
#include "stamp.h"
#include <math.h>
#include <stdio.h>

/* ---- A movie and its localizations ---- */

static enum atm_status movie_provenance(struct atm_source *source, const struct atm_call *call,
                                        char **provenance, struct atm_err *err) {
    struct atm_provenance_input inputs[] = {
        {"movie", 0}, {"localizations", 0}, {"maps", atm_source_info(source)->maps_hash}};
    enum atm_status status = atm_movie_hash(atm_source_movie(source), &inputs[0].hash, err);
    if (!status)
        status = atm_stamp_hash(call->args[1], &inputs[1].hash, err);
    if (status)
        return status;
    *provenance = atm_provenance_create(&call->config,
                                        ATM_SECTION_CAMERA | ATM_SECTION_INPUT | ATM_SECTION_REFINE,
                                        inputs, inputs[2].hash ? 3 : 2);
    return *provenance ? ATM_OK : atm_err_memory(err, "the provenance");
}

static void print_learned(const struct atm_psf_learned *learned, double pixel_size_nm) {
    printf("%-20s %td in %td frames\n", "emitters:", learned->emitters, learned->frames);
    atm_stage_psf_print(&learned->measures, pixel_size_nm);
    printf("%-20s sigma %.3f px explains the held-out frames %s: they save %.1f +- %.1f of "
           "deviance by this PSF\n",
           "the best Gaussian:", learned->gaussian_px,
           atm_psf_learned_better(learned) ? "worse" : "as well", learned->saved,
           learned->saved_error);
}

static enum atm_status psf_of_movie(const struct atm_call *call, struct atm_err *err) {
    struct atm_source *source = NULL;
    struct atm_psf_learned learned = {0};
    struct atm_table table;
    char *provenance = NULL;
    atm_table_init(&table);
    enum atm_status status = atm_stage_open(call->args[0], &call->config, call->sink, &source, err);
    double pixel_size_nm = status ? NAN : atm_source_info(source)->camera.pixel_size_nm;
    if (!status)
        status = atm_table_read(call->args[1], pixel_size_nm, &table, err);
    if (!status)
        status = atm_movie_psf(source, &table, &call->config.refine, call->sink, &learned, err);
    if (!status)
        status = movie_provenance(source, call, &provenance, err);
    if (!status)
        status = atm_stage_psf_write(&learned.image, &learned.measures, pixel_size_nm, provenance,
                                     call->output, "The movie's own PSF", call->sink, err);
    if (!status)
        print_learned(&learned, pixel_size_nm);
    atm_mem_free(provenance);
    atm_psf_learned_free(&learned);
    atm_table_free(&table);
    atm_source_close(&source);
    return status;
}

/* ---- A model ---- */

static enum atm_status psf_of_model(const struct atm_call *call, struct atm_err *err) {
    struct atm_model *model = NULL;
    struct atm_atom_psf psf = {0};
    double pixel_size_nm = call->config.camera.pixel_size_nm;
    enum atm_status status = atm_model_load(call->args[0], &model, err);
    if (!status)
        status = atm_model_psf(model, &psf, err);
    if (!status)
        status = atm_stage_psf_write(&psf.image, &psf.measures, pixel_size_nm, model->provenance,
                                     call->output, "The model's average atom", call->sink, err);
    if (!status) {
        printf("%-20s %td\n", "atoms:", psf.atoms);
        atm_stage_psf_print(&psf.measures, pixel_size_nm);
        printf("%-20s %.2f %% rms of the average's own light, between fifths of brightness\n",
               "the atom varies by:", 100 * psf.by_brightness);
        printf("%-20s %.2f %% rms, between nine places in its cell\n", "", 100 * psf.by_position);
    }
    atm_psf_image_free(&psf.image);
    atm_model_destroy(&model);
    return status;
}

static enum atm_status run(struct atm_call *call, struct atm_err *err) {
    enum atm_path_kind kind = ATM_PATH_MOVIE;
    enum atm_status status = atm_psf_check_name(call->output, err);
    if (!status)
        status = atm_path_check_output(call->output, err);
    for (int i = 0; i < call->arg_count && !status; i++)
        status = atm_path_check_not_input(call->output, call->args[i], err);
    if (!status)
        status = atm_path_kind(call->args[0], &kind, err);
    if (status)
        return status;
    if (kind == ATM_PATH_MODEL && call->arg_count == 1)
        return psf_of_model(call, err);
    if (kind == ATM_PATH_MOVIE && call->arg_count == 2)
        return psf_of_movie(call, err);
    return atm_err_set(err, ATM_USAGE,
                       "%s: a PSF is measured on a MOVIE and its LOCS, in this order, or on a "
                       "MODEL.h5 alone",
                       call->args[0]);
}

const struct atm_command atm_command_psf = {
    .name = "psf",
    .arguments = "MOVIE LOCS -o PSF.tif, or MODEL.h5 -o ATOM.tif",
    .summary = "the PSF that a movie has, or that a model has learned",
    .help =
        "Measures the PSF on the emitters of LOCS (a table in any format) in MOVIE, overlapping "
        "ones too:\n"
        "least squares for samples finer than the pixels, and fits of all emitters, in turn. Some "
        "hundred emitters\n"
        "are enough. PSF.tif (or .h5) holds floats, four samples a pixel or more, its middle where "
        "the light squared\n"
        "has its centre; --set refine.psf=spline --set refine.psf_file=PSF.tif fits with it. "
        "PSF.png shows it beside\n"
        "a Gaussian, and its width is printed. Of a model: the average of the atoms that it draws, "
        "and how they vary.",
    .min_args = 1,
    .max_args = 2,
    .options = ATM_OPTION_OUTPUT_NEEDED | ATM_OPTION_TRUNCATED,
    .sections = ATM_SECTION_CAMERA | ATM_SECTION_INPUT | ATM_SECTION_REFINE,
    .run = run,
};
