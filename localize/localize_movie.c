/* A movie chunk by chunk: encoder, seeds, refinement of the frames in parallel, journal. */
#include "background.h"
#include "false_rate.h"
#include "fit_psf.h"
#include "fit_record.h"
#include "frame_sample.h"
#include "journal.h"
#include "localize.h"
#include "mem.h"
#include "movie_psf.h"
#include "seeds.h"
#include "tune.h"

#include <gsl/gsl_sort_float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

enum { MAX_THREADS = 256 };

struct run {
    struct atm_source *source;
    const struct atm_source_info *info;
    const struct atm_model *model;
    const struct atm_localize_options *options;
    struct atm_seeder *seeder;
    struct atm_tuning tuning;
    struct atm_psf_learned *psf;             /* of the summary */
    struct atm_refine *workers[MAX_THREADS]; /* one a thread */
    int threads;
    float *image, *background; /* (ATM_SOURCE_CHUNK, H, W) */
    struct atm_table seeds[ATM_SOURCE_CHUNK], found[ATM_SOURCE_CHUNK];
    bool blank[ATM_SOURCE_CHUNK];
    struct atm_frame_fit *fits; /* (room), one a frame */
    ptrdiff_t room;
    struct atm_fit_tally tally;
    double *tiles;     /* (ATM_SOURCE_CHUNK, tiles, ATM_FIT_SUMS) of the frames of a chunk */
    double *scratch;   /* (threads, ATM_FIT_SCRATCH * tile_px) */
    int parameters;    /* fitted of each emitter */
    double false_rate; /* of noise, in a frame; NAN: not simulated */
    bool follow;       /* the movie grows */
};

static void run_free(struct run *run) {
    atm_seeder_destroy(&run->seeder);
    for (int i = 0; i < run->threads; i++)
        atm_refine_destroy(&run->workers[i]);
    for (int i = 0; i < ATM_SOURCE_CHUNK; i++) {
        atm_table_free(&run->seeds[i]);
        atm_table_free(&run->found[i]);
    }
    atm_mem_free(run->image);
    atm_mem_free(run->background);
    atm_mem_free(run->fits);
    atm_fit_tally_free(&run->tally);
    atm_tune_free(&run->tuning);
    atm_mem_free(run->tiles);
    atm_mem_free(run->scratch);
}

static enum atm_status run_create(struct run *run, struct atm_source *source,
                                  const struct atm_model *model,
                                  const struct atm_localize_options *options,
                                  const struct atm_refine_options *refine, struct atm_err *err) {
    const struct atm_source_info *info = run->info = atm_source_info(source);
    size_t pixels = (size_t)(info->height * info->width);
    run->source = source;
    run->model = model;
    run->options = options;
    run->tuning.sigma_px = isnan(refine->sigma_px) ? model->calibration.sigma_px : refine->sigma_px;
    run->tuning.noise = info->noise;
    for (int i = 0; i < ATM_SOURCE_CHUNK; i++) {
        atm_table_init(&run->seeds[i]);
        atm_table_init(&run->found[i]);
    }
    run->image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, sizeof *run->image);
    run->background = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, sizeof *run->background);
    run->room = info->frames;
    run->follow = options->follow;
    run->parameters = ATM_SPOT_AMPLITUDE + 1 +
                      (refine->psf < ATM_PSF_KINDS ? atm_psf_kinds[refine->psf].widths : 0);
    run->fits = atm_mem_alloc((size_t)info->frames, sizeof *run->fits);
    if (!run->image || !run->background || !run->fits)
        return atm_err_memory(err, "localizing");
    enum atm_status status = atm_fit_tally_init(&run->tally, info->height, info->width, err);
    if (status)
        return status;
    double threshold = options->seed_threshold * atm_seed_noise_photons(info, run->tuning.sigma_px);
    status = atm_seeder_create(model, info, threshold, &run->seeder, err);
    return status || options->seeds != ATM_SEEDS_PEAKS
               ? status
               : atm_seeder_use_peaks(run->seeder, run->tuning.sigma_px, err);
}

