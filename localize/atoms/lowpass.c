#include "lowpass.h"
#include "mem.h"

#include <fftw3.h>
#include <math.h>

struct atm_lowpass {
    ptrdiff_t height, width;
    fftwf_plan forward, backward;
    float *gain_y, *gain_x; /* transfer functions along the axes, squared */
    float keep;
};

enum atm_status atm_lowpass_create(ptrdiff_t height, ptrdiff_t width, struct atm_lowpass **lowpass,
                                   struct atm_err *err) {
    struct atm_lowpass *l = atm_mem_alloc(1, sizeof *l);
    float *scratch = atm_mem_alloc((size_t)(height * width), sizeof *scratch);
    if (l && scratch) {
        const unsigned flags = FFTW_ESTIMATE | FFTW_UNALIGNED;
        l->height = height, l->width = width;
        l->gain_y = atm_mem_alloc((size_t)height, sizeof *l->gain_y);
        l->gain_x = atm_mem_alloc((size_t)width, sizeof *l->gain_x);
        l->forward = fftwf_plan_r2r_2d((int)height, (int)width, scratch, scratch, FFTW_REDFT10,
                                       FFTW_REDFT10, flags);
        l->backward = fftwf_plan_r2r_2d((int)height, (int)width, scratch, scratch, FFTW_REDFT01,
                                        FFTW_REDFT01, flags);
    }
    atm_mem_free(scratch);
    if (!l || !l->gain_y || !l->gain_x || !l->forward || !l->backward) {
        atm_lowpass_destroy(&l);
        return atm_err_memory(err, "a low-pass filter");
    }
    atm_lowpass_set(l, 0, 0);
    *lowpass = l;
    return ATM_OK;
}

void atm_lowpass_destroy(struct atm_lowpass **lowpass) {
    struct atm_lowpass *l = *lowpass;
    if (!l)
        return;
    if (l->forward)
        fftwf_destroy_plan(l->forward);
    if (l->backward)
        fftwf_destroy_plan(l->backward);
    atm_mem_free(l->gain_y);
    atm_mem_free(l->gain_x);
    atm_mem_free(l);
    *lowpass = NULL;
}

/* Index i of a cosine transform of n samples has the angular frequency pi i / n. */
static void fill_gain(ptrdiff_t n, double sigma_px, float *gain) {
    for (ptrdiff_t i = 0; i < n; i++) {
        const double omega = M_PI * (double)i / (double)n;
        gain[i] = (float)exp(-sigma_px * sigma_px * omega * omega);
    }
}

void atm_lowpass_set(struct atm_lowpass *l, double sigma_px, double keep) {
    fill_gain(l->height, sigma_px, l->gain_y);
    fill_gain(l->width, sigma_px, l->gain_x);
    l->keep = (float)keep;
}

void atm_lowpass_twice(const struct atm_lowpass *l, ptrdiff_t count, float *images) {
    const float scale = 1 / (4 * (float)l->height * (float)l->width); /* of the two transforms */
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < count; i++) {
        float *image = images + i * l->height * l->width;
        fftwf_execute_r2r(l->forward, image, image);
        for (ptrdiff_t y = 0; y < l->height; y++)
            for (ptrdiff_t x = 0; x < l->width; x++)
                image[y * l->width + x] *=
                    scale * (l->keep + (1 - l->keep) * l->gain_y[y] * l->gain_x[x]);
        fftwf_execute_r2r(l->backward, image, image);
    }
}
