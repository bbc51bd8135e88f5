/* Training on images alone: squared error plus a concave penalty on the blocks' energies. A batch
 * that is too large for the working memory is computed in parts whose gradients are added. */
#include "coder.h"
#include "kernel.h"
#include "lowpass.h"
#include "mem.h"
#include "rng.h"
#include "schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Validations over a training; each also adds a point to the curve. */
enum { VALIDATIONS = 40, LATENT_SAMPLE = 4096 };

struct atm_trainer {
    struct atm_model *model;          /* borrowed */
    struct atm_train_options options; /* copied */
    struct atm_training_set set;      /* borrowed frames */
    ptrdiff_t *order; /* of the training frames: by total brightness with a curriculum */
    struct atm_coder *coder;
    ptrdiff_t patch_h, patch_w;
    ptrdiff_t images;            /* of a batch; coder->size.images of a part */
    float *batch;                /* (images, patch_h, patch_w), zeros up to whole parts */
    float *output_grad;          /* (images of a part, patch_h, patch_w) */
    float *block_scale;          /* (images of a part * blocks): gradient of the penalty */
    float *grad;                 /* param_count */
    double *energy;              /* (images of a part * blocks) */
    struct atm_lowpass *lowpass; /* NULL: nothing is ever blurred */
    struct atm_schedule now;     /* of the step that is being done */
};

/* ---- Batches ---- */

static ptrdiff_t below(struct atm_rng *rng, ptrdiff_t n) {
    return (ptrdiff_t)(atm_rng_uniform(rng) * (double)n);
}

static enum atm_train_symmetry symmetry(const struct atm_trainer *t) {
    const enum atm_train_symmetry chosen = (enum atm_train_symmetry)t->options.symmetry;
    if (chosen != ATM_SYMMETRY_AUTO)
        return chosen;
    return t->model->cell ? ATM_SYMMETRY_FLIPS : ATM_SYMMETRY_NONE;
}

/* A random patch of a random frame, turned over at random as far as train.symmetry allows. */
static void draw_patch(const struct atm_trainer *t, struct atm_rng *rng, ptrdiff_t first,
                       ptrdiff_t count, float *patch) {
    const struct atm_training_set *set = &t->set;
    const ptrdiff_t index = first + below(rng, count);
    const ptrdiff_t at = first ? index : t->order[index];
    const float *frame = set->frames + at * set->height * set->width;
    ptrdiff_t y0 = below(rng, set->height - t->patch_h + 1);
    ptrdiff_t x0 = below(rng, set->width - t->patch_w + 1);
    const uint64_t bits = atm_rng_next(rng);
    const enum atm_train_symmetry kind = symmetry(t);
    const bool flip_y = kind != ATM_SYMMETRY_NONE && (bits & 1);
    const bool flip_x = kind != ATM_SYMMETRY_NONE && (bits & 2);
    const bool transpose = kind == ATM_SYMMETRY_SQUARE && (bits & 4) && t->patch_h == t->patch_w;
    for (ptrdiff_t y = 0; y < t->patch_h; y++)
        for (ptrdiff_t x = 0; x < t->patch_w; x++) {
            ptrdiff_t row = flip_y ? t->patch_h - 1 - y : y,
                      column = flip_x ? t->patch_w - 1 - x : x;
            patch[transpose ? x * t->patch_w + y : y * t->patch_w + x] =
                frame[(y0 + row) * set->width + x0 + column];
        }
}

static void draw_batch(struct atm_trainer *t, uint64_t purpose, uint64_t index, ptrdiff_t first,
                       ptrdiff_t count) {
    struct atm_rng rng;
    atm_rng_init(&rng, t->model->seed, purpose, index);
    for (ptrdiff_t i = 0; i < t->images; i++)
        draw_patch(t, &rng, first, count, t->batch + i * t->patch_h * t->patch_w);
}

/* ---- Holes: a part of each image, so that few blocks can tell all of it ---- */

/* A pixel drawn in proportion to its brightness; the middle of an image without any. */
static ptrdiff_t bright_pixel(const float *image, ptrdiff_t pixels, struct atm_rng *rng) {
    double total = 0;
    for (ptrdiff_t i = 0; i < pixels; i++)
        total += fmax((double)image[i], 0);
    double left = atm_rng_uniform(rng) * total;
    for (ptrdiff_t i = 0; i < pixels; i++)
        if ((left -= fmax((double)image[i], 0)) < 0)
            return i;
    return pixels / 2;
}

