#include "sweep.h"

#include "mem.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MOST_VALUES = 1000, MOST_POINTS = 100000, VALUE_SIZE = ATM_KEY_TEXT_SIZE };

bool atm_sweep_wanted(const struct atm_config *config) {
    return config->sweep.axes.count > 0 || config->sweep.repeats > 1;
}

/* ---- lists ---- */

static enum atm_status add_value(struct atm_sweep_axis *axis, const char *text,
                                 struct atm_err *err) {
    if (axis->count == MOST_VALUES)
        return atm_err_set(err, ATM_FAIL, "more than %d values", MOST_VALUES);
    if (!axis->values) {
        axis->values = atm_mem_alloc(MOST_VALUES, sizeof *axis->values);
        axis->numbers = atm_mem_alloc(MOST_VALUES, sizeof *axis->numbers);
    }
    char *copy = strdup(text), *end;
    if (!axis->values || !axis->numbers || !copy) {
        free(copy);
        return atm_err_memory(err, "a sweep");
    }
    double number = strtod(copy, &end);
    axis->numbers[axis->count] = *copy && !*end ? number : NAN;
    axis->numeric = (axis->count == 0 || axis->numeric) && isfinite(axis->numbers[axis->count]);
    axis->values[axis->count++] = copy;
    return ATM_OK;
}

static enum atm_status add_number(struct atm_sweep_axis *axis, double value, struct atm_err *err) {
    char text[40];
    snprintf(text, sizeof text, "%.10g", value);
    return add_value(axis, text, err);
}

/* FROM..TO:STEP, both ends included where the step meets them. */
static enum atm_status add_range(struct atm_sweep_axis *axis, double from, double to, double step,
                                 struct atm_err *err) {
    double count = floor((to - from) / step + 1e-9) + 1;
    if (!(count >= 1 && count <= MOST_VALUES))
        return atm_err_set(err, ATM_FAIL, "%g..%g:%g are no values", from, to, step);
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < (int)count; i++)
        status = add_number(axis, from + i * step, err);
    return status;
}

/* log:FROM..TO:COUNT, equal ratios, four digits; whole numbers between whole numbers from 10 on. */
static enum atm_status add_ratios(struct atm_sweep_axis *axis, double from, double to, double count,
                                  struct atm_err *err) {
    if (!(from > 0 && to > 0 && count >= 2 && count <= MOST_VALUES && count == floor(count)))
        return atm_err_set(err, ATM_FAIL,
                           "log:%g..%g:%g: ends above 0 and a count from 2 are needed", from, to,
                           count);
    bool whole = from >= 10 && to >= 10 && from == floor(from) && to == floor(to);
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < (int)count; i++) {
        double value = from * pow(to / from, i / (count - 1));
        double unit = pow(10, floor(log10(value)) - 3);
        value = i == 0 ? from : i == (int)count - 1 ? to : rint(value / unit) * unit;
        status = add_number(axis, whole ? rint(value) : value, err);
    }
    return status;
}

/* "FROM..TO:STEP"; not by sscanf, which takes the first dot for a decimal point. */
static bool split_range(const char *item, double *from, double *to, double *step) {
    char text[VALUE_SIZE], *ends[3];
    snprintf(text, sizeof text, "%s", item);
    char *dots = strstr(text, ".."), *colon = dots ? strchr(dots, ':') : NULL;
    if (!colon)
        return false;
    *dots = *colon = 0;
    *from = strtod(text, &ends[0]);
    *to = strtod(dots + 2, &ends[1]);
    *step = strtod(colon + 1, &ends[2]);
    return *text && dots[2] && colon[1] && !*ends[0] && !*ends[1] && !*ends[2];
}

/* One item of a list: a value or a range. */
static enum atm_status add_item(struct atm_sweep_axis *axis, const char *item,
                                struct atm_err *err) {
    double from, to, step;
    if (!strncmp(item, "log:", 4) && split_range(item + 4, &from, &to, &step))
        return add_ratios(axis, from, to, step, err);
    if (split_range(item, &from, &to, &step))
        return add_range(axis, from, to, step, err);
    return add_value(axis, item, err);
}

static enum atm_status expand(struct atm_sweep_axis *axis, const char *list, struct atm_err *err) {
    char item[VALUE_SIZE];
    enum atm_status status = ATM_OK;
    do {
        list += strspn(list, " \t");
        size_t length = strcspn(list, ",");
        snprintf(item, sizeof item, "%.*s", (int)length, list);
        for (size_t n = strlen(item); n && isspace((unsigned char)item[n - 1]);)
            item[--n] = 0;
        if (!item[0])
            return atm_err_set(err, ATM_FAIL, "an empty value in the list");
        status = add_item(axis, item, err);
        list += length;
    } while (!status && *list++);
    return status;
}

/* ---- the plan ---- */

static enum atm_status set_value(struct atm_config *config, const char *key, const char *value,
                                 struct atm_err *err) {
    char assignment[VALUE_SIZE + ATM_INI_PAIR_NAME + 2];
    snprintf(assignment, sizeof assignment, "%s=%s", key, value);
    return atm_config_set(config, assignment, err);
}

