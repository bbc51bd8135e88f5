#include "render.h"

#include "atoms.h"
#include "mem.h"
#include <math.h>
#include <stdbool.h>

/* write: atm_chart_write or atm_chart_write_all. */
static enum atm_status draw(const char *path, const struct atm_curve_point *points, ptrdiff_t count,
                            enum atm_status (*write)(const char *, const struct atm_chart *,
                                                     struct atm_err *),
                            struct atm_err *err) {
    size_t n = (size_t)count;
    double *block = atm_mem_alloc(4 * n, sizeof *block);
    if (!block)
        return atm_err_memory(err, "the training curve");
    double *step = block, *loss = block + n, *measured = block + 2 * n, *validation = block + 3 * n;
    ptrdiff_t validations = 0;
    bool positive = true;
    for (ptrdiff_t i = 0; i < count; i++) {
        step[i] = (double)points[i].step;
        loss[i] = points[i].loss;
        positive = positive && !(points[i].loss <= 0) && !(points[i].validation <= 0);
        if (!isfinite(points[i].validation))
            continue; /* not a gap: the line connects the validations */
        measured[validations] = step[i];
        validation[validations++] = points[i].validation;
    }
    const struct atm_curve curves[2] = {
        {.label = "training", .x = step, .y = loss, .count = count},
        {.label = "validation", .x = measured, .y = validation, .count = validations}};
    const struct atm_chart chart = {.title = "Training",
                                    .x_label = "step",
                                    .y_label = "mean squared error (normalised units)",
                                    .curves = curves,
                                    .count = validations ? 2 : 1,
                                    .log_y = positive};
    enum atm_status status = write(path, &chart, err);
    atm_mem_free(block);
    return status;
}

enum atm_status atm_render_training(const char *path, const struct atm_curve_point *points,
                                    ptrdiff_t count, struct atm_err *err) {
    return draw(path, points, count, atm_chart_write, err);
}

enum atm_status atm_render_training_all(const char *stem, const struct atm_curve_point *points,
                                        ptrdiff_t count, struct atm_err *err) {
    return draw(stem, points, count, atm_chart_write_all, err);
}
