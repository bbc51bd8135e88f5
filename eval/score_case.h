/* Inside eval: two tables made ready for scoring, matched, and counted. score.h is the interface.
 */
#ifndef ATM_SCORE_CASE_H
#define ATM_SCORE_CASE_H

#include "crlb.h"
#include "match.h"
#include "score.h"
#include "score_sums.h"

/* Pixel and field that both tables share. */
struct atm_score_geometry {
    double pixel_nm;
    double width_px, height_px; /* 0 unknown */
};

/* Who stands for the localizations. */
enum atm_score_candidate { ATM_SCORE_FOUND, ATM_SCORE_WRONG_FRAME, ATM_SCORE_GRID };

/* Zero-initialise; release by atm_score_case_free. The tables are borrowed. */
struct atm_score_case {
    const struct atm_table *truth, *found;
    struct atm_score_geometry geometry;
    enum atm_match_method method;
    struct atm_match_list truth_list, found_list; /* owned: rows inside the border, x, y in nm
                                                   * from the field's outer corner */
    ptrdiff_t *pair;                              /* owned: found_list index per truth_list entry */
    bool *blend;                                  /* owned, as long as pair: has a pair whose
                                                   * localization stands for a missed one too */
    double *scratch;                              /* owned: as long as pair */
    double tolerance_nm;                          /* of pair */
    double photon_origin;                         /* about what the photons are */
    const struct atm_crlb *limits;                /* borrowed, per row of truth; NULL: unknown */
    ptrdiff_t truth_skipped, found_skipped;       /* rows without a finite position */
    ptrdiff_t frames;                             /* of the movie, or as far as the truth goes */
};

/* Pixel size and field from the tables, else from the options. Errors where a figure that the
 * border needs is unknown, or the tables contradict each other. */
enum atm_status atm_score_geometry_find(const struct atm_table *truth,
                                        const struct atm_table *found,
                                        const struct atm_eval_options *options,
                                        struct atm_score_geometry *geometry, struct atm_err *err);

enum atm_status atm_score_case_init(struct atm_score_case *c, const struct atm_table *truth,
                                    const struct atm_table *found,
                                    const struct atm_eval_options *options,
                                    enum atm_score_candidate candidate, struct atm_err *err);
void atm_score_case_free(struct atm_score_case *c);

/* Fill pair and blend; to be called before counting, again for another tolerance. */
enum atm_status atm_score_case_match(struct atm_score_case *c, double tolerance_nm,
                                     struct atm_err *err);

/* True photons below which emitters are ignored, from all rows of the truth (linear interpolation
 * between order statistics). -INFINITY for quantile 0. Fails if the truth has no photons. */
enum atm_status atm_score_threshold(const struct atm_table *truth, double quantile, double *photons,
                                    struct atm_err *err);

void atm_score_case_count(const struct atm_score_case *c, double photon_threshold,
                          struct atm_score *score);

/* The same as sums over `blocks` runs of frames of equal length (frames without any emitter left
 * out): what confidence intervals resample. sums: blocks entries. */
ptrdiff_t atm_score_case_frames(const struct atm_score_case *c);
void atm_score_case_sum(const struct atm_score_case *c, double photon_threshold, ptrdiff_t blocks,
                        struct atm_score_sums *sums);

/* Ends of the 95 % interval of every figure but the counts (which stay 0), from resampled frames;
 * the median has none. Emitters shine over several frames, so neighbouring frames are not
 * independent: what is resampled are frames, or runs of them where there are many. */
enum atm_status atm_score_case_bootstrap(const struct atm_score_case *c, double photon_threshold,
                                         int64_t resamples, struct atm_score *low,
                                         struct atm_score *high, struct atm_err *err);

#endif
