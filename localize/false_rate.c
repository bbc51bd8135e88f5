#include "false_rate.h"

#include "mem.h"
#include "model_choice.h"
#include "rng.h"
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <math.h>

/* So many pixels of noise are looked at, in at least and at most so many frames: some hundred false
 * positives at the lowest threshold. */
enum { PIXELS = 1 << 19, FRAMES_LEAST = 8, FRAMES_MOST = 1024, COUNTED = 40 };
/* The lowest threshold; the fit looks at no weaker candidates (model_choice.c). */
static const double LOWEST = 2.8 * 2.8;
static const double NEAR = 0.9; /* of the threshold chosen first */

struct calibration {
    struct atm_source *source;
    struct atm_seeder *seeder;
    struct atm_refine *refine; /* owned */
    const struct atm_tuning *tuning;
    float *image, *background; /* (ATM_SOURCE_CHUNK, H, W), owned */
    struct atm_table seeds[ATM_SOURCE_CHUNK], found;
    double *strengths; /* owned: what the false positives so far are worth */
    ptrdiff_t count, capacity;
    double threshold; /* while noise is looked at */
    ptrdiff_t frames; /* so far */
};

/* Light has the noise's gain as Poisson noise, the rest is Gaussian. */
static double draw(const struct atm_rng *rng, const struct atm_noise *noise, double own,
                   double mean) {
    const double light = noise->gain > 0 ? (mean - noise->zero) / noise->gain : 0;
    const double shot = light > 0 ? gsl_ran_poisson(&rng->gsl, light) - light : 0;
    return mean + noise->gain * shot + gsl_ran_gaussian(&rng->gsl, sqrt(noise->floor + own));
}

static void simulate(struct calibration *c, ptrdiff_t count) {
    const struct atm_source_info *info = atm_source_info(c->source);
    const ptrdiff_t pixels = info->height * info->width;
    for (ptrdiff_t t = 0; t < count; t++) {
        struct atm_rng rng;
        atm_rng_init(&rng, 0, ATM_RNG_NOISE, (uint64_t)(c->frames + t));
        for (ptrdiff_t i = 0; i < pixels; i++) {
            const double own = c->tuning->variance ? (double)c->tuning->variance[i] : 0;
            c->image[t * pixels + i] = (float)draw(&rng, &c->tuning->noise, isfinite(own) ? own : 0,
                                                   (double)c->background[t * pixels + i]);
        }
    }
}

static enum atm_status keep(struct calibration *c, const double *strengths, ptrdiff_t count,
                            struct atm_err *err) {
    if (c->count + count > c->capacity) {
        const size_t room = 2 * (size_t)(c->count + count);
        double *grown = atm_mem_grow(c->strengths, (size_t)c->count, room, sizeof *grown);
        if (!grown)
            return atm_err_memory(err, "the threshold");
        c->strengths = grown, c->capacity = (ptrdiff_t)room;
    }
    for (ptrdiff_t i = 0; i < count; i++)
        c->strengths[c->count++] = strengths[i];
    return ATM_OK;
}

/* Noise over the background of a chunk's frames, as localizing would see it: a background that is
 * off by a fiftieth of the noise changes the rate by a tenth, so it is found again in the noise. */
static enum atm_status add_chunk(struct calibration *c, ptrdiff_t chunk, ptrdiff_t wanted,
                                 struct atm_err *err) {
    const ptrdiff_t pixels = atm_source_info(c->source)->height * atm_source_info(c->source)->width;
    ptrdiff_t count;
    enum atm_status status =
        atm_source_read(c->source, chunk, c->image, c->background, &count, err);
    if (status)
        return status;
    simulate(c, count);
    atm_source_digitise(c->source, c->image, count);
    status = atm_source_background(c->source, c->image, count, c->background, err);
    if (status)
        return status;
    count = count < wanted ? count : wanted;
    status = atm_seeder_run(c->seeder, c->image, c->background, count, c->seeds, err);
    for (ptrdiff_t t = 0; t < count && !status; t++) {
        const struct atm_refine_input input = {.image = c->image + t * pixels,
                                               .background = c->background + t * pixels,
                                               .sigma_px = c->tuning->sigma_px,
                                               .noise = c->tuning->noise,
                                               .seeds = c->seeds[t].rows,
                                               .seed_count = c->seeds[t].count,
                                               .population = c->tuning->population,
                                               .variance = c->tuning->variance,
                                               .threshold = c->threshold};
        c->found.count = 0;
        status = atm_refine_frame(c->refine, &input, &c->found, err);
        if (!status)
            status = keep(c, atm_refine_strengths(c->refine), c->found.count, err);
    }
    c->frames += count;
    return status;
}

