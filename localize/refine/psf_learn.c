#include "psf_learn.h"
#include "mem.h"
#include "psf_painter.h"
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
/* A PSF that is preferred to the Gaussian saves deviance beyond doubt (standard errors), and so
 * much per emitter: a wrong form that costs d draws what is fitted aside by up to sqrt(d) of its
 * standard deviations. */
static const double SURE = 4, WORTH = 0.25;
static const double PROMISING = 2; /* standard errors, before emitters are fitted with it */

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
    ptrdiff_t *held_out;            /* (count): emitters that the Gaussian finds */
    ptrdiff_t emitters;             /* that the last solution rests on */
    bool too_few;
    struct atm_psf_image image;
    /* Of the solution that it was made of: light in its window per photon as fitted, and what of it
     * has come into the middle, px. */
    double mass, shift_x, shift_y;
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
    const struct atm_likelihood *likelihood = atm_refine_likelihood(refine, in->noise);
    double sum = 0;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double own = in->variance ? (double)in->variance[i] / unit : 0, shift = scale.shift + own;
        double counts = (double)in->image[i] / scale.gain + shift, residual, information;
        double mean = fmax((double)refine->model[i] / scale.gain + shift, 1e-3);
        double variance = in->noise.gain > 0 ? mean : fmax(in->noise.floor + own, 1e-12);
        bool saturated = in->saturation && in->image[i] >= in->saturation[i];
        double valid = isfinite(counts) && isfinite(mean) && !(own < 0) && !saturated;
        if (valid > 0)
            sum += likelihood->evaluate((struct atm_pixels){&counts, &valid, &variance}, &mean, 1,
                                        &residual, &information);
        rest[i] = valid > 0 ? in->image[i] - refine->model[i] : 0;
        weight[i] = valid > 0 ? (float)(1 / (variance * unit)) : 0;
    }
    lesson->price[t] = sum + atm_refine_threshold(refine, in) * (double)lesson->rows[t].count;
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
        atm_err_first(&result, err, status, &own);
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
    enum atm_status status = ATM_OK;
    for (int i = 0; i < lesson->threads && !status; i++)
        status = atm_refine_set_psf(lesson->workers[i], &lesson->image, err);
    return status;
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

static enum atm_status start_painter(const struct lesson *lesson, const struct atm_spline *spline,
                                     struct atm_psf_painter *painter, struct atm_err *err) {
    const struct atm_psf psf = {&atm_psf_kinds[spline ? ATM_PSF_SPLINE : ATM_PSF_GAUSSIAN],
                                lesson->inputs[0].sigma_px, spline};
    return atm_psf_painter_create(painter, &psf, lesson->height, lesson->width, err);
}

/* One frame for the least squares: emitters that count come first among its rows, and are taken out
 * of the model as they were fitted and put back with the prior. */
