/* What the code of a block says of its spike. */
#include "disentangle.h"
#include "mem.h"
#include "model_report.h"

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

/* Pairs of blocks and spikes as arrays; those of even images first, which are fitted. */
struct pairs {
    double *z, *factors; /* owned */
    ptrdiff_t count, train;
};

static void pairs_free(struct pairs *pairs) {
    atm_mem_free(pairs->z);
    atm_mem_free(pairs->factors);
}

/* Positions count from the block's own place: cells of a grid are alike. */
static void add_pair(const struct atm_block_set *set, const struct atm_block_match *match,
                     ptrdiff_t image, ptrdiff_t s, struct pairs *pairs) {
    ptrdiff_t b = match->spike[s].block, d = set->model->latent;
    ptrdiff_t index = set->blocks.at[b].index;
    const float *z = set->latents + (image * set->size.blocks + index) * d;
    struct atm_atom_place place = atm_model_atom_place(set->model, &set->size, index);
    const struct atm_spike *spike = &match->spikes->at[s];
    double *factors = pairs->factors + pairs->count * ATM_FACTORS;
    for (ptrdiff_t j = 0; j < d; j++)
        pairs->z[pairs->count * d + j] = (double)z[j];
    factors[0] = spike->x - (double)place.x;
    factors[1] = spike->y - (double)place.y;
    factors[2] = spike->amplitude;
    pairs->count++;
}

static enum atm_status collect(const struct atm_block_set *set, const struct atm_block_match *match,
                               struct pairs *pairs, struct atm_err *err) {
    size_t most = (size_t)match->spikes->first[match->spikes->images] + 1;
    pairs->z = atm_mem_alloc(most * (size_t)set->model->latent, sizeof *pairs->z);
    pairs->factors = atm_mem_alloc(most * ATM_FACTORS, sizeof *pairs->factors);
    if (!pairs->z || !pairs->factors)
        return atm_err_memory(err, "the pairs of blocks and spikes");
    for (int odd = 0; odd < 2; odd++) {
        for (ptrdiff_t n = odd; n < match->spikes->images; n += 2)
            for (ptrdiff_t s = match->spikes->first[n]; s < match->spikes->first[n + 1]; s++)
                if (match->spike[s].block >= 0)
                    add_pair(set, match, n, s, pairs);
        pairs->train = odd ? pairs->train : pairs->count;
    }
    return ATM_OK;
}

/* ---- Through the calibration ---- */

struct calibrated {
    double position_rms, position_median, amplitude_rms; /* px, px, relative */
};

/* The map gives the mass of a spot; its amplitude follows by the width of the model's atoms. */
static enum atm_status through_calibration(const struct atm_model *model, const struct pairs *pairs,
                                           struct calibrated *out, struct atm_err *err) {
    const struct atm_calibration *c = &model->calibration;
    double area = 2 * M_PI * c->sigma_px * c->sigma_px, squares = 0, relative = 0;
    double half = model->cell ? ((double)atm_model_atom_side(model) - 1) / 2 : 0;
    double *distance = atm_mem_alloc((size_t)pairs->count, sizeof *distance);
    if (!distance)
        return atm_err_memory(err, "the calibration's errors");
    for (ptrdiff_t i = 0; i < pairs->count; i++) {
        const double *v = pairs->factors + i * ATM_FACTORS;
        float z[ATM_LATENT_MAX];
        double mass, x, y;
        for (ptrdiff_t j = 0; j < model->latent; j++)
            z[j] = (float)pairs->z[i * model->latent + j];
        atm_calibration_apply(c, model->latent, z, &mass, &x, &y);
        distance[i] = hypot(x + half - v[0], y + half - v[1]);
        squares += distance[i] * distance[i];
        relative += pow(mass / area / v[2] - 1, 2);
    }
    gsl_sort(distance, 1, (size_t)pairs->count);
    *out = (struct calibrated){sqrt(squares / (double)pairs->count),
                               gsl_stats_median_from_sorted_data(distance, 1, (size_t)pairs->count),
                               sqrt(relative / (double)pairs->count)};
    atm_mem_free(distance);
    return ATM_OK;
}

/* ---- One column ---- */

struct column {
    struct atm_disentangle d;
    struct calibrated calibrated;
    double degree; /* NAN unknown */
};
struct row {
    const char *key, *label;
    size_t offset; /* of a double in struct column */
};
#define ROW(key, label, field)                                                                     \
    { key, label, offsetof(struct column, field) }
