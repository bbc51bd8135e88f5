/* Configurations as text: the commented template and the resolved values. */
#include "ini_value.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WRAP_COLUMN = 92 };

/* Text as comment lines, broken at spaces. */
static void put_comment(FILE *out, const char *text) {
    while (*text) {
        size_t length = strlen(text);
        if (length > WRAP_COLUMN) {
            length = WRAP_COLUMN;
            while (length > 1 && text[length] != ' ')
                length--;
            if (length <= 1)
                length = strcspn(text, " ");
        }
        fprintf(out, "# %.*s\n", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

static void put_key_help(FILE *out, const struct atm_key *key) {
    char allowed[400], line[1200];
    atm_ini_value_allowed(key, allowed, sizeof allowed);
    snprintf(line, sizeof line, "%s%s%s%s", key->help, *allowed ? " (" : "", allowed,
             *allowed ? ")" : "");
    put_comment(out, line);
}

/* The keys of other names; in a template an example, commented out. */
static void put_rest(FILE *out, const struct atm_key *key, const void *options, int with_help) {
    const struct atm_ini_pairs *pairs = (const void *)((const char *)options + key->offset);
    char value[ATM_INI_VALUE_SIZE];
    if (with_help) {
        put_key_help(out, key);
        fprintf(out, "# %s = %s\n", key->name, key->fallback);
        return;
    }
    for (int i = 0; i < pairs->count; i++) {
        atm_ini_value_quote(pairs->items[i].value, value);
        fprintf(out, "%s = %s\n", pairs->items[i].name, value);
    }
}

static void put_section(FILE *out, const struct atm_binding *binding, int with_help) {
    const struct atm_section *section = binding->section;
    if (with_help && section->help)
        put_comment(out, section->help);
    fprintf(out, "[%s]\n", section->name);
    for (size_t i = 0; i < section->key_count; i++) {
        const struct atm_key *key = &section->keys[i];
        char value[ATM_INI_VALUE_SIZE];
        if (key->type == ATM_KEY_REST) {
            put_rest(out, key, binding->options, with_help);
            continue;
        }
        if (with_help)
            put_key_help(out, key);
        if (with_help)
            atm_ini_value_quote(key->fallback, value);
        else
            atm_ini_value_format(key, binding->options, value);
        fprintf(out, "%s =%s%s\n", key->name, *value ? " " : "", value);
    }
}

static char *put_all(const struct atm_binding *bindings, size_t count, int with_help) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size); /* malloc's block: atm_mem_free is its release */
    if (!out)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputc('\n', out);
        put_section(out, &bindings[i], with_help);
    }
    int failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

char *atm_ini_template(const struct atm_binding *bindings, size_t count) {
    return put_all(bindings, count, 1);
}

char *atm_ini_resolved(const struct atm_binding *bindings, size_t count) {
    return put_all(bindings, count, 0);
}