/* Times exp(-(d / radius)^4): flat inside, with a soft edge. */
static void look_through_hole(const struct atm_trainer *t, struct atm_rng *rng, float *image) {
    const ptrdiff_t width = t->patch_w, at = bright_pixel(image, t->patch_h * width, rng);
    const double scale = 1 / (t->now.hole_px * t->now.hole_px);
    for (ptrdiff_t i = 0; i < t->patch_h * width; i++) {
        const double dy = (double)(i / width - at / width), dx = (double)(i % width - at % width);
        const double d2 = (dx * dx + dy * dy) * scale;
        image[i] *= (float)exp(-d2 * d2);
    }
}

static void look_through_holes(struct atm_trainer *t) {
    struct atm_rng rng;
    atm_rng_init(&rng, t->model->seed, ATM_RNG_HOLE, (uint64_t)t->model->step);
    for (ptrdiff_t i = 0; i < t->images; i++)
        look_through_hole(t, &rng, t->batch + i * t->patch_h * t->patch_w);
}

/* Images of the batch in the part that begins at image `first`: the last one may have fewer. */
static ptrdiff_t part_images(const struct atm_trainer *t, ptrdiff_t first) {
    const ptrdiff_t left = t->images - first;
    return left < t->coder->size.images ? left : t->coder->size.images;
}

/* ---- Penalty: lambda * sum_i (e_i + 1e-3)^(1/4), e_i = sum of squares of block i's features.
 * Concave, so that one block with all the energy costs less than two that share it. ---- */

static const double penalty_floor = 1e-3;

/* Energies of the last decode's blocks in so many images; scale, if wanted, gets the penalty's
 * gradient in the form that atm_plan_backward_blocks takes. */
static double block_penalty(struct atm_trainer *t, ptrdiff_t images, double weight, float *scale) {
    const struct atm_coder *coder = t->coder;
    ptrdiff_t blocks = images * coder->size.blocks, all = coder->size.images * coder->size.blocks;
    double sum = 0;
    atm_coder_block_energy(coder, t->energy);
    for (ptrdiff_t b = 0; b < blocks; b++) {
        const double root = sqrt(sqrt(t->energy[b] + penalty_floor));
        if (scale)
            scale[b] = (float)(0.5 * weight / (root * root * root));
        sum += root;
    }
    if (scale)
        memset(scale + blocks, 0, (size_t)(all - blocks) * sizeof *scale);
    return weight * sum;
}

/* ---- Steps ---- */

/* What a part adds to the sum of squared errors per image, mean over the batch; its gradient (of
 * the low-passed error, where train.blur_px says so) into output_grad. */
static double forward(struct atm_trainer *t, ptrdiff_t first, bool want_grad) {
    ptrdiff_t pixels = t->patch_h * t->patch_w, images = part_images(t, first);
    const float *batch = t->batch + first * pixels;
    const float *output = atm_coder_forward(t->coder, batch, NULL);
    double mse = atm_loss_mse(images * pixels, output, batch, want_grad ? t->output_grad : NULL);
    if (want_grad && t->now.blur_px > 0 && t->options.blur == ATM_BLUR_RESIDUAL)
        atm_lowpass_twice(t->lowpass, images, t->output_grad);
    double share = (double)pixels * (double)images / (double)t->images;
    for (ptrdiff_t i = 0; want_grad && i < images * pixels; i++)
        t->output_grad[i] *= (float)share;
    if (want_grad)
        memset(t->output_grad + images * pixels, 0,
               (size_t)((t->coder->size.images - images) * pixels) * sizeof *t->output_grad);
    return mse * share;
}

/* Adds the gradients of a part to grad; returns its share of the penalty per image, which goes into
 * them. */
static double backward(struct atm_trainer *t, ptrdiff_t first) {
    struct atm_coder *coder = t->coder;
    float *scale = t->now.penalty > 0 ? t->block_scale : NULL;
    double weight = t->now.penalty / (double)t->images;
    double cost = scale ? block_penalty(t, part_images(t, first), weight, scale) : 0;
    const struct atm_coder_gradient gradient = {
        .output = t->output_grad,
        .block_scale = scale,
        .images = part_images(t, first),
        .through = t->options.pursuit_through,
        .step_weight = (float)(2 * t->options.pursuit_weight / (double)t->images),
    };
    atm_coder_backward(coder, &gradient, t->grad);
    return cost;
}

static void clip(struct atm_trainer *t) {
    double norm = atm_loss_norm(t->model->param_count, t->grad), limit = t->options.clip_norm;
    if (limit <= 0 || norm <= limit)
        return;
    float factor = (float)(limit / norm);
    for (ptrdiff_t i = 0; i < t->model->param_count; i++)
        t->grad[i] *= factor;
}

