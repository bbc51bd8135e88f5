#include "error_charts.h"

#include "chart.h"
#include "mem.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { BINS = 60, PHOTON_BINS = 8, LEAST_PER_BIN = 10 };

/* What is known of each pair; NAN where it is not. */
struct pairs {
    double *dx, *dy, *limit_x, *limit_y, *stated_x, *stated_y; /* nm */
    double *photons, *found_photons;
    double *block; /* owned */
    ptrdiff_t count;
};
enum { PAIR_COLUMNS = 8 };

struct sheet {
    struct atm_html *page;
    const char *folder;
};

/* ---- the pairs ---- */

static void fill_pair(const struct atm_score_report *r, const struct atm_crlb *limits,
                      ptrdiff_t truth_row, ptrdiff_t found_row, struct pairs *pairs) {
    const struct atm_loc *t = &r->truth->rows[truth_row], *f = &r->found->rows[found_row];
    const double nm = r->geometry.pixel_nm;
    ptrdiff_t i = pairs->count++;
    pairs->dx[i] = (f->x - t->x) * nm;
    pairs->dy[i] = (f->y - t->y) * nm;
    pairs->limit_x[i] = limits->x_px ? limits->x_px[truth_row] * nm : NAN;
    pairs->limit_y[i] = limits->y_px ? limits->y_px[truth_row] * nm : NAN;
    pairs->stated_x[i] = f->x_unc * nm;
    pairs->stated_y[i] = f->y_unc * nm;
    /* As in the scores: the tolerance cuts off the errors of what is hardly known better than it.
     */
    const double most = r->options->tolerance_nm / 3;
    if (!(pairs->limit_x[i] < most && pairs->limit_y[i] < most))
        pairs->limit_x[i] = pairs->limit_y[i] = NAN;
    if (!(pairs->stated_x[i] < most && pairs->stated_y[i] < most))
        pairs->stated_x[i] = pairs->stated_y[i] = NAN;
    pairs->photons[i] = t->photons;
    pairs->found_photons[i] = f->photons;
}

static enum atm_status find_pairs(const struct atm_score_report *r, const struct atm_crlb *limits,
                                  struct pairs *pairs, struct atm_err *err) {
    const size_t n = (size_t)r->truth->count;
    ptrdiff_t *partner = atm_mem_alloc(n, sizeof *partner);
    pairs->block = atm_mem_alloc(n, PAIR_COLUMNS * sizeof(double));
    enum atm_status status = partner && pairs->block ? ATM_OK : atm_err_memory(err, "charts");
    double *const columns = pairs->block;
    pairs->dx = columns, pairs->dy = columns + n;
    pairs->limit_x = columns + 2 * n, pairs->limit_y = columns + 3 * n;
    pairs->stated_x = columns + 4 * n, pairs->stated_y = columns + 5 * n;
    pairs->photons = columns + 6 * n, pairs->found_photons = columns + 7 * n;
    if (status == ATM_OK)
        status =
            atm_score_pairs(r->truth, r->found, r->options, r->options->tolerance_nm, partner, err);
    for (size_t i = 0; status == ATM_OK && i < n; i++)
        if (partner[i] >= 0)
            fill_pair(r, limits, (ptrdiff_t)i, partner[i], pairs);
    atm_mem_free(partner);
    return status;
}

/* ---- histograms ---- */

/* Half of the range that holds all but 1 % of |values| on both axes, rounded up a little. */
static double half_range(const double *a, const double *b, ptrdiff_t n, double most,
                         double *sorted) {
    size_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (isfinite(a[i]))
            sorted[count++] = fabs(a[i]);
        if (isfinite(b[i]))
            sorted[count++] = fabs(b[i]);
    }
    if (!count)
        return most;
    gsl_sort(sorted, 1, count);
    double half = gsl_stats_quantile_from_sorted_data(sorted, 1, count, 0.99);
    return fmin(fmax(1.1 * half, 1e-3), most);
}

