/* Blocks against spikes on scenes in which every number can be told by hand. */
#include "block_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static const double SIGMA = 1.5;

/* One image's spikes and blocks; amplitude 0 ends a list. */
struct scene {
    struct atm_spike spikes[4];
    struct atm_spike blocks[5]; /* energy: amplitude squared */
};

struct fixture {
    struct atm_spikes spikes;
    struct atm_blocks blocks;
    ptrdiff_t first[8];
    struct atm_spike at[32];
};

static void build(struct fixture *f, const struct scene *scenes, ptrdiff_t count) {
    *f = (struct fixture){.spikes = {.images = count}};
    f->spikes.first = f->first, f->spikes.at = f->at;
    for (ptrdiff_t n = 0; n < count; n++) {
        struct atm_block blocks[5];
        ptrdiff_t spikes = f->first[n], m = 0;
        for (int i = 0; i < 4 && scenes[n].spikes[i].amplitude > 0; i++)
            f->at[spikes++] = scenes[n].spikes[i];
        f->first[n + 1] = spikes;
        for (int i = 0; i < 5 && scenes[n].blocks[i].amplitude > 0; i++) {
            const struct atm_spike *b = &scenes[n].blocks[i];
            blocks[m++] = (struct atm_block){.index = i,
                                             .energy = b->amplitude * b->amplitude,
                                             .fitted = true,
                                             .amplitude = b->amplitude,
                                             .spot = {b->amplitude, b->x, b->y, SIGMA, 0}};
        }
        assert_int_equal(atm_blocks_append(&f->blocks, blocks, m, NULL), ATM_OK);
    }
}

static struct atm_block_score score_part(const struct scene *scenes, ptrdiff_t count,
                                         const struct atm_block_part *part) {
    struct fixture f;
    struct atm_block_match match;
    struct atm_block_score score;
    build(&f, scenes, count);
    assert_int_equal(
        atm_block_match_init(&match, &f.spikes, &f.blocks, 2 * SIGMA, ATM_MATCH_HUNGARIAN, NULL),
        ATM_OK);
    assert_int_equal(atm_block_match_score(&match, part, &score, NULL), ATM_OK);
    atm_block_match_free(&match);
    atm_blocks_free(&f.blocks);
    return score;
}

static void close_to(double got, double wanted) { assert_true(fabs(got - wanted) < 1e-12); }

static void perfect_blocks(void **state) {
    (void)state;
    const struct scene scenes[] = {
        {{{10, 12, 0.7}, {30.5, 40.25, 0.9}}, {{30.5, 40.25, 0.9}, {10, 12, 0.7}}},
        {{{5, 5, 0.5}}, {{5, 5, 0.5}}},
    };
    struct atm_block_score s = score_part(scenes, 2, &atm_block_part_all);
    assert_int_equal(s.matched, 3);
    close_to(s.jaccard, 1), close_to(s.energy_purity, 1), close_to(s.amplitude_purity, 1);
    close_to(s.split, 0), close_to(s.merged, 0), close_to(s.ghost, 0), close_to(s.missed, 0);
    close_to(s.rmse_px, 0), close_to(s.amplitude_rms, 0);
}

/* The first spike is made by two blocks (0.6 and 0.3 of its 1.0), the second by one 0.4 px off, and
 * a ghost stands far away. */
static void split_and_ghost(void **state) {
    (void)state;
    const struct scene scenes[] = {
        {{{10, 12, 1}, {30, 40, 0.8}},
         {{10.2, 12, 0.6}, {10, 12.5, 0.3}, {30.4, 40, 0.8}, {50, 50, 0.2}}},
    };
    struct atm_block_score s = score_part(scenes, 1, &atm_block_part_all);
    assert_int_equal(s.blocks, 4);
    assert_int_equal(s.matched, 2);
    close_to(s.jaccard, 2.0 / 4), close_to(s.recall, 1), close_to(s.precision, 0.5);
    close_to(s.split, 0.5), close_to(s.ghost, 0.25), close_to(s.merged, 0);
    close_to(s.energy_purity, (0.36 / 0.45 + 1) / 2);
    close_to(s.amplitude_purity, (0.6 / 0.9 + 1) / 2);
    close_to(s.rmse_px, sqrt((0.04 + 0.16) / 2)), close_to(s.rmse_axis_px, sqrt(0.2 / 4));
    close_to(s.median_px, 0.3), close_to(s.mean_px, 0.3);
    close_to(s.amplitude_bias, -0.2), close_to(s.amplitude_rms, sqrt(0.16 / 2));
}

