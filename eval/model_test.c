#include "model_test.h"

#include "latent_refine.h"
#include "mem.h"
#include <math.h>
#include <string.h>

void atm_model_test_free(struct atm_model_test *test) {
    atm_spikes_free(&test->spikes);
    atm_block_set_free(&test->raw);
    atm_block_set_free(&test->refined);
    atm_blocks_free(&test->peaks);
}

/* ---- Image by image ---- */

/* Buffers of one chunk of images. */
struct pass {
    struct atm_model_test *test;
    struct atm_source *source;
    struct atm_coder *coder;
    ptrdiff_t refined_images;
    float *frames, *background; /* (ATM_SOURCE_CHUNK, H, W) */
    float *refined;             /* (ATM_SOURCE_CHUNK * blocks, d0) */
    struct atm_block peaks[ATM_PEAKS_MOST];
};

static enum atm_status add_peaks(struct pass *pass, ptrdiff_t count, struct atm_err *err) {
    struct atm_model_test *test = pass->test;
    const struct atm_source_info *info = atm_source_info(pass->source);
    const struct atm_peak_options options = atm_peak_defaults(test->width_px);
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; !status && i < count; i++) {
        ptrdiff_t found =
            atm_peaks_find(pass->frames + i * info->height * info->width, info->height, info->width,
                           &options, pass->peaks, ATM_PEAKS_MOST);
        status = atm_blocks_append(&test->peaks, pass->peaks, found, err);
    }
    return status;
}

/* Those images of a chunk that are also refined. */
static enum atm_status add_refined(struct pass *pass, ptrdiff_t count, const float *latents,
                                   struct atm_err *err) {
    struct atm_block_set *set = &pass->test->refined;
    ptrdiff_t left = pass->refined_images - set->blocks.images, n = count < left ? count : left;
    if (n <= 0)
        return ATM_OK;
    memcpy(pass->refined, latents,
           (size_t)(n * set->size.blocks * set->model->latent) * sizeof *latents);
    enum atm_status status = atm_refine_latents(set->model, &atm_latent_refine_defaults, n,
                                                pass->frames, pass->refined, err);
    return status ? status : atm_block_set_add(set, n, pass->frames, pass->refined, err);
}

static enum atm_status do_chunk(struct pass *pass, ptrdiff_t chunk, struct atm_err *err) {
    struct atm_model_test *test = pass->test;
    const struct atm_source_info *info = atm_source_info(pass->source);
    ptrdiff_t left = test->spikes.images - chunk * ATM_SOURCE_CHUNK, count;
    enum atm_status status =
        atm_source_read(pass->source, chunk, pass->frames, pass->background, &count, err);
    if (status)
        return status;
    count = count < left ? count : left;
    double scale = test->model->image_scale;
    for (ptrdiff_t i = 0; i < count * info->height * info->width; i++)
        pass->frames[i] = (float)((double)(pass->frames[i] - pass->background[i]) / scale);
    const float *latents = atm_coder_encode(pass->coder, pass->frames);
    status = atm_block_set_add(&test->raw, count, pass->frames, latents, err);
    if (!status)
        status = add_refined(pass, count, latents, err);
    return status ? status : add_peaks(pass, count, err);
}

static enum atm_status go_through(struct pass *pass, const struct atm_sink *sink,
                                  struct atm_err *err) {
    ptrdiff_t images = pass->test->spikes.images;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t chunk = 0; !status && chunk * ATM_SOURCE_CHUNK < images; chunk++) {
        if (atm_log_stopped(sink))
            return atm_err_set(err, ATM_STOPPED, "nothing was written");
        status = do_chunk(pass, chunk, err);
        atm_log_progress(sink, "test images", pass->test->raw.blocks.images, images, "%s", "");
    }
    return status;
}

static enum atm_status make_set(const struct atm_model_test *test,
                                const struct atm_model_size *size, ptrdiff_t images,
                                struct atm_block_set *set, struct atm_err *err) {
    set->active = test->options.active;
    set->sigma_px = test->width_px;
    return atm_block_set_init(set, test->model, size, images, err);
}

static enum atm_status make_sets(struct pass *pass, struct atm_err *err) {
    struct atm_model_test *test = pass->test;
    const struct atm_source_info *info = atm_source_info(pass->source);
    struct atm_model_size size;
    enum atm_status status =
        atm_model_size(test->model, ATM_SOURCE_CHUNK, info->height, info->width, &size, err);
    if (!status)
        status = atm_coder_create(test->model, &size, ATM_CODER_ENCODE, &pass->coder, err);
    ptrdiff_t images = test->spikes.images, wanted = (ptrdiff_t)test->options.refined_images;
    /* Blocks on a grid of cells have no refinement of their own, and it is one for sums. */
    const bool refines =
        !test->model->cell && test->model->options.aggregation == ATM_AGGREGATION_SUM;
    pass->refined_images = !refines ? 0 : wanted < images ? wanted : images;
    if (!status)
        status = make_set(test, &size, images, &test->raw, err);
    if (!status && pass->refined_images)
        status = make_set(test, &size, pass->refined_images, &test->refined, err);
    if (status)
        return status;
    size_t values = (size_t)(ATM_SOURCE_CHUNK * info->height * info->width);
    size_t latents = (size_t)(ATM_SOURCE_CHUNK * size.blocks * test->model->latent);
    pass->frames = atm_mem_alloc(2 * values + latents, sizeof *pass->frames);
    if (!pass->frames)
        return atm_err_memory(err, "the test images");
    pass->background = pass->frames + values;
    pass->refined = pass->background + values;
    return ATM_OK;
}

/* ---- Start ---- */

static enum atm_status find_sigma(struct atm_model_test *test, const struct atm_test_images *images,
                                  struct atm_err *err) {
    test->sigma_px = isnan(test->options.sigma_px) ? images->sigma_px : test->options.sigma_px;
    test->sigma_known = !isnan(test->sigma_px);
    if (!test->sigma_known)
        test->sigma_px = test->model->calibration.done ? test->model->calibration.sigma_px : NAN;
    test->width_px = hypot(test->sigma_px, images->amplitude_is_mass ? sqrt(1.0 / 12) : 0);
    return test->sigma_px > 0
               ? ATM_OK
               : atm_err_set(err, ATM_FAIL,
                             "neither the stack nor the model says how wide a spike is: set "
                             "eval.sigma_px");
}

static enum atm_status find_spikes(struct atm_model_test *test,
                                   const struct atm_test_images *images, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(images->source);
    ptrdiff_t count = (ptrdiff_t)test->options.images;
    struct atm_spikes_cut cut = {
        .first_frame = info->first_frame,
        .images = count > 0 && count < info->frames ? count : info->frames,
        .scale = 1 / test->model->image_scale,
    };
    if (images->amplitude_is_mass)
        cut.scale /= 2 * M_PI * test->width_px * test->width_px;
    return atm_spikes_from_table(images->truth, &cut, &test->spikes, err);
}

enum atm_status atm_model_test_run(struct atm_model_test *test, const struct atm_model *model,
                                   const struct atm_test_images *images,
                                   const struct atm_eval_options *options,
                                   const struct atm_sink *sink, struct atm_err *err) {
    struct pass pass = {.test = test, .source = images->source};
    test->model = model;
    test->options = *options;
    test->seed = images->seed;
    enum atm_status status = find_sigma(test, images, err);
    if (!status)
        status = find_spikes(test, images, err);
    if (!status)
        status = make_sets(&pass, err);
    if (!status)
        status = go_through(&pass, sink, err);
    atm_coder_destroy(&pass.coder);
    atm_mem_free(pass.frames);
    return status;
}
