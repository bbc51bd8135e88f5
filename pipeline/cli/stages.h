/* The steps that commands and `run` share: learning on a movie, localizing it, the pictures. Each
 * says what it does through the sink, checks its outputs first and keeps what is done when it is
 * stopped. */
#ifndef ATM_STAGES_H
#define ATM_STAGES_H

#include "command.h"
#include "compare.h"

/* Open the movie of [input] and [camera], and say what it is. */
enum atm_status atm_stage_open(const char *path, const struct atm_config *config,
                               const struct atm_sink *sink, struct atm_source **source,
                               struct atm_err *err);

/* Train on the movie, calibrate, and write model_path and curve_path. A model that is there already
 * and comes from the same movie and configuration is reused, and it is said so; a checkpoint beside
 * it ("<model_path>.checkpoint") is continued. */
enum atm_status atm_stage_learn(struct atm_source *source, const struct atm_config *config,
                                const char *model_path, const char *curve_path,
                                const struct atm_sink *sink, struct atm_model **model,
                                struct atm_err *err);

/* Calibrate again, note it in the model's provenance, and save to path. */
enum atm_status atm_stage_calibrate(struct atm_model *model, const struct atm_config *config,
                                    const char *path, const struct atm_sink *sink,
                                    struct atm_err *err);

struct atm_localize_files { /* borrowed */
    const char *const *tables;
    const char *journal, *fit;
};
/* Localize the movie and write every path of tables (NULL-terminated; the format is by name) and
 * the record of the fit (fit_record.h), and say its verdict. journal is continued when it belongs to the same run, and removed at the end. table: initialised
 * by the caller, receives the rows. */
enum atm_status atm_stage_localize(struct atm_source *source, const struct atm_model *model,
                                   const struct atm_config *config,
                                   const struct atm_localize_files *files,
                                   const struct atm_sink *sink, struct atm_table *table,
                                   struct atm_err *err);
/* What decides the localizations of the movie as it is now, as text. Owned by the caller (atm_mem_free). */
enum atm_status atm_stage_localize_provenance(struct atm_source *source,
                                              const struct atm_model *model,
                                              const struct atm_config *config, char **provenance,
                                              struct atm_err *err);
/* What the movie is known by: whole, or while it grows by the frames that it was opened with. */
enum atm_status atm_stage_movie_hash(struct atm_source *source, const struct atm_config *config,
                                     uint64_t *hash, struct atm_err *err);

/* Tables scored against one truth. Zero-initialise by atm_stage_score_open. */
struct atm_scored {
    const char *name; /* borrowed */
    struct atm_table found;
    struct atm_score_report report;
    struct atm_crlb limits;
};
enum { ATM_MOST_SCORED = 16 };
struct atm_scores {
    struct atm_eval_options options;
    struct atm_camera camera;
    struct atm_table truth;
    struct atm_scored tables[ATM_MOST_SCORED];
    struct atm_compare_entry entries[ATM_MOST_SCORED];
    int count;
};
/* movie: the file whose camera the limits are computed for; may be the truth itself. */
enum atm_status atm_stage_score_open(struct atm_scores *scores, const char *truth,
                                     const char *movie, const struct atm_config *config,
                                     struct atm_err *err);
/* name (borrowed) NULL: the file's. */
enum atm_status atm_stage_score_add(struct atm_scores *scores, const char *name, const char *path,
                                    struct atm_err *err);
void atm_stage_score_close(struct atm_scores *scores);
/* One table's report, or the comparison of several. Owned by the caller; NULL if out of memory. */
char *atm_stage_score_text(const struct atm_scores *scores);
char *atm_stage_score_json(const struct atm_scores *scores);
/* A page of them; its figures go into a folder beside it (PATH_figures). */
enum atm_status atm_stage_score_page(const struct atm_scores *scores, const char *path,
                                     struct atm_err *err);
/* What the camera of a movie is: the file's, and over it what is configured. Other files: as
 * configured. */
enum atm_status atm_stage_camera(const char *path, const struct atm_camera *configured,
                                 struct atm_camera *camera, struct atm_err *err);

/* One frame: input, localizations as crosses (and truth, which may be NULL, as rings),
 * reconstruction, the brightest blocks. */
enum atm_status atm_stage_blocks(struct atm_source *source, const struct atm_model *model,
                                 const struct atm_table *table, const struct atm_table *truth,
                                 const char *path, const struct atm_sink *sink,
                                 struct atm_err *err);
/* The super-resolution picture. */
enum atm_status atm_stage_picture(const struct atm_table *table, const struct atm_config *config,
                                  const char *path, const struct atm_sink *sink,
                                  struct atm_err *err);
/* A model on a stack of test images: figures and, where the stack has /truth, numbers.txt and
 * numbers.json, into the folder, which is made. The numbers also go to stdout, and the limits of
 * the call are held against them. */
enum atm_status atm_stage_eval_model(const struct atm_model *model, const char *stack,
                                     const struct atm_call *call, const char *folder,
                                     struct atm_err *err);
/* Into the folder, which is made: images taken apart into their blocks, sweeps, an interpolation,
 * and the page index.html. truth: sorted by frame, or NULL. */
enum atm_status atm_stage_figures(struct atm_source *source, const struct atm_model *model,
                                  const struct atm_table *truth, const struct atm_config *config,
                                  const char *folder, const struct atm_sink *sink,
                                  struct atm_err *err);
/* A PSF's file and its figure, PATH's name with .png; and its widths to stdout. pixel_size_nm: NAN
 * unknown. */
struct atm_psf_image;
struct atm_psf_measures;
enum atm_status atm_stage_psf_write(const struct atm_psf_image *image,
                                    const struct atm_psf_measures *measures, double pixel_size_nm,
                                    const char *provenance, const char *path, const char *title,
                                    const struct atm_sink *sink, struct atm_err *err);
void atm_stage_psf_print(const struct atm_psf_measures *measures, double pixel_size_nm);
/* Loss and validation loss over the steps. */
enum atm_status atm_stage_curve(const struct atm_model *model, const char *path,
                                struct atm_err *err);

/* report.html in the folder, and its figures in folder/figures. */
struct atm_report_input {
    const struct atm_config *config;
    struct atm_source *source;
    const struct atm_model *model;
    const struct atm_table *found, *truth; /* sorted by frame; truth NULL: none known */
    const struct atm_scores *scores;       /* NULL: no truth; ours first */
    const char *fit;                       /* record of the fit; NULL: there is none */
    const char *resolved;                  /* the configuration as text */
};
enum atm_status atm_stage_report(const struct atm_report_input *input, const char *folder,
                                 const char *name, const struct atm_sink *sink,
                                 struct atm_err *err);

#endif
