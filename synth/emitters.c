#include "emitters.h"

#include "filaments.h"
#include "mem.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

/* A dart that missed this often will hardly find a place: at the jamming limit of randomly placed
 * discs (55 % of the area) the next try succeeds with a probability that goes to 0. */
enum { DARTS = 5000 };

struct scene {
    const struct atm_synth_options *options;
    double mean; /* emitters in a frame */
    uint64_t seed;
    const struct atm_sink *sink;
    struct atm_region region;
    struct atm_sites sites;          /* owned; empty: anywhere in the region */
    struct atm_repulsion *repulsion; /* owned; NULL: none */
    double separation;
    struct atm_emitters *out;
};

struct atm_region atm_emitters_region(const struct atm_synth_options *options) {
    double margin = options->margin_px;
    return (struct atm_region){margin - 0.5, margin - 0.5, (double)options->width - 0.5 - margin,
                               (double)options->height - 0.5 - margin};
}

double atm_emitters_mean(const struct atm_synth_options *options, double pixel_size_nm) {
    if (options->count_law == ATM_SYNTH_COUNT)
        return 0.5 * (double)(options->count_min + options->count_max);
    struct atm_region region = atm_emitters_region(options);
    double pixel_um = pixel_size_nm / 1000;
    return options->density * (region.x1 - region.x0) * (region.y1 - region.y0) * pixel_um *
           pixel_um;
}

/* The lognormal by its inverse distribution function: a truncation far out in a tail would let
 * rejection run for ever. photons is the mean before truncation. */
static double draw_lognormal(const struct atm_synth_options *o, struct atm_rng *rng) {
    double mu = log(o->photons) - 0.5 * o->photons_spread * o->photons_spread;
    double low = gsl_cdf_ugaussian_P((log(o->photons_min) - mu) / o->photons_spread);
    double high = gsl_cdf_ugaussian_P((log(o->photons_max) - mu) / o->photons_spread);
    double u = low + (high - low) * atm_rng_uniform(rng);
    double photons = exp(mu + o->photons_spread * gsl_cdf_ugaussian_Pinv(u));
    return fmin(fmax(photons, o->photons_min), o->photons_max);
}

double atm_emitters_amplitude(const struct atm_synth_options *o, struct atm_rng *rng) {
    if (o->amplitude_law == ATM_SYNTH_LOGNORMAL)
        return draw_lognormal(o, rng);
    if (o->amplitude_law == ATM_SYNTH_AMPLITUDE_UNIFORM)
        return o->photons_min + (o->photons - o->photons_min) * atm_rng_uniform(rng);
    return o->photons;
}

static enum atm_status append(struct atm_emitters *emitters, const struct atm_emission *row,
                              struct atm_err *err) {
    if (emitters->count == emitters->capacity) {
        ptrdiff_t capacity = 2 * emitters->capacity + 1024;
        struct atm_emission *grown =
            atm_mem_grow(emitters->rows, (size_t)emitters->count, (size_t)capacity, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, "the emitters of the scene");
        emitters->rows = grown;
        emitters->capacity = capacity;
    }
    emitters->rows[emitters->count++] = *row;
    return ATM_OK;
}

static struct atm_site candidate(const struct scene *scene, struct atm_rng *rng) {
    double u = atm_rng_uniform(rng);
    if (scene->sites.count)
        return scene->sites.at[(ptrdiff_t)(u * (double)scene->sites.count)];
    const struct atm_region *region = &scene->region;
    double v = atm_rng_uniform(rng);
    return (struct atm_site){region->x0 + u * (region->x1 - region->x0),
                             region->y0 + v * (region->y1 - region->y0)};
}

/* Throw until the place is far enough from all that live in `frame` or later. False: no such place
 * was found, and site is the one with the most room. */
static bool throw_darts(struct scene *scene, struct atm_rng *rng, int64_t frame,
                        struct atm_site *site) {
    *site = candidate(scene, rng);
    if (!scene->repulsion)
        return true;
    double room = atm_repulsion_nearest(scene->repulsion, site->x, site->y, frame);
    for (int dart = 1; dart < DARTS && room < scene->separation; dart++) {
        struct atm_site next = candidate(scene, rng);
        double next_room = atm_repulsion_nearest(scene->repulsion, next.x, next.y, frame);
        if (next_room > room) {
            room = next_room;
            *site = next;
        }
    }
    return room >= scene->separation;
}

