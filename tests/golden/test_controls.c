/* Controls on other people's data: at high density the challenge's tolerance forgives nearly
 * everything. Figures measured independently: 0.51 (250 nm) and 0.32 (100 nm) for the truth of a
 * wrong frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "match.h"
#include "score.h"
#include <math.h>
#include <unistd.h>

static const char *const path = ATM_SHARED_DIR "/data/real/deepstorm/tubes_hd_gt.csv";

static void wrong_frame_of_tubes(void **state) {
    (void)state;
    if (access(path, R_OK) != 0)
        skip();
    struct atm_table truth, none;
    struct atm_err err = {0};
    struct atm_score score;
    const struct atm_eval_options options = {
        .tolerance_nm = 250, .matching = ATM_MATCH_GREEDY, .pixel_size_nm = 100};
    atm_table_init(&truth);
    atm_table_init(&none);
    if (atm_table_read(path, NAN, &truth, &err) != ATM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(truth.count, 81178);
    assert_int_equal(atm_score_wrong_frame(&truth, &none, &options, 250, &score, &err), ATM_OK);
    assert_true(fabs(score.jaccard - 0.51) < 0.01);
    assert_int_equal(atm_score_wrong_frame(&truth, &none, &options, 100, &score, &err), ATM_OK);
    assert_true(fabs(score.jaccard - 0.32) < 0.01);
    assert_int_equal(atm_score_tables(&truth, &truth, &options, 250, &score, &err), ATM_OK);
    assert_true(score.jaccard == 1 && score.rmse_nm == 0 && score.efficiency == 100);
    atm_table_free(&truth);
    atm_table_free(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_frame_of_tubes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
