#include "stroke_measure.h"

#include "mem.h"
#include "stroke_parts.h"

#include <math.h>
#include <string.h>

void atm_stroke_bench_free(struct atm_stroke_bench *bench) {
    atm_coder_destroy(&bench->coder);
    atm_mem_free(bench->atoms);
    atm_mem_free(bench->output);
    atm_mem_free(bench->latents);
}

enum atm_status atm_stroke_bench_init(struct atm_stroke_bench *bench, struct atm_stroke_test *test,
                                      struct atm_err *err) {
    const struct atm_model *model = test->model;
    struct atm_model_size size;
    *bench = (struct atm_stroke_bench){.model = model,
                                       .test = test,
                                       .images = ATM_STROKE_STEP,
                                       .blocks = model->blocks,
                                       .pixels = test->height * test->width};
    const size_t images = ATM_STROKE_STEP, blocks = (size_t)bench->blocks;
    bench->atoms = atm_mem_alloc(images * blocks * (size_t)bench->pixels, sizeof(float));
    bench->output = atm_mem_alloc(images * (size_t)bench->pixels, sizeof(float));
    bench->latents = atm_mem_alloc(images * blocks * (size_t)model->latent, sizeof(float));
    if (!bench->atoms || !bench->output || !bench->latents)
        return atm_err_memory(err, "the test images");
    enum atm_status status =
        atm_model_size(model, ATM_STROKE_STEP, test->height, test->width, &size, err);
    return status ? status : atm_coder_create(model, &size, ATM_CODER_ENCODE, &bench->coder, err);
}

void atm_stroke_bench_encode(struct atm_stroke_bench *bench, ptrdiff_t count, const float *frames) {
    /* The coder takes a whole step; its other images are empty. */
    memset(bench->output, 0, (size_t)(bench->images * bench->pixels) * sizeof *bench->output);
    memcpy(bench->output, frames, (size_t)(count * bench->pixels) * sizeof *frames);
    const float *latents = atm_coder_encode(bench->coder, bench->output);
    memcpy(bench->latents, latents,
           (size_t)(count * bench->blocks * bench->model->latent) * sizeof *latents);
}

enum atm_status atm_stroke_bench_decode(struct atm_stroke_bench *bench, ptrdiff_t count,
                                        const float *latents, struct atm_err *err) {
    const bool max = bench->model->options.aggregation == ATM_AGGREGATION_MAX;
    const ptrdiff_t pixels = bench->pixels;
    enum atm_status status =
        atm_model_render_atoms(bench->model, count * bench->blocks, latents, bench->atoms, err);
    for (ptrdiff_t i = 0; !status && i < count; i++) {
        float *to = bench->output + i * pixels;
        const float *atoms = bench->atoms + i * bench->blocks * pixels;
        memcpy(to, atoms, (size_t)pixels * sizeof *to);
        for (ptrdiff_t b = 1; b < bench->blocks; b++)
            for (ptrdiff_t p = 0; p < pixels; p++)
                to[p] = max ? fmaxf(to[p], atoms[b * pixels + p]) : to[p] + atoms[b * pixels + p];
    }
    return status;
}

/* ---- One image ---- */

struct measured {
    struct atm_stroke_sums sums;
    double iou[ATM_STROKES_MAX];
    ptrdiff_t block[ATM_STROKES_MAX];
    ptrdiff_t first_stroke;
    struct atm_err err;
};

/* Memory of one image that is measured. */
struct scratch {
    unsigned char *seen, *active; /* (pixels), (blocks) */
    ptrdiff_t *stack;             /* (pixels) */
    float *ink, *greatest;        /* (pixels), (blocks) */
};

static void scratch_free(struct scratch *s) {
    atm_mem_free(s->seen);
    atm_mem_free(s->active);
    atm_mem_free(s->stack);
    atm_mem_free(s->ink);
    atm_mem_free(s->greatest);
}

static bool scratch_init(const struct atm_stroke_bench *bench, struct scratch *s) {
    const size_t pixels = (size_t)bench->pixels, blocks = (size_t)bench->blocks;
    s->seen = atm_mem_alloc(pixels, 1);
    s->active = atm_mem_alloc(blocks, 1);
    s->stack = atm_mem_alloc(pixels, sizeof *s->stack);
    s->ink = atm_mem_alloc(pixels, sizeof *s->ink);
    s->greatest = atm_mem_alloc(blocks, sizeof *s->greatest);
    return s->seen && s->active && s->stack && s->ink && s->greatest;
}

static void measure_blocks(const struct atm_stroke_bench *bench, const float *atoms,
                           const struct scratch *s, struct atm_stroke_sums *sums) {
    const struct atm_stroke_test *test = bench->test;
    for (ptrdiff_t b = 0; b < bench->blocks; b++) {
        struct atm_stroke_part part;
        atm_stroke_part_measure(atoms + b * bench->pixels, test->height, test->width, s->stack,
                                s->seen, &part);
        s->greatest[b] = part.greatest;
        s->active[b] = sums->energy > 0 && sqrt(part.energy / sums->energy) >= test->active;
        if (!s->active[b])
            continue;
        sums->active++;
        sums->parts += part.parts;
        sums->single += part.parts == 1;
        sums->largest += part.largest;
    }
    sums->overlap = atm_stroke_overlap(atoms, s->active, bench->blocks, bench->pixels);
}

