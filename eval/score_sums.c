#include "score_sums.h"

#include <math.h>

void atm_score_sums_add(struct atm_score_sums *sums, const struct atm_score_sums *other) {
    for (int i = 0; i < ATM_SUM_COUNT; i++)
        sums->of[i] += other->of[i];
}

static void add_limit(double *of, const struct atm_score_pair *p) {
    if (!(p->limit_x > 0 && p->limit_y > 0))
        return;
    of[ATM_SUM_LIMIT_PAIRS]++;
    of[ATM_SUM_LIMIT_SQUARES] += p->dx * p->dx + p->dy * p->dy;
    of[ATM_SUM_LIMIT] += p->limit_x * p->limit_x + p->limit_y * p->limit_y;
}

static void add_stated(double *of, const struct atm_score_pair *p) {
    if (!(p->stated_x > 0 && p->stated_y > 0))
        return;
    double x = p->dx / p->stated_x, y = p->dy / p->stated_y;
    of[ATM_SUM_STATED_PAIRS]++;
    of[ATM_SUM_STATED_SQUARES] += p->dx * p->dx + p->dy * p->dy;
    of[ATM_SUM_STATED] += p->stated_x * p->stated_x + p->stated_y * p->stated_y;
    of[ATM_SUM_PULL_X] += x;
    of[ATM_SUM_PULL_XX] += x * x;
    of[ATM_SUM_PULL_Y] += y;
    of[ATM_SUM_PULL_YY] += y * y;
    of[ATM_SUM_PULL_WITHIN] += (fabs(x) <= 1) + (fabs(y) <= 1);
    if (!p->blend) {
        of[ATM_SUM_RESOLVED_PULLS] += 2;
        of[ATM_SUM_RESOLVED_SQUARES] += x * x + y * y;
    }
}

static void add_photons(double *of, const struct atm_score_pair *p) {
    double error = p->found_photons - p->true_photons;
    if (!isfinite(error) || p->true_photons <= 0)
        return;
    double t = p->true_photons - p->photon_origin, f = p->found_photons - p->photon_origin;
    double relative = error / p->true_photons;
    of[ATM_SUM_PHOTON_PAIRS]++;
    of[ATM_SUM_RELATIVE] += relative;
    of[ATM_SUM_RELATIVE_SQUARES] += relative * relative;
    of[ATM_SUM_T] += t;
    of[ATM_SUM_F] += f;
    of[ATM_SUM_TT] += t * t;
    of[ATM_SUM_FF] += f * f;
    of[ATM_SUM_TF] += t * f;
    if (!(p->stated_photons > 0))
        return;
    double pull = error / p->stated_photons;
    of[ATM_SUM_PHOTON_PULLS]++;
    of[ATM_SUM_PHOTON_PULL] += pull;
    of[ATM_SUM_PHOTON_PULL_SQUARES] += pull * pull;
}

void atm_score_sums_add_pair(struct atm_score_sums *sums, const struct atm_score_pair *pair) {
    double *of = sums->of, squares = pair->dx * pair->dx + pair->dy * pair->dy;
    of[ATM_SUM_TP]++;
    of[ATM_SUM_DX] += pair->dx;
    of[ATM_SUM_DY] += pair->dy;
    of[ATM_SUM_SQUARES] += squares;
    of[ATM_SUM_ABSOLUTE] += fabs(pair->dx) + fabs(pair->dy);
    of[ATM_SUM_DISTANCE] += sqrt(squares);
    add_limit(of, pair);
    add_stated(of, pair);
    add_photons(of, pair);
}

static double ratio(double a, double b) { return b > 0 ? a / b : NAN; }

static double deviation(double sum, double squares, double n) {
    return n > 0 ? sqrt(fmax(squares / n - sum / n * (sum / n), 0)) : NAN;
}

static double correlation(const double *of) {
    double n = of[ATM_SUM_PHOTON_PAIRS], t = of[ATM_SUM_T], f = of[ATM_SUM_F];
    double tt = of[ATM_SUM_TT] - t * t / n, ff = of[ATM_SUM_FF] - f * f / n;
    return tt > 0 && ff > 0 ? (of[ATM_SUM_TF] - t * f / n) / sqrt(tt * ff) : NAN;
}

static void finish_uncertainty(const double *of, struct atm_score *score) {
    double n = of[ATM_SUM_STATED_PAIRS], photons = of[ATM_SUM_PHOTON_PULLS];
    score->crlb_nm = sqrt(ratio(of[ATM_SUM_LIMIT], of[ATM_SUM_LIMIT_PAIRS]));
    score->rmse_over_crlb = sqrt(ratio(of[ATM_SUM_LIMIT_SQUARES], of[ATM_SUM_LIMIT]));
    score->stated_nm = sqrt(ratio(of[ATM_SUM_STATED], n));
    score->rmse_over_stated = sqrt(ratio(of[ATM_SUM_STATED_SQUARES], of[ATM_SUM_STATED]));
    score->pull_x_mean = ratio(of[ATM_SUM_PULL_X], n);
    score->pull_y_mean = ratio(of[ATM_SUM_PULL_Y], n);
    score->pull_x_sd = deviation(of[ATM_SUM_PULL_X], of[ATM_SUM_PULL_XX], n);
    score->pull_y_sd = deviation(of[ATM_SUM_PULL_Y], of[ATM_SUM_PULL_YY], n);
    score->pull_within = ratio(of[ATM_SUM_PULL_WITHIN], 2 * n);
    score->pull_resolved = sqrt(ratio(of[ATM_SUM_RESOLVED_SQUARES], of[ATM_SUM_RESOLVED_PULLS]));
    score->photon_pull_mean = ratio(of[ATM_SUM_PHOTON_PULL], photons);
    score->photon_pull_sd =
        deviation(of[ATM_SUM_PHOTON_PULL], of[ATM_SUM_PHOTON_PULL_SQUARES], photons);
}

void atm_score_sums_finish(const struct atm_score_sums *sums, struct atm_score *score) {
    const double *of = sums->of;
    double tp = of[ATM_SUM_TP], fp = of[ATM_SUM_FP], fn = of[ATM_SUM_FN];
    *score = (struct atm_score){
        .true_positive = (ptrdiff_t)tp,
        .false_positive = (ptrdiff_t)fp,
        .false_negative = (ptrdiff_t)fn,
        .jaccard = ratio(tp, tp + fp + fn),
        .recall = ratio(tp, tp + fn),
        .precision = ratio(tp, tp + fp),
        .rmse_nm = sqrt(ratio(of[ATM_SUM_SQUARES], tp)),
        .rmse_axis_nm = sqrt(ratio(of[ATM_SUM_SQUARES], 2 * tp)),
        .mean_distance_nm = ratio(of[ATM_SUM_DISTANCE], tp),
        .median_distance_nm = NAN,
        .mad_nm = ratio(of[ATM_SUM_ABSOLUTE], 2 * tp),
        .mean_dx_nm = ratio(of[ATM_SUM_DX], tp),
        .mean_dy_nm = ratio(of[ATM_SUM_DY], tp),
        .photon_bias = ratio(of[ATM_SUM_RELATIVE], of[ATM_SUM_PHOTON_PAIRS]),
        .photon_error = sqrt(ratio(of[ATM_SUM_RELATIVE_SQUARES], of[ATM_SUM_PHOTON_PAIRS])),
        .photon_correlation = correlation(of),
    };
    score->efficiency = 100 - hypot(100 - 100 * score->jaccard, score->rmse_nm);
    finish_uncertainty(of, score);
}
