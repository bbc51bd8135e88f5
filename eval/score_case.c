#include "score_case.h"

#include "mem.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>

/* Two statements of the pixel size that differ by more are a contradiction, not rounding. */
static const double PIXEL_SIZE_AGREEMENT = 1e-3;

static double first_known(double a, double b, double c) { return a > 0 ? a : b > 0 ? b : c; }

enum atm_status atm_score_geometry_find(const struct atm_table *truth,
                                        const struct atm_table *found,
                                        const struct atm_eval_options *options,
                                        struct atm_score_geometry *geometry, struct atm_err *err) {
    double t = truth->pixel_size_nm, f = found->pixel_size_nm;
    if (t > 0 && f > 0 && fabs(t - f) > PIXEL_SIZE_AGREEMENT * t)
        return atm_err_set(err, ATM_FAIL,
                           "the truth states pixels of %g nm, the localizations %g nm: correct the "
                           "metadata of one of them",
                           t, f);
    geometry->pixel_nm = first_known(t, f, options->pixel_size_nm);
    if (!(geometry->pixel_nm > 0))
        return atm_err_set(err, ATM_USAGE,
                           "neither table states the pixel size: give eval.pixel_size_nm");
    geometry->width_px =
        first_known((double)options->field_width, (double)truth->width, (double)found->width);
    geometry->height_px =
        first_known((double)options->field_height, (double)truth->height, (double)found->height);
    if (options->border_nm > 0 && !(geometry->width_px > 0 && geometry->height_px > 0))
        return atm_err_set(err, ATM_USAGE,
                           "a border of %g nm needs the size of the field, which neither table "
                           "states: give eval.field_width and eval.field_height in px, or set "
                           "eval.border_nm=0",
                           options->border_nm);
    return ATM_OK;
}

/* Pixel centres are at integers, so the field's outer corner is at -0.5. */
static double to_nm(double px, double pixel_nm) { return (px + 0.5) * pixel_nm; }

static int by_frame(const void *a, const void *b) {
    const struct atm_match_point *p = a, *q = b;
    if (p->frame != q->frame)
        return p->frame < q->frame ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

/* All rows with a position, sorted by frame. */
static enum atm_status list_rows(const struct atm_table *table, double pixel_nm,
                                 struct atm_match_list *list, ptrdiff_t *skipped,
                                 struct atm_err *err) {
    list->count = 0;
    list->points = atm_mem_alloc((size_t)table->count, sizeof *list->points);
    if (!list->points)
        return atm_err_memory(err, "scoring");
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *row = &table->rows[i];
        if (isfinite(row->x) && isfinite(row->y))
            list->points[list->count++] = (struct atm_match_point){
                to_nm(row->x, pixel_nm), to_nm(row->y, pixel_nm), row->frame, i};
    }
    *skipped = table->count - list->count;
    qsort(list->points, (size_t)list->count, sizeof *list->points, by_frame);
    return ATM_OK;
}

/* Keep what lies at least border_nm inside the field. */
static void crop(struct atm_match_list *list, const struct atm_score_geometry *geometry,
                 double border_nm) {
    if (!(border_nm > 0))
        return;
    double right = geometry->width_px * geometry->pixel_nm - border_nm;
    double bottom = geometry->height_px * geometry->pixel_nm - border_nm;
    ptrdiff_t kept = 0;
    for (ptrdiff_t i = 0; i < list->count; i++) {
        struct atm_match_point p = list->points[i];
        if (p.x_nm >= border_nm && p.x_nm <= right && p.y_nm >= border_nm && p.y_nm <= bottom)
            list->points[kept++] = p;
    }
    list->count = kept;
}

static ptrdiff_t movie_frames(const struct atm_score_case *c) {
    ptrdiff_t frames = c->truth->frames > c->found->frames ? c->truth->frames : c->found->frames;
    if (c->truth_list.count) {
        int64_t last = c->truth_list.points[c->truth_list.count - 1].frame;
        if (last >= frames)
            frames = (ptrdiff_t)last + 1;
    }
    return frames;
}

