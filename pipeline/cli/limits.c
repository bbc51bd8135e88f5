/* --fail-under and --fail-over: scores as exit codes. */
#include "command.h"
#include "json.h"
#include "sweep.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum atm_status atm_limit_parse(const struct atm_limit *limit, char name[ATM_LIMIT_NAME],
                                double *value, struct atm_err *err) {
    const char *equals = strchr(limit->text, '=');
    char *end = NULL;
    *value = equals ? strtod(equals + 1, &end) : NAN;
    if (!isfinite(*value) || equals == limit->text || !equals[1] || *end ||
        equals - limit->text >= ATM_LIMIT_NAME)
        return atm_err_set(err, ATM_USAGE, "--fail-%s %s: expected NAME=NUMBER, as jaccard=0.9",
                           limit->over ? "over" : "under", limit->text);
    snprintf(name, ATM_LIMIT_NAME, "%.*s", (int)(equals - limit->text), limit->text);
    return ATM_OK;
}

static enum atm_status check(const struct atm_limit *limit, const struct atm_json_numbers *numbers,
                             char *failed, size_t size, struct atm_err *err) {
    char name[ATM_LIMIT_NAME];
    double value;
    enum atm_status status = atm_limit_parse(limit, name, &value, err);
    if (status)
        return status;
    const struct atm_json_number *number = atm_json_numbers_find(numbers, name);
    if (!number)
        return atm_err_set(err, ATM_USAGE,
                           "--fail-%s: no score is called \"%s\"; --json shows the names, as "
                           "jaccard, rmse_nm or at_100_nm.bright.jaccard",
                           limit->over ? "over" : "under", name);
    if (limit->over ? number->value <= value : number->value >= value)
        return ATM_OK;
    size_t used = strlen(failed);
    if (isnan(number->value))
        snprintf(failed + used, size - used, "%s%s is not known", used ? ", " : "", name);
    else
        snprintf(failed + used, size - used, "%s%s is %.6g, %s %g", used ? ", " : "", name,
                 number->value, limit->over ? "over" : "under", value);
    return ATM_OK;
}

enum atm_status atm_limits_check(const struct atm_call *call, const char *json,
                                 struct atm_err *err) {
    struct atm_json_numbers numbers;
    char failed[512] = "";
    if (!call->limit_count)
        return ATM_OK;
    enum atm_status status = atm_json_numbers_read(json ? json : "{}", "the scores", &numbers, err);
    if (status)
        return status;
    for (int i = 0; !status && i < call->limit_count; i++)
        status = check(&call->limits[i], &numbers, failed, sizeof failed, err);
    atm_json_numbers_free(&numbers);
    return !status && failed[0] ? atm_err_set(err, ATM_FAIL, "%s", failed) : status;
}

enum atm_status atm_limits_possible(const struct atm_call *call, bool scored, struct atm_err *err) {
    if (!call->limit_count)
        return ATM_OK;
    if (atm_sweep_wanted(&call->config))
        return atm_err_set(err, ATM_USAGE,
                           "--fail-under is for single runs; a batch's scores are in results.csv");
    return scored ? ATM_OK
                  : atm_err_set(err, ATM_USAGE, "--fail-under needs the eval stage in run.stages");
}