static void sort_frame(struct lesson *lesson, ptrdiff_t t, bool first, struct atm_psf_painter *now,
                       struct atm_psf_painter *prior) {
    struct atm_table *rows = &lesson->rows[t];
    ptrdiff_t pixels = lesson->height * lesson->width, kept = 0;
    double reach = COMPANION_SIGMAS * lesson->inputs[0].sigma_px;
    atm_psf_painter_clear(now);
    atm_psf_painter_clear(prior);
    for (ptrdiff_t i = 0; i < rows->count; i++) {
        bool companion = first && is_companion(rows, i, reach);
        if (!companion && rows->rows[i].flags & ATM_LOC_ON_MASKED)
            continue;
        atm_psf_painter_add(now, &rows->rows[i], rows->rows[i].photons);
        if (!companion)
            atm_psf_painter_add(prior, &rows->rows[i], rows->rows[i].photons);
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
    struct atm_psf_painter now = {0}, prior = {0};
    enum atm_status status = start_painter(lesson, lesson->workers[0]->spline, &now, err);
    if (!status)
        status = start_painter(lesson, NULL, &prior, err);
    lesson->emitters = *count = 0;
    for (ptrdiff_t t = 0; t < lesson->count && !status; t++) {
        if (!in_part(t, part))
            continue;
        sort_frame(lesson, t, first, &now, &prior);
        if (lesson->frames[t].count)
            chosen[(*count)++] = lesson->frames[t];
    }
    lesson->too_few = lesson->emitters < LEAST_EMITTERS;
    if (!status && lesson->too_few)
        status = atm_err_set(err, ATM_FAIL,
                             "only %td emitters in %td frames: at least %d are needed to measure a "
                             "PSF",
                             lesson->emitters, *count, LEAST_EMITTERS);
    atm_psf_painter_free(&now);
    atm_psf_painter_free(&prior);
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
        double half = (double)(made.size / 2 / made.oversampling);
        atm_psf_image_free(&lesson->image);
        lesson->image = made;
        lesson->mass = atm_psf_image_mass(&raw) * (1 - atm_psf_image_beyond(&raw, half));
        lesson->shift_x = measures.x, lesson->shift_y = measures.y;
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
    void *blocks[] = {lesson->rows,  lesson->seeds,  lesson->rest,    lesson->weight,
                      lesson->price, lesson->frames, lesson->held_out};
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
    lesson->held_out = atm_mem_alloc(n, sizeof *lesson->held_out);
    if (!lesson->rows || !lesson->seeds || !lesson->rest || !lesson->weight || !lesson->price ||
        !lesson->frames || !lesson->held_out)
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

/* Weighted squares about their mean that a frame's emitters leave with the prior's image, less what
 * they leave with the next one's. */
static double improvement(const struct lesson *lesson, ptrdiff_t t, struct atm_psf_painter *prior,
                          struct atm_psf_painter *next) {
    const struct atm_psf_frame *frame = &lesson->frames[t];
    const ptrdiff_t pixels = lesson->height * lesson->width;
    double sums[5] = {0};
    atm_psf_painter_clear(prior);
    atm_psf_painter_clear(next);
    for (ptrdiff_t i = 0; i < frame->count; i++) {
        atm_psf_painter_add(prior, &frame->rows[i], frame->rows[i].photons);
        struct atm_loc moved = frame->rows[i];
        moved.x += lesson->shift_x, moved.y += lesson->shift_y;
        atm_psf_painter_add(next, &moved, lesson->mass * moved.photons);
    }
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double w = (double)frame->weight[i], before = (double)frame->rest[i];
        double after = before - (next->image[i] - prior->image[i]);
        sums[0] += w, sums[1] += w * before, sums[2] += w * before * before;
        sums[3] += w * after, sums[4] += w * after * after;
    }
    return sums[0] > 0 ? sums[2] - sums[4] - (sums[1] * sums[1] - sums[3] * sums[3]) / sums[0] : 0;
}

/* What the frames that were held out would save by the PSF at once, every emitter staying where it
 * is: nothing, where the Gaussian is right. */
static enum atm_status foresee(struct lesson *lesson, double *saved, struct atm_err *err) {
    struct atm_psf_painter now = {0}, prior = {0}, next = {0};
    struct atm_spline *spline = NULL;
    const struct atm_psf_image *image = &lesson->image;
    enum atm_status status =
        atm_spline_create(image->samples, image->size, image->oversampling, &spline, err);
    if (!status)
        status = start_painter(lesson, NULL, &now, err);
    if (!status)
        status = start_painter(lesson, NULL, &prior, err);
    if (!status)
        status = start_painter(lesson, spline, &next, err);
    for (ptrdiff_t t = 0; t < lesson->count && !status; t++) {
        saved[t] = 0;
        if (!in_part(t, HELD_OUT))
            continue;
        sort_frame(lesson, t, true, &now, &prior);
        saved[t] = improvement(lesson, t, &prior, &next);
    }
    atm_psf_painter_free(&now);
    atm_psf_painter_free(&prior);
    atm_psf_painter_free(&next);
    atm_spline_destroy(&spline);
    return status;
}

/* Sum over the held-out frames and its error. */
static void add_up(const struct lesson *lesson, const double *saved,
                   struct atm_psf_learned *learned) {
    double sum = 0, square = 0, n = 0;
    learned->held_out = 0;
    for (ptrdiff_t t = 0; t < lesson->count; t++) {
        if (!in_part(t, HELD_OUT))
            continue;
        sum += saved[t], square += saved[t] * saved[t], n++;
        learned->held_out += lesson->held_out[t];
    }
    learned->saved = sum;
    learned->saved_error = n > 1 ? sqrt(fmax(square - sum * sum / n, 0) * n / (n - 1)) : INFINITY;
}

/* Fits of the training frames and the PSF in turn, then of the others with it. saved (count). */
static enum atm_status alternate(struct lesson *lesson, double *saved, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int round = 0; round < ROUNDS && !status; round++) {
        if (round)
            status = solve(lesson, TRAINING, false, err);
        if (!status)
            status = use_psf(lesson, err);
        pass_on(lesson, TRAINING);
        if (!status)
            status = fit_frames(lesson, TRAINING, err);
    }
    pass_on(lesson, HELD_OUT);
    for (ptrdiff_t t = 0; t < lesson->count; t++)
        saved[t] = lesson->price[t]; /* with the Gaussian still: training frames do not count */
    if (!status)
        status = fit_frames(lesson, HELD_OUT, err);
    for (ptrdiff_t t = 0; t < lesson->count; t++)
        saved[t] -= lesson->price[t];
    return status;
}

