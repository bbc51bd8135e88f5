/* The columns of a table by name, and which of them a user wants. */
#include "table_formats.h"

#include <stdio.h>
#include <string.h>

enum { LENGTH_DECIMALS = 6, COUNT_DECIMALS = 3, RATIO_DECIMALS = 5 };

#define REAL(name_, plain_, member_, decimals_)                                                    \
    { name_, plain_, offsetof(struct atm_loc, member_), false, decimals_ }
#define WHOLE(name_, member_)                                                                      \
    { name_, name_, offsetof(struct atm_loc, member_), true, 0 }
const struct atm_table_field atm_table_fields[] = {
    WHOLE("frame", frame),
    REAL("x", "x_px", x, LENGTH_DECIMALS),
    REAL("y", "y_px", y, LENGTH_DECIMALS),
    REAL("photons", "photons", photons, COUNT_DECIMALS),
    REAL("sx", "sx_px", sx, LENGTH_DECIMALS),
    REAL("sy", "sy_px", sy, LENGTH_DECIMALS),
    REAL("bg", "bg", background, COUNT_DECIMALS),
    REAL("lpx", "lpx_px", x_unc, LENGTH_DECIMALS),
    REAL("lpy", "lpy_px", y_unc, LENGTH_DECIMALS),
    REAL("photons_unc", "photons_unc", photons_unc, COUNT_DECIMALS),
    REAL("bg_unc", "bg_unc", background_unc, COUNT_DECIMALS),
    REAL("sx_unc", "sx_unc_px", sx_unc, LENGTH_DECIMALS),
    REAL("sy_unc", "sy_unc_px", sy_unc, LENGTH_DECIMALS),
    REAL("llr", "llr", llr, RATIO_DECIMALS),
    REAL("chi2", "chi2", chi2, RATIO_DECIMALS),
    REAL("deviance", "deviance", deviance, RATIO_DECIMALS),
    REAL("deviance_expected", "deviance_expected", deviance_expected, RATIO_DECIMALS),
    REAL("deviance_sd", "deviance_sd", deviance_sd, RATIO_DECIMALS),
    WHOLE("iterations", iterations),
    WHOLE("blocks", blocks),
    WHOLE("flags", flags),
    WHOLE("id", id),
};
const int atm_table_field_count = sizeof atm_table_fields / sizeof *atm_table_fields;

int atm_table_find_field(const char *name) {
    for (int i = 0; i < atm_table_field_count; i++)
        if (strcmp(name, atm_table_fields[i].name) == 0)
            return i;
    return -1;
}

int atm_table_find_extra(const struct atm_table *table, const char *name) {
    for (int i = 0; table && i < table->extra_count; i++)
        if (strcmp(name, table->extras[i].name) == 0)
            return i;
    return -1;
}

static enum atm_status unknown(const char *name, const struct atm_table *table,
                               struct atm_err *err) {
    char known[400] = "";
    for (int i = 0; i < atm_table_field_count + (table ? table->extra_count : 0); i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                 i < atm_table_field_count ? atm_table_fields[i].name
                                           : table->extras[i - atm_table_field_count].name);
    }
    return atm_err_set(err, ATM_USAGE, "no column is called '%.40s'; there are %s", name, known);
}

enum atm_status atm_table_choose(const char *text, const struct atm_table *table,
                                 struct atm_table_choice *choice, struct atm_err *err) {
    static const char SEPARATORS[] = ", \t";
    *choice = (struct atm_table_choice){0};
    if (!text || !*text || strcmp(text, "auto") == 0)
        return ATM_OK;
    choice->given = true;
    for (text += strspn(text, SEPARATORS); *text; text += strspn(text, SEPARATORS)) {
        size_t length = strcspn(text, SEPARATORS);
        char *name = choice->names[choice->count];
        char shown[ATM_EXTRA_NAME];
        snprintf(shown, sizeof shown, "%.*s", (int)length, text);
        if (choice->count == ATM_CHOSEN)
            return atm_err_set(err, ATM_USAGE, "more than %d columns", ATM_CHOSEN);
        if (length >= ATM_EXTRA_NAME ||
            (atm_table_find_field(shown) < 0 && atm_table_find_extra(table, shown) < 0))
            return unknown(shown, table, err);
        if (choice->count && atm_table_wants(choice, shown))
            return atm_err_set(err, ATM_USAGE, "the column %s is named twice", shown);
        memcpy(name, shown, sizeof shown);
        choice->count++;
        text += length;
    }
    return choice->count ? ATM_OK : atm_err_set(err, ATM_USAGE, "no column is named");
}

bool atm_table_wants(const struct atm_table_choice *choice, const char *name) {
    if (!choice->given)
        return true;
    for (int i = 0; i < choice->count; i++)
        if (strcmp(choice->names[i], name) == 0)
            return true;
    return false;
}

enum atm_status atm_table_check_columns(const char *columns, struct atm_err *err) {
    struct atm_table_choice choice;
    return atm_table_choose(columns, NULL, &choice, err);
}
