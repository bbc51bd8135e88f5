#include "fit_sums.h"
#include "clones.h"
#include "joint_fit.h"

#define INLINE static inline __attribute__((always_inline))
enum { WIDTH = 4 };
typedef double vec __attribute__((vector_size(8 * WIDTH), aligned(8), may_alias));

INLINE ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
INLINE ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

ATM_FIT_CLONES
void atm_fit_weigh(const struct atm_patch *patch, const double *image, ptrdiff_t width,
                   int parameters, double *weighted) {
    for (int k = 0; k < parameters; k++)
        for (ptrdiff_t y = 0; y < patch->ny; y++) {
            const double *plane = patch->plane[k] + y * patch->stride;
            const double *row = image + (patch->y0 + y) * width + patch->x0;
            for (ptrdiff_t x = 0; x < patch->nx; x++)
                weighted[x] = row[x] * plane[x];
            for (ptrdiff_t x = patch->nx; x < patch->stride; x++)
                weighted[x] = 0;
            weighted += patch->stride;
        }
}

/* Rows end in zeros, so the last vector of a row may read past the common pixels: there one of the
 * two is zero. */
INLINE void pair_sums(const struct atm_patch *a, const double *weighted, const struct atm_patch *b,
                      const int n, double *sums) {
    const ptrdiff_t x0 = most(a->x0, b->x0), y0 = most(a->y0, b->y0);
    const ptrdiff_t nx = least(a->x0 + a->nx, b->x0 + b->nx) - x0;
    const ptrdiff_t y1 = least(a->y0 + a->ny, b->y0 + b->ny);
    vec sum[ATM_SPOT_PARAMETERS * ATM_SPOT_PARAMETERS] = {{0}};
    for (ptrdiff_t y = y0; y < y1; y++) {
        const double *from = weighted + (y - a->y0) * a->stride + (x0 - a->x0);
        const ptrdiff_t at = (y - b->y0) * b->stride + (x0 - b->x0);
        for (ptrdiff_t x = 0; x < nx; x += WIDTH) {
            vec right[ATM_SPOT_PARAMETERS];
            for (int m = 0; m < n; m++)
                right[m] = *(const vec *)(b->plane[m] + at + x);
            for (int k = 0; k < n; k++) {
                const vec left = *(const vec *)(from + k * a->ny * a->stride + x);
                for (int m = 0; m < n; m++)
                    sum[k * n + m] += left * right[m];
            }
        }
    }
    for (int i = 0; i < n * n; i++)
        sums[i] = (sum[i][0] + sum[i][1]) + (sum[i][2] + sum[i][3]);
}

ATM_FIT_CLONES
void atm_fit_pair_sums(const struct atm_patch *a, const double *weighted, const struct atm_patch *b,
                       int parameters, double *sums) {
    switch (parameters) { /* constants, so that the sums stay in registers */
    case 3:
        pair_sums(a, weighted, b, 3, sums);
        break;
    case 4:
        pair_sums(a, weighted, b, 4, sums);
        break;
    default:
        pair_sums(a, weighted, b, 5, sums);
    }
}

ATM_FIT_CLONES
void atm_fit_render(const struct atm_patch *patch, double amplitude, double *image,
                    ptrdiff_t width) {
    for (ptrdiff_t y = 0; y < patch->ny; y++) {
        double *row = image + (patch->y0 + y) * width + patch->x0;
        const double *plane = patch->plane[ATM_SPOT_AMPLITUDE] + y * patch->stride;
        for (ptrdiff_t x = 0; x < patch->nx; x++)
            row[x] += amplitude * plane[x];
    }
}

ATM_FIT_CLONES
void atm_fit_project(const struct atm_patch *patch, const double *image, ptrdiff_t width,
                     int parameters, double *out) {
    for (int k = 0; k < parameters; k++) {
        double sum = 0;
        for (ptrdiff_t y = 0; y < patch->ny; y++) {
            const double *row = image + (patch->y0 + y) * width + patch->x0;
            const double *plane = patch->plane[k] + y * patch->stride;
#pragma omp simd reduction(+ : sum)
            for (ptrdiff_t x = 0; x < patch->nx; x++)
                sum += row[x] * plane[x];
        }
        out[k] = sum;
    }
}
