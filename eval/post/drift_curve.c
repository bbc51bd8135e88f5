#include "drift_private.h"

#include "mem.h"
#include <gsl/gsl_errno.h>
#include <gsl/gsl_interp.h>
#include <math.h>

/* ---- segments ---- */

/* Pieces between jumps are cut evenly. Returns the number; segments NULL: only counts. */
static ptrdiff_t cut_pieces(const struct atm_drift_cut *cut, ptrdiff_t frames, ptrdiff_t length,
                            struct atm_drift_segment *segments) {
    ptrdiff_t count = 0, begin = 0;
    for (ptrdiff_t j = 0; j <= cut->jump_count; j++) {
        ptrdiff_t end = j < cut->jump_count ? cut->jumps[j] : frames, size = end - begin;
        ptrdiff_t parts = (size + length / 2) / length;
        parts = parts ? parts : size > 0;
        for (ptrdiff_t k = 0; k < parts; k++, count++)
            if (segments)
                segments[count] = (struct atm_drift_segment){.first = begin + size * k / parts,
                                                             .end = begin + size * (k + 1) / parts};
        begin = end;
    }
    return count;
}

enum atm_status atm_drift_cut_init(struct atm_drift_cut *cut, ptrdiff_t frames, ptrdiff_t length,
                                   struct atm_err *err) {
    atm_drift_cut_free(cut);
    cut->count = cut_pieces(cut, frames, length, NULL);
    cut->segments = atm_mem_alloc((size_t)cut->count, sizeof *cut->segments);
    if (!cut->segments)
        return atm_err_memory(err, "the segments of the drift");
    cut_pieces(cut, frames, length, cut->segments);
    return ATM_OK;
}

void atm_drift_cut_free(struct atm_drift_cut *cut) {
    atm_mem_free(cut->segments);
    cut->segments = NULL;
    cut->count = 0;
}

/* ---- curve ---- */

struct nodes {
    double *t, *x, *y; /* middle frames and drifts of known segments */
    size_t count;
};

/* Between two known times by the spline, beyond them straight on. */
static double evaluate(const gsl_interp *spline, const double *t, const double *v, size_t count,
                       double at, gsl_interp_accel *accel) {
    if (count == 1)
        return v[0];
    size_t a = at < t[0] ? 0 : count - 2;
    if (at < t[0] || at > t[count - 1] || !spline)
        return v[a] + (v[a + 1] - v[a]) * (at - t[a]) / (t[a + 1] - t[a]);
    return gsl_interp_eval(spline, t, v, at, accel);
}

static enum atm_status add_axis(const struct nodes *nodes, const double *v, ptrdiff_t first,
                                ptrdiff_t end, double *out, struct atm_err *err) {
    gsl_interp *spline =
        nodes->count >= 3 ? gsl_interp_alloc(gsl_interp_steffen, nodes->count) : NULL;
    gsl_interp_accel *accel = gsl_interp_accel_alloc();
    enum atm_status status = ATM_OK;
    if (!accel || (nodes->count >= 3 && !spline) ||
        (spline && gsl_interp_init(spline, nodes->t, v, nodes->count)))
        status = atm_err_memory(err, "the curve of the drift");
    for (ptrdiff_t f = first; f < end && status == ATM_OK; f++)
        out[f] += evaluate(spline, nodes->t, v, nodes->count, (double)f, accel);
    gsl_interp_free(spline);
    gsl_interp_accel_free(accel);
    return status;
}

static void take_nodes(const struct atm_drift_cut *cut, ptrdiff_t first, ptrdiff_t end,
                       struct nodes *nodes) {
    nodes->count = 0;
    for (ptrdiff_t k = 0; k < cut->count; k++) {
        const struct atm_drift_segment *s = &cut->segments[k];
        if (!s->known || s->first < first || s->end > end)
            continue;
        nodes->t[nodes->count] = 0.5 * (double)(s->first + s->end - 1);
        nodes->x[nodes->count] = s->x;
        nodes->y[nodes->count++] = s->y;
    }
}

/* A piece without a known segment of its own goes on with the last value of the one before. */
static void carry_on(ptrdiff_t first, ptrdiff_t end, const double last[2], double *x, double *y) {
    for (ptrdiff_t f = first; f < end; f++) {
        x[f] += last[0];
        y[f] += last[1];
    }
}

enum atm_status atm_drift_curve_add(const struct atm_drift_cut *cut, ptrdiff_t frames, double *x,
                                    double *y, struct atm_err *err) {
    double *block = atm_mem_alloc(3 * (size_t)cut->count, sizeof *block), last[2] = {0, 0};
    enum atm_status status = block ? ATM_OK : atm_err_memory(err, "the curve of the drift");
    struct nodes nodes = {block, block + cut->count, block + 2 * cut->count, 0};
    ptrdiff_t begin = 0;
    for (ptrdiff_t j = 0; j <= cut->jump_count && status == ATM_OK; j++) {
        ptrdiff_t end = j < cut->jump_count ? cut->jumps[j] : frames;
        take_nodes(cut, begin, end, &nodes);
        if (!nodes.count) {
            carry_on(begin, end, last, x, y);
        } else {
            status = add_axis(&nodes, nodes.x, begin, end, x, err);
            if (status == ATM_OK)
                status = add_axis(&nodes, nodes.y, begin, end, y, err);
            last[0] = nodes.x[nodes.count - 1], last[1] = nodes.y[nodes.count - 1];
        }
        begin = end;
    }
    atm_mem_free(block);
    return status;
}
