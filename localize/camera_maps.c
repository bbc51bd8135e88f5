#include "camera_maps.h"

#include "mem.h"
#include "movie.h"
#include <gsl/gsl_sort_float.h>
#include <math.h>

enum { AT_ONCE = 16, FEWEST = 10 };

/* ---- A level of light: mean and variance of each pixel over frames ---- */

/* Sums over frames of each pixel's difference x to its first value, and of the frames' mean m. */
struct level {
    ptrdiff_t pixels, frames;
    float *first;        /* (pixels) */
    double *x, *xx, *xm; /* (pixels) */
    double m, mm;
    const char *path; /* of its first movie */
};

static void level_free(struct level *level) {
    atm_mem_free(level->first);
    atm_mem_free(level->x);
    *level = (struct level){0};
}

static enum atm_status level_init(struct level *level, const char *path, ptrdiff_t pixels,
                                  struct atm_err *err) {
    *level = (struct level){.pixels = pixels, .path = path};
    level->first = atm_mem_alloc((size_t)pixels, sizeof *level->first);
    level->x = atm_mem_alloc((size_t)pixels, 3 * sizeof *level->x);
    if (!level->first || !level->x)
        return atm_err_memory(err, path);
    level->xx = level->x + pixels;
    level->xm = level->xx + pixels;
    return ATM_OK;
}

static void add_frame(struct level *level, const float *adu) {
    double mean = 0;
    if (!level->frames)
        for (ptrdiff_t i = 0; i < level->pixels; i++)
            level->first[i] = adu[i];
    for (ptrdiff_t i = 0; i < level->pixels; i++)
        mean += (double)(adu[i] - level->first[i]);
    mean /= (double)level->pixels;
    level->frames++;
    level->m += mean;
    level->mm += mean * mean;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < level->pixels; i++) {
        double x = (double)(adu[i] - level->first[i]);
        level->x[i] += x;
        level->xx[i] += x * x;
        level->xm[i] += x * mean;
    }
}

/* A lamp that flickers, and a baseline that drifts, move all pixels together: what a pixel shares
 * with the mean of its frame is no noise of its own, and is taken out by a regression. */
static double variance_of(const struct level *level, ptrdiff_t i) {
    const double n = (double)level->frames;
    const double own = level->xx[i] - level->x[i] * level->x[i] / n;
    const double shared = level->xm[i] - level->x[i] * level->m / n;
    const double common = level->mm - level->m * level->m / n;
    const double left = common > 0 ? own - shared * shared / common : own;
    return fmax(left, 0) / (n - 2);
}

static double mean_of(const struct level *level, ptrdiff_t i) {
    return (double)level->first[i] + level->x[i] / (double)level->frames;
}

static enum atm_status check_size(const struct atm_movie *movie,
                                  const struct atm_camera_measured *measured, struct atm_err *err) {
    const struct atm_movie_info *info = atm_movie_info(movie);
    if (info->height == measured->height && info->width == measured->width)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL, "%s: has %td x %td pixels, the first movie %td x %td",
                       atm_movie_path(movie), info->width, info->height, measured->width,
                       measured->height);
}

/* All frames of a movie. The first movie of all decides the size. */
static enum atm_status add_movie(struct level *level, const char *path,
                                 struct atm_camera_measured *measured, const struct atm_sink *sink,
                                 struct atm_err *err) {
    struct atm_movie *movie = NULL;
    float *adu = NULL;
    enum atm_status status = atm_movie_open(path, NULL, &movie, err);
    if (status)
        return status;
    const struct atm_movie_info *info = atm_movie_info(movie);
    if (!measured->height)
        measured->height = info->height, measured->width = info->width;
    const ptrdiff_t pixels = info->height * info->width;
    status = check_size(movie, measured, err);
    if (!status && !level->pixels)
        status = level_init(level, path, pixels, err);
    if (!status && !(adu = atm_mem_alloc((size_t)pixels, AT_ONCE * sizeof *adu)))
        status = atm_err_memory(err, path);
    for (ptrdiff_t t = 0; t < info->frames && !status; t += AT_ONCE) {
        ptrdiff_t left = info->frames - t, n = left < AT_ONCE ? left : AT_ONCE;
        status = atm_log_stopped(sink) ? atm_err_set(err, ATM_STOPPED, "nothing was written")
                                       : atm_movie_read(movie, t, n, adu, err);
        for (ptrdiff_t k = 0; k < n && !status; k++)
            add_frame(level, adu + k * pixels);
        atm_log_progress(sink, "frames", t + n, info->frames, "%s", path);
    }
    atm_mem_free(adu);
    atm_movie_close(&movie);
    return status;
}

