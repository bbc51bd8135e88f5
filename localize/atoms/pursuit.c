#include "pursuit.h"
#include "coder.h"
#include "mem.h"

#include <string.h>

/* Of all blocks, each found again from what the others leave: the first ones were found in a crowd.
 * The second sweep still helps a little, more do not (configs/paper.md). */
enum { SWEEPS = 2 };

struct atm_pursuit {
    const struct atm_model *model; /* borrowed */
    struct atm_model_size size;
    bool training;
    ptrdiff_t pixels; /* of all images */
    ptrdiff_t count;  /* of plans: k in training, where every step keeps its tensors, else 1 */
    ptrdiff_t steps;  /* taken, at most k */
    struct atm_plan **encoder, **decoder;
    bool again;         /* training: find every block once more from what the others leave */
    float *residual;    /* (k + 1, B, H, W) in training, else (1, B, H, W): before each step */
    float *left;        /* training: (k, B, H, W): after each step of `again` */
    float *output;      /* (B, H, W) */
    float *latents;     /* (B, k, d0) */
    float *own;         /* (B, d0): of one block */
    float *coefficient; /* (k, B): by which the latent of a step, and so its atom, was multiplied */
    float *scale;       /* (B): the penalty's of one step */
    double *energy;     /* (B * k) */
    float *grad;        /* 2 * (B, H, W): of the residual, and of one atom */
    const float *images;
};

static enum atm_status create_plans(struct atm_pursuit *p, struct atm_err *err) {
    struct atm_model_size one = p->size;
    one.per_cell = one.blocks = 1;
    struct atm_plan_size size = atm_coder_plan_size(p->model, &one, p->training);
    struct atm_plan_size block = size;
    size.items = block.items = one.images;
    size.height = one.height, size.width = one.width;
    block.height = block.width = 1;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; !status && i < p->count; i++) {
        status = atm_plan_create(p->model->encoder, &size, &p->encoder[i], err);
        if (!status)
            status = atm_plan_create(p->model->decoder, &block, &p->decoder[i], err);
    }
    return status;
}

static enum atm_status allocate(struct atm_pursuit *p, struct atm_err *err) {
    const size_t images = (size_t)p->size.images, k = (size_t)p->size.blocks;
    const size_t pixels = (size_t)p->pixels, count = (size_t)p->count;
    p->encoder = atm_mem_alloc(count, sizeof(struct atm_plan *));
    p->decoder = atm_mem_alloc(count, sizeof(struct atm_plan *));
    p->residual = atm_mem_alloc((p->training ? k + 1 : 1) * pixels, sizeof *p->residual);
    p->left = atm_mem_alloc(p->training ? k * pixels : 1, sizeof *p->left);
    p->output = atm_mem_alloc(pixels, sizeof *p->output);
    p->latents = atm_mem_alloc(images * k * (size_t)p->model->latent, sizeof *p->latents);
    p->own = atm_mem_alloc(images * (size_t)p->model->latent, sizeof *p->own);
    p->energy = atm_mem_alloc(images * k, sizeof *p->energy);
    p->coefficient = atm_mem_alloc(images * k, sizeof *p->coefficient);
    p->scale = atm_mem_alloc(images, sizeof *p->scale);
    p->grad = atm_mem_alloc(p->training ? 2 * pixels : 1, sizeof *p->grad);
    return p->encoder && p->decoder && p->residual && p->left && p->output && p->latents &&
                   p->own && p->energy && p->coefficient && p->scale && p->grad
               ? ATM_OK
               : atm_err_memory(err, "a pursuit");
}

enum atm_status atm_pursuit_create(const struct atm_model *model, const struct atm_model_size *size,
                                   bool training, struct atm_pursuit **pursuit,
                                   struct atm_err *err) {
    struct atm_pursuit *p = atm_mem_alloc(1, sizeof *p);
    if (!p)
        return atm_err_memory(err, "a pursuit");
    p->model = model;
    p->size = *size;
    p->training = training;
    p->pixels = size->images * size->height * size->width;
    p->count = training ? size->blocks : 1;
    p->steps = size->blocks;
    enum atm_status status = allocate(p, err);
    if (!status)
        status = create_plans(p, err);
    if (status)
        atm_pursuit_destroy(&p);
    *pursuit = p;
    return status;
}

