#include "background.h"
#include "localize.h"
#include "mem.h"
#include "noise_model.h"

#include <gsl/gsl_sort_float.h>
#include <math.h>
#include <string.h>

enum { SAMPLED_CHUNKS = 4, SAMPLED_FRAMES = 8 /* of a chunk, at most */ };

struct atm_source {
    struct atm_movie *movie; /* owned */
    struct atm_input_options options;
    struct atm_source_info info;
    float *pixel_offset, *pixel_gain; /* (H, W); photons = (ADU - offset) * gain */
    float *variance, *saturation;     /* (H, W) or NULL: see the info */
    float *map;                       /* (H, W) */
    float *offsets;                   /* (ATM_SOURCE_CHUNK) */
};

const struct atm_source_info *atm_source_info(const struct atm_source *s) { return &s->info; }

struct atm_movie *atm_source_movie(struct atm_source *s) {
    return s->movie;
}

enum atm_status atm_source_read(struct atm_source *s, ptrdiff_t index, float *image,
                                float *background, ptrdiff_t *count, struct atm_err *err) {
    const struct atm_source_info *info = &s->info;
    ptrdiff_t first = index * ATM_SOURCE_CHUNK, left = info->frames - first;
    ptrdiff_t n = left < ATM_SOURCE_CHUNK ? left : ATM_SOURCE_CHUNK;
    ptrdiff_t pixels = info->height * info->width;
    enum atm_status status = atm_movie_read(s->movie, info->first_frame + first, n, image, err);
    if (status)
        return status;
    for (ptrdiff_t i = 0; i < n * pixels; i++)
        image[i] = (image[i] - s->pixel_offset[i % pixels]) * s->pixel_gain[i % pixels];
    *count = n;
    if (s->options.background == ATM_BACKGROUND_NONE) {
        memset(background, 0, (size_t)(n * pixels) * sizeof *background);
        return ATM_OK;
    }
    status = atm_background_estimate(image, n, info->height, info->width, s->map, s->offsets, err);
    for (ptrdiff_t t = 0; !status && t < n; t++)
        for (ptrdiff_t i = 0; i < pixels; i++)
            background[t * pixels + i] = s->map[i] + s->offsets[t];
    return status;
}

/* ---- Statistics ---- */

struct statistics {
    double level, variance; /* sums over the sampled frames */
    ptrdiff_t frames, peaks;
    float *heights; /* (peak_room) */
    ptrdiff_t peak_room;
};

/* Noise level and peaks of evenly spread frames of a chunk. */
static void add_chunk(const struct atm_source_info *info, const float *image,
                      const float *background, ptrdiff_t count, float *values,
                      struct statistics *st) {
    ptrdiff_t pixels = info->height * info->width;
    ptrdiff_t step = (count + SAMPLED_FRAMES - 1) / SAMPLED_FRAMES;
    for (ptrdiff_t t = 0; t < count; t += step) {
        const float *frame = image + t * pixels, *ground = background + t * pixels;
        double level, sd, mean = 0, top = 0;
        for (ptrdiff_t i = 0; i < pixels; i++) {
            values[i] = frame[i] - ground[i];
            top = fmax(top, (double)values[i]);
            mean += (double)ground[i] / (double)pixels;
        }
        atm_background_level(values, pixels, &level, &sd);
        st->level += mean + level;
        st->variance += sd * sd;
        st->frames++;
        st->peaks +=
            atm_background_peaks(frame, ground, info->height, info->width, fmax(sd, 0.02 * top),
                                 st->heights + st->peaks, st->peak_room - st->peaks);
    }
}

/* What is not known of the camera is guessed from the background: its variance is light, and the
 * light above the offset is at most the whole level. Refinement measures it better on its
 * residuals. */
static struct atm_noise guess_noise(const struct atm_source_info *info) {
    if (info->photons)
        return atm_noise_of(&atm_noise_models[ATM_NOISE_AUTO], &info->camera);
    double gain = info->background > 0 ? info->background_variance / info->background : 0;
    return (struct atm_noise){gain, info->background, info->background_variance};
}

