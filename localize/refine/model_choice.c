#include "model_choice.h"
#include "mem.h"

#include <math.h>
#include <string.h>

/* Refitted together: emitters within this of the one in question; more would hardly notice. */
static const double NEIGHBOUR_SIGMAS = 3.3;
static const double WINDOW_SIGMAS = 3.2;    /* pixels looked at beyond the refitted emitters */
static const double MERGE_SIGMAS = 2.2;     /* pairs farther apart are never one */
static const double SPLIT_SIGMAS = 0.6;     /* start of both halves from their centre */
static const double CANDIDATE_SIGMAS = 2.8; /* residual peaks worth a refit */
static const double SURE_DEVIANCE = 150, SHAPE_DEVIANCE = 6, SURE_SDS = 2; /* see beyond_doubt */
enum { GROUP_MAX = 16, LOCAL_ITERATIONS = 12 };
/* More deviance than the prior terms of one emitter more or less could ever make good. */
static const double HOPE = 60;
static const double LEAST_DOUBT = 1e-3; /* explanations of less weight are not worth a look */
static const double LOCAL_TOLERANCE = 0.02;

/* One way to explain a neighbourhood. from[i] is the emitter's index in the tile, -1 new. */
struct hypothesis {
    struct atm_spot spots[GROUP_MAX + 2];
    ptrdiff_t from[GROUP_MAX + 2];
    ptrdiff_t count;
    double objective;
    double score; /* -2 log evidence, or penalised deviance; lower is better */
};

struct atm_choice {
    struct hypothesis null, trial, best;
    ptrdiff_t group[GROUP_MAX], group_count; /* tile indices; the first is in question */
    ptrdiff_t x0, y0, width, height;         /* window */
    bool doubting;                           /* nothing is to change: only weigh what loses */
};

enum atm_status atm_choice_create(struct atm_choice **choice, struct atm_err *err) {
    *choice = atm_mem_alloc(1, sizeof **choice);
    return *choice ? ATM_OK : atm_err_memory(err, "model choice");
}

void atm_choice_destroy(struct atm_choice **choice) {
    atm_mem_free(*choice);
    *choice = NULL;
}

/* Expected maxima above u of the matched filter's output in noise: a smooth Gaussian field of unit
 * variance and correlation exp(-d^2 / (4 sigma^2)) (Adler 1981; Worsley 1992,
 * doi:10.1038/jcbfm.1992.127, equation 2). */
static double false_peaks(double u, double sigma_px) {
    double area = 1000 / (2 * sigma_px * sigma_px);
    return area * pow(2 * M_PI, -1.5) * u * exp(-0.5 * u * u);
}

double atm_choice_threshold(double false_per_frame, double sigma_px) {
    double low = 1, high = 40; /* false_peaks falls from u = 1 on */
    for (int i = 0; i < 60; i++) {
        double u = 0.5 * (low + high);
        *(false_peaks(u, sigma_px) > false_per_frame ? &low : &high) = u;
    }
    return low * low;
}

static double distance2(const struct atm_spot *a, double x, double y) {
    return (a->x - x) * (a->x - x) + (a->y - y) * (a->y - y);
}

/* The emitters nearest to (x, y), within reach, nearest first. */
static void gather(struct atm_choice *c, const struct atm_tile *tile, double x, double y) {
    double reach = NEIGHBOUR_SIGMAS * tile->psf.sigma_px, distances[GROUP_MAX + 1];
    c->group_count = 0;
    for (ptrdiff_t i = 0; i < tile->count; i++) {
        double d = distance2(&tile->spots[i], x, y);
        if (!(tile->spots[i].amplitude > 0) || d > reach * reach)
            continue;
        ptrdiff_t at = c->group_count;
        for (; at > 0 && distances[at - 1] > d; at--)
            if (at < GROUP_MAX)
                distances[at] = distances[at - 1], c->group[at] = c->group[at - 1];
        if (at < GROUP_MAX)
            distances[at] = d, c->group[at] = i;
        c->group_count += c->group_count < GROUP_MAX;
    }
}

