#include "source_measure.h"

#include "background.h"
#include "mem.h"
#include "noise_model.h"

#include <gsl/gsl_sort_float.h>
#include <math.h>

enum { SAMPLED_CHUNKS = 4, SAMPLED_FRAMES = 8 /* of a chunk, at most */ };
enum { NOISE_CHUNKS = 8, NOISE_PIXELS = 1 << 24 /* of all of them, at most but for the first */ };

struct statistics {
    double level, variance; /* sums over the sampled frames */
    ptrdiff_t frames, peaks;
    float *heights; /* (peak_room) */
    ptrdiff_t peak_room;
};

enum { HOT_PIXELS = 4 }; /* of a frame, or hit by a cosmic ray: a spot has more */

/* Noise level and peaks of evenly spread frames of a chunk. */
static void add_chunk(const struct atm_source_info *info, const float *image,
                      const float *background, ptrdiff_t count, float *values,
                      struct statistics *st) {
    ptrdiff_t pixels = info->height * info->width;
    ptrdiff_t step = (count + SAMPLED_FRAMES - 1) / SAMPLED_FRAMES;
    for (ptrdiff_t t = 0; t < count; t += step) {
        const float *frame = image + t * pixels, *ground = background + t * pixels;
        double level, sd, mean = 0;
        if (atm_frame_is_blank(frame, pixels))
            continue;
        for (ptrdiff_t i = 0; i < pixels; i++) {
            values[i] = frame[i] - ground[i];
            mean += (double)ground[i] / (double)pixels;
        }
        atm_background_level(values, pixels, &level, &sd);
        const double top = (double)values[pixels - 1 - HOT_PIXELS]; /* level sorts them */
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

enum atm_status atm_source_measure(struct atm_source *source, struct atm_source_info *info,
                                   struct atm_err *err) {
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
        status = atm_source_read(source, c * info->chunks / chunks, image, background, &count, err);
        if (!status)
            add_chunk(info, image, background, count, values, &st);
    }
    if (!status) {
        double frames = fmax((double)st.frames, 1); /* 0: all are blank */
        info->background = st.level / frames;
        info->background_variance = st.variance / frames;
        info->density_px = (double)st.peaks / frames / (double)pixels;
        info->noise = guess_noise(info);
        gsl_sort_float(st.heights, 1, (size_t)st.peaks);
        info->scale = st.peaks ? (double)st.heights[st.peaks / 2] : 0;
        if (!(info->scale > 0))
            info->scale = info->background_variance > 0 ? 10 * sqrt(info->background_variance) : 1;
    }
    atm_mem_free(st.heights);
    atm_mem_free(image);
    atm_mem_free(values);
    return status;
}

enum atm_status atm_source_noise(struct atm_source *source, struct atm_source_info *info,
                                 struct atm_err *err) {
    const size_t pixels = (size_t)(info->height * info->width);
    float *image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, 2 * sizeof *image);
    float *background = image + ATM_SOURCE_CHUNK * pixels;
    struct atm_noise_cells cells = {0};
    enum atm_status status = image ? ATM_OK : atm_err_memory(err, "the camera's noise");
    ptrdiff_t chunks = NOISE_PIXELS / (ATM_SOURCE_CHUNK * (ptrdiff_t)pixels);
    chunks = chunks < 1 ? 1 : chunks > NOISE_CHUNKS ? NOISE_CHUNKS : chunks;
    chunks = chunks > info->chunks ? info->chunks : chunks;
    for (ptrdiff_t c = 0; c < chunks && !status; c++) {
        ptrdiff_t got;
        status = atm_source_read(source, c * info->chunks / chunks, image, background, &got, err);
        if (!status)
            status =
                atm_noise_cells_add(&cells, image, background, got, info->height, info->width, err);
    }
    if (!status)
        info->estimate = atm_camera_estimate(&cells);
    atm_noise_cells_free(&cells);
    atm_mem_free(image);
    return status;
}