static enum atm_status measure(struct atm_source *s, struct atm_err *err) {
    struct atm_source_info *info = &s->info;
    size_t pixels = (size_t)(info->height * info->width);
    /* Of four neighbours at most one is a local maximum. */
    ptrdiff_t room = SAMPLED_CHUNKS * SAMPLED_FRAMES * (ptrdiff_t)(pixels / 4 + 1);
    struct statistics st = {.heights = atm_mem_alloc((size_t)room, sizeof(float)),
                            .peak_room = room};
    float *image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, 2 * sizeof *image);
    float *values = atm_mem_alloc(pixels, sizeof *values);
    enum atm_status status =
        st.heights && image && values ? ATM_OK : atm_err_memory(err, "reading the movie");
    ptrdiff_t chunks = info->chunks < SAMPLED_CHUNKS ? info->chunks : SAMPLED_CHUNKS;
    for (ptrdiff_t c = 0; !status && c < chunks; c++) {
        float *background = image + ATM_SOURCE_CHUNK * pixels;
        ptrdiff_t count;
        status = atm_source_read(s, c * info->chunks / chunks, image, background, &count, err);
        if (!status)
            add_chunk(info, image, background, count, values, &st);
    }
    if (!status) {
        double frames = (double)st.frames;
        info->background = st.level / frames;
        info->background_variance = st.variance / frames;
        info->density_px = (double)st.peaks / frames / (double)pixels;
        info->noise = guess_noise(info);
        gsl_sort_float(st.heights, 1, (size_t)st.peaks);
        info->scale = st.peaks ? (double)st.heights[st.peaks / 2] : 0;
        if (!(info->scale > 0))
            info->scale = info->background_variance > 0 ? 10 * sqrt(info->background_variance) : 1;
        if (!isnan(s->options.scale))
            info->scale = s->options.scale;
    }
    atm_mem_free(st.heights);
    atm_mem_free(image);
    atm_mem_free(values);
    return status;
}

static enum atm_status choose_frames(struct atm_source *s, const char *path, struct atm_err *err) {
    const struct atm_movie_info *movie = atm_movie_info(s->movie);
    struct atm_source_info *info = &s->info;
    info->first_frame = (ptrdiff_t)s->options.first_frame;
    ptrdiff_t left = movie->frames - info->first_frame, wanted = (ptrdiff_t)s->options.frame_count;
    if (left <= 0 || wanted > left)
        return atm_err_set(err, ATM_FAIL,
                           "%s: has %td frames; input.first_frame = %td and input.frame_count = "
                           "%td ask for more",
                           path, movie->frames, info->first_frame, wanted);
    info->frames = wanted ? wanted : left;
    info->chunks = (info->frames + ATM_SOURCE_CHUNK - 1) / ATM_SOURCE_CHUNK;
    info->height = movie->height, info->width = movie->width;
    if (info->height < 8 || info->width < 8)
        return atm_err_set(err, ATM_FAIL, "%s: frames of %td x %td px; at least 8 x 8 are needed",
                           path, info->height, info->width);
    return ATM_OK;
}

/* ---- Camera ---- */

static double mean_of(const float *values, ptrdiff_t n) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        sum += (double)values[i];
    return sum / (double)n;
}

static enum atm_status read_maps(struct atm_source *s, struct atm_err *err) {
    struct atm_source_info *info = &s->info;
    const struct {
        const char *path;
        double least;
        float **map;
    } maps[] = {{info->camera.maps.offset, -1e6, &s->pixel_offset},
                {info->camera.maps.gain, 1e-6, &s->pixel_gain},
                {info->camera.maps.variance, 0, &s->variance}};
    enum atm_status status = ATM_OK;
    for (size_t i = 0; i < sizeof maps / sizeof *maps && !status; i++)
        if (maps[i].path[0])
            status = atm_camera_read_map(maps[i].path, info->height, info->width, maps[i].least,
                                         maps[i].map, &info->maps_hash, err);
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
    const ptrdiff_t pixels = info->height * info->width;
    double offset, gain;
    enum atm_status status = read_maps(s, err);
    if (status)
        return status;
    if (s->pixel_gain)
        info->camera.gain = mean_of(s->pixel_gain, pixels);
    if (s->variance)
        info->camera.read_noise = sqrt(mean_of(s->variance, pixels));
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
    info->variance = s->variance, info->saturation = s->saturation;
    return ATM_OK;
}

enum atm_status atm_source_open(const char *path, const struct atm_input_options *options,
                                const struct atm_camera *camera, struct atm_source **source,
                                struct atm_err *err) {
    struct atm_source *s = atm_mem_alloc(1, sizeof *s);
    if (!s)
        return atm_err_memory(err, "reading the movie");
    s->options = *options;
    const struct atm_movie_options movie_options = {options->allow_truncated};
    enum atm_status status = atm_movie_open(path, &movie_options, &s->movie, err);
    if (!status)
        status = choose_frames(s, path, err);
    if (!status) {
        s->info.camera = atm_camera_merge(&atm_movie_info(s->movie)->camera, camera);
        s->map = atm_mem_alloc((size_t)(s->info.height * s->info.width), sizeof *s->map);
        s->offsets = atm_mem_alloc(ATM_SOURCE_CHUNK, sizeof *s->offsets);
        status = s->map && s->offsets ? know_camera(s, err) : atm_err_memory(err, path);
    }
    if (!status)
        status = measure(s, err);
    if (status)
        atm_source_close(&s);
    *source = s;
    return status;
}

void atm_source_close(struct atm_source **source) {
    if (!*source)
        return;
    atm_movie_close(&(*source)->movie);
    float *maps[] = {(*source)->map, (*source)->pixel_offset, (*source)->pixel_gain,
                     (*source)->variance, (*source)->saturation};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        atm_mem_free(maps[i]);
    atm_mem_free((*source)->offsets);
    atm_mem_free(*source);
    *source = NULL;
}
