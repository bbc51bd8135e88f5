#include "outputs.h"

#include "paths.h"
#include <string.h>

static enum atm_status check_different(const char *const *outputs, struct atm_err *err) {
    for (const char *const *a = outputs; *a; a++)
        for (const char *const *b = a + 1; *b; b++)
            if (strcmp(*a, *b) == 0)
                return atm_err_set(err, ATM_USAGE, "the output %s is given twice", *a);
    return ATM_OK;
}

enum atm_status atm_outputs_check(const char *const *outputs, const char *input,
                                  struct atm_err *err) {
    enum atm_status status = check_different(outputs, err);
    for (; !status && *outputs; outputs++) {
        status = atm_table_check_name(*outputs, err);
        if (!status)
            status = atm_path_check_not_input(*outputs, input, err);
        if (!status)
            status = atm_path_check_output(*outputs, err);
    }
    return status;
}

enum atm_status atm_outputs_check_units(const char *const *outputs, double pixel_size_nm,
                                        struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (; !status && *outputs; outputs++)
        status = atm_table_check_units(*outputs, pixel_size_nm, err);
    return status;
}

enum atm_status atm_outputs_check_columns(const struct atm_config *config, struct atm_err *err) {
    enum atm_status status = atm_table_check_columns(config->output.columns, err);
    return status ? atm_err_prefix(err, "output.columns: ") : ATM_OK;
}

enum atm_status atm_outputs_write(const char *const *outputs, const struct atm_config *config,
                                  const struct atm_table *table, const struct atm_sink *sink,
                                  struct atm_err *err) {
    for (; *outputs; outputs++) {
        ptrdiff_t dropped = 0;
        enum atm_status status =
            atm_table_write_columns(*outputs, table, config->output.columns, &dropped, err);
        if (status)
            return status;
        if (dropped)
            atm_log(sink, ATM_LOG_WARNING, "%s: %td rows that no reader would take were left out",
                    *outputs, dropped);
        atm_log(sink, ATM_LOG_INFO, "wrote %s", *outputs);
    }
    return ATM_OK;
}