void atm_pursuit_destroy(struct atm_pursuit **pursuit) {
    struct atm_pursuit *p = *pursuit;
    if (!p)
        return;
    for (ptrdiff_t i = 0; p->encoder && p->decoder && i < p->count; i++) {
        atm_plan_destroy(&p->encoder[i]);
        atm_plan_destroy(&p->decoder[i]);
    }
    atm_mem_free(p->encoder);
    atm_mem_free(p->decoder);
    atm_mem_free(p->residual);
    atm_mem_free(p->left);
    atm_mem_free(p->output);
    atm_mem_free(p->latents);
    atm_mem_free(p->own);
    atm_mem_free(p->coefficient);
    atm_mem_free(p->scale);
    atm_mem_free(p->energy);
    atm_mem_free(p->grad);
    atm_mem_free(p);
    *pursuit = NULL;
}

void atm_pursuit_load(struct atm_pursuit *p, const float *params) {
    for (ptrdiff_t i = 0; i < p->count; i++) {
        atm_plan_load(p->encoder[i], params);
        atm_plan_load(p->decoder[i], params + atm_net_param_count(p->model->encoder));
    }
}

void atm_pursuit_limit(struct atm_pursuit *p, ptrdiff_t steps) {
    p->steps = steps;
    memset(p->latents, 0,
           (size_t)(p->size.images * p->size.blocks * p->model->latent) * sizeof(float));
}

void atm_pursuit_again(struct atm_pursuit *p, bool again) { p->again = again; }

size_t atm_pursuit_bytes(const struct atm_pursuit *p) {
    size_t bytes = 0;
    for (ptrdiff_t i = 0; i < p->count; i++)
        bytes += atm_plan_bytes(p->encoder[i]) + atm_plan_bytes(p->decoder[i]);
    return bytes;
}

/* Whether sweeps fit the amplitudes. */
static bool fits(const struct atm_pursuit *p) {
    return p->model->options.atom == ATM_ATOM_HOMOGENEOUS;
}

static double dot(ptrdiff_t n, const float *a, const float *b) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* By which to multiply the atom so that it leaves least of the image, not below 0: the coefficient
 * of matching pursuit. */
static float best_coefficient(const struct atm_pursuit *p, const float *before, const float *atom) {
    const ptrdiff_t n = p->size.height * p->size.width;
    const double energy = dot(n, atom, atom), product = dot(n, before, atom);
    return product > 0 && energy > 1e-12 ? (float)(product / energy) : 0;
}

/* One step: from the residual before it to the one after it, which may be the same memory. With
 * `fit`, the amplitude is not the encoder's but that which leaves least. */
static void find_one(struct atm_pursuit *p, ptrdiff_t step, bool fit, const float *before,
                     float *after) {
    const ptrdiff_t plan = p->training ? step : 0, d = p->model->latent, k = p->size.blocks;
    const ptrdiff_t n = p->size.height * p->size.width;
    const float *latents = atm_plan_forward(p->encoder[plan], before);
    const float *atoms = atm_plan_forward(p->decoder[plan], latents);
    for (ptrdiff_t b = 0; b < p->size.images; b++) {
        const float coefficient = fit ? best_coefficient(p, before + b * n, atoms + b * n) : 1;
        p->coefficient[step * p->size.images + b] = coefficient;
        for (ptrdiff_t j = 0; j < d; j++)
            p->latents[(b * k + step) * d + j] = coefficient * latents[b * d + j];
        for (ptrdiff_t i = b * n; i < (b + 1) * n; i++)
            after[i] = before[i] - coefficient * atoms[i];
    }
}

