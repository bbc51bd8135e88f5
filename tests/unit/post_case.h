/* Simulated tables for the steps behind localization: emitters of the simulator, drift added, and
 * every position wrong by what its photons allow (Mortensen et al. 2010, doi:10.1038/nmeth.1447,
 * with Poisson likelihood: eq. 6 of its supplement). The truth is kept apart. */
#ifndef POST_CASE_H
#define POST_CASE_H

#include "emitters.h"
#include "ini.h"
#include "mem.h"
#include "post.h"
#include "rng.h"
#include "table.h"
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

static const double CASE_PIXEL_NM = 100, CASE_DETECTABLE = 200;

struct case_options {
    ptrdiff_t frames, side;
    double per_frame; /* emitters that are on */
    double walk_nm;   /* random walk: standard deviation of a step per frame and axis */
    double trend_nm;  /* over the movie, along x; a third of it along y */
    int jumps;
    double jump_nm; /* length of the largest of them */
    int fiducials;  /* beads that are always there */
    double bead_photons;
    double missed; /* share of localizations that are not found */
    uint64_t seed;
};

struct post_case {
    struct atm_table table; /* owned */
    double *x, *y;          /* owned (frames): the true drift, px */
    ptrdiff_t frames;
    ptrdiff_t emitters; /* of the simulator, with a localization at least */
};

static inline void case_defaults(struct atm_synth_options *synth, const struct case_options *o) {
    const struct atm_binding binding = {&atm_synth_section, synth};
    atm_ini_defaults(&binding, 1);
    synth->frames = o->frames;
    synth->height = synth->width = o->side;
    synth->layout = ATM_SYNTH_FILAMENTS;
    synth->filament_count = o->side / 8;
    synth->margin_px = 2;
    synth->blinking = ATM_SYNTH_ON_OFF;
    synth->on_frames = 5;
    synth->count_law = ATM_SYNTH_COUNT;
    synth->count_min = synth->count_max = (int64_t)o->per_frame;
}

/* Standard deviation per axis, px, for a PSF of 1.3 px on a background of 20 photons. */
static inline double case_precision(double photons) {
    const double s2 = 1.3 * 1.3 + 1.0 / 12, background = 20;
    double tau = 2 * M_PI * s2 * background / photons;
    return sqrt(s2 / photons * (1 + 4 * tau + sqrt(2 * tau / (1 + 4 * tau))));
}

static inline void case_drift(struct post_case *c, const struct case_options *o) {
    struct atm_rng rng;
    atm_rng_init(&rng, o->seed, ATM_RNG_TEST, 1);
    c->x = calloc((size_t)o->frames, sizeof *c->x);
    c->y = calloc((size_t)o->frames, sizeof *c->y);
    for (ptrdiff_t f = 1; f < o->frames; f++) {
        c->x[f] = c->x[f - 1] + gsl_ran_gaussian(&rng.gsl, o->walk_nm) / CASE_PIXEL_NM +
                  o->trend_nm / CASE_PIXEL_NM / (double)o->frames;
        c->y[f] = c->y[f - 1] + gsl_ran_gaussian(&rng.gsl, o->walk_nm) / CASE_PIXEL_NM +
                  o->trend_nm / CASE_PIXEL_NM / (double)o->frames / 3;
    }
    for (int j = 0; j < o->jumps; j++) { /* in all directions, the first largest */
        ptrdiff_t at =
            (ptrdiff_t)((j + 0.2 + 0.6 * atm_rng_uniform(&rng)) / o->jumps * (double)o->frames);
        double length = o->jump_nm / CASE_PIXEL_NM / (1 + 0.7 * j), angle = 2.4 * j;
        for (ptrdiff_t f = at; f < o->frames; f++) {
            c->x[f] += length * cos(angle);
            c->y[f] += length * sin(angle);
        }
    }
}