static ptrdiff_t tile_sums(const struct run *run) {
    return run->tally.grid.rows * run->tally.grid.columns * ATM_FIT_SUMS;
}

static ptrdiff_t scratch_size(const struct run *run) {
    return ATM_FIT_SCRATCH * run->tally.grid.tile_px;
}

static enum atm_status create_workers(struct run *run, const struct atm_refine_options *refine,
                                      struct atm_err *err) {
    int wanted = omp_get_max_threads() < MAX_THREADS ? omp_get_max_threads() : MAX_THREADS;
    run->tiles = atm_mem_alloc(ATM_SOURCE_CHUNK, (size_t)tile_sums(run) * sizeof *run->tiles);
    run->scratch = atm_mem_alloc((size_t)wanted, (size_t)scratch_size(run) * sizeof *run->scratch);
    if (!run->tiles || !run->scratch)
        return atm_err_memory(err, "localizing");
    for (; run->threads < wanted; run->threads++) {
        enum atm_status status = atm_tune_create_refine(run->info, refine, &run->tuning,
                                                        &run->workers[run->threads], err);
        if (status)
            return status;
    }
    return ATM_OK;
}

/* ---- One frame ---- */

static float chi2_per_pixel(const struct run *run, const float *image, const float *model) {
    const struct atm_noise *noise = &run->tuning.noise;
    ptrdiff_t pixels = run->info->height * run->info->width;
    double sum = 0;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double r = (double)image[i] - (double)model[i];
        double variance = noise->gain * ((double)model[i] - noise->zero) + noise->floor;
        if (run->tuning.saturation && image[i] >= run->tuning.saturation[i])
            continue;
        variance += run->tuning.variance ? (double)run->tuning.variance[i] : 0;
        sum += variance > 0 ? r * r / variance : 0;
    }
    return (float)(sum / (double)pixels);
}

static enum atm_status refine_one(struct run *run, struct atm_refine *worker, ptrdiff_t t,
                                  int64_t frame, struct atm_err *err) {
    ptrdiff_t pixels = run->info->height * run->info->width;
    struct atm_frame_fit *fit = &run->fits[frame - run->info->first_frame];
    run->found[t].count = 0;
    if (run->blank[t]) {
        *fit = (struct atm_frame_fit){NAN, NAN, NAN, NAN};
        return ATM_OK;
    }
    const struct atm_refine_input input = {.image = run->image + t * pixels,
                                           .background = run->background + t * pixels,
                                           .sigma_px = run->tuning.sigma_px,
                                           .noise = run->tuning.noise,
                                           .seeds = run->seeds[t].rows,
                                           .seed_count = run->seeds[t].count,
                                           .frame = frame,
                                           .population = run->tuning.population,
                                           .threshold = run->tuning.threshold,
                                           .variance = run->tuning.variance,
                                           .saturation = run->tuning.saturation};
    enum atm_status status = atm_refine_frame(worker, &input, &run->found[t], err);
    if (status)
        return status;
    const struct atm_fit_view view = {.input = &input,
                                      .model = atm_refine_model(worker),
                                      .rows = run->found[t].rows,
                                      .row_count = run->found[t].count,
                                      .parameters = run->parameters};
    fit->chi2 = chi2_per_pixel(run, input.image, view.model);
    atm_fit_measure(&run->tally.grid, &view,
                    run->scratch + omp_get_thread_num() * scratch_size(run),
                    run->tiles + t * tile_sums(run), fit);
    return ATM_OK;
}

/* ---- Chunks ---- */

