#include "seeds.h"
#include "mem.h"
#include "peak_finder.h"

#include <math.h>
#include <string.h>

/* Pixels that are handed to the encoder at a time; it cuts them into passes of its own. */
enum { BATCH_PIXELS = 1 << 22 };

struct atm_seeder {
    const struct atm_model *model; /* borrowed */
    struct atm_coder *coder;
    struct atm_model_size size; /* padded frames */
    ptrdiff_t height, width;    /* of the movie */
    double scale, threshold;
    struct atm_peak_finder *peaks; /* owned; NULL: the encoder's blocks */
    float *batch;                  /* (images, padded H, padded W) */
    const float *latents;
};

double atm_seed_noise_photons(const struct atm_source_info *info, double sigma_px) {
    return sqrt(4 * M_PI * sigma_px * sigma_px * info->background_variance);
}

static ptrdiff_t padded(ptrdiff_t extent, ptrdiff_t cell) {
    return cell ? (extent + cell - 1) / cell * cell : extent;
}

enum atm_status atm_seeder_create(const struct atm_model *model, const struct atm_source_info *info,
                                  double threshold, struct atm_seeder **seeder,
                                  struct atm_err *err) {
    if (!model->calibration.done)
        return atm_err_set(err, ATM_FAIL, "the model is not calibrated: run atomloc calibrate");
    struct atm_seeder *s = atm_mem_alloc(1, sizeof *s);
    if (!s)
        return atm_err_memory(err, "localizing");
    s->model = model;
    s->height = info->height, s->width = info->width;
    s->scale = info->scale, s->threshold = threshold;
    ptrdiff_t h = padded(info->height, model->cell), w = padded(info->width, model->cell);
    ptrdiff_t images = BATCH_PIXELS / (h * w);
    images = images < 1 ? 1 : images > ATM_SOURCE_CHUNK ? ATM_SOURCE_CHUNK : images;
    images = images > info->frames ? info->frames : images;
    enum atm_status status = atm_model_size(model, images, h, w, &s->size, err);
    if (!status)
        status = atm_coder_create(model, &s->size, ATM_CODER_ENCODE, &s->coder, err);
    if (!status) {
        s->batch = atm_mem_alloc((size_t)(images * h * w), sizeof *s->batch);
        status = s->batch ? ATM_OK : atm_err_memory(err, "localizing");
    }
    if (status)
        atm_seeder_destroy(&s);
    *seeder = s;
    return status;
}

void atm_seeder_destroy(struct atm_seeder **seeder) {
    if (!*seeder)
        return;
    atm_coder_destroy(&(*seeder)->coder);
    atm_mem_free((*seeder)->batch);
    atm_peak_finder_destroy(&(*seeder)->peaks);
    atm_mem_free(*seeder);
    *seeder = NULL;
}

enum atm_status atm_seeder_use_peaks(struct atm_seeder *s, double sigma_px, struct atm_err *err) {
    return atm_peak_finder_create(s->height, s->width, sigma_px, &s->peaks, err);
}

/* Normalised frame in the top left corner; the padding is background (0). */
static void normalise(const struct atm_seeder *s, const float *image, const float *background,
                      float *to) {
    memset(to, 0, (size_t)(s->size.height * s->size.width) * sizeof *to);
    float factor = (float)(1 / s->scale);
    for (ptrdiff_t y = 0; y < s->height; y++)
        for (ptrdiff_t x = 0; x < s->width; x++) {
            ptrdiff_t i = y * s->width + x;
            to[y * s->size.width + x] = (image[i] - background[i]) * factor;
        }
}

static double clamp(double v, ptrdiff_t extent) {
    return fmin(fmax(v, -0.5), (double)extent - 0.5);
}

static enum atm_status collect(const struct atm_seeder *s, const float *latents, int64_t frame,
                               struct atm_table *seeds, struct atm_err *err) {
    const struct atm_model *model = s->model;
    const struct atm_model_size *size = &s->size;
    seeds->count = 0;
    for (ptrdiff_t b = 0; b < size->blocks; b++) {
        double mass, x, y;
        atm_calibration_apply(&model->calibration, model->latent, latents + b * model->latent,
                              &mass, &x, &y);
        if (!(mass * s->scale > s->threshold) || !isfinite(x) || !isfinite(y))
            continue;
        ptrdiff_t cell = b / size->per_cell;
        double half = model->cell ? ((double)model->cell - 1) / 2 : 0;
        x += (double)(cell % size->grid_x * model->cell) + half;
        y += (double)(cell / size->grid_x * model->cell) + half;
        if (x > (double)s->width + 1 || y > (double)s->height + 1)
            continue; /* in the padding */
        struct atm_loc seed = atm_loc_empty();
        seed.frame = frame;
        seed.x = clamp(x, s->width), seed.y = clamp(y, s->height);
        seed.photons = mass * s->scale;
        seed.blocks = 1;
        enum atm_status status = atm_table_append(seeds, &seed, err);
        if (status)
            return status;
    }
    return ATM_OK;
}

enum atm_status atm_seeder_run(struct atm_seeder *s, const float *image, const float *background,
                               ptrdiff_t count, struct atm_table *seeds, struct atm_err *err) {
    ptrdiff_t pixels = s->height * s->width, images = s->size.images;
    ptrdiff_t padded_pixels = s->size.height * s->size.width;
    for (ptrdiff_t t = 0; s->peaks && t < count; t++) {
        enum atm_status status = atm_peak_finder_run(
            s->peaks, image + t * pixels, background + t * pixels, s->threshold, t, &seeds[t], err);
        if (status || t == count - 1)
            return status;
    }
    for (ptrdiff_t first = 0; first < count; first += images) {
        ptrdiff_t n = count - first < images ? count - first : images;
        for (ptrdiff_t i = 0; i < n; i++)
            normalise(s, image + (first + i) * pixels, background + (first + i) * pixels,
                      s->batch + i * padded_pixels);
        s->latents = atm_coder_encode(s->coder, s->batch);
        for (ptrdiff_t i = 0; i < n; i++) {
            const float *latents = s->latents + i * s->size.blocks * s->model->latent;
            enum atm_status status = collect(s, latents, first + i, &seeds[first + i], err);
            if (status)
                return status;
        }
    }
    return ATM_OK;
}

const float *atm_seeder_latents(const struct atm_seeder *s, struct atm_model_size *size) {
    *size = s->size;
    return s->latents;
}
