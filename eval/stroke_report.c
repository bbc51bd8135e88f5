/* The numbers of stroke_test.h, in one grid, printed. */
#include "number_grid.h"
#include "stroke_test.h"

#include "mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { RAW, REFINED, INTERPOLATED, MEAN, PCA, COLUMNS };
static const struct atm_grid_name columns[COLUMNS] = {
    [RAW] = {"raw", "raw"},
    [REFINED] = {"refined", "refined"},
    [INTERPOLATED] = {"interpolated", "between"},
    [MEAN] = {"mean_image", "mean"},
    [PCA] = {"pca", "PCA"},
};

static double db(double loss, ptrdiff_t images, double pixels) {
    return images ? 10 * log10((double)images * pixels / loss) : (double)NAN;
}

static double ratio(double a, double b) { return b > 0 ? a / b : (double)NAN; }

static double *add_row(struct atm_number_grid *grid, const char *key, const char *label) {
    double *values = grid->value[grid->rows];
    struct atm_grid_name *row = &grid->row[grid->rows++];
    row->key = key;
    snprintf(row->label, sizeof row->label, "%s", label);
    for (int c = 0; c < COLUMNS; c++)
        values[c] = NAN;
    return values;
}

static void fill_reconstruction(const struct atm_stroke_test *test, struct atm_number_grid *grid) {
    const struct atm_stroke_sums *raw = &test->sums[ATM_STROKES_RAW],
                                 *refined = &test->sums[ATM_STROKES_REFINED],
                                 *between = &test->interpolated;
    const double pixels = (double)(test->height * test->width);
    double *row = add_row(grid, "psnr_db", "PSNR, dB (peak 1, error pooled) [1]");
    row[RAW] = db(raw->loss, raw->images, pixels);
    row[REFINED] = db(refined->loss, refined->images, pixels);
    row[INTERPOLATED] = db(between->loss, between->images, pixels);
    row[MEAN] = db(test->mean_loss, raw->images, pixels);
    row[PCA] = test->components ? db(test->pca_loss, raw->images, pixels) : (double)NAN;
    row = add_row(grid, "relative_squared_error", "|x - output|^2 / |x|^2, pooled");
    row[RAW] = ratio(raw->loss, raw->energy);
    row[REFINED] = ratio(refined->loss, refined->energy);
    row[INTERPOLATED] = ratio(between->loss, between->energy);
    row[MEAN] = ratio(test->mean_loss, raw->energy);
    row[PCA] = test->components ? ratio(test->pca_loss, raw->energy) : (double)NAN;
}

static void fill_strokes(const struct atm_stroke_test *test, struct atm_number_grid *grid) {
    const struct atm_stroke_sums *sums[] = {&test->sums[ATM_STROKES_RAW],
                                            &test->sums[ATM_STROKES_REFINED], &test->interpolated};
    double *active = add_row(grid, "active_blocks", "active blocks an image");
    double *overlap = add_row(grid, "overlap", "ink under a brighter block");
    double *largest = add_row(grid, "largest_part", "a block's energy in its largest part");
    double *single = add_row(grid, "one_part", "blocks of one part");
    double *parts = add_row(grid, "parts", "parts a block");
    double *iou = add_row(grid, "iou", "true strokes: intersection over union with a block");
    double *covered = add_row(grid, "covered", "true strokes: of 1/2 or more");
    double *r2 = add_row(grid, "control_points_r2", "their control points from z: R^2");
    for (int c = RAW; c <= INTERPOLATED; c++) {
        const struct atm_stroke_sums *s = sums[c];
        active[c] = ratio((double)s->active, (double)s->images);
        overlap[c] = ratio(s->overlap, (double)s->images);
        largest[c] = ratio(s->largest, (double)s->active);
        single[c] = ratio((double)s->single, (double)s->active);
        parts[c] = ratio((double)s->parts, (double)s->active);
        iou[c] = ratio(s->iou, (double)s->strokes);
        covered[c] = ratio((double)s->covered, (double)s->strokes);
    }
    r2[RAW] = test->r2;
}