static enum atm_status measure_truth(const struct atm_stroke_bench *bench,
                                     const struct atm_stroke_batch *batch, ptrdiff_t i,
                                     const struct scratch *s, struct measured *m) {
    const struct atm_stroke_images *truth = batch->truth;
    const int64_t frame = batch->first_frame + i;
    while (m->first_stroke < truth->stroke_count && truth->strokes[m->first_stroke].frame < frame)
        m->first_stroke++;
    ptrdiff_t count = 0;
    while (m->first_stroke + count < truth->stroke_count && count < ATM_STROKES_MAX &&
           truth->strokes[m->first_stroke + count].frame == frame)
        count++;
    const struct atm_stroke_blocks blocks = {.atoms =
                                                 bench->atoms + i * bench->blocks * bench->pixels,
                                             .active = s->active,
                                             .greatest = s->greatest,
                                             .count = bench->blocks,
                                             .height = bench->test->height,
                                             .width = bench->test->width};
    enum atm_status status = atm_stroke_cover(truth->strokes + m->first_stroke, count, &blocks,
                                              s->ink, m->iou, m->block, &m->err);
    m->sums.strokes = count;
    for (ptrdiff_t j = 0; !status && j < count; j++) {
        m->sums.iou += m->iou[j];
        m->sums.covered += m->iou[j] >= 0.5;
    }
    return status;
}

static enum atm_status measure_image(const struct atm_stroke_bench *bench,
                                     const struct atm_stroke_batch *batch, ptrdiff_t i,
                                     struct measured *m) {
    const float *output = bench->output + i * bench->pixels;
    const float *frame = batch->frames ? batch->frames + i * bench->pixels : output;
    struct scratch scratch = {0};
    enum atm_status status =
        scratch_init(bench, &scratch) ? ATM_OK : atm_err_memory(&m->err, "measuring");
    m->sums.images = 1;
    for (ptrdiff_t p = 0; !status && p < bench->pixels; p++) {
        m->sums.energy += (double)frame[p] * (double)frame[p];
        m->sums.loss += pow((double)frame[p] - (double)output[p], 2);
    }
    if (!status)
        measure_blocks(bench, bench->atoms + i * bench->blocks * bench->pixels, &scratch, &m->sums);
    if (!status && batch->truth)
        status = measure_truth(bench, batch, i, &scratch, m);
    scratch_free(&scratch);
    return status;
}

/* ---- Together ---- */

static void add(struct atm_stroke_sums *to, const struct atm_stroke_sums *from) {
    to->images += from->images, to->active += from->active;
    to->parts += from->parts, to->single += from->single;
    to->loss += from->loss, to->energy += from->energy;
    to->largest += from->largest, to->overlap += from->overlap;
    to->strokes += from->strokes, to->covered += from->covered, to->iou += from->iou;
}

static enum atm_status keep_pair(struct atm_stroke_test *test, const struct atm_stroke *stroke,
                                 const float *z, struct atm_err *err) {
    const size_t d = (size_t)test->model->latent;
    if (test->pair_count == test->pair_room) {
        const size_t room = (size_t)test->pair_room, more = room ? 2 * room : 256;
        struct atm_stroke_pair *pairs = atm_mem_grow(test->pairs, room, more, sizeof *pairs);
        test->pairs = pairs ? pairs : test->pairs;
        float *grown = pairs ? atm_mem_grow(test->z, room * d, more * d, sizeof *grown) : NULL;
        test->z = grown ? grown : test->z;
        if (!grown)
            return atm_err_memory(err, "pairs of strokes and blocks");
        test->pair_room = (ptrdiff_t)more;
    }
    memcpy(test->z + (size_t)test->pair_count * d, z, d * sizeof *z);
    test->pairs[test->pair_count++].stroke = *stroke;
    return ATM_OK;
}

static enum atm_status keep_pairs(struct atm_stroke_bench *bench,
                                  const struct atm_stroke_batch *batch, ptrdiff_t i,
                                  const struct measured *m, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    for (ptrdiff_t j = 0; !status && j < m->sums.strokes; j++)
        if (m->iou[j] >= 0.5)
            status = keep_pair(
                bench->test, &batch->truth->strokes[m->first_stroke + j],
                batch->latents + (i * bench->blocks + m->block[j]) * bench->model->latent, err);
    return status;
}

enum atm_status atm_stroke_bench_measure(struct atm_stroke_bench *bench,
                                         const struct atm_stroke_batch *batch,
                                         struct atm_stroke_sums *sums, struct atm_err *err) {
    struct measured *all = atm_mem_alloc(ATM_STROKE_STEP, sizeof *all);
    enum atm_status status = all ? ATM_OK : atm_err_memory(err, "measuring");
#pragma omp parallel for schedule(dynamic) if (all)
    for (ptrdiff_t i = 0; i < batch->count; i++)
        if (all && measure_image(bench, batch, i, &all[i]) && !all[i].err.text[0])
            atm_err_memory(&all[i].err, "measuring");
    for (ptrdiff_t i = 0; !status && i < batch->count; i++) {
        if (all[i].err.text[0])
            status = atm_err_set(err, ATM_FAIL, "%s", all[i].err.text);
        add(sums, &all[i].sums);
        if (!status && batch->keep && batch->truth)
            status = keep_pairs(bench, batch, i, &all[i], err);
    }
    atm_mem_free(all);
    return status;
}
