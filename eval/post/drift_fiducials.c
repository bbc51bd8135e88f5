/* Drift by fiducials: beads that are seen in most frames. Their mean path, each weighted by how
 * precise it is. */
#include "drift_private.h"

#include "grid.h"
#include "mem.h"
#include <math.h>
#include <string.h>

enum { MOST = 64, SHIFTS = 8, ROUNDS = 20 };
/* Localizations of a fiducial scatter by less than this share of its radius; those that are spread
 * over the radius are structure. */
static const double TIGHT = 0.25;
/* Measurements further from the common path than this many standard deviations are something else.
 */
static const double OUTLIER = 5;

struct fiducial {
    double x, y;     /* px, corrected */
    double *px, *py; /* (frames) measured paths less (x, y); NAN where it is not seen */
    double variance; /* px^2 per axis, around the common path */
};

struct beads {
    const struct atm_drift_moved *moved;
    const struct atm_drift_options *options;
    struct atm_grid grid;
    ptrdiff_t *frame_of; /* owned; of each row */
    ptrdiff_t *last;     /* owned scratch (frames) */
    struct fiducial at[MOST];
    ptrdiff_t count;
    double *block; /* owned; all paths */
};

/* ---- finding ---- */

struct spot {
    double x, y, spread; /* px; standard deviation per axis */
    ptrdiff_t frames;
};

/* Localizations around a place: their mean, spread, and the number of frames that have some. mark:
 * new for every call. */
static struct spot gather(struct beads *b, double x, double y, ptrdiff_t mark) {
    const double radius = b->options->radius;
    const struct atm_grid *g = &b->grid;
    const struct atm_grid_window w = atm_grid_around(g, x, y, radius);
    double n = 0, sx = 0, sy = 0, ss = 0;
    ptrdiff_t frames = 0;
    for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++) {
        ptrdiff_t end = g->start[cy * g->across + w.cx1 + 1];
        for (ptrdiff_t i = g->start[cy * g->across + w.cx0]; i < end; i++) {
            double dx = g->x[i] - x, dy = g->y[i] - y;
            if (dx * dx + dy * dy > radius * radius)
                continue;
            ptrdiff_t frame = b->frame_of[g->row[i]];
            frames += b->last[frame] != mark;
            b->last[frame] = mark;
            n++, sx += dx, sy += dy, ss += dx * dx + dy * dy;
        }
    }
    if (!(n > 0))
        return (struct spot){x, y, INFINITY, 0};
    double variance = ss / n - (sx * sx + sy * sy) / (n * n);
    return (struct spot){x + sx / n, y + sy / n, sqrt(fmax(variance, 0) / 2), frames};
}

static bool is_known(const struct beads *b, double x, double y) {
    for (ptrdiff_t k = 0; k < b->count; k++)
        if (hypot(b->at[k].x - x, b->at[k].y - y) < 2 * b->options->radius)
            return true;
    return false;
}

static bool is_fiducial(const struct beads *b, const struct spot *spot) {
    return (double)spot->frames >= b->options->share * (double)b->moved->points->frames &&
           spot->spread <= TIGHT * b->options->radius;
}

/* Cells with enough localizations for a part of a fiducial, climbed to their densest place. */
static void find(struct beads *b) {
    const struct atm_grid *g = &b->grid;
    const double enough = b->options->share * (double)b->moved->points->frames / 4;
    ptrdiff_t mark = 1;
    for (ptrdiff_t cell = 0; cell < g->across * g->down && b->count < MOST; cell++) {
        if ((double)(g->start[cell + 1] - g->start[cell]) < enough)
            continue;
        struct spot spot = {g->x0 + ((double)(cell % g->across) + 0.5) * g->cell,
                            g->y0 + ((double)(cell / g->across) + 0.5) * g->cell, 0, 0};
        for (int n = 0; n < SHIFTS; n++)
            spot = gather(b, spot.x, spot.y, mark++);
        if (is_fiducial(b, &spot) && !is_known(b, spot.x, spot.y))
            b->at[b->count++] = (struct fiducial){.x = spot.x, .y = spot.y};
    }
}

static enum atm_status take_given(struct beads *b, struct atm_err *err) {
    for (ptrdiff_t k = 0; k < b->options->place_count && b->count < MOST; k++) {
        struct spot spot = {b->options->places[2 * k], b->options->places[2 * k + 1], 0, 0};
        for (int n = 0; n < SHIFTS; n++)
            spot = gather(b, spot.x, spot.y, k * SHIFTS + n + 1);
        if (!spot.frames)
            return atm_err_set(err, ATM_FAIL,
                               "there are no localizations at the fiducial %.6g %.6g (px, at the "
                               "start of the movie)",
                               b->options->places[2 * k], b->options->places[2 * k + 1]);
        b->at[b->count++] = (struct fiducial){.x = spot.x, .y = spot.y};
    }
    return ATM_OK;
}

