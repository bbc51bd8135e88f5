#include "background.h"
#include "bad_pixels.h"
#include "localize.h"
#include "mem.h"
#include "source_measure.h"

#include <gsl/gsl_statistics_float.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum { BAD_PIXEL_FRAMES = 32 };

struct atm_source {
    struct atm_movie *movie; /* owned */
    struct atm_input_options options;
    struct atm_source_info info;
    ptrdiff_t width, pixels;          /* of the movie's frames, before binning */
    float *pixel_offset, *pixel_gain; /* (pixels); photons = (ADU - offset) * gain */
    float *variance, *saturation;     /* (pixels), then (H, W), or NULL: see the info */
    float *full;                      /* (pixels) saturation before binning; NULL: none */
    struct atm_bad_pixels bad;        /* of the movie's frames, before binning */
    float *raw;                       /* (ATM_SOURCE_CHUNK, pixels) where pixels are binned */
    float *map;                       /* (H, W) */
    float *offsets;                   /* (ATM_SOURCE_CHUNK) */
};

const struct atm_source_info *atm_source_info(const struct atm_source *s) { return &s->info; }

struct atm_movie *atm_source_movie(struct atm_source *s) {
    return s->movie;
}

/* ---- Frames ---- */

/* An image of the camera's pixels, (pixels), added up to one of the source's, (H, W); where one of
 * them is saturated, the sum is made to look so. */
static void bin(const struct atm_source *s, const float *from, float *to) {
    const struct atm_source_info *info = &s->info;
    const ptrdiff_t b = info->binning;
    for (ptrdiff_t i = 0; i < info->height * info->width; i++) {
        const ptrdiff_t corner = i / info->width * b * s->width + i % info->width * b;
        bool saturated = false;
        to[i] = 0;
        for (ptrdiff_t k = 0; k < b * b; k++) {
            ptrdiff_t at = corner + k / b * s->width + k % b;
            to[i] += from[at];
            saturated = saturated || (s->full && from[at] >= s->full[at]);
        }
        if (saturated)
            to[i] = fmaxf(to[i], s->saturation[i]);
    }
}

static enum atm_status read_photons(struct atm_source *s, ptrdiff_t first, ptrdiff_t count,
                                    float *image, struct atm_err *err) {
    const struct atm_source_info *info = &s->info;
    float *raw = s->raw ? s->raw : image;
    enum atm_status status = atm_movie_read(s->movie, first, count, raw, err);
    if (status)
        return status;
    for (ptrdiff_t i = 0; i < count * s->pixels; i++)
        raw[i] = (raw[i] - s->pixel_offset[i % s->pixels]) * s->pixel_gain[i % s->pixels];
    for (ptrdiff_t t = 0; t < count; t++)
        atm_bad_pixels_mend(&s->bad, raw + t * s->pixels);
    for (ptrdiff_t t = 0; t < count && s->raw; t++)
        bin(s, raw + t * s->pixels, image + t * info->height * info->width);
    return ATM_OK;
}

void atm_source_to_field(const struct atm_source *s, struct atm_loc *rows, ptrdiff_t count) {
    const struct atm_source_info *info = &s->info;
    const double b = (double)info->binning;
    for (ptrdiff_t i = 0; i < count; i++) {
        struct atm_loc *row = &rows[i];
        row->x = (double)info->field.x + (row->x + 0.5) * b - 0.5;
        row->y = (double)info->field.y + (row->y + 0.5) * b - 0.5;
        double *const lengths[] = {&row->sx,    &row->sy,     &row->x_unc,
                                   &row->y_unc, &row->sx_unc, &row->sy_unc};
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
            *lengths[k] *= b;
        row->background /= b * b; /* photons per pixel */
        row->background_unc /= b * b;
    }
}

/* ---- Movies that grow ---- */

