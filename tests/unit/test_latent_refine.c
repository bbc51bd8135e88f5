/* Refinement of latents: images that a decoder made from known latents are explained again from
 * perturbed ones; no error rises; any thread count gives the same bytes; the kind without k blocks
 * is refused. Where two blocks of a pursuit have the same spike and none the other one, the sweep
 * mends what Levenberg-Marquardt cannot. */
#include "coder.h"
#include "latent_refine.h"
#include "mem.h"
#include "rng.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 19, K = 3, D = 3, SIDE = 64, PIXELS = SIDE * SIDE };

static struct atm_model *make(void) {
    const struct atm_model_options options = {.kind = ATM_MODEL_PAPER_SPIKES_64,
                                              .blocks = K,
                                              .block_size = D,
                                              .features = 8,
                                              .assembly_kernel = 7,
                                              .first_kernel = 5};
    const struct atm_net_options net = {0, 0};
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    if (atm_model_create(&options, &net, 4, &model, &err))
        fail_msg("%s", err.text);
    return model;
}

static void decode(const struct atm_model *model, const float *latents, float *images) {
    struct atm_model_size size;
    struct atm_coder *coder = NULL;
    struct atm_err err = {0};
    assert_int_equal(atm_model_size(model, IMAGES, SIDE, SIDE, &size, &err), ATM_OK);
    assert_int_equal(atm_coder_create(model, &size, ATM_CODER_DECODE, &coder, &err), ATM_OK);
    memcpy(images, atm_coder_decode(coder, latents), IMAGES * PIXELS * sizeof *images);
    atm_coder_destroy(&coder);
}

/* Squared error of every image; returns their sum. */
static double errors(const float *a, const float *b, double error[IMAGES]) {
    double sum = 0;
    for (int i = 0; i < IMAGES; i++) {
        error[i] = 0;
        for (int p = 0; p < PIXELS; p++) {
            const double difference = (double)a[i * PIXELS + p] - (double)b[i * PIXELS + p];
            error[i] += difference * difference;
        }
        sum += error[i];
    }
    return sum;
}

static void finds_the_latents_of_an_image(void **state) {
    (void)state;
    struct atm_model *model = make();
    struct atm_err err = {0};
    struct atm_rng rng;
    float truth[IMAGES * K * D], start[IMAGES * K * D], once[IMAGES * K * D];
    double before[IMAGES], after[IMAGES];
    float *images = atm_mem_alloc(2 * IMAGES * PIXELS, sizeof *images);
    float *decoded = images + IMAGES * PIXELS;
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    for (int i = 0; i < IMAGES * K * D; i++) {
        truth[i] = (float)(4 * atm_rng_uniform(&rng) - 2);
        start[i] = truth[i] + 0.2F * (float)(2 * atm_rng_uniform(&rng) - 1);
    }
    decode(model, truth, images);
    decode(model, start, decoded);
    const double first = errors(images, decoded, before);
    const struct atm_latent_refine_options options = {10};
    for (int threads = 1; threads <= 2; threads++) {
        float latents[IMAGES * K * D];
        memcpy(latents, start, sizeof latents);
        omp_set_num_threads(threads);
        assert_int_equal(atm_refine_latents(model, &options, IMAGES, images, latents, &err),
                         ATM_OK);
        if (threads == 2)
            assert_memory_equal(latents, once, sizeof once);
        memcpy(once, latents, sizeof once);
    }
    decode(model, once, decoded);
    const double last = errors(images, decoded, after);
    print_message("squared error %.3g, refined %.3g\n", first, last);
    for (int i = 0; i < IMAGES; i++)
        assert_true(after[i] <= before[i] * (1 + 1e-6));
    assert_true(last < 1e-3 * first);
    atm_mem_free(images);
    atm_model_destroy(&model);
}

/* Two Gaussians; of the shipped pursuit's code for them the first block twice. */
static void a_sweep_finds_what_is_missing(void **state) {
    (void)state;
    enum { BLOCKS = 10 };
    struct atm_model *model = NULL;
    struct atm_model_size size;
    struct atm_coder *coder = NULL;
    struct atm_err err = {0};
    float image[PIXELS], codes[BLOCKS * D] = {0};
    double energy = 0, left = 0;
    for (int i = 0; i < PIXELS; i++) {
        const int x = i % SIDE, y = i / SIDE;
        image[i] = (float)(0.9 * exp(-(pow(x - 20.3, 2) + pow(y - 18.7, 2)) / 4.5) +
                           0.7 * exp(-(pow(x - 44.1, 2) + pow(y - 40.2, 2)) / 4.5));
        energy += pow((double)image[i], 2);
    }
    if (atm_model_load(ATM_SOURCE_DIR "/configs/pursuit_spikes_64.h5", &model, &err) ||
        atm_model_size(model, 1, SIDE, SIDE, &size, &err) ||
        atm_coder_create(model, &size, ATM_CODER_ENCODE | ATM_CODER_DECODE, &coder, &err))
        fail_msg("%s", err.text);
    const float *found = atm_coder_encode(coder, image);
    for (int block = 0; block < 2; block++)
        memcpy(codes + block * D, found, D * sizeof *codes);
    if (atm_refine_latents(model, &atm_latent_refine_defaults, 1, image, codes, &err))
        fail_msg("%s", err.text);
    const float *decoded = atm_coder_decode(coder, codes);
    for (int i = 0; i < PIXELS; i++)
        left += pow((double)decoded[i] - (double)image[i], 2);
    print_message("squared error %.3g of %.3g\n", left, energy);
    assert_true(left < 0.01 * energy); /* a third of it without the sweep */
    atm_coder_destroy(&coder);
    atm_model_destroy(&model);
}

static void refuses_the_convolutional_kind(void **state) {
    (void)state;
    const struct atm_model_options options = {
        .cell_px = 4, .blocks_per_cell = 1, .features = 4, .assembly_kernel = 5, .first_kernel = 3};
    const struct atm_net_options net = {0, 0};
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    float nothing[1] = {0};
    assert_int_equal(atm_model_create(&options, &net, 4, &model, &err), ATM_OK);
    assert_int_equal(
        atm_refine_latents(model, &atm_latent_refine_defaults, 1, nothing, nothing, &err),
        ATM_USAGE);
    assert_non_null(strstr(err.text, "paper_*"));
    atm_model_destroy(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_latents_of_an_image),
        cmocka_unit_test(a_sweep_finds_what_is_missing),
        cmocka_unit_test(refuses_the_convolutional_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
