#include "drift_private.h"

#include "mem.h"
#include "post.h"
#include "whole.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Localizations of a segment: as few as place it to a small part of the pixel (by 30 nm /
 * sqrt(600)), and for pictures that are searched from afar. */
enum { FEW = 600, ENOUGH = 3000, COARSE_SEGMENTS = 40, RCC_SEGMENTS = 50 };
/* More pieces of time than this cost much and tell nothing: a stage is not that restless. */
enum { FINE_SEGMENTS = 1000 };
/* Corrected localizations are looked for this many pixels around. */
static const double NEAR_PIXELS = 5;

static void start_at_zero(struct atm_drift *drift) {
    const double x = drift->x[0], y = drift->y[0];
    for (ptrdiff_t f = 0; f < drift->frames; f++) {
        drift->x[f] -= x;
        drift->y[f] -= y;
    }
}

/* ---- a run of one method ---- */

struct estimate {
    const struct atm_drift_points *points;
    struct atm_drift_options options;
    struct atm_drift_moved moved;
    struct atm_drift_cut cut;
    struct atm_drift *drift; /* the curve so far, which is taken off `moved` */
};

typedef enum atm_status method(const struct atm_drift_moved *moved,
                               const struct atm_drift_options *options, struct atm_drift_cut *cut,
                               struct atm_err *err);

/* Frames that hold about `wanted` localizations, at most a third of the movie. */
static ptrdiff_t frames_for(const struct atm_drift_points *points, double wanted) {
    double frames = ceil(wanted * (double)points->frames / fmax(1, (double)points->count));
    return (ptrdiff_t)fmax(1, fmin(frames, (double)points->frames / 3));
}

/* Measure segments of that length, look for jumps, cut again at the jumps and measure once more
 * what is left then. */
static enum atm_status refine(struct estimate *e, method *measure, ptrdiff_t length,
                              struct atm_err *err) {
    const ptrdiff_t frames = e->points->frames, jumps = e->cut.jump_count;
    enum atm_status status = atm_drift_cut_init(&e->cut, frames, length, err);
    if (status == ATM_OK)
        status = measure(&e->moved, &e->options, &e->cut, err);
    if (status == ATM_OK)
        status = atm_drift_find_jumps(&e->cut, &e->moved, e->options.pixel, err);
    if (status == ATM_OK && e->cut.jump_count > jumps) {
        status = atm_drift_cut_init(&e->cut, frames, length, err);
        if (status == ATM_OK)
            status = measure(&e->moved, &e->options, &e->cut, err);
    }
    if (status == ATM_OK)
        status = atm_drift_curve_add(&e->cut, frames, e->drift->x, e->drift->y, err);
    if (status == ATM_OK)
        atm_drift_moved_set(&e->moved, e->drift->x, e->drift->y);
    return status;
}

static enum atm_status run_aim(struct estimate *e, struct atm_err *err) {
    const struct atm_drift_options *o = &e->options;
    ptrdiff_t fine =
        o->segment ? o->segment
                   : atm_larger(frames_for(e->points, FEW), e->points->frames / FINE_SEGMENTS);
    ptrdiff_t coarse = o->coarse ? o->coarse : frames_for(e->points, ENOUGH);
    if (!o->coarse)
        coarse = atm_larger(fine, atm_larger(coarse, e->points->frames / COARSE_SEGMENTS));
    e->drift->segment = fine;
    e->drift->coarse = coarse;
    enum atm_status status = refine(e, atm_drift_aim_coarse, coarse, err);
    if (status == ATM_OK)
        status = refine(e, atm_drift_aim_fine, fine, err);
    return status == ATM_OK ? refine(e, atm_drift_aim_fine, fine, err) : status;
}

static enum atm_status run_rcc(struct estimate *e, struct atm_err *err) {
    ptrdiff_t length = frames_for(e->points, ENOUGH);
    length = atm_larger(length, e->points->frames / RCC_SEGMENTS);
    e->drift->segment = length = e->options.segment ? e->options.segment : length;
    enum atm_status status = refine(e, atm_drift_rcc, length, err);
    e->options.range = NEAR_PIXELS * e->options.pixel;
    return status == ATM_OK ? refine(e, atm_drift_rcc, length, err) : status;
}

/* Fiducials are told from their surroundings when most of the drift is gone. */
static enum atm_status run_fiducials(struct estimate *e, struct atm_err *err) {
    enum atm_status status = run_aim(e, err);
    start_at_zero(e->drift); /* places are given as at the start */
    atm_drift_moved_set(&e->moved, e->drift->x, e->drift->y);
    if (status == ATM_OK)
        status = atm_drift_fiducials(&e->moved, &e->options, e->drift->x, e->drift->y,
                                     &e->drift->error, &e->drift->fiducials, err);
    return status;
}