static ptrdiff_t frames_there(const struct atm_source *s, ptrdiff_t wanted) {
    ptrdiff_t there = atm_movie_info(s->movie)->frames - (ptrdiff_t)s->options.first_frame;
    ptrdiff_t most = (ptrdiff_t)s->options.frame_count;
    wanted = most && most < wanted ? most : wanted;
    return there < 0 ? 0 : there < wanted ? there : wanted;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Until that many frames are there, or no more come. */
static void wait_for_frames(struct atm_source *s, ptrdiff_t wanted, const struct atm_sink *sink) {
    const struct timespec pause = {0, 100000000};
    const ptrdiff_t most = (ptrdiff_t)s->options.frame_count;
    int64_t all = atm_movie_bytes(s->movie); /* a TIFF's list of frames may come last */
    wanted = most && most < wanted ? most : wanted;
    for (double last = now_s(); frames_there(s, wanted) < wanted && !atm_log_stopped(sink) &&
                                now_s() - last < s->options.follow_s;) {
        nanosleep(&pause, NULL);
        atm_movie_refresh(&s->movie);
        if (atm_movie_bytes(s->movie) != all)
            last = now_s();
        all = atm_movie_bytes(s->movie);
    }
}

static void set_frames(struct atm_source *s, ptrdiff_t frames) {
    s->info.frames = frames;
    s->info.chunks = (frames + ATM_SOURCE_CHUNK - 1) / ATM_SOURCE_CHUNK;
}

void atm_source_follow(struct atm_source *s, ptrdiff_t chunk, const struct atm_sink *sink) {
    const ptrdiff_t wanted = (chunk + 1) * ATM_SOURCE_CHUNK;
    if (!s->options.follow)
        return;
    wait_for_frames(s, wanted, sink);
    set_frames(s, atm_log_stopped(sink) ? chunk * ATM_SOURCE_CHUNK : frames_there(s, wanted));
}

ptrdiff_t atm_source_there(struct atm_source *s) {
    if (!s->options.follow)
        return s->info.frames;
    atm_movie_refresh(&s->movie);
    return frames_there(s, PTRDIFF_MAX);
}

enum atm_status atm_source_background(struct atm_source *s, const float *image, ptrdiff_t count,
                                      float *background, struct atm_err *err) {
    const struct atm_source_info *info = &s->info;
    const ptrdiff_t pixels = info->height * info->width;
    if (s->options.background == ATM_BACKGROUND_NONE) {
        memset(background, 0, (size_t)(count * pixels) * sizeof *background);
        return ATM_OK;
    }
    enum atm_status status =
        atm_background_estimate(image, count, info->height, info->width, s->map, s->offsets, err);
    for (ptrdiff_t t = 0; !status && t < count; t++)
        for (ptrdiff_t i = 0; i < pixels; i++)
            background[t * pixels + i] = s->map[i] + s->offsets[t];
    return status;
}

void atm_source_digitise(const struct atm_source *s, float *image, ptrdiff_t count) {
    if (s->info.binning > 1 || !strstr(atm_movie_info(s->movie)->sample, "int"))
        return;
    for (ptrdiff_t i = 0; i < count * s->pixels; i++) {
        const float offset = s->pixel_offset[i % s->pixels], gain = s->pixel_gain[i % s->pixels];
        image[i] = (rintf(image[i] / gain + offset) - offset) * gain;
    }
}

enum atm_status atm_source_read(struct atm_source *s, ptrdiff_t index, float *image,
                                float *background, ptrdiff_t *count, struct atm_err *err) {
    const struct atm_source_info *info = &s->info;
    ptrdiff_t first = index * ATM_SOURCE_CHUNK, left = info->frames - first;
    ptrdiff_t n = left < ATM_SOURCE_CHUNK ? left : ATM_SOURCE_CHUNK;
    enum atm_status status = read_photons(s, info->first_frame + first, n, image, err);
    if (status)
        return status;
    *count = n;
    return atm_source_background(s, image, n, background, err);
}

static enum atm_status choose_frames(struct atm_source *s, const char *path, struct atm_err *err) {
    const struct atm_movie_info *movie = atm_movie_info(s->movie);
    struct atm_source_info *info = &s->info;
    info->first_frame = (ptrdiff_t)s->options.first_frame;
    ptrdiff_t left = movie->frames - info->first_frame, wanted = (ptrdiff_t)s->options.frame_count;
    if (left <= 0 || (wanted > left && !s->options.follow))
        return atm_err_set(err, ATM_FAIL,
                           "%s: has %td frames; input.first_frame = %td and input.frame_count = "
                           "%td ask for more",
                           path, movie->frames, info->first_frame, wanted);
    set_frames(s, s->options.follow ? frames_there(s, (ptrdiff_t)s->options.follow_frames)
                  : wanted          ? wanted
                                    : left);
    info->field = movie->field;
    info->binning = s->options.binning > 1 ? (ptrdiff_t)s->options.binning : 1;
    s->width = movie->width, s->pixels = movie->height * movie->width;
    info->height = movie->height / info->binning, info->width = movie->width / info->binning;
    if (info->height < 8 || info->width < 8)
        return atm_err_set(err, ATM_FAIL, "%s: frames of %td x %td px; at least 8 x 8 are needed",
                           path, info->width, info->height);
    return ATM_OK;
}

/* ---- Camera ---- */

static enum atm_status read_maps(struct atm_source *s, struct atm_err *err) {
    struct atm_source_info *info = &s->info;
    const struct {
        const char *path;
        double least;
        float **map;
    } maps[] = {{info->camera.maps.offset, -1e6, &s->pixel_offset},
                {info->camera.maps.gain, 1e-6, &s->pixel_gain},
                {info->camera.maps.variance, 0, &s->variance}};
    const struct atm_movie_info *movie = atm_movie_info(s->movie);
    enum atm_status status = ATM_OK;
    for (size_t i = 0; i < sizeof maps / sizeof *maps && !status; i++)
        if (maps[i].path[0])
            status = atm_camera_read_map(maps[i].path, movie, maps[i].least, maps[i].map,
                                         &info->maps_hash, err);
    return status;
}

static bool fill(float **map, ptrdiff_t pixels, double value) {
    if (!*map && !(*map = atm_mem_alloc((size_t)pixels, sizeof **map)))
        return false;
    for (ptrdiff_t i = 0; i < pixels; i++)
        (*map)[i] = (float)value;
    return true;
}

/* From ADU to photons, pixel by pixel: the maps, and the numbers where there is none. What is asked
 * for all pixels at once is the mean of a map. */
static enum atm_status know_camera(struct atm_source *s, struct atm_err *err) {
    struct atm_source_info *info = &s->info;
    const ptrdiff_t pixels = s->pixels;
    double offset, gain;
    enum atm_status status = read_maps(s, err);
    if (status)
        return status;
    if (s->pixel_gain)
        info->camera.gain = gsl_stats_float_mean(s->pixel_gain, 1, (size_t)pixels);
    if (s->variance)
        info->camera.read_noise = sqrt(gsl_stats_float_mean(s->variance, 1, (size_t)pixels));
    info->photons = atm_camera_photons(&info->camera, &offset, &gain);
    if (s->variance && !info->photons)
        return atm_err_set(err, ATM_FAIL, "camera.variance_map needs camera.gain or gain_map");
    const double per_electron = gain / info->camera.gain,
                 own = isnan(per_electron) ? 1 : per_electron;
    if ((!s->pixel_offset && !fill(&s->pixel_offset, pixels, offset)) ||
        (!s->pixel_gain && !fill(&s->pixel_gain, pixels, gain / own)) ||
        (info->camera.saturation > 0 && !fill(&s->saturation, pixels, info->camera.saturation)))
        return atm_err_memory(err, "the camera's pixels");
    const double qe = isnan(info->camera.qe) ? 1 : info->camera.qe;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        s->pixel_gain[i] *= (float)own;
        if (s->variance)
            s->variance[i] /= (float)(qe * qe);
        if (s->saturation)
            s->saturation[i] = (s->saturation[i] - s->pixel_offset[i]) * s->pixel_gain[i];
    }
    return ATM_OK;
}