/* The image is left empty where it is not wished for. */
static enum atm_status teach(struct lesson *lesson, enum atm_psf_wish wish, double *saved,
                             struct atm_psf_learned *learned, struct atm_err *err) {
    enum atm_status status = fit_frames(lesson, ALL, err);
    for (ptrdiff_t t = 0; t < lesson->count && !status; t++)
        lesson->held_out[t] = lesson->rows[t].count;
    if (!status)
        status = solve(lesson, TRAINING, true, err);
    if (!status && wish == ATM_PSF_IF_BETTER) {
        status = foresee(lesson, saved, err);
        add_up(lesson, saved, learned);
        if (status || !(learned->saved > PROMISING * learned->saved_error)) {
            atm_psf_image_free(&lesson->image);
            return status;
        }
    }
    if (!status)
        status = alternate(lesson, saved, err);
    if (status)
        return status;
    add_up(lesson, saved, learned);
    if (wish == ATM_PSF_IF_BETTER && !atm_psf_learned_better(learned)) {
        atm_psf_image_free(&lesson->image);
        return ATM_OK;
    }
    return solve(lesson, ALL, false, err);
}

enum atm_status atm_psf_learn(const struct atm_refine_options *options, ptrdiff_t height,
                              ptrdiff_t width, const struct atm_refine_input *inputs,
                              ptrdiff_t count, enum atm_psf_wish wish,
                              struct atm_psf_learned *learned, struct atm_err *err) {
    struct lesson lesson = {.inputs = inputs, .count = count, .height = height, .width = width};
    *learned = (struct atm_psf_learned){0};
    if (count < 2 && wish == ATM_PSF_IF_BETTER)
        return ATM_OK;
    if (count < 2)
        return atm_err_set(err, ATM_FAIL, "a PSF is measured on two frames or more, not on %td",
                           count);
    double *saved = atm_mem_alloc((size_t)count, sizeof *saved);
    struct atm_err own = {0};
    enum atm_status status = saved ? ATM_OK : atm_err_memory(&own, "the PSF");
    if (!status)
        status = lesson_create(&lesson, options, &own);
    if (!status)
        status = teach(&lesson, wish, saved, learned, &own);
    if (lesson.too_few && wish == ATM_PSF_IF_BETTER)
        status = ATM_OK, atm_psf_image_free(&lesson.image);
    if (!status && lesson.image.samples)
        status = atm_psf_image_measure(&lesson.image, &learned->measures, &own);
    if (status && err)
        *err = own;
    if (!status) {
        learned->gaussian_px = inputs[0].sigma_px;
        learned->emitters = lesson.emitters, learned->frames = count;
        learned->image = lesson.image;
        lesson.image = (struct atm_psf_image){0};
    }
    atm_mem_free(saved);
    lesson_free(&lesson);
    return status;
}

void atm_psf_learned_free(struct atm_psf_learned *learned) { atm_psf_image_free(&learned->image); }

bool atm_psf_learned_better(const struct atm_psf_learned *learned) {
    return learned->saved > SURE * learned->saved_error &&
           learned->saved > WORTH * (double)learned->held_out;
}
