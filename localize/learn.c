/* Learning on a movie: the training set in memory, the automatic choices, the training loop with
 * its checkpoints, and the calibration at the end. */
#include "localize.h"
#include "mem.h"
#include "rng.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Training set: normalised frames, in random order, the last ones held out ---- */

static float *frame_at(float *frames, const struct atm_source_info *info, ptrdiff_t i) {
    return frames + i * info->height * info->width;
}

/* Every stride-th frame, so that at most memory_mb are kept. */
static enum atm_status load_frames(struct atm_source *source, const struct atm_train_options *train,
                                   double scale, float **frames, ptrdiff_t *count,
                                   struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    size_t pixels = (size_t)(info->height * info->width);
    double fit = fmax(1, train->memory_mb * 1e6 / ((double)pixels * sizeof(float)));
    ptrdiff_t stride = (ptrdiff_t)ceil((double)info->frames / fit);
    ptrdiff_t n = (info->frames + stride - 1) / stride, at = 0;
    float *image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, 2 * sizeof *image);
    *frames = atm_mem_alloc((size_t)n * pixels, sizeof **frames);
    enum atm_status status = image && *frames ? ATM_OK
                                              : atm_err_memory(err, "the training frames; lower "
                                                                    "train.memory_mb");
    for (ptrdiff_t c = 0; !status && c < info->chunks; c++) {
        float *background = image + ATM_SOURCE_CHUNK * pixels;
        ptrdiff_t got, first = c * ATM_SOURCE_CHUNK;
        status = atm_source_read(source, c, image, background, &got, err);
        for (ptrdiff_t t = 0; !status && t < got; t++) {
            if ((first + t) % stride)
                continue;
            float *to = frame_at(*frames, info, at++);
            size_t from = (size_t)t * pixels;
            for (size_t i = 0; i < pixels; i++)
                to[i] = (float)((double)(image[from + i] - background[from + i]) / scale);
        }
    }
    *count = at;
    atm_mem_free(image);
    return status;
}

static bool all_zero(const float *values, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (values[i] != 0)
            return false;
    return true;
}

static void swap_frames(float *a, float *b, ptrdiff_t pixels) {
    for (ptrdiff_t i = 0; i < pixels; i++) {
        float t = a[i];
        a[i] = b[i], b[i] = t;
    }
}

/* Fisher-Yates, so that the held-out frames come from the whole movie. */
static void shuffle_frames(float *frames, ptrdiff_t count, ptrdiff_t pixels, uint64_t seed) {
    struct atm_rng rng;
    atm_rng_init(&rng, seed, ATM_RNG_SPLIT, 0);
    for (ptrdiff_t i = count - 1; i > 0; i--) {
        ptrdiff_t j = (ptrdiff_t)gsl_rng_uniform_int(&rng.gsl, (unsigned long)(i + 1));
        if (j != i)
            swap_frames(frames + i * pixels, frames + j * pixels, pixels);
    }
}

/* ---- Automatic choices ---- */

/* One cell of 4 px holds density_px * 16 peaks; peaks undercount where emitters overlap, so a
 * second block comes early. */
static void choose_grid(const struct atm_source_info *info, struct atm_model_options *model,
                        const struct atm_sink *sink) {
    if (model->kind != ATM_MODEL_CONVOLUTIONAL)
        return;
    double per_cell = info->density_px * 16;
    if (!model->cell_px)
        model->cell_px = 4;
    if (!model->blocks_per_cell)
        model->blocks_per_cell = model->cell_px == 8 || per_cell > 0.2 ? 2 : 1;
    atm_log(sink, ATM_LOG_INFO,
            "%.3f peaks per 4x4 px and frame: cells of %lld px, blocks in each: %lld", per_cell,
            (long long)model->cell_px, (long long)model->blocks_per_cell);
}

/* ---- The loop ---- */

/* Weights of an earlier model. The network sees images of brightness 1 in every movie, so they hold
 * for this one as far as it is like that one. */
static enum atm_status take_weights(struct atm_model *model, const struct atm_model *start,
                                    const struct atm_sink *sink, struct atm_err *err) {
    const ptrdiff_t taken = atm_model_take_weights(model, start);
    if (!taken)
        return atm_err_set(err, ATM_FAIL,
                           "train.from: the model there has no layer of the network to train");
    atm_log(sink, ATM_LOG_INFO, "starting from a model of %lld steps: %td of %td parameters",
            (long long)start->step, taken, model->param_count);
    return ATM_OK;
}

/* Weights of a seed, or of the model that it starts from. */
static enum atm_status new_model(const struct atm_source_info *info,
                                 const struct atm_learn_options *options, uint64_t seed,
                                 const char *provenance, const struct atm_sink *sink,
                                 struct atm_model **model, struct atm_err *err) {
    const struct atm_model *start = options->start;
    struct atm_model_options chosen = options->model;
    choose_grid(info, &chosen, sink);
    enum atm_status status = atm_model_create(&chosen, &options->net, seed, model, err);
    if (!status && start)
        status = take_weights(*model, start, sink, err);
    if (status)
        return status;
    (*model)->image_scale = info->scale;
    (*model)->background = info->background;
    if (provenance) {
        size_t size = strlen(provenance) + 1;
        (*model)->provenance = atm_mem_alloc(size, 1);
        if (!(*model)->provenance)
            return atm_err_memory(err, "the provenance");
        memcpy((*model)->provenance, provenance, size);
    }
    return ATM_OK;
}

