#include "stroke_truth.h"

#include "assign.h"
#include "mem.h"
#include "regression.h"

#include <math.h>

enum { POINTS = 8, ROUNDS = 8, LEAST_PAIRS = 100, MOST_DEGREE = 3 };
static const double LEAST_IOU = 0.1;

static double overlap(const float *ink, const float *atom, float threshold, ptrdiff_t pixels) {
    ptrdiff_t both = 0, any = 0;
    for (ptrdiff_t p = 0; p < pixels; p++) {
        const bool in_stroke = ink[p] > 0.5F, in_block = atom[p] > threshold;
        both += in_stroke && in_block;
        any += in_stroke || in_block;
    }
    return any ? (double)both / (double)any : 0;
}

/* Edges of one stroke behind the first `count`. */
static ptrdiff_t add_edges(const struct atm_stroke_blocks *blocks, ptrdiff_t stroke,
                           const float *ink, struct atm_match_edge *edges, ptrdiff_t count) {
    const ptrdiff_t pixels = blocks->height * blocks->width;
    for (ptrdiff_t b = 0; b < blocks->count; b++) {
        const double iou = blocks->active[b] ? overlap(ink, blocks->atoms + b * pixels,
                                                       0.5F * blocks->greatest[b], pixels)
                                             : 0;
        if (iou >= LEAST_IOU)
            edges[count++] =
                (struct atm_match_edge){.truth = stroke, .found = b, .distance = 1 - iou};
    }
    return count;
}

enum atm_status atm_stroke_cover(const struct atm_stroke *strokes, ptrdiff_t count,
                                 const struct atm_stroke_blocks *blocks, float *scratch,
                                 double iou[ATM_STROKES_MAX], ptrdiff_t block[ATM_STROKES_MAX],
                                 struct atm_err *err) {
    struct atm_match_edge *edges =
        atm_mem_alloc((size_t)(count * blocks->count) + 1, sizeof *edges);
    if (!edges)
        return atm_err_memory(err, "matching strokes");
    ptrdiff_t found = 0;
    for (ptrdiff_t s = 0; s < count; s++) {
        atm_strokes_render(&strokes[s], 1, blocks->height, blocks->width, scratch);
        found = add_edges(blocks, s, scratch, edges, found);
    }
    enum atm_status status = atm_assign_solve(edges, found, count, blocks->count, block, err);
    for (ptrdiff_t s = 0; !status && s < count; s++)
        iou[s] = 0;
    for (ptrdiff_t e = 0; !status && e < found; e++)
        if (block[edges[e].truth] == edges[e].found)
            iou[edges[e].truth] = 1 - edges[e].distance;
    atm_mem_free(edges);
    return status;
}

/* ---- Control points from z ---- */

struct fit {
    ptrdiff_t count, latent;
    double *z, *points;         /* (count, latent), (count, POINTS) */
    double *fit_z, *fit_points; /* of the pairs that are fitted */
    struct atm_regression *map;
};

static bool is_scored(ptrdiff_t i) { return i % 4 == 3; }

static void reverse(double points[POINTS]) {
    for (int i = 0; i < 2; i++)
        for (int axis = 0; axis < 2; axis++) {
            double *a = &points[2 * i + axis], *b = &points[2 * (3 - i) + axis], t = *a;
            *a = *b, *b = t;
        }
}

static double distance2(const double a[POINTS], const double b[POINTS]) {
    double sum = 0;
    for (int i = 0; i < POINTS; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void take(const struct atm_stroke_pair *pairs, struct fit *f) {
    for (ptrdiff_t i = 0; i < f->count; i++) {
        const struct atm_stroke *s = &pairs[i].stroke;
        double *points = f->points + i * POINTS;
        for (int p = 0; p < 4; p++)
            points[2 * p] = s->x[p], points[2 * p + 1] = s->y[p];
        for (ptrdiff_t d = 0; d < f->latent; d++)
            f->z[i * f->latent + d] = (double)pairs[i].z[d];
        /* Somewhere to begin: from left to right, steep ones from top to bottom. */
        const double dx = s->x[3] - s->x[0], dy = s->y[3] - s->y[0];
        if (fabs(dx) > fabs(dy) ? dx < 0 : dy < 0)
            reverse(points);
    }
}

static enum atm_status fit_map(struct fit *f, struct atm_err *err) {
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; i < f->count; i++) {
        if (is_scored(i))
            continue;
        for (ptrdiff_t d = 0; d < f->latent; d++)
            f->fit_z[n * f->latent + d] = f->z[i * f->latent + d];
        for (int p = 0; p < POINTS; p++)
            f->fit_points[n * POINTS + p] = f->points[i * POINTS + p];
        n++;
    }
    const struct atm_regression_rows rows = {f->fit_z, f->fit_points, n, f->latent, POINTS};
    atm_regression_destroy(&f->map); /* of the round before */
    return atm_regression_fit(&rows, MOST_DEGREE, &f->map, err);
}

/* Turns the strokes round that then fit better; returns their number. */
static ptrdiff_t turn(struct fit *f) {
    ptrdiff_t turned = 0;
    for (ptrdiff_t i = 0; i < f->count; i++) {
        double expected[POINTS], *points = f->points + i * POINTS;
        atm_regression_predict(f->map, f->z + i * f->latent, expected);
        const double as_it_is = distance2(points, expected);
        reverse(points);
        if (distance2(points, expected) < as_it_is)
            turned++;
        else
            reverse(points);
    }
    return turned;
}

static double score(const struct fit *f) {
    double mean[POINTS] = {0}, total = 0, rest = 0;
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; i < f->count; i++)
        for (int p = 0; is_scored(i) && p < POINTS; p++)
            mean[p] += f->points[i * POINTS + p], n += p == 0;
    for (int p = 0; p < POINTS; p++)
        mean[p] /= (double)n;
    for (ptrdiff_t i = 0; i < f->count; i++) {
        double expected[POINTS];
        if (!is_scored(i))
            continue;
        atm_regression_predict(f->map, f->z + i * f->latent, expected);
        rest += distance2(f->points + i * POINTS, expected);
        total += distance2(f->points + i * POINTS, mean);
    }
    return 1 - rest / total;
}

enum atm_status atm_stroke_smoothness(const struct atm_stroke_pair *pairs, ptrdiff_t count,
                                      ptrdiff_t latent, double *r2, struct atm_err *err) {
    struct fit f = {.count = count, .latent = latent};
    const size_t n = (size_t)count, d = (size_t)latent;
    *r2 = NAN;
    if (count < LEAST_PAIRS)
        return ATM_OK;
    f.z = atm_mem_alloc(n * d, sizeof(double));
    f.fit_z = atm_mem_alloc(n * d, sizeof(double));
    f.points = atm_mem_alloc(n * POINTS, sizeof(double));
    f.fit_points = atm_mem_alloc(n * POINTS, sizeof(double));
    enum atm_status status =
        f.z && f.fit_z && f.points && f.fit_points ? ATM_OK : atm_err_memory(err, "control points");
    if (!status)
        take(pairs, &f);
    ptrdiff_t turned = 1;
    for (int round = 0; !status && turned && round < ROUNDS; round++) {
        status = fit_map(&f, err);
        turned = status ? 0 : turn(&f);
    }
    if (!status)
        *r2 = score(&f);
    atm_regression_destroy(&f.map);
    atm_mem_free(f.z);
    atm_mem_free(f.fit_z);
    atm_mem_free(f.points);
    atm_mem_free(f.fit_points);
    return status;
}
