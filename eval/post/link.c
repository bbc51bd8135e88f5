#include "link.h"

#include "grid.h"
#include "mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the rule of distance ---- */

struct nearness {
    double radius2;          /* px^2; NAN: by precision */
    double reach;            /* px: nothing further away is near */
    const double *lpx, *lpy; /* borrowed; NULL with a radius */
};

static enum atm_status make_nearness(const struct atm_locs *locs, const struct atm_link_rule *rule,
                                     struct nearness *near, struct atm_err *err) {
    double precision;
    *near = (struct nearness){rule->radius * rule->radius, rule->radius, NULL, NULL};
    if (rule->radius > 0)
        return ATM_OK;
    near->lpx = atm_locs_find(locs, "lpx"), near->lpy = atm_locs_find(locs, "lpy");
    if (!near->lpx || !near->lpy)
        near->lpx = near->lpy = near->lpx ? near->lpx : near->lpy;
    enum atm_status status = atm_locs_precision(locs, "post.link_radius_nm", &precision, err);
    near->reach = ATM_LINK_MOST_PRECISIONS * precision;
    return status;
}

/* Squared distance in units in which up to 1 is near. */
static double apart(const struct nearness *near, ptrdiff_t a, ptrdiff_t b, double dx, double dy) {
    const double d2 = dx * dx + dy * dy;
    if (!near->lpx)
        return d2 / near->radius2;
    if (d2 > near->reach * near->reach)
        return INFINITY;
    double vx = near->lpx[a] * near->lpx[a] + near->lpx[b] * near->lpx[b];
    double vy = near->lpy[a] * near->lpy[a] + near->lpy[b] * near->lpy[b];
    return (dx * dx / vx + dy * dy / vy) / (ATM_LINK_SIGMAS * ATM_LINK_SIGMAS);
}

/* ---- linking ---- */

struct pair {
    double distance;
    uint32_t earlier, later;
};

static int compare_pairs(const void *a, const void *b) {
    const struct pair *p = a, *q = b;
    if (p->distance != q->distance)
        return p->distance < q->distance ? -1 : 1;
    if (p->later != q->later)
        return p->later < q->later ? -1 : 1;
    return (p->earlier < q->earlier) - (p->earlier > q->earlier); /* the more recent first */
}

struct linker {
    const struct atm_locs *locs;
    const struct atm_grid *grid;
    const ptrdiff_t *first;
    struct nearness near;
    int64_t gap;
    unsigned char *continued; /* rows that another one follows */
    uint32_t *blink;
    struct pair *pairs; /* owned; of one frame */
    size_t count, capacity;
};

static enum atm_status add_pair(struct linker *l, struct pair pair, struct atm_err *err) {
    if (l->count == l->capacity) {
        size_t capacity = 2 * l->capacity + 1024;
        struct pair *grown = atm_mem_grow(l->pairs, l->count, capacity, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, "linking");
        l->pairs = grown;
        l->capacity = capacity;
    }
    l->pairs[l->count++] = pair;
    return ATM_OK;
}

/* Pairs of a row with those before it that may be continued. */
static enum atm_status find_pairs(struct linker *l, ptrdiff_t row, struct atm_err *err) {
    const struct atm_grid *g = l->grid;
    const double x = l->locs->x[row], y = l->locs->y[row];
    const int64_t frame = (int64_t)l->locs->frame[row], from = frame - l->gap - 1;
    const ptrdiff_t first = l->first[from > 0 ? from : 0], end = l->first[frame];
    const struct atm_grid_window w = atm_grid_around(g, x, y, l->near.reach);
    for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++)
        for (ptrdiff_t cx = w.cx0; cx <= w.cx1; cx++) {
            const ptrdiff_t cell = cy * g->across + cx;
            ptrdiff_t i = atm_grid_first(g, cell, first);
            for (; i < g->start[cell + 1] && (ptrdiff_t)g->row[i] < end; i++) {
                double distance = apart(&l->near, row, g->row[i], g->x[i] - x, g->y[i] - y);
                if (l->continued[g->row[i]] || !(distance <= 1))
                    continue;
                enum atm_status status =
                    add_pair(l, (struct pair){distance, g->row[i], (uint32_t)row}, err);
                if (status != ATM_OK)
                    return status;
            }
        }
    return ATM_OK;
}

static const uint32_t NO_BLINK = UINT32_MAX;

