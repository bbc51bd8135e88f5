/* What usually goes wrong between two tables, and the option that corrects it. */
#include "score_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static void warn(struct atm_score_report *r,
                                                       const char *format, ...) {
    if (r->warning_count == ATM_SCORE_MAX_WARNINGS)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->warnings[r->warning_count++], ATM_SCORE_WARNING_SIZE, format, args);
    va_end(args);
}

static const struct atm_score *main_score(const struct atm_score_report *r) {
    return &r->view[ATM_VIEW_TOLERANCE].score[ATM_EMITTERS_ALL];
}

static void warn_offset(struct atm_score_report *r, const char *axis, double mean_nm) {
    double px = fabs(mean_nm) / r->geometry.pixel_nm;
    if (px > 0.35 && px < 0.65)
        warn(r,
             "mean d%s is %.2f px: half a pixel, as if one table counted positions from pixel "
             "corners and the other from centres; eval.shift_%s_nm=%.4g takes it away",
             axis, mean_nm / r->geometry.pixel_nm, axis, -mean_nm);
    else if (px > 0.8 && px < 1.2)
        warn(r,
             "mean d%s is %.2f px: a whole pixel, as if one table counted pixels from 1; "
             "eval.shift_%s_nm=%.4g takes it away",
             axis, mean_nm / r->geometry.pixel_nm, axis, -mean_nm);
}

/* Sums over the pairs along one axis: p position, d error. */
struct regression {
    double n, p, d, pp, pd, dd;
};

static void add_error(struct regression *sums, double position, double error) {
    sums->n++;
    sums->p += position, sums->d += error;
    sums->pp += position * position, sums->pd += position * error, sums->dd += error * error;
}

/* Do errors grow with the position, as with a wrong pixel size? One slope for both axes. */
static void warn_scale(struct atm_score_report *r, const struct atm_score_case *c) {
    struct regression axes[2] = {{0}};
    double n = 0, spread = 0, product = 0, rest = 0;
    for (ptrdiff_t i = 0; i < c->truth_list.count; i++) {
        if (c->pair[i] < 0)
            continue;
        const struct atm_match_point *t = &c->truth_list.points[i];
        const struct atm_match_point *f = &c->found_list.points[c->pair[i]];
        add_error(&axes[0], t->x_nm, f->x_nm - t->x_nm);
        add_error(&axes[1], t->y_nm, f->y_nm - t->y_nm);
    }
    for (int i = 0; i < 2; i++) {
        const struct regression *a = &axes[i];
        n += a->n;
        spread += a->pp - a->p * a->p / a->n;
        product += a->pd - a->p * a->d / a->n;
        rest += a->dd - a->d * a->d / a->n;
    }
    double slope = product / spread;
    double uncertainty = sqrt(fmax(rest - slope * product, 0) / (n - 3) / spread);
    enum { LEAST_PAIRS = 20, SURE = 8 };
    if (n > 2 * LEAST_PAIRS && fabs(slope) > 0.002 && fabs(slope) > SURE * uncertainty)
        warn(r,
             "errors grow with the position: distances are %.4f times the true ones, as with a "
             "wrong pixel size; eval.scale=%.5g takes it away",
             1 + slope, 1 / (1 + slope));
}

static enum atm_status try_change(struct atm_score_report *r, struct atm_score_case *c,
                                  const char *change, const char *option, struct atm_err *err) {
    struct atm_score score;
    double now = main_score(r)->jaccard;
    enum atm_status status = atm_score_case_match(c, r->view[ATM_VIEW_TOLERANCE].tolerance_nm, err);
    if (status != ATM_OK)
        return status;
    atm_score_case_count(c, -INFINITY, &score);
    if (score.jaccard > now + 0.15)
        warn(r, "with %s the Jaccard index would be %.3f instead of %.3f: %s", change,
             score.jaccard, now, option);
    return ATM_OK;
}

/* Would exchanged axes or frames that count from another number explain a poor score? */
static enum atm_status try_changes(struct atm_score_report *r, struct atm_score_case *c,
                                   struct atm_err *err) {
    struct atm_match_list *list = &c->found_list;
    if (!(main_score(r)->jaccard < 0.85))
        return ATM_OK;
    for (ptrdiff_t i = 0; i < list->count; i++)
        list->points[i].frame++;
    enum atm_status status =
        try_change(r, c, "localizations one frame later", "eval.shift_frames=1", err);
    for (ptrdiff_t i = 0; i < list->count; i++)
        list->points[i].frame -= 2;
    if (status == ATM_OK)
        status = try_change(r, c, "localizations one frame earlier", "eval.shift_frames=-1", err);
    for (ptrdiff_t i = 0; i < list->count; i++) {
        struct atm_match_point *p = &list->points[i];
        *p = (struct atm_match_point){p->y_nm, p->x_nm, p->frame + 1, p->row};
    }
    return status == ATM_OK ? try_change(r, c, "x and y exchanged", "eval.axes=yx", err) : status;
}

enum atm_status atm_score_report_warn(struct atm_score_report *r, struct atm_score_case *c,
                                      struct atm_err *err) {
    const struct atm_score *score = main_score(r);
    warn_offset(r, "x", score->mean_dx_nm);
    warn_offset(r, "y", score->mean_dy_nm);
    warn_scale(r, c);
    if (r->truth->width && r->found->width &&
        (r->truth->width != r->found->width || r->truth->height != r->found->height))
        warn(r, "the truth states a field of %td x %td px, the localizations %td x %td px",
             r->truth->width, r->truth->height, r->found->width, r->found->height);
    if (r->truth_skipped || r->found_skipped)
        warn(r, "left out for want of a finite position: %td true emitters, %td localizations",
             r->truth_skipped, r->found_skipped);
    double control = fmax(r->wrong_frame[0].jaccard, r->grid[0].jaccard);
    if (score->jaccard <= control)
        warn(r, "no better than a control (%.3f): this score says nothing about positions",
             control);
    return try_changes(r, c, err);
}
