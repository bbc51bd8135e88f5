#include "psf_learn.h"
#include "mem.h"
#include "psf_solve.h"
#include "psf_spline.h"
#include "refine_private.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3, LEAST_EMITTERS = 30, MAX_THREADS = 256, SAMPLES_SHOWN = 4, HALF_MOST = 40 };

/* The window: wings that reach farther make it grow. */
static const double HALF_SIGMAS = 7, GROW = 1.5;
static const double RIM = 0.8, RIM_LIGHT = 0.01; /* part of the light in the outer part of it */
static const double KEPT_LIGHT = 0.01;           /* may lie beyond the window in the end */
/* Twice the curvature of a Gaussian's peak is as rough as a PSF of that width gets; what is added
 * to the Gaussian is believed to be a part of that. */
static const double ROUGHNESS = 0.5, ROUGH_SIGMAS = 1.5, ROUGH_LEVEL = 0.1;
/* Wings that a Gaussian has not show as dim emitters around each bright one, until the PSF has
 * them: at first such companions are taken for a part of it. */
static const double COMPANION_SIGMAS = 6, COMPANION_DIMMER = 3;
static const double SURE = 4; /* standard errors */

enum part { TRAINING, HELD_OUT, ALL };

struct lesson {
    const struct atm_refine_input *inputs;
    ptrdiff_t count, height, width;
    struct atm_refine *workers[MAX_THREADS];
    int threads;
    struct atm_table *rows, *seeds; /* (count) */
    float *rest, *weight;           /* (count, H, W): image - model, 1 / variance */
    double *price;                  /* (count) */
    struct atm_psf_frame *frames;   /* (count) */
    ptrdiff_t emitters;             /* that the last solution rests on */
    struct atm_psf_image image;
};

static bool in_part(ptrdiff_t t, enum part part) { return part == ALL || t % 2 == (int)part; }

/* ---- Fitting frames ---- */

/* The frame's image minus its model, the weights, and what explaining it so costs: its deviance,
 * and for each emitter the deviance that it must be worth. */
static void appraise(struct lesson *lesson, const struct atm_refine *refine, ptrdiff_t t) {
    const struct atm_refine_input *in = &lesson->inputs[t];
    const struct atm_refine_scale scale = atm_refine_scale(in->noise);
    ptrdiff_t pixels = lesson->height * lesson->width;
    float *rest = lesson->rest + t * pixels, *weight = lesson->weight + t * pixels;
    const double unit = scale.gain * scale.gain;
    double sum = 0;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double own = in->variance ? (double)in->variance[i] / unit : 0, shift = scale.shift + own;
        double counts = (double)in->image[i] / scale.gain + shift, residual, information;
        double mean = fmax((double)refine->model[i] / scale.gain + shift, 1e-3);
        double variance = in->noise.gain > 0 ? mean : fmax(in->noise.floor + own, 1e-12);
        bool saturated = in->saturation && in->image[i] >= in->saturation[i];
        double valid = isfinite(counts) && isfinite(mean) && !(own < 0) && !saturated;
        if (valid > 0)
            sum += refine->tile.likelihood->evaluate(
                (struct atm_pixels){&counts, &valid, &variance}, &mean, 1, &residual, &information);
        rest[i] = valid > 0 ? in->image[i] - refine->model[i] : 0;
        weight[i] = valid > 0 ? (float)(1 / (variance * unit)) : 0;
    }
    lesson->price[t] = sum + refine->tile.threshold * (double)lesson->rows[t].count;
}

static enum atm_status fit_one(struct lesson *lesson, struct atm_refine *refine, ptrdiff_t t,
                               struct atm_err *err) {
    struct atm_refine_input input = lesson->inputs[t];
    input.seeds = lesson->seeds[t].rows, input.seed_count = lesson->seeds[t].count;
    input.population = (struct atm_refine_population){0}; /* it would be that of another PSF */
    lesson->rows[t].count = 0;
    enum atm_status status = atm_refine_frame(refine, &input, &lesson->rows[t], err);
    if (!status)
        appraise(lesson, refine, t);
    return status;
}

