#include "figure_set.h"

#include "mem.h"
#include "whole.h"
#include <gsl/gsl_sort_float.h>
#include <math.h>
#include <string.h>

enum {
    BATCH = 16,
    SAMPLE_IMAGES = 1000,
    SAMPLE_BLOCKS = 50000, /* fewer images where they have many blocks */
    RENDER_BLOCKS = 512,   /* rendered at a time */
};

static ptrdiff_t padded(ptrdiff_t extent, ptrdiff_t cell) {
    return cell ? (extent + cell - 1) / cell * cell : extent;
}

/* ---- Images and latents ---- */

/* Image `index` of the set into a padded image of the batch. */
static enum atm_status read_image(struct atm_figure_set *set, ptrdiff_t index, float *to,
                                  struct atm_err *err) {
    const ptrdiff_t pixels = set->height * set->width, wanted = index / ATM_SOURCE_CHUNK;
    float *background = set->chunk + ATM_SOURCE_CHUNK * pixels;
    if (wanted != set->chunk_index) {
        ptrdiff_t count;
        set->chunk_index = -1;
        enum atm_status status =
            atm_source_read(set->source, wanted, set->chunk, background, &count, err);
        if (status)
            return status;
        set->chunk_index = wanted;
    }
    const double scale = set->model->image_scale;
    const ptrdiff_t at = index % ATM_SOURCE_CHUNK * pixels;
    for (ptrdiff_t i = 0; i < pixels; i++)
        to[i / set->width * set->size.width + i % set->width] =
            (float)(((double)set->chunk[at + i] - (double)background[at + i]) / scale);
    return ATM_OK;
}

/* The frame within a padded image. */
static void crop(const struct atm_figure_set *set, const float *from, float *to) {
    for (ptrdiff_t y = 0; y < set->height; y++)
        memcpy(to + y * set->width, from + y * set->size.width, (size_t)set->width * sizeof *to);
}

enum atm_status atm_figure_set_encode(struct atm_figure_set *set, ptrdiff_t n,
                                      const ptrdiff_t *index, float *input, float *latents,
                                      struct atm_err *err) {
    const ptrdiff_t side = set->size.height * set->size.width;
    const ptrdiff_t code = set->size.blocks * set->model->latent;
    for (ptrdiff_t first = 0; first < n; first += BATCH) {
        const ptrdiff_t count = atm_smaller(BATCH, n - first);
        memset(set->batch, 0, (size_t)(BATCH * side) * sizeof *set->batch);
        for (ptrdiff_t i = 0; i < count; i++) {
            enum atm_status status = read_image(set, index[first + i], set->batch + i * side, err);
            if (status)
                return status;
            if (input)
                crop(set, set->batch + i * side, input + (first + i) * set->height * set->width);
        }
        if (latents)
            memcpy(latents + first * code, atm_coder_encode(set->coder, set->batch),
                   (size_t)(count * code) * sizeof *latents);
    }
    return ATM_OK;
}

void atm_figure_set_decode(struct atm_figure_set *set, ptrdiff_t n, const float *latents,
                           float *output) {
    const ptrdiff_t side = set->size.height * set->size.width;
    const ptrdiff_t code = set->size.blocks * set->model->latent;
    for (ptrdiff_t first = 0; first < n; first += BATCH) {
        const ptrdiff_t count = atm_smaller(BATCH, n - first);
        /* The batch of images serves as one of latents, too. */
        float *batch = set->batch;
        memset(batch, 0, (size_t)(BATCH * code) * sizeof *batch);
        memcpy(batch, latents + first * code, (size_t)(count * code) * sizeof *batch);
        const float *images = atm_coder_decode(set->coder, batch);
        for (ptrdiff_t i = 0; i < count; i++)
            crop(set, images + i * side, output + (first + i) * set->height * set->width);
    }
}

/* ---- Single atoms ---- */

enum atm_status atm_figure_set_norms(const struct atm_figure_set *set, ptrdiff_t n,
                                     const float *latents, double *norms, struct atm_err *err) {
    const ptrdiff_t side = atm_model_atom_side(set->model), pixels = side * side;
    float *atoms = atm_mem_alloc((size_t)(atm_smaller(n, RENDER_BLOCKS) * pixels), sizeof *atoms);
    enum atm_status status = atoms ? ATM_OK : atm_err_memory(err, "rendering atoms");
    for (ptrdiff_t first = 0; !status && first < n; first += RENDER_BLOCKS) {
        const ptrdiff_t count = atm_smaller(RENDER_BLOCKS, n - first);
        status = atm_model_render_atoms(set->model, count, latents + first * set->model->latent,
                                        atoms, err);
        for (ptrdiff_t i = 0; !status && i < count * pixels; i++)
            atoms[i] = fminf(fmaxf(atoms[i], 0), 1);
        for (ptrdiff_t i = 0; !status && i < count; i++)
            norms[first + i] = atm_loss_norm(pixels, atoms + i * pixels);
    }
    atm_mem_free(atoms);
    return status;
}