static enum atm_status copy_truth(struct atm_score_case *c, struct atm_err *err) {
    struct atm_match_list *list = &c->found_list;
    list->count = c->truth_list.count;
    list->points = atm_mem_alloc((size_t)list->count, sizeof *list->points);
    if (!list->points)
        return atm_err_memory(err, "a control");
    for (ptrdiff_t i = 0; i < list->count; i++) {
        list->points[i] = c->truth_list.points[i];
        list->points[i].row = -1; /* a control has no photons */
    }
    return ATM_OK;
}

/* What frame f is offered is the truth of frame f + half the movie. */
static void shift_frames(struct atm_match_list *list, ptrdiff_t frames) {
    for (ptrdiff_t i = 0; i < list->count; i++)
        list->points[i].frame = ((list->points[i].frame - frames / 2) % frames + frames) % frames;
    qsort(list->points, (size_t)list->count, sizeof *list->points, by_frame);
}

/* Where the field is unknown the truth's extent stands in. */
static void field_box(const struct atm_score_case *c, double *x0, double *y0, double *x1,
                      double *y1) {
    *x0 = *y0 = 0;
    *x1 = c->geometry.width_px * c->geometry.pixel_nm;
    *y1 = c->geometry.height_px * c->geometry.pixel_nm;
    if (*x1 > 0 && *y1 > 0)
        return;
    *x0 = *y0 = INFINITY;
    *x1 = *y1 = -INFINITY;
    for (ptrdiff_t i = 0; i < c->truth_list.count; i++) {
        const struct atm_match_point *p = &c->truth_list.points[i];
        *x0 = fmin(*x0, p->x_nm);
        *x1 = fmax(*x1, p->x_nm);
        *y0 = fmin(*y0, p->y_nm);
        *y1 = fmax(*y1, p->y_nm);
    }
}

/* Each frame's points move to rows of an even grid over the field, equally spaced in each row. */
static void arrange_on_grid(struct atm_score_case *c) {
    double x0, y0, x1, y1;
    field_box(c, &x0, &y0, &x1, &y1);
    struct atm_match_list *list = &c->found_list;
    for (ptrdiff_t first = 0, end = 0; first < list->count; first = end) {
        while (end < list->count && list->points[end].frame == list->points[first].frame)
            end++;
        ptrdiff_t n = end - first, rows = 1;
        if (x1 > x0)
            rows = lrint(fmax(1, fmin(sqrt((double)n * (y1 - y0) / (x1 - x0)), (double)n)));
        for (ptrdiff_t row = 0; row < rows; row++) {
            ptrdiff_t from = row * n / rows, to = (row + 1) * n / rows;
            for (ptrdiff_t i = from; i < to; i++) {
                struct atm_match_point *p = &list->points[first + i];
                p->x_nm = x0 + ((double)(i - from) + 0.5) * (x1 - x0) / (double)(to - from);
                p->y_nm = y0 + ((double)row + 0.5) * (y1 - y0) / (double)rows;
            }
        }
    }
}

static enum atm_status list_candidates(struct atm_score_case *c, enum atm_score_candidate candidate,
                                       struct atm_err *err) {
    if (candidate == ATM_SCORE_FOUND)
        return list_rows(c->found, c->geometry.pixel_nm, &c->found_list, &c->found_skipped, err);
    if (copy_truth(c, err) != ATM_OK)
        return ATM_FAIL;
    if (candidate == ATM_SCORE_GRID)
        arrange_on_grid(c);
    else if (c->frames > 1)
        shift_frames(&c->found_list, c->frames);
    else
        c->found_list.count = c->truth_list.count = 0; /* a single frame has no wrong frame */
    return ATM_OK;
}

