#include "match.h"

#include "assign.h"
#include "mem.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Candidates of one frame beyond which the tolerance makes no sense: 2.4 GB. */
static const ptrdiff_t EDGE_LIMIT = 100 * 1000 * 1000;

/* A point of the found list in its band of y, in the order in which the candidates are looked up.
 */
struct banded {
    double band, x, y;
    ptrdiff_t index;
};

struct workspace {
    const struct atm_match_list *truth, *found; /* borrowed */
    double tolerance;
    struct banded *banded; /* found->count; this frame's come first */
    ptrdiff_t banded_count;
    bool *taken; /* found->count */
    struct atm_match_edge *edges;
    ptrdiff_t edge_count, edge_capacity;
};

/* One frame's points in both lists: [truth_first, truth_end), [found_first, found_end). */
struct frame_range {
    int64_t frame;
    ptrdiff_t truth_first, truth_end, found_first, found_end;
};

static int by_band_and_x(const void *a, const void *b) {
    const struct banded *p = a, *q = b;
    if (p->band != q->band)
        return p->band < q->band ? -1 : 1;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

static int by_distance(const void *a, const void *b) {
    const struct atm_match_edge *p = a, *q = b;
    if (p->distance != q->distance)
        return p->distance < q->distance ? -1 : 1;
    if (p->truth != q->truth)
        return p->truth < q->truth ? -1 : 1;
    return p->found < q->found ? -1 : p->found > q->found;
}

/* First entry at or behind (band, x). */
static ptrdiff_t lower_bound(const struct banded *banded, ptrdiff_t count, double band, double x) {
    ptrdiff_t first = 0, end = count;
    while (first < end) {
        ptrdiff_t middle = first + (end - first) / 2;
        bool before =
            banded[middle].band < band || (banded[middle].band == band && banded[middle].x < x);
        if (before)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static enum atm_status add_edge(struct workspace *work, const struct atm_match_edge *edge,
                                struct atm_err *err) {
    if (work->edge_count == work->edge_capacity) {
        ptrdiff_t capacity = work->edge_capacity ? 2 * work->edge_capacity : 1024;
        void *grown = atm_mem_grow(work->edges, (size_t)work->edge_capacity, (size_t)capacity,
                                   sizeof *work->edges);
        if (!grown)
            return atm_err_memory(err, "candidate pairs");
        work->edges = grown;
        work->edge_capacity = capacity;
    }
    work->edges[work->edge_count++] = *edge;
    return ATM_OK;
}

/* Candidates of one true emitter in one band. */
static enum atm_status collect_band(struct workspace *work, const struct atm_match_point *point,
                                    ptrdiff_t truth, double band, struct atm_err *err) {
    double tolerance = work->tolerance, right = point->x_nm + tolerance;
    const struct banded *end = work->banded + work->banded_count;
    const struct banded *b =
        work->banded + lower_bound(work->banded, work->banded_count, band, point->x_nm - tolerance);
    enum atm_status status = ATM_OK;
    for (; b < end && b->band == band && b->x <= right && status == ATM_OK; b++) {
        double dx = b->x - point->x_nm, dy = b->y - point->y_nm;
        struct atm_match_edge edge = {sqrt(dx * dx + dy * dy), truth, b->index};
        if (edge.distance <= tolerance)
            status = add_edge(work, &edge, err);
    }
    return status;
}

static void sort_into_bands(struct workspace *work, const struct frame_range *range) {
    work->banded_count = range->found_end - range->found_first;
    for (ptrdiff_t j = 0; j < work->banded_count; j++) {
        const struct atm_match_point *p = &work->found->points[range->found_first + j];
        work->banded[j] = (struct banded){floor(p->y_nm / work->tolerance), p->x_nm, p->y_nm, j};
    }
    qsort(work->banded, (size_t)work->banded_count, sizeof *work->banded, by_band_and_x);
}

/* All candidates of a frame, sorted by true emitter; indices count from the frame's first. */
static enum atm_status collect(struct workspace *work, const struct frame_range *range,
                               struct atm_err *err) {
    enum atm_status status = ATM_OK;
    sort_into_bands(work, range);
    work->edge_count = 0;
    for (ptrdiff_t i = range->truth_first; i < range->truth_end && status == ATM_OK; i++) {
        const struct atm_match_point *p = &work->truth->points[i];
        double band = floor(p->y_nm / work->tolerance);
        for (int step = -1; step <= 1 && status == ATM_OK; step++)
            status = collect_band(work, p, i - range->truth_first, band + step, err);
        if (work->edge_count > EDGE_LIMIT)
            return atm_err_set(err, ATM_FAIL,
                               "frame %lld: more than %td pairs lie within %g nm of each other: "
                               "choose a smaller eval.tolerance_nm for such a density",
                               (long long)range->frame, EDGE_LIMIT, work->tolerance);
    }
    return status;
}

/* pair: of this frame's true emitters, -1 on entry. */
static void pair_greedily(struct workspace *work, ptrdiff_t *pair) {
    for (ptrdiff_t j = 0; j < work->banded_count; j++)
        work->taken[j] = false;
    qsort(work->edges, (size_t)work->edge_count, sizeof *work->edges, by_distance);
    for (ptrdiff_t k = 0; k < work->edge_count; k++) {
        const struct atm_match_edge *edge = &work->edges[k];
        if (pair[edge->truth] >= 0 || work->taken[edge->found])
            continue;
        pair[edge->truth] = edge->found;
        work->taken[edge->found] = true;
    }
}

static enum atm_status match_frame(struct workspace *work, const struct frame_range *range,
                                   enum atm_match_method method, ptrdiff_t *pair,
                                   struct atm_err *err) {
    ptrdiff_t truth_count = range->truth_end - range->truth_first;
    ptrdiff_t *own = pair + range->truth_first;
    for (ptrdiff_t i = 0; i < truth_count; i++)
        own[i] = -1;
    enum atm_status status = collect(work, range, err);
    if (status != ATM_OK || !work->edge_count)
        return status;
    if (method == ATM_MATCH_HUNGARIAN)
        status = atm_assign_solve(work->edges, work->edge_count, truth_count, work->banded_count,
                                  own, err);
    else
        pair_greedily(work, own);
    for (ptrdiff_t i = 0; i < truth_count; i++)
        if (own[i] >= 0)
            own[i] += range->found_first;
    return status;
}

/* The next frame that has true emitters; false at the end. */
static bool next_frame(const struct atm_match_list *truth, const struct atm_match_list *found,
                       struct frame_range *range) {
    ptrdiff_t i = range->truth_end, j = range->found_end;
    if (i >= truth->count)
        return false;
    range->frame = truth->points[i].frame;
    range->truth_first = i;
    while (i < truth->count && truth->points[i].frame == range->frame)
        i++;
    range->truth_end = i;
    while (j < found->count && found->points[j].frame < range->frame)
        j++;
    range->found_first = j;
    while (j < found->count && found->points[j].frame == range->frame)
        j++;
    range->found_end = j;
    return true;
}

enum atm_status atm_match_frames(const struct atm_match_list *truth,
                                 const struct atm_match_list *found, double tolerance_nm,
                                 enum atm_match_method method, ptrdiff_t *pair,
                                 struct atm_err *err) {
    if (!(tolerance_nm > 0) || !isfinite(tolerance_nm))
        return atm_err_set(err, ATM_USAGE, "tolerance of %g nm: must be positive", tolerance_nm);
    struct workspace work = {.truth = truth, .found = found, .tolerance = tolerance_nm};
    struct frame_range range = {0};
    enum atm_status status = ATM_OK;
    work.banded = atm_mem_alloc((size_t)found->count, sizeof *work.banded);
    work.taken = atm_mem_alloc((size_t)found->count, sizeof *work.taken);
    if (!work.banded || !work.taken)
        status = atm_err_memory(err, "matching");
    while (status == ATM_OK && next_frame(truth, found, &range))
        status = match_frame(&work, &range, method, pair, err);
    atm_mem_free(work.edges);
    atm_mem_free(work.taken);
    atm_mem_free(work.banded);
    return status;
}
