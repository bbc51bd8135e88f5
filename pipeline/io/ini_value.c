#include "ini_value.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A schema row with min = max = 0 leaves the number unbounded. */
static double lower(const struct atm_key *key) {
    return key->min == 0 && key->max == 0 ? -INFINITY : key->min;
}

static double upper(const struct atm_key *key) {
    return key->min == 0 && key->max == 0 ? INFINITY : key->max;
}

static bool allows_auto(const struct atm_key *key) {
    return key->type == ATM_KEY_DOUBLE && strcmp(key->fallback, "auto") == 0;
}

static void range_text(const struct atm_key *key, char *out, size_t size) {
    bool low = isfinite(lower(key)), high = isfinite(upper(key));
    if (low && high)
        snprintf(out, size, "%.10g to %.10g", key->min, key->max);
    else if (low)
        snprintf(out, size, "at least %.10g", key->min);
    else if (high)
        snprintf(out, size, "at most %.10g", key->max);
    else
        snprintf(out, size, "%s", "any");
}

static void choices_text(const struct atm_key *key, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "one of ");
    for (int i = 0; key->choices[i] && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", key->choices[i]);
}

void atm_ini_value_allowed(const struct atm_key *key, char *out, size_t size) {
    char range[80];
    range_text(key, range, sizeof range);
    const char *gap = key->unit && *key->unit ? " " : "";
    const char *unit = key->unit ? key->unit : "";
    switch (key->type) {
    case ATM_KEY_INT:
        snprintf(out, size, "a whole number, %s%s%s", range, gap, unit);
        break;
    case ATM_KEY_DOUBLE:
        snprintf(out, size, "a number, %s%s%s%s", range, gap, unit,
                 allows_auto(key) ? ", or auto" : "");
        break;
    case ATM_KEY_BOOL:
        snprintf(out, size, "%s", "yes or no");
        break;
    case ATM_KEY_CHOICE:
        choices_text(key, out, size);
        break;
    case ATM_KEY_TEXT:
    case ATM_KEY_REST:
        snprintf(out, size, "%s", "");
        break;
    }
}

static enum atm_status refuse(const struct atm_key *key, const char *text, const char *problem,
                              struct atm_err *err) {
    char allowed[400];
    atm_ini_value_allowed(key, allowed, sizeof allowed);
    return atm_err_set(err, ATM_FAIL, "%s = '%.80s' %s; it must be %s", key->name, text, problem,
                       allowed);
}

static enum atm_status parse_int(const struct atm_key *key, const char *text, void *field,
                                 struct atm_err *err) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end)
        return refuse(key, text, "is not a whole number", err);
    if (errno || (double)value < lower(key) || (double)value > upper(key))
        return refuse(key, text, "is out of range", err);
    *(int64_t *)field = value;
    return ATM_OK;
}

static enum atm_status parse_double(const struct atm_key *key, const char *text, void *field,
                                    struct atm_err *err) {
    if (allows_auto(key) && strcmp(text, "auto") == 0) {
        *(double *)field = NAN;
        return ATM_OK;
    }
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end)
        return refuse(key, text, "is not a number", err);
    if (!isfinite(value))
        return refuse(key, text, "is not a finite number", err);
    if (value < lower(key) || value > upper(key))
        return refuse(key, text, "is out of range", err);
    *(double *)field = value;
    return ATM_OK;
}

static enum atm_status parse_bool(const struct atm_key *key, const char *text, void *field,
                                  struct atm_err *err) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *(bool *)field = i % 2;
            return ATM_OK;
        }
    return refuse(key, text, "is neither yes nor no", err);
}

static enum atm_status parse_choice(const struct atm_key *key, const char *text, void *field,
                                    struct atm_err *err) {
    for (int i = 0; key->choices[i]; i++)
        if (strcmp(text, key->choices[i]) == 0) {
            *(int *)field = i;
            return ATM_OK;
        }
    return refuse(key, text, "is not a choice", err);
}

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

static enum atm_status parse_text(const struct atm_key *key, const char *text, void *field,
                                  struct atm_err *err) {
    size_t length = strlen(text);
    if (length >= ATM_KEY_TEXT_SIZE)
        return atm_err_set(err, ATM_FAIL, "%s has %zu bytes; at most %d are possible", key->name,
                           length, ATM_KEY_TEXT_SIZE - 1);
    for (size_t i = 0; i < length; i++)
        if (is_control(text[i]))
            return atm_err_set(
                err, ATM_FAIL,
                "%s contains a tab, line break or other control character (byte %zu)", key->name,
                i + 1);
    memset(field, 0, ATM_KEY_TEXT_SIZE);
    memcpy(field, text, length);
    return ATM_OK;
}

