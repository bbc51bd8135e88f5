#include "movie_psf.h"
#include "fit_psf.h"
#include "frame_sample.h"
#include "mem.h"

#include <math.h>

/* So many emitters tell a PSF well; frames have room for a second's work and 128 MiB. */
enum { EMITTERS_ENOUGH = 1500, EMITTERS_SEEN = 2000, FRAMES_MOST = 192, PIXELS_MOST = 8000000 };
static const double SIGMA_START = 1.3; /* px, where nobody says anything of the width */

/* ---- Which frames ---- */

/* Rows of each frame of the source. */
static ptrdiff_t *count_rows(const struct atm_source_info *info, const struct atm_table *table) {
    ptrdiff_t *counts = atm_mem_alloc((size_t)info->frames, sizeof *counts);
    for (ptrdiff_t i = 0; i < table->count && counts; i++) {
        int64_t t = table->rows[i].frame - info->first_frame;
        if (t >= 0 && t < info->frames)
            counts[t]++;
    }
    return counts;
}

/* Evenly among the frames that have rows, as many as are enough. */
static ptrdiff_t choose_frames(const struct atm_source_info *info, const ptrdiff_t *counts,
                               ptrdiff_t frames[FRAMES_MOST]) {
    ptrdiff_t filled = 0, rows = 0, count = 0, seen = 0;
    for (ptrdiff_t t = 0; t < info->frames; t++)
        filled += counts[t] > 0, rows += counts[t];
    if (!filled)
        return 0;
    double each = (double)rows / (double)filled;
    double wanted = fmin(fmax(ceil(EMITTERS_ENOUGH / each), 2), FRAMES_MOST);
    wanted = fmin(wanted, fmax((double)(PIXELS_MOST / (info->height * info->width)), 2));
    wanted = fmin(wanted, (double)filled);
    for (ptrdiff_t t = 0; t < info->frames; t++) {
        if (!counts[t])
            continue;
        if ((double)seen * wanted >= (double)(count * filled) && (double)count < wanted)
            frames[count++] = t;
        seen++;
    }
    return count;
}

/* The table's rows as seeds of the sample's frames, in its pixels. */
static enum atm_status sow(const struct atm_source_info *info, const struct atm_table *table,
                           const ptrdiff_t *frames, struct atm_frame_sample *sample,
                           struct atm_err *err) {
    const double b = (double)info->binning;
    ptrdiff_t *index = atm_mem_alloc((size_t)info->frames, sizeof *index);
    enum atm_status status = index ? ATM_OK : atm_err_memory(err, "the PSF");
    for (ptrdiff_t k = 0; k < sample->count && !status; k++)
        index[frames[k]] = k + 1;
    for (ptrdiff_t i = 0; i < table->count && !status; i++) {
        struct atm_loc row = table->rows[i];
        int64_t t = row.frame - info->first_frame;
        if (t < 0 || t >= info->frames || !index[t])
            continue;
        row.x = (row.x + 0.5 - (double)info->field.x) / b - 0.5;
        row.y = (row.y + 0.5 - (double)info->field.y) / b - 0.5;
        row.flags = 0, row.blocks = 1;
        bool within =
            row.x > -1 && row.y > -1 && row.x < (double)info->width && row.y < (double)info->height;
        if (within)
            status = atm_table_append(&sample->seeds[index[t] - 1], &row, err);
    }
    atm_mem_free(index);
    return status;
}

/* ---- What is known of the movie ---- */

static double median_width(const struct atm_table *table) {
    double sum = 0, n = 0;
    for (ptrdiff_t i = 0; i < table->count; i++)
        if (table->rows[i].sx > 0.3 && table->rows[i].sx < 20)
            sum += log(table->rows[i].sx), n++;
    return n > 0 ? exp(sum / n) : SIGMA_START;
}

/* Rows without photons start as what stands there: the seeds' own image would do as well. */
static void guess_photons(struct atm_frame_sample *sample, const struct atm_source_info *info) {
    double typical = sqrt(4 * M_PI * info->background_variance) * 10;
    for (ptrdiff_t t = 0; t < sample->count; t++)
        for (ptrdiff_t i = 0; i < sample->seeds[t].count; i++)
            if (!(sample->seeds[t].rows[i].photons > 0))
                sample->seeds[t].rows[i].photons = typical;
}

