/* INI files and --set. inih splits the lines; its line buffer (200 bytes in Debian), its comments
 * and its indented continuation lines would silently change values, so it is fed by a reader that
 * counts lines, strips comments itself and hands long values over as continuation lines. */
#include "ini.h"

#include "ini_value.h"
#include "mem.h"
#include "textfile.h"
#include <ctype.h>
#include <inih.h> /* not "inih.h": its include_next must not start in this folder */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILE_BYTES = 1 << 20,
    MAX_LINE_BYTES = 2048,
    MAX_NAME_BYTES = 49, /* inih cuts section and key names behind this */
};

struct stream {
    const char *name; /* of the file, for messages */
    const char *rest; /* text not yet read */
    int line;
    const struct atm_binding *bindings;
    size_t count;
    bool *seen;                 /* one per key of all bindings */
    char text[MAX_LINE_BYTES];  /* the line without comment, quotes and outer blanks */
    const char *pending;        /* rest of its value that inih has not got yet */
    char value[MAX_LINE_BYTES]; /* what the handler has put together again */
    size_t value_length;
    enum atm_status status;
    struct atm_err *err;
};

/* Bytes that mean something to inih travel as control characters, which values cannot contain. */
static const char PLAIN[] = " ;#", CODED[] = "\x1f\x1e\x1d";

static void recode(char *text, const char *from, const char *to) {
    for (; *text; text++) {
        const char *found = strchr(from, *text);
        if (found)
            *text = to[found - from];
    }
}

/* Edit distance with swapped neighbours as one step; names beyond 63 bytes are compared in part. */
static size_t distance(const char *a, const char *b) {
    enum { MOST = 64 };
    size_t rows[3][MOST], na = strnlen(a, MOST - 1), nb = strnlen(b, MOST - 1);
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *reuse = before;
        before = last, last = now, now = reuse;
    }
    return last[nb];
}

static const struct atm_binding *find_section(const struct atm_binding *bindings, size_t count,
                                              const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(bindings[i].section->name, name) == 0)
            return &bindings[i];
    return NULL;
}

static const struct atm_key *find_key(const struct atm_section *section, const char *name) {
    for (size_t i = 0; i < section->key_count; i++)
        if (section->keys[i].type != ATM_KEY_REST && strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    return NULL;
}

/* The row that takes keys of other names, or NULL. */
static const struct atm_key *find_rest(const struct atm_section *section) {
    for (size_t i = 0; i < section->key_count; i++)
        if (section->keys[i].type == ATM_KEY_REST)
            return &section->keys[i];
    return NULL;
}

static enum atm_status unknown_section(const struct atm_binding *bindings, size_t count,
                                       const char *name, struct atm_err *err) {
    const char *nearest = "";
    for (size_t i = 0; i < count; i++)
        if (i == 0 || distance(name, bindings[i].section->name) < distance(name, nearest))
            nearest = bindings[i].section->name;
    return atm_err_set(err, ATM_FAIL, "unknown section [%.60s]; the nearest known one is [%s]",
                       name, nearest);
}

static enum atm_status unknown_key(const struct atm_binding *bindings, size_t count,
                                   const struct atm_section *section, const char *name,
                                   struct atm_err *err) {
    for (size_t i = 0; i < count; i++)
        if (find_key(bindings[i].section, name))
            return atm_err_set(err, ATM_FAIL, "unknown key '%.60s' in [%s]; it belongs to [%s]",
                               name, section->name, bindings[i].section->name);
    const char *nearest = "";
    for (size_t i = 0; i < section->key_count; i++)
        if (i == 0 || distance(name, section->keys[i].name) < distance(name, nearest))
            nearest = section->keys[i].name;
    return atm_err_set(err, ATM_FAIL, "unknown key '%.60s' in [%s]; the nearest known one is '%s'",
                       name, section->name, nearest);
}

static enum atm_status locate(const struct atm_binding *bindings, size_t count, const char *section,
                              const char *name, const struct atm_binding **binding,
                              const struct atm_key **key, struct atm_err *err) {
    *binding = find_section(bindings, count, section);
    if (!*binding)
        return unknown_section(bindings, count, section, err);
    *key = find_key((*binding)->section, name);
    if (!*key)
        *key = find_rest((*binding)->section);
    return *key ? ATM_OK : unknown_key(bindings, count, (*binding)->section, name, err);
}

void atm_ini_defaults(const struct atm_binding *bindings, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < bindings[i].section->key_count; j++) {
            struct atm_err err = {0};
            const struct atm_key *key = &bindings[i].section->keys[j];
            if (atm_ini_value_parse(key, key->fallback, bindings[i].options, &err) != ATM_OK) {
                /* our own mistake in a schema row: an assert that release builds keep */
                fprintf(stderr, "schema of [%s]: %s\n", bindings[i].section->name, err.text);
                abort();
            }
        }
}

