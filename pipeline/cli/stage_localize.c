#include "stages.h"

#include "mem.h"
#include "outputs.h"
#include "paths.h"
#include "provenance.h"
#include <math.h>
#include <unistd.h>

static enum atm_status describe_run(const struct atm_source *source, uint64_t movie,
                                    const struct atm_model *model, const struct atm_config *config,
                                    char **provenance, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_provenance_input inputs[4] = {{"movie", movie},
                                             {"model", atm_provenance_model_hash(model)}};
    int count = 2;
    if (info->maps_hash)
        inputs[count++] = (struct atm_provenance_input){"maps", info->maps_hash};
    if (info->estimated)
        inputs[count++] = atm_provenance_camera(&info->camera);
    *provenance = atm_provenance_create(config, ATM_SECTIONS_LOCALIZE, inputs, count);
    return *provenance ? ATM_OK : atm_err_memory(err, "the provenance");
}

enum atm_status atm_stage_localize_provenance(struct atm_source *source,
                                              const struct atm_model *model,
                                              const struct atm_config *config, char **provenance,
                                              struct atm_err *err) {
    uint64_t movie;
    enum atm_status status = atm_movie_hash(atm_source_movie(source), &movie, err);
    return status ? status : describe_run(source, movie, model, config, provenance, err);
}

static void describe_movie(struct atm_source *source, struct atm_table *table) {
    const struct atm_source_info *info = atm_source_info(source);
    table->frames = table->frames ? table->frames : info->first_frame + info->frames;
    table->height = info->field.height;
    table->width = info->field.width;
    table->pixel_size_nm = info->camera.pixel_size_nm;
}

static void say(const struct atm_source_info *info, const struct atm_localize_summary *summary,
                const struct atm_sink *sink) {
    atm_log(sink, ATM_LOG_INFO,
            "%td localizations in %td frames; PSF sigma %.3f px, chi-square per pixel %.2f",
            summary->localizations, summary->frames, summary->sigma_px, summary->chi2);
    if (!summary->localizations)
        atm_log(sink, ATM_LOG_WARNING,
                "no emitter was found: look at the movie, and at localize.seed_threshold");
    if (!info->photons)
        atm_log(sink, ATM_LOG_WARNING,
                "the photon columns are in ADU: set camera.gain (and camera.offset) for photons");
    if (isnan(info->camera.pixel_size_nm))
        atm_log(sink, ATM_LOG_WARNING,
                "the pixel size is not known: set camera.pixel_size_nm for tables in nm");
}

/* The verdict: to the user, into the table, and with all behind it into the file about the fit. */
static enum atm_status judge(const struct atm_fit_record *fit, const char *path,
                             const struct atm_sink *sink, struct atm_table *table,
                             struct atm_err *err) {
    const bool doubt = fit->level == ATM_FIT_PARTLY || fit->level == ATM_FIT_FAILS;
    const struct atm_fit_numbers *n = &fit->numbers;
    enum atm_status status = atm_table_note(table, err, "Verdict", "%s", fit->verdict);
    if (!status && isfinite(n->deviance))
        status = atm_table_note(table, err, "Deviance Over Noise", "%.4f", n->deviance);
    if (!status && isfinite(n->unexplained))
        status = atm_table_note(table, err, "Unexplained Signal", "%.4f", n->unexplained);
    if (!status)
        status = atm_fit_record_write(path, fit, table->provenance, err);
    if (!status)
        atm_log(sink, doubt ? ATM_LOG_WARNING : ATM_LOG_INFO, "verdict: %s", fit->verdict);
    return status;
}

/* What the noise says of a camera that nobody knew. */
static enum atm_status note_camera(const struct atm_source_info *info, struct atm_table *table,
                                   struct atm_err *err) {
    char text[ATM_CAMERA_ESTIMATE_SIZE];
    if (info->photons && !info->estimated)
        return ATM_OK;
    atm_camera_estimate_text(&info->estimate, text);
    return atm_table_note(table, err, "Camera From Noise", "%s%s", text,
                          info->estimated ? "; used" : "");
}

/* The PSF that was learned goes beside the table. One that lies there already may be the user's
 * own, or an input: it stays, and is named. */
static enum atm_status write_psf(const struct atm_source_info *info,
                                 const struct atm_psf_learned *psf, const char *provenance,
                                 const char *output, const struct atm_sink *sink,
                                 struct atm_err *err) {
    char *path = atm_path_beside(output, "_psf.tif");
    if (path && !psf->image.samples) {
        if (atm_path_exists(path))
            atm_log(sink, ATM_LOG_WARNING, "%s is not of this run, which learned no PSF", path);
        atm_mem_free(path);
        return ATM_OK;
    }
    enum atm_status status =
        path ? atm_stage_psf_write(&psf->image, &psf->measures, info->camera.pixel_size_nm,
                                   provenance, path, "The movie's own PSF", sink, err)
             : atm_err_memory(err, "a file name");
    atm_mem_free(path);
    return status;
}

enum atm_status atm_stage_localize(struct atm_source *source, const struct atm_model *model,
                                   const struct atm_config *config,
                                   const struct atm_localize_files *files,
                                   const struct atm_sink *sink, struct atm_table *table,
                                   struct atm_err *err) {
    struct atm_localize_summary summary = {0};
    char *provenance = NULL;
    const bool follow = config->input.follow;
    struct atm_localize_options options = config->localize;
    options.follow = follow;
    uint64_t movie;
    enum atm_status status = atm_stage_movie_hash(source, config, &movie, err);
    if (!status)
        status = describe_run(source, movie, model, config, &provenance, err);
    if (status)
        return status;
    options.own_movie = atm_provenance_same_movie(model->provenance, provenance);
    atm_log(sink, ATM_LOG_INFO, follow ? "localizing as frames come; Ctrl-C ends" : "localizing");
    status = atm_localize_movie(source, model, &options, &config->refine, files->journal,
                                atm_provenance_identity(provenance), sink, table, &summary, err);
    if (!status && follow) { /* it has grown, and the table is of all of it */
        atm_mem_free(provenance), provenance = NULL;
        status = atm_stage_localize_provenance(source, model, config, &provenance, err);
    }
    if (status == ATM_STOPPED)
        atm_err_set(err, ATM_STOPPED, "the frames done are kept in %s; the same command continues",
                    files->journal);
    if (!status) {
        describe_movie(source, table);
        atm_mem_free(table->provenance);
        table->provenance = provenance;
        provenance = NULL;
        say(atm_source_info(source), &summary, sink);
        status = note_camera(atm_source_info(source), table, err);
    }
    if (!status && isfinite(summary.false_rate))
        status = atm_table_note(table, err, "False Positives Per Frame",
                                "%.4g of noise alone, at a likelihood ratio of exp(%.3f)",
                                summary.false_rate, 0.5 * summary.threshold);
    if (!status)
        status = judge(&summary.fit, files->fit, sink, table, err);
    if (!status)
        status = atm_outputs_write(files->tables, config, table, sink, err);
    if (!status)
        status = write_psf(atm_source_info(source), &summary.psf, table->provenance,
                           files->tables[0], sink, err);
    if (!status)
        unlink(files->journal);
    atm_fit_record_free(&summary.fit);
    atm_psf_learned_free(&summary.psf);
    atm_mem_free(provenance);
    return status;
}
