/* Scores of localizations against ground truth: the SMLM Challenge's rules (Sage et al. 2016,
 * 2019), see FORMATS: greedy nearest pair first per frame, lateral tolerance. */
#ifndef ATM_SCORE_H
#define ATM_SCORE_H

#include "ini.h"
#include "table.h"

struct atm_eval_options {
    double tolerance_nm;    /* 250 */
    double border_nm;       /* outer border left out of both lists; 0 none */
    int matching;           /* greedy | hungarian */
    double photon_quantile; /* true emitters below this quantile of the true photons are ignored; 0
                               none */
    double pixel_size_nm;   /* for tables that do not say; auto */
    int64_t field_width;    /* px, for the border and the grid control; 0: as the tables say */
    int64_t field_height;
    /* Of a model on test images (model_test.h). */
    int64_t images;         /* at most; 0 all */
    double sigma_px;        /* of the true spikes; NAN: as the stack was simulated */
    double tolerance_sigma; /* blocks and spikes match up to this many sigma */
    double active;          /* a block is active when |g| / |x| is at least this */
};
extern const struct atm_section atm_eval_section;

struct atm_score {
    ptrdiff_t true_positive, false_positive, false_negative;
    double jaccard, recall, precision;      /* 0..1 */
    double rmse_nm;                         /* sqrt(sum(dx^2 + dy^2) / TP) */
    double rmse_axis_nm;                    /* the same / sqrt 2 (per axis: LiteLoc's convention) */
    double mean_distance_nm;                /* ThunderSTORM's "RMSE" */
    double mean_dx_nm, mean_dy_nm;          /* localization - truth */
    double efficiency;                      /* challenge E, 0..100, alpha 1/nm */
    double photon_bias, photon_correlation; /* mean relative error; Pearson; NAN where unknown */
};

/* One score; tolerance_nm overrides the options' so that 250 and 100 nm stand side by side. Frames
 * that only one table has count as missed or false. Rows without a finite position are left out.
 * Ratios of nothing are NAN. Errors: pixel size or (with a border) field size unknown, tables that
 * state different pixel sizes, a photon quantile without true photons. Thread-safe. */
enum atm_status atm_score_tables(const struct atm_table *truth, const struct atm_table *found,
                                 const struct atm_eval_options *options, double tolerance_nm,
                                 struct atm_score *score, struct atm_err *err);

/* What a result must beat. Scored instead of found (which only lends its pixel and field size): the
 * truth of the frame half a movie away (all NAN for a movie of one frame), and a uniform grid over
 * the field with as many points per frame as the truth. */
enum atm_status atm_score_wrong_frame(const struct atm_table *truth, const struct atm_table *found,
                                      const struct atm_eval_options *options, double tolerance_nm,
                                      struct atm_score *score, struct atm_err *err);
enum atm_status atm_score_grid(const struct atm_table *truth, const struct atm_table *found,
                               const struct atm_eval_options *options, double tolerance_nm,
                               struct atm_score *score, struct atm_err *err);

/* Pairs (truth row, found row) of the last convention, for figures: pair[i] = found row of truth
 * row i or -1. pair has truth->count entries. */
enum atm_status atm_score_pairs(const struct atm_table *truth, const struct atm_table *found,
                                const struct atm_eval_options *options, double tolerance_nm,
                                ptrdiff_t *pair, struct atm_err *err);

/* Everything above at tolerance and at 100 nm as text for people, conventions named, and as JSON.
 * Owned by the caller (atm_mem_free). */
enum atm_status atm_score_report(const struct atm_table *truth, const struct atm_table *found,
                                 const struct atm_eval_options *options, char **text, char **json,
                                 struct atm_err *err);

#endif
