#include "tune.h"
#include "fluctuation.h"
#include "frame_sample.h"
#include "mem.h"
#include "noise_model.h"

#include <math.h>

enum { MAX_FRAMES = 32, ROUNDS = 2 };

enum atm_status atm_tune_camera(const struct atm_source_info *info, int likelihood,
                                struct atm_tuning *tuning, const struct atm_sink *sink,
                                struct atm_err *err) {
    const struct atm_noise_model *model =
        atm_noise_resolve(likelihood, &info->camera, info->variance != NULL);
    bool measured = likelihood == ATM_NOISE_AUTO || likelihood == ATM_NOISE_LEAST_SQUARES;
    if (!info->photons && !measured)
        return atm_err_set(err, ATM_FAIL, "refine.likelihood = %s needs camera.gain", model->name);
    tuning->noise = info->photons ? atm_noise_of(model, &info->camera) : info->noise;
    tuning->saturation = info->saturation;
    tuning->sink = sink;
    if (info->variance && model->by_pixel) /* instead of its mean */
        tuning->variance = info->variance, tuning->noise.floor = 0;
    atm_log(sink, ATM_LOG_INFO, "likelihood: %s%s",
            info->photons || likelihood ? model->name : "poisson",
            info->photons ? "" : ", of the noise that the movie shows");
    return ATM_OK;
}

enum atm_status atm_tune_create_refine(const struct atm_source_info *info,
                                       const struct atm_refine_options *options,
                                       const struct atm_tuning *tuning, struct atm_refine **refine,
                                       struct atm_err *err) {
    enum atm_status status = atm_refine_create(options, info->height, info->width, refine, err);
    if (!status && tuning->psf)
        status = atm_refine_set_psf(*refine, tuning->psf, err);
    return status;
}

/* ---- How bright emitters are that cannot be told apart ---- */

enum { FLUCTUATION_FRAMES = 256, FLUCTUATION_PIXELS = 8000000 };
static const double FLUCTUATION_ERROR = 0.15; /* relative; beyond it says nothing */

/* From frames all over the movie; NAN where they say too little. */
static enum atm_status measure_fluctuation(struct atm_source *source, double sigma_px,
                                           double *brightness, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_frame_sample f = {0};
    struct atm_fluctuation result;
    const ptrdiff_t most = FLUCTUATION_PIXELS / (info->height * info->width);
    *brightness = NAN;
    if (most < ATM_FLUCTUATION_FRAMES)
        return ATM_OK;
    enum atm_status status = atm_frame_sample_spread(
        source, NULL, most < FLUCTUATION_FRAMES ? most : FLUCTUATION_FRAMES, &f, err);
    if (!status)
        status = atm_fluctuation_measure(f.image, f.count, info->height, info->width, sigma_px,
                                         &result, err);
    if (!status && result.error < FLUCTUATION_ERROR * result.brightness)
        *brightness = result.brightness;
    atm_frame_sample_free(&f);
    return status;
}

/* Where most emitters overlap, what is found may be blends, whose number and brightness then fit
 * each other: the fluctuations are believed when they tell of emitters this much dimmer. */
static const double BLENDED = 1.5;

static enum atm_status learn_population(struct atm_source *source, struct atm_refine *refine,
                                        const struct atm_frame_sample *f, struct atm_tuning *tuning,
                                        struct atm_err *err) {
    struct atm_refine_population *found = &tuning->population;
    double brightness;
    enum atm_status status =
        atm_refine_estimate_population(refine, f->inputs, f->count, NAN, found, err);
    if (status || !(found->log_sd > 0) || !found->crowded)
        return status;
    status = measure_fluctuation(source, tuning->sigma_px, &brightness, err);
    const double own = exp(found->log_mean + 2.5 * found->log_sd * found->log_sd);
    if (!status && own > BLENDED * brightness)
        status =
            atm_refine_estimate_population(refine, f->inputs, f->count, brightness, found, err);
    return status;
}

/* ---- Where emitters are ---- */

/* Emitters that the mean density counts for before any is seen at a place: few frames, or few
 * emitters, say next to nothing. */
static const double PRIOR_EMITTERS = 8;

void atm_tune_free(struct atm_tuning *tuning) {
    atm_mem_free(tuning->where);
    tuning->where = NULL;
    tuning->population.where = NULL;
}

/* exp(-d^2 / (2 sigma^2)), cut where smear cuts it. */
static double bell(double d, double sigma_px) { return exp(-d * d / (2 * sigma_px * sigma_px)); }