/* One block in the middle of two near spikes; a third spike has nothing. */
static void merged_and_missed(void **state) {
    (void)state;
    const struct scene scenes[] = {
        {{{10, 10, 0.5}, {12.4, 10, 0.5}, {40, 40, 0.5}}, {{11, 10, 0.9}}},
    };
    struct atm_block_score s = score_part(scenes, 1, &atm_block_part_all);
    assert_int_equal(s.matched, 1);
    close_to(s.merged, 1), close_to(s.missed, 1.0 / 3), close_to(s.split, 0);
    close_to(s.recall, 1.0 / 3), close_to(s.rmse_px, 1);
}

/* The nearest pair first leaves the second spike alone; the Hungarian method serves both. */
static void hungarian_beats_greedy(void **state) {
    (void)state;
    const struct scene scene = {{{10, 10, 1}, {12, 10, 1}}, {{11.2, 10, 1}, {8, 10, 1}}};
    struct fixture f;
    struct atm_block_match match;
    build(&f, &scene, 1);
    assert_int_equal(
        atm_block_match_init(&match, &f.spikes, &f.blocks, 3, ATM_MATCH_HUNGARIAN, NULL), ATM_OK);
    assert_int_equal(match.spike[0].block, 1);
    assert_int_equal(match.spike[1].block, 0);
    close_to(match.spike[0].nearest, 2);
    atm_block_match_free(&match);
    atm_blocks_free(&f.blocks);
}

/* A part takes the images of one count, or the spikes of one distance, with the blocks near them.
 */
static void parts(void **state) {
    (void)state;
    const struct scene scenes[] = {
        {{{10, 10, 1}, {13, 10, 1}}, {{10, 10, 1}, {13, 10, 1}, {20, 10, 0.1}}},
        {{{30, 30, 1}}, {{30, 30.5, 1}}},
    };
    const struct atm_block_part two = {2, 2, 0, INFINITY}, near = {0, 100, 2.5, 3.5};
    const struct atm_block_part alone = {0, 100, 3.5, INFINITY};
    struct atm_block_score s = score_part(scenes, 2, &two);
    assert_int_equal(s.spikes, 2);
    close_to(s.ghost, 1.0 / 3), close_to(s.rmse_px, 0);
    s = score_part(scenes, 2, &near);
    assert_int_equal(s.blocks, 3);
    close_to(s.jaccard, 2.0 / 3);
    s = score_part(scenes, 2, &alone);
    assert_int_equal(s.spikes, 1);
    close_to(s.rmse_px, 0.5), close_to(s.jaccard, 1);
}

/* Images without spikes, without blocks, and nothing at all. */
static void empty_images(void **state) {
    (void)state;
    const struct scene scenes[] = {{.blocks = {{20, 20, 1}}}, {.spikes = {{20, 20, 1}}}};
    struct atm_block_score s = score_part(scenes, 2, &atm_block_part_all);
    close_to(s.jaccard, 0), close_to(s.ghost, 1), close_to(s.missed, 1);
    assert_true(isnan(s.rmse_px) && isnan(s.energy_purity));
    s = score_part(scenes, 0, &atm_block_part_all);
    assert_true(isnan(s.jaccard));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perfect_blocks),
        cmocka_unit_test(split_and_ghost),
        cmocka_unit_test(merged_and_missed),
        cmocka_unit_test(hungarian_beats_greedy),
        cmocka_unit_test(parts),
        cmocka_unit_test(empty_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
