/* Calibration without truth: render atoms of the latents that the training data use, measure their
 * mass, position and width, and fit one polynomial map z -> (mass, x, y) for all blocks (DESIGN.md
 * 6). */
#include "localize.h"
#include "mem.h"
#include "polynomial.h"
#include "spot.h"

#include <gsl/gsl_multifit.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

static const struct atm_key calibrate_keys[] = {
    ATM_KEY(struct atm_calibrate_options, samples, INT, "4000", 50, 100000, "", "blocks measured"),
    ATM_KEY(struct atm_calibrate_options, max_degree, INT, "7", 1, 8, "",
            "highest degree of the map; the best up to this on held-out blocks is used"),
};
const struct atm_section atm_calibrate_section = {
    "calibrate", "map from a block's numbers to amplitude and position, from rendered atoms",
    calibrate_keys, sizeof calibrate_keys / sizeof *calibrate_keys};

/* ---- The sample ---- */

struct sample {
    ptrdiff_t count;
    double *z; /* (count, d0), as the network gives it */
    struct atm_spot_moments *atoms;
};

static void sample_free(struct sample *sample) {
    atm_mem_free(sample->z);
    atm_mem_free(sample->atoms);
}

/* Measure evenly spread latents. Positions come relative
 * to the cell centre for convolutional models. */
static enum atm_status measure_sample(const struct atm_model *model, ptrdiff_t wanted,
                                      struct sample *sample, struct atm_err *err) {
    ptrdiff_t d = model->latent, side = atm_model_atom_side(model);
    ptrdiff_t n = wanted < model->latent_count ? wanted : model->latent_count;
    float *latents = atm_mem_alloc((size_t)(n * d), sizeof *latents);
    float *images = atm_mem_alloc((size_t)(n * side * side), sizeof *images);
    sample->z = atm_mem_alloc((size_t)(n * d), sizeof *sample->z);
    sample->atoms = atm_mem_alloc((size_t)n, sizeof *sample->atoms);
    enum atm_status status = latents && images && sample->z && sample->atoms
                                 ? ATM_OK
                                 : atm_err_memory(err, "calibration");
    for (ptrdiff_t i = 0; !status && i < n; i++)
        memcpy(latents + i * d, model->latents + i * model->latent_count / n * d,
               (size_t)d * sizeof *latents);
    if (!status)
        status = atm_model_render_atoms(model, n, latents, images, err);
    double centre = model->cell ? ((double)side - 1) / 2 : 0;
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        struct atm_spot_window window = {images + i * side * side, side, 0, 0, side, side};
        struct atm_spot_moments m;
        atm_spot_measure(&window, &m);
        m.x -= centre, m.y -= centre;
        for (ptrdiff_t j = 0; j < d; j++)
            sample->z[sample->count * d + j] = (double)latents[i * d + j];
        sample->atoms[sample->count++] = m;
    }
    atm_mem_free(latents);
    atm_mem_free(images);
    return status;
}

static void standardisation(struct atm_calibration *c, const struct sample *sample, ptrdiff_t d) {
    for (ptrdiff_t j = 0; j < d; j++) {
        const double *column = sample->z + j;
        size_t n = (size_t)sample->count, stride = (size_t)d;
        c->mean[j] = gsl_stats_mean(column, stride, n);
        double sd = gsl_stats_sd_m(column, stride, n, c->mean[j]);
        c->scale[j] = sd > 0 ? sd : 1;
        gsl_stats_minmax(&c->low[j], &c->high[j], column, stride, n);
    }
}

/* ---- Fitting ---- */

/* Every fifth sample is held out. */
static bool held_out(ptrdiff_t i) { return i % 5 == 4; }

static double target(const struct atm_spot_moments *m, int k) {
    return k == 0 ? m->mass : k == 1 ? m->x : m->y;
}

/* The position of a faint block matters little and is ill-defined. */
static double position_weight(const struct atm_spot_moments *m) {
    return m->compact ? fmax(m->mass, 0) : 0;
}