/* The camera of the pixels that were added up. */
static enum atm_status bin_camera(struct atm_source *s, struct atm_err *err) {
    struct atm_source_info *info = &s->info;
    const size_t binned = (size_t)(info->height * info->width);
    float **const maps[] = {&s->variance, &s->saturation};
    if (info->binning == 1)
        return ATM_OK;
    s->raw = atm_mem_alloc((size_t)s->pixels, ATM_SOURCE_CHUNK * sizeof *s->raw);
    if (!s->raw)
        return atm_err_memory(err, "the pixels to be binned");
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        if (!*maps[i])
            continue;
        float *sum = atm_mem_alloc(binned, sizeof *sum);
        if (!sum)
            return atm_err_memory(err, "the camera's pixels");
        bin(s, *maps[i], sum);
        if (maps[i] == &s->saturation)
            s->full = s->saturation;
        else
            atm_mem_free(*maps[i]);
        *maps[i] = sum;
    }
    info->camera.read_noise *= (double)info->binning;
    return ATM_OK;
}

/* Frames spread evenly over the movie, without blank ones. */
static enum atm_status find_bad_pixels(struct atm_source *s, struct atm_err *err) {
    const struct atm_source_info *info = &s->info;
    const ptrdiff_t looks = info->frames < BAD_PIXEL_FRAMES ? info->frames : BAD_PIXEL_FRAMES;
    float *frame = atm_mem_alloc((size_t)s->pixels, sizeof *frame);
    enum atm_status status =
        frame ? atm_bad_pixels_create(atm_movie_info(s->movie)->height, s->width, &s->bad, err)
              : atm_err_memory(err, "the movie's bad pixels");
    for (ptrdiff_t k = 0; k < looks && !status; k++) {
        status =
            atm_movie_read(s->movie, info->first_frame + k * info->frames / looks, 1, frame, err);
        if (status || atm_frame_is_blank(frame, s->pixels))
            continue;
        for (ptrdiff_t i = 0; i < s->pixels; i++)
            frame[i] = (frame[i] - s->pixel_offset[i]) * s->pixel_gain[i];
        atm_bad_pixels_add(&s->bad, frame);
    }
    if (!status)
        status = atm_bad_pixels_find(&s->bad, err);
    atm_mem_free(frame);
    return status;
}

