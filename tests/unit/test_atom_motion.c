/* Motions and deletions that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "atom_motion.h"
#include "fewer_atoms.h"

#include <gsl/gsl_errno.h>
#include <math.h>
#include <string.h>

static void close_to(double got, double wanted) {
    if (!(fabs(got - wanted) < 1e-9))
        fail_msg("%g is not %g", got, wanted);
}

/* Two coordinates that move at 60 degrees and speeds 2 and 1, one that only changes the amplitude.
 */
static void known_motions(void **state) {
    (void)state;
    double at[2][3][ATM_MOTIONS] = {{{0}}};
    for (int i = 0; i < 2; i++) {
        double turn = 0.7 * i, a = turn + M_PI / 3;
        at[i][0][2] = -1.5;
        at[i][1][0] = 2 * cos(turn), at[i][1][1] = 2 * sin(turn), at[i][1][2] = 0.1;
        at[i][2][0] = -cos(a), at[i][2][1] = -sin(a);
    }
    const struct atm_jacobians jacobians = {2, 3, &at[0][0][0]};
    struct atm_motion motion;
    double speed[3], growth[3];
    assert_int_equal(atm_motion_summarise(&jacobians, &motion, speed, growth, NULL), ATM_OK);
    close_to(speed[0], 0), close_to(speed[1], 2), close_to(speed[2], 1);
    close_to(growth[0], 1.5), close_to(growth[1], 0.1);
    assert_int_equal(motion.fastest[0], 1);
    assert_int_equal(motion.fastest[1], 2);
    close_to(motion.angle.median, 60), close_to(motion.speed_ratio.median, 0.5);
    /* Singular values: s1^2 + s2^2 = 4 + 1, s1 s2 = 2 sin 60 degrees. */
    double product = 2 * sin(M_PI / 3), larger = (5 + sqrt(25 - 4 * product * product)) / 2;
    close_to(motion.singular_ratio.median, product / larger);
}

static void no_motions(void **state) {
    (void)state;
    const struct atm_jacobians none = {0, 2, NULL};
    struct atm_motion motion;
    double speed[2], growth[2];
    assert_int_equal(atm_motion_summarise(&none, &motion, speed, growth, NULL), ATM_OK);
    assert_true(isnan(motion.angle.median) && isnan(speed[0]));
    double one[ATM_MOTIONS] = {3, 4, 0};
    const struct atm_jacobians single = {1, 1, one};
    assert_int_equal(atm_motion_summarise(&single, &motion, speed, growth, NULL), ATM_OK);
    close_to(speed[0], 5), close_to(motion.singular_ratio.median, 0);
    assert_int_equal(motion.fastest[1], -1);
    assert_true(isnan(motion.angle.median));
}

/* Blocks 0 and 1 are matched to spikes 0 and 1, block 1 also stands for spike 2, nothing for
 * spike 3. */
static void spikes_go_with_their_blocks(void **state) {
    (void)state;
    ptrdiff_t first_spike[] = {0, 4}, first_block[] = {0, 2};
    const struct atm_spikes spikes = {1, first_spike, NULL};
    const struct atm_blocks blocks = {.images = 1, .count = 2, .first = first_block};
    struct atm_spike_fate fates[4] = {{.block = 0, .instead = -1},
                                      {.block = 1, .instead = -1},
                                      {.block = -1, .instead = 1},
                                      {.block = -1, .instead = -1}};
    const struct atm_block_match match = {&spikes, &blocks, fates, NULL};
    bool blocks_gone[2], spikes_gone[4];
    int seen[4] = {0};
    for (uint64_t seed = 0; seed < 64; seed++) {
        bool some = atm_fewer_choose(&match, 0, seed, blocks_gone, spikes_gone);
        assert_int_equal(some, blocks_gone[0] != blocks_gone[1]);
        assert_int_equal(spikes_gone[0], blocks_gone[0]);
        assert_int_equal(spikes_gone[1], blocks_gone[1]);
        assert_int_equal(spikes_gone[2], blocks_gone[1]);
        assert_false(spikes_gone[3]);
        seen[2 * blocks_gone[0] + blocks_gone[1]]++;
    }
    for (int i = 0; i < 4; i++)
        assert_true(seen[i] > 4); /* of 64, 16 are expected; 4 or fewer is beyond 3 sigma */
}

/* An untrained model of two images: the measures run, and say the same for what they share. */
static void untrained_model(void **state) {
    (void)state;
    const struct atm_model_options options = {.kind = ATM_MODEL_PAPER_SPIKES_64,
                                              .features = 8,
                                              .assembly_kernel = 7,
                                              .first_kernel = 5};
    const struct atm_net_options net = {0, ATM_MODEL_INIT_HE};
    struct atm_model *model = NULL;
    struct atm_model_size size;
    struct atm_block_set set = {0};
    static float frames[2 * 64 * 64], latents[2 * 10 * 3];
    assert_int_equal(atm_model_create(&options, &net, 3, &model, NULL), ATM_OK);
    assert_int_equal(atm_model_size(model, 2, 64, 64, &size, NULL), ATM_OK);
    assert_int_equal(atm_block_set_init(&set, model, &size, 2, NULL), ATM_OK);
    for (int i = 0; i < 2 * 64 * 64; i++)
        frames[i] = (float)(i % 97) * 1e-5F;
    for (int i = 0; i < 60; i++)
        latents[i] = (float)((i * 37) % 23) - 11;
    assert_int_equal(atm_block_set_add(&set, 2, frames, latents, NULL), ATM_OK);
    assert_int_equal(set.blocks.images, 2);
    struct atm_validity v;
    assert_int_equal(atm_validity_measure(&set, 50, 1, &v, NULL), ATM_OK);
    assert_int_equal(v.moved, set.blocks.count);
    double mean = 0;
    for (ptrdiff_t b = 0; b < set.blocks.count; b++)
        mean += set.blocks.at[b].spot.residual / (double)set.blocks.count;
    close_to(v.residual_unmoved, mean);

    /* The sum of the rendered atoms is what the decoder says. */
    struct atm_coder *coder = NULL;
    assert_int_equal(atm_coder_create(model, &size, ATM_CODER_DECODE, &coder, NULL), ATM_OK);
    const float *sum = atm_coder_decode(coder, latents);
    for (ptrdiff_t n = 0; n < 2; n++) {
        double loss = 0;
        for (ptrdiff_t i = n * 64 * 64; i < (n + 1) * 64 * 64; i++)
            loss += pow((double)frames[i] - (double)sum[i], 2);
        assert_true(fabs(set.loss[n] / loss - 1) < 1e-4);
    }
    atm_coder_destroy(&coder);
    atm_block_set_free(&set);
    atm_model_destroy(&model);
}

int main(void) {
    gsl_set_error_handler_off();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_motions),
        cmocka_unit_test(no_motions),
        cmocka_unit_test(spikes_go_with_their_blocks),
        cmocka_unit_test(untrained_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
