/* Atomic autoencoders: presets, gradients through all three chains, training, files, calibration.
 */
#include "atoms.h"
#include "h5.h"
#include "localize.h"
#include "mem.h"
#include "polynomial.h"
#include "rng.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct atm_net_options net_defaults = {0, 0};

static struct atm_model_options small_options(void) {
    return (struct atm_model_options){
        .cell_px = 4, .blocks_per_cell = 1, .features = 4, .assembly_kernel = 5, .first_kernel = 3};
}

static struct atm_model *make(const struct atm_model_options *options, uint64_t seed) {
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    if (atm_model_create(options, &net_defaults, seed, &model, &err))
        fail_msg("%s", err.text);
    return model;
}

static void published_presets_have_their_size(void **state) {
    (void)state;
    const struct {
        enum atm_model_kind kind;
        ptrdiff_t params, blocks, latent;
    } cases[] = {{ATM_MODEL_PAPER_SPIKES, 307097, 10, 3},
                 {ATM_MODEL_PAPER_STROKES, 341051, 16, 6},
                 {ATM_MODEL_PAPER_SPIKES_64, 289289, 10, 3},
                 {ATM_MODEL_STROKES, 330203, 16, 6},
                 {ATM_MODEL_FOLLOWUP, 227291, 20, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct atm_model_options options = {
            .kind = cases[i].kind, .features = 8, .assembly_kernel = 7, .first_kernel = 5};
        struct atm_model *model = make(&options, 1);
        assert_int_equal(model->param_count, cases[i].params);
        assert_int_equal(model->blocks, cases[i].blocks);
        assert_int_equal(model->latent, cases[i].latent);
        atm_model_destroy(&model);
    }
}

/* A field's weights do not know the size of the image: those of 64x64 serve 128x128, where the
 * encoder first brings the image to half its size. */
static void strokes_start_from_smaller_ones(void **state) {
    (void)state;
    enum { SIDE = 128, HALF = SIDE / 2, K = 3 };
    struct atm_model_options options = {.kind = ATM_MODEL_STROKES_64,
                                        .encoder = ATM_ENCODER_PURSUIT,
                                        .atom = ATM_ATOM_FIELD,
                                        .blocks = K,
                                        .features = 8,
                                        .assembly_kernel = 7,
                                        .first_kernel = 5};
    struct atm_model *small = make(&options, 3);
    options.kind = ATM_MODEL_STROKES;
    struct atm_model *large = make(&options, 4);
    assert_int_equal(atm_model_take_weights(large, small), small->param_count);
    assert_int_equal(large->param_count,
                     small->param_count + 10); /* shrink: 9 weights and a bias */
    static float image[SIDE * SIDE], half[HALF * HALF];
    for (int i = 0; i < SIDE * SIDE; i++) /* of 2x2 pixels alike */
        image[i] = half[i / SIDE / 2 * HALF + i % SIDE / 2] =
            (float)exp(-0.02 * (pow(i / SIDE / 2 - 20, 2) + pow(i % SIDE / 2 - 30, 2)));
    struct atm_err err = {0};
    const float *latents[2];
    struct atm_coder *coders[2] = {NULL, NULL};
    const struct atm_model *models[2] = {small, large};
    for (int i = 0; i < 2; i++) {
        struct atm_model_size size;
        const ptrdiff_t side = i ? SIDE : HALF;
        assert_int_equal(atm_model_size(models[i], 1, side, side, &size, &err), ATM_OK);
        assert_int_equal(atm_coder_create(models[i], &size, ATM_CODER_ENCODE, &coders[i], &err),
                         ATM_OK);
        latents[i] = atm_coder_encode(coders[i], i ? image : half);
    }
    /* The first block sees the same image; later ones see atoms that differ by their last layers.
     */
    for (ptrdiff_t d = 0; d < small->latent; d++)
        assert_true(fabsf(latents[0][d] - latents[1][d]) < 0.2F * (1 + fabsf(latents[0][d])));
    atm_coder_destroy(&coders[0]);
    atm_coder_destroy(&coders[1]);
    atm_model_destroy(&small);
    atm_model_destroy(&large);
}

static void the_largest_cannot_be_pursued(void **state) {
    (void)state;
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    struct atm_model_options options = small_options();
    options.kind = ATM_MODEL_STROKES_64;
    options.aggregation = ATM_AGGREGATION_MAX;
    options.encoder = ATM_ENCODER_PURSUIT;
    assert_int_equal(atm_model_create(&options, &net_defaults, 1, &model, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "model.aggregation"));
}

static void bad_options_name_the_key(void **state) {
    (void)state;
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    struct atm_model_options options = small_options();
    options.cell_px = 5;
    assert_int_equal(atm_model_create(&options, &net_defaults, 1, &model, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "model.cell_px"));
    options = small_options();
    options.assembly_kernel = 6;
    assert_int_equal(atm_model_create(&options, &net_defaults, 1, &model, &err), ATM_USAGE);
    assert_non_null(strstr(err.text, "model.assembly_kernel"));
}

/* A lone rendered atom is what the whole decoder adds for that block. */
static void rendered_atoms_add_up(void **state) {
    (void)state;
    struct atm_model_options options = small_options();
    struct atm_model *model = make(&options, 7);
    struct atm_model_size size;
    struct atm_coder *coder = NULL;
    struct atm_err err = {0};
    enum { H = 20, W = 24 };
    assert_int_equal(atm_model_size(model, 1, H, W, &size, &err), ATM_OK);
    assert_int_equal(atm_coder_create(model, &size, ATM_CODER_DECODE, &coder, &err), ATM_OK);
    float latents[5 * 6 * 3];
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 0);
    for (int i = 0; i < 90; i++)
        latents[i] = (float)(2 * atm_rng_uniform(&rng) - 1);
    const float *whole = atm_coder_decode(coder, latents);
    ptrdiff_t side = atm_model_atom_side(model);
    float *atoms = atm_mem_alloc((size_t)(30 * side * side), sizeof *atoms), sum[H * W] = {0};
    assert_int_equal(atm_model_render_atoms(model, 30, latents, atoms, &err), ATM_OK);
    double largest = 0;
    for (int b = 0; b < 30; b++)
        for (ptrdiff_t y = 0; y < side; y++)
            for (ptrdiff_t x = 0; x < side; x++) {
                ptrdiff_t fy = b / 6 * 4 - (side - 4) / 2 + y, fx = b % 6 * 4 - (side - 4) / 2 + x;
                if (fy >= 0 && fx >= 0 && fy < H && fx < W)
                    sum[fy * W + fx] += atoms[(b * side + y) * side + x];
            }
    for (int i = 0; i < H * W; i++)
        largest = fmax(largest, fabs((double)whole[i]));
    /* where windows reach beyond the image, they are clipped before h: compare the inside */
    for (int y = 2; y < H - 2; y++)
        for (int x = 2; x < W - 2; x++)
            assert_true(fabs((double)whole[y * W + x] - (double)sum[y * W + x]) < 1e-5 * largest);
    atm_mem_free(atoms);
    atm_coder_destroy(&coder);
    atm_model_destroy(&model);
}