/* The rows of one frame; blinks that begin in it are counted up. */
static enum atm_status link_frame(struct linker *l, ptrdiff_t frame, ptrdiff_t *blinks,
                                  struct atm_err *err) {
    enum atm_status status = ATM_OK;
    l->count = 0;
    for (ptrdiff_t i = l->first[frame]; i < l->first[frame + 1] && status == ATM_OK; i++)
        status = find_pairs(l, i, err);
    if (status != ATM_OK)
        return status;
    if (l->count)
        qsort(l->pairs, l->count, sizeof *l->pairs, compare_pairs);
    for (size_t k = 0; k < l->count; k++) {
        const struct pair *pair = &l->pairs[k];
        if (l->continued[pair->earlier] || l->blink[pair->later] != NO_BLINK)
            continue;
        l->continued[pair->earlier] = 1;
        l->blink[pair->later] = l->blink[pair->earlier];
    }
    for (ptrdiff_t i = l->first[frame]; i < l->first[frame + 1]; i++)
        if (l->blink[i] == NO_BLINK)
            l->blink[i] = (uint32_t)(*blinks)++;
    return ATM_OK;
}

static enum atm_status link_frames(struct linker *l, ptrdiff_t frames, ptrdiff_t *blinks,
                                   struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (ptrdiff_t f = 0; f < frames && status == ATM_OK; f++)
        if (l->first[f + 1] > l->first[f])
            status = link_frame(l, f, blinks, err);
    atm_mem_free(l->pairs);
    return status;
}

enum atm_status atm_link(const struct atm_locs *locs, const struct atm_link_rule *rule,
                         struct atm_links *links, struct atm_err *err) {
    struct atm_grid grid = {.start = NULL};
    struct linker l = {.locs = locs, .grid = &grid, .gap = rule->gap};
    ptrdiff_t frames = 0, *first = NULL;
    *links = (struct atm_links){0, NULL};
    enum atm_status status = make_nearness(locs, rule, &l.near, err);
    if (status == ATM_OK)
        status = atm_locs_frames(locs, &frames, err);
    if (status == ATM_OK)
        status = atm_locs_index(locs, frames, &first, err);
    if (status == ATM_OK)
        status = atm_grid_init(&grid, locs->x, locs->y, locs->count, l.near.reach, err);
    if (status == ATM_OK) {
        links->blink = l.blink = atm_mem_alloc((size_t)locs->count, sizeof *l.blink);
        l.continued = atm_mem_alloc((size_t)locs->count, 1);
        if (!l.blink || !l.continued)
            status = atm_err_memory(err, "linking");
    }
    if (status == ATM_OK) {
        memset(l.blink, 0xff, (size_t)locs->count * sizeof *l.blink);
        l.first = first;
        status = link_frames(&l, frames, &links->count, err);
    }
    atm_mem_free(l.continued);
    atm_mem_free(first);
    atm_grid_free(&grid);
    if (status != ATM_OK)
        atm_links_free(links);
    return status;
}

void atm_links_free(struct atm_links *links) {
    atm_mem_free(links->blink);
    *links = (struct atm_links){0, NULL};
}

/* ---- dark times ---- */

/* The last frame of the blink in that row. */
static double last_frame(const double *frame, const double *len, ptrdiff_t row) {
    return frame[row] + (len ? len[row] : 1) - 1;
}

/* Latest end of a blink at the place of `row` that was over before it began, or -1. */
static double end_before(const struct atm_locs *locs, const struct atm_grid *g,
                         const struct nearness *near, const double *len, ptrdiff_t row) {
    const double x = locs->x[row], y = locs->y[row];
    const struct atm_grid_window w = atm_grid_around(g, x, y, near->reach);
    double latest = -1;
    for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++)
        for (ptrdiff_t cx = w.cx0; cx <= w.cx1; cx++) {
            const ptrdiff_t cell = cy * g->across + cx;
            /* backwards in time; a blink that began before the latest end known may still end
             * later, but not by much, and what counts is the first that is found going back */
            for (ptrdiff_t i = atm_grid_first(g, cell, row) - 1; i >= g->start[cell]; i--) {
                double end = last_frame(locs->frame, len, g->row[i]);
                if (end >= locs->frame[row] ||
                    !(apart(near, row, g->row[i], g->x[i] - x, g->y[i] - y) <= 1))
                    continue;
                latest = fmax(latest, end);
                break;
            }
        }
    return latest;
}

enum atm_status atm_link_dark(struct atm_locs *locs, const struct atm_link_rule *rule,
                              struct atm_err *err) {
    struct atm_grid grid = {.start = NULL};
    struct nearness near;
    double *dark = NULL;
    const double *len = atm_locs_find(locs, "len");
    enum atm_status status = make_nearness(locs, rule, &near, err);
    if (status == ATM_OK)
        status = atm_locs_add(locs, "dark", &dark, err);
    if (status == ATM_OK)
        status = atm_grid_init(&grid, locs->x, locs->y, locs->count, near.reach, err);
    if (status != ATM_OK)
        return status;
#pragma omp parallel for schedule(dynamic, 1024)
    for (ptrdiff_t i = 0; i < locs->count; i++) {
        double end = end_before(locs, &grid, &near, len, i);
        dark[i] = end < 0 ? -1 : locs->frame[i] - end - 1;
    }
    atm_grid_free(&grid);
    return ATM_OK;
}