static enum atm_status refine_chunk(struct run *run, ptrdiff_t first, ptrdiff_t count,
                                    struct atm_err *err) {
    enum atm_status result = ATM_OK;
#pragma omp parallel for schedule(dynamic) num_threads(run->threads)
    for (ptrdiff_t t = 0; t < count; t++) {
        struct atm_err own = {0};
        int64_t frame = run->info->first_frame + first + t;
        enum atm_status status =
            refine_one(run, run->workers[omp_get_thread_num()], t, frame, &own);
#pragma omp critical
        atm_err_first(&result, err, status, &own);
    }
    return result;
}

/* Raw blocks: positions are of the frame, not of the chunk. */
static void pass_seeds(struct run *run, ptrdiff_t first, ptrdiff_t count) {
    for (ptrdiff_t t = 0; t < count; t++) {
        struct atm_table swap = run->found[t];
        run->found[t] = run->seeds[t];
        run->seeds[t] = swap;
        run->fits[first + t] = (struct atm_frame_fit){NAN, NAN, NAN, NAN};
        for (ptrdiff_t i = 0; i < run->found[t].count; i++) {
            struct atm_loc *row = &run->found[t].rows[i];
            row->frame = run->info->first_frame + first + t;
            row->sx = row->sy = run->tuning.sigma_px;
        }
    }
}

/* Whatever the encoder makes of a blank frame, there is nothing in it, and no noise either. */
static void empty_blank_frames(struct run *run, ptrdiff_t count) {
    const ptrdiff_t pixels = run->info->height * run->info->width;
    for (ptrdiff_t t = 0; t < count; t++)
        if ((run->blank[t] = atm_frame_is_blank(run->image + t * pixels, pixels)))
            run->seeds[t].count = 0;
}

static struct atm_journal_data journal_data(struct run *run, ptrdiff_t first, ptrdiff_t count) {
    return (struct atm_journal_data){run->fits + first, sizeof *run->fits, count, run->tally.tiles,
                                     run->tally.bytes};
}

/* In the order of the frames: the same sums for any number of threads. */
static void add_to_tally(struct run *run, ptrdiff_t count) {
    for (ptrdiff_t t = 0; t < count; t++) {
        const struct atm_table *seeds = run->options->refine ? &run->seeds[t] : &run->found[t];
        for (ptrdiff_t i = 0; i < seeds->count; i++)
            atm_histogram_add(run->tally.seeds, seeds->rows[i].photons);
        if (!run->options->refine)
            *run->tally.localizations += (double)run->found[t].count;
        else if (!run->blank[t])
            atm_fit_tally_add(&run->tally, run->tiles + t * tile_sums(run), run->found[t].rows,
                              run->found[t].count);
    }
}

static enum atm_status one_chunk(struct run *run, ptrdiff_t chunk, struct atm_journal *journal,
                                 struct atm_table *table, struct atm_err *err) {
    ptrdiff_t count, first = chunk * ATM_SOURCE_CHUNK, before = table->count;
    enum atm_status status =
        atm_source_read(run->source, chunk, run->image, run->background, &count, err);
    if (!status)
        status = atm_seeder_run(run->seeder, run->image, run->background, count, run->seeds, err);
    if (!status)
        empty_blank_frames(run, count);
    if (!status && run->options->refine)
        status = refine_chunk(run, first, count, err);
    else if (!status)
        pass_seeds(run, first, count);
    for (ptrdiff_t t = 0; !status && t < count; t++)
        for (ptrdiff_t i = 0; !status && i < run->found[t].count; i++)
            status = atm_table_append(table, &run->found[t].rows[i], err);
    if (!status)
        add_to_tally(run, count);
    const struct atm_journal_data done = journal_data(run, first, count);
    /* of a movie that grows, a part of a chunk may be more when the run is continued */
    const bool whole = count == ATM_SOURCE_CHUNK || !run->follow;
    if (!status && journal && whole)
        status =
            atm_journal_append(journal, table->rows + before, table->count - before, &done, err);
    return status;
}