static void count_values(const double *values, ptrdiff_t n, double half, double *bins) {
    for (ptrdiff_t i = 0; i < n; i++) {
        double at = floor((values[i] + half) / (2 * half) * BINS);
        if (at >= 0 && at < BINS) /* also false for NAN */
            bins[(int)at]++;
    }
}

/* What Gaussians of these widths would give. */
static void expect_values(const double *widths, ptrdiff_t n, double half, double *bins) {
    const double step = 2 * half / BINS;
    for (ptrdiff_t i = 0; i < n; i++) {
        double scale = 1 / (widths[i] * sqrt(2));
        if (!isfinite(scale))
            continue;
        for (int k = 0; k < BINS; k++)
            bins[k] +=
                0.5 * (erf((-half + (k + 1) * step) * scale) - erf((-half + k * step) * scale));
    }
}

static enum atm_status put_chart(const struct sheet *sheet, const char *name,
                                 const struct atm_chart *chart, const char *caption,
                                 struct atm_err *err) {
    char stem[PATH_MAX], svg[PATH_MAX + 8];
    if (snprintf(stem, sizeof stem, "%s/%s", sheet->folder, name) >= (int)sizeof stem)
        return atm_err_set(err, ATM_FAIL, "%s: the name is too long", sheet->folder);
    snprintf(svg, sizeof svg, "%s.svg", stem);
    enum atm_status status = atm_chart_write_all(stem, chart, err);
    return status == ATM_OK ? atm_html_image(sheet->page, svg, caption, err) : status;
}

/* Two measured histograms and one expected for both. widths: of the expected Gaussians of each
 * axis. */
struct histogram {
    const char *name, *title, *x_label, *expected, *caption;
    const double *a, *b, *width_a, *width_b;
    ptrdiff_t count;
    double most; /* half of the widest range */
};

static enum atm_status put_histogram(const struct sheet *sheet, const struct histogram *h,
                                     const char *label_a, const char *label_b,
                                     struct atm_err *err) {
    double edges[BINS + 1], middles[BINS], a[BINS + 1] = {0}, b[BINS + 1] = {0}, both[BINS] = {0};
    double *sorted = atm_mem_alloc(2 * (size_t)h->count + 1, sizeof *sorted);
    if (!sorted)
        return atm_err_memory(err, "charts");
    double half = half_range(h->a, h->b, h->count, h->most, sorted);
    atm_mem_free(sorted);
    count_values(h->a, h->count, half, a);
    count_values(h->b, h->count, half, b);
    expect_values(h->width_a, h->count, half, both);
    expect_values(h->width_b, h->count, half, both);
    bool expected = false;
    for (int k = 0; k <= BINS; k++)
        edges[k] = -half + 2 * half * k / BINS;
    for (int k = 0; k < BINS; k++) {
        middles[k] = (edges[k] + edges[k + 1]) / 2;
        both[k] /= 2; /* as one axis */
        expected = expected || both[k] > 0;
    }
    const struct atm_curve curves[] = {
        {.label = label_a, .x = edges, .y = a, .count = BINS + 1, .style = ATM_CURVE_STEPS},
        {.label = label_b, .x = edges, .y = b, .count = BINS + 1, .style = ATM_CURVE_STEPS},
        {.label = h->expected, .x = middles, .y = both, .count = BINS, .style = ATM_CURVE_DASHED}};
    const struct atm_chart chart = {.title = h->title,
                                    .x_label = h->x_label,
                                    .y_label = "pairs",
                                    .curves = curves,
                                    .count = expected ? 3 : 2};
    return put_chart(sheet, h->name, &chart, h->caption, err);
}

