/* Fits per second: single emitters by model, window and instruction set, and joint fits of groups.
 * What is timed is checked first: errors over uncertainties must have unit spread. */
#include "bench.h"
#include "fit_batch.h"
#include "joint_fit.h"
#include "mem.h"
#include "psf_spline.h"
#include "rng.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <omp.h>

enum { FITS = 65536, GROUPS = 2000, GROUP = 5, GROUP_SIDE = 15, OVERSAMPLING = 4, SAMPLES = 61 };
static const double PHOTONS = 1000, BACKGROUND = 10, SIGMA = 1.2;

struct spots {
    struct atm_batch_job job;
    float *counts, *places; /* places (FITS, 2) */
    struct atm_batch_fit *fits;
    int set;
};

static double on_pixel(double pixel, double centre) {
    double s = M_SQRT1_2 / SIGMA;
    return 0.5 * (erf((pixel + 0.5 - centre) * s) - erf((pixel - 0.5 - centre) * s));
}

static struct atm_spline *sampled_gaussian(void) {
    static float samples[SAMPLES * SAMPLES];
    struct atm_spline *spline = NULL;
    for (int i = 0; i < SAMPLES * SAMPLES; i++)
        samples[i] = (float)(on_pixel((i % SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING, 0) *
                             on_pixel((i / SAMPLES - SAMPLES / 2) / (double)OVERSAMPLING, 0));
    atm_spline_create(samples, SAMPLES, OVERSAMPLING, &spline, NULL);
    return spline;
}

static void expose(struct spots *s, ptrdiff_t window) {
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, (uint64_t)window);
    for (ptrdiff_t i = 0; i < FITS; i++) {
        double x = 0.5 * (double)(window - 1) + atm_rng_uniform(&rng) - 0.5;
        double y = 0.5 * (double)(window - 1) + atm_rng_uniform(&rng) - 0.5;
        s->places[2 * i] = (float)x, s->places[2 * i + 1] = (float)y;
        for (ptrdiff_t p = 0; p < window * window; p++)
            s->counts[i * window * window + p] = (float)gsl_ran_poisson(
                &rng.gsl, BACKGROUND + PHOTONS * on_pixel((double)(p % window), x) *
                                           on_pixel((double)(p / window), y));
    }
}

static void fit(void *context) {
    struct spots *s = context;
    atm_batch_run_on(s->set, &s->job, s->fits);
}

static double pull_sd(const struct spots *s) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < FITS; i++)
        for (int k = 0; k < 2; k++) {
            double pull =
                (double)((s->fits[i].value[k] - s->places[2 * i + k]) / s->fits[i].unc[k]);
            sum += pull * pull / (2.0 * FITS);
        }
    return sqrt(sum);
}

static int single(struct spots *s, const struct atm_psf *psf, int threads) {
    omp_set_num_threads(threads);
    for (s->set = 0; atm_batch_set(s->set); s->set++) {
        s->job.psf = psf;
        fit(s);
        double pulls = pull_sd(s), iterations = 0, seconds = bench_median(fit, s, 0.5);
        for (ptrdiff_t i = 0; i < FITS; i++)
            iterations += (double)s->fits[i].iterations / FITS;
        printf("{\"kernel\": \"fits\", \"model\": \"%s\", \"window\": %td, \"set\": \"%s\", "
               "\"threads\": %d, \"per_second\": %.0f, \"iterations\": %.2f, \"pull_sd\": %.3f}\n",
               psf->kind->name, s->job.window, atm_batch_set(s->set), threads, FITS / seconds,
               iterations, pulls);
        fflush(stdout);
        if (!(fabs(pulls - 1) < 0.05))
            return 1;
    }
    return 0;
}

/* ---- groups ---- */

struct group_case {
    double counts[GROUP_SIDE * GROUP_SIDE];
    struct atm_spot truth[GROUP];
};
struct groups {
    struct group_case *cases;
    struct atm_fit *fits; /* one a thread */
    struct atm_psf psf;
    double valid[GROUP_SIDE * GROUP_SIDE], base[GROUP_SIDE * GROUP_SIDE], square; /* of the pulls */
};

/* Four at the corners of a square and one in its middle, 2 to 3 sigma apart. */
static void expose_groups(struct groups *g) {
    static const double place[GROUP][2] = {{-2, -2}, {2, -2}, {0, 0}, {-2, 2}, {2, 2}};
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 99);
    for (ptrdiff_t c = 0; c < GROUPS; c++) {
        struct group_case *one = &g->cases[c];
        for (int i = 0; i < GROUP; i++)
            one->truth[i] = (struct atm_spot){.x = 7 + place[i][0] + atm_rng_uniform(&rng) - 0.5,
                                              .y = 7 + place[i][1] + atm_rng_uniform(&rng) - 0.5,
                                              .amplitude = PHOTONS};
        for (int p = 0; p < GROUP_SIDE * GROUP_SIDE; p++) {
            double mean = BACKGROUND;
            for (int i = 0; i < GROUP; i++)
                mean += PHOTONS * on_pixel(p % GROUP_SIDE, one->truth[i].x) *
                        on_pixel((double)(p / GROUP_SIDE), one->truth[i].y);
            one->counts[p] = gsl_ran_poisson(&rng.gsl, mean);
            g->valid[p] = 1;
        }
    }
}

