#include "stroke_test.h"

#include "latent_refine.h"
#include "mem.h"
#include "pca.h"
#include "stroke_measure.h"

#include <math.h>
#include <string.h>

/* Interpolations: between so many pairs of neighbouring images, of so many steps with both ends. */
enum { INTERPOLATIONS = 32, STEPS = 10 };

void atm_stroke_test_free(struct atm_stroke_test *test) {
    atm_mem_free(test->pairs);
    atm_mem_free(test->z);
}

/* Images of a movie, normalised as the network sees them, a chunk at a time. */
struct reader {
    struct atm_source *source;
    double scale;
    float *frames; /* (2 * ATM_SOURCE_CHUNK, pixels) */
};

static enum atm_status reader_init(struct reader *r, struct atm_source *source, double scale,
                                   struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    *r = (struct reader){source, scale, NULL};
    r->frames = atm_mem_alloc((size_t)(2 * ATM_SOURCE_CHUNK * info->height * info->width),
                              sizeof *r->frames);
    return r->frames ? ATM_OK : atm_err_memory(err, "the test images");
}

static enum atm_status read_chunk(struct reader *r, ptrdiff_t chunk, ptrdiff_t *count,
                                  struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(r->source);
    const ptrdiff_t pixels = info->height * info->width;
    float *background = r->frames + ATM_SOURCE_CHUNK * pixels;
    enum atm_status status = atm_source_read(r->source, chunk, r->frames, background, count, err);
    for (ptrdiff_t i = 0; !status && i < *count * pixels; i++)
        r->frames[i] = (float)((double)(r->frames[i] - background[i]) / r->scale);
    return status;
}

/* ---- Baselines ---- */

static enum atm_status fit_baseline(struct atm_stroke_test *test, struct atm_source *source,
                                    struct atm_pca **pca, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    const ptrdiff_t pixels = test->height * test->width;
    const ptrdiff_t count = info->frames < ATM_BASELINE_MOST ? info->frames : ATM_BASELINE_MOST;
    struct reader reader = {0};
    float *images = NULL;
    if (info->height != test->height || info->width != test->width)
        return atm_err_set(err, ATM_FAIL,
                           "eval.baseline has images of %td x %td px, the test images have "
                           "%td x %td",
                           info->width, info->height, test->width, test->height);
    enum atm_status status = reader_init(&reader, source, test->model->image_scale, err);
    if (!status && !(images = atm_mem_alloc((size_t)(count * pixels), sizeof *images)))
        status = atm_err_memory(err, "the baseline");
    for (ptrdiff_t chunk = 0, got = 0; !status && chunk * ATM_SOURCE_CHUNK < count; chunk++) {
        const ptrdiff_t left = count - chunk * ATM_SOURCE_CHUNK;
        status = read_chunk(&reader, chunk, &got, err);
        if (!status)
            memcpy(images + chunk * ATM_SOURCE_CHUNK * pixels, reader.frames,
                   (size_t)((got < left ? got : left) * pixels) * sizeof *images);
    }
    if (!status)
        status =
            atm_pca_fit(images, count, pixels, test->model->blocks * test->model->latent, pca, err);
    test->baseline_images = count;
    test->components = status ? 0 : atm_pca_components(*pca);
    atm_mem_free(images);
    atm_mem_free(reader.frames);
    return status;
}

/* ---- Image by image ---- */

struct pass {
    struct atm_stroke_test *test;
    const struct atm_stroke_images *images;
    struct atm_stroke_bench bench;
    struct reader reader;
    struct atm_pca *pca;
    ptrdiff_t count, refined; /* images */
    float *ends;              /* (INTERPOLATIONS + 1, blocks, d0): of the first images */
};

static void add_baseline(struct pass *pass, ptrdiff_t count, const float *frames) {
    double mean[ATM_SOURCE_CHUNK], all[ATM_SOURCE_CHUNK];
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < count; i++)
        atm_pca_errors(pass->pca, frames + i * pass->bench.pixels, &mean[i], &all[i]);
    for (ptrdiff_t i = 0; i < count; i++)
        pass->test->mean_loss += mean[i], pass->test->pca_loss += all[i];
}

/* Latents are in the bench. */
static enum atm_status do_kind(struct pass *pass, enum atm_stroke_kind kind, ptrdiff_t first,
                               ptrdiff_t count, const float *frames, struct atm_err *err) {
    struct atm_stroke_bench *bench = &pass->bench;
    const struct atm_stroke_batch batch = {
        .count = count,
        .frames = frames,
        .latents = bench->latents,
        .truth = pass->images->strokes ? pass->images : NULL,
        .first_frame = atm_source_info(pass->images->source)->first_frame + first,
        .keep = kind == ATM_STROKES_RAW};
    enum atm_status status = atm_stroke_bench_decode(bench, count, bench->latents, err);
    return status ? status : atm_stroke_bench_measure(bench, &batch, &pass->test->sums[kind], err);
}

static enum atm_status do_step(struct pass *pass, ptrdiff_t first, ptrdiff_t count,
                               const float *frames, struct atm_err *err) {
    struct atm_stroke_bench *bench = &pass->bench;
    const ptrdiff_t code = bench->blocks * bench->model->latent;
    atm_stroke_bench_encode(bench, count, frames);
    for (ptrdiff_t i = 0; i < count && first + i <= INTERPOLATIONS; i++)
        memcpy(pass->ends + (first + i) * code, bench->latents + i * code,
               (size_t)code * sizeof *pass->ends);
    enum atm_status status = do_kind(pass, ATM_STROKES_RAW, first, count, frames, err);
    if (!status && pass->pca)
        add_baseline(pass, count, frames);
    const ptrdiff_t left = pass->refined - first, some = left < count ? left : count;
    if (status || some <= 0)
        return status;
    status = atm_refine_latents(bench->model, &atm_latent_refine_defaults, some, frames,
                                bench->latents, err);
    return status ? status : do_kind(pass, ATM_STROKES_REFINED, first, some, frames, err);
}

