#include "config.h"

#include <string.h>

static const char *const movie_formats[] = {"hdf5", "tiff", NULL};

const char *const atm_stage_names[ATM_STAGE_COUNT] = {"synth", "train",  "calibrate", "localize",
                                                      "eval",  "render", "report"};

static const struct atm_section run_section = {
    "run",
    "What `atomloc run` does, and what all commands share.",
    (const struct atm_key[]){
        ATM_KEY_STRING(struct atm_run_options, stages,
                       "synth, train, calibrate, localize, eval, render, report",
                       "stages of `atomloc run`, separated by commas"),
        ATM_KEY_STRING(struct atm_run_options, directory, "",
                       "folder of the results; empty: results/NAME of the configuration"),
        ATM_KEY_STRING(struct atm_run_options, truth, "",
                       "table that the eval stage compares with; empty: the synth stage's"),
        ATM_KEY(struct atm_run_options, test_frames, INT, "0", 0, 1e7, "frames",
                "the eval stage evaluates the model itself, on so many images as [synth] says, of "
                "the next seed (or of input.path, from run.test_first on); 0: it scores "
                "localizations"),
        ATM_KEY(struct atm_run_options, test_first, INT, "0", 0, 1e12, "frames",
                "input.path and test_frames: the first test image"),
        ATM_KEY_CHOOSE(struct atm_run_options, movie, "hdf5", movie_formats,
                       "format of the synth stage's movie"),
        ATM_KEY(struct atm_run_options, seed, INT, "1", 0, 9e15, "",
                "seed of everything random: same seed, same bytes"),
        ATM_KEY(struct atm_run_options, threads, INT, "0", 0, 4096, "",
                "threads, 0: all cores; no result depends on it"),
        ATM_KEY_STRING(struct atm_run_options, cache, "",
                       "folder of movies, models and localizations that several runs share by what "
                       "they depend on; empty: each run keeps its own"),
    },
    9,
};

static const struct atm_section sweep_section = {
    "sweep",
    "Batches: `atomloc run` does every combination of the values given here for other keys.",
    (const struct atm_key[]){
        ATM_KEY(struct atm_sweep_options, repeats, INT, "1", 1, 10000, "",
                "runs of each combination, with the seeds run.seed, run.seed + 1, ..."),
        ATM_KEY(struct atm_sweep_options, processes, INT, "0", 0, 1024, "",
                "runs at the same time, 0: one per core; no result depends on it"),
        ATM_KEY_STRING(
            struct atm_sweep_options, numbers, "scores.json",
            "file of each run whose numbers are collected in results.csv and results.h5"),
        ATM_KEY_STRING(
            struct atm_sweep_options, plot,
            "jaccard, at_100_nm.all.jaccard, recall, rmse_nm, efficiency, "
            "at_100_nm.all.rmse_over_crlb",
            "numbers that become curves over each axis; the last parts of a name suffice"),
        ATM_KEY_OTHERS(struct atm_sweep_options, axes, "synth.density",
                       "0.1, 0.5, 1..5:1, log:10..100:4",
                       "section.key = values: single ones, FROM..TO:STEP, or log:FROM..TO:COUNT"),
    },
    5,
};

static const struct atm_section compare_section = {
    "compare",
    "Tables of other programs for the same movie, scored beside ours by the eval stage.",
    (const struct atm_key[]){
        ATM_KEY_OTHERS(
            struct atm_compare_options, tables, "picasso", "movie_locs.hdf5",
            "NAME = PATH of a table in any format; one that is not there is left out, and "
            "it is said"),
    },
    1,
};

static const struct atm_section output_section = {
    "output",
    "Tables of localizations.",
    (const struct atm_key[]){
        ATM_KEY_STRING(struct atm_output_options, columns, "auto",
                       "columns of the tables, separated by commas, as Picasso names them: frame, "
                       "x, y, photons, sx, sy, bg, lpx, lpy, photons_unc, bg_unc, sx_unc, sy_unc, "
                       "llr, chi2, deviance, iterations, blocks, flags, id; auto: what each format "
                       "usually has. Plain CSV has exactly these; other formats leave out what "
                       "they can do without"),
    },
    1,
};

