#include "joint_fit.h"
#include "mem.h"
#include "pixel_psf.h"

#include <math.h>
#include <string.h>

/* Emitters farther apart than this share 1e-4 of the information of one: not worth an entry. */
static const double COUPLING_SIGMAS = 6.0;
static const double AMPLITUDE_MIN = 1e-2; /* counts */
static const double STEP_SIGMAS = 0.7;    /* longest step of a centre */

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static double clamp(double v, double low, double high) { return fmin(fmax(v, low), high); }

static bool renew(double **block, ptrdiff_t count) {
    atm_mem_free(*block);
    return (*block = atm_mem_alloc((size_t)count, sizeof **block)) != NULL;
}

static bool renew_axes(struct atm_fit_axes **axes, double **values, ptrdiff_t count,
                       ptrdiff_t span) {
    atm_mem_free(*axes);
    *axes = atm_mem_alloc((size_t)count, sizeof **axes);
    if (!*axes || !renew(values, count * 4 * span))
        return false;
    for (ptrdiff_t i = 0; i < count; i++) {
        double *row = *values + i * 4 * span;
        (*axes)[i].hx = row, (*axes)[i].dx = row + span;
        (*axes)[i].hy = row + 2 * span, (*axes)[i].dy = row + 3 * span;
    }
    return true;
}

static bool reserve_spots(struct atm_fit *fit, ptrdiff_t count, ptrdiff_t span) {
    if (count <= fit->spot_capacity && span <= fit->span_capacity)
        return true;
    ptrdiff_t spots = most(fit->spot_capacity, count + count / 2), rows = 3 * spots + 1;
    span = most(span, fit->span_capacity);
    fit->spot_capacity = 0;
    atm_mem_free(fit->trial);
    fit->trial = atm_mem_alloc((size_t)spots, sizeof *fit->trial);
    if (!fit->trial || !renew_axes(&fit->axes, &fit->axes_values, spots, span) ||
        !renew_axes(&fit->trial_axes, &fit->trial_axes_values, spots, span) ||
        !renew(&fit->gradient, rows) || !renew(&fit->step, rows) ||
        !renew(&fit->weighted, 2 * span * span))
        return false;
    fit->spot_capacity = spots, fit->span_capacity = span;
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
    void *blocks[] = {fit->mean,       fit->residual,         fit->weight,
                      fit->trial_mean, fit->trial_weight,     fit->trial_residual,
                      fit->axes,       fit->trial_axes,       fit->axes_values,
                      fit->trial,      fit->gradient,         fit->step,
                      fit->weighted,   fit->trial_axes_values};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        atm_mem_free(blocks[i]);
    atm_envelope_free(&fit->information);
    atm_envelope_free(&fit->factor);
    *fit = (struct atm_fit){0};
}

void atm_fit_place(const struct atm_spot *spot, double sigma_px, ptrdiff_t height, ptrdiff_t width,
                   struct atm_fit_axes *axes) {
    ptrdiff_t half = atm_psf_half(sigma_px);
    ptrdiff_t x = (ptrdiff_t)lround(spot->x), y = (ptrdiff_t)lround(spot->y);
    axes->x0 = most(0, x - half), axes->y0 = most(0, y - half);
    axes->nx = most(0, least(width, x + half + 1) - axes->x0);
    axes->ny = most(0, least(height, y + half + 1) - axes->y0);
    atm_psf_axis(spot->x, sigma_px, axes->x0, axes->nx, axes->hx, axes->dx);
    atm_psf_axis(spot->y, sigma_px, axes->y0, axes->ny, axes->hy, axes->dy);
}

void atm_fit_render(const struct atm_fit_axes *axes, double amplitude, double *image,
                    ptrdiff_t width) {
    for (ptrdiff_t y = 0; y < axes->ny; y++) {
        double *row = image + (axes->y0 + y) * width + axes->x0;
        double value = amplitude * axes->hy[y];
        for (ptrdiff_t x = 0; x < axes->nx; x++)
            row[x] += value * axes->hx[x];
    }
}

void atm_fit_project(const struct atm_fit_axes *axes, const double *image, ptrdiff_t width,
                     double out[3]) {
    double h = 0, dx = 0, dy = 0;
    for (ptrdiff_t y = 0; y < axes->ny; y++) {
        const double *row = image + (axes->y0 + y) * width + axes->x0;
        double along = 0, slope = 0;
        for (ptrdiff_t x = 0; x < axes->nx; x++) {
            along += row[x] * axes->hx[x];
            slope += row[x] * axes->dx[x];
        }
        h += axes->hy[y] * along;
        dx += axes->hy[y] * slope;
        dy += axes->dy[y] * along;
    }
    out[0] = h, out[1] = dx, out[2] = dy;
}