/* Width of the best Gaussian, and the noise of an unknown camera. */
static enum atm_status tune(const struct atm_source_info *info,
                            const struct atm_refine_options *options,
                            struct atm_frame_sample *sample, struct atm_tuning *tuning,
                            struct atm_err *err) {
    enum { TURNS = 2 };
    struct atm_refine *refine = NULL;
    struct atm_refine_options plain = *options;
    plain.psf = ATM_PSF_GAUSSIAN;
    enum atm_status status = atm_refine_create(&plain, info->height, info->width, &refine, err);
    if (!status)
        atm_refine_set_sink(refine, tuning->sink);
    for (int turn = 0; turn < TURNS && !status; turn++) {
        atm_frame_sample_tell(sample, tuning);
        if (isnan(options->sigma_px))
            status = atm_refine_estimate_sigma(refine, sample->inputs, sample->count,
                                               &tuning->sigma_px, err);
        atm_frame_sample_tell(sample, tuning);
        if (!status && !info->photons)
            status = atm_tune_noise_of(refine, sample, &tuning->noise, err);
    }
    atm_frame_sample_tell(sample, tuning);
    atm_refine_destroy(&refine);
    return status;
}

enum atm_status atm_movie_psf(struct atm_source *source, const struct atm_table *table,
                              const struct atm_refine_options *options, const struct atm_sink *sink,
                              struct atm_psf_learned *learned, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_frame_sample sample = {0};
    struct atm_tuning tuning = {.sigma_px = isnan(options->sigma_px)
                                                ? median_width(table) / (double)info->binning
                                                : options->sigma_px};
    ptrdiff_t frames[FRAMES_MOST], *counts = count_rows(info, table);
    ptrdiff_t count = counts ? choose_frames(info, counts, frames) : 0;
    enum atm_status status = counts ? ATM_OK : atm_err_memory(err, "the PSF");
    if (!status && count < 2)
        status = atm_err_set(err, ATM_FAIL,
                             "of %td localizations none are in two or more of the movie's %td "
                             "frames: is it their movie?",
                             table->count, info->frames);
    if (!status)
        status = atm_tune_camera(info, options->likelihood, &tuning, sink, err);
    if (!status)
        status = atm_frame_sample_take(source, frames, count, &sample, err);
    if (!status)
        status = sow(info, table, frames, &sample, err);
    if (!status) {
        guess_photons(&sample, info);
        status = tune(info, options, &sample, &tuning, err);
    }
    if (!status)
        status = atm_psf_learn(options, info->height, info->width, sample.inputs, sample.count,
                               ATM_PSF_ANYWAY, learned, err);
    atm_frame_sample_free(&sample);
    atm_mem_free(counts);
    return status;
}

/* ---- While localizing ---- */

/* Frames of an emitter or more, up to enough emitters; others say nothing. */
static ptrdiff_t choose_inputs(const struct atm_frame_sample *sample,
                               struct atm_refine_input *chosen) {
    ptrdiff_t emitters = 0, count = 0, filled = 0, each = 1;
    for (ptrdiff_t t = 0; t < sample->count; t++)
        emitters += sample->seeds[t].count, filled += sample->seeds[t].count > 0;
    if (emitters > EMITTERS_SEEN)
        each = (emitters + EMITTERS_SEEN - 1) / EMITTERS_SEEN;
    for (ptrdiff_t t = 0, k = 0; t < sample->count; t++)
        if (sample->seeds[t].count > 0 && k++ % each == 0)
            chosen[count++] = sample->inputs[t];
    return count;
}

enum atm_status atm_movie_psf_seen(struct atm_source *source, struct atm_seeder *seeder,
                                   const struct atm_refine_options *options,
                                   const struct atm_tuning *tuning, struct atm_psf_learned *learned,
                                   struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_frame_sample sample = {0};
    ptrdiff_t most = PIXELS_MOST / (info->height * info->width);
    most = most < 16 ? 16 : most < FRAMES_MOST ? most : FRAMES_MOST;
    enum atm_psf_wish wish =
        options->psf == ATM_REFINE_PSF_LEARNED ? ATM_PSF_ANYWAY : ATM_PSF_IF_BETTER;
    *learned = (struct atm_psf_learned){0};
    if (options->psf != ATM_REFINE_PSF_AUTO && options->psf != ATM_REFINE_PSF_LEARNED)
        return ATM_OK;
    struct atm_refine_input *chosen = atm_mem_alloc(FRAMES_MOST, sizeof *chosen);
    enum atm_status status = chosen ? ATM_OK : atm_err_memory(err, "the PSF");
    if (!status)
        status = atm_frame_sample_spread(source, seeder, most, &sample, err);
    if (!status) {
        atm_frame_sample_tell(&sample, tuning);
        ptrdiff_t count = choose_inputs(&sample, chosen);
        status =
            atm_psf_learn(options, info->height, info->width, chosen, count, wish, learned, err);
    }
    atm_mem_free(chosen);
    atm_frame_sample_free(&sample);
    return status;
}