/* Variance per axis between the measured places of time, as the measured ones show it: each differs
 * from the mean of its neighbours by that of a random walk of q per frame, q S / 4 with S frames
 * per segment, and 3/2 of its own error; between them the walk leaves the curve by q S / 8 on
 * average (1/12 in the middle of a segment, 1/6 at its ends). */
static double variance_between(const struct atm_drift_cut *cut, const struct atm_drift *drift,
                               double own_variance) {
    double sum = 0, n = 0;
    for (ptrdiff_t k = 1; k + 1 < cut->count; k++) {
        ptrdiff_t t[3];
        bool apart = false;
        for (int i = 0; i < 3; i++)
            t[i] = (cut->segments[k + i - 1].first + cut->segments[k + i - 1].end) / 2;
        for (ptrdiff_t j = 0; j < cut->jump_count; j++)
            apart = apart || (cut->jumps[j] > t[0] && cut->jumps[j] <= t[2]);
        if (apart)
            continue;
        double x = drift->x[t[1]] - (drift->x[t[0]] + drift->x[t[2]]) / 2;
        double y = drift->y[t[1]] - (drift->y[t[0]] + drift->y[t[2]]) / 2;
        sum += (x * x + y * y) / 2, n++;
    }
    return n > 0 ? 0.5 * fmax(0, sum / n - 1.5 * own_variance) : 0;
}

/* cut receives the segments and jumps; freed by the caller. */
static enum atm_status run_once(const struct atm_drift_points *points,
                                const struct atm_drift_options *options, struct atm_drift *drift,
                                struct atm_drift_cut *cut, struct atm_err *err) {
    struct estimate e = {.points = points, .options = *options, .drift = drift};
    *drift = (struct atm_drift){.frames = points->frames, .error = NAN};
    drift->x = atm_mem_alloc((size_t)points->frames, sizeof *drift->x);
    drift->y = atm_mem_alloc((size_t)points->frames, sizeof *drift->y);
    enum atm_status status = drift->x && drift->y ? atm_drift_moved_init(&e.moved, points, err)
                                                  : atm_err_memory(err, "the drift");
    if (status == ATM_OK)
        status = options->method == ATM_DRIFT_RCC         ? run_rcc(&e, err)
                 : options->method == ATM_DRIFT_FIDUCIALS ? run_fiducials(&e, err)
                                                          : run_aim(&e, err);
    drift->jumps = e.cut.jump_count;
    atm_drift_moved_free(&e.moved);
    *cut = e.cut;
    return status;
}

/* ---- the error, from halves ---- */

/* Two ways to cut the data into halves, of which each sees what the other does not.
 * Squares of the corrected field in two colours: no emitter is in both halves. But the squares
 * themselves are a pattern that moves with the drift that was found, and where there is little else
 * to be seen both halves find it again. Squares are large beside the precision and small beside the
 * structure.
 * Turns of time, a quarter of a segment each: nothing is put into the data, but a blink that goes
 * on over the end of a turn is in both halves. */
enum { SQUARE_PIXELS = 50, TURNS_PER_SEGMENT = 4 };
enum split_kind { BY_SQUARES, BY_TURNS, SPLIT_KINDS };

struct split {
    enum split_kind kind;
    const struct atm_drift *drift; /* of all data */
    const struct atm_drift_cut *cut;
    double square;  /* px */
    ptrdiff_t turn; /* frames */
};

static bool in_half(const struct atm_drift_points *points, const struct split *split,
                    ptrdiff_t frame, ptrdiff_t i, int half) {
    if (split->kind == BY_TURNS)
        return (frame / split->turn) % 2 == half;
    double column = floor((points->x[i] - split->drift->x[frame]) / split->square);
    double row = floor((points->y[i] - split->drift->y[frame]) / split->square);
    return (fmod(fabs(column + row), 2) != 0) == half;
}

/* The rows of one half as points; x, y: (count), first: (frames + 1). */
static struct atm_drift_points take_half(const struct atm_drift_points *points,
                                         const struct split *split, int half, double *x, double *y,
                                         ptrdiff_t *first) {
    ptrdiff_t count = 0;
    for (ptrdiff_t f = 0; f < points->frames; f++) {
        first[f] = count;
        for (ptrdiff_t i = points->first[f]; i < points->first[f + 1]; i++)
            if (in_half(points, split, f, i, half)) {
                x[count] = points->x[i];
                y[count++] = points->y[i];
            }
    }
    first[points->frames] = count;
    return (struct atm_drift_points){count, points->frames, x, y, NULL, first};
}

/* A jump is seen to the frame by all data, but by a half in turns only to a turn. */
static bool near_jump(const struct split *split, ptrdiff_t frame) {
    const ptrdiff_t reach = split->kind == BY_TURNS ? 2 * split->turn : 0;
    for (ptrdiff_t j = 0; j < split->cut->jump_count; j++)
        if (labs((long)(frame - split->cut->jumps[j])) < reach)
            return true;
    return false;
}

