/* Inside post: what a step is, and what it works with. */
#ifndef ATM_POST_STEP_H
#define ATM_POST_STEP_H

#include "chart.h"
#include "locs.h"
#include "post.h"
#include <stdio.h>

enum { ATM_POST_NOTES = 24, ATM_POST_CHARTS = 32 };

struct atm_post {
    struct atm_locs locs;
    struct atm_post_config config; /* with the arguments of this step */
    const struct atm_sink *sink;
    const char *stem;
    int number; /* of the step, from 1; files of a step that is met again carry it */
    int repeat; /* how often this kind of step was met before */
    FILE *report;
    const char *const *said;       /* the report's text, after a flush */
    char *charts[ATM_POST_CHARTS]; /* owned: names of the charts' files so far */
    int chart_count;
    struct atm_table_pair notes[ATM_POST_NOTES]; /* owned texts */
    int note_count;
};

struct atm_post_step {
    const char *name;
    const char *section, *prefix; /* its keys are section.prefix... */
    const char *whole;            /* key that takes the text in brackets as it is; NULL: none */
    const char *summary;
    /* Are its options sensible, as far as can be said without a table? May be NULL. */
    enum atm_status (*check)(const struct atm_post_config *config, struct atm_err *err);
    enum atm_status (*run)(struct atm_post *post, struct atm_err *err);
};

extern const struct atm_post_step atm_post_filter, atm_post_drift, atm_post_link, atm_post_density,
    atm_post_duplicates, atm_post_render, atm_post_frc, atm_post_nena, atm_post_quality;

/* Say a result: into the report, the side file and the provenance. key: "Rows kept". Keys beyond
 * ATM_POST_NOTES are in the report only. */
void atm_post_note(struct atm_post *post, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Say a doubt: as a warning, and as a note. */
void atm_post_warn(struct atm_post *post, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Name of a file beside the output: "<stem>_drift.png", "<stem>_drift2.png" the second time. Owned
 * by the caller; NULL when out of memory. */
char *atm_post_file(const struct atm_post *post, const char *what, const char *ending);
/* Write such a file, and say so. text: of a stream opened by open_memstream, which is closed and
 * freed here in every case; NULL (out of memory) is an error. */
struct atm_post_text {
    FILE *stream;
    char *text;
    size_t size;
};
void atm_post_text_begin(struct atm_post_text *text);
enum atm_status atm_post_text_write(const struct atm_post *post, const char *what,
                                    const char *ending, struct atm_post_text *text,
                                    struct atm_err *err);
/* The same of a chart, which the page of the step quality then shows too. */
enum atm_status atm_post_chart(struct atm_post *post, const char *what,
                               const struct atm_chart *chart, struct atm_err *err);

/* The rows as what can be drawn. Borrows their columns. */
struct atm_render_points atm_post_points(const struct atm_locs *locs);

#endif