/* Expectation, residual and weight of the trial; its objective. */
static double evaluate_trial(struct atm_fit *fit, double background, double *deviance) {
    const struct atm_fit_problem *p = fit->problem;
    ptrdiff_t pixels = p->height * p->width;
    for (ptrdiff_t i = 0; i < pixels; i++)
        fit->trial_mean[i] = p->base[i] + background;
    double penalty = 0, pull, stiffness;
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        const struct atm_spot *spot = &fit->trial[i];
        atm_fit_place(spot, p->sigma_px, p->height, p->width, &fit->trial_axes[i]);
        atm_fit_render(&fit->trial_axes[i], spot->amplitude, fit->trial_mean, p->width);
        penalty +=
            p->brightness.log_sd > 0
                ? atm_brightness_penalty(&p->brightness, log(spot->amplitude), &pull, &stiffness)
                : 0;
    }
    *deviance = p->likelihood->evaluate(p->pixels, fit->trial_mean, pixels, fit->trial_residual,
                                        fit->trial_weight);
    return *deviance + penalty;
}

static void swap(double **a, double **b) {
    double *keep = *a;
    *a = *b, *b = keep;
}

static void accept_trial(struct atm_fit *fit, struct atm_spot *spots) {
    swap(&fit->mean, &fit->trial_mean);
    swap(&fit->residual, &fit->trial_residual);
    swap(&fit->weight, &fit->trial_weight);
    swap(&fit->axes_values, &fit->trial_axes_values);
    struct atm_fit_axes *keep = fit->axes;
    fit->axes = fit->trial_axes, fit->trial_axes = keep;
    if (fit->count)
        memcpy(spots, fit->trial, (size_t)fit->count * sizeof *spots);
}

static bool coupled(const struct atm_fit *fit, const struct atm_spot *a, const struct atm_spot *b) {
    double reach = COUPLING_SIGMAS * fit->problem->sigma_px;
    return fabs(a->x - b->x) < reach && fabs(a->y - b->y) < reach;
}

static enum atm_status lay_out(struct atm_fit *fit, const struct atm_spot *spots,
                               struct atm_err *err) {
    struct atm_envelope *matrices[] = {&fit->information, &fit->factor};
    for (int m = 0; m < 2; m++) {
        enum atm_status status = atm_envelope_resize(matrices[m], fit->size, err);
        if (status)
            return status;
        for (ptrdiff_t i = 0; i < fit->count; i++) {
            ptrdiff_t j = 0;
            while (j < i && !coupled(fit, &spots[i], &spots[j]))
                j++;
            for (int k = 0; k < 3; k++)
                matrices[m]->first[3 * i + k] = 3 * j;
        }
        if (fit->size > 3 * fit->count)
            matrices[m]->first[3 * fit->count] = 0;
        if ((status = atm_envelope_layout(matrices[m], err)))
            return status;
    }
    return ATM_OK;
}

/* Weighted products of the factors of two emitters, summed over the common support: every entry of
 * the pair's 3 x 3 block is one of these up to amplitudes. weighted: (ny, 2, span): weight * hx and
 * weight * dx of emitter a. */
static inline __attribute__((always_inline)) void pair_sums(const struct atm_fit_axes *a,
                                                            const struct atm_fit_axes *b,
                                                            const double *weighted, ptrdiff_t span,
                                                            double s[9]) {
    ptrdiff_t x0 = most(a->x0, b->x0), x1 = least(a->x0 + a->nx, b->x0 + b->nx);
    ptrdiff_t y0 = most(a->y0, b->y0), y1 = least(a->y0 + a->ny, b->y0 + b->ny);
    memset(s, 0, 9 * sizeof *s);
    for (ptrdiff_t y = y0; y < y1; y++) {
        const double *wh = weighted + 2 * span * (y - a->y0) + (x0 - a->x0), *wd = wh + span;
        const double *h = b->hx + (x0 - b->x0), *d = b->dx + (x0 - b->x0);
        double hh = 0, hd = 0, dh = 0, dd = 0;
#pragma omp simd reduction(+ : hh, hd, dh, dd)
        for (ptrdiff_t x = 0; x < x1 - x0; x++) {
            hh += wh[x] * h[x], hd += wh[x] * d[x];
            dh += wd[x] * h[x], dd += wd[x] * d[x];
        }
        double ha = a->hy[y - a->y0], da = a->dy[y - a->y0];
        double hb = b->hy[y - b->y0], db = b->dy[y - b->y0];
        s[0] += dd * ha * hb, s[1] += dh * ha * db, s[2] += dh * ha * hb;
        s[3] += hd * da * hb, s[4] += hh * da * db, s[5] += hh * da * hb;
        s[6] += hd * ha * hb, s[7] += hh * ha * db, s[8] += hh * ha * hb;
    }
}

