#include "pca.h"

#include "mem.h"

#include <gsl/gsl_cblas.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

struct atm_pca {
    ptrdiff_t pixels, components;
    float *mean;  /* (pixels) */
    float *basis; /* (components, pixels), orthonormal */
};

/* LAPACK, as OpenBLAS has it; Debian's package comes without a C header for it. */
void dsyevr_(const char *job, const char *range, const char *triangle, const int *n, double *a,
             const int *lda, const double *low, const double *high, const int *first,
             const int *last, const double *tolerance, int *found, double *values, double *vectors,
             const int *ldv, int *support, double *work, const int *work_size, int *whole,
             const int *whole_size, int *info);

struct eigen {
    int n, first;    /* the largest ones: from `first` (counted from 1) to n */
    double *gram;    /* (n, n), destroyed */
    double *values;  /* (n): ascending */
    double *vectors; /* (n - first + 1, n) */
    int *support;    /* (2 n) */
};

static bool solve_with(struct eigen *e, double *work, int work_size, int *whole, int whole_size) {
    const double none = 0;
    int found = 0, info = 0;
    dsyevr_("V", "I", "U", &e->n, e->gram, &e->n, &none, &none, &e->first, &e->n, &none, &found,
            e->values, e->vectors, &e->n, e->support, work, &work_size, whole, &whole_size, &info);
    return info == 0;
}

static enum atm_status solve(struct eigen *e, struct atm_err *err) {
    double best = 0;
    int best_whole = 0;
    bool good = solve_with(e, &best, -1, &best_whole, -1); /* asks for the sizes */
    double *work = atm_mem_alloc((size_t)best, sizeof *work);
    int *whole = atm_mem_alloc((size_t)best_whole, sizeof *whole);
    enum atm_status status = work && whole ? ATM_OK : atm_err_memory(err, "principal components");
    if (!status)
        good = good && solve_with(e, work, (int)best, whole, best_whole);
    atm_mem_free(work);
    atm_mem_free(whole);
    if (!status && !good)
        status = atm_err_set(err, ATM_FAIL, "no principal components: dsyevr failed");
    return status;
}

/* centred (count, pixels). Component j is the sum of the images by eigenvector j, scaled to 1. */
static void make_basis(struct atm_pca *pca, const struct eigen *e, const float *centred) {
    for (ptrdiff_t j = 0; j < pca->components; j++) {
        float *to = pca->basis + j * pca->pixels;
        const double *vector = e->vectors + (pca->components - 1 - j) * e->n;
        for (int i = 0; i < e->n; i++)
            cblas_saxpy((int)pca->pixels, (float)vector[i], centred + i * pca->pixels, 1, to, 1);
        const float norm = cblas_snrm2((int)pca->pixels, to, 1);
        cblas_sscal((int)pca->pixels, norm > 0 ? 1 / norm : 0, to, 1);
    }
}

static enum atm_status decompose(struct atm_pca *pca, const float *centred, ptrdiff_t count,
                                 struct atm_err *err) {
    const size_t n = (size_t)count;
    struct eigen e = {.n = (int)count, .first = (int)(count - pca->components + 1)};
    float *gram = atm_mem_alloc(n * n, sizeof *gram);
    e.gram = atm_mem_alloc(n * n, sizeof *e.gram);
    e.values = atm_mem_alloc(n, sizeof *e.values);
    e.vectors = atm_mem_alloc((size_t)pca->components * n, sizeof *e.vectors);
    e.support = atm_mem_alloc(2 * n, sizeof *e.support);
    enum atm_status status = gram && e.gram && e.values && e.vectors && e.support
                                 ? ATM_OK
                                 : atm_err_memory(err, "principal components");
    if (!status) {
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, e.n, (int)pca->pixels, 1, centred,
                    (int)pca->pixels, 0, gram, e.n);
        for (size_t i = 0; i < n * n; i++)
            e.gram[i] = (double)gram[i]; /* row-major lower is column-major upper */
        status = solve(&e, err);
    }
    if (!status)
        make_basis(pca, &e, centred);
    atm_mem_free(gram);
    atm_mem_free(e.gram);
    atm_mem_free(e.values);
    atm_mem_free(e.vectors);
    atm_mem_free(e.support);
    return status;
}

enum atm_status atm_pca_fit(const float *images, ptrdiff_t count, ptrdiff_t pixels,
                            ptrdiff_t components, struct atm_pca **result, struct atm_err *err) {
    struct atm_pca *pca = atm_mem_alloc(1, sizeof *pca);
    float *centred = atm_mem_alloc((size_t)(count * pixels), sizeof *centred);
    *result = pca;
    enum atm_status status = ATM_FAIL;
    if (pca && centred) {
        pca->pixels = pixels;
        pca->components = components < count ? components : count - 1;
        pca->mean = atm_mem_alloc((size_t)pixels, sizeof *pca->mean);
        pca->basis = atm_mem_alloc((size_t)(pca->components * pixels) + 1, sizeof *pca->basis);
    }
    if (!pca || !centred || !pca->mean || !pca->basis) {
        status = atm_err_memory(err, "principal components");
        goto done;
    }
    for (ptrdiff_t p = 0; p < pixels; p++) {
        double sum = 0;
        for (ptrdiff_t i = 0; i < count; i++)
            sum += (double)images[i * pixels + p];
        pca->mean[p] = (float)(sum / (double)count);
    }
    for (ptrdiff_t i = 0; i < count * pixels; i++)
        centred[i] = images[i] - pca->mean[i % pixels];
    status = pca->components > 0 ? decompose(pca, centred, count, err) : ATM_OK;
done:
    atm_mem_free(centred);
    if (status)
        atm_pca_destroy(result);
    return status;
}

void atm_pca_destroy(struct atm_pca **pca) {
    if (!*pca)
        return;
    atm_mem_free((*pca)->mean);
    atm_mem_free((*pca)->basis);
    atm_mem_free(*pca);
    *pca = NULL;
}

ptrdiff_t atm_pca_components(const struct atm_pca *pca) { return pca->components; }

void atm_pca_errors(const struct atm_pca *pca, const float *image, double *of_mean,
                    double *of_all) {
    double energy = 0;
    for (ptrdiff_t p = 0; p < pca->pixels; p++)
        energy += pow((double)image[p] - (double)pca->mean[p], 2);
    *of_mean = *of_all = energy;
    for (ptrdiff_t j = 0; j < pca->components; j++) {
        const float *basis = pca->basis + j * pca->pixels;
        double along = 0;
        for (ptrdiff_t p = 0; p < pca->pixels; p++)
            along += (double)basis[p] * ((double)image[p] - (double)pca->mean[p]);
        *of_all -= along * along;
    }
    *of_all = fmax(*of_all, 0);
}
