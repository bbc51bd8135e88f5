/* Windows with one emitter each, as cameras see them: for tests and measurements of single fits.
 * Independent of the PSF code under test. */
#ifndef SPOTS_CASE_H
#define SPOTS_CASE_H

#include "fit_batch.h"
#include "joint_fit.h"
#include "mem.h"
#include "rng.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdbool.h>

struct spots_truth {
    double photons, background, sigma, ratio; /* sy = ratio * sigma */
};

/* counts = photons / gain + floor / gain^2, which is how the refinement loads images. */
struct spots_camera {
    const char *name;
    double gain;       /* 1, or 2 with electron multiplication */
    double read_noise; /* e-, before multiplication */
    bool varies;       /* read noise by pixel: log-normal around it, as of an sCMOS */
    int likelihood;
};

struct spots {
    ptrdiff_t count, window;
    float *counts, *shift; /* (count, window, window) */
    float *places;         /* (count, 2): true x, y */
    struct atm_batch_fit *fits;
};

static inline bool spots_create(struct spots *s, ptrdiff_t count, ptrdiff_t window) {
    size_t n = (size_t)count, pixels = (size_t)(window * window);
    *s = (struct spots){.count = count,
                        .window = window,
                        .counts = atm_mem_alloc(n * pixels, sizeof(float)),
                        .shift = atm_mem_alloc(n * pixels, sizeof(float)),
                        .places = atm_mem_alloc(2 * n, sizeof(float)),
                        .fits = atm_mem_alloc(n, sizeof *s->fits)};
    return s->counts && s->shift && s->places && s->fits;
}

static inline void spots_free(struct spots *s) {
    atm_mem_free(s->counts);
    atm_mem_free(s->shift);
    atm_mem_free(s->places);
    atm_mem_free(s->fits);
}

static inline double spots_on_pixel(double pixel, double centre, double sigma) {
    double s = M_SQRT1_2 / sigma;
    return 0.5 * (erf((pixel + 0.5 - centre) * s) - erf((pixel - 0.5 - centre) * s));
}

/* What a pixel with this many photons on average shows, in photons. Electron multiplication: a
 * Gamma distribution of as many electrons (Basden et al. 2003,
 * doi:10.1046/j.1365-8711.2003.07020.x), in units of its gain. */
static inline double spots_expose(struct atm_rng *rng, const struct spots_camera *camera,
                                  double mean, double read_noise) {
    double electrons = gsl_ran_poisson(&rng->gsl, mean);
    if (camera->gain > 1 && electrons > 0)
        electrons = gsl_ran_gamma(&rng->gsl, electrons, 1);
    return electrons + (read_noise > 0 ? gsl_ran_gaussian(&rng->gsl, read_noise) : 0);
}

/* Emitters anywhere within the middle pixel; noise-free where rng is NULL. */
static inline void spots_fill(struct spots *s, const struct spots_truth *truth,
                              const struct spots_camera *camera, struct atm_rng *rng) {
    double middle = 0.5 * (double)(s->window - 1);
    for (ptrdiff_t i = 0; i < s->count; i++) {
        double x = middle + (rng ? atm_rng_uniform(rng) - 0.5 : 0.385);
        double y = middle + (rng ? atm_rng_uniform(rng) - 0.5 : -0.21);
        s->places[2 * i] = (float)x, s->places[2 * i + 1] = (float)y;
        for (ptrdiff_t p = 0; p < s->window * s->window; p++) {
            ptrdiff_t at = i * s->window * s->window + p;
            double mean =
                truth->background +
                truth->photons * spots_on_pixel((double)(p % s->window), x, truth->sigma) *
                    spots_on_pixel((double)(p / s->window), y, truth->ratio * truth->sigma);
            double read = camera->read_noise;
            if (camera->varies && rng)
                read *= exp(0.5 * gsl_ran_gaussian(&rng->gsl, 1));
            double value = rng ? spots_expose(rng, camera, mean, read) : mean;
            s->shift[at] = (float)(read * read / (camera->gain * camera->gain));
            s->counts[at] = (float)(value / camera->gain) + s->shift[at];
        }
    }
}

/* A window of a job as a problem of the joint fit, in double precision. Its arrays are this
 * function's until its next call. */
static inline struct atm_fit_problem spots_problem(const struct atm_batch_job *job,
                                                   ptrdiff_t index) {
    enum { MOST = ATM_BATCH_WINDOW_MAX * ATM_BATCH_WINDOW_MAX };
    static double counts[MOST], valid[MOST], base[MOST], ones[MOST];
    const ptrdiff_t n = job->window;
    for (ptrdiff_t i = 0; i < n * n; i++) {
        const double value = (double)job->counts[index * n * n + i];
        valid[i] = isfinite(value), counts[i] = valid[i] > 0 ? value : 0;
        base[i] = (double)job->shift[index * n * n + i], ones[i] = 1;
    }
    return (struct atm_fit_problem){.height = n,
                                    .width = n,
                                    .pixels = {counts, valid, ones},
                                    .base = base,
                                    .psf = job->psf,
                                    .likelihood = &atm_likelihoods[job->likelihood],
                                    .x_min = -0.5,
                                    .x_max = (double)n - 0.5,
                                    .y_min = -0.5,
                                    .y_max = (double)n - 0.5,
                                    .background_terms = 1,
                                    .tolerance = 1e-9,
                                    .max_iterations = 200};
}

static inline struct atm_batch_job spots_job(const struct spots *s, const struct atm_psf *psf,
                                             int likelihood) {
    return (struct atm_batch_job){.count = s->count,
                                  .window = s->window,
                                  .counts = s->counts,
                                  .shift = s->shift,
                                  .psf = psf,
                                  .likelihood = likelihood};
}

#endif