/* To the fit they are saturated at any value; the network sees them mended. */
static enum atm_status leave_out_bad_pixels(struct atm_source *s, struct atm_err *err) {
    const struct atm_source_info *info = &s->info;
    if (s->bad.count && !s->saturation &&
        !fill(&s->saturation, info->height * info->width, INFINITY))
        return atm_err_memory(err, "the movie's bad pixels");
    for (ptrdiff_t k = 0; k < s->bad.count; k++) {
        const ptrdiff_t y = s->bad.at[k] / s->width / info->binning,
                        x = s->bad.at[k] % s->width / info->binning;
        if (y < info->height && x < info->width)
            s->saturation[y * info->width + x] = -INFINITY;
    }
    return ATM_OK;
}

static enum atm_status set_up_camera(struct atm_source *s, struct atm_err *err) {
    enum atm_status status = know_camera(s, err);
    if (!status && s->options.bad_pixels == ATM_BAD_PIXELS_LEAVE_OUT && !s->bad.height)
        status = find_bad_pixels(s, err);
    if (!status)
        status = bin_camera(s, err);
    if (!status)
        status = leave_out_bad_pixels(s, err);
    s->info.variance = s->variance, s->info.saturation = s->saturation;
    s->info.bad_pixels = s->bad.count;
    return status;
}

static enum atm_status measure(struct atm_source *s, struct atm_err *err) {
    enum atm_status status = atm_source_measure(s, &s->info, err);
    if (!status && !isnan(s->options.scale))
        s->info.scale = s->options.scale;
    return status;
}

/* ---- Camera from the noise ---- */

/* Gain, and offset or read noise, whichever is not known: the noise tells one from the other. Of
 * neither known, there is no read noise: the variance of every pixel is right all the same. */