static enum atm_status put_errors(const struct sheet *sheet, const struct pairs *p,
                                  const struct atm_score_report *r, struct atm_err *err) {
    const struct histogram h = {
        .name = "errors",
        .title = "Errors of the positions",
        .x_label = "localization - truth (nm)",
        .expected = "Cramer-Rao limit",
        .caption =
            "How far localizations lie from their emitters, along both axes. The dashed line is "
            "what the best possible unbiased fit would show. A peak that is off zero is a bias; "
            "broad tails are pairs that should not be ones, or emitters too close to tell apart.",
        .a = p->dx,
        .b = p->dy,
        .width_a = p->limit_x,
        .width_b = p->limit_y,
        .count = p->count,
        .most = r->options->tolerance_nm};
    return put_histogram(sheet, &h, "x", "y", err);
}

/* Pulls take the place of the errors in the block. */
static enum atm_status put_pulls(const struct sheet *sheet, struct pairs *p, struct atm_err *err) {
    ptrdiff_t known = 0;
    for (ptrdiff_t i = 0; i < p->count; i++) {
        bool good = p->stated_x[i] > 0 && p->stated_y[i] > 0;
        p->dx[i] = good ? p->dx[i] / p->stated_x[i] : NAN;
        p->dy[i] = good ? p->dy[i] / p->stated_y[i] : NAN;
        p->limit_x[i] = p->limit_y[i] = good ? 1 : NAN;
        known += good;
    }
    const struct histogram h = {
        .name = "pulls",
        .title = "Are the stated uncertainties honest?",
        .x_label = "(localization - truth) / stated uncertainty",
        .expected = "unit normal",
        .caption = "Errors in units of the uncertainty that each localization states for itself. "
                   "Honest uncertainties follow the dashed line; a wider curve means that they are "
                   "too small.",
        .a = p->dx,
        .b = p->dy,
        .width_a = p->limit_x,
        .width_b = p->limit_y,
        .count = p->count,
        .most = 6};
    return known ? put_histogram(sheet, &h, "x", "y", err) : ATM_OK;
}

/* ---- over photons ---- */

/* What the pairs of one range of true photons have in common. */
struct bin {
    double photons;             /* geometric mean */
    double rmse, limit, stated; /* nm, lateral */
    double low, median, high;   /* of the relative error of the photons, % */
};

static double mean_square(const double *x, const double *y, const size_t *order, size_t n) {
    double sum = 0, known = 0;
    for (size_t k = 0; k < n; k++) {
        double square = x[order[k]] * x[order[k]] + y[order[k]] * y[order[k]];
        if (isfinite(square))
            sum += square, known++;
    }
    return sum / known;
}

/* order: the n pairs of the range; scratch: n numbers. */
static void fill_bin(const struct pairs *p, const size_t *order, size_t n, double *scratch,
                     struct bin *bin) {
    double logs = 0;
    size_t known = 0;
    for (size_t k = 0; k < n; k++) {
        double ratio = p->found_photons[order[k]] / p->photons[order[k]] - 1;
        logs += log(p->photons[order[k]]);
        if (isfinite(ratio))
            scratch[known++] = 100 * ratio;
    }
    gsl_sort(scratch, 1, known);
    bin->photons = exp(logs / (double)n);
    bin->rmse = sqrt(mean_square(p->dx, p->dy, order, n));
    bin->limit = sqrt(mean_square(p->limit_x, p->limit_y, order, n));
    bin->stated = sqrt(mean_square(p->stated_x, p->stated_y, order, n));
    bin->low = bin->median = bin->high = NAN;
    if (!known)
        return;
    bin->low = gsl_stats_quantile_from_sorted_data(scratch, 1, known, 0.16);
    bin->median = gsl_stats_median_from_sorted_data(scratch, 1, known);
    bin->high = gsl_stats_quantile_from_sorted_data(scratch, 1, known, 0.84);
}

