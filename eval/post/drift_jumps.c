/* Where the sample moved at once. */
#include "drift_private.h"

#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A step between segments that differs from the usual one by this many standard deviations (by the
 * median deviation) and pixels is a jump; one of more than so many segments is motion. */
static const double SUSPICIOUS = 8, LEAST_PIXELS = 1.5;
enum { LONGEST_GROUP = 3, MOST_MAP = 4096 };

static bool is_jump(const struct atm_drift_cut *cut, ptrdiff_t frame) {
    for (ptrdiff_t j = 0; j < cut->jump_count; j++)
        if (cut->jumps[j] == frame)
            return true;
    return false;
}

/* Is the step from segment k to the next one part of smooth motion? */
static bool is_step(const struct atm_drift_cut *cut, ptrdiff_t k) {
    const struct atm_drift_segment *s = cut->segments;
    return s[k].known && s[k + 1].known && !is_jump(cut, s[k + 1].first);
}

static double step_of(const struct atm_drift_cut *cut, ptrdiff_t k, int axis) {
    const struct atm_drift_segment *s = cut->segments;
    return axis ? s[k + 1].y - s[k].y : s[k + 1].x - s[k].x;
}

/* Median of the steps, and how far one may be off. steps, scratch: (cut->count) */
struct usual {
    double median, allowed;
};
static struct usual usual_steps(const struct atm_drift_cut *cut, int axis, double pixel,
                                double *steps, double *scratch) {
    size_t n = 0;
    for (ptrdiff_t k = 0; k + 1 < cut->count; k++)
        if (is_step(cut, k))
            steps[n++] = step_of(cut, k, axis);
    if (!n)
        return (struct usual){0, INFINITY};
    double deviation = gsl_stats_mad(steps, 1, n, scratch);
    double median = gsl_stats_median(steps, 1, n);
    return (struct usual){median, fmax(SUSPICIOUS * deviation, LEAST_PIXELS * pixel)};
}

static bool suspicious(const struct atm_drift_cut *cut, ptrdiff_t k, const struct usual usual[2]) {
    for (int axis = 0; axis < 2; axis++)
        if (fabs(step_of(cut, k, axis) - usual[axis].median) > usual[axis].allowed)
            return is_step(cut, k);
    return false;
}

/* The frame from which on the localizations meet the map better where segment b has them than where
 * segment a has them. */
static ptrdiff_t find_frame(const struct atm_drift_map *map, const struct atm_drift_moved *moved,
                            const struct atm_drift_segment *a, const struct atm_drift_segment *b) {
    const ptrdiff_t *first = moved->points->first;
    double sum = 0, best = -INFINITY;
    ptrdiff_t at = a->first;
    for (ptrdiff_t f = a->first; f < b->end; f++) {
        if (f > a->first && sum > best)
            best = sum, at = f;
        sum += atm_drift_map_meet(map, moved, first[f], first[f + 1], a->x, a->y) -
               atm_drift_map_meet(map, moved, first[f], first[f + 1], b->x, b->y);
    }
    return at;
}

static int compare(const void *a, const void *b) {
    ptrdiff_t p = *(const ptrdiff_t *)a, q = *(const ptrdiff_t *)b;
    return (p > q) - (p < q);
}

/* All segments where they were found to be, without those from a to b. */
static void draw_others(struct atm_drift_map *map, const struct atm_drift_cut *cut,
                        const struct atm_drift_moved *moved, ptrdiff_t a, ptrdiff_t b) {
    const ptrdiff_t *first = moved->points->first;
    atm_drift_map_clear(map);
    for (ptrdiff_t k = 0; k < cut->count; k++) {
        const struct atm_drift_segment *s = &cut->segments[k];
        if (s->known && (k < a || k > b))
            atm_drift_map_add(map, moved, first[s->first], first[s->end], s->x, s->y, 1);
    }
}

static void search(struct atm_drift_cut *cut, const struct atm_drift_moved *moved,
                   const struct usual usual[2], struct atm_drift_map *map) {
    ptrdiff_t found[ATM_DRIFT_JUMPS], count = 0;
    for (ptrdiff_t k = 0; k + 1 < cut->count; k++) {
        ptrdiff_t end = k;
        while (end + 1 < cut->count && suspicious(cut, end, usual))
            end++;
        if (end == k)
            continue;
        if (end - k <= LONGEST_GROUP && cut->jump_count + count < ATM_DRIFT_JUMPS) {
            draw_others(map, cut, moved, k, end);
            found[count++] = find_frame(map, moved, &cut->segments[k], &cut->segments[end]);
        }
        k = end - 1;
    }
    memcpy(cut->jumps + cut->jump_count, found, (size_t)count * sizeof *found);
    cut->jump_count += count;
    qsort(cut->jumps, (size_t)cut->jump_count, sizeof *cut->jumps, compare);
    ptrdiff_t kept = 0;
    for (ptrdiff_t j = 0; j < cut->jump_count; j++)
        if (!kept || cut->jumps[j] != cut->jumps[kept - 1])
            cut->jumps[kept++] = cut->jumps[j];
    cut->jump_count = kept;
}

enum atm_status atm_drift_find_jumps(struct atm_drift_cut *cut, const struct atm_drift_moved *moved,
                                     double pixel, struct atm_err *err) {
    double *steps = atm_mem_alloc(4 * (size_t)cut->count, sizeof *steps);
    struct atm_drift_map map = {.image = NULL};
    enum atm_status status = steps
                                 ? atm_drift_map_init(&map, moved, pixel, 4 * pixel, MOST_MAP, err)
                                 : atm_err_memory(err, "the jumps of the drift");
    if (status == ATM_OK) {
        double *scratch = steps + cut->count; /* gsl_stats_mad needs as much as there are values */
        const struct usual usual[2] = {usual_steps(cut, 0, pixel, steps, scratch),
                                       usual_steps(cut, 1, pixel, steps, scratch)};
        search(cut, moved, usual, &map);
    }
    atm_drift_map_free(&map);
    atm_mem_free(steps);
    return status;
}