static enum atm_status fit_frames(struct lesson *lesson, enum part part, struct atm_err *err) {
    enum atm_status result = ATM_OK;
#pragma omp parallel for schedule(dynamic) num_threads(lesson->threads)
    for (ptrdiff_t t = 0; t < lesson->count; t++) {
        struct atm_err own = {0};
        if (!in_part(t, part))
            continue;
        enum atm_status status = fit_one(lesson, lesson->workers[omp_get_thread_num()], t, &own);
#pragma omp critical
        if (status && !result) {
            result = status;
            if (err)
                *err = own;
        }
    }
    return result;
}

/* What was found becomes the seeds of the next fit. */
static void pass_on(struct lesson *lesson, enum part part) {
    for (ptrdiff_t t = 0; t < lesson->count; t++) {
        if (!in_part(t, part))
            continue;
        struct atm_table swap = lesson->seeds[t];
        lesson->seeds[t] = lesson->rows[t], lesson->rows[t] = swap;
    }
}

/* From now on the workers fit with the PSF as it is. */
static enum atm_status use_psf(struct lesson *lesson, struct atm_err *err) {
    const struct atm_psf_image *image = &lesson->image;
    for (int i = 0; i < lesson->threads; i++) {
        struct atm_refine *worker = lesson->workers[i];
        atm_spline_destroy(&worker->spline);
        enum atm_status status = atm_spline_create(image->samples, image->size, image->oversampling,
                                                   &worker->spline, err);
        if (status)
            return status;
    }
    return ATM_OK;
}

/* ---- From frames to a PSF ---- */

/* Companions of brighter ones, and what touches a pixel that was left out, say nothing. */
static bool is_companion(const struct atm_table *rows, ptrdiff_t i, double reach) {
    for (ptrdiff_t k = 0; k < rows->count; k++)
        if (rows->rows[k].photons > COMPANION_DIMMER * rows->rows[i].photons &&
            hypot(rows->rows[k].x - rows->rows[i].x, rows->rows[k].y - rows->rows[i].y) < reach)
            return true;
    return false;
}

struct painter {
    struct atm_psf psf;
    double *values, *image; /* planes of a patch; (H, W) */
};

static enum atm_status painter_create(const struct lesson *lesson, const struct atm_spline *spline,
                                      struct painter *p, struct atm_err *err) {
    p->psf = (struct atm_psf){&atm_psf_kinds[spline ? ATM_PSF_SPLINE : ATM_PSF_GAUSSIAN],
                              lesson->inputs[0].sigma_px, spline};
    p->values = atm_mem_alloc((size_t)(ATM_SPOT_PARAMETERS * atm_psf_plane_size(&p->psf)),
                              sizeof *p->values);
    p->image = atm_mem_alloc((size_t)(lesson->height * lesson->width), sizeof *p->image);
    return p->values && p->image ? ATM_OK : atm_err_memory(err, "the PSF");
}

static void painter_free(struct painter *p) {
    atm_mem_free(p->values);
    atm_mem_free(p->image);
}

static void paint(const struct lesson *lesson, struct painter *p, const struct atm_loc *row,
                  double photons) {
    struct atm_spot spot = {.x = row->x, .y = row->y, .sx = p->psf.sigma_px, .sy = p->psf.sigma_px};
    struct atm_patch patch;
    atm_psf_place(&p->psf, &spot, lesson->height, lesson->width, p->values, &patch);
    atm_fit_render(&patch, photons, p->image, lesson->width);
}

/* One frame for the least squares: emitters that count come first among its rows, and are taken out
 * of the model as they were fitted and put back with the prior. */
