/* Do single fits reach the information limit? Cell by cell: photons x background x sigma x camera.
 *   monte_carlo [spots a cell, 20000] [PSF model, gaussian] [short]
 * Spread over the bound, no fit left out; the bound is the sandwich of the likelihood used, the
 * exact distribution's beside it. Fails when a cell with a bound below 0.3 px leaves 0.97 .. 1.06
 * (or bias 0.01 px, or 1 % of failed fits) by more than four standard errors. Such a cell also says
 * how far the greatest likelihood itself is spread, by joint fits in double precision from the
 * truth: where photons are few its tails are longer than the bound's, whatever finds it. */
#include "spots_case.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_sf_bessel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 16, PIXELS = ATM_BATCH_WINDOW_MAX * ATM_BATCH_WINDOW_MAX, MOST = ATM_BATCH_VALUES };

static const struct spots_camera cameras[] = {
    {"poisson", 1, 0, false, ATM_LIKELIHOOD_POISSON},
    {"read_noise", 1, 1.6, false, ATM_LIKELIHOOD_POISSON},
    {"scmos", 1, 1.6, true, ATM_LIKELIHOOD_POISSON},
    {"em_gain", 2, 0, false, ATM_LIKELIHOOD_POISSON},
    {"least_squares", 1, 0, false, ATM_LIKELIHOOD_LEAST_SQUARES},
};
enum { CAMERAS = sizeof cameras / sizeof *cameras };

/* ---- Fisher information of the expected photons of one pixel, exact ---- */

/* Poisson + normal: the mixture and its derivative, summed over counts, integrated over values. */
static double information_read(double mean, double read) {
    if (read <= 0 || mean > 300)
        return 1 / (mean + read * read);
    double information = 0, step = read / 8;
    int most = (int)(mean + 10 * sqrt(mean) + 20);
    for (double v = -6 * read; v < most + 6 * read; v += step) {
        double p = 0, slope = 0;
        int from = (int)fmax(0, floor(v - 7 * read)), to = (int)fmin(most, ceil(v + 7 * read));
        for (int k = from; k <= to; k++) {
            double bell = gsl_ran_gaussian_pdf(v - k, read);
            double here = gsl_ran_poisson_pdf((unsigned)k, mean);
            p += here * bell, slope += here * ((double)k / mean - 1) * bell;
        }
        information += p > 1e-300 ? step * slope * slope / p : 0;
    }
    return information;
}

/* Electron multiplication: p(v) = exp(-mean - v) sqrt(mean / v) I1(2 sqrt(mean v)), and nothing at
 * all with exp(-mean); the score is sqrt(v / mean) I0 / I1 - 1. In v = u^2. */
static double information_gain(double mean) {
    if (mean > 300)
        return 1 / (2 * mean);
    double information = exp(-mean), most = sqrt(mean + 14 * sqrt(2 * mean) + 60),
           step = most / 4000;
    for (double u = 0.5 * step; u < most; u += step) {
        double z = 2 * sqrt(mean) * u, i1 = gsl_sf_bessel_I1_scaled(z);
        double p = exp(-mean - u * u + z) * sqrt(mean) / u * i1;
        double score = u / sqrt(mean) * gsl_sf_bessel_I0_scaled(z) / i1 - 1;
        information += step * 2 * u * p * score * score;
    }
    return information;
}

static double exact_information(const struct spots_camera *camera, double mean, double read) {
    return camera->gain > 1 ? information_gain(mean) : information_read(mean, read);
}

/* ---- Bounds ---- */

struct bound {
    double used[MOST], exact[MOST]; /* variances; photons and pixels */
};

static void invert(double *matrix, int n) {
    gsl_matrix_view view = gsl_matrix_view_array(matrix, (size_t)n, (size_t)n);
    if (gsl_linalg_cholesky_decomp1(&view.matrix) || gsl_linalg_cholesky_invert(&view.matrix))
        for (int i = 0; i < n * n; i++)
            matrix[i] = INFINITY;
}

