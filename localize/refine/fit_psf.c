#include "fit_psf.h"
#include "clones.h"
#include "psf_spline.h"
#include "whole.h"

#include <math.h>
#include <string.h>

static const double SUPPORT_SIGMAS = 4.5;
static const double WIDER = 1.5;  /* support of Gaussians that may grow while they are fitted */
enum { PAD = 4, AXIS_MAX = 512 }; /* PAD: numbers of the widest vector that reads a row */

ATM_FIT_CLONES
void atm_psf_axis(double centre, double sigma_px, ptrdiff_t first, ptrdiff_t count,
                  struct atm_psf_axis axis) {
    const double scale = M_SQRT1_2 / sigma_px, peak = scale * M_2_SQRTPI * 0.5;
    double edge[AXIS_MAX + PAD], below[AXIS_MAX + PAD], density[AXIS_MAX + PAD];
    const double start = (double)first - 0.5 - centre;
    const int edges = (int)count / PAD * PAD + PAD; /* whole vectors: single ones cost as much */
#pragma omp simd
    for (int i = 0; i < edges; i++) { /* of pixels, and some beyond */
        edge[i] = start + i;
        double u = edge[i] * scale;
        below[i] = 0.5 * erf(u), density[i] = peak * exp(-u * u);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        axis.value[i] = below[i + 1] - below[i];
        axis.slope[i] = density[i] - density[i + 1];
    }
    for (ptrdiff_t i = 0; axis.widening && i < count; i++)
        axis.widening[i] = (edge[i] * density[i] - edge[i + 1] * density[i + 1]) / sigma_px;
}

/* Of whole rows: what follows the pixels is 0 in across. */
ATM_FIT_CLONES
static void outer(const struct atm_patch *patch, int plane, const double *down,
                  const double *restrict across) {
    const ptrdiff_t stride = patch->stride;
    double *restrict row = patch->plane[plane];
    for (ptrdiff_t y = 0; y < patch->ny; y++, row += stride)
#pragma omp simd
        for (ptrdiff_t x = 0; x < stride; x++)
            row[x] = down[y] * across[x];
}

static void fill_gaussian(const struct atm_psf *psf, const struct atm_spot *spot,
                          struct atm_patch *patch) {
    double room[6][AXIS_MAX + 2 * PAD];
    int widths = psf->kind->widths;
    struct atm_psf_axis x = {room[0], room[1], widths ? room[2] : NULL};
    struct atm_psf_axis y = {room[3], room[4], widths ? room[5] : NULL};
    atm_psf_axis(spot->x, widths ? spot->sx : psf->sigma_px, patch->x0, patch->nx, x);
    atm_psf_axis(spot->y, widths ? spot->sy : psf->sigma_px, patch->y0, patch->ny, y);
    for (ptrdiff_t i = patch->nx; i < patch->stride; i++)
        room[0][i] = room[1][i] = room[2][i] = 0;
    outer(patch, ATM_SPOT_X, y.value, x.slope);
    outer(patch, ATM_SPOT_Y, y.slope, x.value);
    outer(patch, ATM_SPOT_AMPLITUDE, y.value, x.value);
    if (widths)
        outer(patch, ATM_SPOT_SX, y.value, x.widening);
    if (widths == 2)
        outer(patch, ATM_SPOT_SY, y.widening, x.value);
    for (ptrdiff_t i = 0; widths == 1 && i < patch->ny; i++) /* sx = sy: both widen together */
        for (ptrdiff_t k = 0; k < patch->nx; k++)
            patch->plane[ATM_SPOT_SX][i * patch->stride + k] += y.widening[i] * x.value[k];
}

static void fill_spline(const struct atm_psf *psf, const struct atm_spot *spot,
                        struct atm_patch *patch) {
    atm_spline_fill(psf->spline, spot->x, spot->y, patch);
}

const struct atm_psf_kind atm_psf_kinds[ATM_PSF_KINDS] = {
    [ATM_PSF_GAUSSIAN] = {"gaussian", 0, fill_gaussian},
    [ATM_PSF_GAUSSIAN_ROUND] = {"gaussian_round", 1, fill_gaussian},
    [ATM_PSF_GAUSSIAN_ELLIPTIC] = {"gaussian_elliptic", 2, fill_gaussian},
    [ATM_PSF_SPLINE] = {"spline", 0, fill_spline},
};

ptrdiff_t atm_psf_half(const struct atm_psf *psf) {
    if (psf->spline)
        return atm_spline_half(psf->spline);
    double wider = psf->kind->widths ? WIDER : 1;
    return atm_smaller((ptrdiff_t)ceil(SUPPORT_SIGMAS * wider * psf->sigma_px), AXIS_MAX / 2 - 1);
}

static ptrdiff_t stride_of(ptrdiff_t span) { return (span + 2 * PAD - 2) / PAD * PAD; }

ptrdiff_t atm_psf_plane_size(const struct atm_psf *psf) {
    ptrdiff_t span = 2 * atm_psf_half(psf) + 1;
    return span * stride_of(span);
}

void atm_psf_place(const struct atm_psf *psf, const struct atm_spot *spot, ptrdiff_t height,
                   ptrdiff_t width, double *values, struct atm_patch *patch) {
    ptrdiff_t half = atm_psf_half(psf), size = atm_psf_plane_size(psf);
    ptrdiff_t x = (ptrdiff_t)lround(spot->x), y = (ptrdiff_t)lround(spot->y);
    int planes = atm_psf_parameters(psf);
    patch->x0 = atm_larger(0, x - half), patch->y0 = atm_larger(0, y - half);
    patch->nx = atm_larger(0, atm_smaller(width, x + half + 1) - patch->x0);
    patch->ny = atm_larger(0, atm_smaller(height, y + half + 1) - patch->y0);
    patch->stride = stride_of(patch->nx);
    for (int k = 0; k < planes; k++)
        patch->plane[k] = values + k * size;
    psf->kind->fill(psf, spot, patch);
}