enum atm_status atm_figure_set_atoms(const struct atm_figure_set *set, ptrdiff_t n,
                                     const ptrdiff_t *block, const float *latents, float *images,
                                     struct atm_err *err) {
    const ptrdiff_t side = atm_model_atom_side(set->model), pixels = set->height * set->width;
    float *atoms = atm_mem_alloc((size_t)(n * side * side), sizeof *atoms);
    enum atm_status status = atoms ? atm_model_render_atoms(set->model, n, latents, atoms, err)
                                   : atm_err_memory(err, "rendering atoms");
    if (!status)
        memset(images, 0, (size_t)(n * pixels) * sizeof *images);
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        const struct atm_frame frame = {images + i * pixels, set->height, set->width};
        atm_model_add_atom(set->model, &set->size, block[i], atoms + i * side * side, 1, &frame);
    }
    atm_mem_free(atoms);
    return status;
}

double atm_figure_set_norm(const struct atm_figure_set *set, const float *image) {
    return atm_loss_norm(set->height * set->width, image);
}

double atm_figure_set_error(const struct atm_figure_set *set, const float *input,
                            const float *output) {
    const ptrdiff_t pixels = set->height * set->width;
    const double norm = atm_loss_norm(pixels, input);
    return norm > 0 ? atm_loss_mse(pixels, output, input, NULL) * (double)pixels / (norm * norm)
                    : NAN;
}

void atm_figure_apart_free(struct atm_figure_apart *apart) {
    atm_mem_free(apart->input);
    atm_mem_free(apart->output);
    atm_mem_free(apart->latents);
    atm_mem_free(apart->share);
    *apart = (struct atm_figure_apart){0};
}

enum atm_status atm_figure_set_take_apart(struct atm_figure_set *set, ptrdiff_t image,
                                          struct atm_figure_apart *apart, struct atm_err *err) {
    const size_t pixels = (size_t)(set->height * set->width), blocks = (size_t)set->size.blocks;
    apart->blocks = set->size.blocks;
    apart->input = atm_mem_alloc(pixels, sizeof *apart->input);
    apart->output = atm_mem_alloc(pixels, sizeof *apart->output);
    apart->latents = atm_mem_alloc(blocks, (size_t)set->model->latent * sizeof *apart->latents);
    apart->share = atm_mem_alloc(blocks, sizeof *apart->share);
    if (!apart->input || !apart->output || !apart->latents || !apart->share)
        return atm_err_memory(err, "figures");
    enum atm_status status =
        atm_figure_set_encode(set, 1, &image, apart->input, apart->latents, err);
    if (!status)
        status = atm_figure_set_norms(set, apart->blocks, apart->latents, apart->share, err);
    if (status)
        return status;
    atm_figure_set_decode(set, 1, apart->latents, apart->output);
    const double norm = atm_figure_set_norm(set, apart->input);
    for (ptrdiff_t b = 0; b < apart->blocks; b++)
        apart->share[b] = norm > 0 ? apart->share[b] / norm : 0;
    return ATM_OK;
}

ptrdiff_t atm_figure_set_truth(const struct atm_figure_set *set, ptrdiff_t index,
                               const struct atm_loc **rows) {
    const int64_t frame = (int64_t)(set->first_frame + index);
    const struct atm_table *truth = set->truth;
    ptrdiff_t first = 0, end;
    *rows = NULL;
    if (!truth)
        return 0;
    while (first < truth->count && truth->rows[first].frame < frame)
        first++;
    for (end = first; end < truth->count && truth->rows[end].frame == frame;)
        end++;
    *rows = truth->rows + first;
    return end - first;
}

/* ---- Ranges ---- */

/* Quantiles of coordinate d of the blocks `member`; values: scratch. */
static void one_range(struct atm_figure_set *set, ptrdiff_t member, ptrdiff_t d,
                      const float *latents, const bool *active, float *values) {
    const ptrdiff_t latent = set->model->latent, blocks = set->size.blocks;
    size_t count = 0;
    for (int all = 0; all < 2 && !count; all++)
        for (ptrdiff_t i = member; i < set->sampled * blocks; i += set->size.per_cell)
            if (all || active[i])
                values[count++] = latents[i * latent + d];
    gsl_sort_float(values, 1, count);
    const double last = (double)(count - 1);
    set->low[member * latent + d] = values[(size_t)floor(ATM_FIGURE_LOW_PERCENT * last / 100)];
    set->high[member * latent + d] = values[(size_t)ceil(ATM_FIGURE_HIGH_PERCENT * last / 100)];
}

struct sample {
    ptrdiff_t *index; /* (sampled) */
    float *latents;   /* (sampled, blocks, d0) */
    double *norms;    /* (sampled, blocks) */
    bool *active;     /* (sampled, blocks) */
    float *image;     /* one */
    float *values;    /* (sampled * blocks / per_cell) */
};

