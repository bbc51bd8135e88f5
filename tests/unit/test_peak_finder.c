/* Classical seeds: where spots are, how bright, and how many noise makes. */
#include "peak_finder.h"

#include "fit_psf.h"
#include "rng.h"
#include <gsl/gsl_randist.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HEIGHT = 31, WIDTH = 44, PIXELS = HEIGHT * WIDTH };
static const double SIGMA = 1.27, GROUND = 20;

static void add_spot(float *image, double x, double y, double photons) {
    double column[WIDTH], row[HEIGHT], slope[WIDTH];
    atm_psf_axis(x, SIGMA, 0, WIDTH, (struct atm_psf_axis){column, slope, NULL});
    atm_psf_axis(y, SIGMA, 0, HEIGHT, (struct atm_psf_axis){row, slope, NULL});
    for (int i = 0; i < PIXELS; i++)
        image[i] += (float)(photons * row[i / WIDTH] * column[i % WIDTH]);
}

static void find(const float *image, double threshold, struct atm_table *seeds) {
    struct atm_peak_finder *finder = NULL;
    float background[PIXELS];
    for (int i = 0; i < PIXELS; i++)
        background[i] = (float)GROUND;
    assert_int_equal(atm_peak_finder_create(HEIGHT, WIDTH, SIGMA, &finder, NULL), ATM_OK);
    assert_int_equal(atm_peak_finder_run(finder, image, background, threshold, 7, seeds, NULL),
                     ATM_OK);
    atm_peak_finder_destroy(&finder);
}

static void spots_are_found_where_they_are(void **state) {
    (void)state;
    const double spots[][3] = {{9.3, 7.8, 1000}, {30.05, 21.6, 400}, {-0.2, 28.4, 700}};
    float image[PIXELS];
    struct atm_table seeds;
    for (int i = 0; i < PIXELS; i++)
        image[i] = (float)GROUND;
    for (int k = 0; k < 3; k++)
        add_spot(image, spots[k][0], spots[k][1], spots[k][2]);
    atm_table_init(&seeds);
    find(image, 100, &seeds);
    assert_int_equal(seeds.count, 3);
    for (int i = 0; i < 3; i++) {
        const double *spot = spots[i];
        /* a parabola through three samples of a Gaussian of 1.8 px is that near its top; at the
         * border the pixel's centre has to do */
        assert_true(fabs(seeds.rows[i].x - spot[0]) < (i == 2 ? 0.5 : 0.05));
        assert_true(fabs(seeds.rows[i].y - spot[1]) < 0.15);
        /* half a pixel off, the filter sees exp(-0.25 / (4 sigma^2)) along each axis */
        assert_true(seeds.rows[i].photons < 1.001 * spot[2]);
        assert_true(seeds.rows[i].photons > 0.9 * spot[2]);
        assert_true(seeds.rows[i].frame == 7 && seeds.rows[i].blocks == 1);
    }
    atm_table_free(&seeds);
}

/* Photons on empty background scatter by sqrt(4 pi sigma^2 variance), and maxima above u of that
 * are about as many as theory says (see model_choice.c). It counts the maxima of a field without a
 * rim, less the saddles among them: at u = 3 there are a few more (1.1 for the rim, 1.2 for
 * saddles), and a wrong unit would change the count tenfold. */
static void noise_makes_as_many_as_theory_says(void **state) {
    (void)state;
    enum { FRAMES = 400 };
    const double u = 3, photons = u * sqrt(4 * M_PI * SIGMA * SIGMA * GROUND);
    const double area = PIXELS / (2 * SIGMA * SIGMA);
    const double expected = FRAMES * area * pow(2 * M_PI, -1.5) * u * exp(-0.5 * u * u);
    struct atm_rng rng;
    struct atm_table seeds;
    float image[PIXELS];
    double count = 0;
    atm_table_init(&seeds);
    atm_rng_init(&rng, 11, ATM_RNG_SPLIT, 0);
    for (int t = 0; t < FRAMES; t++) {
        for (int i = 0; i < PIXELS; i++)
            image[i] = (float)(GROUND + gsl_ran_gaussian(&rng.gsl, sqrt(GROUND)));
        find(image, photons, &seeds);
        count += (double)seeds.count;
    }
    assert_true(count > expected && count < 1.6 * expected);
    atm_table_free(&seeds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spots_are_found_where_they_are),
        cmocka_unit_test(noise_makes_as_many_as_theory_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
