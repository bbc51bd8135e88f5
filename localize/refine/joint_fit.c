#include "joint_fit.h"
#include "fit_sums.h"
#include "mem.h"
#include "whole.h"

#include <math.h>
#include <string.h>

/* Emitters farther apart than this share 1e-4 of the information of one: not worth an entry. */
static const double COUPLING_SIGMAS = 6.0;
static const double AMPLITUDE_MIN = 1e-2;          /* counts */
static const double STEP_SIGMAS = 0.7;             /* longest step of a centre */
static const double NARROWEST = 0.4, WIDEST = 2.5; /* fitted widths, in sigma_px */
static const double WIDTH_STEP = 0.25;             /* longest step of a width, relative */

static double clamp(double v, double low, double high) { return fmin(fmax(v, low), high); }

static bool renew(double **block, ptrdiff_t count) {
    atm_mem_free(*block);
    return (*block = atm_mem_alloc((size_t)count, sizeof **block)) != NULL;
}

static bool reserve_spots(struct atm_fit *fit, ptrdiff_t count, ptrdiff_t plane) {
    if (count <= fit->spot_capacity && plane <= fit->plane_capacity)
        return true;
    ptrdiff_t spots = atm_larger(fit->spot_capacity, count + count / 2);
    ptrdiff_t rows = ATM_SPOT_PARAMETERS * spots + ATM_FIT_BACKGROUND_TERMS;
    plane = atm_larger(plane, fit->plane_capacity);
    fit->spot_capacity = 0;
    atm_mem_free(fit->trial);
    atm_mem_free(fit->patches);
    fit->trial = atm_mem_alloc((size_t)spots, sizeof *fit->trial);
    fit->patches = atm_mem_alloc((size_t)spots, sizeof *fit->patches);
    if (!fit->trial || !fit->patches ||
        !renew(&fit->patch_values, spots * ATM_SPOT_PARAMETERS * plane) ||
        !renew(&fit->gradient, rows) || !renew(&fit->step, rows) ||
        !renew(&fit->weighted, ATM_SPOT_PARAMETERS * plane))
        return false;
    fit->spot_capacity = spots, fit->plane_capacity = plane;
    return true;
}

static bool reserve_pixels(struct atm_fit *fit, ptrdiff_t pixels) {
    if (pixels <= fit->pixel_capacity)
        return true;
    fit->pixel_capacity = 0;
    double **blocks[] = {&fit->mean,       &fit->residual,       &fit->weight,
                         &fit->trial_mean, &fit->trial_residual, &fit->trial_weight};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (!renew(blocks[i], pixels))
            return false;
    fit->pixel_capacity = pixels;
    return true;
}

void atm_fit_free(struct atm_fit *fit) {
    void *blocks[] = {fit->mean,         fit->residual, fit->weight,   fit->trial_mean,
                      fit->trial_weight, fit->patches,  fit->trial,    fit->trial_residual,
                      fit->gradient,     fit->step,     fit->weighted, fit->patch_values};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        atm_mem_free(blocks[i]);
    atm_envelope_free(&fit->information);
    atm_envelope_free(&fit->factor);
    *fit = (struct atm_fit){0};
}

static void place(struct atm_fit *fit, const struct atm_spot *spots) {
    const struct atm_fit_problem *p = fit->problem;
    for (ptrdiff_t i = 0; i < fit->count; i++)
        atm_psf_place(p->psf, &spots[i], p->height, p->width,
                      fit->patch_values + i * fit->parameters * fit->plane, &fit->patches[i]);
}

double atm_fit_basis(ptrdiff_t height, ptrdiff_t width, int term, ptrdiff_t pixel) {
    if (term == 0)
        return 1;
    ptrdiff_t n = term == 1 ? width : height;
    ptrdiff_t at = term == 1 ? pixel % width : pixel / width;
    return ((double)at + 0.5) / (double)n - 0.5;
}

/* Expectation, residual and weight of the trial; its objective. */
static double evaluate_trial(struct atm_fit *fit, double *deviance) {
    const struct atm_fit_problem *p = fit->problem;
    ptrdiff_t pixels = p->height * p->width;
    const double *b = fit->trial_background;
    for (ptrdiff_t i = 0; i < pixels; i++)
        fit->trial_mean[i] = p->base[i] + b[0];
    for (int t = 1; t < p->background_terms; t++)
        for (ptrdiff_t i = 0; i < pixels; i++)
            fit->trial_mean[i] += b[t] * atm_fit_basis(p->height, p->width, t, i);
    double penalty = 0, pull, stiffness;
    place(fit, fit->trial);
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        double amplitude = fit->trial[i].amplitude;
        atm_fit_render(&fit->patches[i], amplitude, fit->trial_mean, p->width);
        if (p->brightness.log_sd > 0)
            penalty += atm_brightness_penalty(&p->brightness, log(amplitude), &pull, &stiffness);
    }
    *deviance = p->likelihood->evaluate(p->pixels, fit->trial_mean, pixels, fit->trial_residual,
                                        fit->trial_weight);
    return *deviance + penalty;
}