static double fit_group(struct groups *g, struct atm_fit *fit, const struct group_case *one) {
    const struct atm_fit_problem problem = {.height = GROUP_SIDE,
                                            .width = GROUP_SIDE,
                                            .pixels = {one->counts, g->valid, one->counts},
                                            .base = g->base,
                                            .psf = &g->psf,
                                            .likelihood = &atm_likelihoods[ATM_LIKELIHOOD_POISSON],
                                            .x_min = -0.5,
                                            .x_max = GROUP_SIDE - 0.5,
                                            .y_min = -0.5,
                                            .y_max = GROUP_SIDE - 0.5,
                                            .background_terms = 1,
                                            .tolerance = 1e-3,
                                            .max_iterations = 40};
    struct atm_spot spots[GROUP];
    double background[ATM_FIT_BACKGROUND_TERMS] = {0.8 * BACKGROUND}, sum = 0;
    double variance[3 * GROUP + 1], scratch[3 * GROUP + 1];
    for (int i = 0; i < GROUP; i++)
        spots[i] = (struct atm_spot){
            .x = one->truth[i].x + 0.3, .y = one->truth[i].y - 0.3, .amplitude = 0.8 * PHOTONS};
    if (atm_fit_run(fit, &problem, spots, GROUP, background, NULL))
        return NAN;
    atm_envelope_inverse_diagonal(&fit->factor, variance, scratch);
    for (int i = 0; i < GROUP; i++)
        sum += pow(spots[i].x - one->truth[i].x, 2) / variance[3 * i] / GROUP;
    return sum;
}

static void all_groups(void *context) {
    struct groups *g = context;
    double sum = 0;
#pragma omp parallel for schedule(dynamic, 16) reduction(+ : sum)
    for (ptrdiff_t c = 0; c < GROUPS; c++)
        sum += fit_group(g, &g->fits[omp_get_thread_num()], &g->cases[c]) / GROUPS;
    g->square = sum;
}

static void groups(int threads) {
    struct groups g = {.cases = atm_mem_alloc(GROUPS, sizeof *g.cases),
                       .fits = atm_mem_alloc((size_t)threads, sizeof *g.fits),
                       .psf = {&atm_psf_kinds[ATM_PSF_GAUSSIAN], SIGMA, NULL}};
    omp_set_num_threads(threads);
    if (g.cases && g.fits) {
        expose_groups(&g);
        double seconds = bench_median(all_groups, &g, 0.5);
        printf("{\"kernel\": \"group_fits\", \"emitters\": %d, \"window\": %d, \"threads\": %d, "
               "\"per_second\": %.0f, \"pull_sd\": %.3f}\n",
               GROUP, GROUP_SIDE, threads, GROUPS / seconds, sqrt(g.square));
        for (int t = 0; t < threads; t++)
            atm_fit_free(&g.fits[t]);
    }
    atm_mem_free(g.cases);
    atm_mem_free(g.fits);
}

int main(int argc, char **argv) {
    static const ptrdiff_t windows[] = {7, 9, 11, 15};
    const ptrdiff_t only = argc > 1 ? strtol(argv[1], NULL, 10) : 0; /* a window */
    const int threads = omp_get_max_threads();
    size_t pixels = ATM_BATCH_WINDOW_MAX * ATM_BATCH_WINDOW_MAX;
    struct spots s = {.counts = atm_mem_alloc(FITS * pixels, sizeof(float)),
                      .places = atm_mem_alloc((size_t)FITS * 2, sizeof(float)),
                      .fits = atm_mem_alloc(FITS, sizeof *s.fits)};
    struct atm_spline *spline = sampled_gaussian();
    int failed = !s.counts || !s.places || !s.fits || !spline;
    for (size_t w = 0; w < sizeof windows / sizeof *windows && !failed; w++) {
        if (only && windows[w] != only)
            continue;
        expose(&s, windows[w]);
        s.job = (struct atm_batch_job){.count = FITS, .window = windows[w], .counts = s.counts};
        for (int kind = 0; kind < ATM_PSF_KINDS && !failed; kind++) {
            const struct atm_psf psf = {&atm_psf_kinds[kind], SIGMA,
                                        kind == ATM_PSF_SPLINE ? spline : NULL};
            failed = single(&s, &psf, threads) || (threads > 1 && single(&s, &psf, 1));
        }
    }
    groups(threads);
    if (threads > 1)
        groups(1);
    atm_spline_destroy(&spline);
    atm_mem_free(s.counts);
    atm_mem_free(s.places);
    atm_mem_free(s.fits);
    return failed;
}
