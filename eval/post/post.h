/* Processing of a table behind localization: a chain of steps, each of which notes what it did in
 * the provenance and in Picasso's side file. */
#ifndef ATM_POST_H
#define ATM_POST_H

#include "ini.h"
#include "log.h"
#include "render.h"
#include "table.h"

enum atm_drift_method { ATM_DRIFT_AIM, ATM_DRIFT_RCC, ATM_DRIFT_FIDUCIALS };
enum atm_frc_split { ATM_FRC_BLINKS, ATM_FRC_TIME, ATM_FRC_RANDOM };

struct atm_post_options {
    char steps[ATM_KEY_TEXT_SIZE];
    char filter_keep[ATM_KEY_TEXT_SIZE];
    int drift_method; /* enum atm_drift_method */
    int64_t drift_segment_frames;
    double drift_range_nm, drift_pixel_nm;
    char drift_fiducials[ATM_KEY_TEXT_SIZE];
    double drift_fiducial_radius_nm, drift_fiducial_share;
    bool drift_check;
    double link_radius_nm;
    int64_t link_gap;
    double density_radius_nm;
    double duplicates_radius_nm;
    int frc_split; /* enum atm_frc_split */
    int64_t frc_repeats;
    double frc_pixel_nm;
};
extern const struct atm_section atm_post_section;

struct atm_post_config {
    struct atm_post_options post;
    struct atm_render_options render;
    uint64_t seed;
    const char *fit; /* borrowed: the record of the fit (fit_record.h); NULL: there is none */
};

/* What a chain leaves behind beside the table. */
struct atm_post_result {
    char *report;     /* owned: what each step did, for people */
    char *provenance; /* owned: the same as comment lines of a configuration */
};
void atm_post_result_free(struct atm_post_result *result);

/* Is the text of post.steps a chain of steps that exist, with keys that they have and expressions
 * that can be read? To be asked before a large table is read. ATM_USAGE. */
enum atm_status atm_post_check(const struct atm_post_config *config, struct atm_err *err);

/* Run post.steps on the table, in place. stem: where steps that write files put them, the output's
 * name without its ending ("out" gives out_drift.png). The table is sorted by frame at the end; it
 * is empty after a failure. */
enum atm_status atm_post_run(const struct atm_post_config *config, const char *stem,
                             const struct atm_sink *sink, struct atm_table *table,
                             struct atm_post_result *result, struct atm_err *err);

#endif