static enum atm_status occupy(struct scene *scene, const struct atm_site *site, int64_t last_frame,
                              struct atm_err *err) {
    if (!scene->repulsion)
        return ATM_OK;
    return atm_repulsion_add(scene->repulsion, site->x, site->y, last_frame, err);
}

static enum atm_status too_crowded(const struct scene *scene, int64_t frame, int64_t placed,
                                   int64_t wanted, struct atm_err *err) {
    const struct atm_synth_options *o = scene->options;
    const char *advice = scene->sites.count ? "raise synth.filament_count or " : "";
    return atm_err_set(err, ATM_USAGE,
                       "frame %lld: found no place for emitter %lld of %lld at synth.separation_px "
                       "= %g from the others in a field of %lldx%lld; %slower the separation or "
                       "%s",
                       (long long)frame, (long long)placed + 1, (long long)wanted, o->separation_px,
                       (long long)o->width, (long long)o->height, advice,
                       o->count_law == ATM_SYNTH_DENSITY ? "synth.density" : "synth.count_max");
}

static int64_t draw_count(const struct scene *scene, struct atm_rng *rng) {
    const struct atm_synth_options *o = scene->options;
    if (o->count_law == ATM_SYNTH_DENSITY)
        return gsl_ran_poisson(&rng->gsl, scene->mean);
    double choices = (double)(o->count_max - o->count_min + 1);
    return o->count_min + (int64_t)(atm_rng_uniform(rng) * choices);
}

/* A new scene in every frame. */
static enum atm_status draw_frame(struct scene *scene, int64_t frame, struct atm_err *err) {
    struct atm_rng rng;
    atm_rng_init(&rng, scene->seed, ATM_RNG_SCENE, (uint64_t)frame);
    int64_t wanted = draw_count(scene, &rng);
    for (int64_t i = 0; i < wanted; i++) {
        struct atm_site site;
        if (!throw_darts(scene, &rng, frame, &site))
            return too_crowded(scene, frame, i, wanted, err);
        struct atm_emission row = {
            .frame = frame, .id = scene->out->count, .x = site.x, .y = site.y};
        row.photons = atm_emitters_amplitude(scene->options, &rng);
        enum atm_status status = append(scene->out, &row, err);
        if (status == ATM_OK)
            status = occupy(scene, &site, frame, err);
        if (status != ATM_OK)
            return status;
    }
    return ATM_OK;
}

static enum atm_status draw_scenes(struct scene *scene, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (int64_t f = 0; f < scene->options->frames && status == ATM_OK; f++)
        status = atm_log_stopped(scene->sink) ? ATM_STOPPED : draw_frame(scene, f, err);
    return status;
}

/* One on-period, from start to end in units of frames: a row for every frame that it touches. */
static enum atm_status draw_emitter(struct scene *scene, int64_t id, double start, double end,
                                    struct atm_err *err) {
    struct atm_rng rng;
    atm_rng_init(&rng, scene->seed, ATM_RNG_SCENE, (uint64_t)id);
    double movie = (double)scene->options->frames;
    int64_t first = (int64_t)floor(start), last = (int64_t)ceil(fmin(end, movie)) - 1;
    struct atm_site site;
    if (!throw_darts(scene, &rng, first, &site))
        scene->out->crowded++;
    double photons = atm_emitters_amplitude(scene->options, &rng);
    for (int64_t f = first; f <= last; f++) {
        double share = fmin(end, (double)f + 1) - fmax(start, (double)f);
        struct atm_emission row = {f, id, site.x, site.y, share * photons};
        enum atm_status status = append(scene->out, &row, err);
        if (status != ATM_OK)
            return status;
    }
    return occupy(scene, &site, last, err);
}