static size_t value_size(const struct atm_key *key) {
    switch (key->type) {
    case ATM_KEY_INT:
        return sizeof(int64_t);
    case ATM_KEY_DOUBLE:
        return sizeof(double);
    case ATM_KEY_BOOL:
        return sizeof(bool);
    case ATM_KEY_CHOICE:
        return sizeof(int);
    case ATM_KEY_TEXT:
        return ATM_KEY_TEXT_SIZE;
    case ATM_KEY_REST:
        break;
    }
    return 0;
}

void atm_ini_fill(const struct atm_section *section, void *options, const void *from) {
    for (size_t i = 0; i < section->key_count; i++) {
        const struct atm_key *key = &section->keys[i];
        const size_t size = value_size(key);
        char *value = (char *)options + key->offset, was[ATM_KEY_TEXT_SIZE];
        memcpy(was, value, size);
        if (size && !atm_ini_value_parse(key, key->fallback, options, NULL))
            memcpy(value, memcmp(value, was, size) ? was : (const char *)from + key->offset, size);
    }
}

static enum atm_status fail_here(struct stream *s, const char *message) {
    s->status = atm_err_set(s->err, ATM_FAIL, "%s:%d: %s", s->name, s->line, message);
    return s->status;
}

static bool *seen_flag(struct stream *s, const struct atm_binding *binding,
                       const struct atm_key *key) {
    size_t index = (size_t)(key - binding->section->keys);
    for (const struct atm_binding *b = s->bindings; b < binding; b++)
        index += b->section->key_count;
    return &s->seen[index];
}

static enum atm_status assign(struct stream *s, const char *section, const char *name) {
    const struct atm_binding *binding;
    const struct atm_key *key;
    enum atm_status status = locate(s->bindings, s->count, section, name, &binding, &key, s->err);
    bool rest = status == ATM_OK && key->type == ATM_KEY_REST;
    if (status == ATM_OK && !rest && *seen_flag(s, binding, key))
        status = atm_err_set(s->err, ATM_FAIL, "'%s' appears a second time in [%s]", name, section);
    if (rest) {
        status = atm_ini_pairs_add((void *)((char *)binding->options + key->offset), name, s->value,
                                   0, s->err);
    } else if (status == ATM_OK) {
        *seen_flag(s, binding, key) = true;
        status = atm_ini_value_parse(key, s->value, binding->options, s->err);
    }
    if (status != ATM_OK)
        atm_err_prefix(s->err, "%s:%d: ", s->name, s->line);
    return status;
}

/* inih's callback, once per piece of a value. */
static int take(void *user, const char *section, const char *name, const char *piece) {
    struct stream *s = user;
    size_t length = strlen(piece);
    memcpy(s->value + s->value_length, piece, length + 1); /* no more than came out of s->text */
    s->value_length += length;
    if (*s->pending)
        return 1;
    recode(s->value, CODED, PLAIN);
    s->value_length = 0;
    s->status = assign(s, section, name);
    return s->status == ATM_OK;
}

/* Cut outer blanks; returns the first byte that stays. */
static char *trim(char *text) {
    text += strspn(text, " \t\r\v\f");
    size_t length = strlen(text);
    while (length && strchr(" \t\r\v\f", text[length - 1]))
        text[--length] = '\0';
    return text;
}

static bool is_comment(const char *text) { return *text == ';' || *text == '#' || !*text; }

/* Cut a comment: ';' or '#' at the start or behind a blank. */
static char *strip_comment(char *text) {
    for (char *c = text; *c; c++)
        if ((*c == ';' || *c == '#') && (c == text || isblank((unsigned char)c[-1]))) {
            *c = '\0';
            break;
        }
    return trim(text);
}

/* "text" with "" for a quote inside, in place. NULL when it does not end or something follows. */
static char *unquote(char *text) {
    char *out = text, *in = text + 1;
    while (*in && !(in[0] == '"' && in[1] != '"')) {
        in += *in == '"';
        *out++ = *in++;
    }
    if (!*in || !is_comment(trim(in + 1)))
        return NULL;
    *out = '\0';
    return text;
}

/* [name], known, and nothing but a comment behind it. */
static enum atm_status check_section(struct stream *s, char *line) {
    char *close = strchr(line, ']');
    if (!close)
        return fail_here(s, "']' is missing behind the section's name");
    char *behind = close + 1 + strspn(close + 1, " \t");
    if (!is_comment(behind))
        return fail_here(s, "unexpected text behind the section's ']'");
    *close = '\0';
    if (strlen(line + 1) > MAX_NAME_BYTES || !find_section(s->bindings, s->count, line + 1)) {
        s->status = unknown_section(s->bindings, s->count, line + 1, s->err);
        atm_err_prefix(s->err, "%s:%d: ", s->name, s->line);
        return s->status;
    }
    close[0] = ']', close[1] = '\0';
    return ATM_OK;
}