static double validate(struct atm_trainer *t) {
    if (!t->set.validation_count)
        return NAN;
    ptrdiff_t first = t->set.count - t->set.validation_count;
    if (t->coder->pursuit) { /* as it is used */
        atm_pursuit_limit(t->coder->pursuit, t->coder->size.blocks);
        atm_pursuit_again(t->coder->pursuit, true);
    }
    draw_batch(t, ATM_RNG_SPLIT, 1, first, t->set.validation_count);
    double loss = 0;
    for (ptrdiff_t i = 0; i < t->images; i += t->coder->size.images)
        loss += forward(t, i, false);
    return loss / (double)(t->patch_h * t->patch_w);
}

/* ---- Falls. Adam may step off a cliff, most often into atoms of nothing, and does not come back
 * from there. ---- */

static const double FALLEN = 3; /* held-out error over its least */
enum { FALLS_MOST = 20 };

/* False where there is nothing to go back to. */
static bool go_back(struct atm_trainer *t) {
    struct atm_model *model = t->model;
    const size_t n = (size_t)model->param_count;
    if (!model->kept.state || model->kept.falls >= FALLS_MOST)
        return false;
    memcpy(model->params, model->kept.state, n * sizeof(float));
    memcpy(model->moments, model->kept.state + n, 2 * n * sizeof(float));
    atm_coder_load(t->coder, model->params);
    model->kept.falls++;
    return true;
}

/* Before all blocks are in use the error says little of whether training has fallen. */
static enum atm_status keep_or_go_back(struct atm_trainer *t, double held_out,
                                       struct atm_err *err) {
    struct atm_kept *kept = &t->model->kept;
    const bool grown = !t->coder->pursuit || t->now.pursuit == t->coder->size.blocks;
    if (!isfinite(held_out) || t->now.blur_px > 0)
        return ATM_OK;
    if (!kept->state || held_out < kept->held_out) {
        kept->held_out = held_out;
        return atm_model_keep(t->model, err);
    }
    if (grown && held_out > FALLEN * kept->held_out)
        go_back(t);
    return ATM_OK;
}

static enum atm_status add_point(struct atm_trainer *t, double rate, struct atm_err *err) {
    struct atm_model *model = t->model;
    if (model->curve_count == model->curve_capacity) {
        ptrdiff_t capacity = model->curve_capacity ? 2 * model->curve_capacity : 64;
        struct atm_curve_point *grown =
            atm_mem_grow(model->curve, (size_t)model->curve_count, (size_t)capacity, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, "the training curve");
        model->curve = grown;
        model->curve_capacity = capacity;
    }
    double n = (double)model->pending.steps, pixels = (double)(t->patch_h * t->patch_w);
    const double held_out = validate(t);
    model->curve[model->curve_count++] =
        (struct atm_curve_point){model->step, model->pending.loss / n / pixels, held_out,
                                 model->pending.penalty / n / pixels, rate};
    model->pending = (struct atm_curve_sums){0};
    return keep_or_go_back(t, held_out, err);
}

/* The batch of this step, and what holds for it. */
static void prepare(struct atm_trainer *t) {
    const ptrdiff_t frames = t->set.count - t->set.validation_count;
    t->now = atm_schedule_at(&t->options, t->coder->size.blocks, t->model->step);
    draw_batch(t, ATM_RNG_BATCH, (uint64_t)t->model->step, 0,
               (ptrdiff_t)ceil(t->now.frames * (double)frames));
    if (t->coder->pursuit) {
        atm_pursuit_limit(t->coder->pursuit, t->now.pursuit);
        atm_pursuit_again(t->coder->pursuit, t->now.again);
    }
    if (t->coder->pursuit && t->now.hole_px > 0)
        look_through_holes(t);
    if (t->now.blur_px > 0)
        atm_lowpass_set(t->lowpass, t->now.blur_px, t->options.blur_keep);
    if (t->now.blur_px > 0 && t->options.blur == ATM_BLUR_IMAGES)
        atm_lowpass_twice(t->lowpass, t->images, t->batch);
}

