#include "filaments.h"

#include "mem.h"
#include "rng.h"
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdbool.h>

/* Shape of the curves, in units of the shorter side of the region. Curvature wanders with this
 * spread and memory (an Ornstein-Uhlenbeck process), so the direction turns by about a radian on
 * the way across: bent, but not coiled. Curves that only cut a corner are drawn again. */
static const double curvature_spread = 1.2, curvature_memory = 0.3;
static const double shortest = 0.6, longest = 3;
enum { ATTEMPTS = 50 };

/* Frames and emitters of the same purpose count from 0; filaments must not share their streams. */
static const uint64_t filament_stream = UINT64_C(1) << 63;

static double shorter_side(const struct atm_region *region) {
    return fmin(region->x1 - region->x0, region->y1 - region->y0);
}

static bool inside(const struct atm_region *region, double x, double y) {
    return x >= region->x0 && x < region->x1 && y >= region->y0 && y < region->y1;
}

static enum atm_status append(struct atm_sites *sites, struct atm_site site, struct atm_err *err) {
    if (sites->count == sites->capacity) {
        ptrdiff_t capacity = 2 * sites->capacity + 256;
        struct atm_site *grown =
            atm_mem_grow(sites->at, (size_t)sites->count, (size_t)capacity, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, "the sites of filaments");
        sites->at = grown;
        sites->capacity = capacity;
    }
    sites->at[sites->count++] = site;
    return ATM_OK;
}

struct pen {
    double x, y, angle, curvature; /* px, rad, 1/px */
};

/* A place on the border, chosen evenly along it, and a direction within 60 degrees of inward. */
static struct pen enter(const struct atm_region *region, struct atm_rng *rng) {
    double width = region->x1 - region->x0, height = region->y1 - region->y0;
    double along = atm_rng_uniform(rng) * 2 * (width + height);
    double tilt = (2 * atm_rng_uniform(rng) - 1) * M_PI / 3;
    if (along < width)
        return (struct pen){region->x0 + along, region->y0, M_PI_2 + tilt, 0};
    along -= width;
    if (along < width)
        return (struct pen){region->x0 + along, region->y1, -M_PI_2 + tilt, 0};
    along -= width;
    if (along < height)
        return (struct pen){region->x0, region->y0 + along, tilt, 0};
    return (struct pen){region->x1, region->y0 + along - height, M_PI + tilt, 0};
}

static void move(struct pen *pen, double step, double scale, struct atm_rng *rng) {
    double memory = curvature_memory * scale, spread = curvature_spread / scale;
    double keep = exp(-step / memory);
    pen->curvature = keep * pen->curvature +
                     spread * sqrt(1 - keep * keep) * gsl_ran_gaussian_ziggurat(&rng->gsl, 1);
    pen->angle += pen->curvature * step;
    pen->x += step * cos(pen->angle);
    pen->y += step * sin(pen->angle);
}

/* One curve; steps are at most half a pixel, whatever the spacing of the sites. */
static enum atm_status draw_curve(const struct atm_region *region, double spacing,
                                  struct atm_rng *rng, struct atm_sites *sites,
                                  struct atm_err *err) {
    double scale = shorter_side(region);
    int64_t steps = (int64_t)ceil(spacing / 0.5);
    double step = spacing / (double)steps;
    struct pen pen = enter(region, rng);
    for (double length = 0; length < longest * scale; length += spacing) {
        for (int64_t i = 0; i < steps; i++)
            move(&pen, step, scale, rng);
        if (!inside(region, pen.x, pen.y))
            break;
        enum atm_status status = append(sites, (struct atm_site){pen.x, pen.y}, err);
        if (status != ATM_OK)
            return status;
    }
    return ATM_OK;
}

enum atm_status atm_filaments_draw(const struct atm_filaments_options *options,
                                   const struct atm_region *region, uint64_t seed,
                                   struct atm_sites *sites, struct atm_err *err) {
    double enough = shortest * shorter_side(region) / options->spacing_px;
    for (int64_t f = 0; f < options->count; f++) {
        struct atm_rng rng;
        atm_rng_init(&rng, seed, ATM_RNG_SCENE, filament_stream + (uint64_t)f);
        ptrdiff_t before = sites->count;
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            sites->count = before;
            enum atm_status status = draw_curve(region, options->spacing_px, &rng, sites, err);
            if (status != ATM_OK)
                return status;
            if ((double)(sites->count - before) >= enough)
                break;
        }
    }
    if (sites->count)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "no emitter fits on the filaments: lower synth.filament_spacing_px (%g px) "
                       "or raise synth.filament_count (%lld)",
                       options->spacing_px, (long long)options->count);
}

void atm_sites_free(struct atm_sites *sites) {
    atm_mem_free(sites->at);
    *sites = (struct atm_sites){0};
}