static ptrdiff_t within(double v, ptrdiff_t n) {
    return v < 0 ? 0 : v > (double)(n - 1) ? n - 1 : (ptrdiff_t)lround(v);
}

/* Copy the pixels around the group and (x, y); base = expectation without the group. */
static void open_window(struct atm_choice *c, struct atm_tile *tile, double x, double y) {
    double x_low = x, x_high = x, y_low = y, y_high = y,
           margin = WINDOW_SIGMAS * tile->psf.sigma_px;
    for (ptrdiff_t k = 0; k < c->group_count; k++) {
        const struct atm_spot *s = &tile->spots[c->group[k]];
        x_low = fmin(x_low, s->x), x_high = fmax(x_high, s->x);
        y_low = fmin(y_low, s->y), y_high = fmax(y_high, s->y);
        atm_tile_paint(tile, s, -1);
    }
    c->x0 = within(x_low - margin, tile->width), c->y0 = within(y_low - margin, tile->height);
    c->width = within(x_high + margin, tile->width) + 1 - c->x0;
    c->height = within(y_high + margin, tile->height) + 1 - c->y0;
    const double *from[4] = {tile->counts, tile->valid, tile->variance, tile->mean};
    for (int k = 0; k < 4; k++)
        for (ptrdiff_t row = 0; row < c->height; row++)
            memcpy(tile->window[k] + row * c->width, from[k] + (c->y0 + row) * tile->width + c->x0,
                   (size_t)c->width * sizeof(double));
    for (ptrdiff_t k = 0; k < c->group_count; k++)
        atm_tile_paint(tile, &tile->spots[c->group[k]], 1);
}

/* Of a place, over the mean. */
static double relative_density(const struct atm_tile *tile, const struct atm_spot *spot) {
    return tile->where ? (double)tile->where[within(spot->y, tile->height) * tile->where_stride +
                                             within(spot->x, tile->width)]
                       : 1;
}

/* Without a population every emitter must be worth the threshold. With one: minus twice the log of
 * the Laplace approximation to the evidence, emitters being a Poisson process of the population's
 * density and log-normal brightness (the quadratic part of which is in the objective already). */
static double score(const struct atm_tile *tile, const struct hypothesis *h) {
    double log_sd = tile->brightness.log_sd;
    if (log_sd <= 0)
        return tile->local.objective + tile->threshold * (double)h->count;
    double each = 2 * log(log_sd) - 2 * log(tile->density) - 2 * log(2 * M_PI), sum = 0;
    for (ptrdiff_t i = 0; i < h->count; i++)
        sum +=
            each + 2 * log(h->spots[i].amplitude) - 2 * log(relative_density(tile, &h->spots[i]));
    return tile->local.objective + sum + atm_envelope_log_det(&tile->local.factor);
}

static enum atm_status judge(struct atm_choice *c, struct atm_tile *tile, struct hypothesis *h,
                             double give_up, struct atm_err *err) {
    double dx = (double)c->x0, dy = (double)c->y0, none[ATM_FIT_BACKGROUND_TERMS] = {0};
    const struct atm_fit_problem problem = {
        .height = c->height,
        .width = c->width,
        .pixels = {tile->window[0], tile->window[1], tile->window[2]},
        .base = tile->window[3],
        .psf = &tile->psf,
        .likelihood = tile->likelihood,
        .x_min = fmax(tile->x_min - dx, -0.5),
        .x_max = fmin(tile->x_max - dx, (double)c->width - 0.5),
        .y_min = fmax(tile->y_min - dy, -0.5),
        .y_max = fmin(tile->y_max - dy, (double)c->height - 0.5),
        .brightness = tile->brightness,
        .position_precision = tile->position_precision,
        .give_up = give_up,
        .tolerance = LOCAL_TOLERANCE,
        .max_iterations = LOCAL_ITERATIONS,
    };
    for (ptrdiff_t i = 0; i < h->count; i++)
        h->spots[i].x -= dx, h->spots[i].y -= dy;
    enum atm_status status = atm_fit_run(&tile->local, &problem, h->spots, h->count, none, err);
    for (ptrdiff_t i = 0; i < h->count; i++)
        h->spots[i].x += dx, h->spots[i].y += dy;
    h->objective = tile->local.objective;
    if (!status)
        h->score = tile->local.determined ? score(tile, h) : INFINITY;
    return status;
}