static enum atm_status make_room(struct run *run, ptrdiff_t frames, struct atm_err *err) {
    if (frames <= run->room)
        return ATM_OK;
    struct atm_frame_fit *fits =
        atm_mem_grow(run->fits, (size_t)run->room, 2 * (size_t)frames, sizeof *fits);
    if (!fits)
        return atm_err_memory(err, "localizing");
    run->fits = fits;
    run->room = 2 * frames;
    return ATM_OK;
}

/* A movie that grows: wait for the chunk. There may be none, at the end or where the user stops. */
static enum atm_status more_frames(struct run *run, ptrdiff_t chunk, const struct atm_sink *sink,
                                   struct atm_err *err) {
    atm_source_follow(run->source, chunk, sink);
    return make_room(run, run->info->frames, err);
}

static enum atm_status all_chunks(struct run *run, ptrdiff_t first_chunk,
                                  struct atm_journal *journal, const struct atm_sink *sink,
                                  struct atm_table *table, struct atm_err *err) {
    const struct atm_source_info *info = run->info;
    const bool follow = run->follow;
    for (ptrdiff_t c = first_chunk; c < info->chunks || follow; c++) {
        enum atm_status status = follow ? more_frames(run, c, sink, err) : ATM_OK;
        if (status || c >= info->chunks)
            return status;
        if (atm_log_stopped(sink) && !follow)
            return atm_err_set(err, ATM_STOPPED,
                               "stopped at frame %td of %td; the same command continues",
                               c * ATM_SOURCE_CHUNK, info->frames);
        status = one_chunk(run, c, journal, table, err);
        if (status)
            return status;
        ptrdiff_t done = (c + 1) * ATM_SOURCE_CHUNK;
        done = done < info->frames ? done : info->frames;
        atm_log_progress(sink, "frames", done, info->frames, "%td localizations", table->count);
        if (follow && info->frames % ATM_SOURCE_CHUNK)
            return ATM_OK; /* a chunk that is not whole is the last */
    }
    return ATM_OK;
}

/* NAN when there is none, or no memory for it. */
static double median_chi2(const struct run *run) {
    ptrdiff_t count = 0;
    float *values = atm_mem_alloc((size_t)run->info->frames + 1, sizeof *values);
    for (ptrdiff_t t = 0; values && t < run->info->frames; t++)
        if (!isnan(run->fits[t].chi2)) /* a blank frame's */
            values[count++] = run->fits[t].chi2;
    if (values)
        gsl_sort_float(values, 1, (size_t)count);
    const double median = values && count ? (double)values[count / 2] : NAN;
    atm_mem_free(values);
    return median;
}

/* Least of everything that is compared: blocks below were no seeds here, or were not counted there.
 */
static double compare_from(const struct run *run) {
    const double sigma = run->tuning.sigma_px;
    const double here = run->options->seed_threshold * atm_seed_noise_photons(run->info, sigma);
    return fmax(here, run->model->seen.threshold);
}

/* Blocks that are far brighter than all that the network has seen saturate; peaks do not. Their
 * light goes with the square of the width. They are blends where the movie is dense, so only large
 * factors count. */
static double with_peaks(const struct run *run, double by_blocks,
                         const struct atm_fit_numbers *numbers) {
    enum { LARGE = 3 };
    const double wider = isnan(numbers->sigma_px) ? 1 : numbers->sigma_px / numbers->model_sigma_px;
    const double peaks = run->info->scale / run->model->image_scale * wider * wider;
    return fmax(peaks, 1 / peaks) >= LARGE ? peaks : by_blocks;
}