static void weigh(const struct atm_fit *fit, const struct atm_fit_axes *a) {
    for (ptrdiff_t y = 0; y < a->ny; y++) {
        const double *w = fit->weight + (a->y0 + y) * fit->problem->width + a->x0;
        double *wh = fit->weighted + 2 * fit->span * y, *wd = wh + fit->span;
        for (ptrdiff_t x = 0; x < a->nx; x++)
            wh[x] = w[x] * a->hx[x], wd[x] = w[x] * a->dx[x];
    }
}

static void add_background_row(struct atm_fit *fit, const struct atm_spot *spots) {
    const struct atm_fit_problem *p = fit->problem;
    double *row = atm_envelope_row(&fit->information, 3 * fit->count);
    double gradient = 0, information = 0;
    for (ptrdiff_t i = 0; i < p->height * p->width; i++)
        gradient += fit->residual[i], information += fit->weight[i];
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        double s[3];
        atm_fit_project(&fit->axes[i], fit->weight, p->width, s);
        row[3 * i] = spots[i].amplitude * s[1];
        row[3 * i + 1] = spots[i].amplitude * s[2];
        row[3 * i + 2] = s[0];
    }
    row[3 * fit->count] = information > 0 ? information : 1;
    fit->gradient[3 * fit->count] = gradient;
}

static void add_own_terms(struct atm_fit *fit, const struct atm_spot *spots, ptrdiff_t i) {
    const struct atm_fit_problem *p = fit->problem;
    double s[3], a = spots[i].amplitude, *g = fit->gradient + 3 * i;
    atm_fit_project(&fit->axes[i], fit->residual, p->width, s);
    g[0] = a * s[1], g[1] = a * s[2], g[2] = s[0];
    /* the tiny terms keep an emitter that lies on masked pixels, or on another, from being singular
     */
    double precision = p->position_precision + 1e-12;
    atm_envelope_row(&fit->information, 3 * i)[3 * i] += precision;
    atm_envelope_row(&fit->information, 3 * i + 1)[3 * i + 1] += precision;
    double *own = &atm_envelope_row(&fit->information, 3 * i + 2)[3 * i + 2];
    *own += 1e-12 / (a * a);
    if (p->brightness.log_sd > 0) {
        double pull, stiffness;
        atm_brightness_penalty(&p->brightness, log(a), &pull, &stiffness);
        g[2] += pull / a;
        *own += stiffness / (a * a);
    }
}

/* Fisher matrix and gradient (-1/2 of the objective's) at the current point. */
ATM_FIT_CLONES static void assemble(struct atm_fit *fit, const struct atm_spot *spots) {
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        double *rows[3];
        for (int k = 0; k < 3; k++)
            rows[k] = atm_envelope_row(&fit->information, 3 * i + k);
        weigh(fit, &fit->axes[i]);
        for (ptrdiff_t j = fit->information.first[3 * i] / 3; j <= i; j++) {
            double s[9] = {0}, a = spots[i].amplitude, b = spots[j].amplitude;
            if (coupled(fit, &spots[i], &spots[j]))
                pair_sums(&fit->axes[i], &fit->axes[j], fit->weighted, fit->span, s);
            const double block[3][3] = {{a * b * s[0], a * b * s[1], a * s[2]},
                                        {a * b * s[3], a * b * s[4], a * s[5]},
                                        {b * s[6], b * s[7], s[8]}};
            for (int k = 0; k < 3; k++)
                for (int m = 0; m < (j < i ? 3 : k + 1); m++)
                    rows[k][3 * j + m] = block[k][m];
        }
        add_own_terms(fit, spots, i);
    }
    if (fit->size > 3 * fit->count)
        add_background_row(fit, spots);
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

