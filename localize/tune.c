#include "tune.h"
#include "frame_sample.h"
#include "mem.h"
#include "noise_model.h"

#include <gsl/gsl_fit.h>
#include <gsl/gsl_sort_float.h>
#include <math.h>
#include <string.h>

enum { MAX_FRAMES = 32, ROUNDS = 2, BINS = 16 };

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

/* ---- Noise ---- */

struct bin {
    double value, variance;
};

/* Robust variance of the residuals of one bin: (1.4826 median |r|)^2. Sorts the residuals' sizes.
 */
static double bin_variance(float *residual, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++)
        residual[i] = fabsf(residual[i]);
    gsl_sort_float(residual, 1, (size_t)n);
    double mad = 1.4826 * (double)residual[n / 2];
    return mad * mad;
}

/* Line through the bins, weighted by 1 / variance^2 (a sample variance scatters in proportion). */
static void fit_line(const struct bin *bins, struct atm_noise *noise) {
    double x[BINS], y[BINS], w[BINS], c0, c1, cov[3], chisq;
    for (int i = 0; i < BINS; i++) {
        if (!(bins[i].variance > 0))
            return;
        x[i] = bins[i].value, y[i] = bins[i].variance;
        w[i] = 1 / (bins[i].variance * bins[i].variance);
    }
    gsl_fit_wlinear(x, 1, w, 1, y, 1, BINS, &c0, &c1, &cov[0], &cov[1], &cov[2], &chisq);
    noise->gain = fmax(c1, 0);
    noise->zero = bins[0].value;
    noise->floor = c0 + c1 * bins[0].value;
    if (c1 < 0 || noise->floor <= 0)
        noise->floor = bins[0].variance;
}

enum atm_status atm_tune_noise(const float *residual, const float *model, ptrdiff_t count,
                               struct atm_noise *noise, struct atm_err *err) {
    if (count < BINS * 50)
        return ATM_OK;
    size_t *order = atm_mem_alloc((size_t)count, sizeof *order);
    float *values = atm_mem_alloc((size_t)count, sizeof *values);
    if (!order || !values) {
        atm_mem_free(order);
        atm_mem_free(values);
        return atm_err_memory(err, "the noise");
    }
    gsl_sort_float_index(order, model, 1, (size_t)count);
    struct bin bins[BINS];
    for (ptrdiff_t b = 0; b < BINS; b++) {
        ptrdiff_t begin = b * count / BINS, end = (b + 1) * count / BINS;
        double sum = 0;
        for (ptrdiff_t i = begin; i < end; i++) {
            values[i - begin] = residual[order[i]];
            sum += (double)model[order[i]];
        }
        bins[b].value = sum / (double)(end - begin);
        bins[b].variance = bin_variance(values, end - begin);
    }
    fit_line(bins, noise);
    atm_mem_free(order);
    atm_mem_free(values);
    return ATM_OK;
}

/* Refine the sample and measure its residuals. */
enum atm_status atm_tune_noise_of(struct atm_refine *refine, const struct atm_frame_sample *f,
                                  struct atm_noise *noise, struct atm_err *err) {
    size_t total = (size_t)(f->count * f->pixels);
    float *residual = atm_mem_alloc(total, 2 * sizeof *residual);
    if (!residual)
        return atm_err_memory(err, "the noise");
    float *model = residual + total;
    struct atm_table found;
    atm_table_init(&found);
    enum atm_status status = ATM_OK;
    for (ptrdiff_t t = 0; !status && t < f->count; t++) {
        status = atm_refine_frame(refine, &f->inputs[t], &found, err);
        const float *expected = atm_refine_model(refine);
        for (ptrdiff_t i = 0; !status && i < f->pixels; i++) {
            model[t * f->pixels + i] = expected[i];
            residual[t * f->pixels + i] = f->inputs[t].image[i] - expected[i];
        }
    }
    if (!status)
        status = atm_tune_noise(residual, model, (ptrdiff_t)total, noise, err);
    atm_table_free(&found);
    atm_mem_free(residual);
    return status;
}

/* ---- All of it ---- */

enum atm_status atm_tune_refinement(struct atm_source *source, struct atm_seeder *seeder,
                                    const struct atm_refine_options *options,
                                    struct atm_tuning *tuning, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    struct atm_frame_sample f = {0};
    struct atm_refine *refine = NULL;
    enum atm_status status = atm_frame_sample_spread(source, seeder, MAX_FRAMES, &f, err);
    if (!status)
        status = atm_tune_create_refine(info, options, tuning, &refine, err);
    for (int round = 0; !status && round < ROUNDS; round++) {
        atm_frame_sample_tell(&f, tuning);
        if (isnan(options->sigma_px))
            status = atm_refine_estimate_sigma(refine, f.inputs, f.count, &tuning->sigma_px, err);
        atm_frame_sample_tell(&f, tuning);
        if (!status && !info->photons)
            status = atm_tune_noise_of(refine, &f, &tuning->noise, err);
    }
    if (!status) {
        atm_frame_sample_tell(&f, tuning);
        status =
            atm_refine_estimate_population(refine, f.inputs, f.count, &tuning->population, err);
    }
    atm_refine_destroy(&refine);
    atm_frame_sample_free(&f);
    return status;
}