/* Frames of Gaussian spots at random places. */
static float *spot_frames(ptrdiff_t count, ptrdiff_t side, double sigma) {
    float *frames = atm_mem_alloc((size_t)(count * side * side), sizeof *frames);
    for (ptrdiff_t t = 0; t < count; t++) {
        struct atm_rng rng;
        atm_rng_init(&rng, 5, ATM_RNG_TEST, (uint64_t)t);
        for (int k = 0; k < 3; k++) {
            double cx = atm_rng_uniform(&rng) * (double)side, a = 0.5 + atm_rng_uniform(&rng);
            double cy = atm_rng_uniform(&rng) * (double)side;
            for (ptrdiff_t i = 0; i < side * side; i++) {
                double dx = (double)(i % side) - cx, dy = (double)(i / side) - cy;
                frames[t * side * side + i] +=
                    (float)(a * exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)));
            }
        }
    }
    return frames;
}

static struct atm_train_options train_options(int64_t steps) {
    return (struct atm_train_options){.steps = steps,
                                      .batch = 8,
                                      .patch_px = 24,
                                      .rate = 2e-3,
                                      .warmup_steps = 20,
                                      .decay_fraction = 0.4,
                                      .clip_norm = 5,
                                      .penalty = 0.02,
                                      .penalty_start = 0.3,
                                      .penalty_end = 1,
                                      .validation = 0.1,
                                      .checkpoint_every = 50,
                                      .memory_mb = 10};
}