/* Of one place: J = sum w c c', K = sum w^2 c c' variance, both with what the fit believes in. */
static void add_bound(const struct spots *s, ptrdiff_t index, const struct spots_truth *t,
                      const struct spots_camera *camera, const struct atm_psf *psf, bool exact,
                      struct bound *bound) {
    const ptrdiff_t n = s->window, pixels = n * n;
    const int shape = atm_psf_parameters(psf), size = shape + 1;
    static double planes[MOST][PIXELS];
    double j[MOST * MOST] = {0}, k[MOST * MOST] = {0}, e[MOST * MOST] = {0};
    struct atm_patch patch = {.nx = n, .ny = n, .stride = n};
    const struct atm_spot spot = {(double)s->places[2 * index], (double)s->places[2 * index + 1],
                                  t->photons, t->sigma, t->sigma * t->ratio};
    for (int p = 0; p < shape; p++)
        patch.plane[p] = planes[p];
    psf->kind->fill(psf, &spot, &patch);
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double mean = t->background + t->photons * planes[ATM_SPOT_AMPLITUDE][i], column[MOST];
        double floor = (double)s->shift[index * pixels + i] * camera->gain * camera->gain;
        double variance = camera->gain * mean + floor; /* of photons */
        bool squares = camera->likelihood == ATM_LIKELIHOOD_LEAST_SQUARES;
        double weight = squares ? 1 : 1 / variance;
        double known = exact ? exact_information(camera, mean, sqrt(floor)) : 0;
        for (int p = 0; p < size; p++)
            column[p] = p == shape ? 1 : planes[p][i] * (p == ATM_SPOT_AMPLITUDE ? 1 : t->photons);
        for (int p = 0; p < size * size; p++) {
            double product = column[p / size] * column[p % size];
            j[p] += weight * product, k[p] += weight * weight * variance * product;
            e[p] += known * product;
        }
    }
    invert(j, size);
    if (exact)
        invert(e, size);
    for (int p = 0; p < size; p++) {
        int to = p == shape ? ATM_BATCH_BACKGROUND : p;
        for (int a = 0; a < size * size; a++)
            bound->used[to] += j[p * size + a / size] * k[a] * j[a % size * size + p] / PLACES;
        bound->exact[to] += e[p * size + p] / PLACES;
    }
}

/* ---- One cell ---- */

struct tally {
    double bias[2], ratio[3]; /* of x, y, photons */
    double failed, bound, exact;
};

static struct tally measure(struct spots *s, const struct spots_truth *t,
                            const struct spots_camera *camera, const struct atm_psf *psf,
                            bool exact, struct atm_rng *rng) {
    struct bound bound = {{0}, {0}};
    struct tally tally = {{0}, {0}, 0, 0, 0};
    double n = (double)s->count, square[3] = {0}, mean[3] = {0};
    spots_fill(s, t, camera, rng);
    for (ptrdiff_t i = 0; i < PLACES; i++)
        add_bound(s, i, t, camera, psf, exact, &bound);
    struct atm_batch_job job = spots_job(s, psf, camera->likelihood);
    atm_batch_run(&job, s->fits);
    for (ptrdiff_t i = 0; i < s->count; i++) {
        const struct atm_batch_fit *f = &s->fits[i];
        const double error[3] = {(double)(f->value[0] - s->places[2 * i]),
                                 (double)(f->value[1] - s->places[2 * i + 1]),
                                 (double)f->value[2] * camera->gain - t->photons};
        for (int k = 0; k < 3; k++)
            mean[k] += error[k] / n, square[k] += error[k] * error[k] / n;
        tally.failed += (f->flags & (ATM_BATCH_NOT_CONVERGED | ATM_BATCH_AT_BOUND)) != 0;
    }
    tally.failed /= n;
    for (int k = 0; k < 3; k++)
        tally.ratio[k] = sqrt((square[k] - mean[k] * mean[k]) / bound.used[k]);
    tally.bias[0] = mean[0], tally.bias[1] = mean[1];
    tally.bound = sqrt(bound.used[0]), tally.exact = sqrt(bound.exact[0]);
    return tally;
}

/* Spread of x over the bound when every fit is the better of the given one and a joint one in
 * double precision that starts from the truth. */
static double maximum_ratio(const struct spots *s, const struct spots_truth *t,
                            const struct spots_camera *camera, const struct atm_psf *psf,
                            double bound) {
    const struct atm_batch_job job = spots_job(s, psf, camera->likelihood);
    struct atm_fit fit = {0};
    double square = 0;
    for (ptrdiff_t i = 0; i < s->count; i++) {
        double background[ATM_FIT_BACKGROUND_TERMS] = {t->background / camera->gain};
        const float *place = s->places + 2 * i;
        struct atm_spot spot = {(double)place[0], (double)place[1], t->photons / camera->gain,
                                t->sigma, t->sigma * t->ratio};
        const struct atm_fit_problem problem = spots_problem(&job, i);
        if (atm_fit_run(&fit, &problem, &spot, 1, background, NULL))
            break;
        bool better = fit.deviance < (double)s->fits[i].deviance;
        double error = (better ? spot.x : (double)s->fits[i].value[0]) - (double)place[0];
        square += error * error / (double)s->count;
    }
    atm_fit_free(&fit);
    return sqrt(square) / bound;
}