/* Ranges of equally many pairs each; *ranges is their number. */
static enum atm_status fill_bins(const struct pairs *p, struct bin bins[PHOTON_BINS],
                                 size_t *ranges, struct atm_err *err) {
    size_t *order = atm_mem_alloc((size_t)p->count + 1, sizeof *order), known = 0;
    double *scratch = atm_mem_alloc((size_t)p->count + 1, sizeof *scratch);
    enum atm_status status = order && scratch ? ATM_OK : atm_err_memory(err, "charts");
    if (status == ATM_OK) {
        gsl_sort_index(order, p->photons, 1, (size_t)p->count);
        for (ptrdiff_t i = 0; i < p->count; i++)
            if (p->photons[order[i]] > 0 && isfinite(p->photons[order[i]]))
                order[known++] = order[i];
        *ranges = known / LEAST_PER_BIN < PHOTON_BINS ? known / LEAST_PER_BIN : PHOTON_BINS;
        for (size_t k = 0; k < *ranges; k++) {
            size_t first = k * known / *ranges, end = (k + 1) * known / *ranges;
            fill_bin(p, order + first, end - first, scratch, &bins[k]);
        }
    }
    atm_mem_free(order);
    atm_mem_free(scratch);
    return status;
}

/* The ranges as columns of charts. */
struct over_photons {
    double x[PHOTON_BINS], rmse[PHOTON_BINS], limit[PHOTON_BINS], stated[PHOTON_BINS];
    double median[PHOTON_BINS], low[PHOTON_BINS], high[PHOTON_BINS];
    ptrdiff_t count;
    bool log_x;
};

static void take_columns(const struct bin *bins, size_t ranges, struct over_photons *o) {
    o->count = (ptrdiff_t)ranges;
    for (size_t k = 0; k < ranges; k++) {
        o->x[k] = bins[k].photons;
        o->rmse[k] = bins[k].rmse, o->limit[k] = bins[k].limit, o->stated[k] = bins[k].stated;
        o->median[k] = bins[k].median, o->low[k] = bins[k].low, o->high[k] = bins[k].high;
    }
    o->log_x = o->x[ranges - 1] > 3 * o->x[0];
}

static enum atm_status put_error_over_photons(const struct sheet *sheet,
                                              const struct over_photons *o, struct atm_err *err) {
    const struct atm_curve curves[] = {
        {.label = "RMSE", .x = o->x, .y = o->rmse, .count = o->count},
        {.label = "Cramer-Rao limit",
         .x = o->x,
         .y = o->limit,
         .count = o->count,
         .style = ATM_CURVE_DASHED},
        {.label = "as stated", .x = o->x, .y = o->stated, .count = o->count}};
    const struct atm_chart chart = {.title = "Error over brightness",
                                    .x_label = "true photons",
                                    .y_label = "lateral, nm",
                                    .curves = curves,
                                    .count = 3,
                                    .log_x = o->log_x,
                                    .log_y = true};
    return put_chart(
        sheet, "error_over_photons", &chart,
        "Root mean square error of pairs in ranges of equally many emitters, beside the least "
        "error that is possible and the error that the localizations state themselves. It grows "
        "where neighbours overlap, also of bright emitters.",
        err);
}

static enum atm_status put_photon_error(const struct sheet *sheet, const struct over_photons *o,
                                        struct atm_err *err) {
    const struct atm_curve curve = {
        .x = o->x, .y = o->median, .count = o->count, .low = o->low, .high = o->high};
    const struct atm_chart chart = {.title = "Photons",
                                    .x_label = "true photons",
                                    .y_label = "found - true, %",
                                    .curves = &curve,
                                    .count = 1,
                                    .log_x = o->log_x};
    return put_chart(sheet, "photons", &chart,
                     "Median relative error of the photons; bars hold the middle 68 %.", err);
}

static enum atm_status put_over_photons(const struct sheet *sheet, const struct pairs *p,
                                        struct atm_err *err) {
    struct bin bins[PHOTON_BINS] = {{0}};
    struct over_photons columns = {.count = 0};
    size_t ranges = 0;
    enum atm_status status = fill_bins(p, bins, &ranges, err);
    if (status != ATM_OK || ranges < 2)
        return status;
    take_columns(bins, ranges, &columns);
    status = put_error_over_photons(sheet, &columns, err);
    return status == ATM_OK ? put_photon_error(sheet, &columns, err) : status;
}

