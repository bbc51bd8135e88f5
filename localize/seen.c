/* What the network sees in the movie that it was trained on, for comparison with later ones. */
#include "fit_tally.h"
#include "mem.h"
#include "seeds.h"

#include <string.h>

/* Frames of small movies are cheap, and have few emitters each. */
enum { CHUNKS = 8, FRAMES_LEAST = 4 /* of each */, PIXELS = 1 << 21 /* of all */ };
static const double THRESHOLD = 5; /* standard deviations of the background: not only noise */

struct sample {
    float *image, *background; /* (ATM_SOURCE_CHUNK, H, W) */
    struct atm_table seeds[ATM_SOURCE_CHUNK];
    ptrdiff_t wanted; /* frames of a chunk */
};

static void add_background(const struct atm_source_info *info, const float *background,
                           struct atm_histogram *histogram) {
    const struct atm_fit_grid grid = atm_fit_grid(info->height, info->width);
    for (ptrdiff_t k = 0; k < grid.rows * grid.columns; k++) {
        const ptrdiff_t y0 = k / grid.columns * grid.tile_px, x0 = k % grid.columns * grid.tile_px;
        double sum = 0, pixels = 0;
        for (ptrdiff_t y = y0; y < y0 + grid.tile_px && y < grid.height; y++)
            for (ptrdiff_t x = x0; x < x0 + grid.tile_px && x < grid.width; x++)
                sum += (double)background[y * grid.width + x], pixels++;
        atm_histogram_add(histogram, sum / pixels);
    }
}

/* Evenly spread frames of a chunk, moved to its beginning, and what is in them. */
static enum atm_status add_chunk(struct atm_source *source, ptrdiff_t chunk,
                                 struct atm_seeder *seeder, struct sample *s, struct atm_seen *seen,
                                 struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    const ptrdiff_t pixels = info->height * info->width;
    ptrdiff_t got;
    enum atm_status status = atm_source_read(source, chunk, s->image, s->background, &got, err);
    if (status)
        return status;
    const ptrdiff_t count = got < s->wanted ? got : s->wanted;
    for (ptrdiff_t k = 0; k < count; k++) {
        const ptrdiff_t from = k * got / count * pixels, to = k * pixels;
        memmove(s->image + to, s->image + from, (size_t)pixels * sizeof *s->image);
        memmove(s->background + to, s->background + from, (size_t)pixels * sizeof *s->image);
        add_background(info, s->background + to, &seen->background);
    }
    status = atm_seeder_run(seeder, s->image, s->background, count, s->seeds, err);
    for (ptrdiff_t k = 0; !status && k < count; k++)
        for (ptrdiff_t i = 0; i < s->seeds[k].count; i++)
            atm_histogram_add(&seen->blocks, s->seeds[k].rows[i].photons);
    return status;
}

enum atm_status atm_learn_seen(struct atm_source *source, struct atm_model *model,
                               struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    const size_t pixels = (size_t)(info->height * info->width);
    struct sample s = {.image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, sizeof *s.image),
                       .background = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, sizeof *s.image)};
    struct atm_seen seen = {.known = true,
                            .threshold = THRESHOLD *
                                         atm_seed_noise_photons(info, model->calibration.sigma_px)};
    struct atm_seeder *seeder = NULL;
    for (int k = 0; k < ATM_SOURCE_CHUNK; k++)
        atm_table_init(&s.seeds[k]);
    enum atm_status status =
        s.image && s.background ? ATM_OK : atm_err_memory(err, "a sample of frames");
    if (!status)
        status = atm_seeder_create(model, info, seen.threshold, &seeder, err);
    const ptrdiff_t chunks = info->chunks < CHUNKS ? info->chunks : CHUNKS;
    s.wanted = PIXELS / ((ptrdiff_t)pixels * chunks);
    s.wanted = s.wanted < FRAMES_LEAST ? FRAMES_LEAST : s.wanted;
    for (ptrdiff_t c = 0; !status && c < chunks; c++)
        status = add_chunk(source, c * info->chunks / chunks, seeder, &s, &seen, err);
    if (!status)
        model->seen = seen;
    atm_seeder_destroy(&seeder);
    for (int k = 0; k < ATM_SOURCE_CHUNK; k++)
        atm_table_free(&s.seeds[k]);
    atm_mem_free(s.image);
    atm_mem_free(s.background);
    return status;
}