/* Another explanation of weight w would put an emitter where its nearest is now. */
static void weigh(const struct atm_choice *c, struct atm_tile *tile) {
    double w = fmin(exp(0.5 * (c->null.score - c->trial.score)), 1);
    double reach = MERGE_SIGMAS * MERGE_SIGMAS * tile->psf.sigma_px * tile->psf.sigma_px;
    for (ptrdiff_t k = 0; w > LEAST_DOUBT && k < c->null.count; k++) {
        const struct atm_spot *own = &c->null.spots[k], *near = NULL;
        double nearest = reach;
        for (ptrdiff_t i = 0; i < c->trial.count; i++) {
            double d = distance2(&c->trial.spots[i], own->x, own->y);
            if (d < nearest)
                nearest = d, near = &c->trial.spots[i];
        }
        if (!near)
            continue;
        struct atm_mark *mark = &tile->marks[c->null.from[k]];
        const double by[3] = {near->x - own->x, near->y - own->y, near->amplitude - own->amplitude};
        mark->doubt += w;
        for (int p = 0; p < 3; p++)
            mark->difference[p] += w * by[p] * by[p];
    }
}

/* Judge c->trial and keep it when it beats the best so far. */
static enum atm_status compete(struct atm_choice *c, struct atm_tile *tile, struct atm_err *err) {
    enum atm_status status = judge(c, tile, &c->trial, c->null.objective + HOPE, err);
    if (!status && c->doubting)
        weigh(c, tile);
    if (!status && c->trial.score < c->best.score)
        c->best = c->trial;
    return status;
}

static enum atm_status open_case(struct atm_choice *c, struct atm_tile *tile, double x, double y,
                                 struct atm_err *err) {
    gather(c, tile, x, y);
    open_window(c, tile, x, y);
    c->null.count = c->group_count;
    for (ptrdiff_t k = 0; k < c->group_count; k++) {
        c->null.from[k] = c->group[k];
        c->null.spots[k] = tile->spots[c->group[k]];
    }
    enum atm_status status = judge(c, tile, &c->null, 0, err);
    c->best = c->null;
    return status;
}

/* An emitter that is no more leaves its blocks to the nearest of those that are. */
static void bequeath(struct atm_tile *tile, const struct hypothesis *h, ptrdiff_t gone) {
    const struct atm_spot *spot = &tile->spots[gone];
    double nearest = MERGE_SIGMAS * MERGE_SIGMAS * tile->psf.sigma_px * tile->psf.sigma_px;
    ptrdiff_t heir = -1;
    for (ptrdiff_t k = 0; k < h->count; k++) {
        double d = distance2(&h->spots[k], spot->x, spot->y);
        if (h->from[k] == gone)
            return;
        if (h->from[k] >= 0 && d < nearest)
            nearest = d, heir = h->from[k];
    }
    if (heir >= 0)
        tile->marks[heir].blocks += tile->marks[gone].blocks;
}

/* Make the best hypothesis the tile's state. */
static enum atm_status adopt(struct atm_choice *c, struct atm_tile *tile, int64_t flags,
                             struct atm_err *err) {
    const struct hypothesis *h = &c->best;
    for (ptrdiff_t k = 0; k < c->group_count; k++)
        bequeath(tile, h, c->group[k]);
    for (ptrdiff_t k = 0; k < c->group_count; k++) {
        struct atm_spot *old = &tile->spots[c->group[k]];
        atm_tile_paint(tile, old, -1);
        old->amplitude = 0;
        tile->marks[c->group[k]].settled = false;
    }
    for (ptrdiff_t k = 0; k < h->count; k++) {
        atm_tile_paint(tile, &h->spots[k], 1);
        if (h->from[k] >= 0) {
            tile->spots[h->from[k]] = h->spots[k];
            continue;
        }
        enum atm_status status =
            atm_tile_append(tile, h->spots[k], (struct atm_mark){.flags = flags}, err);
        if (status)
            return status;
    }
    return ATM_OK;
}