static void sort_frame(struct lesson *lesson, ptrdiff_t t, bool first, struct painter *now,
                       struct painter *prior) {
    struct atm_table *rows = &lesson->rows[t];
    ptrdiff_t pixels = lesson->height * lesson->width, kept = 0;
    double reach = COMPANION_SIGMAS * lesson->inputs[0].sigma_px;
    memset(now->image, 0, (size_t)pixels * sizeof *now->image);
    memset(prior->image, 0, (size_t)pixels * sizeof *prior->image);
    for (ptrdiff_t i = 0; i < rows->count; i++) {
        bool companion = first && is_companion(rows, i, reach);
        if (!companion && rows->rows[i].flags & ATM_LOC_ON_MASKED)
            continue;
        paint(lesson, now, &rows->rows[i], rows->rows[i].photons);
        if (!companion)
            paint(lesson, prior, &rows->rows[i], rows->rows[i].photons);
        rows->rows[i].id = companion ? -1 : 0; /* to be told apart below */
    }
    float *rest = lesson->rest + t * pixels;
    for (ptrdiff_t i = 0; i < pixels; i++)
        rest[i] += (float)(now->image[i] - prior->image[i]);
    struct atm_loc *all = rows->rows;
    for (ptrdiff_t i = 0; i < rows->count; i++)
        if (all[i].id == 0 && !(all[i].flags & ATM_LOC_ON_MASKED)) {
            struct atm_loc swap = all[kept];
            all[kept++] = all[i], all[i] = swap;
        }
    lesson->frames[t] = (struct atm_psf_frame){
        .rest = rest, .weight = lesson->weight + t * pixels, .rows = all, .count = kept};
    lesson->emitters += kept;
}

/* The current PSF is lesson->image, or the Gaussian before there is one. */
static enum atm_status sort_frames(struct lesson *lesson, enum part part, bool first,
                                   struct atm_psf_frame *chosen, ptrdiff_t *count,
                                   struct atm_err *err) {
    struct painter now = {0}, prior = {0};
    enum atm_status status = painter_create(lesson, lesson->workers[0]->spline, &now, err);
    if (!status)
        status = painter_create(lesson, NULL, &prior, err);
    lesson->emitters = *count = 0;
    for (ptrdiff_t t = 0; t < lesson->count && !status; t++) {
        if (!in_part(t, part))
            continue;
        sort_frame(lesson, t, first, &now, &prior);
        if (lesson->frames[t].count)
            chosen[(*count)++] = lesson->frames[t];
    }
    if (!status && lesson->emitters < LEAST_EMITTERS)
        status = atm_err_set(err, ATM_FAIL,
                             "only %td emitters in %td frames: at least %d are needed to measure a "
                             "PSF",
                             lesson->emitters, *count, LEAST_EMITTERS);
    painter_free(&now);
    painter_free(&prior);
    return status;
}

/* Samples that describe a PSF of this width to a thousandth of its peak. */
static ptrdiff_t samples_a_pixel(double sigma_px) {
    return (ptrdiff_t)fmin(fmax(ceil(2 / sigma_px), 1), 8);
}

/* Solve in a window that grows while there is light at its rim. */
static enum atm_status solve_window(struct lesson *lesson, const struct atm_psf_frame *frames,
                                    ptrdiff_t count, struct atm_psf_image *raw,
                                    struct atm_err *err) {
    const double sigma = lesson->inputs[0].sigma_px;
    const ptrdiff_t q = samples_a_pixel(sigma);
    const double peak = 1 / (2 * M_PI * sigma * sigma);
    double most = 0.5 * (double)(lesson->height < lesson->width ? lesson->height : lesson->width);
    most = fmin(fmax(most, HALF_SIGMAS * sigma), HALF_MOST);
    const struct atm_psf_problem problem = {
        .frames = frames,
        .count = count,
        .height = lesson->height,
        .width = lesson->width,
        .rough = ROUGHNESS * peak / (sigma * sigma * (double)(q * q)),
        .rough_sigma_px = ROUGH_SIGMAS * sigma,
        .rough_level = ROUGH_LEVEL,
    };
    for (double half = fmin(fmax(HALF_SIGMAS * sigma, 4), most);; half = fmin(GROW * half, most)) {
        ptrdiff_t pixels = (ptrdiff_t)ceil(half);
        enum atm_status status = atm_psf_image_create(pixels, q, raw, err);
        if (status)
            return status;
        atm_psf_image_gaussian(raw, sigma);
        status = atm_psf_solve(&problem, raw, err);
        if (status || half >= most || atm_psf_image_beyond(raw, RIM * (double)pixels) < RIM_LIGHT)
            return status;
        atm_psf_image_free(raw);
    }
}