static const struct row rows[] = {
    ROW("r2_position_linear", "R^2 of position, linear in z", d.linear.position_r2),
    ROW("r2_position_polynomial", "R^2 of position, polynomial", d.polynomial.position_r2),
    ROW("r2_position_neighbours", "R^2 of position, nearest neighbours", d.neighbours.position_r2),
    ROW("r2_amplitude_linear", "R^2 of amplitude, linear in z", d.linear.amplitude_r2),
    ROW("r2_amplitude_polynomial", "R^2 of amplitude, polynomial", d.polynomial.amplitude_r2),
    ROW("r2_amplitude_neighbours", "R^2 of amplitude, nearest neighbours",
        d.neighbours.amplitude_r2),
    ROW("degree", "degree of the polynomial", degree),
    ROW("position_rms_polynomial_px", "position from z, polynomial, RMSE, px [2]",
        d.polynomial.position_rms),
    ROW("position_rms_neighbours_px", "position from z, neighbours, RMSE, px [2]",
        d.neighbours.position_rms),
    ROW("position_rms_calibration_px", "position from z, calibration, RMSE, px [2]",
        calibrated.position_rms),
    ROW("position_median_calibration_px", "position from z, calibration, median, px",
        calibrated.position_median),
    ROW("amplitude_rms_polynomial", "amplitude from z, polynomial, rms, relative",
        d.polynomial.amplitude_rms),
    ROW("amplitude_rms_neighbours", "amplitude from z, neighbours, rms, relative",
        d.neighbours.amplitude_rms),
    ROW("amplitude_rms_calibration", "amplitude from z, calibration, rms, relative",
        calibrated.amplitude_rms),
    ROW("mig", "MIG", d.mig),
    ROW("mig_x", "  of x", d.mig_factor[0]),
    ROW("mig_y", "  of y", d.mig_factor[1]),
    ROW("mig_amplitude", "  of amplitude", d.mig_factor[2]),
    ROW("sap", "SAP", d.sap),
    ROW("sap_x", "  of x", d.sap_factor[0]),
    ROW("sap_y", "  of y", d.sap_factor[1]),
    ROW("sap_amplitude", "  of amplitude", d.sap_factor[2]),
    ROW("dci_disentanglement", "DCI disentanglement", d.dci_disentanglement),
    ROW("dci_completeness", "DCI completeness", d.dci_completeness),
    ROW("dci_informativeness", "DCI informativeness", d.dci_informativeness),
};

static double row_value(const struct row *row, const struct column *column) {
    double value;
    memcpy(&value, (const char *)column + row->offset, sizeof value);
    return value;
}

static enum atm_status measure(const struct atm_model_report *r, const struct atm_block_set *set,
                               const struct atm_block_match *match, struct column *out,
                               struct atm_err *err) {
    struct pairs pairs = {0};
    enum atm_status status = collect(set, match, &pairs, err);
    const struct atm_factor_rows factor_rows = {pairs.z, pairs.factors, pairs.count, pairs.train,
                                                set->model->latent};
    *out = (struct column){.calibrated = {NAN, NAN, NAN}};
    if (!status)
        status = atm_disentangle_measure(&factor_rows, r->test->seed, &out->d, err);
    out->degree = out->d.degree ? (double)out->d.degree : NAN;
    if (!status && set->model->calibration.done && pairs.count)
        status = through_calibration(set->model, &pairs, &out->calibrated, err);
    pairs_free(&pairs);
    return status;
}

enum atm_status atm_report_latents(struct atm_model_report *r, struct atm_err *err) {
    struct atm_number_grid *grid =
        atm_report_kinds(r, "latents", "What z says of its spike (matched blocks)");
    const struct atm_block_set *sets[2] = {&r->test->raw, &r->test->refined};
    struct column columns[2];
    for (int k = 0; k < 2; k++) {
        enum atm_status status =
            r->match[k].spikes ? measure(r, sets[k], &r->match[k], &columns[k], err) : ATM_OK;
        if (status)
            return status;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double values[ATM_TEST_KINDS] = {NAN, NAN, NAN};
        for (int k = 0; k < 2; k++)
            values[k] = r->match[k].spikes ? row_value(&rows[i], &columns[k]) : NAN;
        atm_report_row(grid, rows[i].key, rows[i].label, values);
    }
    return ATM_OK;
}
