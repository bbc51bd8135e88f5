/* Two and three emitters side by side: how many are found, and how well, by their separation.
 *   separations [frames a cell, 1000] [photons, 1000] [background, 10]
 * Each frame is refined as `localize` does it, from a single seed at the centre, without and with a
 * known population. Position errors of the frames with the right count are compared with the joint
 * Cramer-Rao bound at the truth, all of it from images alone. */
#include "joint_fit.h"
#include "mem.h"
#include "refine.h"
#include "rng.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 24, PIXELS = SIDE * SIDE, MOST = 3, COUNTS = 6 };
static const double SIGMA = 1.2;

struct cell {
    int emitters;
    double separation; /* sigma */
    double photons, background;
    bool known; /* population */
};

struct result {
    ptrdiff_t found[COUNTS];    /* frames by number of emitters found */
    double square, bound, pull; /* of the frames with the right number: px^2, sums over positions */
    ptrdiff_t positions;
};

static double on_pixel(double pixel, double centre) {
    double s = M_SQRT1_2 / SIGMA;
    return 0.5 * (erf((pixel + 0.5 - centre) * s) - erf((pixel - 0.5 - centre) * s));
}

/* A pair, or an equilateral triangle, turned at random. */
static void arrange(const struct cell *c, struct atm_rng *rng, struct atm_spot *spots) {
    double turn = 2 * M_PI * atm_rng_uniform(rng), x = 0.5 * SIDE - 1 + atm_rng_uniform(rng);
    double y = 0.5 * SIDE - 1 + atm_rng_uniform(rng), distance = c->separation * SIGMA;
    double radius = c->emitters == 2 ? 0.5 * distance : distance / sqrt(3);
    for (int i = 0; i < c->emitters; i++) {
        double angle = turn + 2 * M_PI * i / c->emitters;
        spots[i] = (struct atm_spot){
            .x = x + radius * cos(angle), .y = y + radius * sin(angle), .amplitude = c->photons};
    }
}

static void expose(const struct cell *c, struct atm_rng *rng, const struct atm_spot *spots,
                   float *image, double *mean) {
    for (int p = 0; p < PIXELS; p++) {
        mean[p] = c->background;
        for (int i = 0; i < c->emitters; i++)
            mean[p] += spots[i].amplitude * on_pixel(p % SIDE, spots[i].x) *
                       on_pixel((double)(p / SIDE), spots[i].y);
        image[p] = (float)gsl_ran_poisson(&rng->gsl, mean[p]);
    }
}

/* Variances of x and y, summed over the emitters: the inverse information at the truth. */
static double bound_at(struct atm_fit *fit, const struct cell *c, const struct atm_spot *truth,
                       const double *mean) {
    static double valid[PIXELS], base[PIXELS];
    struct atm_psf psf = {&atm_psf_kinds[ATM_PSF_GAUSSIAN], SIGMA, NULL};
    struct atm_spot spots[MOST];
    double background[ATM_FIT_BACKGROUND_TERMS] = {c->background}, sum = 0;
    double variance[3 * MOST + 1], scratch[3 * MOST + 1];
    for (int p = 0; p < PIXELS; p++)
        valid[p] = 1;
    memcpy(spots, truth, sizeof spots);
    const struct atm_fit_problem problem = {.height = SIDE,
                                            .width = SIDE,
                                            .pixels = {mean, valid, mean},
                                            .base = base,
                                            .psf = &psf,
                                            .likelihood = &atm_likelihoods[ATM_LIKELIHOOD_POISSON],
                                            .x_max = SIDE,
                                            .y_max = SIDE,
                                            .background_terms = 1};
    if (atm_fit_run(fit, &problem, spots, c->emitters, background, NULL))
        return NAN;
    atm_envelope_inverse_diagonal(&fit->factor, variance, scratch);
    for (int i = 0; i < c->emitters; i++)
        sum += variance[3 * i] + variance[3 * i + 1];
    return sum;
}

/* Squared error and squared pulls of the assignment with the least error. */
static void compare(const struct cell *c, const struct atm_spot *truth, const struct atm_loc *rows,
                    struct result *r) {
    static const int orders[6][MOST] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1},
                                        {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    double least = INFINITY, pull = 0;
    for (int k = 0; k < (c->emitters == 2 ? 2 : 6); k++) {
        double sum = 0, pulls = 0;
        for (int i = 0; i < c->emitters; i++) {
            const struct atm_loc *row = &rows[orders[k][i]];
            double dx = row->x - truth[i].x, dy = row->y - truth[i].y;
            sum += dx * dx + dy * dy;
            pulls += pow(dx / row->x_unc, 2) + pow(dy / row->y_unc, 2);
        }
        if (sum < least)
            least = sum, pull = pulls;
    }
    r->square += least, r->pull += pull, r->positions += 2 * c->emitters;
}