/* The least window that has the light. */
static ptrdiff_t trimmed(const struct atm_psf_image *image) {
    ptrdiff_t half = image->size / 2 / image->oversampling;
    while (half > 4 && fabs(atm_psf_image_beyond(image, (double)half - 1)) < KEPT_LIGHT)
        half--;
    return half;
}

/* PSF of the frames as they were fitted last, centred, into lesson->image. */
static enum atm_status solve(struct lesson *lesson, enum part part, bool first,
                             struct atm_err *err) {
    struct atm_psf_image raw = {0}, made = {0};
    struct atm_psf_measures measures;
    struct atm_psf_frame *chosen = atm_mem_alloc((size_t)lesson->count, sizeof *chosen);
    ptrdiff_t count = 0;
    enum atm_status status = chosen ? ATM_OK : atm_err_memory(err, "the PSF");
    if (!status)
        status = sort_frames(lesson, part, first, chosen, &count, err);
    if (!status)
        status = solve_window(lesson, chosen, count, &raw, err);
    if (!status)
        status = atm_psf_image_measure(&raw, &measures, err);
    if (!status) {
        ptrdiff_t q = raw.oversampling;
        const struct atm_psf_resampling how = {
            .x = measures.x,
            .y = measures.y,
            .half = trimmed(&raw),
            .oversampling = q * ((SAMPLES_SHOWN + q - 1) / q),
        };
        status = atm_psf_image_resample(&raw, &how, &made, err);
    }
    if (!status) {
        atm_psf_image_free(&lesson->image);
        lesson->image = made;
    }
    atm_psf_image_free(&raw);
    atm_mem_free(chosen);
    return status;
}

/* ---- All of it ---- */

static void lesson_free(struct lesson *lesson) {
    for (int i = 0; i < lesson->threads; i++)
        atm_refine_destroy(&lesson->workers[i]);
    for (ptrdiff_t t = 0; t < lesson->count && lesson->rows && lesson->seeds; t++) {
        atm_table_free(&lesson->rows[t]);
        atm_table_free(&lesson->seeds[t]);
    }
    void *blocks[] = {lesson->rows,   lesson->seeds, lesson->rest,
                      lesson->weight, lesson->price, lesson->frames};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        atm_mem_free(blocks[i]);
    atm_psf_image_free(&lesson->image);
}

static enum atm_status lesson_create(struct lesson *lesson,
                                     const struct atm_refine_options *options,
                                     struct atm_err *err) {
    size_t n = (size_t)lesson->count, pixels = (size_t)(lesson->height * lesson->width);
    lesson->rows = atm_mem_alloc(n, sizeof *lesson->rows);
    lesson->seeds = atm_mem_alloc(n, sizeof *lesson->seeds);
    lesson->rest = atm_mem_alloc(n * pixels, sizeof *lesson->rest);
    lesson->weight = atm_mem_alloc(n * pixels, sizeof *lesson->weight);
    lesson->price = atm_mem_alloc(n, sizeof *lesson->price);
    lesson->frames = atm_mem_alloc(n, sizeof *lesson->frames);
    if (!lesson->rows || !lesson->seeds || !lesson->rest || !lesson->weight || !lesson->price ||
        !lesson->frames)
        return atm_err_memory(err, "the PSF");
    enum atm_status status = ATM_OK;
    for (ptrdiff_t t = 0; t < lesson->count && !status; t++)
        for (ptrdiff_t i = 0; i < lesson->inputs[t].seed_count && !status; i++)
            status = atm_table_append(&lesson->seeds[t], &lesson->inputs[t].seeds[i], err);
    struct atm_refine_options plain = *options;
    plain.psf = ATM_PSF_GAUSSIAN;
    plain.population = ATM_REFINE_POPULATION_NONE;
    int wanted = omp_get_max_threads() < MAX_THREADS ? omp_get_max_threads() : MAX_THREADS;
    for (; lesson->threads < wanted && !status; lesson->threads++) {
        struct atm_refine **worker = &lesson->workers[lesson->threads];
        status = atm_refine_create(&plain, lesson->height, lesson->width, worker, err);
        if (status)
            break;
        (*worker)->estimating = true;
    }
    return status;
}