/* Rows of monomials (samples not held out, terms). */
static void fill_terms(const struct atm_calibration *c, const struct sample *sample, int d,
                       gsl_matrix *x) {
    size_t row = 0;
    for (ptrdiff_t i = 0; i < sample->count; i++) {
        if (held_out(i))
            continue;
        double values[ATM_POLYNOMIAL_TERMS], standard[ATM_LATENT_MAX];
        for (int j = 0; j < d; j++)
            standard[j] = (sample->z[i * d + j] - c->mean[j]) / c->scale[j];
        atm_polynomial_terms(d, c->degree, standard, values);
        for (int j = 0; j < c->terms; j++)
            gsl_matrix_set(x, row, (size_t)j, values[j]);
        row++;
    }
}

/* Weighted least squares of one degree into c->coefficients, from the samples not held out. */
static enum atm_status fit_degree(struct atm_calibration *c, const struct sample *sample, int d,
                                  struct atm_err *err) {
    size_t rows = 0, terms = (size_t)c->terms;
    for (ptrdiff_t i = 0; i < sample->count; i++)
        rows += !held_out(i);
    gsl_matrix *x = gsl_matrix_alloc(rows, terms), *cov = gsl_matrix_alloc(terms, terms);
    gsl_vector *y = gsl_vector_alloc(rows), *w = gsl_vector_alloc(rows);
    gsl_vector *beta = gsl_vector_alloc(terms);
    gsl_multifit_linear_workspace *work = gsl_multifit_linear_alloc(rows, terms);
    enum atm_status status =
        x && cov && y && w && beta && work ? ATM_OK : atm_err_memory(err, "calibration");
    if (!status)
        fill_terms(c, sample, d, x);
    for (int k = 0; !status && k < 3; k++) {
        size_t row = 0;
        for (ptrdiff_t i = 0; i < sample->count; i++) {
            if (held_out(i))
                continue;
            gsl_vector_set(y, row, target(&sample->atoms[i], k));
            gsl_vector_set(w, row++, k ? position_weight(&sample->atoms[i]) : 1);
        }
        double chisq;
        if (gsl_multifit_wlinear(x, w, y, beta, cov, &chisq, work))
            status = atm_err_set(err, ATM_FAIL, "calibration: the least-squares fit failed");
        for (size_t j = 0; !status && j < terms; j++)
            c->coefficients[(size_t)k * terms + j] = gsl_vector_get(beta, j);
    }
    gsl_multifit_linear_free(work);
    gsl_vector_free(beta);
    gsl_vector_free(w);
    gsl_vector_free(y);
    gsl_matrix_free(cov);
    gsl_matrix_free(x);
    return status;
}

/* Median mass or sigma of the compact atoms that have at least `least` mass; NAN if there are none.
 */
static double median_of(const struct sample *sample, bool sigma, double least) {
    double *values = atm_mem_alloc((size_t)sample->count, sizeof *values);
    size_t n = 0;
    for (ptrdiff_t i = 0; values && i < sample->count; i++) {
        const struct atm_spot_moments *m = &sample->atoms[i];
        if (m->compact && m->mass >= least)
            values[n++] = sigma ? m->sigma : m->mass;
    }
    if (n)
        gsl_sort(values, 1, n);
    double median = n ? gsl_stats_median_from_sorted_data(values, 1, n) : NAN;
    atm_mem_free(values);
    return median;
}

/* Mass from which on a block counts as an atom. Silent blocks are half of the sample and next to
 * nothing beside the brightest, so their median would not do: a tenth of the largest. */
static double atom_mass(const struct sample *sample) {
    double largest = 0;
    for (ptrdiff_t i = 0; i < sample->count; i++)
        if (sample->atoms[i].compact)
            largest = fmax(largest, sample->atoms[i].mass);
    return median_of(sample, false, largest / 10) / 3;
}

