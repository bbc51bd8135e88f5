/* The numbers of model_test.h, put into grids and printed. */
#include "model_report.h"

#include "mem.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct atm_number_grid *atm_report_grid(struct atm_model_report *r, const char *key,
                                        const char *title) {
    assert(r->count < ATM_REPORT_GRIDS);
    struct atm_number_grid *grid = &r->grids[r->count++];
    grid->key = key, grid->title = title;
    for (int row = 0; row < ATM_GRID_ROWS; row++)
        for (int c = 0; c < ATM_GRID_COLUMNS; c++)
            grid->value[row][c] = NAN;
    return grid;
}

struct atm_number_grid *atm_report_kinds(struct atm_model_report *r, const char *key,
                                         const char *title) {
    static const struct atm_grid_name kinds[ATM_TEST_KINDS] = {
        {"raw", "raw"}, {"refined", "refined"}, {"peaks", "peaks [1]"}};
    struct atm_number_grid *grid = atm_report_grid(r, key, title);
    grid->columns = ATM_TEST_KINDS;
    memcpy(grid->column, kinds, sizeof kinds);
    return grid;
}

void atm_report_row(struct atm_number_grid *grid, const char *key, const char *label,
                    const double *values) {
    assert(grid->rows < ATM_GRID_ROWS);
    int row = grid->rows++;
    grid->row[row].key = key;
    snprintf(grid->row[row].label, sizeof grid->row[row].label, "%s", label);
    memcpy(grid->value[row], values, (size_t)grid->columns * sizeof *values);
}

/* ---- The sum ---- */

static double mean_of(const double *values, ptrdiff_t count) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static void sum_errors(const struct atm_block_set *set, double out[3]) {
    ptrdiff_t images = set->blocks.images, lit = 0;
    double pixels = (double)(set->size.height * set->size.width), relative = 0, psnr = 0;
    for (ptrdiff_t n = 0; n < images; n++) {
        relative += set->energy[n] > 0 ? set->loss[n] / set->energy[n] : 0;
        lit += set->energy[n] > 0;
        psnr += 10 * log10(pixels / set->loss[n]);
    }
    out[0] = relative / (double)lit;
    out[1] = mean_of(set->loss, images) / mean_of(set->energy, images);
    out[2] = psnr / (double)images;
}

void atm_report_sums(struct atm_model_report *r) {
    static const struct atm_grid_name rows[] = {
        {"relative_squared_error", "|x - sum|^2 / |x|^2, mean over images"},
        {"relative_squared_error_pooled", "the same, sums over all images"},
        {"psnr_db", "PSNR, dB (peak 1), mean over images"}};
    struct atm_number_grid *grid = atm_report_kinds(r, "reconstruction", "Reconstruction");
    double errors[2][3] = {{0}};
    const struct atm_block_set *sets[2] = {&r->test->raw, &r->test->refined};
    for (int k = 0; k < 2; k++)
        if (sets[k]->blocks.images)
            sum_errors(sets[k], errors[k]);
        else
            errors[k][0] = errors[k][1] = errors[k][2] = NAN;
    for (int i = 0; i < 3; i++)
        atm_report_row(grid, rows[i].key, rows[i].label,
                       (double[]){errors[0][i], errors[1][i], NAN});
}

/* ---- Together ---- */

static void print_text(const struct atm_model_report *r, FILE *out) {
    const struct atm_model_test *test = r->test;
    const struct atm_model_size *size = &test->raw.size;
    fprintf(out, "model          %td parameters, k = %td blocks of d0 = %td numbers an image\n",
            test->model->param_count, size->blocks, test->model->latent);
    fprintf(out, "images         %td of %td x %td px, %td spikes\n", test->spikes.images,
            size->width, size->height, test->spikes.first[test->spikes.images]);
    fprintf(out, "sigma          %.4g px, %s; tolerance %g sigma\n", test->sigma_px,
            test->sigma_known ? "that of the true spikes" : "that of the model's atoms",
            test->options.tolerance_sigma);
    fprintf(out, "active block   |g| / |x| >= %g, g clipped to 0..1\n", test->options.active);
    if (test->raw.whole)
        fputs("blocks         one code for the whole image: peaks of the decoded image stand for "
              "blocks\n",
              out);
    if (test->refined.blocks.images)
        fprintf(out, "refined        the first %td images\n", test->refined.blocks.images);
    for (int g = 0; g < r->count; g++)
        atm_grid_print(&r->grids[g], out);
    fputs("\n[1] no model: local maxima of the test images, each with a Gaussian fitted to the "
          "pixels around it\n[2] sqrt(sum d^2 / pairs)\n[3] sqrt(sum d^2 / (2 pairs))\n"
          "configs/paper.md defines every number.\n",
          out);
}