static enum atm_status check_axis(const struct atm_config *config,
                                  const struct atm_sweep_axis *axis, struct atm_err *err) {
    if (!strncmp(axis->key, "sweep.", 6) || !strcmp(axis->key, "run.directory") ||
        !strcmp(axis->key, "run.cache"))
        return atm_err_set(err, ATM_USAGE, "cannot be swept");
    struct atm_config *copy = atm_mem_alloc(1, sizeof *copy);
    if (!copy)
        return atm_err_memory(err, "a sweep");
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < axis->count; i++) {
        *copy = *config;
        status = set_value(copy, axis->key, axis->values[i], err);
    }
    atm_mem_free(copy);
    static const char option[] = "--set: "; /* which the user did not give */
    if (status && !strncmp(err->text, option, sizeof option - 1))
        memmove(err->text, err->text + sizeof option - 1, strlen(err->text) - sizeof option + 2);
    return status;
}

static enum atm_status add_repeats(const struct atm_config *config, struct atm_sweep_plan *plan,
                                   struct atm_err *err) {
    for (int i = 0; i < plan->axis_count; i++)
        if (!strcmp(plan->axes[i].key, "run.seed")) {
            if (config->sweep.repeats > 1)
                return atm_err_set(err, ATM_USAGE,
                                   "sweep.repeats and a list for run.seed: give one of the two");
            return ATM_OK;
        }
    struct atm_sweep_axis *axis = &plan->axes[plan->axis_count++];
    axis->key = "run.seed";
    plan->repeated = true;
    enum atm_status status = ATM_OK;
    for (int64_t i = 0; !status && i < config->sweep.repeats; i++)
        status = add_number(axis, (double)(config->run.seed + i), err);
    return status;
}

enum atm_status atm_sweep_plan_init(const struct atm_config *config, struct atm_sweep_plan *plan,
                                    struct atm_err *err) {
    *plan = (struct atm_sweep_plan){.points = 1};
    for (int i = 0; i < config->sweep.axes.count; i++) {
        const struct atm_ini_pair *pair = &config->sweep.axes.items[i];
        struct atm_sweep_axis *axis = &plan->axes[plan->axis_count++];
        axis->key = pair->name;
        enum atm_status status = expand(axis, pair->value, err);
        if (!status)
            status = check_axis(config, axis, err);
        if (status)
            return atm_err_prefix(err, "[sweep] %s: ", pair->name);
    }
    enum atm_status status = add_repeats(config, plan, err);
    for (int i = 0; !status && i < plan->axis_count; i++) {
        plan->points *= plan->axes[i].count;
        if (plan->points > MOST_POINTS)
            return atm_err_set(err, ATM_FAIL, "[sweep] asks for more than %d runs", MOST_POINTS);
    }
    return status;
}

void atm_sweep_plan_free(struct atm_sweep_plan *plan) {
    for (int i = 0; i < plan->axis_count; i++) {
        for (int k = 0; k < plan->axes[i].count; k++)
            free(plan->axes[i].values[k]);
        atm_mem_free(plan->axes[i].values);
        atm_mem_free(plan->axes[i].numbers);
    }
    *plan = (struct atm_sweep_plan){0};
}

int atm_sweep_value(const struct atm_sweep_plan *plan, ptrdiff_t point, int axis) {
    for (int i = plan->axis_count - 1; i > axis; i--)
        point /= plan->axes[i].count;
    return (int)(point % plan->axes[axis].count);
}

enum atm_status atm_sweep_configure(const struct atm_sweep_plan *plan, ptrdiff_t point,
                                    struct atm_config *config, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < plan->axis_count; i++) {
        const struct atm_sweep_axis *axis = &plan->axes[i];
        status = set_value(config, axis->key, axis->values[atm_sweep_value(plan, point, i)], err);
    }
    config->sweep.axes.count = 0;
    config->sweep.repeats = 1;
    return status;
}

void atm_sweep_name(const struct atm_sweep_plan *plan, ptrdiff_t point, char *name, size_t size) {
    enum { LONGEST = 120 };
    char full[4096] = "";
    size_t used = 0;
    for (int i = 0; i < plan->axis_count && used < sizeof full; i++) {
        const struct atm_sweep_axis *axis = &plan->axes[i];
        const char *key = strrchr(axis->key, '.');
        used += (size_t)snprintf(full + used, sizeof full - used, "%s%s=%s", i ? "," : "",
                                 key ? key + 1 : axis->key,
                                 axis->values[atm_sweep_value(plan, point, i)]);
    }
    /* What no file system minds; where that loses something, a hash tells the points apart. */
    bool lossy = used > LONGEST;
    uint64_t hash = XXH3_64bits(full, strlen(full));
    for (char *c = full; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-+=,", *c)) {
            *c = '_';
            lossy = true;
        }
    if (lossy)
        snprintf(name, size, "%.*s-%016llx", LONGEST, full, (unsigned long long)hash);
    else
        snprintf(name, size, "%s", full);
}