/* Atoms (B, H, W) of one block of every image. */
static const float *block_atoms(struct atm_pursuit *p, ptrdiff_t block) {
    const ptrdiff_t d = p->model->latent, k = p->size.blocks;
    for (ptrdiff_t b = 0; b < p->size.images; b++)
        memcpy(p->own + b * d, p->latents + (b * k + block) * d, (size_t)d * sizeof(float));
    return atm_plan_forward(p->decoder[0], p->own);
}

/* Every block SWEEPS times once more, from what all others leave. */
static void sweep(struct atm_pursuit *p) {
    for (ptrdiff_t i = 0; i < SWEEPS * p->steps; i++) {
        const ptrdiff_t block = i % p->steps;
        const float *atoms = block_atoms(p, block);
        for (ptrdiff_t j = 0; j < p->pixels; j++)
            p->residual[j] += atoms[j];
        find_one(p, block, fits(p), p->residual, p->residual);
    }
}

void atm_pursuit_sweep(struct atm_pursuit *p, ptrdiff_t images, const float *frames,
                       float *latents) {
    const size_t pixels = (size_t)(p->size.height * p->size.width);
    const size_t code = (size_t)(p->size.blocks * p->model->latent), all = (size_t)p->size.images;
    memset(p->residual, 0, all * pixels * sizeof(float));
    memset(p->latents, 0, all * code * sizeof(float));
    memcpy(p->residual, frames, (size_t)images * pixels * sizeof(float));
    memcpy(p->latents, latents, (size_t)images * code * sizeof(float));
    for (ptrdiff_t block = 0; block < p->steps; block++) {
        const float *atoms = block_atoms(p, block);
        for (ptrdiff_t i = 0; i < p->pixels; i++)
            p->residual[i] -= atoms[i];
    }
    sweep(p);
    memcpy(latents, p->latents, (size_t)images * code * sizeof(float));
}

/* A sweep that gradients can go through. residual[i], from which block i was found, becomes what it
 * is found from now; the atoms that it had are the differences of the former. */
static void train_sweep(struct atm_pursuit *p) {
    const float *left = p->residual + p->steps * p->pixels;
    for (ptrdiff_t step = 0; step < p->steps; step++) {
        float *before = p->residual + step * p->pixels, *after = p->left + step * p->pixels;
        const float *next = before + p->pixels;
        for (ptrdiff_t i = 0; i < p->pixels; i++)
            before[i] += left[i] - next[i];
        find_one(p, step, fits(p), before, after);
        left = after;
    }
}

/* (B, H, W): what a step of the last encode has left. */
static const float *after_step(const struct atm_pursuit *p, ptrdiff_t step) {
    return p->training && p->again ? p->left + step * p->pixels
           : p->training           ? p->residual + (step + 1) * p->pixels
                                   : p->residual;
}

const float *atm_pursuit_encode(struct atm_pursuit *p, const float *images) {
    float *residual = p->residual;
    memcpy(residual, images, (size_t)p->pixels * sizeof *residual);
    p->images = images;
    for (ptrdiff_t i = 0; i < p->steps; i++) {
        float *after = residual + (p->training ? p->pixels : 0);
        find_one(p, i, false, residual, after);
        residual = after;
    }
    if (!p->training)
        sweep(p);
    if (p->training && p->again)
        train_sweep(p);
    return p->latents;
}

const float *atm_pursuit_output(struct atm_pursuit *p) {
    const float *last = after_step(p, p->steps - 1);
    for (ptrdiff_t i = 0; i < p->pixels; i++)
        p->output[i] = p->images[i] - last[i];
    return p->output;
}

void atm_pursuit_block_energy(const struct atm_pursuit *p, double *energy) {
    const ptrdiff_t k = p->size.blocks;
    memset(energy, 0, (size_t)(p->size.images * k) * sizeof *energy);
    for (ptrdiff_t i = 0; i < p->steps; i++) {
        atm_plan_block_energy(p->decoder[i], p->energy);
        for (ptrdiff_t b = 0; b < p->size.images; b++) {
            const double coefficient = (double)p->coefficient[i * p->size.images + b];
            energy[b * k + i] = coefficient * coefficient * p->energy[b];
        }
    }
}

