/* Inside eval: the names of the figures of a score, once for text, JSON, intervals and pages. */
#ifndef ATM_SCORE_FIGURES_H
#define ATM_SCORE_FIGURES_H

#include "score.h"
#include <stdbool.h>

struct atm_score_figure {
    const char *key;   /* stable: JSON, --fail-under, results of batches */
    const char *label; /* with unit and number of its footnote */
    size_t offset;     /* in struct atm_score */
    bool is_count;
    int decimals;
    double factor; /* text only: 100 for per cent */
};

extern const struct atm_score_figure atm_score_figures[];
extern const int atm_score_figure_count;

double atm_score_figure_get(const struct atm_score_figure *figure, const struct atm_score *score);
/* Not for counts. */
void atm_score_figure_set(const struct atm_score_figure *figure, struct atm_score *score,
                          double value);

#endif