static void run_to(struct atm_model *model, const struct atm_train_options *options,
                   const struct atm_training_set *set, int64_t step) {
    struct atm_trainer *trainer = NULL;
    struct atm_err err = {0};
    if (atm_trainer_create(model, options, set, &trainer, &err))
        fail_msg("%s", err.text);
    while (model->step < step)
        assert_int_equal(atm_trainer_step(trainer, &err), ATM_OK);
    if (atm_trainer_done(trainer))
        assert_int_equal(atm_trainer_finish(trainer, &err), ATM_OK);
    atm_trainer_destroy(&trainer);
}

static void assert_same_model(const struct atm_model *a, const struct atm_model *b) {
    assert_int_equal(a->param_count, b->param_count);
    assert_memory_equal(a->params, b->params, (size_t)a->param_count * sizeof(float));
    assert_memory_equal(a->moments, b->moments, 2 * (size_t)a->param_count * sizeof(float));
    assert_int_equal(a->curve_count, b->curve_count);
    for (ptrdiff_t i = 0; i < a->curve_count; i++)
        assert_memory_equal(&a->curve[i].loss, &b->curve[i].loss, sizeof(double));
}

/* A stopped training that goes through a file continues to the same bytes. */
static void training_continues_to_the_same_bytes(void **state) {
    (void)state;
    float *frames = spot_frames(40, 28, 1.3);
    struct atm_training_set set = {frames, 40, 28, 28, 4};
    struct atm_train_options options = train_options(30);
    struct atm_model_options model_options = small_options();
    struct atm_model *straight = make(&model_options, 3), *stopped = make(&model_options, 3);
    struct atm_err err = {0};
    run_to(straight, &options, &set, 30);
    run_to(stopped, &options, &set, 13);
    const char *path = "test_atoms_checkpoint.h5";
    assert_int_equal(atm_model_save(stopped, path, true, &err), ATM_OK);
    atm_model_destroy(&stopped);
    assert_int_equal(atm_model_load(path, &stopped, &err), ATM_OK);
    run_to(stopped, &options, &set, 30);
    assert_same_model(straight, stopped);
    assert_int_equal(atm_h5_open_objects(), 0);
    unlink(path);
    atm_model_destroy(&straight);
    atm_model_destroy(&stopped);
    atm_mem_free(frames);
}

/* At an absurd rate training falls again and again: it goes back, halves the rate, goes on through
 * a file to the same bytes, and ends no worse than where it was best when it fell last. */
