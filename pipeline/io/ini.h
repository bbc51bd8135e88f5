/* Configuration: one schema row per key beside the options struct that it fills. The rows drive
 * defaults, INI files, --set, range checks, help, the template and the resolved configuration. */
#ifndef ATM_INI_H
#define ATM_INI_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

enum atm_key_type {
    ATM_KEY_INT,    /* int64_t */
    ATM_KEY_DOUBLE, /* double; "auto" is NAN where fallback is "auto" */
    ATM_KEY_BOOL,   /* bool: yes/no, true/false, on/off, 1/0 */
    ATM_KEY_CHOICE, /* int: index into choices */
    ATM_KEY_TEXT,   /* char[ATM_KEY_TEXT_SIZE] */
    ATM_KEY_REST,   /* struct atm_ini_pairs: keys of any other name, as text; one row per section */
};
enum { ATM_KEY_TEXT_SIZE = 512 };

/* Keys whose names the section does not know, in the order of the file. */
enum { ATM_INI_PAIRS = 16, ATM_INI_PAIR_NAME = 64 };
struct atm_ini_pairs {
    int count;
    struct atm_ini_pair {
        char name[ATM_INI_PAIR_NAME];
        char value[ATM_KEY_TEXT_SIZE];
    } items[ATM_INI_PAIRS];
};

struct atm_key {
    const char *name;
    enum atm_key_type type;
    size_t offset;              /* in the section's options struct */
    const char *fallback;       /* default as text */
    double min, max;            /* numbers: inclusive range */
    const char *const *choices; /* ATM_KEY_CHOICE: NULL-terminated */
    const char *unit;           /* "px", "photons"; "" if none */
    const char *help;
};

struct atm_section {
    const char *name; /* "synth" */
    const char *help;
    const struct atm_key *keys;
    size_t key_count;
};

/* A section bound to the struct that it fills. A configuration is an array of these. */
struct atm_binding {
    const struct atm_section *section;
    void *options;
};

/* Handy for schema rows: ATM_KEY(struct atm_synth_options, sigma_px, DOUBLE, "1.3", 0.3, 20, "px",
 * "...") */
#define ATM_KEY(type_, field, kind, fallback_, min_, max_, unit_, help_)                           \
    { #field, ATM_KEY_##kind, offsetof(type_, field), fallback_, min_, max_, NULL, unit_, help_ }
#define ATM_KEY_CHOOSE(type_, field, fallback_, choices_, help_)                                   \
    { #field, ATM_KEY_CHOICE, offsetof(type_, field), fallback_, 0, 0, choices_, "", help_ }
#define ATM_KEY_STRING(type_, field, fallback_, help_)                                             \
    { #field, ATM_KEY_TEXT, offsetof(type_, field), fallback_, 0, 0, NULL, "", help_ }
/* Where the keys of other names go; name_ and fallback_ are an example of one. */
#define ATM_KEY_OTHERS(type_, field, name_, fallback_, help_)                                      \
    { name_, ATM_KEY_REST, offsetof(type_, field), fallback_, 0, 0, NULL, "", help_ }

void atm_ini_defaults(const struct atm_binding *bindings, size_t count);
/* Every key of options that has its default takes the value of from (the same struct); keys of
 * other names stay. */
void atm_ini_fill(const struct atm_section *section, void *options, const void *from);
/* Errors (ATM_FAIL) with file, line and the nearest known key: unknown or duplicate keys or
 * sections, trailing junk, NaN, out of range, lines that inih would cut. */
enum atm_status atm_ini_read(const char *path, const struct atm_binding *bindings, size_t count,
                             struct atm_err *err);
/* "section.key=value"; ATM_USAGE on mistakes. */
enum atm_status atm_ini_set(const char *assignment, const struct atm_binding *bindings,
                            size_t count, struct atm_err *err);
/* The same for a text in memory (stored configurations). name is used in messages. */
enum atm_status atm_ini_read_text(const char *text, const char *name,
                                  const struct atm_binding *bindings, size_t count,
                                  struct atm_err *err);
/* Text, owned by the caller (atm_mem_free): template (every key with its help as comment and
 * default), or the resolved values in a form that reads back to the same values. NULL if out of
 * memory. */
char *atm_ini_template(const struct atm_binding *bindings, size_t count);
char *atm_ini_resolved(const struct atm_binding *bindings, size_t count);

#endif