static void use_estimate(struct atm_source *s) {
    struct atm_source_info *info = &s->info;
    struct atm_camera *camera = &info->camera;
    const double pixels = (double)(info->binning * info->binning);
    const double gain = info->estimate.gain, zero = info->estimate.zero / pixels;
    camera->gain = gain;
    camera->read_noise /= (double)info->binning; /* of the camera's pixels again */
    if (isnan(camera->offset))
        camera->offset = zero + (camera->read_noise > 0 ? pow(camera->read_noise, 2) / gain : 0);
    else if (isnan(camera->read_noise))
        camera->read_noise = sqrt(fmax(camera->offset - zero, 0) * gain);
    info->estimated = true;
}

/* Where the gain is not known: what the noise says of it, and if that is wanted, photons. */
static enum atm_status estimate_camera(struct atm_source *s, struct atm_err *err) {
    struct atm_source_info *info = &s->info;
    if (info->photons || info->camera.maps.offset[0])
        return ATM_OK;
    enum atm_status status = atm_source_noise(s, info, err);
    if (status || !s->options.estimate_camera)
        return status;
    if (!info->estimate.known) {
        char text[ATM_CAMERA_ESTIMATE_SIZE];
        atm_camera_estimate_text(&info->estimate, text);
        return atm_err_set(err, ATM_FAIL,
                           "localize.photons = estimate: the movie's noise %s; set camera.gain and "
                           "camera.offset, or localize.photons = camera",
                           text);
    }
    use_estimate(s);
    float **const maps[] = {&s->pixel_offset, &s->pixel_gain, &s->saturation, &s->full};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        atm_mem_free(*maps[i]);
        *maps[i] = NULL;
    }
    atm_mem_free(s->raw);
    s->raw = NULL;
    status = set_up_camera(s, err);
    return status ? status : measure(s, err);
}

/* Of a movie that is being written not even the first frame may be there yet. */
static enum atm_status open_movie(struct atm_source *s, const char *path,
                                  const struct atm_movie_options *options, struct atm_err *err) {
    const struct timespec pause = {0, 100000000};
    const double start = now_s();
    enum atm_status status;
    while ((status = atm_movie_open(path, options, &s->movie, err)) && s->options.follow &&
           now_s() - start < s->options.follow_s)
        nanosleep(&pause, NULL);
    if (!status && s->options.follow)
        wait_for_frames(s, (ptrdiff_t)(s->options.first_frame + s->options.follow_frames), NULL);
    return status;
}

enum atm_status atm_source_open(const char *path, const struct atm_input_options *options,
                                const struct atm_camera *camera, struct atm_source **source,
                                struct atm_err *err) {
    struct atm_source *s = atm_mem_alloc(1, sizeof *s);
    if (!s)
        return atm_err_memory(err, "reading the movie");
    s->options = *options;
    struct atm_movie_options movie_options;
    enum atm_status status = atm_input_movie_options(options, &movie_options, err);
    if (!status)
        status = open_movie(s, path, &movie_options, err);
    if (!status)
        status = choose_frames(s, path, err);
    if (!status) {
        s->info.camera = atm_camera_merge(&atm_movie_info(s->movie)->camera, camera);
        s->map = atm_mem_alloc((size_t)(s->info.height * s->info.width), sizeof *s->map);
        s->offsets = atm_mem_alloc(ATM_SOURCE_CHUNK, sizeof *s->offsets);
        status = s->map && s->offsets ? set_up_camera(s, err) : atm_err_memory(err, path);
    }
    if (!status)
        status = measure(s, err);
    if (!status)
        status = estimate_camera(s, err);
    if (status)
        atm_source_close(&s);
    *source = s;
    return status;
}

void atm_source_close(struct atm_source **source) {
    if (!*source)
        return;
    atm_movie_close(&(*source)->movie);
    float *maps[] = {(*source)->map,      (*source)->pixel_offset, (*source)->pixel_gain,
                     (*source)->variance, (*source)->saturation,   (*source)->full,
                     (*source)->raw};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        atm_mem_free(maps[i]);
    atm_mem_free((*source)->offsets);
    atm_bad_pixels_free(&(*source)->bad);
    atm_mem_free(*source);
    *source = NULL;
}