static void drop(struct hypothesis *h, ptrdiff_t at) {
    h->count--;
    for (ptrdiff_t k = at; k < h->count; k++)
        h->spots[k] = h->spots[k + 1], h->from[k] = h->from[k + 1];
}

/* ---- births ---- */

static bool is_peak(const struct atm_tile *tile, ptrdiff_t x, ptrdiff_t y) {
    double centre = tile->significance[y * tile->width + x];
    for (ptrdiff_t dy = -1; dy <= 1; dy++)
        for (ptrdiff_t dx = -1; dx <= 1; dx++) {
            ptrdiff_t u = x + dx, v = y + dy;
            if (u < 0 || v < 0 || u >= tile->width || v >= tile->height || (!dx && !dy))
                continue;
            double other = tile->significance[v * tile->width + u];
            /* equal neighbours: the first in reading order is the peak */
            if (other > centre || (other == centre && (dy < 0 || (dy == 0 && dx < 0))))
                return false;
        }
    return true;
}

static enum atm_status try_birth(struct atm_choice *c, struct atm_tile *tile, struct atm_spot spot,
                                 ptrdiff_t *changes, struct atm_err *err) {
    enum atm_status status = open_case(c, tile, spot.x, spot.y, err);
    if (status)
        return status;
    c->trial = c->null;
    c->trial.spots[c->trial.count] = spot;
    c->trial.from[c->trial.count++] = -1;
    status = compete(c, tile, err);
    if (status || c->doubting || c->best.count == c->null.count)
        return status;
    *changes += 1;
    return adopt(c, tile, ATM_LOC_FROM_RESIDUAL, err);
}

enum { PEAK_MAX = 256 };
struct peak {
    ptrdiff_t x, y;
    double significance;
    struct atm_spot spot;
};

static ptrdiff_t find_peaks(struct atm_tile *tile, struct peak peaks[PEAK_MAX]) {
    ptrdiff_t count = 0;
    for (ptrdiff_t y = 0; y < tile->height; y++)
        for (ptrdiff_t x = 0; x < tile->width; x++) {
            double z = tile->significance[y * tile->width + x];
            if (z < CANDIDATE_SIGMAS || !is_peak(tile, x, y))
                continue;
            ptrdiff_t at = count;
            for (; at > 0 && peaks[at - 1].significance < z; at--)
                if (at < PEAK_MAX)
                    peaks[at] = peaks[at - 1];
            if (at >= PEAK_MAX)
                continue;
            double amplitude = atm_tile_matched_amplitude(tile, x, y);
            peaks[at] =
                (struct peak){x, y, z, {.x = (double)x, .y = (double)y, .amplitude = amplitude}};
            count += count < PEAK_MAX;
        }
    return count;
}

enum atm_status atm_choice_birth(struct atm_choice *choice, struct atm_tile *tile,
                                 ptrdiff_t *changes, struct atm_err *err) {
    struct peak peaks[PEAK_MAX];
    atm_tile_matched_filter(tile);
    ptrdiff_t count = find_peaks(tile, peaks);
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; i < count && !status; i++)
        status = try_birth(choice, tile, peaks[i].spot, changes, err);
    atm_tile_tidy(tile);
    return status;
}

/* ---- deaths, mergers, splits ---- */

static enum atm_status try_death(struct atm_choice *c, struct atm_tile *tile, struct atm_err *err) {
    c->trial = c->null;
    drop(&c->trial, 0);
    return compete(c, tile, err);
}

/* Of a pair the first tries the merger, unless it is settled: the order changes between rounds. */
static bool tried(const struct atm_choice *c, const struct atm_tile *tile, ptrdiff_t k) {
    ptrdiff_t other = c->null.from[k];
    return other < c->null.from[0] && (c->doubting || !tile->marks[other].settled);
}