enum atm_status atm_trainer_step(struct atm_trainer *t, struct atm_err *err) {
    struct atm_model *model = t->model;
    double loss = 0, cost = 0;
    prepare(t);
    memset(t->grad, 0, (size_t)model->param_count * sizeof *t->grad);
    for (ptrdiff_t i = 0; i < t->images; i += t->coder->size.images) {
        loss += forward(t, i, true);
        cost += backward(t, i);
    }
    if (!isfinite(loss) && go_back(t))
        return ATM_OK; /* the same step again, smaller */
    if (!isfinite(loss))
        return atm_err_set(err, ATM_FAIL,
                           "training diverged at step %lld: lower train.rate or check the movie",
                           (long long)model->step);
    clip(t);
    struct atm_adam adam = atm_adam_defaults();
    adam.rate = ldexp(t->now.rate, -(int)model->kept.falls);
    atm_adam_step(&adam, model->step + 1, model->param_count, model->params, t->grad,
                  model->moments);
    atm_coder_load(t->coder, model->params);
    model->step++;
    model->pending.loss += loss, model->pending.penalty += cost, model->pending.steps++;
    int64_t every = (t->options.steps + VALIDATIONS - 1) / VALIDATIONS;
    if (model->step % every == 0 || atm_trainer_done(t))
        return add_point(t, adam.rate, err);
    return ATM_OK;
}

bool atm_trainer_done(const struct atm_trainer *t) { return t->model->step >= t->options.steps; }

const struct atm_curve_point *atm_trainer_last(const struct atm_trainer *t) {
    return t->model->curve_count ? &t->model->curve[t->model->curve_count - 1] : NULL;
}

/* ---- Beginning and end ---- */

/* Patch side: as configured, at most the frame, a multiple of the cell. */
static ptrdiff_t patch_side(const struct atm_model *model, int64_t wanted, ptrdiff_t extent) {
    if (!model->cell)
        return extent;
    ptrdiff_t side = wanted < extent ? (ptrdiff_t)wanted : extent;
    return side / model->cell * model->cell;
}

static enum atm_status allocate(struct atm_trainer *t, struct atm_err *err) {
    const struct atm_model_size *size = &t->coder->size;
    size_t pixels = (size_t)(size->images * t->patch_h * t->patch_w);
    size_t parts = (size_t)((t->images + size->images - 1) / size->images);
    size_t blocks = (size_t)(size->images * size->blocks);
    t->batch = atm_mem_alloc(parts * pixels, sizeof *t->batch);
    t->output_grad = atm_mem_alloc(pixels, sizeof *t->output_grad);
    t->block_scale = atm_mem_alloc(blocks, sizeof *t->block_scale);
    t->grad = atm_mem_alloc((size_t)t->model->param_count, sizeof *t->grad);
    t->energy = atm_mem_alloc(blocks, sizeof *t->energy);
    if (!t->batch || !t->output_grad || !t->block_scale || !t->grad || !t->energy)
        return atm_err_memory(err, "training; lower train.batch or train.patch_px");
    return ATM_OK;
}

struct brightness {
    double sum;
    ptrdiff_t frame;
};

static int dimmer_first(const void *a, const void *b) {
    const struct brightness *p = a, *q = b;
    if (p->sum != q->sum)
        return p->sum < q->sum ? -1 : 1;
    return p->frame < q->frame ? -1 : p->frame > q->frame;
}

/* Dim frames have few emitters: no truth is needed to begin with the easy ones. */
static enum atm_status choose_order(struct atm_trainer *t, struct atm_err *err) {
    const ptrdiff_t count = t->set.count - t->set.validation_count;
    const ptrdiff_t pixels = t->set.height * t->set.width;
    struct brightness *rank = atm_mem_alloc((size_t)count, sizeof *rank);
    t->order = atm_mem_alloc((size_t)count, sizeof *t->order);
    if (!rank || !t->order) {
        atm_mem_free(rank);
        return atm_err_memory(err, "the order of the frames");
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        rank[i] = (struct brightness){0, i};
        for (ptrdiff_t p = 0; t->options.curriculum > 0 && p < pixels; p++)
            rank[i].sum += (double)t->set.frames[i * pixels + p];
    }
    qsort(rank, (size_t)count, sizeof *rank, dimmer_first);
    for (ptrdiff_t i = 0; i < count; i++)
        t->order[i] = rank[i].frame;
    atm_mem_free(rank);
    return ATM_OK;
}

/* Images of a part: whole groups of lanes whose plans keep within the limit, at least one group,
 * for fewer images take no less. Plans grow with the groups, less than in proportion. */