static void falls_are_taken_back(void **state) {
    (void)state;
    enum { STEPS = 160 };
    float *frames = spot_frames(60, 28, 1.3);
    struct atm_training_set set = {frames, 60, 28, 28, 8};
    struct atm_train_options options = train_options(STEPS);
    struct atm_model_options model_options = small_options();
    options.rate = 0.5, options.warmup_steps = 60, options.penalty = 0;
    struct atm_model *straight = make(&model_options, 3), *stopped = make(&model_options, 3);
    struct atm_err err = {0};
    run_to(straight, &options, &set, STEPS);
    print_message("falls %lld, held out %g at best, %g in the end\n",
                  (long long)straight->kept.falls, straight->kept.held_out,
                  straight->curve[straight->curve_count - 1].validation);
    assert_true(straight->kept.falls >= 2);
    assert_true(straight->curve[straight->curve_count - 1].validation <
                3 * straight->kept.held_out);
    run_to(stopped, &options, &set, STEPS / 2 + 1);
    const char *path = "test_atoms_fallen.h5";
    assert_int_equal(atm_model_save(stopped, path, true, &err), ATM_OK);
    atm_model_destroy(&stopped);
    assert_int_equal(atm_model_load(path, &stopped, &err), ATM_OK);
    run_to(stopped, &options, &set, STEPS);
    assert_same_model(straight, stopped);
    assert_int_equal(straight->kept.falls, stopped->kept.falls);
    unlink(path);
    atm_model_destroy(&straight);
    atm_model_destroy(&stopped);
    atm_mem_free(frames);
}

/* The gradient that training follows is that of its loss: one step of plain descent along a
 * numerically checked direction would be tedious through Adam, so: the loss must fall tenfold on
 * easy data, and the atom that was learned must be a spot of the right width at the place that the
 * map says. */
static void training_finds_spots(void **state) {
    (void)state;
    float *frames = spot_frames(300, 24, 1.3);
    struct atm_training_set set = {frames, 300, 24, 24, 30};
    struct atm_train_options options = train_options(500);
    struct atm_model_options model_options = small_options();
    struct atm_model *model = make(&model_options, 11);
    struct atm_err err = {0};
    run_to(model, &options, &set, options.steps);
    double energy = 0;
    for (ptrdiff_t i = 0; i < 300 * 24 * 24; i++)
        energy += (double)frames[i] * (double)frames[i] / (300 * 24 * 24);
    assert_true(model->curve[model->curve_count - 1].validation < 0.1 * energy);
    const struct atm_calibrate_options calibrate = {4000, 5};
    if (atm_calibrate_model(model, &calibrate, &err))
        fail_msg("%s", err.text);
    const struct atm_calibration *c = &model->calibration;
    print_message("sigma %.3f px, map residual %.3f px, degree %d, monotone %.3f\n", c->sigma_px,
                  c->position_rms_px, c->degree, c->monotone);
    assert_true(c->sigma_px > 1.1 && c->sigma_px < 1.6);
    assert_true(c->position_rms_px < 0.3);
    assert_true(c->monotone > 0.9);
    atm_model_destroy(&model);
    atm_mem_free(frames);
}

/* One pass of a convolution agrees between the algorithms to `rounding` of its norm (test_conv.c).
 * What becomes of such an error in training (Adam divides by small gradients, LeakyReLUs change
 * sides) is measured: weights that start with it, under direct alone. Every step adds another one,
 * independent of the others: the curves differ by the root of the steps times as much. */
