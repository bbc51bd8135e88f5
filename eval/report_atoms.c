/* What moving and deleting blocks does. */
#include "atom_motion.h"
#include "fewer_atoms.h"
#include "mem.h"
#include "model_report.h"

#include <math.h>
#include <stdio.h>

/* Rendered atoms for the Jacobians, moved blocks, and images: enough for a per cent, a second each.
 */
enum { JACOBIAN_ATOMS = 6000, JACOBIAN_BLOCKS = 500, VALIDITY_BLOCKS = 2000, FEWER_IMAGES = 1000 };

/* ---- Motions ---- */

static ptrdiff_t list_matched(const struct atm_block_match *match, ptrdiff_t *blocks) {
    ptrdiff_t count = 0;
    for (ptrdiff_t b = 0; b < match->blocks->count; b++)
        if (match->block[b].matched)
            blocks[count++] = b;
    return count;
}

static void add_quantiles(struct atm_number_grid *grid, const char *key, const char *label,
                          const struct atm_quantiles *q) {
    atm_report_row(grid, key, label, (double[]){q->low, q->median, q->high});
}

static void add_motion(struct atm_model_report *r, const struct atm_motion *motion) {
    struct atm_number_grid *grid =
        atm_report_grid(r, "motions", "The motions of a spot in z (raw, matched blocks)");
    grid->columns = 3;
    grid->column[0] = (struct atm_grid_name){"q10", "10 %"};
    grid->column[1] = (struct atm_grid_name){"median", "median"};
    grid->column[2] = (struct atm_grid_name){"q90", "90 %"};
    add_quantiles(grid, "singular_ratio", "s2 / s1 of d(x, y)/dz", &motion->singular_ratio);
    add_quantiles(grid, "angle_deg", "angle between the two fastest coordinates, degrees",
                  &motion->angle);
    add_quantiles(grid, "speed_ratio", "their speed ratio, slower / faster", &motion->speed_ratio);
    const double a = (double)motion->fastest[0] + 1, b = (double)motion->fastest[1] + 1;
    atm_report_row(grid, "fastest", "the fastest coordinate", (double[]){NAN, a, NAN});
    atm_report_row(grid, "second", "the second fastest", (double[]){NAN, b, NAN});
    const double n = (double)motion->samples;
    atm_report_row(grid, "samples", "blocks looked at", (double[]){NAN, n, NAN});
}

static void add_coordinates(struct atm_model_report *r, ptrdiff_t latent, const double *speed,
                            const double *growth) {
    static const char *const keys[] = {"z1",  "z2",  "z3",  "z4",  "z5",  "z6",  "z7",  "z8",
                                       "z9",  "z10", "z11", "z12", "z13", "z14", "z15", "z16",
                                       "z17", "z18", "z19", "z20", "z21", "z22", "z23", "z24",
                                       "z25", "z26", "z27", "z28", "z29", "z30", "z31", "z32"};
    struct atm_number_grid *grid =
        atm_report_grid(r, "coordinates", "Each coordinate, per standard deviation (medians)");
    grid->columns = 2;
    grid->column[0] = (struct atm_grid_name){"motion_px", "motion, px"};
    grid->column[1] = (struct atm_grid_name){"growth", "|d ln A|"};
    for (ptrdiff_t j = 0; j < latent && j < (ptrdiff_t)(sizeof keys / sizeof *keys); j++)
        atm_report_row(grid, keys[j], keys[j], (double[]){speed[j], growth[j]});
}