/* ---- paths ---- */

/* The localization of frame f that is the fiducial: the brightest around it, or the nearest where
 * brightness is unknown. -1: none. */
static ptrdiff_t choose(const struct beads *b, const struct fiducial *bead, ptrdiff_t f) {
    const struct atm_drift_points *p = b->moved->points;
    ptrdiff_t best = -1;
    double best_value = -INFINITY;
    for (ptrdiff_t i = p->first[f]; i < p->first[f + 1]; i++) {
        double distance = hypot(b->moved->x[i] - bead->x, b->moved->y[i] - bead->y);
        double value = p->photons ? p->photons[i] : -distance;
        if (distance <= b->options->radius && value > best_value)
            best_value = value, best = i;
    }
    return best;
}

/* Before correction. */
static void measure_paths(struct beads *b) {
    const struct atm_drift_points *p = b->moved->points;
    for (ptrdiff_t k = 0; k < b->count; k++) {
        struct fiducial *bead = &b->at[k];
#pragma omp parallel for schedule(static)
        for (ptrdiff_t f = 0; f < p->frames; f++) {
            ptrdiff_t i = choose(b, bead, f);
            bead->px[f] = i >= 0 ? p->x[i] - bead->x : NAN;
            bead->py[f] = i >= 0 ? p->y[i] - bead->y : NAN;
        }
    }
}

/* Frames without any fiducial get what lies between their neighbours. */
static void fill_gaps(ptrdiff_t frames, double *v) {
    ptrdiff_t before = -1;
    for (ptrdiff_t f = 0; f <= frames; f++) {
        if (f < frames && isnan(v[f]))
            continue;
        for (ptrdiff_t g = before + 1; g < f; g++) {
            double part = (double)(g - before) / (double)(f - before);
            v[g] = before < 0    ? f < frames ? v[f] : 0
                   : f == frames ? v[before]
                                 : v[before] + part * (v[f] - v[before]);
        }
        before = f;
    }
}

static bool agrees(const struct fiducial *bead, double dx, double dy) {
    return !(dx * dx + dy * dy > OUTLIER * OUTLIER * 2 * bead->variance);
}

/* Mean path of the fiducials k with (k & 1) == parity (all for -1). start: by all measurements. */
static void mean_path(const struct beads *b, int parity, bool start, double *x, double *y) {
    for (ptrdiff_t f = 0; f < b->moved->points->frames; f++) {
        double weight = 0, sx = 0, sy = 0;
        for (ptrdiff_t k = 0; k < b->count; k++) {
            const struct fiducial *bead = &b->at[k];
            if ((parity >= 0 && (k & 1) != parity) || isnan(bead->px[f]) ||
                (!start && !agrees(bead, bead->px[f] - x[f], bead->py[f] - y[f])))
                continue;
            double w = 1 / bead->variance;
            weight += w, sx += w * bead->px[f], sy += w * bead->py[f];
        }
        x[f] = weight > 0 ? sx / weight : NAN;
        y[f] = weight > 0 ? sy / weight : NAN;
    }
    fill_gaps(b->moved->points->frames, x);
    fill_gaps(b->moved->points->frames, y);
}

/* Each fiducial's place and variance around the common path, which has followed it by its share of
 * the weights: what is left of its variance is less by that share. Without this, the fiducial that
 * happens to weigh most would weigh more in every round. */
static void settle(struct beads *b, const double *x, const double *y, bool start) {
    const double floor_variance = 1e-10; /* px^2: one fiducial is its own path */
    double all = 0;
    for (ptrdiff_t k = 0; k < b->count; k++)
        all += 1 / b->at[k].variance;
    for (ptrdiff_t k = 0; k < b->count; k++) {
        struct fiducial *bead = &b->at[k];
        double n = 0, sx = 0, sy = 0, ss = 0;
        for (ptrdiff_t f = 0; f < b->moved->points->frames; f++) {
            double dx = bead->px[f] - x[f], dy = bead->py[f] - y[f];
            if (isnan(dx) || (!start && !agrees(bead, dx, dy)))
                continue;
            n++, sx += dx, sy += dy, ss += dx * dx + dy * dy;
        }
        if (!(n > 0))
            continue;
        for (ptrdiff_t f = 0; f < b->moved->points->frames; f++) {
            bead->px[f] -= sx / n;
            bead->py[f] -= sy / n;
        }
        double variance = (ss / n - (sx * sx + sy * sy) / (n * n)) / 2;
        double share = start ? 0 : fmin(1 / bead->variance / all, 0.9);
        bead->variance = fmax(variance / (1 - share), floor_variance);
    }
}

