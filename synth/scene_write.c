#include "emitters.h"
#include "exposure.h"
#include "mem.h"
#include "psf.h"
#include "scene.h"
#include "strokes.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Frames are made in parallel in blocks and then appended in order. The size of a block does not
 * enter the pixels; it bounds memory. */
enum { BLOCK_PIXELS = 1 << 25, BLOCK_MIN = 8, BLOCK_MAX = 64 };

struct studio {
    const struct atm_synth_options *options;
    struct atm_camera camera; /* resolved */
    uint64_t seed;
    const struct atm_sink *sink;
    struct atm_emitters emitters; /* owned; photons after QE */
    double *background;           /* owned (H, W): expected photons */
    double *expected;             /* owned (threads, H, W) */
    float *adu;                   /* owned (block, H, W) */
    ptrdiff_t pixels, block;
    int64_t clipped; /* pixels that the sample type cannot hold */
};

/* Expected photons of a background pixel in column x. */
static double background_at(const struct studio *studio, double x) {
    const struct atm_synth_options *o = studio->options;
    double across = (x + 0.5) / (double)o->width - 0.5;
    double relative = 1 + o->background_gradient * across;
    return o->background * fmax(relative, 0);
}

static enum atm_status allocate(struct studio *studio, struct atm_err *err) {
    const struct atm_synth_options *o = studio->options;
    studio->pixels = o->height * o->width;
    studio->block = BLOCK_PIXELS / studio->pixels;
    studio->block = studio->block < BLOCK_MIN ? BLOCK_MIN : studio->block;
    studio->block = studio->block > BLOCK_MAX ? BLOCK_MAX : studio->block;
    size_t pixels = (size_t)studio->pixels, threads = (size_t)omp_get_max_threads();
    studio->background = atm_mem_alloc(pixels, sizeof(double));
    studio->expected = atm_mem_alloc(threads * pixels, sizeof(double));
    studio->adu = atm_mem_alloc((size_t)studio->block * pixels, sizeof(float));
    if (!studio->background || !studio->expected || !studio->adu)
        return atm_err_memory(err, "the simulated frames");
    for (ptrdiff_t y = 0; y < o->height; y++)
        for (ptrdiff_t x = 0; x < o->width; x++)
            studio->background[y * o->width + x] = background_at(studio, (double)x);
    return ATM_OK;
}

static void release(struct studio *studio) {
    atm_emitters_free(&studio->emitters);
    atm_mem_free(studio->background);
    atm_mem_free(studio->expected);
    atm_mem_free(studio->adu);
}

static int64_t count_clipped(const struct studio *studio, const float *adu) {
    int64_t clipped = 0;
    if (studio->options->sample == ATM_SYNTH_UINT16)
        for (ptrdiff_t i = 0; i < studio->pixels; i++)
            clipped += adu[i] < -0.5f || adu[i] >= 65535.5f;
    return clipped;
}

/* One frame into adu (H, W); returns the number of clipped pixels. Touches nothing shared. */
static int64_t expose_frame(const struct studio *studio, ptrdiff_t frame, double *expected,
                            float *adu) {
    const struct atm_synth_options *o = studio->options;
    const struct atm_emitters *emitters = &studio->emitters;
    memcpy(expected, studio->background, (size_t)studio->pixels * sizeof *expected);
    for (ptrdiff_t i = emitters->first[frame]; i < emitters->first[frame + 1]; i++) {
        const struct atm_emission *row = &emitters->rows[i];
        struct atm_psf_spot spot = {row->x, row->y, o->sigma_px, row->photons};
        atm_psf_add(&atm_psfs[o->psf], &spot, o->height, o->width, expected);
    }
    struct atm_rng rng;
    atm_rng_init(&rng, studio->seed, ATM_RNG_CAMERA, (uint64_t)frame);
    atm_exposure_execute(&studio->camera, o->noise == ATM_SYNTH_CAMERA ? &rng : NULL,
                         studio->pixels, expected, adu);
    return count_clipped(studio, adu);
}