static bool sample_alloc(const struct atm_figure_set *set, struct sample *s) {
    const size_t blocks = (size_t)(set->sampled * set->size.blocks);
    s->index = atm_mem_alloc((size_t)set->sampled, sizeof *s->index);
    s->latents = atm_mem_alloc(blocks, (size_t)set->model->latent * sizeof *s->latents);
    s->norms = atm_mem_alloc(blocks, sizeof *s->norms);
    s->active = atm_mem_alloc(blocks, sizeof *s->active);
    s->image = atm_mem_alloc((size_t)(set->height * set->width), sizeof *s->image);
    s->values = atm_mem_alloc(blocks, sizeof *s->values);
    return s->index && s->latents && s->norms && s->active && s->image && s->values;
}

static void sample_free(struct sample *s) {
    atm_mem_free(s->index);
    atm_mem_free(s->latents);
    atm_mem_free(s->norms);
    atm_mem_free(s->active);
    atm_mem_free(s->image);
    atm_mem_free(s->values);
}

static enum atm_status find_active(struct atm_figure_set *set, struct sample *s,
                                   struct atm_err *err) {
    const ptrdiff_t blocks = set->size.blocks;
    for (ptrdiff_t i = 0; i < set->sampled; i++) {
        enum atm_status status = atm_figure_set_encode(set, 1, &s->index[i], s->image, NULL, err);
        if (status)
            return status;
        const double least = set->active * atm_figure_set_norm(set, s->image);
        for (ptrdiff_t b = i * blocks; b < (i + 1) * blocks; b++)
            s->active[b] = s->norms[b] > 0 && s->norms[b] >= least;
    }
    return ATM_OK;
}

static enum atm_status find_ranges(struct atm_figure_set *set, struct atm_err *err) {
    struct sample s = {0};
    enum atm_status status =
        sample_alloc(set, &s) ? ATM_OK : atm_err_memory(err, "the latents of the test set");
    for (ptrdiff_t i = 0; !status && i < set->sampled; i++)
        s.index[i] = i * set->count / set->sampled;
    if (!status)
        status = atm_figure_set_encode(set, set->sampled, s.index, NULL, s.latents, err);
    if (!status)
        status =
            atm_figure_set_norms(set, set->sampled * set->size.blocks, s.latents, s.norms, err);
    if (!status)
        status = find_active(set, &s, err);
    for (ptrdiff_t j = 0; !status && j < set->size.per_cell; j++)
        for (ptrdiff_t d = 0; d < set->model->latent; d++)
            one_range(set, j, d, s.latents, s.active, s.values);
    sample_free(&s);
    return status;
}

/* ---- The set ---- */

static enum atm_status allocate(struct atm_figure_set *set, struct atm_err *err) {
    const struct atm_model *model = set->model;
    enum atm_status status = atm_model_size(model, BATCH, padded(set->height, model->cell),
                                            padded(set->width, model->cell), &set->size, err);
    if (!status)
        status = atm_coder_create(model, &set->size, ATM_CODER_ENCODE | ATM_CODER_DECODE,
                                  &set->coder, err);
    if (status)
        return status;
    const ptrdiff_t pixels = set->size.height * set->size.width;
    const ptrdiff_t code = set->size.blocks * model->latent;
    const size_t ranges = (size_t)(set->size.per_cell * model->latent);
    set->batch = atm_mem_alloc((size_t)(BATCH * (pixels > code ? pixels : code)), sizeof(float));
    set->chunk =
        atm_mem_alloc(2 * ATM_SOURCE_CHUNK * (size_t)(set->height * set->width), sizeof(float));
    set->low = atm_mem_alloc(ranges, sizeof *set->low);
    set->high = atm_mem_alloc(ranges, sizeof *set->high);
    return set->batch && set->chunk && set->low && set->high ? ATM_OK
                                                             : atm_err_memory(err, "figures");
}

enum atm_status atm_figure_set_init(struct atm_figure_set *set, struct atm_source *source,
                                    const struct atm_model *model, const struct atm_table *truth,
                                    double active, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    *set = (struct atm_figure_set){.model = model,
                                   .source = source,
                                   .truth = truth,
                                   .count = info->frames,
                                   .height = info->height,
                                   .width = info->width,
                                   .first_frame = info->first_frame,
                                   .active = active,
                                   .chunk_index = -1};
    enum atm_status status = allocate(set, err);
    if (!status) {
        const ptrdiff_t most = SAMPLE_BLOCKS / set->size.blocks;
        set->sampled = atm_smaller(set->count, atm_smaller(SAMPLE_IMAGES, most > 1 ? most : 1));
        status = find_ranges(set, err);
    }
    if (status)
        atm_figure_set_free(set);
    return status;
}

void atm_figure_set_free(struct atm_figure_set *set) {
    atm_coder_destroy(&set->coder);
    atm_mem_free(set->batch);
    atm_mem_free(set->chunk);
    atm_mem_free(set->low);
    atm_mem_free(set->high);
    *set = (struct atm_figure_set){0};
}
