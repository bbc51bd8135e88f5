#include "psf.h"

#include <assert.h>
#include <math.h>

/* Differences of erf lose digits far from the centre, but only absolutely (1e-16), and the tail
 * within reach is above 1e-11 for every sigma that we allow. */
static void integrated_profile(double centre, double sigma, ptrdiff_t first, ptrdiff_t count,
                               double *weight) {
    double scale = M_SQRT1_2 / sigma;
    double lower = erf(((double)first - 0.5 - centre) * scale);
    for (ptrdiff_t i = 0; i < count; i++) {
        double upper = erf(((double)(first + i) + 0.5 - centre) * scale);
        weight[i] = 0.5 * (upper - lower);
        lower = upper;
    }
}

static void sampled_profile(double centre, double sigma, ptrdiff_t first, ptrdiff_t count,
                            double *weight) {
    for (ptrdiff_t i = 0; i < count; i++) {
        double z = ((double)(first + i) - centre) / sigma;
        weight[i] = exp(-0.5 * z * z);
    }
}

const struct atm_psf atm_psfs[] = {
    [ATM_PSF_INTEGRATED] = {"integrated", integrated_profile},
    [ATM_PSF_SAMPLED] = {"sampled", sampled_profile},
};

struct range {
    ptrdiff_t first, count;
};

/* Pixels of 0..size-1 that touch centre +- reach; clamped before the conversion to an integer. */
static struct range pixels_within(double centre, double reach, ptrdiff_t size) {
    double lo = fmax(ceil(centre - reach - 0.5), 0);
    double hi = fmin(floor(centre + reach + 0.5), (double)size - 1);
    return lo <= hi ? (struct range){(ptrdiff_t)lo, (ptrdiff_t)(hi - lo) + 1} : (struct range){0};
}

void atm_psf_add(const struct atm_psf *psf, const struct atm_psf_spot *spot, ptrdiff_t height,
                 ptrdiff_t width, double *image) {
    enum { MAX_SIDE = 2 * ATM_PSF_REACH_SIGMAS * ATM_PSF_MAX_SIGMA_PX + 2 };
    assert(spot->sigma_px > 0 && spot->sigma_px <= ATM_PSF_MAX_SIGMA_PX);
    double reach = ATM_PSF_REACH_SIGMAS * spot->sigma_px;
    struct range columns = pixels_within(spot->x, reach, width);
    struct range rows = pixels_within(spot->y, reach, height);
    double along_x[MAX_SIDE], along_y[MAX_SIDE];
    psf->profile(spot->x, spot->sigma_px, columns.first, columns.count, along_x);
    psf->profile(spot->y, spot->sigma_px, rows.first, rows.count, along_y);
    for (ptrdiff_t r = 0; r < rows.count; r++) {
        double amplitude = spot->amplitude * along_y[r];
        double *row = image + (rows.first + r) * width + columns.first;
        for (ptrdiff_t c = 0; c < columns.count; c++)
            row[c] += amplitude * along_x[c];
    }
}