static void expose_block(struct studio *studio, ptrdiff_t first, ptrdiff_t count) {
    int64_t clipped = 0;
#pragma omp parallel for schedule(static) reduction(+ : clipped)
    for (ptrdiff_t f = 0; f < count; f++)
        clipped += expose_frame(studio, first + f,
                                studio->expected + omp_get_thread_num() * studio->pixels,
                                studio->adu + f * studio->pixels);
    studio->clipped += clipped;
}

static enum atm_status expose_movie(struct studio *studio, struct atm_movie_writer *writer,
                                    struct atm_err *err) {
    ptrdiff_t frames = studio->options->frames;
    for (ptrdiff_t first = 0; first < frames; first += studio->block) {
        if (atm_log_stopped(studio->sink))
            return ATM_STOPPED;
        ptrdiff_t count = frames - first < studio->block ? frames - first : studio->block;
        expose_block(studio, first, count);
        enum atm_status status = atm_movie_append(writer, count, studio->adu, err);
        if (status != ATM_OK)
            return status;
        atm_log_progress(studio->sink, "frames", first + count, frames, "%s", "");
    }
    return ATM_OK;
}

static bool in_field(const struct atm_synth_options *o, const struct atm_emission *row) {
    return row->x >= -0.5 && row->x < (double)o->width - 0.5 && row->y >= -0.5 &&
           row->y < (double)o->height - 0.5;
}

static enum atm_status fill_truth(const struct studio *studio, const char *provenance,
                                  struct atm_table *truth, struct atm_err *err) {
    const struct atm_synth_options *o = studio->options;
    truth->columns = ATM_COLUMN_PHOTONS | ATM_COLUMN_BACKGROUND | ATM_COLUMN_ID;
    truth->frames = o->frames;
    truth->height = o->height;
    truth->width = o->width;
    truth->pixel_size_nm = studio->camera.pixel_size_nm;
    if (provenance) {
        truth->provenance = atm_mem_alloc(strlen(provenance) + 1, 1);
        if (!truth->provenance)
            return atm_err_memory(err, "the truth table");
        memcpy(truth->provenance, provenance, strlen(provenance) + 1);
    }
    for (ptrdiff_t i = 0; i < studio->emitters.count; i++) {
        const struct atm_emission *row = &studio->emitters.rows[i];
        if (!in_field(o, row))
            continue;
        struct atm_loc loc = atm_loc_empty();
        loc.frame = row->frame;
        loc.id = row->id;
        loc.x = row->x;
        loc.y = row->y;
        loc.photons = row->photons;
        loc.background = background_at(studio, row->x);
        enum atm_status status = atm_table_append(truth, &loc, err);
        if (status != ATM_OK)
            return status;
    }
    return ATM_OK;
}

/* NAME.tif -> NAME_truth.px.csv, owned by the caller; an empty text where the truth goes into the
 * movie itself; NULL if out of memory. */
static char *truth_path(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    bool tiff = dot && (!strcasecmp(dot, ".tif") || !strcasecmp(dot, ".tiff"));
    size_t stem = tiff ? (size_t)(dot - path) : 0;
    static const char ending[] = "_truth.px.csv";
    char *beside = atm_mem_alloc(stem + sizeof ending, 1);
    if (beside && tiff) {
        memcpy(beside, path, stem);
        memcpy(beside + stem, ending, sizeof ending);
    }
    return beside;
}

/* The truth first, so that a movie that has its name has its truth as well. */
static enum atm_status finish(struct atm_movie_writer **writer, const char *path,
                              const struct atm_table *truth, struct atm_err *err) {
    char *beside = truth_path(path);
    if (!beside)
        return atm_err_memory(err, "a file name");
    enum atm_status status = *beside ? atm_table_write(beside, truth, NULL, err)
                                     : atm_movie_add_truth(*writer, truth, err);
    if (status == ATM_OK) {
        status = atm_movie_finish(writer, err);
        if (status != ATM_OK && *beside)
            remove(beside);
    }
    atm_mem_free(beside);
    return status;
}