enum atm_status atm_ini_pairs_add(struct atm_ini_pairs *pairs, const char *name, const char *value,
                                  int replace, struct atm_err *err) {
    int at = 0;
    while (at < pairs->count && strcmp(pairs->items[at].name, name) != 0)
        at++;
    if (at < pairs->count && !replace)
        return atm_err_set(err, ATM_FAIL, "'%s' appears a second time", name);
    if (at == ATM_INI_PAIRS || strlen(name) >= ATM_INI_PAIR_NAME ||
        strlen(value) >= ATM_KEY_TEXT_SIZE)
        return atm_err_set(err, ATM_FAIL,
                           "'%.60s': at most %d such keys, names of %d and values of %d bytes are "
                           "possible",
                           name, ATM_INI_PAIRS, ATM_INI_PAIR_NAME - 1, ATM_KEY_TEXT_SIZE - 1);
    struct atm_ini_pair *pair = &pairs->items[at];
    memcpy(pair->name, name, strlen(name) + 1);
    memset(pair->value, 0, sizeof pair->value);
    memcpy(pair->value, value, strlen(value));
    pairs->count += at == pairs->count;
    return ATM_OK;
}

enum atm_status atm_ini_value_parse(const struct atm_key *key, const char *text, void *options,
                                    struct atm_err *err) {
    void *field = (char *)options + key->offset;
    if (key->type == ATM_KEY_REST) { /* its default: none */
        memset(field, 0, sizeof(struct atm_ini_pairs));
        return ATM_OK;
    }
    if (key->type == ATM_KEY_TEXT)
        return parse_text(key, text, field, err);
    if (!*text)
        return refuse(key, text, "has no value", err);
    switch (key->type) {
    case ATM_KEY_INT:
        return parse_int(key, text, field, err);
    case ATM_KEY_DOUBLE:
        return parse_double(key, text, field, err);
    case ATM_KEY_BOOL:
        return parse_bool(key, text, field, err);
    default:
        return parse_choice(key, text, field, err);
    }
}

void atm_ini_value_quote(const char *text, char out[ATM_INI_VALUE_SIZE]) {
    size_t length = strlen(text), used = 0;
    bool plain = !strpbrk(text, "\";#");
    plain = plain && (length == 0 || (text[0] != ' ' && text[length - 1] != ' '));
    if (!plain)
        out[used++] = '"';
    for (size_t i = 0; i < length && used + 3 < ATM_INI_VALUE_SIZE; i++) {
        if (text[i] == '"')
            out[used++] = '"';
        out[used++] = is_control(text[i]) ? '?' : text[i]; /* parsing refuses these anyway */
    }
    if (!plain)
        out[used++] = '"';
    out[used] = '\0';
}

/* The fewest digits, from 15 on, that read back to the same double. */
static void format_double(double value, char out[ATM_INI_VALUE_SIZE]) {
    char text[40] = "auto";
    for (int digits = 15; digits <= 17 && !isnan(value); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(out, text, sizeof text);
}

static const char *choice_name(const struct atm_key *key, int index) {
    for (int i = 0; key->choices[i]; i++)
        if (i == index)
            return key->choices[i];
    return "?";
}

void atm_ini_value_format(const struct atm_key *key, const void *options,
                          char out[ATM_INI_VALUE_SIZE]) {
    const void *field = (const char *)options + key->offset;
    switch (key->type) {
    case ATM_KEY_INT:
        snprintf(out, ATM_INI_VALUE_SIZE, "%lld", (long long)*(const int64_t *)field);
        break;
    case ATM_KEY_DOUBLE:
        format_double(*(const double *)field, out);
        break;
    case ATM_KEY_BOOL:
        snprintf(out, ATM_INI_VALUE_SIZE, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case ATM_KEY_CHOICE:
        snprintf(out, ATM_INI_VALUE_SIZE, "%s", choice_name(key, *(const int *)field));
        break;
    case ATM_KEY_TEXT:
        atm_ini_value_quote(field, out);
        break;
    case ATM_KEY_REST:
        out[0] = 0;
        break;
    }
}