static enum atm_status start_model(struct atm_source *source,
                                   const struct atm_learn_options *options, const char *checkpoint,
                                   const char *provenance, const struct atm_sink *sink,
                                   struct atm_model **model, struct atm_err *err) {
    if (checkpoint && access(checkpoint, F_OK) == 0) {
        enum atm_status status = atm_model_load(checkpoint, model, err);
        if (status)
            return atm_err_prefix(err, "cannot continue; remove the checkpoint to start afresh: ");
        const char *had = (*model)->provenance;
        if (had && provenance && !strcmp(had, provenance)) {
            atm_log(sink, ATM_LOG_INFO, "continuing the training from step %lld",
                    (long long)(*model)->step);
            (*model)->net_options.convolution = options->net.convolution;
            return ATM_OK;
        }
        atm_log(sink, ATM_LOG_WARNING,
                "%s is of another movie or configuration; training starts afresh", checkpoint);
        atm_model_destroy(model);
    }
    return new_model(atm_source_info(source), options, options->seed, provenance, sink, model, err);
}

static enum atm_status train_loop(struct atm_trainer *trainer, struct atm_model *model,
                                  const struct atm_train_options *train, const char *checkpoint,
                                  const struct atm_sink *sink, struct atm_err *err) {
    while (!atm_trainer_done(trainer)) {
        bool stop = atm_log_stopped(sink);
        bool due = model->step % train->checkpoint_every == 0 && model->step > 0;
        if (checkpoint && (stop || due)) {
            enum atm_status saved = atm_model_save(model, checkpoint, true, err);
            if (saved)
                return saved;
        }
        if (stop)
            return atm_err_set(err, ATM_STOPPED,
                               "stopped at training step %lld of %lld; the same "
                               "command continues",
                               (long long)model->step, (long long)train->steps);
        const int64_t falls = model->kept.falls;
        enum atm_status status = atm_trainer_step(trainer, err);
        if (status)
            return status;
        if (model->kept.falls > falls)
            atm_log(sink, ATM_LOG_WARNING,
                    "training step %lld: the error has risen far above its least; back to the "
                    "weights it had there, with half the rate",
                    (long long)model->step);
        const struct atm_curve_point *last = atm_trainer_last(trainer);
        if (last)
            atm_log_progress(sink, "training steps", model->step, train->steps,
                             "loss %.4g, held out %.4g", last->loss, last->validation);
        else
            atm_log_progress(sink, "training steps", model->step, train->steps, "%s", "");
    }
    return ATM_OK;
}

/* What of the light beyond noise the network explains in frames that it has not trained on: 1 when
 * its loss is the noise's variance, 0 when it is that of an empty image. NAN where nothing was held
 * out, or where there is hardly anything but noise. */
static double explained(const struct atm_source_info *info, const struct atm_training_set *set,
                        const struct atm_model *model) {
    const double n = (double)(set->validation_count * set->height * set->width);
    const ptrdiff_t pixels = set->height * set->width;
    const float *frames = set->frames + (set->count - set->validation_count) * pixels;
    const double loss = model->curve_count ? model->curve[model->curve_count - 1].validation : NAN;
    double square = 0, mean = 0;
    for (ptrdiff_t i = 0; i < set->validation_count * pixels; i++) {
        square += (double)frames[i] * (double)frames[i] / n;
        mean += (double)frames[i] / n;
    }
    const double level = info->background + mean * model->image_scale;
    const double noise = (info->noise.gain * (level - info->noise.zero) + info->noise.floor) /
                         (model->image_scale * model->image_scale);
    return n > 0 && square > 1.5 * noise ? (square - loss) / (square - noise) : NAN;
}

static enum atm_status train(struct atm_source *source, struct atm_model *model,
                             const struct atm_learn_options *options, const char *checkpoint,
                             const struct atm_sink *sink, double *learned, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_training_set set = {.height = info->height, .width = info->width};
    struct atm_trainer *trainer = NULL;
    float *frames = NULL;
    enum atm_status status =
        load_frames(source, &options->train, model->image_scale, &frames, &set.count, err);
    if (!status && all_zero(frames, set.count * info->height * info->width))
        status = atm_err_set(err, ATM_FAIL,
                             "no pixel of the movie differs from its background: nothing can be "
                             "learned from it");
    if (!status) {
        shuffle_frames(frames, set.count, info->height * info->width, options->seed);
        set.frames = frames;
        set.validation_count = (ptrdiff_t)ceil((double)set.count * options->train.validation);
        set.validation_count -= set.validation_count == set.count; /* a single frame: none */
        status = atm_trainer_create(model, &options->train, &set, &trainer, err);
    }
    if (!status)
        status = train_loop(trainer, model, &options->train, checkpoint, sink, err);
    if (!status)
        status = atm_trainer_finish(trainer, err);
    if (!status)
        *learned = explained(info, &set, model);
    atm_trainer_destroy(&trainer);
    atm_mem_free(frames);
    return status;
}