/* Residuals on the held-out atoms. */
static enum atm_status assess(struct atm_calibration *c, const struct sample *sample, int d,
                              struct atm_err *err) {
    double least = atom_mass(sample), r2 = 0, m2 = 0;
    size_t n = 0, capacity = (size_t)sample->count;
    double *mapped = atm_mem_alloc(4 * capacity, sizeof *mapped);
    if (!mapped)
        return atm_err_memory(err, "calibration");
    double *measured = mapped + capacity;
    for (ptrdiff_t i = 0; i < sample->count; i++) {
        const struct atm_spot_moments *m = &sample->atoms[i];
        if (!held_out(i) || !m->compact || m->mass < least)
            continue;
        float z[ATM_LATENT_MAX];
        for (int j = 0; j < d; j++)
            z[j] = (float)sample->z[i * d + j];
        double mass, x, y;
        atm_calibration_apply(c, d, z, &mass, &x, &y);
        r2 += (x - m->x) * (x - m->x) + (y - m->y) * (y - m->y);
        m2 += (mass - m->mass) * (mass - m->mass);
        mapped[n] = mass, measured[n++] = m->mass;
    }
    c->position_rms_px = n ? sqrt(r2 / (double)n) : NAN;
    c->mass_rms = n ? sqrt(m2 / (double)n) / (3 * least) : NAN;
    c->monotone =
        n > 2 ? gsl_stats_spearman(mapped, 1, measured, 1, n, mapped + 2 * capacity) : NAN;
    atm_mem_free(mapped);
    return ATM_OK;
}

/* Atoms in the sample. */
static ptrdiff_t atom_count(const struct sample *sample) {
    double least = atom_mass(sample);
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; i < sample->count; i++)
        n += sample->atoms[i].compact && sample->atoms[i].mass >= least;
    return n;
}

/* Fit every degree that has at least five samples a coefficient; keep the best in position. */
static enum atm_status fit_map(struct atm_calibration *best, const struct sample *sample, int d,
                               int64_t max_degree, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int degree = 1; !status && degree <= max_degree; degree++) {
        struct atm_calibration c = *best;
        c.degree = degree;
        c.terms = atm_calibration_terms(d, degree);
        if (!c.terms || 5 * c.terms > sample->count)
            break;
        c.coefficients = atm_mem_alloc(3 * (size_t)c.terms, sizeof(double));
        status =
            c.coefficients ? fit_degree(&c, sample, d, err) : atm_err_memory(err, "calibration");
        if (!status)
            status = assess(&c, sample, d, err);
        bool better = !status && (!best->done || c.position_rms_px < best->position_rms_px);
        c.done = true;
        atm_mem_free(better ? best->coefficients : c.coefficients);
        if (better)
            *best = c;
    }
    return status;
}

enum atm_status atm_calibrate_model(struct atm_model *model,
                                    const struct atm_calibrate_options *options,
                                    struct atm_err *err) {
    struct sample sample = {0};
    struct atm_calibration c = {0};
    if (!model->latent_count)
        return atm_err_set(err, ATM_FAIL,
                           "the model holds no sample of latents to calibrate "
                           "with: finish its training first");
    enum atm_status status = measure_sample(model, (ptrdiff_t)options->samples, &sample, err);
    if (!status && atom_count(&sample) < 50)
        status = atm_err_set(err, ATM_FAIL,
                             "calibration: only %td blocks look like an atom; train longer, or on "
                             "a movie with more emitters",
                             atom_count(&sample));
    if (!status) {
        standardisation(&c, &sample, model->latent);
        c.sigma_px = median_of(&sample, true, atom_mass(&sample));
        c.samples = atom_count(&sample);
        status = fit_map(&c, &sample, (int)model->latent, options->max_degree, err);
    }
    if (!status && !c.done)
        status = atm_err_set(err, ATM_FAIL, "calibration: too few samples for a map");
    if (status) {
        atm_mem_free(c.coefficients);
    } else {
        atm_mem_free(model->calibration.coefficients);
        model->calibration = c;
    }
    sample_free(&sample);
    return status;
}