enum atm_status atm_error_charts_put(struct atm_html *page, const struct atm_score_report *report,
                                     const struct atm_crlb *limits, const char *folder,
                                     struct atm_err *err) {
    const struct sheet sheet = {page, folder};
    struct pairs pairs = {0};
    enum atm_status status = find_pairs(report, limits, &pairs, err);
    if (status == ATM_OK && !pairs.count)
        atm_html_text(page,
                      "No localization lies near a true emitter: there are no errors to draw.");
    if (status == ATM_OK && pairs.count)
        status = put_errors(&sheet, &pairs, report, err);
    if (status == ATM_OK)
        status = put_over_photons(&sheet, &pairs, err);
    if (status == ATM_OK && pairs.count)
        status = put_pulls(&sheet, &pairs, err);
    atm_mem_free(pairs.block);
    return status;
}

/* ---- goodness of fit ---- */

static void put_verdict(struct atm_html *page, double median) {
    if (median > 1.5)
        atm_html_note(page, ATM_HTML_BAD,
                      "The fit does not explain the data: the median chi-square per degree of "
                      "freedom is %.2f instead of 1. The PSF, the camera's gain or the background "
                      "is not what the fit assumes.",
                      median);
    else if (median > 1.15)
        atm_html_note(page, ATM_HTML_CAUTION,
                      "The fit explains the data nearly: the median chi-square per degree of "
                      "freedom is %.2f instead of 1. Something small is missing in the model.",
                      median);
    else if (median < 0.85)
        atm_html_note(page, ATM_HTML_CAUTION,
                      "The data are quieter than the camera's figures say: the median chi-square "
                      "per degree of freedom is %.2f instead of 1. Is camera.gain right?",
                      median);
    else
        atm_html_note(page, ATM_HTML_GOOD,
                      "The fit explains the data down to the noise: the median chi-square per "
                      "degree of freedom is %.2f; 1 is expected.",
                      median);
}

enum atm_status atm_fit_chart_put(struct atm_html *page, const struct atm_table *found,
                                  const char *folder, struct atm_err *err) {
    double edges[BINS + 1], bins[BINS + 1] = {0};
    const struct sheet sheet = {page, folder};
    double *values = atm_mem_alloc((size_t)found->count + 1, sizeof *values);
    if (!values)
        return atm_err_memory(err, "charts");
    size_t count = 0;
    for (ptrdiff_t i = 0; i < found->count; i++)
        if (isfinite(found->rows[i].chi2))
            values[count++] = found->rows[i].chi2;
    gsl_sort(values, 1, count);
    double median = count ? gsl_stats_median_from_sorted_data(values, 1, count) : NAN;
    double most = count ? 1.2 * gsl_stats_quantile_from_sorted_data(values, 1, count, 0.99) : 1;
    for (size_t i = 0; i < count && most > 0; i++)
        if (values[i] >= 0 && values[i] < most)
            bins[(int)(values[i] / most * BINS)]++;
    atm_mem_free(values);
    if (!count || !(most > 0))
        return ATM_OK;
    put_verdict(page, median);
    for (int k = 0; k <= BINS; k++)
        edges[k] = most * k / BINS;
    const struct atm_curve curve = {
        .x = edges, .y = bins, .count = BINS + 1, .style = ATM_CURVE_STEPS};
    const struct atm_chart chart = {.title = "Goodness of fit",
                                    .x_label = "chi-square per degree of freedom",
                                    .y_label = "localizations",
                                    .curves = &curve,
                                    .count = 1};
    return put_chart(&sheet, "goodness", &chart,
                     "Of each localization's surroundings. Around 1: what the fit leaves is noise. "
                     "A tail to the right: places that the model does not explain.",
                     err);
}
