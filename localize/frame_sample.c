#include "frame_sample.h"
#include "mem.h"

#include <string.h>

enum { CHUNKS_MOST = 8 };

static enum atm_status allocate(struct atm_frame_sample *sample, struct atm_err *err) {
    size_t n = (size_t)sample->count, pixels = (size_t)sample->pixels;
    sample->image = atm_mem_alloc(n * pixels, sizeof *sample->image);
    sample->background = atm_mem_alloc(n * pixels, sizeof *sample->background);
    sample->seeds = atm_mem_alloc(n, sizeof *sample->seeds);
    sample->inputs = atm_mem_alloc(n, sizeof *sample->inputs);
    for (ptrdiff_t i = 0; i < sample->count && sample->seeds; i++)
        atm_table_init(&sample->seeds[i]);
    return sample->image && sample->background && sample->seeds && sample->inputs
               ? ATM_OK
               : atm_err_memory(err, "a sample of frames");
}

enum atm_status atm_frame_sample_take(struct atm_source *source, const ptrdiff_t *frames,
                                      ptrdiff_t count, struct atm_frame_sample *sample,
                                      struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    ptrdiff_t pixels = info->height * info->width, chunk = -1, got;
    sample->count = count, sample->pixels = pixels;
    float *buffer = atm_mem_alloc((size_t)(2 * ATM_SOURCE_CHUNK * pixels), sizeof *buffer);
    float *ground = buffer + ATM_SOURCE_CHUNK * pixels;
    enum atm_status status = allocate(sample, err);
    if (!status && !buffer)
        status = atm_err_memory(err, "a sample of frames");
    for (ptrdiff_t i = 0; i < count && !status; i++) {
        if (frames[i] / ATM_SOURCE_CHUNK != chunk) {
            chunk = frames[i] / ATM_SOURCE_CHUNK;
            status = atm_source_read(source, chunk, buffer, ground, &got, err);
        }
        ptrdiff_t from = frames[i] % ATM_SOURCE_CHUNK * pixels;
        if (status)
            break;
        memcpy(sample->image + i * pixels, buffer + from, (size_t)pixels * sizeof *buffer);
        memcpy(sample->background + i * pixels, ground + from, (size_t)pixels * sizeof *buffer);
    }
    atm_mem_free(buffer);
    return status;
}

enum atm_status atm_frame_sample_spread(struct atm_source *source, struct atm_seeder *seeder,
                                        ptrdiff_t most, struct atm_frame_sample *sample,
                                        struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    ptrdiff_t chunks = info->chunks < CHUNKS_MOST ? info->chunks : CHUNKS_MOST, count = 0;
    ptrdiff_t *frames = atm_mem_alloc((size_t)most, sizeof *frames);
    if (!frames)
        return atm_err_memory(err, "a sample of frames");
    for (ptrdiff_t c = 0; c < chunks; c++) {
        ptrdiff_t first = c * info->chunks / chunks * ATM_SOURCE_CHUNK, wanted = most / chunks;
        ptrdiff_t held = info->frames - first;
        held = held < ATM_SOURCE_CHUNK ? held : ATM_SOURCE_CHUNK;
        wanted = held < wanted ? held : wanted;
        for (ptrdiff_t k = 0; k < wanted; k++)
            frames[count++] = first + k * held / wanted;
    }
    enum atm_status status = atm_frame_sample_take(source, frames, count, sample, err);
    if (!status && seeder)
        status =
            atm_seeder_run(seeder, sample->image, sample->background, count, sample->seeds, err);
    atm_mem_free(frames);
    return status;
}

void atm_frame_sample_tell(struct atm_frame_sample *sample, const struct atm_tuning *tuning) {
    for (ptrdiff_t t = 0; t < sample->count; t++)
        sample->inputs[t] =
            (struct atm_refine_input){.image = sample->image + t * sample->pixels,
                                      .background = sample->background + t * sample->pixels,
                                      .sigma_px = tuning->sigma_px,
                                      .noise = tuning->noise,
                                      .seeds = sample->seeds[t].rows,
                                      .seed_count = sample->seeds[t].count,
                                      .frame = t,
                                      .population = tuning->population,
                                      .variance = tuning->variance,
                                      .saturation = tuning->saturation};
}

void atm_frame_sample_free(struct atm_frame_sample *sample) {
    for (ptrdiff_t i = 0; i < sample->count && sample->seeds; i++)
        atm_table_free(&sample->seeds[i]);
    atm_mem_free(sample->image);
    atm_mem_free(sample->background);
    atm_mem_free(sample->seeds);
    atm_mem_free(sample->inputs);
    *sample = (struct atm_frame_sample){0};
}