static void print_json(const struct atm_model_report *r, FILE *out) {
    const struct atm_model_test *test = r->test;
    fprintf(
        out,
        "{\n  \"images\": %td, \"refined_images\": %td, \"spikes\": %td, \"parameters\": %td, "
        "\"blocks_per_image\": "
        "%td, \"latent\": %td,\n  \"sigma_px\": %.10g, \"sigma_known\": %s, "
        "\"tolerance_sigma\": %.10g, \"active\": %.10g,\n",
        test->spikes.images, test->refined.blocks.images, test->spikes.first[test->spikes.images],
        test->model->param_count, test->raw.size.blocks, test->model->latent, test->sigma_px,
        test->sigma_known ? "true" : "false", test->options.tolerance_sigma, test->options.active);
    for (int g = 0; g < r->count; g++) {
        atm_grid_print_json(&r->grids[g], out);
        fputs(g + 1 < r->count ? ",\n" : "\n", out);
    }
    fputs("}\n", out);
}

static char *compose(void (*print)(const struct atm_model_report *, FILE *),
                     const struct atm_model_report *r) {
    char *buffer = NULL, *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&buffer, &size);
    if (!out)
        return NULL;
    print(r, out);
    bool good = !ferror(out);
    good = !fclose(out) && good;
    if (good)
        text = atm_mem_alloc(size + 1, 1);
    if (text)
        memcpy(text, buffer, size);
    free(buffer);
    return text;
}

static enum atm_status match_all(struct atm_model_report *r, struct atm_err *err) {
    const struct atm_model_test *test = r->test;
    const struct atm_blocks *blocks[ATM_TEST_KINDS] = {&test->raw.blocks, &test->refined.blocks,
                                                       &test->peaks};
    enum atm_status status = ATM_OK;
    for (int k = 0; !status && k < ATM_TEST_KINDS; k++) {
        r->spikes[k] = test->spikes;
        r->spikes[k].images = blocks[k]->images;
        if (blocks[k]->images)
            status = atm_block_match_init(&r->match[k], &r->spikes[k], blocks[k],
                                          test->options.tolerance_sigma * test->sigma_px,
                                          ATM_MATCH_HUNGARIAN, err);
    }
    return status;
}

static enum atm_status fill(struct atm_model_report *r, struct atm_err *err) {
    atm_report_sums(r);
    enum atm_status status = atm_report_blocks(r, err);
    if (!status && !r->test->raw.whole)
        status = atm_report_latents(r, err);
    if (!status && !r->test->raw.whole)
        status = atm_report_atoms(r, err);
    return status;
}

enum atm_status atm_model_test_report(const struct atm_model_test *test, char **text, char **json,
                                      struct atm_err *err) {
    struct atm_model_report r = {.test = test,
                                 .grids = atm_mem_alloc(ATM_REPORT_GRIDS, sizeof *r.grids)};
    *text = *json = NULL;
    enum atm_status status = r.grids ? match_all(&r, err) : atm_err_memory(err, "the report");
    if (!status)
        status = fill(&r, err);
    if (!status) {
        *text = compose(print_text, &r);
        *json = compose(print_json, &r);
        status = *text && *json ? ATM_OK : atm_err_memory(err, "the report");
    }
    if (status) {
        atm_mem_free(*text);
        atm_mem_free(*json);
        *text = *json = NULL;
    }
    for (int k = 0; k < ATM_TEST_KINDS; k++)
        atm_block_match_free(&r.match[k]);
    atm_mem_free(r.grids);
    return status;
}
