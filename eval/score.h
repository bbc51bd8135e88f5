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
    int64_t bootstrap; /* resamples behind the confidence intervals; 0 none */
    double sigma_px; /* PSF of the Cramer-Rao limit; NAN: median of the localizations'. Of a model's
                        true spikes; NAN: as the stack was simulated */
    double background; /* photons per pixel of that limit; auto: the truth's, else the median of
                          the localizations' */
    int axes;          /* enum atm_eval_axes: how the localizations are read before scoring */
    double scale;      /* their positions are multiplied by it, from the field's outer corner */
    double shift_x_nm, shift_y_nm; /* and this is added, */
    int64_t shift_frames;          /* to their frames this */
    /* Of a model on test images (model_test.h). */
    int64_t images;         /* at most; 0 all */
    int64_t refined_images; /* of these, whose latents are also refined */
    double tolerance_sigma; /* blocks and spikes match up to this many sigma */
    double active;          /* a block is active when |g| / |x| is at least this */
    char baseline[ATM_KEY_TEXT_SIZE]; /* images of the mean and the components; "": the tested */
    int64_t baseline_images;          /* its first ones; 0 all */
};
enum { ATM_BASELINE_MOST = 2000 };
enum atm_eval_axes { ATM_EVAL_XY, ATM_EVAL_YX };
extern const struct atm_section atm_eval_section;

/* Figures without pairs, photons, uncertainties or a limit to stand on are NAN. */
struct atm_score {
    ptrdiff_t true_positive, false_positive, false_negative;
    double jaccard, recall, precision;  /* 0..1 */
    double rmse_nm;                     /* sqrt(sum(dx^2 + dy^2) / TP) */
    double rmse_axis_nm;                /* the same / sqrt 2 (per axis: LiteLoc's convention) */
    double mean_distance_nm;            /* ThunderSTORM's "RMSE" */
    double median_distance_nm;          /* unmoved by pairs that should not be ones */
    double mad_nm;                      /* mean of |dx| and |dy|: DECODE's MAD */
    double mean_dx_nm, mean_dy_nm;      /* localization - truth */
    double efficiency;                  /* challenge E, 0..100, alpha 1/nm */
    double photon_bias, photon_error;   /* mean and root mean square of the relative error */
    double photon_correlation;          /* Pearson */
    double crlb_nm, rmse_over_crlb;     /* root mean square of crlb.h's limit over the pairs */
    double stated_nm, rmse_over_stated; /* the same for the uncertainties of the localizations */
    double pull_x_mean, pull_x_sd;      /* of (found - true) / stated uncertainty: 0 and 1 */
    double pull_y_mean, pull_y_sd;
    double pull_within; /* share of both axes' pulls in -1..1: 0.683 */
    double photon_pull_mean, photon_pull_sd;
    double pull_resolved; /* root mean square of both axes' pulls, blends left out: 1 */
};

/* Apply axes, scale and shifts to the localizations. Fails on a shift where no pixel size is known.
 */
enum atm_status atm_score_adjust(struct atm_table *found, const struct atm_eval_options *options,
                                 struct atm_err *err);

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

#endif
