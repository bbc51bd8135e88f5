/* The noise of an unknown camera, from what the fit leaves. */
#include "background.h"
#include "frame_sample.h"
#include "mem.h"
#include "rng.h"
#include "tune.h"

#include <gsl/gsl_fit.h>
#include <gsl/gsl_sort_float.h>
#include <math.h>

enum { BINS = 16 };
static const double MOST_LEVERAGE = 0.9;

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

enum atm_status atm_tune_noise(const struct atm_residuals *r, struct atm_noise *noise,
                               struct atm_err *err) {
    const ptrdiff_t count = r->count;
    if (count < BINS * 50)
        return ATM_OK;
    size_t *order = atm_mem_alloc((size_t)count, sizeof *order);
    float *values = atm_mem_alloc((size_t)count, sizeof *values);
    if (!order || !values) {
        atm_mem_free(order);
        atm_mem_free(values);
        return atm_err_memory(err, "the noise");
    }
    gsl_sort_float_index(order, r->model, 1, (size_t)count);
    struct bin bins[BINS];
    for (ptrdiff_t b = 0; b < BINS; b++) {
        ptrdiff_t begin = b * count / BINS, end = (b + 1) * count / BINS;
        const double n = (double)(end - begin);
        double sum = 0, taken = 0;
        for (ptrdiff_t i = begin; i < end; i++) {
            values[i - begin] = r->residual[order[i]];
            sum += (double)r->model[order[i]], taken += (double)r->leverage[order[i]];
        }
        bins[b].value = sum / n;
        bins[b].variance =
            bin_variance(values, end - begin) / (1 - fmin(fmax(taken / n, 0), MOST_LEVERAGE));
    }
    fit_line(bins, noise);
    atm_mem_free(order);
    atm_mem_free(values);
    return ATM_OK;
}

static const double SHAKE = 0.3; /* of the noise */

/* What the fit takes of a pixel's noise: by how much its expectation follows when the pixel moves.
 * All are moved at once, each up or down by chance, so that only averages over many mean something
 * (Ye 1998, doi:10.1080/01621459.1998.10474094; Ramani et al. 2008, doi:10.1109/TIP.2008.2001404).
 * The number of emitters stays. scratch: pixels. */
static enum atm_status measure_leverage(struct atm_refine *refine,
                                        const struct atm_refine_input *input,
                                        const struct atm_table *found, ptrdiff_t pixels,
                                        float *scratch, float *leverage, struct atm_err *err) {
    struct atm_refine_input again = *input;
    struct atm_rng rng;
    again.seeds = found->rows, again.seed_count = found->count;
    enum atm_status status = atm_refine_again(refine, &again, err);
    if (status)
        return status;
    const float *model = atm_refine_model(refine);
    atm_rng_init(&rng, 0, ATM_RNG_SHAKE, (uint64_t)input->frame);
    for (ptrdiff_t i = 0; i < pixels; i++) {
        const double variance =
            input->noise.gain * ((double)model[i] - input->noise.zero) + input->noise.floor;
        const double by = SHAKE * sqrt(variance > 0 ? variance : 1);
        scratch[i] = input->image[i] + (float)(atm_rng_uniform(&rng) < 0.5 ? -by : by);
        leverage[i] = -model[i] / (scratch[i] - input->image[i]); /* to be continued */
    }
    again.image = scratch;
    status = atm_refine_again(refine, &again, err);
    for (ptrdiff_t i = 0; i < pixels && !status; i++)
        leverage[i] += model[i] / (scratch[i] - input->image[i]);
    return status;
}

/* So many tell the variance of each bin to one per cent; frames beyond are skipped, evenly. */
enum { NOISE_PIXELS = 500000 };

enum atm_status atm_tune_noise_of(struct atm_refine *refine, const struct atm_frame_sample *f,
                                  struct atm_noise *noise, struct atm_err *err) {
    const ptrdiff_t most = (NOISE_PIXELS + f->pixels - 1) / f->pixels;
    const ptrdiff_t frames = f->count < most ? f->count : most, n = f->pixels;
    const size_t total = (size_t)(frames * n);
    float *residual = atm_mem_alloc(3 * total + (size_t)n, sizeof *residual);
    if (!residual)
        return atm_err_memory(err, "the noise");
    float *model = residual + total, *leverage = model + total, *scratch = leverage + total;
    struct atm_table found;
    atm_table_init(&found);
    ptrdiff_t done = 0;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t k = 0; !status && k < frames; k++) {
        const struct atm_refine_input *input = &f->inputs[k * f->count / frames];
        if (atm_frame_is_blank(input->image, n))
            continue;
        found.count = 0;
        status = atm_refine_frame(refine, input, &found, err);
        const float *expected = atm_refine_model(refine);
        for (ptrdiff_t i = 0; !status && i < n; i++) {
            model[done + i] = expected[i];
            residual[done + i] = input->image[i] - expected[i];
        }
        if (!status)
            status = measure_leverage(refine, input, &found, n, scratch, leverage + done, err);
        done += n;
    }
    if (!status)
        status =
            atm_tune_noise(&(struct atm_residuals){residual, model, leverage, done}, noise, err);
    atm_table_free(&found);
    atm_mem_free(residual);
    return status;
}