/* Spread of the halves' difference per axis, over two: the whole has half the variance of a half,
 * and a difference twice that. */
static double half_difference(const struct atm_drift *a, const struct atm_drift *b,
                              const struct split *split) {
    double sum[2] = {0, 0}, square = 0, n = 0;
    for (ptrdiff_t f = 0; f < a->frames; f++) {
        if (near_jump(split, f))
            continue;
        double dx = a->x[f] - b->x[f], dy = a->y[f] - b->y[f];
        sum[0] += dx, sum[1] += dy;
        square += dx * dx + dy * dy;
        n++;
    }
    if (!(n > 0))
        return 0;
    double variance = square / n - (sum[0] * sum[0] + sum[1] * sum[1]) / (n * n);
    return 0.5 * sqrt(fmax(variance, 0) / 2);
}

/* *error: px per axis, of the drift of all data. */
static enum atm_status compare_halves(const struct atm_drift_points *points,
                                      const struct atm_drift_options *options,
                                      const struct split *split, double *error,
                                      struct atm_err *err) {
    struct atm_drift halves[2] = {{.frames = 0}, {.frames = 0}};
    struct atm_drift_options same = *options;
    double *block = atm_mem_alloc(2 * (size_t)points->count, sizeof *block);
    ptrdiff_t *first = atm_mem_alloc((size_t)points->frames + 1, sizeof *first);
    enum atm_status status = block && first ? ATM_OK : atm_err_memory(err, "half of the data");
    same.segment = split->drift->segment;
    same.coarse = split->drift->coarse;
    for (int half = 0; half < 2 && status == ATM_OK; half++) {
        struct atm_drift_points some =
            take_half(points, split, half, block, block + points->count, first);
        struct atm_drift_cut own = {.segments = NULL};
        status = run_once(&some, &same, &halves[half], &own, err);
        atm_drift_cut_free(&own);
    }
    if (status == ATM_OK)
        *error = half_difference(&halves[0], &halves[1], split);
    atm_drift_free(&halves[0]);
    atm_drift_free(&halves[1]);
    atm_mem_free(block);
    atm_mem_free(first);
    return status;
}

/* The larger of both differences, and what lies between the measured places of time. */
static enum atm_status find_error(const struct atm_drift_points *points,
                                  const struct atm_drift_options *options,
                                  const struct atm_drift_cut *cut, const struct atm_sink *sink,
                                  struct atm_drift *drift, struct atm_err *err) {
    struct split split = {.drift = drift, .cut = cut, .square = SQUARE_PIXELS * options->pixel};
    split.turn = atm_larger(1, drift->segment / TURNS_PER_SEGMENT);
    double variance = 0, error = 0;
    enum atm_status status = ATM_OK;
    for (int kind = 0; kind < SPLIT_KINDS && status == ATM_OK; kind++) {
        split.kind = (enum split_kind)kind;
        status = compare_halves(points, options, &split, &error, err);
        variance = fmax(variance, error * error);
        atm_log_progress(sink, "drift", 2 + kind, 1 + SPLIT_KINDS, "%s", "");
    }
    if (status == ATM_OK)
        drift->error = sqrt(variance + variance_between(cut, drift, variance));
    return status;
}

/* ---- together ---- */

enum atm_status atm_drift_estimate(const struct atm_drift_points *points,
                                   const struct atm_drift_options *options,
                                   const struct atm_sink *sink, struct atm_drift *drift,
                                   struct atm_err *err) {
    struct atm_drift_cut cut = {.segments = NULL};
    *drift = (struct atm_drift){.frames = 0};
    if (points->count < 2 * FEW || points->frames < 3)
        return atm_err_set(err, ATM_FAIL,
                           "%td localizations in %td frames are too few to see a drift (at least "
                           "%d, in 3 frames)",
                           points->count, points->frames, 2 * FEW);
    if (options->segment > points->frames / 3)
        return atm_err_set(
            err, ATM_USAGE,
            "post.drift_segment_frames is %td: the movie has %td frames, and a drift "
            "needs three segments at least",
            options->segment, points->frames);
    const bool check = options->check && options->method != ATM_DRIFT_FIDUCIALS;
    const int parts = check ? 1 + SPLIT_KINDS : 1;
    atm_log_progress(sink, "drift", 0, parts, "%s", "");
    enum atm_status status = run_once(points, options, drift, &cut, err);
    atm_log_progress(sink, "drift", 1, parts, "%s", "");
    if (status == ATM_OK && check)
        status = find_error(points, options, &cut, sink, drift, err);
    atm_drift_cut_free(&cut);
    if (status == ATM_OK)
        start_at_zero(drift);
    else
        atm_drift_free(drift);
    return status;
}

void atm_drift_free(struct atm_drift *drift) {
    atm_mem_free(drift->x);
    atm_mem_free(drift->y);
    *drift = (struct atm_drift){.frames = 0};
}
