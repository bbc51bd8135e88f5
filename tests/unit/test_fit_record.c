/* How well a fit explains a movie: sums against frames whose noise is known, the file, the words.
 */
#include "fit_record.h"

#include "h5.h"
#include "rng.h"
#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "test_folder.h"

enum { HEIGHT = 37, WIDTH = 50, PIXELS = HEIGHT * WIDTH, FRAMES = 20, TILES = 3 * 4 };

struct movie {
    float image[PIXELS], background[PIXELS], model[PIXELS];
    struct atm_fit_tally tally;
    struct atm_frame_fit frames[FRAMES];
};

/* Spots on a background, Poisson noise; the model's spots have `share` of the true light. Left half
 * only, where `half` is set. */
static void make_frame(struct movie *m, int t, double share, bool half) {
    struct atm_rng rng;
    atm_rng_init(&rng, 2385, ATM_RNG_SPLIT, (uint64_t)t);
    for (int i = 0; i < PIXELS; i++) {
        const double x = i % WIDTH, y = (double)(i / WIDTH);
        const double spot = 40 * exp(-0.5 * (pow(fmod(x, 10) - 4.7, 2) + pow(fmod(y, 9) - 4.2, 2)));
        m->background[i] = 20;
        m->image[i] = (float)gsl_ran_poisson(&rng.gsl, 20 + spot);
        m->model[i] = (float)(20 + (half && x >= 25 ? 1 : share) * spot);
    }
}

static void make_movie(struct movie *m, double share, bool half) {
    double tiles[TILES * ATM_FIT_SUMS], scratch[ATM_FIT_SCRATCH * ATM_FIT_TILE_PX];
    const struct atm_refine_input input = {
        .image = m->image, .background = m->background, .noise = {1, 0, 0}};
    const struct atm_fit_view view = {.input = &input, .model = m->model};
    assert_int_equal(atm_fit_tally_init(&m->tally, HEIGHT, WIDTH, NULL), ATM_OK);
    assert_int_equal(m->tally.grid.rows * m->tally.grid.columns, TILES);
    for (int t = 0; t < FRAMES; t++) {
        make_frame(m, t, share, half);
        atm_fit_measure(&m->tally.grid, &view, scratch, tiles, &m->frames[t]);
        atm_fit_tally_add(&m->tally, tiles, NULL, 0);
    }
    *m->tally.localizations = 30 * FRAMES;
}

static void make_record(struct atm_fit_record *record, double share, bool half) {
    static struct movie movie;
    const struct atm_fit_numbers unknown = {
        .sigma_px = 1, .model_sigma_px = 1, .photons_factor = NAN, .background_factor = NAN};
    make_movie(&movie, share, half);
    assert_int_equal(
        atm_fit_record_init(record, &movie.tally, movie.frames, FRAMES, &unknown, NULL), ATM_OK);
    atm_fit_tally_free(&movie.tally);
}

static void a_right_model_leaves_noise(void **state) {
    (void)state;
    struct atm_fit_record record;
    make_record(&record, 1, false);
    const struct atm_fit_numbers *n = &record.numbers;
    assert_true(fabs(n->deviance - 1) < 4 * n->deviance_sd && n->deviance_sd < 0.01);
    assert_true(fabs(n->unexplained) < 4 * n->unexplained_sd && n->unexplained_sd < 0.02);
    assert_true(n->bad_tiles == 0 && n->bad_frames == 0);
    assert_int_equal(record.level, ATM_FIT_FITS);
    atm_fit_record_free(&record);
}

/* A model with a share s of the light leaves (1 - s)^2 of the signal's energy. */
static void what_a_wrong_model_leaves_is_measured(void **state) {
    (void)state;
    struct atm_fit_record record;
    make_record(&record, 0.6, false);
    const struct atm_fit_numbers *n = &record.numbers;
    /* of the image's noise, that of the model is taken off: 40 % of the spots' light too little */
    assert_true(n->unexplained > 0.16 && n->unexplained < 0.24);
    assert_true(n->deviance > 1.2);
    assert_int_not_equal(record.level, ATM_FIT_FITS);
    atm_fit_record_free(&record);

    make_record(&record, 0.2, true);
    assert_true(record.numbers.bad_tiles > 0.3 && record.numbers.bad_tiles < 0.7);
    for (ptrdiff_t row = 0; row < record.grid.rows; row++)
        assert_true(record.deviance[row * record.grid.columns] >
                    record.deviance[(row + 1) * record.grid.columns - 1] + 0.3F);
    atm_fit_record_free(&record);
}

static void the_file_brings_all_back(void **state) {
    (void)state;
    struct atm_fit_record record, back;
    struct atm_err err = {0};
    make_record(&record, 0.6, true);
    record.compared = true, record.first_frame = 7;
    record.trained_blocks.counts[11] = 2.385;
    assert_int_equal(atm_fit_record_write(at("a_fit.h5"), &record, "from nothing", &err), ATM_OK);
    assert_int_equal(atm_fit_record_read(at("a_fit.h5"), &back, &err), ATM_OK);
    assert_string_equal(back.verdict, record.verdict);
    assert_int_equal(back.level, record.level);
    assert_int_equal(back.frames, FRAMES);
    assert_int_equal(back.first_frame, 7);
    assert_true(back.numbers.unexplained == record.numbers.unexplained && back.compared);
    assert_true(isnan(back.numbers.photons_factor));
    assert_memory_equal(back.deviance, record.deviance, TILES * sizeof *back.deviance);
    assert_memory_equal(back.by_frame, record.by_frame, FRAMES * sizeof *back.by_frame);
    assert_true(back.trained_blocks.counts[11] == 2.385);
    atm_fit_record_free(&record);
    atm_fit_record_free(&back);
    unlink(at("a_fit.h5"));

    struct atm_h5 *file = NULL;
    assert_int_equal(atm_h5_create(at("other.h5"), &file, &err), ATM_OK);
    assert_int_equal(atm_h5_close(&file, &err), ATM_OK);
    assert_int_equal(atm_fit_record_read(at("other.h5"), &back, &err), ATM_FAIL);
    assert_non_null(strstr(err.text, "not a file about a fit"));
    assert_null(back.deviance);
    unlink(at("other.h5"));
    assert_int_equal(atm_h5_open_objects(), 0);
}