static enum atm_status record_fit(const struct run *run, struct atm_fit_record *record,
                                  struct atm_err *err) {
    enum { LEAST = 50 }; /* values that make a distribution */
    const struct atm_seen *seen = &run->model->seen;
    const double sampled = run->model->calibration.sigma_px; /* of a Gaussian over pixels: wider */
    struct atm_fit_numbers numbers = {.sigma_px = NAN,
                                      .model_sigma_px = sqrt(fmax(sampled * sampled - 1. / 12, 0)),
                                      .photons_factor = NAN,
                                      .background_factor = NAN,
                                      .own_movie = run->options->own_movie,
                                      .noise_measured = !run->info->photons};
    if (run->options->refine)
        numbers.sigma_px = run->tuning.sigma_px;
    if (seen->known) {
        if (run->options->seeds == ATM_SEEDS_NETWORK) /* peaks are of other photons than blocks */
            numbers.photons_factor =
                atm_histogram_factor(&seen->blocks, run->tally.seeds, compare_from(run), LEAST);
        numbers.background_factor =
            atm_histogram_factor(&seen->background, run->tally.background, 0, 1);
    }
    numbers.photons_factor = with_peaks(run, numbers.photons_factor, &numbers);
    enum atm_status status =
        atm_fit_record_init(record, &run->tally, run->fits, run->info->frames, &numbers, err);
    if (status)
        return status;
    record->first_frame = run->info->first_frame;
    record->compared = seen->known;
    record->trained_blocks = seen->blocks, record->trained_background = seen->background;
    return ATM_OK;
}

static enum atm_status describe(struct run *run, struct atm_table *table,
                                struct atm_localize_summary *summary, struct atm_err *err) {
    const struct atm_source_info *info = run->info;
    table->frames = info->first_frame + info->frames;
    table->height = info->field.height, table->width = info->field.width;
    atm_source_to_field(run->source, table->rows, table->count);
    table->pixel_size_nm = info->camera.pixel_size_nm;
    table->columns = ATM_COLUMN_PHOTONS | ATM_COLUMN_SIGMA;
    if (run->options->refine)
        table->columns |= ATM_COLUMN_BACKGROUND | ATM_COLUMN_UNCERTAINTY | ATM_COLUMN_QUALITY;
    summary->frames = info->frames;
    summary->localizations = table->count;
    summary->sigma_px = run->tuning.sigma_px;
    summary->noise = run->tuning.noise;
    summary->population = run->tuning.population;
    summary->population.where = NULL;
    summary->false_rate = run->options->refine ? run->false_rate : NAN;
    summary->threshold = run->tuning.threshold;
    summary->chi2 = run->options->refine ? median_chi2(run) : NAN;
    return record_fit(run, &summary->fit, err);
}

/* The movie's own PSF, where refine.psf wants it; then what depends on it is measured again. */
static enum atm_status choose_psf(struct run *run, const struct atm_refine_options *refine,
                                  const struct atm_sink *sink, struct atm_err *err) {
    struct atm_psf_learned *psf = run->psf;
    enum atm_status status =
        atm_movie_psf_seen(run->source, run->seeder, refine, &run->tuning, psf, err);
    if (status || !psf->image.samples)
        return status;
    run->tuning.psf = &psf->image;
    atm_log(sink, ATM_LOG_INFO,
            "PSF learned from %td emitters, FWHM %.2f x %.2f px: saves %.1f +- %.1f of deviance "
            "per emitter against a Gaussian of sigma %.3f px in frames held out",
            psf->emitters, psf->measures.fwhm_x, psf->measures.fwhm_y,
            psf->saved / fmax((double)psf->held_out, 1),
            psf->saved_error / fmax((double)psf->held_out, 1), psf->gaussian_px);
    return atm_tune_refinement(run->source, run->seeder, refine, &run->tuning, err);
}