/* Gradient of step i's penalty, picked out of the batch's. */
static const float *step_scale(struct atm_pursuit *p, ptrdiff_t step, const float *scale) {
    for (ptrdiff_t b = 0; scale && b < p->size.images; b++) {
        const float coefficient = p->coefficient[step * p->size.images + b];
        p->scale[b] = coefficient * coefficient * scale[b * p->size.blocks + step];
    }
    return scale ? p->scale : NULL;
}

/* The residual after a step counts in the loss by itself, too. */
static void add_step_loss(const struct atm_pursuit *p, ptrdiff_t step,
                          const struct atm_coder_gradient *gradient, float *rho) {
    const float *residual = after_step(p, step);
    const ptrdiff_t n = p->pixels / p->size.images * gradient->images;
    for (ptrdiff_t i = 0; i < n; i++)
        rho[i] += gradient->step_weight * residual[i];
}

/* Of a step: from rho, the gradient with respect to the residual after it, to that of the atoms
 * that g made, and rho to that of the residual before it, as far as it does not go through the
 * encoder. With s = t g, t the coefficient, r the residual that s leaves, and
 * q = <rho, s> / <s, s>: the atoms' is -t (rho - q s + q r), and the other one's rho - q s. An atom
 * that was left out, t = 0, is drawn towards the residual all the same. */
static void backward_coefficient(const struct atm_pursuit *p, ptrdiff_t step, float *rho,
                                 float *atoms) {
    const ptrdiff_t n = p->size.height * p->size.width;
    const float *before = p->residual + step * p->pixels, *after = after_step(p, step);
    for (ptrdiff_t i = 0; i < p->pixels; i++)
        atoms[i] = before[i] - after[i];
    for (ptrdiff_t b = 0; b < p->size.images; b++) {
        const float *r = after + b * n;
        float *own = rho + b * n, *s = atoms + b * n;
        const float t = p->coefficient[step * p->size.images + b];
        const double energy = dot(n, s, s);
        const float q = energy > 0 ? (float)(dot(n, own, s) / energy) : 0;
        const float outer = energy > 0 ? t : 1;
        for (ptrdiff_t i = 0; i < n; i++) {
            own[i] -= q * s[i];
            s[i] = -outer * (own[i] + q * r[i]);
        }
    }
}

/* Through the last encode, or its sweep alone, where there was one: what that begins with is given.
 * rho_i, the gradient with respect to residual i, from the last step to the first: the atom of step
 * i has -rho_i, and rho_(i-1) is rho_i plus, if wanted, what comes back through the atom's latent
 * and the encoder. Those parts multiply from step to step and make training unstable while the
 * heads are sharp. */
void atm_pursuit_backward(struct atm_pursuit *p, const struct atm_coder_gradient *gradient,
                          float *grad) {
    float *rho = p->grad, *atoms = p->grad + p->pixels;
    float *decoder_grad = grad + atm_net_param_count(p->model->encoder);
    for (ptrdiff_t i = 0; i < p->pixels; i++)
        rho[i] = -gradient->output[i];
    for (ptrdiff_t step = p->steps - 1; step >= 0; step--) {
        const bool through = gradient->through && step > 0;
        if (step < p->steps - 1 && gradient->step_weight > 0)
            add_step_loss(p, step, gradient, rho);
        if (p->again && fits(p))
            backward_coefficient(p, step, rho, atoms);
        else
            for (ptrdiff_t i = 0; i < p->pixels; i++)
                atoms[i] = -rho[i];
        const float *latents = atm_plan_backward_blocks(p->decoder[step], atoms,
                                                        step_scale(p, step, gradient->block_scale),
                                                        decoder_grad, true);
        const float *back = atm_plan_backward(p->encoder[step], latents, grad, through);
        for (ptrdiff_t i = 0; through && i < p->pixels; i++)
            rho[i] += back[i];
    }
}