static enum atm_status motions(struct atm_model_report *r, struct atm_err *err) {
    const struct atm_block_set *set = &r->test->raw;
    ptrdiff_t d = set->model->latent, most = JACOBIAN_ATOMS / (2 * d);
    struct atm_jacobians jacobians = {0};
    struct atm_motion motion;
    ptrdiff_t *blocks = atm_mem_alloc((size_t)set->blocks.count + 1, sizeof *blocks);
    double *speed = atm_mem_alloc(2 * (size_t)d, sizeof *speed);
    enum atm_status status = blocks && speed ? ATM_OK : atm_err_memory(err, "the motions of atoms");
    if (!status) {
        ptrdiff_t count = list_matched(&r->match[ATM_TEST_RAW], blocks);
        most = most < 1 ? 1 : most > JACOBIAN_BLOCKS ? JACOBIAN_BLOCKS : most;
        status = atm_jacobians_measure(set, blocks, count, most, &jacobians, err);
    }
    if (!status)
        status = atm_motion_summarise(&jacobians, &motion, speed, speed + d, err);
    if (!status) {
        add_motion(r, &motion);
        add_coordinates(r, d, speed, speed + d);
    }
    atm_jacobians_free(&jacobians);
    atm_mem_free(blocks);
    atm_mem_free(speed);
    return status;
}

/* ---- Moved and deleted blocks ---- */

static enum atm_status validity(struct atm_model_report *r, struct atm_err *err) {
    struct atm_validity v;
    enum atm_status status =
        atm_validity_measure(&r->test->raw, VALIDITY_BLOCKS, r->test->seed, &v, err);
    if (status)
        return status;
    struct atm_number_grid *grid =
        atm_report_grid(r, "validity", "Is a moved atom a spike? (raw, active blocks)");
    grid->columns = 2;
    grid->column[0] = (struct atm_grid_name){"as_they_are", "as they are"};
    grid->column[1] = (struct atm_grid_name){"moved", "moved"};
    atm_report_row(grid, "valid", "share with a fit residual below 0.1",
                   (double[]){v.valid_unmoved, v.valid});
    atm_report_row(grid, "residual_mean", "fit residual, mean",
                   (double[]){v.residual_unmoved, v.residual_mean});
    atm_report_row(grid, "residual_median", "fit residual, median",
                   (double[]){NAN, v.residual_median});
    atm_report_row(grid, "blocks", "blocks", (double[]){(double)v.moved, (double)v.moved});
    atm_report_row(grid, "dark", "dark: no longer active, left out",
                   (double[]){NAN, (double)v.dark});
    return ATM_OK;
}

static enum atm_status fewer(struct atm_model_report *r, struct atm_err *err) {
    const struct atm_block_set *sets[2] = {&r->test->raw, &r->test->refined};
    const struct atm_fewer_options options = {FEWER_IMAGES, r->test->width_px, r->test->seed};
    struct atm_fewer f[2] = {{0, NAN, NAN, NAN, NAN}, {0, NAN, NAN, NAN, NAN}};
    for (int k = 0; k < 2; k++) {
        enum atm_status status =
            r->match[k].spikes ? atm_fewer_measure(sets[k], &r->match[k], &options, &f[k], err)
                               : ATM_OK;
        if (status)
            return status;
    }
    struct atm_number_grid *grid = atm_report_kinds(
        r, "fewer_atoms", "Fewer atoms: |sum - image of the spikes|^2 / |image of the spikes|^2");
    atm_report_row(grid, "full", "all blocks, mean", (double[]){f[0].full, f[1].full, NAN});
    atm_report_row(grid, "fewer", "a random half deleted, with its spikes, mean",
                   (double[]){f[0].fewer, f[1].fewer, NAN});
    atm_report_row(grid, "full_median", "all blocks, median",
                   (double[]){f[0].full_median, f[1].full_median, NAN});
    atm_report_row(grid, "fewer_median", "a random half deleted, median",
                   (double[]){f[0].fewer_median, f[1].fewer_median, NAN});
    const double few = r->match[ATM_TEST_REFINED].spikes ? (double)f[1].images : NAN;
    atm_report_row(grid, "images", "images", (double[]){(double)f[0].images, few, NAN});
    return ATM_OK;
}

enum atm_status atm_report_atoms(struct atm_model_report *r, struct atm_err *err) {
    enum atm_status status = motions(r, err);
    if (!status)
        status = validity(r, err);
    return status ? status : fewer(r, err);
}
