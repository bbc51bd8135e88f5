#include "latent_refine.h"
#include "coder.h"
#include "mem.h"

#include <gsl/gsl_cblas.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

const struct atm_latent_refine_options atm_latent_refine_defaults = {10};

enum { BATCH = 16 }; /* images at a time: as many as the engine has lanes */

/* One batch of images. n = k * d0 unknowns an image. */
struct refinement {
    const struct atm_model *model;
    ptrdiff_t k, d, n, pixels;
    struct atm_plan *decoder; /* of BATCH * k single blocks, each an image of its own */
    float *probe;             /* (BATCH * k, d0): latents to render */
    float *step;              /* (d0): of the difference quotients */
    float *atoms;             /* (BATCH, k, pixels): g of the present latents */
    float *slope;             /* (BATCH, n, pixels): derivatives of g by each of the unknowns */
    float *residual;          /* (BATCH, pixels) */
    float *normal;            /* (BATCH, n, n) */
    float *right;             /* (BATCH, n) */
    float *trial;             /* (BATCH, n): latents tried */
    float *again;             /* (BATCH, n): latents of the second time */
    struct atm_coder *coder;  /* of a pursuit, else NULL: no second time */
    double error[BATCH], damping[BATCH];
    bool done[BATCH];
};

static enum atm_status create_sweep(const struct atm_model *model, struct refinement *r,
                                    struct atm_err *err) {
    struct atm_model_size size;
    enum atm_status status = atm_model_size(model, BATCH, model->height, model->width, &size, err);
    return status ? status : atm_coder_create(model, &size, ATM_CODER_ENCODE, &r->coder, err);
}

static enum atm_status create(const struct atm_model *model, struct refinement *r,
                              struct atm_err *err) {
    const ptrdiff_t k = model->blocks, d = model->latent, n = k * d;
    const ptrdiff_t pixels = model->height * model->width;
    *r = (struct refinement){.model = model, .k = k, .d = d, .n = n, .pixels = pixels};
    const struct atm_model_size one = {.images = BATCH * k,
                                       .height = model->height,
                                       .width = model->width,
                                       .grid_y = 1,
                                       .grid_x = 1,
                                       .per_cell = 1,
                                       .blocks = 1};
    struct atm_plan_size size = atm_coder_plan_size(model, &one, false);
    size.items = BATCH * k;
    size.height = size.width = 1;
    const size_t b = BATCH, un = (size_t)n, up = (size_t)pixels;
    r->probe = atm_mem_alloc(b * un, sizeof(float));
    r->step = atm_mem_alloc((size_t)d, sizeof(float));
    r->atoms = atm_mem_alloc(b * (size_t)k * up, sizeof(float));
    r->slope = atm_mem_alloc(b * un * up, sizeof(float));
    r->residual = atm_mem_alloc(b * up, sizeof(float));
    r->normal = atm_mem_alloc(b * un * un, sizeof(float));
    r->right = atm_mem_alloc(b * un, sizeof(float));
    r->trial = atm_mem_alloc(b * un, sizeof(float));
    r->again = atm_mem_alloc(b * un, sizeof(float));
    if (!r->probe || !r->step || !r->atoms || !r->slope || !r->residual || !r->normal ||
        !r->right || !r->trial || !r->again)
        return atm_err_memory(err, "refining latents");
    enum atm_status status = atm_plan_create(model->decoder, &size, &r->decoder, err);
    if (!status)
        atm_plan_load(r->decoder, model->params + atm_net_param_count(model->encoder));
    if (!status && model->options.encoder == ATM_ENCODER_PURSUIT)
        status = create_sweep(model, r, err);
    return status;
}

static void destroy(struct refinement *r) {
    atm_plan_destroy(&r->decoder);
    atm_mem_free(r->probe);
    atm_mem_free(r->step);
    atm_mem_free(r->atoms);
    atm_mem_free(r->slope);
    atm_mem_free(r->residual);
    atm_mem_free(r->normal);
    atm_mem_free(r->right);
    atm_mem_free(r->trial);
    atm_mem_free(r->again);
    atm_coder_destroy(&r->coder);
}

