#include "score.h"

#include <stdbool.h>

static void exchange(double *a, double *b) {
    double keep = *a;
    *a = *b;
    *b = keep;
}

static void exchange_axes(struct atm_loc *row) {
    exchange(&row->x, &row->y);
    exchange(&row->sx, &row->sy);
    exchange(&row->x_unc, &row->y_unc);
    exchange(&row->sx_unc, &row->sy_unc);
}

enum atm_status atm_score_adjust(struct atm_table *found, const struct atm_eval_options *options,
                                 struct atm_err *err) {
    double pixel_nm = found->pixel_size_nm > 0 ? found->pixel_size_nm : options->pixel_size_nm;
    bool shifts = options->shift_x_nm != 0 || options->shift_y_nm != 0; /* NAN is no pixel size */
    if (shifts && !(pixel_nm > 0))
        return atm_err_set(err, ATM_USAGE,
                           "eval.shift_x_nm and eval.shift_y_nm need the pixel size, which the "
                           "localizations do not state: give eval.pixel_size_nm");
    double dx = shifts ? options->shift_x_nm / pixel_nm : 0;
    double dy = shifts ? options->shift_y_nm / pixel_nm : 0;
    for (ptrdiff_t i = 0; i < found->count; i++) {
        struct atm_loc *row = &found->rows[i];
        if (options->axes == ATM_EVAL_YX)
            exchange_axes(row);
        if (options->scale != 1) { /* from the field's outer corner */
            row->x = (row->x + 0.5) * options->scale - 0.5;
            row->y = (row->y + 0.5) * options->scale - 0.5;
        }
        row->x += dx;
        row->y += dy;
        row->frame += options->shift_frames;
    }
    if (options->axes == ATM_EVAL_YX) {
        ptrdiff_t keep = found->width;
        found->width = found->height;
        found->height = keep;
    }
    return ATM_OK;
}