static bool holds(const struct tally *t, double n) {
    if (t->bound > 0.3)
        return true; /* not promised */
    double slack = 4 / sqrt(2 * n), most = 0.01 + 4 * t->bound / sqrt(n);
    bool good = t->failed < 0.01 + 4 * sqrt(0.01 / n);
    for (int k = 0; k < 2; k++)
        good = good && t->ratio[k] > 0.97 - slack && t->ratio[k] < 1.06 + slack &&
               fabs(t->bias[k]) < most;
    return good;
}

static int cell(ptrdiff_t spots, const struct spots_truth *t, const struct spots_camera *camera,
                const struct atm_psf_kind *kind, bool exact, uint64_t stream) {
    const double span = ceil(3 * t->sigma);
    const ptrdiff_t window = (ptrdiff_t)fmin(2 * span + 1, ATM_BATCH_WINDOW_MAX);
    const struct atm_psf psf = {kind, t->sigma, NULL};
    struct atm_rng rng;
    struct spots s;
    atm_rng_init(&rng, 7, ATM_RNG_TEST, stream);
    if (!spots_create(&s, spots, window)) {
        spots_free(&s);
        return 1;
    }
    struct tally m = measure(&s, t, camera, &psf, exact, &rng);
    bool good = holds(&m, (double)spots);
    double maximum = good || camera->likelihood != ATM_LIKELIHOOD_POISSON
                         ? 0
                         : maximum_ratio(&s, t, camera, &psf, m.bound);
    spots_free(&s);
    printf("%-13s %6.0f %6.1f %5.1f  %2td  %8.4f ", camera->name, t->photons, t->background,
           t->sigma, window, m.bound);
    printf(exact ? "%8.4f" : "       -", m.exact);
    printf("  %6.3f %6.3f %6.3f  %8.4f %8.4f  %6.2f  %s", m.ratio[0], m.ratio[1], m.ratio[2],
           m.bias[0], m.bias[1], 100 * m.failed,
           m.bound > 0.3 ? "(bound above 0.3 px)"
           : good        ? "ok"
                         : "OUT");
    printf(maximum > 0 ? " (x of the greatest likelihood itself: %.3f)\n" : "\n", maximum);
    fflush(stdout);
    return !good;
}

int main(int argc, char **argv) {
    static const double photons[] = {100, 300, 1000, 5000, 20000},
                        backgrounds[] = {0.5, 5, 50, 200};
    static const double sigmas[] = {0.9, 1.3, 1.8, 2.5};
    const ptrdiff_t spots = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
    const bool brief = argc > 3 && strcmp(argv[3], "short") == 0;
    const struct atm_psf_kind *kind = NULL;
    int out = 0;
    uint64_t stream = 0;
    for (int k = 0; k < ATM_PSF_SPLINE; k++)
        if (strcmp(atm_psf_kinds[k].name, argc > 2 ? argv[2] : "gaussian") == 0)
            kind = &atm_psf_kinds[k];
    if (!kind || spots < PLACES) {
        fprintf(stderr, "usage: monte_carlo [spots] [gaussian|gaussian_round|gaussian_elliptic]\n");
        return 2;
    }
    gsl_set_error_handler_off();
    printf("%s, %td spots a cell; sd / bound of x, y, photons; bias in px; failed in %%\n"
           "camera       photon backgr sigma window  bound    exact       x      y      N    "
           "bias x   bias y  failed\n",
           kind->name, spots);
    for (int c = 0; c < CAMERAS; c++)
        for (int i = 0; i < 4 * 4 * 5; i++) {
            const struct spots_truth t = {photons[i / 16], backgrounds[i / 4 % 4], sigmas[i % 4],
                                          1};
            stream++;
            if (!brief || i % 7 == 3)
                out += cell(spots, &t, &cameras[c], kind,
                            !brief && cameras[c].gain + cameras[c].read_noise > 1, stream);
        }
    printf("%d cells out of bounds\n", out);
    return out > 0;
}
