/* Of localizations in one frame that are nearer than a radius, only the brightest stays. */
#include "post_step.h"

#include "grid.h"
#include "mem.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const double AUTO_PRECISIONS = 3;

struct candidate {
    double photons;
    uint32_t row;
};

/* Brightest first. */
static int compare(const void *a, const void *b) {
    const struct candidate *p = a, *q = b;
    if (p->photons != q->photons)
        return p->photons > q->photons ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

struct search {
    const struct atm_locs *locs;
    const struct atm_grid *grid;
    const ptrdiff_t *first; /* rows of each frame */
    double radius;
    unsigned char *keep;
};

/* Rows of the same frame within the radius; `remove`: take them out. Returns whether there are any.
 */
static bool near_in_frame(const struct search *s, ptrdiff_t row, bool remove) {
    const double x = s->locs->x[row], y = s->locs->y[row];
    const ptrdiff_t frame = (ptrdiff_t)s->locs->frame[row], end_row = s->first[frame + 1];
    const struct atm_grid_window w = atm_grid_around(s->grid, x, y, s->radius);
    const struct atm_grid *g = s->grid;
    bool any = false;
    for (ptrdiff_t cy = w.cy0; cy <= w.cy1; cy++)
        for (ptrdiff_t cx = w.cx0; cx <= w.cx1; cx++) {
            const ptrdiff_t cell = cy * g->across + cx;
            ptrdiff_t i = atm_grid_first(g, cell, s->first[frame]);
            for (; i < g->start[cell + 1] && (ptrdiff_t)g->row[i] < end_row; i++) {
                const ptrdiff_t other = (ptrdiff_t)g->row[i];
                if (other == row || !s->keep[other] || hypot(g->x[i] - x, g->y[i] - y) > s->radius)
                    continue;
                any = true;
                if (remove)
                    s->keep[other] = 0;
            }
        }
    return any;
}

static enum atm_status thin_out(const struct search *s, struct atm_err *err) {
    const double *photons = atm_locs_find(s->locs, "photons");
    struct candidate *candidates = atm_mem_alloc((size_t)s->locs->count, sizeof *candidates);
    size_t count = 0;
    if (!candidates)
        return atm_err_memory(err, "duplicates");
    for (ptrdiff_t i = 0; i < s->locs->count; i++)
        if (near_in_frame(s, i, false))
            candidates[count++] =
                (struct candidate){photons && isfinite(photons[i]) ? photons[i] : 0, (uint32_t)i};
    qsort(candidates, count, sizeof *candidates, compare);
    for (size_t i = 0; i < count; i++)
        if (s->keep[candidates[i].row])
            near_in_frame(s, candidates[i].row, true);
    atm_mem_free(candidates);
    return ATM_OK;
}

static enum atm_status find_radius(struct atm_post *post, double *radius_px, struct atm_err *err) {
    double pixel;
    enum atm_status status;
    if (isnan(post->config.post.duplicates_radius_nm)) {
        status = atm_locs_precision(&post->locs, "post.duplicates_radius_nm", radius_px, err);
        *radius_px *= AUTO_PRECISIONS;
        return status;
    }
    status = atm_locs_pixel(&post->locs, &pixel, err);
    *radius_px = post->config.post.duplicates_radius_nm / pixel;
    return status;
}

static enum atm_status run(struct atm_post *post, struct atm_err *err) {
    struct atm_locs *locs = &post->locs;
    struct atm_grid grid = {.start = NULL};
    ptrdiff_t frames = 0, *first = NULL, rows = locs->count;
    double radius = NAN;
    unsigned char *keep = atm_mem_alloc((size_t)rows, 1);
    enum atm_status status = keep ? find_radius(post, &radius, err) : atm_err_memory(err, "rows");
    if (status == ATM_OK)
        status = atm_locs_frames(locs, &frames, err);
    if (status == ATM_OK)
        status = atm_locs_index(locs, frames, &first, err);
    if (status == ATM_OK)
        status = atm_grid_init(&grid, locs->x, locs->y, rows, radius, err);
    if (status == ATM_OK) {
        for (ptrdiff_t i = 0; i < rows; i++)
            keep[i] = 1;
        const struct search search = {locs, &grid, first, radius, keep};
        status = thin_out(&search, err);
    }
    if (status == ATM_OK) {
        atm_locs_keep(locs, keep);
        const double pixel = locs->head.pixel_size_nm;
        atm_post_note(post, "Radius", pixel > 0 ? "%.4g nm" : "%.4g px",
                      pixel > 0 ? radius * pixel : radius);
        atm_post_note(post, "Duplicates removed", "%td of %td", rows - locs->count, rows);
    }
    atm_grid_free(&grid);
    atm_mem_free(first);
    atm_mem_free(keep);
    return status;
}

const struct atm_post_step atm_post_duplicates = {
    .name = "duplicates",
    .section = "post",
    .prefix = "duplicates_",
    .summary = "of localizations of one frame within a radius, keep the brightest",
    .run = run,
};