/* Split "key = value" in place; the value without comment and quotes, coded for inih. */
static enum atm_status clean_pair(struct stream *s, char *line, char **value) {
    char *separator = line + strcspn(line, "=:;#");
    if (*separator != '=' && *separator != ':')
        return fail_here(s, "expected 'key = value' or '[section]'");
    *separator = '\0';
    *value = trim(separator + 1);
    if (strlen(trim(line)) > MAX_NAME_BYTES || !*trim(line))
        return fail_here(s, *trim(line) ? "the key's name is too long" : "no key before '='");
    *value = **value == '"' ? unquote(*value) : strip_comment(*value);
    if (!*value)
        return fail_here(s, "the quoted text does not end, or something follows its end");
    for (const char *c = *value; *c; c++)
        if (iscntrl((unsigned char)*c))
            return fail_here(s, "the value contains a tab or another control character");
    recode(*value, PLAIN, CODED);
    return ATM_OK;
}

/* Take the next line of the file into s->text. */
static enum atm_status fetch_line(struct stream *s) {
    static const char MARK[] = "\xef\xbb\xbf"; /* UTF-8 byte order mark */
    s->line++;
    if (s->line == 1 && strncmp(s->rest, MARK, 3) == 0)
        s->rest += 3;
    size_t length = strcspn(s->rest, "\n");
    const char *start = s->rest;
    s->rest += length + (s->rest[length] == '\n');
    if (start[strspn(start, " \t")] == '#' || start[strspn(start, " \t")] == ';')
        length = 0; /* comments may be of any length */
    if (length >= sizeof s->text)
        return fail_here(s, "the line is longer than 2047 bytes");
    memcpy(s->text, start, length);
    s->text[length] = '\0';
    return ATM_OK;
}

/* inih's reader: one line, or the next piece of a long value as an indented line. */
static char *give(char *buffer, int size, void *user) {
    struct stream *s = user;
    size_t room = (size_t)size, used = 0;
    if (s->status != ATM_OK)
        return NULL;
    if (*s->pending) {
        buffer[used++] = '\t';
    } else {
        if (!*s->rest || fetch_line(s) != ATM_OK)
            return NULL;
        char *line = trim(s->text), *value = line + strlen(line);
        if (*line == '[' && check_section(s, line) != ATM_OK)
            return NULL;
        if (*line != '[' && *line && clean_pair(s, line, &value) != ATM_OK)
            return NULL;
        bool pair = *line && *line != '[';
        used = (size_t)snprintf(buffer, room, "%s%s", pair ? trim(line) : line, pair ? " = " : "");
        s->pending = value;
    }
    if (used + 3 > room) {
        fail_here(s, "the line is longer than the INI library can take");
        return NULL;
    }
    size_t piece = strnlen(s->pending, room - used - 2);
    memcpy(buffer + used, s->pending, piece);
    memcpy(buffer + used + piece, "\n", 2);
    s->pending += piece;
    return buffer;
}

enum atm_status atm_ini_read_text(const char *text, const char *name,
                                  const struct atm_binding *bindings, size_t count,
                                  struct atm_err *err) {
    size_t keys = 0;
    for (size_t i = 0; i < count; i++)
        keys += bindings[i].section->key_count;
    bool *seen = atm_mem_alloc(keys, sizeof *seen);
    if (!seen)
        return atm_err_memory(err, name);
    struct stream s = {.name = name, .rest = text, .bindings = bindings, .count = count};
    s.seen = seen, s.pending = "", s.err = err;
    int failed = ini_parse_stream(give, &s, take, &s);
    if (s.status == ATM_OK && failed)
        s.status =
            atm_err_set(err, ATM_FAIL, "%s: cannot be understood (about line %d)", name, s.line);
    atm_mem_free(seen);
    return s.status;
}

enum atm_status atm_ini_read(const char *path, const struct atm_binding *bindings, size_t count,
                             struct atm_err *err) {
    char *text = NULL;
    enum atm_status status = atm_textfile_read(path, MAX_FILE_BYTES, &text, err);
    if (status == ATM_OK)
        status = atm_ini_read_text(text, path, bindings, count, err);
    atm_mem_free(text);
    return status;
}

enum atm_status atm_ini_set(const char *assignment, const struct atm_binding *bindings,
                            size_t count, struct atm_err *err) {
    char text[MAX_LINE_BYTES];
    const struct atm_binding *binding;
    const struct atm_key *key;
    if (strlen(assignment) >= sizeof text)
        return atm_err_set(err, ATM_USAGE, "--set: the value is too long");
    memcpy(text, assignment, strlen(assignment) + 1);
    char *equals = strchr(text, '=');
    if (equals)
        *equals = '\0';
    char *dot = strchr(text, '.');
    if (!equals || !dot)
        return atm_err_set(err, ATM_USAGE, "--set '%.80s': expected section.key=value", assignment);
    *dot = '\0';
    enum atm_status status =
        locate(bindings, count, trim(text), trim(dot + 1), &binding, &key, err);
    if (status == ATM_OK && key->type == ATM_KEY_REST)
        status = atm_ini_pairs_add((void *)((char *)binding->options + key->offset), trim(dot + 1),
                                   trim(equals + 1), 1, err);
    else if (status == ATM_OK)
        status = atm_ini_value_parse(key, trim(equals + 1), binding->options, err);
    if (status == ATM_OK)
        return ATM_OK;
    atm_err_prefix(err, "--set: ");
    if (err)
        err->status = ATM_USAGE;
    return ATM_USAGE;
}