static void swap(double **a, double **b) {
    double *keep = *a;
    *a = *b, *b = keep;
}

static void accept_trial(struct atm_fit *fit, struct atm_spot *spots, double *background) {
    swap(&fit->mean, &fit->trial_mean);
    swap(&fit->residual, &fit->trial_residual);
    swap(&fit->weight, &fit->trial_weight);
    if (fit->count)
        memcpy(spots, fit->trial, (size_t)fit->count * sizeof *spots);
    memcpy(background, fit->trial_background, sizeof fit->trial_background);
    fit->stale = false;
}

static bool coupled(const struct atm_fit *fit, const struct atm_spot *a, const struct atm_spot *b) {
    double reach = COUPLING_SIGMAS * fit->problem->psf->sigma_px;
    return fabs(a->x - b->x) < reach && fabs(a->y - b->y) < reach;
}

static enum atm_status lay_out(struct atm_fit *fit, const struct atm_spot *spots,
                               struct atm_err *err) {
    struct atm_envelope *matrices[] = {&fit->information, &fit->factor};
    const int n = fit->parameters;
    for (int m = 0; m < 2; m++) {
        enum atm_status status = atm_envelope_resize(matrices[m], fit->size, err);
        if (status)
            return status;
        for (ptrdiff_t i = 0; i < fit->count; i++) {
            ptrdiff_t j = 0;
            while (j < i && !coupled(fit, &spots[i], &spots[j]))
                j++;
            for (int k = 0; k < n; k++)
                matrices[m]->first[n * i + k] = n * j;
        }
        for (ptrdiff_t i = n * fit->count; i < fit->size; i++)
            matrices[m]->first[i] = 0;
        if ((status = atm_envelope_layout(matrices[m], err)))
            return status;
    }
    return ATM_OK;
}

/* Derivatives of the expectation are planes times this. */
static double scale_of(const struct atm_spot *spot, int parameter) {
    return parameter == ATM_SPOT_AMPLITUDE ? 1 : spot->amplitude;
}

static void add_background_rows(struct atm_fit *fit, const struct atm_spot *spots) {
    const struct atm_fit_problem *p = fit->problem;
    const int n = fit->parameters;
    ptrdiff_t pixels = p->height * p->width;
    double *product = fit->trial_weight; /* free between trials */
    for (int t = 0; t < p->background_terms; t++) {
        double *row = atm_envelope_row(&fit->information, n * fit->count + t), gradient = 0;
        for (ptrdiff_t i = 0; i < pixels; i++) {
            double value = atm_fit_basis(p->height, p->width, t, i);
            product[i] = fit->weight[i] * value, gradient += fit->residual[i] * value;
        }
        for (ptrdiff_t i = 0; i < fit->count; i++) {
            atm_fit_project(&fit->patches[i], product, p->width, n, row + n * i);
            for (int k = 0; k < n; k++)
                row[n * i + k] *= scale_of(&spots[i], k);
        }
        for (int s = 0; s <= t; s++) {
            double sum = 0;
            for (ptrdiff_t i = 0; i < pixels; i++)
                sum += product[i] * atm_fit_basis(p->height, p->width, s, i);
            row[n * fit->count + s] = sum;
        }
        double *own = &row[n * fit->count + t];
        *own = *own > 0 ? *own : 1;
        fit->gradient[n * fit->count + t] = gradient;
    }
}

static void add_own_terms(struct atm_fit *fit, const struct atm_spot *spots, ptrdiff_t i) {
    const struct atm_fit_problem *p = fit->problem;
    const int n = fit->parameters;
    double a = spots[i].amplitude, *g = fit->gradient + n * i;
    atm_fit_project(&fit->patches[i], fit->residual, p->width, n, g);
    for (int k = 0; k < n; k++) {
        double *own = &atm_envelope_row(&fit->information, n * i + k)[n * i + k];
        g[k] *= scale_of(&spots[i], k);
        /* the tiny terms keep an emitter that lies on masked pixels, or on another, from being
         * singular */
        *own += k == ATM_SPOT_AMPLITUDE ? 1e-12 / (a * a) : 1e-12;
        *own += k < ATM_SPOT_AMPLITUDE ? p->position_precision : 0;
    }
    if (p->brightness.log_sd > 0) {
        double pull, stiffness;
        ptrdiff_t at = n * i + ATM_SPOT_AMPLITUDE;
        atm_brightness_penalty(&p->brightness, log(a), &pull, &stiffness);
        g[ATM_SPOT_AMPLITUDE] += pull / a;
        /* No brightness is less certain than by the typical one: how coinciding emitters share
         * their light is told by nothing, and an unbounded volume would favour them. */
        double ratio = a / exp(p->brightness.log_mean), sd = p->brightness.log_sd;
        stiffness = fmax(stiffness, fmin(ratio * ratio, 1 / (sd * sd)));
        atm_envelope_row(&fit->information, at)[at] += stiffness / (a * a);
    }
}