static void print_text(const struct atm_stroke_test *test, const struct atm_number_grid *grid,
                       FILE *out) {
    const struct atm_stroke_sums *raw = &test->sums[ATM_STROKES_RAW];
    fprintf(out, "model          %s, %td parameters, k = %td blocks of d0 = %td numbers, %s\n",
            atm_model_kind_names[test->model->options.kind], test->model->param_count,
            test->model->blocks, test->model->latent,
            test->model->options.aggregation == ATM_AGGREGATION_MAX ? "largest of the blocks"
                                                                    : "sum of the blocks");
    fprintf(out, "images         %td of %td x %td px", raw->images, test->width, test->height);
    if (raw->strokes)
        fprintf(out, ", %td true strokes", raw->strokes);
    fprintf(out, "\nactive block   |g| / |x| >= %g, g clipped to 0..1\n", test->active);
    fprintf(out, "mean, PCA      mean and %td components of %td %s\n", test->components,
            test->baseline_images,
            test->own_baseline ? "of the test images themselves" : "other images");
    if (test->sums[ATM_STROKES_REFINED].images)
        fprintf(out, "refined        the first %td images\n",
                test->sums[ATM_STROKES_REFINED].images);
    fprintf(out, "between        %td images between neighbours, encoded and decoded again\n",
            test->interpolated.images);
    atm_grid_print(grid, out);
    fputs("\n[1] 10 log10(1 / mean squared error of all pixels)\n"
          "configs/strokes.md defines every number.\n",
          out);
}

static void print_json(const struct atm_stroke_test *test, const struct atm_number_grid *grid,
                       FILE *out) {
    const struct atm_stroke_sums *raw = &test->sums[ATM_STROKES_RAW];
    fprintf(out,
            "{\n  \"images\": %td, \"refined_images\": %td, \"strokes\": %td, \"parameters\": %td, "
            "\"blocks_per_image\": %td, \"latent\": %td, \"active\": %.10g,\n"
            "  \"baseline_images\": %td, \"components\": %td, \"own_baseline\": %s, "
            "\"interpolated_images\": %td,\n",
            raw->images, test->sums[ATM_STROKES_REFINED].images, raw->strokes,
            test->model->param_count, test->model->blocks, test->model->latent, test->active,
            test->baseline_images, test->components, test->own_baseline ? "true" : "false",
            test->interpolated.images);
    atm_grid_print_json(grid, out);
    fputs("\n}\n", out);
}

static char *compose(void (*print)(const struct atm_stroke_test *, const struct atm_number_grid *,
                                   FILE *),
                     const struct atm_stroke_test *test, const struct atm_number_grid *grid) {
    char *buffer = NULL, *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&buffer, &size);
    if (!out)
        return NULL;
    print(test, grid, out);
    const bool good = !ferror(out);
    if (!fclose(out) && good && (text = atm_mem_alloc(size + 1, 1)))
        memcpy(text, buffer, size);
    free(buffer);
    return text;
}

enum atm_status atm_stroke_test_report(const struct atm_stroke_test *test, char **text, char **json,
                                       struct atm_err *err) {
    struct atm_number_grid *grid = atm_mem_alloc(1, sizeof *grid);
    *text = *json = NULL;
    if (grid) {
        grid->key = "numbers", grid->title = "Strokes", grid->columns = COLUMNS;
        memcpy(grid->column, columns, sizeof columns);
        fill_reconstruction(test, grid);
        fill_strokes(test, grid);
        *text = compose(print_text, test, grid);
        *json = compose(print_json, test, grid);
    }
    atm_mem_free(grid);
    if (*text && *json)
        return ATM_OK;
    atm_mem_free(*text);
    atm_mem_free(*json);
    *text = *json = NULL;
    return atm_err_memory(err, "the report");
}