/* Parameters at a bound whose gradient points out stay where they are in this step. */
static void hold_bounded(struct atm_fit *fit, const struct atm_spot *spots, double background) {
    const struct atm_fit_problem *p = fit->problem;
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        const struct atm_spot *s = &spots[i];
        const double *g = fit->gradient + 3 * i;
        if ((s->x <= p->x_min && g[0] < 0) || (s->x >= p->x_max && g[0] > 0))
            hold(fit, 3 * i);
        if ((s->y <= p->y_min && g[1] < 0) || (s->y >= p->y_max && g[1] > 0))
            hold(fit, 3 * i + 1);
        if (s->amplitude <= AMPLITUDE_MIN && g[2] < 0)
            hold(fit, 3 * i + 2);
    }
    ptrdiff_t last = 3 * fit->count;
    if (fit->size > last && background <= p->background_min && fit->gradient[last] < 0)
        hold(fit, last);
}

/* Trial point = point + step, each parameter within its bounds and not too far. */
static double take_step(struct atm_fit *fit, const struct atm_spot *spots, double background) {
    const struct atm_fit_problem *p = fit->problem;
    double reach = STEP_SIGMAS * p->sigma_px;
    for (ptrdiff_t i = 0; i < fit->count; i++) {
        const double *step = fit->step + 3 * i;
        double a = spots[i].amplitude;
        fit->trial[i] = (struct atm_spot){
            .x = clamp(spots[i].x + clamp(step[0], -reach, reach), p->x_min, p->x_max),
            .y = clamp(spots[i].y + clamp(step[1], -reach, reach), p->y_min, p->y_max),
            .amplitude = fmax(AMPLITUDE_MIN, fmax(0.3 * a, a + step[2])),
        };
    }
    if (fit->size > 3 * fit->count)
        background = fmax(p->background_min, background + fit->step[3 * fit->count]);
    return background;
}

static void start(struct atm_fit *fit, struct atm_spot *spots, double background) {
    const struct atm_fit_problem *p = fit->problem;
    for (ptrdiff_t i = 0; i < fit->count; i++)
        fit->trial[i] = (struct atm_spot){.x = clamp(spots[i].x, p->x_min, p->x_max),
                                          .y = clamp(spots[i].y, p->y_min, p->y_max),
                                          .amplitude = fmax(AMPLITUDE_MIN, spots[i].amplitude)};
    fit->objective = evaluate_trial(fit, background, &fit->deviance);
    accept_trial(fit, spots);
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
            double moved = take_step(fit, spots, *background);
            double objective = evaluate_trial(fit, moved, &deviance);
            fit->converged = promise < fit->problem->tolerance || hopeless(fit, promise);
            if (objective <= fit->objective) {
                accept_trial(fit, spots);
                fit->objective = objective, fit->deviance = deviance, *background = moved;
                *damping = *damping > 1e-7 ? *damping * 0.1 : 0;
                return !fit->converged;
            }
            if (fit->converged)
                return false;
        }
        *damping = fmax(*damping * 8, 1e-4);
    }
    return false;
}

/* The information without bounds or damping, factored; damped only where it is singular. */
static void finish(struct atm_fit *fit, const struct atm_spot *spots) {
    assemble(fit, spots);
    fit->determined = false;
    for (double damping = 0; damping < 1e3 && !fit->determined;) {
        fit->determined = atm_envelope_factor(&fit->information, damping, &fit->factor);
        damping = fmax(damping * 10, 1e-12);
    }
}

enum atm_status atm_fit_run(struct atm_fit *fit, const struct atm_fit_problem *problem,
                            struct atm_spot *spots, ptrdiff_t count, double *background,
                            struct atm_err *err) {
    fit->problem = problem, fit->count = count;
    fit->size = 3 * count + problem->fit_background;
    fit->span = 2 * atm_psf_half(problem->sigma_px) + 1;
    if (!reserve_spots(fit, most(count, 1), fit->span) ||
        !reserve_pixels(fit, problem->height * problem->width))
        return atm_err_memory(err, "a joint fit");
    start(fit, spots, *background);
    fit->converged = fit->size == 0;
    double damping = 1e-3;
    bool more = !fit->converged;
    enum atm_status status = ATM_OK;
    for (fit->iterations = 0; more && fit->iterations < problem->max_iterations;
         fit->iterations++) {
        if ((status = lay_out(fit, spots, err)))
            return status;
        assemble(fit, spots);
        hold_bounded(fit, spots, *background);
        more = iterate(fit, spots, background, &damping);
    }
    if (!(status = lay_out(fit, spots, err)))
        finish(fit, spots);
    return status;
}