static enum atm_status look_at_noise(struct calibration *c, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(c->source);
    ptrdiff_t wanted = PIXELS / (info->height * info->width) + 1;
    wanted = wanted < FRAMES_LEAST ? FRAMES_LEAST : wanted > FRAMES_MOST ? FRAMES_MOST : wanted;
    const ptrdiff_t passes = (wanted + ATM_SOURCE_CHUNK - 1) / ATM_SOURCE_CHUNK;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t p = 0; c->frames < wanted && !status; p++) /* a short movie's chunks again */
        status = add_chunk(c, passes < info->chunks ? p * info->chunks / passes : p % info->chunks,
                           wanted - c->frames, err);
    return status;
}

/* Threshold above which, of noise alone, false_peaks' theory has `factor` times as many maxima as
 * above `from`. */
static double extrapolated(double from, double factor) {
    double low = from, high = 40 * 40;
    const double wanted = factor * sqrt(from) * exp(-0.5 * from);
    for (int i = 0; i < 60; i++) {
        const double middle = 0.5 * (low + high);
        *(sqrt(middle) * exp(-0.5 * middle) > wanted ? &low : &high) = middle;
    }
    return low;
}

static struct atm_false_rate choose(struct calibration *c, double rate) {
    const double frames = (double)c->frames, count = (double)c->count, wanted = rate * frames;
    if (!(wanted < count)) /* all that there are */
        return (struct atm_false_rate){c->threshold, count / frames, frames};
    gsl_sort(c->strengths, 1, (size_t)c->count);
    const ptrdiff_t reached = (ptrdiff_t)fmax(wanted, fmin(COUNTED, count - 1));
    const double threshold = c->strengths[c->count - 1 - reached]; /* so many are above it */
    return (struct atm_false_rate){extrapolated(threshold, wanted / (double)reached), rate, frames};
}

enum atm_status atm_false_rate_calibrate(struct atm_source *source, struct atm_seeder *seeder,
                                         const struct atm_refine_options *options,
                                         const struct atm_tuning *tuning, double rate,
                                         struct atm_false_rate *result, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    const size_t pixels = (size_t)(info->height * info->width);
    struct calibration c = {.source = source, .seeder = seeder, .tuning = tuning};
    c.image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, sizeof *c.image);
    c.background = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, sizeof *c.background);
    atm_table_init(&c.found);
    for (int t = 0; t < ATM_SOURCE_CHUNK; t++)
        atm_table_init(&c.seeds[t]);
    enum atm_status status =
        c.image && c.background ? ATM_OK : atm_err_memory(err, "frames of noise");
    if (!status)
        status = atm_tune_create_refine(info, options, tuning, &c.refine, err);
    if (!status)
        atm_refine_set_sink(c.refine, tuning->sink);
    /* Twice: at a much lower threshold one blob of noise may become two weaker emitters. */
    for (int round = 0; round < 2 && !status; round++) {
        c.threshold = round ? fmax(NEAR * result->threshold, LOWEST) : LOWEST;
        c.count = c.frames = 0;
        status = look_at_noise(&c, err);
        if (!status)
            *result = choose(&c, rate);
    }
    atm_refine_destroy(&c.refine);
    atm_mem_free(c.image);
    atm_mem_free(c.background);
    atm_mem_free(c.strengths);
    atm_table_free(&c.found);
    for (int t = 0; t < ATM_SOURCE_CHUNK; t++)
        atm_table_free(&c.seeds[t]);
    return status;
}