enum atm_status atm_score_case_init(struct atm_score_case *c, const struct atm_table *truth,
                                    const struct atm_table *found,
                                    const struct atm_eval_options *options,
                                    enum atm_score_candidate candidate, struct atm_err *err) {
    *c = (struct atm_score_case){.truth = truth, .found = found};
    c->method = (enum atm_match_method)options->matching;
    enum atm_status status = atm_score_geometry_find(truth, found, options, &c->geometry, err);
    if (status == ATM_OK)
        status = list_rows(truth, c->geometry.pixel_nm, &c->truth_list, &c->truth_skipped, err);
    if (status == ATM_OK) {
        c->frames = movie_frames(c);
        status = list_candidates(c, candidate, err);
    }
    if (status == ATM_OK) {
        crop(&c->truth_list, &c->geometry, options->border_nm);
        crop(&c->found_list, &c->geometry, options->border_nm);
        c->pair = atm_mem_alloc((size_t)c->truth_list.count, sizeof *c->pair);
        c->blend = atm_mem_alloc((size_t)c->truth_list.count, sizeof *c->blend);
        c->scratch = atm_mem_alloc((size_t)c->truth_list.count, sizeof *c->scratch);
        for (ptrdiff_t i = 0; i < truth->count && !(c->photon_origin > 0); i++)
            c->photon_origin = isfinite(truth->rows[i].photons) ? truth->rows[i].photons : 0;
        if (!c->pair || !c->blend || !c->scratch)
            status = atm_err_memory(err, "scoring");
    }
    if (status != ATM_OK)
        atm_score_case_free(c);
    return status;
}

void atm_score_case_free(struct atm_score_case *c) {
    atm_mem_free(c->truth_list.points);
    atm_mem_free(c->found_list.points);
    atm_mem_free(c->pair);
    atm_mem_free(c->blend);
    atm_mem_free(c->scratch);
    *c = (struct atm_score_case){0};
}

/* Which pairs are blends: missed emitters are matched with all localizations again. */
static enum atm_status find_blends(struct atm_score_case *c, struct atm_err *err) {
    const struct atm_match_list *truth = &c->truth_list;
    struct atm_match_list missed = {atm_mem_alloc((size_t)truth->count, sizeof *missed.points), 0};
    ptrdiff_t *second = atm_mem_alloc((size_t)truth->count, sizeof *second);
    bool *taken = atm_mem_alloc((size_t)c->found_list.count, sizeof *taken); /* all false */
    enum atm_status status =
        missed.points && second && taken ? ATM_OK : atm_err_memory(err, "the score");
    if (status == ATM_OK) {
        for (ptrdiff_t i = 0; i < truth->count; i++)
            if (c->pair[i] < 0)
                missed.points[missed.count++] = truth->points[i];
        status = atm_match_frames(&missed, &c->found_list, c->tolerance_nm, c->method, second, err);
    }
    if (status == ATM_OK) {
        for (ptrdiff_t i = 0; i < missed.count; i++)
            if (second[i] >= 0)
                taken[second[i]] = true;
        for (ptrdiff_t i = 0; i < truth->count; i++)
            c->blend[i] = c->pair[i] >= 0 && taken[c->pair[i]];
    }
    atm_mem_free(missed.points);
    atm_mem_free(second);
    atm_mem_free(taken);
    return status;
}

enum atm_status atm_score_case_match(struct atm_score_case *c, double tolerance_nm,
                                     struct atm_err *err) {
    c->tolerance_nm = tolerance_nm;
    enum atm_status status =
        atm_match_frames(&c->truth_list, &c->found_list, tolerance_nm, c->method, c->pair, err);
    return status ? status : find_blends(c, err);
}

enum atm_status atm_score_threshold(const struct atm_table *truth, double quantile, double *photons,
                                    struct atm_err *err) {
    *photons = -INFINITY;
    if (!(quantile > 0))
        return ATM_OK;
    double *sorted = atm_mem_alloc((size_t)truth->count, sizeof *sorted);
    if (!sorted)
        return atm_err_memory(err, "the photon quantile");
    size_t count = 0;
    for (ptrdiff_t i = 0; i < truth->count; i++)
        if (isfinite(truth->rows[i].photons))
            sorted[count++] = truth->rows[i].photons;
    gsl_sort(sorted, 1, count);
    if (count)
        *photons = gsl_stats_quantile_from_sorted_data(sorted, 1, count, quantile);
    atm_mem_free(sorted);
    if (count)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "a photon quantile of %g needs true photons, and the truth states none: "
                       "set eval.photon_quantile=0",
                       quantile);
}