static enum atm_status check_frames(const struct level *level, struct atm_err *err) {
    if (level->frames >= FEWEST)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: has %td frames; at least %d are needed, and some hundred for maps that "
                       "are better than one number",
                       level->path, level->frames, FEWEST);
}

/* ---- Gain ---- */

/* Sums over levels for the line through the dark level: variance - dark = mean / gain. */
struct lines {
    double *slope, *weight, *error; /* (pixels) */
};

static enum atm_status add_level(const struct level *level,
                                 const struct atm_camera_measured *measured, struct lines *lines,
                                 struct atm_err *err) {
    double light = 0;
    for (ptrdiff_t i = 0; i < level->pixels; i++) {
        double signal = mean_of(level, i) - (double)measured->offset[i];
        double variance = variance_of(level, i), excess = variance - (double)measured->variance[i];
        light += signal / (double)level->pixels;
        lines->slope[i] += signal * excess;
        lines->weight[i] += signal * signal;
        /* of a variance from n frames of normal noise */
        lines->error[i] += signal * signal * 2 * variance * variance / (double)(level->frames - 2);
    }
    return light > 0 ? ATM_OK
                     : atm_err_set(err, ATM_FAIL,
                                   "%s: is not brighter than the dark frames; are the names right?",
                                   level->path);
}

static double median_of(const float *values, float *scratch, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++)
        scratch[i] = values[i];
    gsl_sort_float(scratch, 1, (size_t)count);
    return count ? (double)scratch[count / 2] : (double)NAN;
}

/* Each pixel's slope in ADU per electron, and its relative error squared. */
static void take_slopes(const struct lines *lines, struct atm_camera_measured *measured,
                        float *error, ptrdiff_t pixels) {
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double weight = lines->weight[i], slope = lines->slope[i] / weight;
        bool good = weight > 0 && slope > 0 && isfinite(slope);
        measured->gain[i] = good ? (float)slope : 0;
        error[i] = good ? (float)(lines->error[i] / (weight * weight * slope * slope)) : 0;
        measured->strange += !good;
    }
}

/* What the pixels differ by beyond the error of measurement decides how far each is believed. */
static void believe(struct atm_camera_measured *measured, float *error, float *scratch,
                    ptrdiff_t pixels) {
    const double middle = median_of(measured->gain, scratch, pixels);
    const double noise = median_of(error, scratch, pixels);
    for (ptrdiff_t i = 0; i < pixels; i++)
        scratch[i] = fabsf(measured->gain[i] / (float)middle - 1);
    gsl_sort_float(scratch, 1, (size_t)pixels);
    const double spread = 1.4826 * (double)scratch[pixels / 2];
    const double real = fmax(spread * spread - noise, 0);
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double own = (double)measured->gain[i] / middle - 1;
        double trust = real > 0 ? real / (real + (double)error[i]) : 0;
        double slope = middle * (measured->gain[i] > 0 ? 1 + trust * own : 1);
        measured->gain[i] = (float)(1 / slope);
    }
    measured->gain_spread = sqrt(real);
    measured->gain_error = sqrt(noise);
}