/* What the frames that were held out save by the PSF: before (count) is their price without it. */
static void compare(const struct lesson *lesson, const double *before,
                    struct atm_psf_learned *learned) {
    double sum = 0, square = 0, n = 0;
    for (ptrdiff_t t = 0; t < lesson->count; t++) {
        if (!in_part(t, HELD_OUT))
            continue;
        double saved = before[t] - lesson->price[t];
        sum += saved, square += saved * saved, n++;
    }
    learned->saved = sum;
    learned->saved_error = n > 1 ? sqrt(fmax(square - sum * sum / n, 0) * n / (n - 1)) : INFINITY;
}

static enum atm_status alternate(struct lesson *lesson, double *before,
                                 struct atm_psf_learned *learned, struct atm_err *err) {
    enum atm_status status = fit_frames(lesson, ALL, err);
    if (status)
        return status;
    memcpy(before, lesson->price, (size_t)lesson->count * sizeof *before);
    for (int round = 0; round < ROUNDS && !status; round++) {
        status = solve(lesson, TRAINING, round == 0, err);
        if (!status)
            status = use_psf(lesson, err);
        pass_on(lesson, TRAINING);
        if (!status)
            status = fit_frames(lesson, TRAINING, err);
    }
    pass_on(lesson, HELD_OUT);
    if (!status)
        status = fit_frames(lesson, HELD_OUT, err);
    if (status)
        return status;
    compare(lesson, before, learned);
    return solve(lesson, ALL, false, err);
}

enum atm_status atm_psf_learn(const struct atm_refine_options *options, ptrdiff_t height,
                              ptrdiff_t width, const struct atm_refine_input *inputs,
                              ptrdiff_t count, struct atm_psf_learned *learned,
                              struct atm_err *err) {
    struct lesson lesson = {.inputs = inputs, .count = count, .height = height, .width = width};
    *learned = (struct atm_psf_learned){0};
    if (count < 2)
        return atm_err_set(err, ATM_FAIL, "a PSF is measured on two frames or more, not on %td",
                           count);
    double *before = atm_mem_alloc((size_t)count, sizeof *before);
    enum atm_status status = before ? ATM_OK : atm_err_memory(err, "the PSF");
    if (!status)
        status = lesson_create(&lesson, options, err);
    if (!status)
        status = alternate(&lesson, before, learned, err);
    if (!status)
        status = atm_psf_image_measure(&lesson.image, &learned->measures, err);
    if (!status) {
        learned->gaussian_px = inputs[0].sigma_px;
        learned->emitters = lesson.emitters, learned->frames = count;
        learned->image = lesson.image;
        lesson.image = (struct atm_psf_image){0};
    }
    atm_mem_free(before);
    lesson_free(&lesson);
    return status;
}

void atm_psf_learned_free(struct atm_psf_learned *learned) { atm_psf_image_free(&learned->image); }

bool atm_psf_learned_better(const struct atm_psf_learned *learned) {
    return learned->saved > SURE * learned->saved_error;
}