static void algorithms_train_alike(void **state) {
    (void)state;
    enum { STEPS = 80, RUNS = 4 };
    const double rounding = 2e-6;
    float *frames = spot_frames(40, 28, 1.3);
    struct atm_training_set set = {frames, 40, 28, 28, 4};
    struct atm_train_options options = train_options(STEPS);
    options.rate = 5e-4; /* slow, so that errors do not grow to the size of the loss */
    struct atm_model_options model_options = small_options();
    const int convolutions[RUNS] = {ATM_CONV_DIRECT, ATM_CONV_DIRECT, ATM_CONV_FFT,
                                    ATM_CONV_WINOGRAD};
    struct atm_model *models[RUNS];
    struct atm_rng rng;
    atm_rng_init(&rng, 2, ATM_RNG_TEST, 0);
    for (int i = 0; i < RUNS; i++) {
        models[i] = make(&model_options, 3);
        models[i]->net_options.convolution = convolutions[i];
        for (ptrdiff_t j = 0; i == 1 && j < models[i]->param_count; j++)
            models[i]->params[j] *= (float)(1 + rounding * (2 * atm_rng_uniform(&rng) - 1));
        run_to(models[i], &options, &set, STEPS);
    }
    double sensitivity = 0, difference[RUNS] = {0};
    for (ptrdiff_t i = 0; i < models[0]->curve_count; i++) {
        const double loss = models[0]->curve[i].loss;
        sensitivity = fmax(sensitivity, fabs(models[1]->curve[i].loss / loss - 1));
        for (int run = 2; run < RUNS; run++)
            difference[run] = fmax(difference[run], fabs(models[run]->curve[i].loss / loss - 1));
    }
    print_message("loss under fft and winograd differs by %.2g and %.2g from direct, under a "
                  "rounding at the start by %.2g\n",
                  difference[2], difference[3], sensitivity);
    for (int run = 2; run < RUNS; run++) {
        assert_true(difference[run] > 0); /* not the same algorithm twice */
        assert_true(difference[run] < sqrt(STEPS) * sensitivity);
    }
    assert_true(sqrt(STEPS) * sensitivity < 0.05); /* else it would say nothing */
    assert_true(models[0]->curve[models[0]->curve_count - 1].loss < 0.7 * models[0]->curve[0].loss);
    for (int i = 0; i < RUNS; i++)
        atm_model_destroy(&models[i]);
    atm_mem_free(frames);
}

/* One step in the smallest parts, by so many threads. */
static struct atm_model *train_in_parts(const struct atm_train_options *options,
                                        const struct atm_training_set *set, int threads) {
    const struct atm_model_options model_options = small_options();
    const int before = omp_get_max_threads();
    struct atm_train_options parts = *options;
    struct atm_model *model = make(&model_options, 3);
    parts.step_memory_mb = 1e-3; /* the least: one group of lanes */
    omp_set_num_threads(threads);
    run_to(model, &parts, set, 1);
    omp_set_num_threads(before);
    return model;
}

/* A step in parts (16, 16 and 8 images) has the gradient of the whole batch: Adam's first moment
 * after one step is a tenth of it. Float sums of a few thousand terms in another order: 1e-5 of the
 * norm. Any number of threads makes the same bytes of it. */
static void parts_of_a_batch_add_up(void **state) {
    (void)state;
    float *frames = spot_frames(60, 28, 1.3);
    struct atm_training_set set = {frames, 60, 28, 28, 6};
    struct atm_train_options options = train_options(2);
    options.batch = 40;
    options.penalty_start = 0;
    struct atm_model_options model_options = small_options();
    struct atm_model *whole = make(&model_options, 3);
    run_to(whole, &options, &set, 1);
    struct atm_model *parts = train_in_parts(&options, &set, 2);
    struct atm_model *by_one = train_in_parts(&options, &set, 1);
    const size_t bytes = (size_t)whole->param_count * sizeof(float);
    assert_memory_equal(parts->params, by_one->params, bytes);
    assert_memory_equal(parts->moments, by_one->moments, 2 * bytes);
    assert_memory_equal(&parts->curve[0].loss, &by_one->curve[0].loss, sizeof(double));
    atm_model_destroy(&by_one);
    double difference = 0, norm = 0;
    for (ptrdiff_t i = 0; i < whole->param_count; i++) {
        const double a = whole->moments[i], b = parts->moments[i];
        difference += (a - b) * (a - b), norm += a * a;
    }
    assert_true(norm > 0 && difference > 0);
    assert_true(difference < 1e-10 * norm);
    const struct atm_curve_point *a = &whole->curve[0], *b = &parts->curve[0];
    assert_true(whole->curve_count == 1 && parts->curve_count == 1);
    assert_true(fabs(b->loss / a->loss - 1) < 1e-6);
    assert_true(a->penalty > 0 && fabs(b->penalty / a->penalty - 1) < 1e-6);
    assert_true(fabs(b->validation / a->validation - 1) < 1e-3); /* after the step */
    atm_model_destroy(&whole);
    atm_model_destroy(&parts);
    atm_mem_free(frames);
}

