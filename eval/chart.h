/* Charts: curves, histograms, error bars, on linear or logarithmic axes; drawn by Cairo. */
#ifndef ATM_CHART_H
#define ATM_CHART_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>

enum atm_curve_style {
    ATM_CURVE_LINE,   /* with dots where there are few points */
    ATM_CURVE_DASHED, /* expected, theory */
    ATM_CURVE_STEPS,  /* histogram: y[i] holds from x[i] to x[i + 1]; the last y is not drawn */
    ATM_CURVE_DOTS,
};

/* Everything is borrowed. NAN points are gaps. Curves are told apart by colour in their order;
 * label NULL: not in the legend. */
struct atm_curve {
    const char *label;
    const double *x, *y;
    ptrdiff_t count;
    enum atm_curve_style style;
    const double *low, *high; /* ends of error bars, or NULL */
};

struct atm_chart {
    const char *title, *x_label, *y_label; /* may be NULL */
    const struct atm_curve *curves;
    int count;
    bool log_x, log_y;
    bool y_from_zero; /* the y axis reaches down to 0 where it is not logarithmic */
    const char *const *x_words; /* NULL: x are numbers. Else they are places in this list */
    int x_word_count;
};

/* path ends in .svg (720 x 480 px) or .png (twice as many). */
enum atm_status atm_chart_write(const char *path, const struct atm_chart *chart,
                                struct atm_err *err);
struct atm_canvas;
enum { ATM_CHART_WIDTH = 720, ATM_CHART_HEIGHT = 480 };
/* The same as a part of a picture, to (left, top). */
void atm_chart_draw(struct atm_canvas *canvas, double left, double top,
                    const struct atm_chart *chart);
/* The numbers: {"title", "x_label", "y_label", ("x_words",) "curves": [{"label", "x": [...], "y":
 * [...], ...}]}; null where not finite. */
enum atm_status atm_chart_write_json(const char *path, const struct atm_chart *chart,
                                     struct atm_err *err);
/* STEM.svg, STEM.png and STEM.json. */
enum atm_status atm_chart_write_all(const char *stem, const struct atm_chart *chart,
                                    struct atm_err *err);

#endif