/* An interval of mean length L touches L + 1 frames on average, hence the rate of switching on. */
static enum atm_status draw_blinking(struct scene *scene, struct atm_err *err) {
    double on_frames = scene->options->on_frames, movie = (double)scene->options->frames;
    double rate = scene->mean / (on_frames + 1), start = 0;
    if (rate == 0)
        return ATM_OK;
    struct atm_rng rng;
    atm_rng_init(&rng, scene->seed, ATM_RNG_BLINK, UINT64_MAX);
    int64_t already_on = gsl_ran_poisson(&rng.gsl, rate * on_frames);
    for (int64_t id = 0;; id++) {
        atm_rng_init(&rng, scene->seed, ATM_RNG_BLINK, (uint64_t)id);
        if (id >= already_on)
            start += gsl_ran_exponential(&rng.gsl, 1 / rate);
        if (start >= movie)
            return ATM_OK;
        double end = start + gsl_ran_exponential(&rng.gsl, on_frames);
        enum atm_status status =
            atm_log_stopped(scene->sink) ? ATM_STOPPED : draw_emitter(scene, id, start, end, err);
        if (status != ATM_OK)
            return status;
    }
}

/* Counting sort by frame (stable, so ids stay in order), and the index of the frames. */
static enum atm_status sort_by_frame(struct atm_emitters *emitters, int64_t frames,
                                     struct atm_err *err) {
    emitters->first = atm_mem_alloc((size_t)frames + 1, sizeof *emitters->first);
    ptrdiff_t *next = atm_mem_alloc((size_t)frames + 1, sizeof *next);
    struct atm_emission *sorted = atm_mem_alloc((size_t)emitters->count, sizeof *sorted);
    if (!emitters->first || !next || !sorted) {
        atm_mem_free(next);
        atm_mem_free(sorted);
        return atm_err_memory(err, "the emitters of the scene");
    }
    for (ptrdiff_t i = 0; i < emitters->count; i++)
        emitters->first[emitters->rows[i].frame + 1]++;
    for (int64_t f = 0; f < frames; f++) {
        emitters->first[f + 1] += emitters->first[f];
        next[f] = emitters->first[f];
    }
    for (ptrdiff_t i = 0; i < emitters->count; i++)
        sorted[next[emitters->rows[i].frame]++] = emitters->rows[i];
    atm_mem_free(next);
    atm_mem_free(emitters->rows);
    emitters->rows = sorted;
    emitters->capacity = emitters->count;
    return ATM_OK;
}

static enum atm_status prepare(struct scene *scene, struct atm_err *err) {
    const struct atm_synth_options *o = scene->options;
    scene->region = atm_emitters_region(o);
    scene->separation = o->separation_px;
    enum atm_status status = ATM_OK;
    if (o->layout == ATM_SYNTH_FILAMENTS) {
        struct atm_filaments_options filaments = {o->filament_count, o->filament_spacing_px};
        status = atm_filaments_draw(&filaments, &scene->region, scene->seed, &scene->sites, err);
        /* Even without repulsion a site does not hold two emitters at once. */
        scene->separation = fmax(scene->separation, 1e-6);
    }
    if (status == ATM_OK && scene->separation > 0)
        status = atm_repulsion_create(&scene->region, scene->separation, &scene->repulsion, err);
    return status;
}

enum atm_status atm_emitters_draw(const struct atm_synth_options *options, double pixel_size_nm,
                                  uint64_t seed, const struct atm_sink *sink,
                                  struct atm_emitters *emitters, struct atm_err *err) {
    struct scene scene = {.options = options, .seed = seed, .sink = sink, .out = emitters};
    scene.mean = atm_emitters_mean(options, pixel_size_nm);
    enum atm_status status = prepare(&scene, err);
    if (status == ATM_OK)
        status = options->blinking == ATM_SYNTH_ON_OFF ? draw_blinking(&scene, err)
                                                       : draw_scenes(&scene, err);
    if (status == ATM_OK)
        status = sort_by_frame(emitters, options->frames, err);
    atm_sites_free(&scene.sites);
    atm_repulsion_destroy(&scene.repulsion);
    return status;
}

void atm_emitters_free(struct atm_emitters *emitters) {
    atm_mem_free(emitters->rows);
    atm_mem_free(emitters->first);
    *emitters = (struct atm_emitters){0};
}
