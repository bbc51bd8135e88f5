/* The whole configuration: [run] and every section's options, bound to their schema rows. */
#ifndef ATM_CONFIG_H
#define ATM_CONFIG_H

#include "atoms.h"
#include "camera.h"
#include "figures.h"
#include "ini.h"
#include "localize.h"
#include "post.h"
#include "refine.h"
#include "render.h"
#include "scene.h"
#include "score.h"

struct atm_run_options {
    char stages[ATM_KEY_TEXT_SIZE];    /* names separated by commas */
    char directory[ATM_KEY_TEXT_SIZE]; /* outputs of `run`; empty: results/NAME */
    char truth[ATM_KEY_TEXT_SIZE];     /* table of the eval stage; empty: the synth stage's */
    int64_t test_frames; /* eval stage: images of a test set for the model; 0: localizations are
                            scored */
    int64_t test_first;  /* the first of them in input.path, where that is given */
    int movie;           /* enum atm_run_movie: format of the synth stage */
    int64_t seed;
    int64_t threads;               /* 0: all cores */
    char cache[ATM_KEY_TEXT_SIZE]; /* folder of stages that several runs share; empty: none */
};
enum atm_run_movie { ATM_RUN_HDF5, ATM_RUN_TIFF };

/* Batches: every combination of the axes' values, each `repeats` times with its own seed. */
struct atm_sweep_options {
    int64_t repeats;
    int64_t processes;               /* 0: as many as cores */
    char numbers[ATM_KEY_TEXT_SIZE]; /* of a run's files the JSON that is collected */
    char plot[ATM_KEY_TEXT_SIZE];    /* which of its numbers become curves */
    struct atm_ini_pairs axes;       /* "synth.density" = "0.1, 0.5, 1..5:1" */
};

/* Tables of other programs that stand beside ours: NAME = PATH. */
struct atm_compare_options {
    struct atm_ini_pairs tables;
};

/* Tables that commands write. */
struct atm_output_options {
    char columns[ATM_KEY_TEXT_SIZE]; /* names separated by commas; auto: the format's own */
};

struct atm_config {
    struct atm_run_options run;
    struct atm_camera camera;
    struct atm_input_options input;
    struct atm_synth_options synth;
    struct atm_model_options model;
    struct atm_net_options net;
    struct atm_train_options train;
    struct atm_calibrate_options calibrate;
    struct atm_localize_options localize;
    struct atm_refine_options refine;
    struct atm_eval_options eval;
    struct atm_render_options render;
    struct atm_figure_options figures;
    struct atm_compare_options compare;
    struct atm_sweep_options sweep;
    struct atm_post_options post;
    struct atm_output_options output;
};

/* Sets of sections, in the order in which they are bound and printed. */
enum {
    ATM_SECTION_RUN = 1 << 0,
    ATM_SECTION_CAMERA = 1 << 1,
    ATM_SECTION_INPUT = 1 << 2,
    ATM_SECTION_SYNTH = 1 << 3,
    ATM_SECTION_MODEL = 1 << 4,
    ATM_SECTION_NET = 1 << 5,
    ATM_SECTION_TRAIN = 1 << 6,
    ATM_SECTION_CALIBRATE = 1 << 7,
    ATM_SECTION_LOCALIZE = 1 << 8,
    ATM_SECTION_REFINE = 1 << 9,
    ATM_SECTION_EVAL = 1 << 10,
    ATM_SECTION_RENDER = 1 << 11,
    ATM_SECTION_FIGURES = 1 << 12,
    ATM_SECTION_COMPARE = 1 << 13,
    ATM_SECTION_SWEEP = 1 << 14,
    ATM_SECTION_POST = 1 << 15,
    ATM_SECTION_OUTPUT = 1 << 16,
    ATM_SECTIONS_ALL = (1 << 17) - 1,
    ATM_SECTION_COUNT = 17,

    /* What decides a trained model, the localizations found with one, and a synthetic movie. */
    ATM_SECTIONS_LEARN = ATM_SECTION_CAMERA | ATM_SECTION_INPUT | ATM_SECTION_MODEL |
                         ATM_SECTION_NET | ATM_SECTION_TRAIN,
    ATM_SECTIONS_LOCALIZE =
        ATM_SECTION_CAMERA | ATM_SECTION_INPUT | ATM_SECTION_LOCALIZE | ATM_SECTION_REFINE,
    ATM_SECTIONS_SYNTH = ATM_SECTION_CAMERA | ATM_SECTION_SYNTH,
};

/* The bindings of a set of sections (bits); they point into config. Returns their number. */
size_t atm_config_bind(struct atm_config *config, unsigned sections,
                       struct atm_binding bindings[ATM_SECTION_COUNT]);

void atm_config_defaults(struct atm_config *config);
enum atm_status atm_config_read(struct atm_config *config, const char *path, struct atm_err *err);
enum atm_status atm_config_set(struct atm_config *config, const char *assignment,
                               struct atm_err *err);

/* Text, owned by the caller (atm_mem_free); NULL if out of memory. */
char *atm_config_template(void);
char *atm_config_resolved(const struct atm_config *config, unsigned sections);

/* Stages of `run`, always executed in this order. */
enum atm_stage {
    ATM_STAGE_SYNTH,
    ATM_STAGE_TRAIN,
    ATM_STAGE_CALIBRATE,
    ATM_STAGE_LOCALIZE,
    ATM_STAGE_EVAL,
    ATM_STAGE_RENDER,
    ATM_STAGE_REPORT,
    ATM_STAGE_COUNT
};
extern const char *const atm_stage_names[ATM_STAGE_COUNT];
/* [run] stages as a set: bit 1 << stage. Fails on unknown names and on an empty list. */
enum atm_status atm_config_stages(const struct atm_config *config, unsigned *stages,
                                  struct atm_err *err);

#endif