/* Fisher matrix and gradient (-1/2 of the objective's) at the current point. */
static void assemble(struct atm_fit *fit, const struct atm_spot *spots) {
    const int n = fit->parameters;
    double sums[ATM_SPOT_PARAMETERS * ATM_SPOT_PARAMETERS];
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        atm_fit_weigh(&fit->patches[i], fit->weight, fit->problem->width, n, fit->weighted);
        for (ptrdiff_t j = fit->information.first[n * i] / n; j <= i; j++) {
            bool near = coupled(fit, &spots[i], &spots[j]);
            if (near)
                atm_fit_pair_sums(&fit->patches[i], fit->weighted, &fit->patches[j], n, sums);
            for (int k = 0; k < n; k++) {
                double *row = atm_envelope_row(&fit->information, n * i + k) + n * j;
                for (int m = 0; m < (j < i ? n : k + 1); m++)
                    row[m] = near
                                 ? scale_of(&spots[i], k) * scale_of(&spots[j], m) * sums[n * k + m]
                                 : 0;
            }
        }
        add_own_terms(fit, spots, i);
    }
    add_background_rows(fit, spots);
}

static void hold(struct atm_fit *fit, ptrdiff_t parameter) {
    struct atm_envelope *m = &fit->information;
    double *row = atm_envelope_row(m, parameter);
    for (ptrdiff_t j = m->first[parameter]; j < parameter; j++)
        row[j] = 0;
    for (ptrdiff_t i = parameter + 1; i < m->size; i++)
        if (m->first[i] <= parameter)
            atm_envelope_row(m, i)[parameter] = 0;
    fit->gradient[parameter] = 0;
}

static double width_min(const struct atm_fit *fit) {
    return NARROWEST * fit->problem->psf->sigma_px;
}
static double width_max(const struct atm_fit *fit) { return WIDEST * fit->problem->psf->sigma_px; }

/* Parameters at a bound whose gradient points out stay where they are in this step. */
static void hold_bounded(struct atm_fit *fit, const struct atm_spot *spots,
                         const double *background) {
    const struct atm_fit_problem *p = fit->problem;
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        const struct atm_spot *s = &spots[i];
        const double value[] = {s->x, s->y, s->amplitude, s->sx, s->sy};
        const double low[] = {p->x_min, p->y_min, AMPLITUDE_MIN, width_min(fit), width_min(fit)};
        const double high[] = {p->x_max, p->y_max, INFINITY, width_max(fit), width_max(fit)};
        for (int k = 0; k < fit->parameters; k++) {
            ptrdiff_t at = fit->parameters * i + k;
            double g = fit->gradient[at];
            if ((value[k] <= low[k] && g < 0) || (value[k] >= high[k] && g > 0))
                hold(fit, at);
        }
    }
    ptrdiff_t first = fit->parameters * fit->count;
    if (p->background_terms && background[0] <= p->background_min && fit->gradient[first] < 0)
        hold(fit, first);
}

/* The background's terms, changed so that it is nowhere below the least. */
static void keep_above(double *background, const struct atm_fit_problem *p) {
    if (p->background_terms)
        background[0] = fmax(background[0], p->background_min);
    double fall = 0, room = background[0] - p->background_min;
    for (int t = 1; t < p->background_terms; t++)
        fall += 0.5 * fabs(background[t]);
    for (int t = 1; t < p->background_terms; t++)
        background[t] *= fall > room ? room / fall : 1;
}

/* Trial point = point + step, each parameter within its bounds and not too far. */
static void take_step(struct atm_fit *fit, const struct atm_spot *spots, const double *background) {
    const struct atm_fit_problem *p = fit->problem;
    double reach = STEP_SIGMAS * p->psf->sigma_px;
    const int widths = p->psf->kind->widths;
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        const double *step = fit->step + fit->parameters * i;
        struct atm_spot from = spots[i], *to = &fit->trial[i];
        *to = from;
        to->x = clamp(from.x + clamp(step[0], -reach, reach), p->x_min, p->x_max);
        to->y = clamp(from.y + clamp(step[1], -reach, reach), p->y_min, p->y_max);
        to->amplitude = fmax(AMPLITUDE_MIN, fmax(0.3 * from.amplitude, from.amplitude + step[2]));
        if (widths == 0)
            continue;
        double most_x = WIDTH_STEP * from.sx, most_y = WIDTH_STEP * from.sy;
        to->sx = clamp(from.sx + clamp(step[ATM_SPOT_SX], -most_x, most_x), width_min(fit),
                       width_max(fit));
        to->sy = widths == 1 ? to->sx
                             : clamp(from.sy + clamp(step[ATM_SPOT_SY], -most_y, most_y),
                                     width_min(fit), width_max(fit));
    }
    memcpy(fit->trial_background, background, sizeof fit->trial_background);
    for (int t = 0; t < p->background_terms; t++)
        fit->trial_background[t] += fit->step[fit->parameters * fit->count + t];
    keep_above(fit->trial_background, p);
}