static enum atm_status choose_part(const struct atm_trainer *t, ptrdiff_t *images,
                                   struct atm_err *err) {
    const double limit = t->options.step_memory_mb * 1e6;
    struct atm_model_size size;
    struct atm_coder *coder = NULL;
    *images = t->images;
    if (limit <= 0 || t->images <= ATM_LANES)
        return ATM_OK;
    if (atm_model_size(t->model, ATM_LANES, t->patch_h, t->patch_w, &size, err) ||
        atm_coder_create(t->model, &size, ATM_CODER_TRAIN, &coder, err))
        return ATM_FAIL;
    const double bytes = (double)atm_coder_bytes(coder);
    atm_coder_destroy(&coder);
    const double groups = fmax(1, floor(limit / bytes));
    if (groups * ATM_LANES < (double)t->images)
        *images = (ptrdiff_t)groups * ATM_LANES;
    return ATM_OK;
}

enum atm_status atm_trainer_create(struct atm_model *model, const struct atm_train_options *options,
                                   const struct atm_training_set *set, struct atm_trainer **trainer,
                                   struct atm_err *err) {
    struct atm_trainer *t = atm_mem_alloc(1, sizeof *t);
    if (!t)
        return atm_err_memory(err, "training");
    t->model = model;
    t->options = *options;
    t->set = *set;
    t->patch_h = patch_side(model, options->patch_px, set->height);
    t->patch_w = patch_side(model, options->patch_px, set->width);
    t->images = (ptrdiff_t)options->batch;
    model->steps = options->steps;
    struct atm_model_size size;
    ptrdiff_t part = t->images;
    enum atm_status status =
        set->count - set->validation_count > 0
            ? choose_part(t, &part, err)
            : atm_err_set(err, ATM_FAIL, "no frames to train on: lower train.validation");
    if (!status)
        status = atm_model_size(model, part, t->patch_h, t->patch_w, &size, err);
    if (!status)
        status = atm_coder_create(model, &size, ATM_CODER_TRAIN, &t->coder, err);
    if (!status)
        status = allocate(t, err);
    if (!status)
        status = choose_order(t, err);
    if (!status && options->blur_px > 0)
        status = atm_lowpass_create(t->patch_h, t->patch_w, &t->lowpass, err);
    if (status)
        atm_trainer_destroy(&t);
    *trainer = t;
    return status;
}

/* Half of the sample are active blocks of the training frames, with at least 1 % of the energy of
 * the strongest in their part; the other half, every seventh of the silent ones: the map must know
 * them too. */
struct latent_quota {
    ptrdiff_t active, silent;
};

static void collect_latents(struct atm_trainer *t, ptrdiff_t first, struct latent_quota *left) {
    struct atm_model *model = t->model;
    ptrdiff_t images = part_images(t, first), d = model->latent;
    ptrdiff_t blocks = images * t->coder->size.blocks;
    const float *latents;
    atm_coder_forward(t->coder, t->batch + first * t->patch_h * t->patch_w, &latents);
    block_penalty(t, images, 0, NULL);
    double strongest = 0;
    for (ptrdiff_t b = 0; b < blocks; b++)
        strongest = fmax(strongest, t->energy[b]);
    for (ptrdiff_t b = 0; b < blocks; b++) {
        bool active = t->energy[b] > 0.01 * strongest;
        ptrdiff_t *quota = active ? &left->active : &left->silent;
        if (*quota == 0 || (!active && b % 7))
            continue;
        --*quota;
        memcpy(model->latents + d * model->latent_count++, latents + b * d,
               (size_t)d * sizeof *latents);
    }
}

enum atm_status atm_trainer_finish(struct atm_trainer *t, struct atm_err *err) {
    struct atm_model *model = t->model;
    atm_mem_free(model->latents);
    model->latent_count = 0;
    model->latents = atm_mem_alloc(LATENT_SAMPLE * (size_t)model->latent, sizeof *model->latents);
    if (!model->latents)
        return atm_err_memory(err, "the latent sample");
    struct latent_quota left = {LATENT_SAMPLE / 2, LATENT_SAMPLE / 2};
    for (uint64_t i = 0; i < 64 && left.active; i++) {
        draw_batch(t, ATM_RNG_EVAL, i, 0, t->set.count - t->set.validation_count);
        for (ptrdiff_t first = 0; first < t->images; first += t->coder->size.images)
            collect_latents(t, first, &left);
    }
    return ATM_OK;
}

void atm_trainer_destroy(struct atm_trainer **trainer) {
    struct atm_trainer *t = *trainer;
    if (!t)
        return;
    atm_coder_destroy(&t->coder);
    atm_lowpass_destroy(&t->lowpass);
    atm_mem_free(t->order);
    atm_mem_free(t->batch);
    atm_mem_free(t->output_grad);
    atm_mem_free(t->block_scale);
    atm_mem_free(t->grad);
    atm_mem_free(t->energy);
    atm_mem_free(t);
    *trainer = NULL;
}