/* What the refinement needs to know, measured and said. */
static enum atm_status tune(struct run *run, const struct atm_refine_options *refine,
                            const struct atm_sink *sink, struct atm_err *err) {
    struct atm_tuning *t = &run->tuning;
    enum atm_status status = atm_tune_refinement(run->source, run->seeder, refine, t, err);
    if (!status)
        status = choose_psf(run, refine, sink, err);
    if (status)
        return status;
    atm_log(sink, ATM_LOG_INFO, "PSF sigma %.3f px; noise variance %.3g (value - %.4g) + %.4g",
            t->sigma_px, t->noise.gain, t->noise.zero, t->noise.floor);
    if (t->population.log_sd > 0)
        atm_log(sink, ATM_LOG_INFO, "emitters of about %.4g %s, spread %.0f %%%s",
                exp(t->population.log_mean), run->info->photons ? "photons" : "ADU",
                100 * t->population.log_sd,
                t->population.told
                    ? ", as the movie's fluctuations tell: most overlap, and would pass for fewer "
                      "and brighter ones"
                    : "");
    return ATM_OK;
}

/* What an emitter must be worth: by theory, or as noise alone of this movie says. */
static enum atm_status choose_threshold(struct run *run, const struct atm_refine_options *refine,
                                        const struct atm_sink *sink, struct atm_err *err) {
    struct atm_tuning *t = &run->tuning;
    const double wanted = run->options->false_rate;
    struct atm_false_rate result;
    run->false_rate = NAN;
    t->threshold = 0;
    if (isnan(wanted))
        return ATM_OK;
    enum atm_status status =
        atm_false_rate_calibrate(run->source, run->seeder, refine, t, wanted, &result, err);
    if (status)
        return status;
    t->threshold = result.threshold, run->false_rate = result.expected;
    atm_log(sink, ATM_LOG_INFO,
            "detection: %.3g false positives a frame by noise alone (%.0f frames simulated): "
            "emitters are worth a likelihood ratio of exp(%.2f), %.2f standard deviations",
            result.expected, result.frames, 0.5 * result.threshold, sqrt(result.threshold));
    if (result.expected < wanted)
        atm_log(sink, ATM_LOG_INFO, "the fit has no more candidates than these");
    return ATM_OK;
}

static enum atm_status open_journal(struct run *run, const char *path, const char *identity,
                                    struct atm_table *table, struct atm_journal **journal,
                                    struct atm_journal_state *state, struct atm_err *err) {
    const ptrdiff_t there = atm_source_there(run->source);
    enum atm_status status = make_room(run, there, err);
    const struct atm_journal_data data = journal_data(run, 0, there);
    return status ? status : atm_journal_open(path, identity, table, &data, journal, state, err);
}

enum atm_status atm_localize_movie(struct atm_source *source, const struct atm_model *model,
                                   const struct atm_localize_options *options,
                                   const struct atm_refine_options *refine_options,
                                   const char *journal_path, const char *identity,
                                   const struct atm_sink *sink, struct atm_table *table,
                                   struct atm_localize_summary *summary, struct atm_err *err) {
    struct run run = {.psf = &summary->psf};
    struct atm_journal *journal = NULL;
    struct atm_journal_state state = {0};
    *summary = (struct atm_localize_summary){0};
    enum atm_status status = run_create(&run, source, model, options, refine_options, err);
    if (!status && options->refine)
        status = atm_tune_camera(run.info, refine_options->likelihood, &run.tuning, sink, err);
    if (!status && options->refine)
        status = tune(&run, refine_options, sink, err);
    if (!status && options->refine)
        status = choose_threshold(&run, refine_options, sink, err);
    if (!status && options->refine)
        status = create_workers(&run, refine_options, err);
    if (!status && journal_path)
        status = open_journal(&run, journal_path, identity, table, &journal, &state, err);
    if (!status && state.replaced)
        atm_log(sink, ATM_LOG_WARNING, "%s is of another run; localizing starts afresh",
                journal_path);
    if (!status && state.frames)
        atm_log(sink, ATM_LOG_INFO, "%td frames are done already", state.frames);
    if (!status)
        status = all_chunks(&run, state.chunks, journal, sink, table, err);
    if (!status)
        status = describe(&run, table, summary, err);
    atm_journal_close(&journal);
    run_free(&run);
    if (status)
        atm_psf_learned_free(&summary->psf);
    return status;
}