static enum atm_status try_mergers(struct atm_choice *c, struct atm_tile *tile,
                                   struct atm_err *err) {
    double reach = MERGE_SIGMAS * tile->psf.sigma_px;
    enum atm_status status = ATM_OK;
    const struct atm_spot *own = &c->null.spots[0];
    for (ptrdiff_t k = 1; k < c->null.count && !status; k++) {
        const struct atm_spot *other = &c->null.spots[k];
        if (distance2(own, other->x, other->y) > reach * reach || tried(c, tile, k))
            continue;
        c->trial = c->null;
        struct atm_spot *one = &c->trial.spots[0];
        double a = own->amplitude, b = other->amplitude;
        one->x = (a * own->x + b * other->x) / (a + b);
        one->y = (a * own->y + b * other->y) / (a + b);
        one->amplitude = a + b;
        drop(&c->trial, k);
        status = compete(c, tile, err);
    }
    return status;
}

static enum atm_status try_split(struct atm_choice *c, struct atm_tile *tile, double angle,
                                 struct atm_err *err) {
    double dx = SPLIT_SIGMAS * tile->psf.sigma_px * cos(angle);
    double dy = SPLIT_SIGMAS * tile->psf.sigma_px * sin(angle);
    c->trial = c->null;
    struct atm_spot *a = &c->trial.spots[0], *b = &c->trial.spots[c->trial.count];
    a->amplitude *= 0.5;
    *b = *a;
    a->x -= dx, a->y -= dy;
    b->x += dx, b->y += dy;
    c->trial.from[c->trial.count++] = -1;
    return compete(c, tile, err);
}

/* What the residual under an emitter looks like, its own place and brightness being fitted. */
struct shape {
    double information; /* of the amplitude, alone */
    double elongation;  /* deviance that a quadrupole would explain: chi-square of two degrees */
};

static struct shape shape_of(struct atm_tile *tile, const struct atm_spot *spot) {
    struct shape shape = {0};
    double sums[2] = {0}, norms[2] = {0};
    atm_tile_place(tile, spot);
    const struct atm_patch *a = &tile->patch;
    double *residual = tile->window[0], *weight = tile->window[1];
    for (ptrdiff_t y = 0; y < a->ny; y++) {
        ptrdiff_t at = (a->y0 + y) * tile->width + a->x0;
        struct atm_pixels row = {tile->counts + at, tile->valid + at, tile->variance + at};
        tile->likelihood->evaluate(row, tile->mean + at, a->nx, residual, weight);
        for (ptrdiff_t x = 0; x < a->nx; x++) {
            double h = a->plane[ATM_SPOT_AMPLITUDE][y * a->stride + x],
                   dx = (double)(a->x0 + x) - spot->x;
            double dy = (double)(a->y0 + y) - spot->y;
            const double quadrupole[2] = {h * (dx * dx - dy * dy), h * 2 * dx * dy};
            shape.information += h * h * weight[x];
            for (int k = 0; k < 2; k++) {
                sums[k] += quadrupole[k] * residual[x];
                norms[k] += quadrupole[k] * quadrupole[k] * weight[x];
            }
        }
    }
    for (int k = 0; k < 2; k++)
        shape.elongation += norms[k] > 0 ? sums[k] * sums[k] / norms[k] : 0;
    return shape;
}

/* Direction in which the residual under an emitter is widest. */
static double widest(const struct atm_choice *c, const struct atm_fit *fit,
                     const struct atm_spot *spot, double sigma_px) {
    double xx = 0, xy = 0;
    for (ptrdiff_t y = 0; y < c->height; y++)
        for (ptrdiff_t x = 0; x < c->width; x++) {
            double dx = (double)(x + c->x0) - spot->x, dy = (double)(y + c->y0) - spot->y;
            double r = exp(-(dx * dx + dy * dy) / (2 * sigma_px * sigma_px)) *
                       fit->residual[y * c->width + x];
            xx += r * (dx * dx - dy * dy), xy += r * dx * dy;
        }
    return 0.5 * atan2(2 * xy, xx);
}

