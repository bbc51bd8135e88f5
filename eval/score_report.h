/* Everything that scoring says about one pair of tables: gathered once, then as text for people, as
 * JSON for programs, and for pages. */
#ifndef ATM_SCORE_REPORT_H
#define ATM_SCORE_REPORT_H

#include "crlb.h"
#include "score.h"
#include "score_case.h"

/* Every figure stands at the options' tolerance, at 100 nm, and by the challenge's own rules
 * (greedy, 250 nm, 450 nm border) whatever the options say. */
enum { ATM_VIEW_TOLERANCE, ATM_VIEW_100_NM, ATM_VIEW_CHALLENGE, ATM_VIEWS };
extern const char *const atm_score_view_keys[ATM_VIEWS]; /* of the JSON */

/* Without and with the photon threshold. */
enum { ATM_EMITTERS_ALL, ATM_EMITTERS_BRIGHT, ATM_EMITTERS };

struct atm_score_view {
    bool known; /* false: the challenge's border needs a field whose size nobody states */
    double tolerance_nm;
    struct atm_score score[ATM_EMITTERS];
    struct atm_score low[ATM_EMITTERS], high[ATM_EMITTERS]; /* 95 % intervals */
};

enum { ATM_SCORE_MAX_WARNINGS = 8, ATM_SCORE_WARNING_SIZE = 256 };

struct atm_score_report {
    const struct atm_table *truth, *found;  /* borrowed, for the calls below */
    const struct atm_eval_options *options; /* borrowed */
    double quantile, threshold;             /* photons; NAN: the truth has none */
    struct atm_score_geometry geometry;
    ptrdiff_t frames, truth_scored, found_scored, truth_skipped, found_skipped;
    struct atm_crlb_options limit; /* what the Cramer-Rao limit was computed for */
    ptrdiff_t limits_known;        /* true emitters that have one */
    struct atm_score_view view[ATM_VIEWS];
    struct atm_score wrong_frame[2], grid[2]; /* controls; at the tolerance and at 100 nm */
    char warnings[ATM_SCORE_MAX_WARNINGS][ATM_SCORE_WARNING_SIZE];
    int warning_count;
};

/* found: already adjusted (atm_score_adjust). camera: for the limit; NULL: shot noise only. limits
 * (may be NULL): receives the limit of each true emitter, owned by the caller (atm_crlb_free). */
enum atm_status atm_score_report_make(const struct atm_table *truth, const struct atm_table *found,
                                      const struct atm_eval_options *options,
                                      const struct atm_camera *camera,
                                      struct atm_score_report *report, struct atm_crlb *limits,
                                      struct atm_err *err);

/* Owned by the caller (atm_mem_free); NULL if out of memory. */
char *atm_score_report_text(const struct atm_score_report *report);
char *atm_score_report_json(const struct atm_score_report *report);
/* "greedy", and the rule in words. */
const char *atm_score_matching_name(const struct atm_eval_options *options);
const char *atm_score_matching_rule(const struct atm_eval_options *options);

/* Inside eval: look for what usually goes wrong. c: matched at the tolerance; its localizations may
 * be moved. */
enum atm_status atm_score_report_warn(struct atm_score_report *report, struct atm_score_case *c,
                                      struct atm_err *err);

#endif
