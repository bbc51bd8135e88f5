/* Batches of runs: which points a configuration asks for, doing them, and what came out. A sweep
 * knows nothing of what is swept: it sets keys, runs `atomloc run`, and collects the numbers of a
 * JSON file. */
#ifndef ATM_SWEEP_H
#define ATM_SWEEP_H

#include "command.h"
#include "json.h"

/* One swept key. */
struct atm_sweep_axis {
    const char *key; /* "synth.density"; borrowed from the configuration */
    char **values;   /* owned texts */
    double *numbers; /* owned; the values as numbers, NAN where they are words */
    int count;
    bool numeric;
};

enum { ATM_SWEEP_AXES = ATM_INI_PAIRS + 1 }; /* and the seeds of the repeats */
struct atm_sweep_plan {
    struct atm_sweep_axis axes[ATM_SWEEP_AXES]; /* repeats are the last axis: run.seed */
    int axis_count;
    ptrdiff_t points;
    bool repeated; /* the last axis holds the seeds of repeats */
};

bool atm_sweep_wanted(const struct atm_config *config);
/* Expand the lists and check every value against its key. Release by atm_sweep_plan_free in every
 * case. */
enum atm_status atm_sweep_plan_init(const struct atm_config *config, struct atm_sweep_plan *plan,
                                    struct atm_err *err);
void atm_sweep_plan_free(struct atm_sweep_plan *plan);
/* Which value of an axis a point has; the last axis runs fastest. */
int atm_sweep_value(const struct atm_sweep_plan *plan, ptrdiff_t point, int axis);
/* The configuration of one point: its keys set, no sweep left in it. */
enum atm_status atm_sweep_configure(const struct atm_sweep_plan *plan, ptrdiff_t point,
                                    struct atm_config *config, struct atm_err *err);
/* A name for its folder that tells its values and does not change when others are added. */
void atm_sweep_name(const struct atm_sweep_plan *plan, ptrdiff_t point, char *name, size_t size);

/* What a point left behind. */
struct atm_sweep_result {
    bool done;
    struct atm_json_numbers numbers;
};

/* All points at once, `processes` at a time, in folder/points/NAME; results: plan->points entries,
 * zeroed, released by the caller. A point that fails does not stop the others; *failed counts them.
 */
enum atm_status atm_sweep_points(const struct atm_call *call, const struct atm_sweep_plan *plan,
                                 const char *folder, struct atm_sweep_result *results,
                                 ptrdiff_t *failed, struct atm_err *err);

/* folder/results.csv and folder/results.h5: one row per point that is done, with the swept keys and
 * every number. In HDF5 words stand as their place in the list of values, which is kept as an
 * attribute. */
enum atm_status atm_sweep_write_table(const struct atm_sweep_plan *plan,
                                      const struct atm_sweep_result *results, const char *folder,
                                      struct atm_err *err);

/* folder/report.html, and its curves in folder/figures. */
enum atm_status atm_sweep_write_report(const struct atm_call *call,
                                       const struct atm_sweep_plan *plan,
                                       const struct atm_sweep_result *results, const char *folder,
                                       struct atm_err *err);

/* The whole of it, into the run's folder. */
enum atm_status atm_sweep_run(const struct atm_call *call, const char *folder, struct atm_err *err);

#endif