/* Whether nothing speaks against one emitter: none near, bright beyond doubt, as bright as the
 * others, and a residual without the shape that a second one would leave. Saves the refits of
 * sparse frames. */
static bool beyond_doubt(struct atm_tile *tile, ptrdiff_t index, double sds,
                         double shape_deviance) {
    const struct atm_spot *spot = &tile->spots[index];
    double reach = NEIGHBOUR_SIGMAS * tile->psf.sigma_px;
    for (ptrdiff_t i = 0; i < tile->count; i++)
        if (i != index && tile->spots[i].amplitude > 0 &&
            distance2(&tile->spots[i], spot->x, spot->y) < reach * reach)
            return false;
    struct shape shape = shape_of(tile, spot);
    double strength = spot->amplitude * spot->amplitude * shape.information;
    if (strength < SURE_DEVIANCE || shape.elongation > shape_deviance)
        return false;
    const struct atm_brightness *b = &tile->brightness;
    double off = log(spot->amplitude) - b->log_mean;
    return b->log_sd <= 0 || off * off < sds * sds * (b->log_sd * b->log_sd + 1 / strength);
}

static enum atm_status review(struct atm_choice *c, struct atm_tile *tile, ptrdiff_t index,
                              ptrdiff_t *changes, struct atm_err *err) {
    const struct atm_spot *spot = &tile->spots[index];
    enum atm_status status = open_case(c, tile, spot->x, spot->y, err);
    if (status || c->null.count == 0 || c->null.from[0] != index)
        return status;
    const struct atm_spot *own = &c->null.spots[0];
    double angle = widest(c, &tile->local, own, tile->psf.sigma_px);
    bool known = tile->brightness.log_sd > 0;
    double typical = exp(tile->brightness.log_mean);
    if (!known || own->amplitude < 1.0 * typical)
        status = try_death(c, tile, err);
    if (!status)
        status = try_mergers(c, tile, err);
    if (!status && (!known || own->amplitude > 1.1 * typical) && c->null.count < GROUP_MAX) {
        status = try_split(c, tile, angle, err);
        if (!status)
            status = try_split(c, tile, angle + M_PI / 2, err);
    }
    tile->marks[index].settled = true;
    if (status || c->doubting || c->best.score >= c->null.score - 1e-6)
        return status;
    *changes += 1;
    return adopt(c, tile, tile->marks[index].flags, err);
}

enum atm_status atm_choice_review(struct atm_choice *choice, struct atm_tile *tile,
                                  ptrdiff_t *changes, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    ptrdiff_t count = tile->count; /* those appended on the way wait for the next round */
    for (ptrdiff_t i = 0; i < count && !status; i++)
        if (tile->spots[i].amplitude > 0 && !tile->marks[i].settled &&
            !beyond_doubt(tile, i, SURE_SDS, SHAPE_DEVIANCE))
            status = review(choice, tile, i, changes, err);
    atm_tile_tidy(tile);
    return status;
}

enum atm_status atm_choice_doubt(struct atm_choice *choice, struct atm_tile *tile,
                                 struct atm_err *err) {
    enum atm_status status = ATM_OK;
    ptrdiff_t unused = 0;
    for (ptrdiff_t i = 0; i < tile->count; i++) {
        tile->marks[i].doubt = 0;
        memset(tile->marks[i].difference, 0, sizeof tile->marks[i].difference);
    }
    if (tile->brightness.log_sd <= 0)
        return ATM_OK;
    choice->doubting = true;
    status = atm_choice_birth(choice, tile, &unused, err);
    for (ptrdiff_t i = 0; i < tile->count && !status; i++)
        if (!beyond_doubt(tile, i, 0.5 * SURE_SDS, 0.5 * SHAPE_DEVIANCE))
            status = review(choice, tile, i, &unused, err);
    choice->doubting = false;
    return status;
}