/* g is piecewise linear in z (LeakyReLUs): a hundredth of the coordinate's spread stays inside a
 * piece mostly, and is far above the rounding of floats. */
static void choose_steps(struct refinement *r, ptrdiff_t count, const float *latents) {
    for (ptrdiff_t j = 0; j < r->d; j++) {
        double sum = 0;
        for (ptrdiff_t b = 0; b < count; b++)
            sum += (double)latents[b * r->d + j] * (double)latents[b * r->d + j];
        r->step[j] = (float)fmax(0.01 * sqrt(sum / (double)count), 1e-6);
    }
}

/* residual = frame - sum of the atoms of these latents; errors |residual|^2. */
static void measure(struct refinement *r, ptrdiff_t images, const float *frames,
                    const float *latents, double error[BATCH]) {
    memcpy(r->probe, latents, (size_t)(images * r->n) * sizeof *latents);
    const float *atoms = atm_plan_forward(r->decoder, r->probe);
    memcpy(r->atoms, atoms, (size_t)(images * r->k * r->pixels) * sizeof *atoms);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < images; b++) {
        float *residual = r->residual + b * r->pixels;
        memcpy(residual, frames + b * r->pixels, (size_t)r->pixels * sizeof *residual);
        for (ptrdiff_t i = 0; i < r->k; i++)
            for (ptrdiff_t p = 0; p < r->pixels; p++)
                residual[p] -= r->atoms[(b * r->k + i) * r->pixels + p];
        error[b] = 0;
        for (ptrdiff_t p = 0; p < r->pixels; p++)
            error[b] += (double)residual[p] * (double)residual[p];
    }
}

static void differentiate(struct refinement *r, ptrdiff_t images, const float *latents) {
    const ptrdiff_t blocks = images * r->k;
    for (ptrdiff_t j = 0; j < r->d; j++) {
        memcpy(r->probe, latents, (size_t)(images * r->n) * sizeof *latents);
        for (ptrdiff_t i = 0; i < blocks; i++)
            r->probe[i * r->d + j] += r->step[j];
        const float *moved = atm_plan_forward(r->decoder, r->probe);
#pragma omp parallel for schedule(static)
        for (ptrdiff_t i = 0; i < blocks; i++)
            for (ptrdiff_t p = 0; p < r->pixels; p++)
                r->slope[(i * r->d + j) * r->pixels + p] =
                    (moved[i * r->pixels + p] - r->atoms[i * r->pixels + p]) / r->step[j];
    }
#pragma omp parallel for schedule(static)
    for (ptrdiff_t b = 0; b < images; b++) {
        const int n = (int)r->n, pixels = (int)r->pixels;
        const float *slope = r->slope + b * r->n * r->pixels;
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, n, pixels, 1, slope, pixels, 0,
                    r->normal + b * r->n * r->n, n);
        cblas_sgemv(CblasRowMajor, CblasNoTrans, n, pixels, 1, slope, pixels,
                    r->residual + b * r->pixels, 1, 0, r->right + b * r->n, 1);
    }
}

/* trial = latents + the damped Gauss-Newton step of an image. The damping relative to the mean of
 * the diagonal holds blocks still that nothing depends on. */
static enum atm_status propose(const struct refinement *r, ptrdiff_t b, const float *latents,
                               struct atm_err *err) {
    const size_t n = (size_t)r->n;
    gsl_matrix *a = gsl_matrix_alloc(n, n);
    gsl_vector *x = gsl_vector_alloc(n);
    double mean = 0;
    for (size_t i = 0; a && x && i < n; i++)
        mean += (double)r->normal[((size_t)b * n + i) * n + i] / (double)n;
    for (size_t i = 0; a && x && i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            gsl_matrix_set(a, i, j, (double)r->normal[((size_t)b * n + i) * n + j]);
        const double own = gsl_matrix_get(a, i, i);
        gsl_matrix_set(a, i, i, own + r->damping[b] * (own + 1e-3 * mean) + 1e-6 * mean + 1e-30);
        gsl_vector_set(x, i, (double)r->right[(size_t)b * n + i]);
    }
    const bool solved = a && x && !gsl_linalg_cholesky_decomp1(a) && !gsl_linalg_cholesky_svx(a, x);
    for (size_t i = 0; a && x && i < n; i++) {
        const double step = solved ? gsl_vector_get(x, i) : 0;
        r->trial[(size_t)b * n + i] = latents[(size_t)b * n + i] + (float)step;
    }
    const bool memory = a && x;
    gsl_matrix_free(a);
    gsl_vector_free(x);
    return memory ? ATM_OK : atm_err_memory(err, "refining latents");
}

