#include "sweep.h"

#include "mem.h"

static enum atm_status write_all(const struct atm_call *call, const struct atm_sweep_plan *plan,
                                 const struct atm_sweep_result *results, const char *folder,
                                 struct atm_err *err) {
    ptrdiff_t done = 0;
    for (ptrdiff_t i = 0; i < plan->points; i++)
        done += results[i].done;
    if (!done)
        return atm_err_set(err, ATM_FAIL, "no run of the batch succeeded: no results");
    enum atm_status status = atm_sweep_write_table(plan, results, folder, err);
    if (!status)
        status = atm_sweep_write_report(call, plan, results, folder, err);
    if (!status)
        atm_log(call->sink, ATM_LOG_INFO, "wrote %s/results.csv, results.h5 and report.html",
                folder);
    return status;
}

enum atm_status atm_sweep_run(const struct atm_call *call, const char *folder,
                              struct atm_err *err) {
    struct atm_sweep_plan plan;
    struct atm_sweep_result *results = NULL;
    ptrdiff_t failed = 0;
    enum atm_status status = atm_sweep_plan_init(&call->config, &plan, err);
    if (!status && !(results = atm_mem_alloc((size_t)plan.points, sizeof *results)))
        status = atm_err_memory(err, "a sweep");
    if (!status)
        status = atm_sweep_points(call, &plan, folder, results, &failed, err);
    if (!status)
        status = write_all(call, &plan, results, folder, err);
    if (!status && failed)
        status = atm_err_set(err, ATM_FAIL, "%td of %td runs failed; their log.txt says why",
                             failed, plan.points);
    for (ptrdiff_t i = 0; results && i < plan.points; i++)
        atm_json_numbers_free(&results[i].numbers);
    atm_mem_free(results);
    atm_sweep_plan_free(&plan);
    return status;
}
