/* The numbers of model_test.h, put into grids and printed. */
#include "block_match.h"
#include "mem.h"
#include "model_test.h"
#include "number_grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRIDS = 24 };

struct report {
    const struct atm_model_test *test;
    struct atm_number_grid *grids; /* (GRIDS) */
    int count;
};

static const struct atm_grid_name kinds[ATM_TEST_KINDS] = {
    {"raw", "raw"}, {"refined", "refined"}, {"peaks", "peaks [1]"}};

static struct atm_number_grid *add_grid(struct report *r, const char *key, const char *title) {
    struct atm_number_grid *grid = &r->grids[r->count++];
    grid->key = key, grid->title = title;
    for (int row = 0; row < ATM_GRID_ROWS; row++)
        for (int c = 0; c < ATM_GRID_COLUMNS; c++)
            grid->value[row][c] = NAN;
    return grid;
}

static void add_kinds(struct atm_number_grid *grid) {
    grid->columns = ATM_TEST_KINDS;
    memcpy(grid->column, kinds, sizeof kinds);
}

/* A row with values by column. */
static void add_row(struct atm_number_grid *grid, const char *key, const char *label,
                    const double *values) {
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

static void add_sum(struct report *r) {
    static const struct atm_grid_name rows[] = {
        {"relative_squared_error", "|x - sum|^2 / |x|^2, mean over images"},
        {"relative_squared_error_pooled", "the same, sums over all images"},
        {"psnr_db", "PSNR, dB (peak 1), mean over images"}};
    struct atm_number_grid *grid = add_grid(r, "reconstruction", "Reconstruction");
    add_kinds(grid);
    double errors[2][3] = {{0}};
    const struct atm_block_set *sets[2] = {&r->test->raw, &r->test->refined};
    for (int k = 0; k < 2; k++)
        if (sets[k]->blocks.images)
            sum_errors(sets[k], errors[k]);
        else
            errors[k][0] = errors[k][1] = errors[k][2] = NAN;
    for (int i = 0; i < 3; i++)
        add_row(grid, rows[i].key, rows[i].label, (double[]){errors[0][i], errors[1][i], NAN});
}

/* ---- Blocks against spikes ---- */

struct figure {
    const char *key, *label;
    size_t offset;
    bool count, in_sigma; /* a ptrdiff_t; a length in px to be divided by sigma */
};
#define FIGURE(field, label)                                                                       \
    { #field, label, offsetof(struct atm_block_score, field), false, false }
#define COUNT(field, label)                                                                        \
    { #field, label, offsetof(struct atm_block_score, field), true, false }
#define SIGMA(key, field, label)                                                                   \
    { key, label, offsetof(struct atm_block_score, field), false, true }

static const struct figure figures[] = {
    COUNT(spikes, "spikes"),
    COUNT(blocks, "active blocks"),
    COUNT(matched, "pairs"),
    FIGURE(jaccard, "Jaccard"),
    FIGURE(recall, "recall"),
    FIGURE(precision, "precision"),
    FIGURE(energy_purity, "purity (energy)"),
    FIGURE(amplitude_purity, "purity (amplitude)"),
    FIGURE(split, "split rate, of spikes"),
    FIGURE(merged, "merged rate, of blocks"),
    FIGURE(ghost, "ghost rate, of blocks"),
    FIGURE(missed, "missed rate, of spikes"),
    FIGURE(rmse_px, "position RMSE, px [2]"),
    FIGURE(rmse_axis_px, "position RMSE per axis, px [3]"),
    FIGURE(mean_px, "position error, mean, px"),
    FIGURE(median_px, "position error, median, px"),
    FIGURE(p90_px, "position error, 90 % quantile, px"),
    SIGMA("rmse_sigma", rmse_px, "position RMSE, sigma [2]"),
    SIGMA("rmse_axis_sigma", rmse_axis_px, "position RMSE per axis, sigma [3]"),
    SIGMA("median_sigma", median_px, "position error, median, sigma"),
    FIGURE(amplitude_rms, "amplitude error, rms, relative"),
    FIGURE(amplitude_median, "amplitude error, median, relative"),
    FIGURE(amplitude_bias, "amplitude bias, relative"),
};
enum { FIGURES = sizeof figures / sizeof *figures };

static double figure_value(const struct figure *figure, const struct atm_block_score *score,
                           double sigma) {
    const char *field = (const char *)score + figure->offset;
    if (figure->count) {
        ptrdiff_t count;
        memcpy(&count, field, sizeof count);
        return (double)count;
    }
    double value;
    memcpy(&value, field, sizeof value);
    return figure->in_sigma ? value / sigma : value;
}

/* The matches of all kinds that there are; the others have no spikes. */
struct matches {
    struct atm_block_match of[ATM_TEST_KINDS];
};

static enum atm_status match_all(const struct atm_model_test *test, enum atm_match_method method,
                                 struct matches *matches, struct atm_err *err) {
    const struct atm_blocks *blocks[ATM_TEST_KINDS] = {&test->raw.blocks, &test->refined.blocks,
                                                       &test->peaks};
    enum atm_status status = ATM_OK;
    for (int k = 0; !status && k < ATM_TEST_KINDS; k++)
        if (blocks[k]->images)
            status =
                atm_block_match_init(&matches->of[k], &test->spikes, blocks[k],
                                     test->options.tolerance_sigma * test->sigma_px, method, err);
    return status;
}

static void free_matches(struct matches *matches) {
    for (int k = 0; k < ATM_TEST_KINDS; k++)
        atm_block_match_free(&matches->of[k]);
}

static enum atm_status add_overall(struct report *r, const struct matches *matches, const char *key,
                                   const char *title, struct atm_err *err) {
    struct atm_number_grid *grid = add_grid(r, key, title);
    add_kinds(grid);
    grid->rows = FIGURES;
    for (int k = 0; k < ATM_TEST_KINDS; k++) {
        struct atm_block_score score;
        if (!matches->of[k].spikes)
            continue;
        enum atm_status status =
            atm_block_match_score(&matches->of[k], &atm_block_part_all, NULL, &score, err);
        if (status)
            return status;
        for (int f = 0; f < FIGURES; f++)
            grid->value[f][k] = figure_value(&figures[f], &score, r->test->sigma_px);
    }
    for (int f = 0; f < FIGURES; f++) {
        grid->row[f].key = figures[f].key;
        snprintf(grid->row[f].label, sizeof grid->row[f].label, "%s", figures[f].label);
    }
    return ATM_OK;
}

static enum atm_status add_matching(struct report *r, struct atm_err *err) {
    struct matches best = {0}, greedy = {0};
    enum atm_status status = match_all(r->test, ATM_MATCH_HUNGARIAN, &best, err);
    if (!status)
        status = match_all(r->test, ATM_MATCH_GREEDY, &greedy, err);
    if (!status)
        status = add_overall(r, &best, "blocks", "Blocks and spikes, Hungarian matching", err);
    if (!status)
        status = add_overall(r, &greedy, "blocks_greedy",
                             "Blocks and spikes, greedy matching (nearest pair first)", err);
    free_matches(&best);
    free_matches(&greedy);
    return status;
}

/* ---- Together ---- */

static void print_text(const struct report *r, FILE *out) {
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
    for (int g = 0; g < r->count; g++)
        atm_grid_print(&r->grids[g], out);
    fputs("\n[1] no model: local maxima of the test images, each with a Gaussian fitted to the "
          "pixels around it\n[2] sqrt(sum d^2 / pairs)\n[3] sqrt(sum d^2 / (2 pairs))\n"
          "configs/paper.md defines every number.\n",
          out);
}

static void print_json(const struct report *r, FILE *out) {
    const struct atm_model_test *test = r->test;
    fprintf(out,
            "{\n  \"images\": %td, \"spikes\": %td, \"parameters\": %td, \"blocks_per_image\": "
            "%td, \"latent\": %td,\n  \"sigma_px\": %.10g, \"sigma_known\": %s, "
            "\"tolerance_sigma\": %.10g, \"active\": %.10g,\n",
            test->spikes.images, test->spikes.first[test->spikes.images], test->model->param_count,
            test->raw.size.blocks, test->model->latent, test->sigma_px,
            test->sigma_known ? "true" : "false", test->options.tolerance_sigma,
            test->options.active);
    for (int g = 0; g < r->count; g++) {
        atm_grid_print_json(&r->grids[g], out);
        fputs(g + 1 < r->count ? ",\n" : "\n", out);
    }
    fputs("}\n", out);
}

static char *compose(void (*print)(const struct report *, FILE *), const struct report *r) {
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

enum atm_status atm_model_test_report(const struct atm_model_test *test,
                                      const struct atm_sink *sink, char **text, char **json,
                                      struct atm_err *err) {
    (void)sink;
    struct report r = {.test = test, .grids = atm_mem_alloc(GRIDS, sizeof *r.grids)};
    *text = *json = NULL;
    enum atm_status status = r.grids ? ATM_OK : atm_err_memory(err, "the report");
    if (!status) {
        add_sum(&r);
        status = add_matching(&r, err);
    }
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
    atm_mem_free(r.grids);
    return status;
}