/* What a pixel with the brightest emitter in its middle has above the background. */
static double brightest_adu(const struct studio *studio) {
    double most = 0, peak = 0;
    for (ptrdiff_t i = 0; i < studio->emitters.count; i++)
        most = fmax(most, studio->emitters.rows[i].photons);
    struct atm_psf_spot spot = {0, 0, studio->options->sigma_px, most};
    atm_psf_add(&atm_psfs[studio->options->psf], &spot, 1, 1, &peak);
    return peak * studio->camera.em_gain / studio->camera.gain;
}

static void warn(const struct studio *studio) {
    const struct atm_synth_options *o = studio->options;
    if (studio->emitters.crowded)
        atm_log(studio->sink, ATM_LOG_WARNING,
                "%lld blinking emitters found no place at synth.separation_px = %g and stand "
                "nearer to another one",
                (long long)studio->emitters.crowded, o->separation_px);
    if (studio->clipped)
        atm_log(studio->sink, ATM_LOG_WARNING,
                "%lld of %lld pixels were outside 0..65535 ADU and clipped: raise camera.offset "
                "against negative values, raise camera.gain or lower synth.photons against "
                "saturation, or use synth.sample = float32",
                (long long)studio->clipped, (long long)(o->frames * studio->pixels));
    if (o->sample == ATM_SYNTH_UINT16 && studio->emitters.count && brightest_adu(studio) < 2)
        atm_log(studio->sink, ATM_LOG_WARNING,
                "the brightest emitter raises its pixel by %.3g ADU, which rounding to whole "
                "numbers spoils: use synth.sample = float32, or raise synth.photons",
                brightest_adu(studio));
}

static enum atm_status simulate(struct studio *studio, const char *path, const char *provenance,
                                struct atm_table *table, struct atm_err *err) {
    const struct atm_synth_options *o = studio->options;
    struct atm_movie_layout layout = {
        .frames = o->frames,
        .height = o->height,
        .width = o->width,
        .sample = o->sample == ATM_SYNTH_FLOAT32 ? ATM_MOVIE_F32 : ATM_MOVIE_U16,
        .camera = studio->camera,
        .provenance = provenance,
    };
    struct atm_movie_writer *writer = NULL;
    /* First, so that an unwritable output is known before the work. */
    enum atm_status status = atm_movie_create(path, &layout, &writer, err);
    if (status == ATM_OK)
        status = atm_emitters_draw(o, studio->camera.pixel_size_nm, studio->seed, studio->sink,
                                   &studio->emitters, err);
    if (status == ATM_OK)
        status = allocate(studio, err);
    if (status == ATM_OK)
        status = expose_movie(studio, writer, err);
    if (status == ATM_OK)
        status = fill_truth(studio, provenance, table, err);
    if (status == ATM_OK)
        status = finish(&writer, path, table, err);
    atm_movie_discard(&writer);
    return status;
}

enum atm_status atm_scene_write(const struct atm_synth_options *options,
                                const struct atm_camera *camera, uint64_t seed, const char *path,
                                const char *provenance, const struct atm_sink *sink,
                                struct atm_table *truth, struct atm_err *err) {
    if (options->kind == ATM_SYNTH_STROKES)
        return atm_strokes_write(options, camera, seed, path, provenance, sink, err);
    struct studio studio = {.options = options, .camera = *camera, .seed = seed, .sink = sink};
    struct atm_table table;
    atm_table_init(&table);
    enum atm_status status = atm_exposure_resolve(&studio.camera, err);
    if (status == ATM_OK)
        status = atm_synth_check(options, studio.camera.pixel_size_nm, err);
    if (status == ATM_OK)
        status = simulate(&studio, path, provenance, &table, err);
    if (status == ATM_STOPPED)
        atm_err_set(err, ATM_STOPPED, "stopped: %s was not written", path);
    if (status == ATM_OK)
        warn(&studio);
    if (status == ATM_OK && truth)
        *truth = table;
    else
        atm_table_free(&table);
    release(&studio);
    return status;
}