static void a_change_of_scale_is_found_again(void **state) {
    (void)state;
    struct atm_histogram a = {{0}}, b = {{0}}, few = {{0}};
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_SPLIT, 0);
    for (int i = 0; i < 20000; i++) {
        double value = exp(gsl_ran_gaussian(&rng.gsl, 0.4)) * 800;
        atm_histogram_add(&a, value);
        atm_histogram_add(&b, 2.385 * value);
    }
    /* a bin is 12 % wide; the mean over a smooth distribution is far better known */
    assert_true(fabs(atm_histogram_factor(&a, &b, 0, 50) / 2.385 - 1) < 0.02);
    assert_true(fabs(atm_histogram_factor(&b, &a, 0, 50) * 2.385 - 1) < 0.02);
    assert_true(atm_histogram_factor(&a, &a, 0, 50) == 1);
    assert_true(isnan(atm_histogram_factor(&a, &few, 0, 50)));
    atm_histogram_add(&few, NAN);
    atm_histogram_add(&few, -1);
    atm_histogram_add(&few, 1e30);
    assert_true(few.counts[0] == 1 && few.counts[ATM_HISTOGRAM_BINS - 1] == 1);
}

static void each_doubt_has_its_words(void **state) {
    (void)state;
    const struct atm_fit_numbers good = {.deviance = 1.01,
                                         .deviance_sd = 0.002,
                                         .unexplained = 0.01,
                                         .unexplained_sd = 0.001,
                                         .sigma_px = 1.3,
                                         .model_sigma_px = 1.25,
                                         .photons_factor = 1.1,
                                         .background_factor = 0.9,
                                         .from_residual = 0.1,
                                         .localizations = 500};
    const struct {
        size_t member;
        double value;
        enum atm_fit_level level;
        const char *words;
    } cases[] = {
        {offsetof(struct atm_fit_numbers, deviance), 1.02, ATM_FIT_FITS, "fits: what the fit"},
        {offsetof(struct atm_fit_numbers, sigma_px), 1.6, ATM_FIT_PARTLY, "sigma of 1.60 px"},
        {offsetof(struct atm_fit_numbers, sigma_px), 0.7, ATM_FIT_FAILS, "does not fit: the movie"},
        {offsetof(struct atm_fit_numbers, deviance), 1.3, ATM_FIT_PARTLY, "refine.psf"},
        {offsetof(struct atm_fit_numbers, deviance), 1.8, ATM_FIT_FAILS, "1.80 times"},
        {offsetof(struct atm_fit_numbers, deviance), 0.7, ATM_FIT_PARTLY, "quieter"},
        {offsetof(struct atm_fit_numbers, unexplained), 0.3, ATM_FIT_FAILS, "30 % of the signal"},
        {offsetof(struct atm_fit_numbers, photons_factor), 0.3, ATM_FIT_PARTLY, "as bright"},
        {offsetof(struct atm_fit_numbers, background_factor), 4, ATM_FIT_PARTLY, "background is 4"},
        {offsetof(struct atm_fit_numbers, bad_tiles), 0.2, ATM_FIT_PARTLY, "20 % of the field"},
        {offsetof(struct atm_fit_numbers, bad_frames), 0.6, ATM_FIT_FAILS, "60 % of the frames"},
        {offsetof(struct atm_fit_numbers, from_residual), 0.7, ATM_FIT_PARTLY, "did not see 70 %"},
        {offsetof(struct atm_fit_numbers, localizations), 0, ATM_FIT_UNKNOWN, "no emitter was"},
        {offsetof(struct atm_fit_numbers, deviance), NAN, ATM_FIT_UNKNOWN, "nothing was fitted"},
        {offsetof(struct atm_fit_numbers, photons_factor), NAN, ATM_FIT_FITS, "fits: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct atm_fit_numbers n = good;
        char text[ATM_VERDICT_SIZE];
        memcpy((char *)&n + cases[i].member, &cases[i].value, sizeof(double));
        const enum atm_fit_level level = atm_verdict(&n, text);
        if (level != cases[i].level || !strstr(text, cases[i].words))
            fail_msg("%zu: %s", i, text);
    }
    struct atm_fit_numbers own = good; /* what the network has not learned, the fit has found */
    char text[ATM_VERDICT_SIZE];
    own.own_movie = true, own.sigma_px = 0.7, own.from_residual = 0.95;
    own.photons_factor = 14;
    assert_int_equal(atm_verdict(&own, text), ATM_FIT_PARTLY);
    assert_null(strstr(text, "--model"));
    assert_non_null(strstr(text, "train longer"));
    own.sigma_px = 4.9; /* but atoms that are no part of what it fitted are not of one PSF */
    assert_int_equal(atm_verdict(&own, text), ATM_FIT_FAILS);
    assert_non_null(strstr(text, "no one PSF"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_model_leaves_noise),
        cmocka_unit_test(what_a_wrong_model_leaves_is_measured),
        cmocka_unit_test(the_file_brings_all_back),
        cmocka_unit_test(a_change_of_scale_is_found_again),
        cmocka_unit_test(each_doubt_has_its_words),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
