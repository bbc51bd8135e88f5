/* What the tests of refinement share: frames with known emitters, the seeds that a network would
 * give, and checks that every result must pass. To be included after cmocka. */
#ifndef REFINE_CASE_H
#define REFINE_CASE_H

#include "refine.h"
#include "rng.h"
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdbool.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { SIDE = 32, TRUTH_MAX = 400, FRAME_MAX = 160 * 160 };

struct frame {
    ptrdiff_t height, width;
    double sigma, background, zero, gain;
    struct atm_loc truth[TRUTH_MAX], seeds[2 * TRUTH_MAX];
    ptrdiff_t truth_count, seed_count;
    float image[FRAME_MAX], floor[FRAME_MAX];
};

static inline struct atm_loc at(double x, double y, double photons) {
    struct atm_loc loc = atm_loc_empty();
    loc.x = x, loc.y = y, loc.photons = photons, loc.blocks = 1;
    return loc;
}

static inline void clear(struct frame *f, ptrdiff_t height, ptrdiff_t width) {
    f->height = height, f->width = width;
    f->sigma = 1.09, f->background = 20, f->zero = 0, f->gain = 1;
    f->truth_count = f->seed_count = 0;
}

static inline void add(struct frame *f, double x, double y, double photons) {
    f->truth[f->truth_count++] = at(x, y, photons);
}

/* Expected image, then shot noise unless rng is NULL, then gain and zero. The start background is
 * 15 % off. */
static inline void expose(struct frame *f, struct atm_rng *rng) {
    double s = 1 / (sqrt(2) * f->sigma);
    for (ptrdiff_t i = 0; i < f->height * f->width; i++) {
        double x = (double)(i % f->width), y = (double)(i / f->width), mean = f->background;
        for (ptrdiff_t k = 0; k < f->truth_count; k++) {
            const struct atm_loc *t = &f->truth[k];
            if (fabs(x - t->x) > 8 * f->sigma || fabs(y - t->y) > 8 * f->sigma)
                continue;
            mean += 0.25 * t->photons * (erf((x + 0.5 - t->x) * s) - erf((x - 0.5 - t->x) * s)) *
                    (erf((y + 0.5 - t->y) * s) - erf((y - 0.5 - t->y) * s));
        }
        double value = rng ? gsl_ran_poisson(&rng->gsl, mean) : mean;
        f->image[i] = (float)(value * f->gain + f->zero);
        f->floor[i] = (float)(0.85 * f->background * f->gain + f->zero);
    }
}

static inline void scatter(struct frame *f, struct atm_rng *rng, double per_px, double photons,
                           double log_sd) {
    unsigned count = gsl_ran_poisson(&rng->gsl, per_px * (double)(f->height * f->width));
    for (unsigned i = 0; i < count && i < TRUTH_MAX; i++) {
        double x = atm_rng_uniform(rng) * (double)f->width - 0.5;
        double y = atm_rng_uniform(rng) * (double)f->height - 0.5;
        add(f, x, y, photons * exp(log_sd * gsl_ran_gaussian(&rng->gsl, 1)));
    }
}

/* What a network gives: errors of 0.6 px, one in ten missing, one in ten twice. */
static inline void seed(struct frame *f, struct atm_rng *rng) {
    for (ptrdiff_t i = 0; i < f->truth_count; i++) {
        double chance = atm_rng_uniform(rng);
        for (int k = chance < 0.1 ? 0 : chance < 0.2 ? 2 : 1; k > 0; k--)
            f->seeds[f->seed_count++] = at(f->truth[i].x + gsl_ran_gaussian(&rng->gsl, 0.42),
                                           f->truth[i].y + gsl_ran_gaussian(&rng->gsl, 0.42),
                                           f->truth[i].photons * f->gain / (chance < 0.2 ? 2 : 1));
    }
}

static inline struct atm_refine_input input_of(const struct frame *f) {
    return (struct atm_refine_input){
        .image = f->image,
        .background = f->floor,
        .sigma_px = f->sigma,
        .noise = {f->gain, f->zero, 0},
        .seeds = f->seeds,
        .seed_count = f->seed_count,
        .frame = 3,
    };
}

static inline struct atm_refine_options defaults(void) {
    struct atm_refine_options options;
    struct atm_binding binding = {&atm_refine_section, &options};
    atm_ini_defaults(&binding, 1);
    return options;
}

static inline void refine_with(const struct atm_refine_options *options,
                               const struct atm_refine_input *in, ptrdiff_t height, ptrdiff_t width,
                               struct atm_table *table) {
    struct atm_refine *refine;
    struct atm_err err = {0};
    atm_table_init(table);
    assert_int_equal(atm_refine_create(options, height, width, &refine, &err), ATM_OK);
    assert_int_equal(atm_refine_frame(refine, in, table, &err), ATM_OK);
    const float *model = atm_refine_model(refine);
    for (ptrdiff_t i = 0; i < height * width; i++)
        assert_true(isfinite(model[i]));
    atm_refine_destroy(&refine);
    for (ptrdiff_t i = 0; i < table->count; i++) {
        const struct atm_loc *l = &table->rows[i];
        assert_true(isfinite(l->x_unc + l->y_unc + l->photons_unc + l->background_unc + l->llr +
                             l->chi2 + l->background) &&
                    l->photons > 0);
        assert_true(l->x >= -0.5 && l->x <= (double)width - 0.5 && l->y >= -0.5 &&
                    l->y <= (double)height - 0.5);
    }
}

static inline void refine_frame(const struct frame *f, struct atm_table *table) {
    struct atm_refine_options options = defaults();
    struct atm_refine_input in = input_of(f);
    refine_with(&options, &in, f->height, f->width, table);
}

/* Truth with a row nearer than reach, each row used once. */
static inline ptrdiff_t found(const struct frame *f, const struct atm_table *table, double reach) {
    ptrdiff_t hits = 0;
    bool used[2 * TRUTH_MAX] = {false};
    for (ptrdiff_t i = 0; i < f->truth_count; i++) {
        ptrdiff_t best = -1;
        double nearest = reach;
        for (ptrdiff_t k = 0; k < table->count; k++) {
            double d = hypot(table->rows[k].x - f->truth[i].x, table->rows[k].y - f->truth[i].y);
            if (!used[k] && d < nearest)
                nearest = d, best = k;
        }
        if (best >= 0)
            used[best] = true, hits++;
    }
    return hits;
}

static struct frame frame; /* too large for the stack */
static struct atm_rng rng;

static inline int start(void **state) {
    (void)state;
    atm_rng_init(&rng, 7, ATM_RNG_TEST, 77);
    clear(&frame, SIDE, SIDE);
    return 0;
}

#endif