static enum atm_status measure_gain(char *const *flats, int count, const struct atm_sink *sink,
                                    struct atm_camera_measured *measured, struct atm_err *err) {
    const ptrdiff_t pixels = measured->height * measured->width;
    double *sums = atm_mem_alloc((size_t)pixels, 3 * sizeof *sums);
    float *scratch = atm_mem_alloc((size_t)pixels, 2 * sizeof *scratch);
    enum atm_status status = sums && scratch ? ATM_OK : atm_err_memory(err, "the camera's gain");
    struct lines lines = {sums, sums ? sums + pixels : NULL, sums ? sums + 2 * pixels : NULL};
    for (int i = 0; i < count && !status; i++) {
        struct level level = {0};
        status = add_movie(&level, flats[i], measured, sink, err);
        if (!status)
            status = check_frames(&level, err);
        if (!status)
            status = add_level(&level, measured, &lines, err);
        measured->flat_frames += level.frames;
        level_free(&level);
    }
    if (!status) {
        take_slopes(&lines, measured, scratch + pixels, pixels);
        if (measured->strange * 2 > pixels)
            status =
                atm_err_set(err, ATM_FAIL,
                            "%s: most pixels are not noisier than in the dark frames, so there "
                            "is no gain to be seen; are the frames averages?",
                            flats[0]);
    }
    if (!status)
        believe(measured, scratch + pixels, scratch, pixels);
    atm_mem_free(sums);
    atm_mem_free(scratch);
    return status;
}

/* ---- All ---- */

static enum atm_status measure_darks(char *const *darks, int count, const struct atm_sink *sink,
                                     struct atm_camera_measured *measured, struct atm_err *err) {
    struct level level = {0};
    enum atm_status status = ATM_OK;
    for (int i = 0; i < count && !status; i++)
        status = add_movie(&level, darks[i], measured, sink, err);
    if (!status)
        status = check_frames(&level, err);
    const size_t pixels = (size_t)(measured->height * measured->width);
    if (!status) {
        measured->offset = atm_mem_alloc(pixels, sizeof *measured->offset);
        measured->variance = atm_mem_alloc(pixels, sizeof *measured->variance);
        measured->gain = atm_mem_alloc(pixels, sizeof *measured->gain);
        if (!measured->offset || !measured->variance || !measured->gain)
            status = atm_err_memory(err, "the camera's maps");
    }
    for (ptrdiff_t i = 0; i < (ptrdiff_t)pixels && !status; i++) {
        measured->offset[i] = (float)mean_of(&level, i);
        measured->variance[i] = (float)variance_of(&level, i); /* ADU^2 as yet */
    }
    measured->dark_frames = level.frames;
    level_free(&level);
    return status;
}

enum atm_status atm_camera_measure(char *const *darks, int dark_count, char *const *flats,
                                   int flat_count, double gain, const struct atm_sink *sink,
                                   struct atm_camera_measured *measured, struct atm_err *err) {
    *measured = (struct atm_camera_measured){.levels = flat_count};
    enum atm_status status = measure_darks(darks, dark_count, sink, measured, err);
    const ptrdiff_t pixels = measured->height * measured->width;
    for (ptrdiff_t i = 0; i < pixels && !status && !flat_count; i++)
        measured->gain[i] = (float)gain;
    if (!status && flat_count)
        status = measure_gain(flats, flat_count, sink, measured, err);
    float *scratch = status ? NULL : atm_mem_alloc((size_t)pixels, sizeof *scratch);
    if (!status && !scratch)
        status = atm_err_memory(err, "the camera's maps");
    if (!status) {
        for (ptrdiff_t i = 0; i < pixels; i++)
            measured->variance[i] *= measured->gain[i] * measured->gain[i];
        measured->offset_median = median_of(measured->offset, scratch, pixels);
        measured->gain_median = median_of(measured->gain, scratch, pixels);
        measured->read_noise_median = sqrt(median_of(measured->variance, scratch, pixels));
    }
    atm_mem_free(scratch);
    if (status)
        atm_camera_measured_free(measured);
    return status;
}

void atm_camera_measured_free(struct atm_camera_measured *measured) {
    atm_mem_free(measured->offset);
    atm_mem_free(measured->variance);
    atm_mem_free(measured->gain);
    *measured = (struct atm_camera_measured){0};
}
