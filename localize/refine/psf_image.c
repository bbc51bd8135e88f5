#include "psf_image.h"
#include "mem.h"
#include "psf_spline.h"

#include <math.h>

enum atm_status atm_psf_image_create(ptrdiff_t half, ptrdiff_t oversampling,
                                     struct atm_psf_image *image, struct atm_err *err) {
    *image =
        (struct atm_psf_image){.size = 2 * half * oversampling + 1, .oversampling = oversampling};
    image->samples =
        atm_mem_alloc((size_t)image->size * (size_t)image->size, sizeof *image->samples);
    return image->samples ? ATM_OK : atm_err_memory(err, "a PSF");
}

void atm_psf_image_free(struct atm_psf_image *image) {
    atm_mem_free(image->samples);
    *image = (struct atm_psf_image){0};
}

static double offset_of(const struct atm_psf_image *image, ptrdiff_t i) {
    return ((double)i - 0.5 * (double)(image->size - 1)) / (double)image->oversampling;
}

void atm_psf_image_gaussian(struct atm_psf_image *image, double sigma_px) {
    const double s = M_SQRT1_2 / sigma_px;
    for (ptrdiff_t i = 0; i < image->size * image->size; i++) {
        double x = offset_of(image, i % image->size), y = offset_of(image, i / image->size);
        image->samples[i] = (float)(0.25 * (erf((x + 0.5) * s) - erf((x - 0.5) * s)) *
                                    (erf((y + 0.5) * s) - erf((y - 0.5) * s)));
    }
}

double atm_psf_image_mass(const struct atm_psf_image *image) {
    double sum = 0, q = (double)image->oversampling;
    for (ptrdiff_t i = 0; i < image->size * image->size; i++)
        sum += (double)image->samples[i];
    return sum / (q * q);
}

/* Mass q^2: samples a pixel apart then add up to 1. */
static void normalise(struct atm_psf_image *image) {
    double mass = atm_psf_image_mass(image);
    for (ptrdiff_t i = 0; i < image->size * image->size && mass > 0; i++)
        image->samples[i] *= (float)(1 / mass);
}

enum atm_status atm_psf_image_resample(const struct atm_psf_image *from,
                                       const struct atm_psf_resampling *how,
                                       struct atm_psf_image *to, struct atm_err *err) {
    struct atm_spline *spline = NULL;
    enum atm_status status = atm_psf_image_create(how->half, how->oversampling, to, err);
    if (!status)
        status = atm_spline_create(from->samples, from->size, from->oversampling, &spline, err);
    double reach = status ? 0 : 0.5 * (double)(from->size - 1) / (double)from->oversampling;
    for (ptrdiff_t i = 0; !status && i < to->size * to->size; i++) {
        double x = offset_of(to, i % to->size) + how->x, y = offset_of(to, i / to->size) + how->y;
        double plane[ATM_SPOT_PARAMETERS];
        struct atm_patch pixel = {.nx = 1, .ny = 1, .stride = 1};
        for (int k = 0; k < ATM_SPOT_PARAMETERS; k++)
            pixel.plane[k] = &plane[k];
        if (fabs(x) > reach || fabs(y) > reach)
            continue;
        atm_spline_fill(spline, -x, -y, &pixel);
        to->samples[i] = (float)plane[ATM_SPOT_AMPLITUDE];
    }
    atm_spline_destroy(&spline);
    if (status)
        atm_psf_image_free(to);
    else
        normalise(to);
    return status;
}

/* From the brightest sample, along a line of samples `step` apart, both ways to half its value. */
static double full_width(const struct atm_psf_image *image, ptrdiff_t peak, ptrdiff_t step) {
    const float *values = image->samples + peak;
    ptrdiff_t at = step == 1 ? peak % image->size : peak / image->size;
    double half = 0.5 * (double)values[0], width = 0;
    for (int side = -1; side <= 1; side += 2) {
        ptrdiff_t room = side < 0 ? at : image->size - 1 - at, i = 1;
        while (i < room && (double)values[side * i * step] > half)
            i++;
        double inner = (double)values[side * (i - 1) * step],
               outer = (double)values[side * i * step];
        width += (double)(i - 1) + (room && inner > outer ? (inner - half) / (inner - outer) : 0);
    }
    return width / (double)image->oversampling;
}

enum atm_status atm_psf_image_measure(const struct atm_psf_image *image,
                                      struct atm_psf_measures *measures, struct atm_err *err) {
    struct atm_spline *spline = NULL;
    enum atm_status status =
        atm_spline_create(image->samples, image->size, image->oversampling, &spline, err);
    if (status)
        return status;
    double sum = 0, x = 0, y = 0;
    ptrdiff_t peak = 0;
    for (ptrdiff_t i = 0; i < image->size * image->size; i++) {
        double square = (double)image->samples[i] * (double)image->samples[i];
        sum += square;
        x += square * offset_of(image, i % image->size);
        y += square * offset_of(image, i / image->size);
        peak = image->samples[i] > image->samples[peak] ? i : peak;
    }
    *measures = (struct atm_psf_measures){.x = x / sum,
                                          .y = y / sum,
                                          .fwhm_x = full_width(image, peak, 1),
                                          .fwhm_y = full_width(image, peak, image->size),
                                          .sigma_px = atm_spline_sigma(spline)};
    atm_spline_destroy(&spline);
    return ATM_OK;
}

double atm_psf_image_beyond(const struct atm_psf_image *image, double r) {
    double sum = 0, outside = 0;
    for (ptrdiff_t i = 0; i < image->size * image->size; i++) {
        double x = offset_of(image, i % image->size), y = offset_of(image, i / image->size);
        sum += (double)image->samples[i];
        outside += hypot(x, y) > r ? (double)image->samples[i] : 0;
    }
    return outside / sum;
}
