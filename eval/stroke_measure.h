/* What single images of strokes become: measured image by image, in parallel, added up in order. */
#ifndef ATM_STROKE_MEASURE_H
#define ATM_STROKE_MEASURE_H

#include "stroke_test.h"

/* A model's images and blocks for a few images at a time. */
struct atm_stroke_bench {
    const struct atm_model *model; /* borrowed */
    struct atm_stroke_test *test;  /* borrowed */
    struct atm_coder *coder;       /* of `images` images */
    ptrdiff_t images, blocks, pixels;
    float *atoms;   /* (images, blocks, pixels) */
    float *output;  /* (images, pixels) */
    float *latents; /* (images, blocks, d0) */
};
enum { ATM_STROKE_STEP = 16 };
enum atm_status atm_stroke_bench_init(struct atm_stroke_bench *bench, struct atm_stroke_test *test,
                                      struct atm_err *err);
void atm_stroke_bench_free(struct atm_stroke_bench *bench);

/* Latents of count <= ATM_STROKE_STEP frames (count, pixels) into bench->latents. */
void atm_stroke_bench_encode(struct atm_stroke_bench *bench, ptrdiff_t count, const float *frames);
/* Atoms and outputs of latents (count, blocks, d0). */
enum atm_status atm_stroke_bench_decode(struct atm_stroke_bench *bench, ptrdiff_t count,
                                        const float *latents, struct atm_err *err);
/* What was decoded last, against frames (NULL: the outputs themselves) and the true strokes of
 * frames first ... (none: NULL); covered strokes become pairs where keep says so. */
struct atm_stroke_batch {
    ptrdiff_t count;
    const float *frames, *latents;
    const struct atm_stroke_images *truth; /* NULL: none */
    ptrdiff_t first_frame;                 /* of the movie */
    bool keep;
};
enum atm_status atm_stroke_bench_measure(struct atm_stroke_bench *bench,
                                         const struct atm_stroke_batch *batch,
                                         struct atm_stroke_sums *sums, struct atm_err *err);

#endif
