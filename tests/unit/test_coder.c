/* The gradient that training follows, for every encoder of the published decoder and for pursuit
 * with a homogeneous one: along random directions of all weights it agrees with the difference
 * quotient of the loss. Pursuit: what is left, and the loss of its steps. */
#include "coder.h"
#include "mem.h"
#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 3, SIDE = 64, PIXELS = IMAGES * SIDE * SIDE, K = 3 };

struct network {
    int encoder, atom;
    uint64_t seed; /* one whose encoder has a gradient well above the rounding of the loss */
};

static const struct network networks[] = {
    {ATM_ENCODER_DENSE, ATM_ATOM_PUBLISHED, 4},
    {ATM_ENCODER_CONVOLUTIONAL, ATM_ATOM_PUBLISHED, 7},
    {ATM_ENCODER_PURSUIT, ATM_ATOM_PUBLISHED, 7},
    {ATM_ENCODER_PURSUIT, ATM_ATOM_HOMOGENEOUS, 20},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

struct setup {
    const struct network *network;
    float energy_weight; /* of the loss */
    int left_out;        /* atoms that find_again gave the amplitude 0 */
    struct atm_model *model;
    struct atm_coder *coder;
    struct atm_model_size size;
    float *images, *target, *grad, *atoms;
};

static void must(enum atm_status status, const struct atm_err *err) {
    if (status != ATM_OK)
        fail_msg("%s", err->text);
}

static void set_up(struct setup *s, const struct network *network) {
    struct atm_err err = {0};
    const struct atm_model_options options = {.kind = ATM_MODEL_PAPER_SPIKES_64,
                                              .encoder = network->encoder,
                                              .atom = network->atom,
                                              .blocks = K,
                                              .block_size = 2,
                                              .features = 8,
                                              .assembly_kernel = 7,
                                              .first_kernel = 5};
    const struct atm_net_options net = {0, 0};
    struct atm_rng rng;
    *s = (struct setup){.network = network};
    /* factors are held fixed in the penalty */
    s->energy_weight = network->atom == ATM_ATOM_HOMOGENEOUS ? 0 : 0.2F;
    must(atm_model_create(&options, &net, network->seed, &s->model, &err), &err);
    must(atm_model_size(s->model, IMAGES, SIDE, SIDE, &s->size, &err), &err);
    must(atm_coder_create(s->model, &s->size, ATM_CODER_TRAIN, &s->coder, &err), &err);
    s->images = atm_mem_alloc(PIXELS, sizeof(float));
    s->target = atm_mem_alloc(PIXELS, sizeof(float));
    s->grad = atm_mem_alloc((size_t)s->model->param_count, sizeof(float));
    s->atoms = atm_mem_alloc((size_t)K * PIXELS, sizeof(float));
    atm_rng_init(&rng, 6, ATM_RNG_TEST, 0);
    for (int i = 0; i < PIXELS; i++) {
        s->images[i] = (float)atm_rng_uniform(&rng);
        s->target[i] = (float)atm_rng_uniform(&rng);
    }
    /* Biases that are not zero, so that nothing hides; and heads that are not sharp: those jump
     * from place to place, and difference quotients would have to be finer than floats allow. */
    for (ptrdiff_t i = 0; i < s->model->param_count; i++)
        s->model->params[i] += 0.02F * (float)(2 * atm_rng_uniform(&rng) - 1);
    for (int i = 0; i < atm_net_tensor_count(s->model->encoder); i++) {
        const struct atm_tensor *tensor = atm_net_tensor(s->model->encoder, i);
        for (ptrdiff_t j = 0; !strcmp(tensor->name, "look2.weight") && j < tensor->count; j++)
            s->model->params[tensor->offset + j] *= 0.5F;
    }
}

static void tear_down(struct setup *s) {
    atm_coder_destroy(&s->coder);
    atm_model_destroy(&s->model);
    atm_mem_free(s->images);
    atm_mem_free(s->target);
    atm_mem_free(s->grad);
    atm_mem_free(s->atoms);
}

static const float step_weight = 0.3F;

/* |output - target|^2 / 2, all energies times a weight / 2, and for pursuit the steps' residuals.
 */
static double loss(struct setup *s) {
    struct atm_err err = {0};
    const float *latents;
    double sum = 0, energy[IMAGES * K];
    atm_coder_load(s->coder, s->model->params);
    const float *output = atm_coder_forward(s->coder, s->images, &latents);
    for (int i = 0; i < PIXELS; i++)
        sum += 0.5 * pow((double)output[i] - (double)s->target[i], 2);
    atm_coder_block_energy(s->coder, energy);
    for (int i = 0; i < IMAGES * K; i++)
        sum += 0.5 * (double)s->energy_weight * energy[i];
    if (s->network->encoder != ATM_ENCODER_PURSUIT)
        return sum;
    must(atm_model_render_atoms(s->model, IMAGES * K, latents, s->atoms, &err), &err);
    for (int i = 0; i < PIXELS; i++) {
        double residual = s->images[i];
        const ptrdiff_t image = i / (SIDE * SIDE), at = i % (SIDE * SIDE);
        for (int step = 0; step < K - 1; step++) {
            residual -= (double)s->atoms[(image * K + step) * SIDE * SIDE + at];
            sum += 0.5 * (double)step_weight * residual * residual;
        }
    }
    return sum;
}

static void backward(struct setup *s) {
    float *output_grad = atm_mem_alloc(PIXELS, sizeof *output_grad), scale[IMAGES * K];
    const float *output = atm_coder_forward(s->coder, s->images, NULL);
    for (int i = 0; i < PIXELS; i++)
        output_grad[i] = output[i] - s->target[i];
    for (int i = 0; i < IMAGES * K; i++)
        scale[i] = s->energy_weight;
    const struct atm_coder_gradient gradient = {output_grad, scale, IMAGES, true, step_weight};
    memset(s->grad, 0, (size_t)s->model->param_count * sizeof *s->grad);
    atm_coder_backward(s->coder, &gradient, s->grad);
    atm_mem_free(output_grad);
}

/* The code of one block, plainly: that of the first step on what the others leave; where g is
 * homogeneous, with the amplitude that leaves least. */
static void find_again(struct setup *s, const float *left, int block, float *codes) {
    struct atm_err err = {0};
    const float *latents;
    atm_coder_forward(s->coder, left, &latents);
    for (ptrdiff_t i = 0; i < IMAGES; i++)
        memcpy(codes + (i * K + block) * 2, latents + i * K * 2, 2 * sizeof *codes);
    if (s->network->atom != ATM_ATOM_HOMOGENEOUS)
        return;
    must(atm_model_render_atoms(s->model, IMAGES * K, codes, s->atoms, &err), &err);
    for (ptrdiff_t i = 0; i < IMAGES; i++) {
        const float *atom = s->atoms + (i * K + block) * SIDE * SIDE;
        double product = 0, energy = 0;
        for (ptrdiff_t j = 0; j < SIDE * SIDE; j++) {
            product += (double)left[i * SIDE * SIDE + j] * (double)atom[j];
            energy += (double)atom[j] * (double)atom[j];
        }
        s->left_out += product <= 0;
        for (int j = 0; j < 2; j++)
            codes[(i * K + block) * 2 + j] *= product > 0 ? (float)(product / energy) : 0;
    }
}

/* The same for a sweep, plainly: every block from what the new atoms before it and the old ones
 * after it leave. old (IMAGES * K, SIDE, SIDE) does not change with the weights. */
static double sweep_loss(struct setup *s, const float *old) {
    struct atm_err err = {0};
    float *left = atm_mem_alloc(PIXELS, sizeof *left), codes[IMAGES * K * 2] = {0};
    double sum = 0;
    atm_coder_load(s->coder, s->model->params);
    for (int block = 0; block <= K; block++) {
        must(atm_model_render_atoms(s->model, IMAGES * K, codes, s->atoms, &err), &err);
        for (int i = 0; i < PIXELS; i++) {
            const ptrdiff_t image = i / (SIDE * SIDE), at = i % (SIDE * SIDE);
            double after = s->images[i];
            left[i] = s->images[i];
            for (int k = 0; k < K; k++) {
                const ptrdiff_t pixel = (image * K + k) * SIDE * SIDE + at;
                left[i] -= k < block ? s->atoms[pixel] : k > block ? old[pixel] : 0;
                after -= (double)(k < block ? s->atoms[pixel] : old[pixel]);
            }
            if (block > 0 && block < K)
                sum += 0.5 * (double)step_weight * after * after;
            else if (block == K)
                sum += 0.5 * pow((double)(s->images[i] - s->target[i]) - after, 2);
        }
        if (block < K)
            find_again(s, left, block, codes);
    }
    for (int i = 0; i < K * PIXELS; i++)
        sum += 0.5 * (double)s->energy_weight * (double)s->atoms[i] * (double)s->atoms[i];
    atm_mem_free(left);
    return sum;
}

/* Atoms of the first search (IMAGES * K, SIDE, SIDE). */
static void first_atoms(struct setup *s, float *atoms) {
    struct atm_err err = {0};
    const float *latents;
    atm_coder_load(s->coder, s->model->params);
    atm_coder_forward(s->coder, s->images, &latents);
    must(atm_model_render_atoms(s->model, IMAGES * K, latents, atoms, &err), &err);
}

/* The loss along params + t * direction, direction = a random sign of every weight times its
 * gradient's size, so that small gradients count as well. */
static void check_gradient(const struct network *network, bool again) {
    struct setup s;
    set_up(&s, network);
    const ptrdiff_t n = s.model->param_count;
    float *start = atm_mem_alloc((size_t)n, sizeof *start);
    float *old = atm_mem_alloc(K * PIXELS, sizeof *old);
    memcpy(start, s.model->params, (size_t)n * sizeof *start);
    first_atoms(&s, old);
    if (again)
        atm_pursuit_again(s.coder->pursuit, true);
    backward(&s);
    if (again)
        atm_pursuit_again(s.coder->pursuit, false);
    struct atm_rng rng;
    atm_rng_init(&rng, 8, ATM_RNG_TEST, (uint64_t)network->encoder);
    for (int trial = 0; trial < 4; trial++) {
        double expected = 0, values[2];
        float *direction = atm_mem_alloc((size_t)n, sizeof *direction);
        const ptrdiff_t encoder_count = atm_net_param_count(s.model->encoder);
        for (ptrdiff_t i = 0; i < n; i++) {
            const bool mine = trial % 2 ? i < encoder_count : i >= encoder_count;
            direction[i] = mine && (atm_rng_next(&rng) & 1) ? s.grad[i] : 0;
            expected += (double)direction[i] * (double)s.grad[i];
        }
        const double now = again ? sweep_loss(&s, old) : loss(&s);
        const double h = 1e-4 * now / expected; /* the loss changes by 0.01 % */
        for (int side = 0; side < 2; side++) {
            for (ptrdiff_t i = 0; i < n; i++)
                s.model->params[i] = start[i] + (float)((side ? h : -h) * (double)direction[i]);
            values[side] = again ? sweep_loss(&s, old) : loss(&s);
        }
        const double found = (values[1] - values[0]) / (2 * h);
        print_message("%d %d %d: gradient %.6g, difference quotient %.6g\n", network->encoder,
                      network->atom, trial, expected, found);
        assert_true(fabs(found / expected - 1) < 0.01);
        assert_int_equal(s.left_out, 0); /* those have a gradient that is not the derivative */
        memcpy(s.model->params, start, (size_t)n * sizeof *start);
        atm_mem_free(direction);
    }
    atm_mem_free(start);
    atm_mem_free(old);
    tear_down(&s);
}

static void gradient_is_the_derivative(void **state) {
    (void)state;
    for (int i = 0; i < NETWORKS; i++)
        check_gradient(&networks[i], false);
}

static void gradient_of_a_sweep_is_the_derivative(void **state) {
    (void)state;
    for (int i = 0; i < NETWORKS; i++)
        if (networks[i].encoder == ATM_ENCODER_PURSUIT)
            check_gradient(&networks[i], true);
}

/* What use adds to the codes of training, plainly: two sweeps, in which each block's code becomes
 * found again. codes (IMAGES * K, 2). */
static void sweep(struct setup *s, float *codes) {
    struct atm_err err = {0};
    float *left = atm_mem_alloc(PIXELS, sizeof *left);
    for (int block = 0; block < 2 * K; block++) {
        must(atm_model_render_atoms(s->model, IMAGES * K, codes, s->atoms, &err), &err);
        for (int i = 0; i < PIXELS; i++) {
            const ptrdiff_t image = i / (SIDE * SIDE), at = i % (SIDE * SIDE);
            left[i] = s->images[i];
            for (int k = 0; k < K; k++)
                left[i] -= k == block % K ? 0 : s->atoms[(image * K + k) * SIDE * SIDE + at];
        }
        find_again(s, left, block % K, codes);
    }
    atm_mem_free(left);
}

/* Output and codes of the training coder are those of the coders for use, but for pursuit's sweeps.
 * Returns how many atoms those left out. */
static int check_agreement(const struct network *network) {
    struct setup s;
    struct atm_err err = {0};
    struct atm_coder *use = NULL;
    const float *latents;
    set_up(&s, network);
    must(atm_coder_create(s.model, &s.size, ATM_CODER_ENCODE | ATM_CODER_DECODE, &use, &err), &err);
    atm_coder_load(use, s.model->params);
    atm_coder_load(s.coder, s.model->params);
    const float *output = atm_coder_forward(s.coder, s.images, &latents);
    const float *codes = atm_coder_encode(use, s.images);
    const float *decoded = atm_coder_decode(use, latents);
    float expected[IMAGES * K * 2];
    double largest = 0;
    memcpy(expected, latents, sizeof expected);
    for (int j = 0; j < PIXELS; j++)
        largest = fmax(largest, fabs((double)decoded[j] - (double)output[j]));
    assert_true(largest < 1e-4);
    if (network->encoder == ATM_ENCODER_PURSUIT)
        sweep(&s, expected);
    double size = 1;
    for (int j = 0; j < IMAGES * K * 2; j++)
        size = fmax(size, fabs((double)expected[j]));
    for (int j = 0; j < IMAGES * K * 2; j++)
        assert_true(fabs((double)codes[j] - (double)expected[j]) < 1e-4 * size);
    atm_coder_destroy(&use);
    tear_down(&s);
    return s.left_out;
}

static void training_and_use_agree(void **state) {
    (void)state;
    for (int i = 0; i < NETWORKS; i++)
        check_agreement(&networks[i]);
    const struct network leaves_out = {ATM_ENCODER_PURSUIT, ATM_ATOM_HOMOGENEOUS, 7};
    assert_true(check_agreement(&leaves_out) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_the_derivative),
        cmocka_unit_test(gradient_of_a_sweep_is_the_derivative),
        cmocka_unit_test(training_and_use_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
