#include "score_report.h"

#include "mem.h"
#include <math.h>
#include <string.h>

/* The challenge's second convention, used where the options name no other. */
static const double CHALLENGE_QUANTILE = 0.25;
static const double STRICT_TOLERANCE_NM = 100;
static const double CHALLENGE_TOLERANCE_NM = 250, CHALLENGE_BORDER_NM = 450;

const char *const atm_score_view_keys[ATM_VIEWS] = {"at_tolerance", "at_100_nm", "challenge"};

const char *atm_score_matching_name(const struct atm_eval_options *options) {
    return options->matching == ATM_MATCH_HUNGARIAN ? "hungarian" : "greedy";
}

const char *atm_score_matching_rule(const struct atm_eval_options *options) {
    return options->matching == ATM_MATCH_HUNGARIAN
               ? "per frame the most pairs, then the least sum of distances"
               : "per frame nearest pair first, as the SMLM Challenge";
}

/* ---- the limit ---- */

/* What the limit assumes: the options, else what the localizations say. */
static enum atm_status find_limits(struct atm_score_report *r, const struct atm_camera *camera,
                                   struct atm_crlb *limits, struct atm_err *err) {
    r->limit = (struct atm_crlb_options){
        .sigma_px = r->options->sigma_px > 0
                        ? r->options->sigma_px
                        : atm_table_median(r->found, offsetof(struct atm_loc, sx)),
        .background = r->options->background >= 0
                          ? r->options->background
                          : atm_table_median(r->found, offsetof(struct atm_loc, background)),
        .camera = camera ? *camera : atm_movie_unknown_camera(),
    };
    if (!(r->limit.sigma_px >= 0.1 && r->limit.sigma_px <= 50))
        r->limit.sigma_px = NAN; /* widths that no PSF has: no limit */
    enum atm_status status =
        isnan(r->limit.sigma_px) ? ATM_OK : atm_crlb_init(limits, r->truth, &r->limit, err);
    r->limits_known = limits->known;
    return status;
}

/* ---- figures ---- */

static enum atm_status score_view(const struct atm_score_report *r, struct atm_score_case *c,
                                  struct atm_score_view *view, struct atm_err *err) {
    const double thresholds[ATM_EMITTERS] = {-INFINITY, r->threshold};
    enum atm_status status = atm_score_case_match(c, view->tolerance_nm, err);
    for (int e = 0; status == ATM_OK && e < ATM_EMITTERS; e++) {
        if (isnan(thresholds[e]))
            continue;
        atm_score_case_count(c, thresholds[e], &view->score[e]);
        status = atm_score_case_bootstrap(c, thresholds[e], r->options->bootstrap, &view->low[e],
                                          &view->high[e], err);
    }
    view->known = status == ATM_OK;
    return status;
}

/* Ends with the case matched at the tolerance. */
static enum atm_status score_found(struct atm_score_report *r, struct atm_score_case *c,
                                   struct atm_err *err) {
    enum atm_status status =
        atm_score_case_init(c, r->truth, r->found, r->options, ATM_SCORE_FOUND, err);
    if (status != ATM_OK)
        return status;
    r->geometry = c->geometry;
    r->frames = c->frames;
    r->truth_scored = c->truth_list.count;
    r->found_scored = c->found_list.count;
    r->truth_skipped = c->truth_skipped;
    r->found_skipped = c->found_skipped;
    return ATM_OK;
}

static enum atm_status score_challenge(struct atm_score_report *r, const struct atm_crlb *limits,
                                       struct atm_err *err) {
    if (!(r->geometry.width_px > 0 && r->geometry.height_px > 0))
        return ATM_OK;
    struct atm_eval_options rules = *r->options;
    rules.border_nm = CHALLENGE_BORDER_NM;
    rules.matching = ATM_MATCH_GREEDY;
    struct atm_score_case c = {0};
    enum atm_status status =
        atm_score_case_init(&c, r->truth, r->found, &rules, ATM_SCORE_FOUND, err);
    c.limits = limits;
    if (status == ATM_OK)
        status = score_view(r, &c, &r->view[ATM_VIEW_CHALLENGE], err);
    atm_score_case_free(&c);
    return status;
}

static enum atm_status score_control(const struct atm_score_report *r,
                                     enum atm_score_candidate candidate, struct atm_score *scores,
                                     struct atm_err *err) {
    struct atm_score_case c = {0};
    enum atm_status status =
        atm_score_case_init(&c, r->truth, r->found, r->options, candidate, err);
    for (int v = 0; v <= ATM_VIEW_100_NM && status == ATM_OK; v++) {
        status = atm_score_case_match(&c, r->view[v].tolerance_nm, err);
        if (status == ATM_OK)
            atm_score_case_count(&c, -INFINITY, &scores[v]);
    }
    atm_score_case_free(&c);
    return status;
}

static enum atm_status find_figures(struct atm_score_report *r, const struct atm_crlb *limits,
                                    struct atm_err *err) {
    struct atm_score_case c = {0};
    enum atm_status status = score_found(r, &c, err);
    c.limits = limits->known ? limits : NULL;
    if (status == ATM_OK)
        status = score_view(r, &c, &r->view[ATM_VIEW_100_NM], err);
    if (status == ATM_OK)
        status = score_view(r, &c, &r->view[ATM_VIEW_TOLERANCE], err);
    if (status == ATM_OK)
        status = score_challenge(r, c.limits, err);
    if (status == ATM_OK)
        status = score_control(r, ATM_SCORE_WRONG_FRAME, r->wrong_frame, err);
    if (status == ATM_OK)
        status = score_control(r, ATM_SCORE_GRID, r->grid, err);
    if (status == ATM_OK)
        status = atm_score_report_warn(r, &c, err);
    atm_score_case_free(&c);
    return status;
}

enum atm_status atm_score_report_make(const struct atm_table *truth, const struct atm_table *found,
                                      const struct atm_eval_options *options,
                                      const struct atm_camera *camera,
                                      struct atm_score_report *report, struct atm_crlb *limits,
                                      struct atm_err *err) {
    struct atm_score_report *r = report;
    *r = (struct atm_score_report){
        .truth = truth,
        .found = found,
        .options = options,
        .quantile = options->photon_quantile > 0 ? options->photon_quantile : CHALLENGE_QUANTILE,
        .view[ATM_VIEW_TOLERANCE].tolerance_nm = options->tolerance_nm,
        .view[ATM_VIEW_100_NM].tolerance_nm = STRICT_TOLERANCE_NM,
        .view[ATM_VIEW_CHALLENGE].tolerance_nm = CHALLENGE_TOLERANCE_NM,
    };
    struct atm_crlb own = {0};
    limits = limits ? limits : &own;
    *limits = own;
    /* Only a quantile that the user asked for makes a truth without photons an error. */
    if (atm_score_threshold(truth, r->quantile, &r->threshold, NULL) != ATM_OK) {
        if (options->photon_quantile > 0)
            return atm_score_threshold(truth, r->quantile, &r->threshold, err);
        r->threshold = NAN;
    }
    enum atm_status status = find_limits(r, camera, limits, err);
    if (status == ATM_OK)
        status = find_figures(r, limits, err);
    if (status != ATM_OK || limits == &own)
        atm_crlb_free(limits);
    return status;
}