/* Localizing needs the map from blocks to emitters. The PAPER kinds are looked at as they are, and
 * their blocks need not be spots (strokes, one block for a whole image). */
static enum atm_status calibrate(struct atm_model *model,
                                 const struct atm_calibrate_options *options,
                                 const struct atm_sink *sink, struct atm_err *err) {
    struct atm_err why = {0};
    enum atm_status status = atm_calibrate_model(model, options, model->cell ? err : &why);
    const struct atm_calibration *c = &model->calibration;
    if (status && !model->cell)
        atm_log(sink, ATM_LOG_WARNING, "%s; the model is kept without a map to emitters", why.text);
    if (status)
        return model->cell ? status : ATM_OK;
    atm_log(sink, ATM_LOG_INFO,
            "calibrated on %td rendered atoms: sigma %.3f px, map of degree %d, position residual "
            "%.3f px rms, amplitude residual %.1f %%",
            c->samples, c->sigma_px, c->degree, c->position_rms_px, 100 * c->mass_rms);
    return ATM_OK;
}

/* ---- Restarts ---- */

static double held_out(const struct atm_model *model) {
    return model->curve_count ? model->curve[model->curve_count - 1].validation : INFINITY;
}

/* Of two models the one that explains held-out frames better stays in *model, the other goes. */
static void keep_better(struct atm_model **model, struct atm_model **best) {
    if (*best && held_out(*best) <= held_out(*model)) {
        struct atm_model *other = *model;
        *model = *best, *best = other;
    }
    atm_model_destroy(best);
}

/* A file beside the checkpoint keeps the best so far, so that a training that was killed continues
 * to the same bytes; NULL where there is no checkpoint. */
static enum atm_status load_best(const char *path, struct atm_model **best, struct atm_err *err) {
    return path && access(path, F_OK) == 0 ? atm_model_load(path, best, err) : ATM_OK;
}

/* Once more with the next seed, while less than half is explained. */
static enum atm_status train_again(struct atm_source *source,
                                   const struct atm_learn_options *options, const char *checkpoint,
                                   const char *best_path, const struct atm_sink *sink,
                                   struct atm_model **model, struct atm_err *err) {
    static const double ENOUGH = 0.5;
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_model *best = NULL;
    int64_t done = (int64_t)((*model)->seed - options->seed);
    double learned = NAN;
    enum atm_status status = done > 0 ? load_best(best_path, &best, err) : ATM_OK;
    if (!status)
        status = train(source, *model, options, checkpoint, sink, &learned, err);
    if (!status && isfinite(learned))
        atm_log(sink, ATM_LOG_INFO,
                "the network explains %.0f %% of what is beyond noise in the held-out frames",
                100 * learned);
    for (; !status && learned < ENOUGH && done < options->train.restarts; done++) {
        atm_log(sink, ATM_LOG_INFO, "training again with other random numbers (%lld of %lld)",
                (long long)done + 1, (long long)options->train.restarts);
        keep_better(model, &best);
        best = *model, *model = NULL;
        if (best_path)
            status = atm_model_save(best, best_path, false, err);
        if (!status)
            status = new_model(info, options, options->seed + (uint64_t)done + 1, best->provenance,
                               sink, model, err);
        if (!status)
            status = train(source, *model, options, checkpoint, sink, &learned, err);
    }
    if (!status)
        keep_better(model, &best);
    atm_model_destroy(&best);
    return status;
}

static char *path_of_best(const char *checkpoint) {
    char *path = NULL;
    return asprintf(&path, "%s.best", checkpoint) < 0 ? NULL : path;
}

void atm_learn_forget(const char *checkpoint) {
    char *best = path_of_best(checkpoint);
    unlink(checkpoint); /* first: without it the best is not looked for */
    if (best)
        unlink(best);
    free(best);
}

enum atm_status atm_learn_movie(struct atm_source *source, const struct atm_learn_options *options,
                                const char *checkpoint, const char *provenance,
                                const struct atm_sink *sink, struct atm_model **model,
                                struct atm_err *err) {
    char *best_path = NULL;
    *model = NULL;
    enum atm_status status = start_model(source, options, checkpoint, provenance, sink, model, err);
    if (!status && checkpoint && !(best_path = path_of_best(checkpoint)))
        status = atm_err_memory(err, "a file name");
    if (!status)
        status = train_again(source, options, checkpoint, best_path, sink, model, err);
    free(best_path);
    if (!status)
        status = calibrate(*model, &options->calibrate, sink, err);
    if (!status && (*model)->calibration.done)
        status = atm_learn_seen(source, *model, err);
    if (status)
        atm_model_destroy(model);
    return status;
}