/* Keep what improved; others try a shorter step next time. */
static void judge(struct refinement *r, ptrdiff_t images, const double error[BATCH],
                  float *latents) {
    for (ptrdiff_t b = 0; b < images; b++) {
        if (r->done[b])
            continue;
        if (error[b] < r->error[b]) {
            r->done[b] = r->error[b] - error[b] < 1e-6 * r->error[b];
            r->error[b] = error[b];
            r->damping[b] *= 0.2;
            memcpy(latents + b * r->n, r->trial + b * r->n, (size_t)r->n * sizeof *latents);
        } else {
            r->damping[b] *= 8;
            r->done[b] = r->damping[b] > 1e4;
        }
    }
}

static enum atm_status refine_batch(struct refinement *r, int64_t iterations, ptrdiff_t images,
                                    const float *frames, float *latents, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    measure(r, images, frames, latents, r->error);
    for (ptrdiff_t b = 0; b < BATCH; b++)
        r->damping[b] = 0.1, r->done[b] = false;
    for (int64_t i = 0; !status && i < iterations; i++) {
        double error[BATCH];
        measure(r, images, frames, latents, error);
        differentiate(r, images, latents);
        for (ptrdiff_t b = 0; !status && b < images; b++)
            status = propose(r, b, latents, err);
        if (status)
            return status;
        measure(r, images, frames, r->trial, error);
        judge(r, images, error, latents);
    }
    return status;
}

/* Of a pursuit, after refine_batch on the same images and latents. */
static enum atm_status refine_again(struct refinement *r, int64_t iterations, ptrdiff_t images,
                                    const float *frames, float *latents, struct atm_err *err) {
    double first[BATCH];
    memcpy(first, r->error, sizeof first);
    memcpy(r->again, latents, (size_t)(images * r->n) * sizeof *latents);
    atm_pursuit_sweep(r->coder->pursuit, images, frames, r->again);
    enum atm_status status = refine_batch(r, iterations, images, frames, r->again, err);
    for (ptrdiff_t b = 0; !status && b < images; b++)
        if (r->error[b] < first[b])
            memcpy(latents + b * r->n, r->again + b * r->n, (size_t)r->n * sizeof *latents);
    return status;
}

enum atm_status atm_refine_latents(const struct atm_model *model,
                                   const struct atm_latent_refine_options *options,
                                   ptrdiff_t images, const float *frames, float *latents,
                                   struct atm_err *err) {
    if (model->options.aggregation == ATM_AGGREGATION_MAX)
        return atm_err_set(err, ATM_FAIL,
                           "latents are refined for the sum of the blocks, and this model's images "
                           "are the largest of them");
    if (model->cell)
        return atm_err_set(err, ATM_USAGE,
                           "latents are refined through g for the paper_* kinds only; `atomloc "
                           "localize` refines those of the convolutional kind");
    struct refinement r;
    enum atm_status status = create(model, &r, err);
    if (!status)
        choose_steps(&r, images * r.k, latents);
    for (ptrdiff_t i = 0; !status && i < images; i += BATCH) {
        const ptrdiff_t n = images - i < BATCH ? images - i : BATCH;
        const float *part = frames + i * r.pixels;
        float *codes = latents + i * r.n;
        status = refine_batch(&r, options->iterations, n, part, codes, err);
        if (!status && r.coder)
            status = refine_again(&r, options->iterations, n, part, codes, err);
    }
    destroy(&r);
    return status;
}