static void start(struct atm_fit *fit, struct atm_spot *spots, double *background) {
    const struct atm_fit_problem *p = fit->problem;
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        struct atm_spot from = spots[i];
        double sx = from.sx > 0 ? from.sx : p->psf->sigma_px;
        double sy = from.sy > 0 && p->psf->kind->widths == 2 ? from.sy : sx;
        fit->trial[i] = (struct atm_spot){.x = clamp(from.x, p->x_min, p->x_max),
                                          .y = clamp(from.y, p->y_min, p->y_max),
                                          .amplitude = fmax(AMPLITUDE_MIN, from.amplitude),
                                          .sx = clamp(sx, width_min(fit), width_max(fit)),
                                          .sy = clamp(sy, width_min(fit), width_max(fit))};
    }
    memcpy(fit->trial_background, background, sizeof fit->trial_background);
    fit->objective = evaluate_trial(fit, &fit->deviance);
    accept_trial(fit, spots, background);
}

/* Steps seldom gain more than a few times what the quadratic model promises. */
static bool hopeless(const struct atm_fit *fit, double promise) {
    double aim = fit->problem->give_up;
    return aim > 0 && fit->objective - 5 * promise > aim;
}

/* One damped step; raises the damping until the objective falls. True while there is more to gain.
 */
static bool iterate(struct atm_fit *fit, struct atm_spot *spots, double *background,
                    double *damping) {
    for (int attempt = 0; attempt < 12; attempt++) {
        if (atm_envelope_factor(&fit->information, *damping, &fit->factor)) {
            memcpy(fit->step, fit->gradient, (size_t)fit->size * sizeof *fit->step);
            atm_envelope_solve(&fit->factor, fit->step);
            double promise = 0, deviance;
            for (ptrdiff_t i = 0; i < fit->size; i++)
                promise += fit->gradient[i] * fit->step[i];
            take_step(fit, spots, background);
            double objective = evaluate_trial(fit, &deviance);
            fit->converged = promise < fit->problem->tolerance || hopeless(fit, promise);
            if (objective <= fit->objective) {
                accept_trial(fit, spots, background);
                fit->objective = objective, fit->deviance = deviance;
                *damping = *damping > 1e-7 ? *damping * 0.1 : 0;
                return !fit->converged;
            }
            fit->stale = true;
            if (fit->converged)
                return false;
        }
        *damping = fmax(*damping * 8, 1e-4);
    }
    return false;
}

/* The information without bounds or damping, factored; damped only where it is singular. */
static void finish(struct atm_fit *fit, const struct atm_spot *spots) {
    if (fit->stale)
        place(fit, spots);
    assemble(fit, spots);
    fit->determined = false;
    for (double damping = 0; damping < 1e3 && !fit->determined;) {
        fit->determined = atm_envelope_factor(&fit->information, damping, &fit->factor);
        damping = fmax(damping * 10, 1e-12);
    }
}

enum atm_status atm_fit_run(struct atm_fit *fit, const struct atm_fit_problem *problem,
                            struct atm_spot *spots, ptrdiff_t count,
                            double background[ATM_FIT_BACKGROUND_TERMS], struct atm_err *err) {
    fit->problem = problem, fit->count = count;
    fit->parameters = atm_psf_parameters(problem->psf);
    fit->size = fit->parameters * count + problem->background_terms;
    fit->plane = atm_psf_plane_size(problem->psf);
    if (!reserve_spots(fit, atm_larger(count, 1), fit->plane) ||
        !reserve_pixels(fit, problem->height * problem->width))
        return atm_err_memory(err, "a joint fit");
    start(fit, spots, background);
    fit->converged = fit->size == 0;
    double damping = 1e-3;
    bool more = !fit->converged;
    enum atm_status status = ATM_OK;
    for (fit->iterations = 0; more && fit->iterations < problem->max_iterations;
         fit->iterations++) {
        if ((status = lay_out(fit, spots, err)))
            return status;
        assemble(fit, spots);
        hold_bounded(fit, spots, background);
        more = iterate(fit, spots, background, &damping);
    }
    if (!(status = lay_out(fit, spots, err)))
        finish(fit, spots);
    return status;
}