/* Adds a bell about each emitter. */
static void smear(const struct atm_table *table, double sigma_px, ptrdiff_t height, ptrdiff_t width,
                  float *sum) {
    const ptrdiff_t reach = (ptrdiff_t)ceil(3 * sigma_px);
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        const ptrdiff_t x = (ptrdiff_t)lround(row->x), y = (ptrdiff_t)lround(row->y);
        for (ptrdiff_t v = y - reach; v <= y + reach; v++)
            for (ptrdiff_t u = x - reach; u <= x + reach; u++)
                if (u >= 0 && v >= 0 && u < width && v < height)
                    sum[v * width + u] += (float)(bell((double)u - row->x, sigma_px) *
                                                  bell((double)v - row->y, sigma_px));
    }
}

/* What one emitter on every pixel would add up to at a place along an axis: less at the rim. */
static double evenly(ptrdiff_t at, ptrdiff_t length, double sigma_px) {
    const ptrdiff_t reach = (ptrdiff_t)ceil(3 * sigma_px);
    double sum = 0;
    for (ptrdiff_t i = at - reach; i <= at + reach; i++)
        sum += i >= 0 && i < length ? bell((double)(i - at), sigma_px) : 0;
    return sum;
}

/* Emitters sit on structures: the density at every pixel, over its mean, from those of all frames
 * of the sample within about a PSF. */
static enum atm_status map_where(struct atm_refine *refine, const struct atm_source_info *info,
                                 const struct atm_frame_sample *f, struct atm_tuning *tuning,
                                 struct atm_err *err) {
    const ptrdiff_t pixels = info->height * info->width;
    struct atm_table found;
    if (!(tuning->population.log_sd > 0))
        return ATM_OK;
    tuning->where = atm_mem_alloc((size_t)pixels, sizeof *tuning->where);
    if (!tuning->where)
        return atm_err_memory(err, "a map of densities");
    enum atm_status status = ATM_OK;
    atm_table_init(&found);
    for (ptrdiff_t t = 0; !status && t < f->count; t++)
        status = atm_refine_frame(refine, &f->inputs[t], &found, err);
    smear(&found, tuning->sigma_px, info->height, info->width, tuning->where);
    const double per_pixel = (double)found.count / (double)pixels;
    for (ptrdiff_t y = 0; y < info->height; y++) {
        const double row = per_pixel * evenly(y, info->height, tuning->sigma_px);
        for (ptrdiff_t x = 0; x < info->width; x++) {
            const double expected = row * evenly(x, info->width, tuning->sigma_px);
            float *where = &tuning->where[y * info->width + x];
            /* a bell's light over its mean square: emitters in the area that a place hears of */
            *where =
                (float)((2 * (double)*where + PRIOR_EMITTERS) / (2 * expected + PRIOR_EMITTERS));
        }
    }
    tuning->population.where = tuning->where;
    atm_table_free(&found);
    return status;
}

/* ---- All of it ---- */

enum atm_status atm_tune_refinement(struct atm_source *source, struct atm_seeder *seeder,
                                    const struct atm_refine_options *options,
                                    struct atm_tuning *tuning, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_frame_sample f = {0};
    struct atm_refine *refine = NULL;
    atm_tune_free(tuning);
    enum atm_status status = atm_frame_sample_spread(source, seeder, MAX_FRAMES, &f, err);
    if (!status)
        status = atm_tune_create_refine(info, options, tuning, &refine, err);
    if (!status)
        atm_refine_set_sink(refine, tuning->sink);
    const int rounds =
        info->photons ? 1 : ROUNDS; /* an unknown camera's noise and sigma, in turn */
    for (int round = 0; !status && round < rounds; round++) {
        atm_frame_sample_tell(&f, tuning);
        if (isnan(options->sigma_px))
            status = atm_refine_estimate_sigma(refine, f.inputs, f.count, &tuning->sigma_px, err);
        atm_frame_sample_tell(&f, tuning);
        if (!status && !info->photons)
            status = atm_tune_noise_of(refine, &f, &tuning->noise, err);
    }
    if (!status) {
        atm_frame_sample_tell(&f, tuning);
        status = learn_population(source, refine, &f, tuning, err);
    }
    if (!status) {
        atm_frame_sample_tell(&f, tuning);
        status = map_where(refine, info, &f, tuning, err);
    }
    /* what was fitted without knowing how bright emitters are may have followed the noise */
    if (!status && !info->photons && tuning->population.log_sd > 0) {
        atm_frame_sample_tell(&f, tuning);
        status = atm_tune_noise_of(refine, &f, &tuning->noise, err);
    }
    atm_refine_destroy(&refine);
    atm_frame_sample_free(&f);
    return status;
}
