/* One HTML page in one file: text, key figures, tables and pictures, everything inside. It asks the
 * network for nothing (and says so to the browser), runs no script, and reads on a phone and in
 * print. The same calls give the same bytes.
 *
 *     struct atm_html *page = NULL;
 *     enum atm_status status = atm_html_create("Title", "what this is", &page, err);
 *     if (!status) {
 *         atm_html_section(page, "Scores");
 *         atm_html_text(page, "Jaccard index %.3f.", jaccard);
 *         status = atm_html_image(page, "folder/curve.svg", "Loss over the steps", err);
 *     }
 *     if (!status)
 *         status = atm_html_write(page, "folder/report.html", err);
 *     atm_html_destroy(&page);
 *
 * Every text is UTF-8 and is escaped. What is appended stands in the order of the calls. Running
 * out of memory is remembered and reported by atm_html_write. */
#ifndef ATM_HTML_H
#define ATM_HTML_H

#include "err.h"
#include <stddef.h>

struct atm_html;

enum atm_status atm_html_create(const char *title, const char *subtitle, struct atm_html **page,
                                struct atm_err *err);
void atm_html_destroy(struct atm_html **page);

/* A heading, which the list of contents at the top links to. */
void atm_html_section(struct atm_html *page, const char *heading);
/* A smaller heading inside a section. */
void atm_html_heading(struct atm_html *page, const char *heading);

/* A paragraph. */
void atm_html_text(struct atm_html *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A paragraph that stands out: a verdict or a warning. */
enum atm_html_tone { ATM_HTML_GOOD, ATM_HTML_CAUTION, ATM_HTML_BAD };
void atm_html_note(struct atm_html *page, enum atm_html_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Key figures, side by side where there is room: a value in large type, its name, and what it means
 * in plain language (may be NULL). */
struct atm_html_figure {
    const char *value, *label, *meaning;
};
void atm_html_figures(struct atm_html *page, const struct atm_html_figure *figures, int count);

/* cells: rows * columns texts, row by row; NULL is an empty cell. Cells that begin like a number
 * are set to the right. Wide tables scroll by themselves. */
struct atm_html_table {
    const char *caption;     /* may be NULL */
    const char *const *head; /* columns */
    const char *const *cells;
    int columns;
    ptrdiff_t rows;
};
void atm_html_table(struct atm_html *page, const struct atm_html_table *table);

/* Put a .png or .svg file into the page, with its caption below. */
enum atm_status atm_html_image(struct atm_html *page, const char *path, const char *caption,
                               struct atm_err *err);

/* Text as it is (a configuration), folded away behind its summary. */
void atm_html_details(struct atm_html *page, const char *summary, const char *text);

/* Text as it is, in a fixed-width font; long lines scroll. */
void atm_html_preformatted(struct atm_html *page, const char *text);

/* Under a temporary name, then renamed. */
enum atm_status atm_html_write(struct atm_html *page, const char *path, struct atm_err *err);

#endif
