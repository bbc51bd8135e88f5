/* Spots of known place, width and amplitude, measured. */
#include "blocks.h"
#include "psf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gsl/gsl_errno.h>
#include <math.h>

enum { H = 29, W = 37 };

static void draw(const struct atm_psf_spot *spots, int count, float *image) {
    double sum[H * W] = {0};
    for (int i = 0; i < count; i++)
        atm_psf_add(&atm_psfs[ATM_PSF_SAMPLED], &spots[i], H, W, sum);
    for (int i = 0; i < H * W; i++)
        image[i] = (float)sum[i];
}

static struct atm_spot_window whole_of(const float *image) {
    return (struct atm_spot_window){image, W, 0, 0, W, H};
}

static void fit_of_a_gaussian(void **state) {
    (void)state;
    static float image[H * W];
    const struct atm_psf_spot spots[] = {
        {12.34, 9.87, 1.5, 0.73}, {20.5, 14, 2.385, 0.2}, {1.2, 27.3, 1.5, 0.9}};
    for (int i = 0; i < 3; i++) {
        draw(&spots[i], 1, image);
        const struct atm_spot_window window = whole_of(image);
        struct atm_block block = {0};
        atm_block_measure(&window, &block);
        assert_true(block.fitted);
        /* Floats of 0.7 end at 3e-8; cut at 6 sigma. */
        assert_true(fabs(block.spot.x - spots[i].x) < 1e-6);
        assert_true(fabs(block.spot.y - spots[i].y) < 1e-6);
        assert_true(fabs(block.spot.sigma - spots[i].sigma_px) < 1e-6);
        assert_true(fabs(block.spot.amplitude - spots[i].amplitude) < 1e-6);
        assert_true(block.spot.residual < 1e-6);
    }
}

/* A spot of width s' holds a spike of width s of amplitude 2 s'^2 / (s^2 + s'^2) times its own (the
 * integral of the product of two Gaussians over that of the square of one). */
static void amplitude_of_another_width(void **state) {
    (void)state;
    static float image[H * W];
    const struct atm_psf_spot spot = {15.2, 11.7, 1.65, 0.73};
    draw(&spot, 1, image);
    const struct atm_spot_window window = whole_of(image);
    double square = spot.sigma_px * spot.sigma_px;
    for (double sigma = 1.5; sigma < 1.9; sigma += 0.15)
        assert_true(fabs(atm_spot_amplitude(&window, spot.x, spot.y, sigma) -
                         0.73 * 2 * square / (square + sigma * sigma)) < 1e-5);
}

/* |I - fit| / |I| of two equal spots far apart: the fit takes one, half of the energy is left. */
static void residual_of_two(void **state) {
    (void)state;
    static float image[H * W];
    const struct atm_psf_spot spots[] = {{8, 8, 1.5, 0.7}, {28, 20, 1.5, 0.7}};
    draw(spots, 2, image);
    const struct atm_spot_window window = whole_of(image);
    struct atm_block block = {0};
    atm_block_measure(&window, &block);
    assert_true(fabs(block.spot.residual - sqrt(0.5)) < 1e-4);
}

/* Mass and width by moments are those of the Gaussian (adaptive moments are exact for it, but for
 * the sampling at 1.5 px). */
static void moments(void **state) {
    (void)state;
    static float image[H * W];
    const struct atm_psf_spot spot = {15.2, 11.7, 1.5, 0.73};
    draw(&spot, 1, image);
    const struct atm_spot_window window = whole_of(image);
    struct atm_spot_moments m;
    atm_spot_measure(&window, &m);
    assert_true(m.compact);
    assert_true(fabs(m.x - 15.2) < 1e-4 && fabs(m.y - 11.7) < 1e-4);
    assert_true(fabs(m.sigma - 1.5) < 1e-4);
    assert_true(fabs(m.mass / (2 * M_PI * 1.5 * 1.5 * 0.73) - 1) < 1e-4);
    draw(&spot, 0, image);
    atm_spot_measure(&window, &m);
    assert_false(m.compact);
}

static void no_spot(void **state) {
    (void)state;
    static float image[H * W];
    struct atm_block block = {0};
    const struct atm_spot_window window = whole_of(image);
    atm_block_measure(&window, &block);
    assert_false(block.fitted);
    for (int i = 0; i < H * W; i++)
        image[i] = -1;
    atm_block_measure(&window, &block);
    assert_false(block.fitted);
    assert_true(block.spot.residual == 1);
}

/* Peaks of three separate spikes, found and fitted; the faint one is below the threshold. */
static void peaks(void **state) {
    (void)state;
    static float image[H * W];
    const struct atm_psf_spot spots[] = {
        {8.3, 8.1, 1.5, 0.7}, {25, 20.6, 1.5, 1}, {9, 22, 1.5, 0.05}};
    const struct atm_peak_options options = {0.1, 1.5, 3};
    struct atm_block found[8];
    draw(spots, 3, image);
    assert_int_equal(atm_peaks_find(image, H, W, &options, found, 8), 2);
    assert_true(fabs(found[0].spot.x - 8.3) < 1e-4 && fabs(found[1].spot.y - 20.6) < 1e-4);
    assert_true(fabs(found[1].energy - M_PI * 2.25) < 1e-3);
    assert_int_equal(atm_peaks_find(image, H, W, &options, found, 1), 1);
}

int main(void) {
    gsl_set_error_handler_off();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_of_a_gaussian), cmocka_unit_test(amplitude_of_another_width),
        cmocka_unit_test(residual_of_two),   cmocka_unit_test(moments),
        cmocka_unit_test(no_spot),           cmocka_unit_test(peaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