/* From halves of the fiducials, as of the data elsewhere. */
static enum atm_status halves(const struct beads *b, const double *px, const double *py,
                              double *error, struct atm_err *err) {
    const ptrdiff_t frames = b->moved->points->frames;
    double *block = atm_mem_alloc(4 * (size_t)frames, sizeof *block);
    if (!block)
        return atm_err_memory(err, "the paths of fiducials");
    double *x[2] = {block, block + 2 * frames}, *y[2] = {block + frames, block + 3 * frames};
    double mean[2] = {0, 0}, square = 0, n = (double)frames;
    for (int half = 0; half < 2; half++) {
        memcpy(x[half], px, (size_t)frames * sizeof *px); /* tells outliers */
        memcpy(y[half], py, (size_t)frames * sizeof *py);
        mean_path(b, half, false, x[half], y[half]);
    }
    for (ptrdiff_t f = 0; f < frames; f++) {
        double dx = x[0][f] - x[1][f], dy = y[0][f] - y[1][f];
        mean[0] += dx / n, mean[1] += dy / n;
        square += (dx * dx + dy * dy) / n;
    }
    *error = 0.5 * sqrt(fmax(square - mean[0] * mean[0] - mean[1] * mean[1], 0) / 2);
    atm_mem_free(block);
    return ATM_OK;
}

/* ---- together ---- */

static enum atm_status prepare(struct beads *b, struct atm_err *err) {
    const struct atm_drift_points *p = b->moved->points;
    b->frame_of = atm_mem_alloc((size_t)p->count, sizeof *b->frame_of);
    b->last = atm_mem_alloc((size_t)p->frames, sizeof *b->last);
    if (!b->frame_of || !b->last)
        return atm_err_memory(err, "finding fiducials");
    for (ptrdiff_t f = 0; f < p->frames; f++)
        for (ptrdiff_t i = p->first[f]; i < p->first[f + 1]; i++)
            b->frame_of[i] = f;
    return atm_grid_init(&b->grid, b->moved->x, b->moved->y, p->count, b->options->radius, err);
}

static enum atm_status follow(struct beads *b, double *x, double *y, double *error,
                              struct atm_err *err) {
    const ptrdiff_t frames = b->moved->points->frames;
    b->block = atm_mem_alloc(2 * (size_t)(b->count * frames), sizeof *b->block);
    if (!b->block)
        return atm_err_memory(err, "the paths of fiducials");
    for (ptrdiff_t k = 0; k < b->count; k++) {
        b->at[k].px = b->block + 2 * k * frames;
        b->at[k].py = b->at[k].px + frames;
        b->at[k].variance = 1;
    }
    measure_paths(b);
    settle(b, x, y, true); /* around the rough path: places and weights to begin with */
    for (int n = 0; n < ROUNDS; n++) {
        mean_path(b, -1, n == 0, x, y);
        settle(b, x, y, false);
    }
    return b->count > 1 ? halves(b, x, y, error, err) : ATM_OK;
}

enum atm_status atm_drift_fiducials(const struct atm_drift_moved *moved,
                                    const struct atm_drift_options *options, double *x, double *y,
                                    double *error, ptrdiff_t *fiducials, struct atm_err *err) {
    struct beads *b = atm_mem_alloc(1, sizeof *b);
    if (!b)
        return atm_err_memory(err, "fiducials");
    b->moved = moved;
    b->options = options;
    enum atm_status status = prepare(b, err);
    if (status == ATM_OK && options->place_count)
        status = take_given(b, err);
    else if (status == ATM_OK)
        find(b);
    if (status == ATM_OK && !b->count)
        status =
            atm_err_set(err, ATM_FAIL,
                        "no fiducials: nothing stays in one place (radius "
                        "post.drift_fiducial_radius_nm) in a share of post.drift_fiducial_share "
                        "= %g of the frames; give places (post.drift_fiducials), or use "
                        "drift(method=aim)",
                        options->share);
    if (status == ATM_OK)
        status = follow(b, x, y, error, err);
    *fiducials = b->count;
    atm_grid_free(&b->grid);
    atm_mem_free(b->frame_of);
    atm_mem_free(b->last);
    atm_mem_free(b->block);
    atm_mem_free(b);
    return status;
}
