#include "csv_line.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum atm_status fail_here(const struct atm_csv *csv, const char *message,
                                 struct atm_err *err) {
    return atm_err_set(err, ATM_FAIL, "%s:%d: %s", csv->path, csv->line, message);
}

/* One line without its end into text. *more is false when nothing is left. */
static enum atm_status fetch(struct atm_csv *csv, bool *more, struct atm_err *err) {
    size_t length = 0;
    int c = getc_unlocked(csv->file);
    *more = c != EOF;
    csv->line++;
    for (; c != EOF && c != '\n' && c != '\r'; c = getc_unlocked(csv->file)) {
        if (c == '\0')
            return fail_here(csv, "zero byte: this is not a text table", err);
        if (length + 1 >= sizeof csv->text)
            return fail_here(csv, "the line is too long for a table", err);
        csv->text[length++] = (char)c;
    }
    csv->text[length] = '\0';
    if (c == '\r' && (c = getc_unlocked(csv->file)) != '\n' && c != EOF)
        ungetc(c, csv->file);
    if (ferror(csv->file))
        return atm_err_errno(err, csv->path, "read");
    return ATM_OK;
}

static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length && strchr(" \t", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* The most frequent candidate outside quotes; "1,5;2,5" has more commas only with decimal commas,
 * so a semicolon or tab wins wherever there is one. */
static char find_separator(const char *text) {
    bool quoted = false, semicolon = false, tab = false;
    for (; *text; text++) {
        quoted ^= *text == '"';
        semicolon |= !quoted && *text == ';';
        tab |= !quoted && *text == '\t';
    }
    return semicolon ? ';' : tab ? '\t' : ',';
}

static char *unquote(char *cell) {
    cell = trim(cell);
    size_t length = strlen(cell);
    if (length >= 2 && strchr("\"'", cell[0]) && cell[length - 1] == cell[0]) {
        cell[length - 1] = '\0';
        cell++;
    }
    return cell;
}

static enum atm_status split(struct atm_csv *csv, struct atm_err *err) {
    if (!csv->separator)
        csv->separator = find_separator(csv->text);
    csv->count = 0;
    for (char *start = csv->text; start;) {
        char *end = start;
        for (bool quoted = false; *end && (quoted || *end != csv->separator); end++)
            quoted ^= *end == '"';
        bool last = !*end;
        *end = '\0';
        if (csv->count == ATM_CSV_CELLS)
            return fail_here(csv, "more than 256 columns: this is not a table of ours", err);
        csv->cells[csv->count++] = unquote(start);
        start = last ? NULL : end + 1;
    }
    return ATM_OK;
}

enum atm_status atm_csv_next(struct atm_csv *csv, bool *more, struct atm_err *err) {
    static const char MARK[] = "\xef\xbb\xbf"; /* UTF-8 byte order mark */
    for (;;) {
        enum atm_status status = fetch(csv, more, err);
        if (status != ATM_OK || !*more)
            return status;
        if (csv->line == 1 && strncmp(csv->text, MARK, 3) == 0)
            memmove(csv->text, csv->text + 3, strlen(csv->text + 3) + 1);
        size_t blank = strspn(csv->text, " \t,;");
        if (csv->text[blank] && csv->text[blank] != '#')
            return split(csv, err);
    }
}

bool atm_csv_number(const char *cell, double *value) {
    /* Java's DecimalFormat, and so ThunderSTORM, prints NaN as U+FFFD (or '?') and infinity as
     * U+221E. */
    static const struct {
        const char *text;
        double value;
    } words[] = {{"", NAN},
                 {"?", NAN},
                 {"\xef\xbf\xbd", NAN},
                 {"\xe2\x88\x9e", INFINITY},
                 {"-\xe2\x88\x9e", -INFINITY},
                 {"NA", NAN},
                 {"None", NAN}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(cell, words[i].text) == 0) {
            *value = words[i].value;
            return true;
        }
    char *end;
    *value = strtod(cell, &end);
    return !*end;
}