static enum atm_status measure(struct atm_refine *refine, const struct cell *c, ptrdiff_t frames,
                               struct atm_rng *rng, struct result *r) {
    static float image[PIXELS], background[PIXELS];
    static double mean[PIXELS];
    struct atm_fit fit = {0};
    struct atm_spot truth[MOST] = {{0}};
    struct atm_table table;
    enum atm_status status = ATM_OK;
    struct atm_loc seed = atm_loc_empty();
    seed.x = seed.y = 0.5 * SIDE - 0.5, seed.photons = c->photons, seed.blocks = 1;
    atm_table_init(&table);
    for (int p = 0; p < PIXELS; p++)
        background[p] = (float)c->background;
    struct atm_refine_input input = {.image = image,
                                     .background = background,
                                     .sigma_px = SIGMA,
                                     .noise = {1, 0, 0},
                                     .seeds = &seed,
                                     .seed_count = 1};
    if (c->known)
        input.population = (struct atm_refine_population){log(c->photons), 0.1, 0.01, 0.05};
    for (ptrdiff_t t = 0; t < frames && !status; t++) {
        arrange(c, rng, truth);
        expose(c, rng, truth, image, mean);
        table.count = 0;
        status = atm_refine_frame(refine, &input, &table, NULL);
        r->found[table.count < COUNTS ? table.count : COUNTS - 1]++;
        if (table.count != c->emitters)
            continue;
        r->bound += bound_at(&fit, c, truth, mean);
        compare(c, truth, table.rows, r);
    }
    atm_fit_free(&fit);
    atm_table_free(&table);
    return status;
}

/* Prints; true when a bound below a quarter of the separation is reached within 15 %, but for four
 * standard errors. */
static bool print(const struct cell *c, ptrdiff_t frames, const struct result *r) {
    double n = (double)r->positions, rms = sqrt(r->square / n), bound = sqrt(r->bound / n);
    bool promised = bound < 0.25 * c->separation * SIGMA;
    printf("%d  %4.1f  %-5s ", c->emitters, c->separation, c->known ? "known" : "none");
    for (int k = 0; k < COUNTS; k++)
        printf(" %5.1f", 100.0 * (double)r->found[k] / (double)frames);
    if (n > 0)
        printf("  %7.4f %7.4f  %6.3f  %6.3f%s", rms, bound, rms / bound, sqrt(r->pull / n),
               promised ? "  *" : "");
    printf("\n");
    fflush(stdout);
    return !(promised && rms / bound > 1.15 + 4 / sqrt(2 * n));
}

int main(int argc, char **argv) {
    const ptrdiff_t frames = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    const double photons = argc > 2 ? strtod(argv[2], NULL) : 1000;
    const double background = argc > 3 ? strtod(argv[3], NULL) : 10;
    struct atm_refine_options options;
    struct atm_binding binding = {&atm_refine_section, &options};
    struct atm_refine *refine = NULL;
    struct atm_rng rng;
    gsl_set_error_handler_off();
    atm_ini_defaults(&binding, 1);
    options.population = ATM_REFINE_POPULATION_COUNT;
    if (frames < 1 || atm_refine_create(&options, SIDE, SIDE, &refine, NULL))
        return 2;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 5);
    printf(
        "%td frames a cell, %g photons each, background %g, sigma %g px; * bound below a quarter "
        "of the separation\nemitters, separation (sigma), population; %% of frames with 0 1 2 3 4 "
        "5+ found; rms, bound (px), ratio, pull sd of the right counts\n",
        frames, photons, background, SIGMA);
    enum atm_status status = ATM_OK;
    int out = 0;
    for (int emitters = 1; emitters <= MOST; emitters++)
        for (int known = 0; known < 2; known++)
            for (double separation = emitters == 1 ? 5 : 1; separation <= 5 && !status;
                 separation += 0.5) {
                const struct cell c = {emitters, emitters == 1 ? 0 : separation, photons,
                                       background, known};
                struct result r = {{0}, 0, 0, 0, 0};
                status = measure(refine, &c, frames, &rng, &r);
                if (!status && !print(&c, frames, &r))
                    out++;
            }
    atm_refine_destroy(&refine);
    printf("%d cells out of bounds\n", out);
    return status != ATM_OK || out > 0;
}