/* Frames larger than a tile: the codes of the whole frame, to the bit. */
static void tiles_leave_no_seams(void **state) {
    (void)state;
    enum { IMAGES = 3, HEIGHT = 264, WIDTH = 612 };
    struct atm_model_options options = small_options();
    struct atm_model *model = make(&options, 5);
    struct atm_model_size size;
    struct atm_err err = {0};
    struct atm_coder *coder = NULL;
    struct atm_plan *plan = NULL;
    struct atm_rng rng;
    float *images = atm_mem_alloc(IMAGES * HEIGHT * WIDTH, sizeof *images);
    atm_rng_init(&rng, 3, ATM_RNG_TEST, 0);
    for (int i = 0; i < IMAGES * HEIGHT * WIDTH; i++)
        images[i] = (float)atm_rng_uniform(&rng);
    assert_int_equal(atm_model_size(model, IMAGES, HEIGHT, WIDTH, &size, &err), ATM_OK);
    assert_int_equal(atm_coder_create(model, &size, ATM_CODER_ENCODE, &coder, &err), ATM_OK);
    const struct atm_plan_size whole = {
        .items = IMAGES, .height = HEIGHT, .width = WIDTH, .per_cell = size.per_cell};
    assert_int_equal(atm_plan_create(model->encoder, &whole, &plan, &err), ATM_OK);
    atm_plan_load(plan, model->params);
    assert_memory_equal(atm_coder_encode(coder, images), atm_plan_forward(plan, images),
                        (size_t)(IMAGES * size.blocks * model->latent) * sizeof(float));
    atm_plan_destroy(&plan);
    atm_coder_destroy(&coder);
    atm_model_destroy(&model);
    atm_mem_free(images);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    const char *path = "test_atoms_damaged.h5";
    struct atm_h5 *file = NULL;
    assert_int_equal(atm_model_load("does_not_exist.h5", &model, &err), ATM_FAIL);
    assert_int_equal(atm_h5_create(path, &file, &err), ATM_OK);
    assert_int_equal(atm_h5_close(&file, &err), ATM_OK);
    assert_int_equal(atm_model_load(path, &model, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "not a model of atomloc"));
    assert_null(model);
    assert_int_equal(atm_h5_open_objects(), 0);
    unlink(path);
}

static void polynomial_has_every_monomial_once(void **state) {
    (void)state;
    const double z[3] = {2, 3, 5};
    double terms[ATM_POLYNOMIAL_TERMS];
    assert_int_equal(atm_calibration_terms(3, 2), 10);
    atm_polynomial_terms(3, 2, z, terms);
    const double expected[10] = {1, 2, 3, 5, 4, 6, 10, 9, 15, 25};
    for (int i = 0; i < 10; i++)
        assert_true(terms[i] == expected[i]);
    assert_int_equal(atm_calibration_terms(16, 8), 0); /* too many */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_presets_have_their_size),
        cmocka_unit_test(strokes_start_from_smaller_ones),
        cmocka_unit_test(the_largest_cannot_be_pursued),
        cmocka_unit_test(bad_options_name_the_key),
        cmocka_unit_test(rendered_atoms_add_up),
        cmocka_unit_test(training_continues_to_the_same_bytes),
        cmocka_unit_test(falls_are_taken_back),
        cmocka_unit_test(training_finds_spots),
        cmocka_unit_test(algorithms_train_alike),
        cmocka_unit_test(parts_of_a_batch_add_up),
        cmocka_unit_test(tiles_leave_no_seams),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(polynomial_has_every_monomial_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