static inline void case_add(struct post_case *c, const struct atm_emission *e,
                            struct atm_rng *rng) {
    struct atm_loc row = atm_loc_empty();
    row.frame = e->frame;
    row.id = e->id;
    row.photons = e->photons;
    row.background = 20;
    row.sx = row.sy = 1.3;
    row.x_unc = row.y_unc = case_precision(e->photons);
    row.x = e->x + c->x[e->frame] + gsl_ran_gaussian(&rng->gsl, row.x_unc);
    row.y = e->y + c->y[e->frame] + gsl_ran_gaussian(&rng->gsl, row.y_unc);
    if (atm_table_append(&c->table, &row, NULL))
        abort();
}

/* Ids of beads are -1 - their number. */
static inline void case_beads(struct post_case *c, const struct case_options *o,
                              struct atm_rng *rng) {
    for (ptrdiff_t f = 0; f < o->frames; f++)
        for (int b = 0; b < o->fiducials; b++) {
            struct atm_emission bead = {f, -1 - b, 0, 0, o->bead_photons};
            bead.x = (double)o->side * (b % 2 ? 0.7 : 0.23);
            bead.y = (double)o->side * (b / 2 % 2 ? 0.64 : 0.31);
            if (atm_rng_uniform(rng) >= 0.02) /* beads are missed too */
                case_add(c, &bead, rng);
        }
}

static inline struct post_case case_make(const struct case_options *o) {
    struct post_case c = {.frames = o->frames};
    struct atm_synth_options synth;
    struct atm_emitters emitters = {0};
    struct atm_rng rng;
    case_defaults(&synth, o);
    atm_table_init(&c.table);
    c.table.frames = o->frames, c.table.height = c.table.width = o->side;
    c.table.pixel_size_nm = CASE_PIXEL_NM;
    c.table.columns = ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_SIGMA |
                      ATM_COLUMN_UNCERTAINTY | ATM_COLUMN_ID;
    case_drift(&c, o);
    if (atm_emitters_draw(&synth, CASE_PIXEL_NM, o->seed, NULL, &emitters, NULL))
        abort();
    atm_rng_init(&rng, o->seed, ATM_RNG_TEST, 2);
    char *seen = calloc((size_t)emitters.count + 1, 1);
    for (ptrdiff_t i = 0; i < emitters.count; i++) {
        const struct atm_emission *e = &emitters.rows[i];
        if (e->photons < CASE_DETECTABLE || atm_rng_uniform(&rng) < o->missed)
            continue;
        c.emitters += !seen[e->id];
        seen[e->id] = 1;
        case_add(&c, e, &rng);
    }
    free(seen);
    case_beads(&c, o, &rng);
    atm_table_sort(&c.table);
    atm_emitters_free(&emitters);
    return c;
}

static inline void case_free(struct post_case *c) {
    atm_table_free(&c->table);
    free(c->x);
    free(c->y);
}

/* Error of an estimated drift over the frames, nm per axis; the origin does not count. */
static inline double case_error(const struct post_case *c, const double *x, const double *y) {
    double sum[2] = {0, 0}, square = 0, n = (double)c->frames;
    for (ptrdiff_t f = 0; f < c->frames; f++) {
        double dx = x[f] - c->x[f], dy = y[f] - c->y[f];
        sum[0] += dx, sum[1] += dy;
        square += dx * dx + dy * dy;
    }
    return CASE_PIXEL_NM * sqrt((square / n - (sum[0] * sum[0] + sum[1] * sum[1]) / (n * n)) / 2);
}

/* The default configuration with these steps. */
static inline struct atm_post_config case_steps(const char *steps) {
    struct atm_post_config config = {.seed = 1};
    const struct atm_binding bindings[] = {{&atm_post_section, &config.post},
                                           {&atm_render_section, &config.render}};
    atm_ini_defaults(bindings, 2);
    snprintf(config.post.steps, sizeof config.post.steps, "%s", steps);
    return config;
}

#endif