size_t atm_config_bind(struct atm_config *config, unsigned sections,
                       struct atm_binding bindings[ATM_SECTION_COUNT]) {
    const struct atm_binding all[ATM_SECTION_COUNT] = {
        {&run_section, &config->run},
        {&atm_camera_section, &config->camera},
        {&atm_input_section, &config->input},
        {&atm_synth_section, &config->synth},
        {&atm_model_section, &config->model},
        {&atm_net_section, &config->net},
        {&atm_train_section, &config->train},
        {&atm_calibrate_section, &config->calibrate},
        {&atm_localize_section, &config->localize},
        {&atm_refine_section, &config->refine},
        {&atm_eval_section, &config->eval},
        {&atm_render_section, &config->render},
        {&atm_figure_section, &config->figures},
        {&compare_section, &config->compare},
        {&sweep_section, &config->sweep},
        {&atm_post_section, &config->post},
        {&output_section, &config->output},
    };
    size_t count = 0;
    for (unsigned i = 0; i < ATM_SECTION_COUNT; i++)
        if (sections & (1u << i))
            bindings[count++] = all[i];
    return count;
}

void atm_config_defaults(struct atm_config *config) {
    struct atm_binding bindings[ATM_SECTION_COUNT];
    memset(config, 0, sizeof *config);
    atm_ini_defaults(bindings, atm_config_bind(config, ATM_SECTIONS_ALL, bindings));
}

enum atm_status atm_config_read(struct atm_config *config, const char *path, struct atm_err *err) {
    struct atm_binding bindings[ATM_SECTION_COUNT];
    return atm_ini_read(path, bindings, atm_config_bind(config, ATM_SECTIONS_ALL, bindings), err);
}

enum atm_status atm_config_set(struct atm_config *config, const char *assignment,
                               struct atm_err *err) {
    struct atm_binding bindings[ATM_SECTION_COUNT];
    size_t count = atm_config_bind(config, ATM_SECTIONS_ALL, bindings);
    return atm_ini_set(assignment, bindings, count, err);
}

char *atm_config_template(void) {
    struct atm_config config;
    struct atm_binding bindings[ATM_SECTION_COUNT];
    atm_config_defaults(&config);
    return atm_ini_template(bindings, atm_config_bind(&config, ATM_SECTIONS_ALL, bindings));
}

char *atm_config_resolved(const struct atm_config *config, unsigned sections) {
    struct atm_config copy = *config;
    struct atm_binding bindings[ATM_SECTION_COUNT];
    return atm_ini_resolved(bindings, atm_config_bind(&copy, sections, bindings));
}

/* The stage whose name is text[0 .. length), or -1. */
static int stage_of(const char *text, size_t length) {
    for (int i = 0; i < ATM_STAGE_COUNT; i++)
        if (strlen(atm_stage_names[i]) == length && !memcmp(atm_stage_names[i], text, length))
            return i;
    return -1;
}

enum atm_status atm_config_stages(const struct atm_config *config, unsigned *stages,
                                  struct atm_err *err) {
    static const char separators[] = ", \t";
    unsigned set = 0;
    const char *at = config->run.stages;
    while (*(at += strspn(at, separators))) {
        size_t length = strcspn(at, separators);
        int stage = stage_of(at, length);
        if (stage < 0)
            return atm_err_set(err, ATM_FAIL,
                               "run.stages: no stage is called \"%.*s\"; there are synth, train, "
                               "calibrate, localize, eval, render, report",
                               (int)length, at);
        set |= 1u << stage;
        at += length;
    }
    if (!set)
        return atm_err_set(err, ATM_FAIL, "run.stages is empty: nothing to do");
    *stages = set;
    return ATM_OK;
}