static enum atm_status go_through(struct pass *pass, const struct atm_sink *sink,
                                  struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (ptrdiff_t chunk = 0; !status && chunk * ATM_SOURCE_CHUNK < pass->count; chunk++) {
        ptrdiff_t first = chunk * ATM_SOURCE_CHUNK, got = 0, left = pass->count - first;
        if (atm_log_stopped(sink))
            return atm_err_set(err, ATM_STOPPED, "nothing was written");
        status = read_chunk(&pass->reader, chunk, &got, err);
        got = got < left ? got : left;
        for (ptrdiff_t i = 0; !status && i < got; i += ATM_STROKE_STEP)
            status = do_step(pass, first + i, got - i < ATM_STROKE_STEP ? got - i : ATM_STROKE_STEP,
                             pass->reader.frames + i * pass->bench.pixels, err);
        atm_log_progress(sink, "test images", first + got, pass->count, "%s", "");
    }
    return status;
}

/* ---- Between images ---- */

/* The images between two, block by block, are encoded and decoded again. */
static enum atm_status interpolate(struct pass *pass, ptrdiff_t pair, float *images,
                                   struct atm_err *err) {
    enum { INNER = STEPS - 2 };
    struct atm_stroke_bench *bench = &pass->bench;
    struct atm_stroke_sums *sums = &pass->test->interpolated, again = {0};
    const ptrdiff_t code = bench->blocks * bench->model->latent;
    const float *from = pass->ends + pair * code, *to = from + code;
    for (ptrdiff_t i = 0; i < INNER * code; i++) {
        const float t = (float)(i / code + 1) / (STEPS - 1);
        bench->latents[i] = (1 - t) * from[i % code] + t * to[i % code];
    }
    struct atm_stroke_batch batch = {.count = INNER};
    enum atm_status status = atm_stroke_bench_decode(bench, INNER, bench->latents, err);
    if (!status)
        status = atm_stroke_bench_measure(bench, &batch, sums, err);
    if (status)
        return status;
    memcpy(images, bench->output, (size_t)(INNER * bench->pixels) * sizeof *images);
    atm_stroke_bench_encode(bench, INNER, images);
    batch.frames = images;
    status = atm_stroke_bench_decode(bench, INNER, bench->latents, err);
    if (!status)
        status = atm_stroke_bench_measure(bench, &batch, &again, err);
    sums->loss += again.loss;
    return status;
}

static enum atm_status interpolate_all(struct pass *pass, struct atm_err *err) {
    float *images = atm_mem_alloc((size_t)(STEPS * pass->bench.pixels), sizeof *images);
    enum atm_status status = images ? ATM_OK : atm_err_memory(err, "interpolated images");
    for (ptrdiff_t i = 0; !status && i < INTERPOLATIONS && i + 1 < pass->count; i++)
        status = interpolate(pass, i, images, err);
    atm_mem_free(images);
    return status;
}

/* ---- Start ---- */

static enum atm_status start(struct pass *pass, const struct atm_eval_options *options,
                             struct atm_err *err) {
    struct atm_stroke_test *test = pass->test;
    const struct atm_stroke_images *images = pass->images;
    const struct atm_source_info *info = atm_source_info(images->source);
    const ptrdiff_t wanted = (ptrdiff_t)options->images, some = (ptrdiff_t)options->refined_images;
    pass->count = wanted && wanted < info->frames ? wanted : info->frames;
    const bool max = test->model->options.aggregation == ATM_AGGREGATION_MAX;
    pass->refined = max ? 0 : some < pass->count ? some : pass->count;
    pass->ends =
        atm_mem_alloc((size_t)((INTERPOLATIONS + 1) * test->model->blocks * test->model->latent),
                      sizeof *pass->ends);
    if (!pass->ends)
        return atm_err_memory(err, "the test images");
    enum atm_status status = atm_stroke_bench_init(&pass->bench, test, err);
    if (!status)
        status = reader_init(&pass->reader, images->source, test->model->image_scale, err);
    test->own_baseline = !images->baseline;
    return status ? status
                  : fit_baseline(test, images->baseline ? images->baseline : images->source,
                                 &pass->pca, err);
}

enum atm_status atm_stroke_test_run(struct atm_stroke_test *test, const struct atm_model *model,
                                    const struct atm_stroke_images *images,
                                    const struct atm_eval_options *options,
                                    const struct atm_sink *sink, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(images->source);
    struct pass pass = {.test = test, .images = images};
    test->model = model;
    test->active = options->active;
    test->height = info->height;
    test->width = info->width;
    test->r2 = NAN;
    enum atm_status status = start(&pass, options, err);
    if (!status)
        status = go_through(&pass, sink, err);
    if (!status)
        status = interpolate_all(&pass, err);
    for (ptrdiff_t i = 0; i < test->pair_count; i++)
        test->pairs[i].z = test->z + i * model->latent;
    if (!status && images->strokes)
        status =
            atm_stroke_smoothness(test->pairs, test->pair_count, model->latent, &test->r2, err);
    atm_stroke_bench_free(&pass.bench);
    atm_pca_destroy(&pass.pca);
    atm_mem_free(pass.reader.frames);
    atm_mem_free(pass.ends);
    return status;
}
