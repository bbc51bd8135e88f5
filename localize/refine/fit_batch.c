#include "fit_batch.h"
#include "batch_kernel.h"
#include "psf_spline.h"

#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

/* Fits that a thread takes at a time: enough that starting and running out of lanes costs little.
 */
enum { PORTION = 1024 };

static const struct atm_batch_kernel *const kernels[] = {
#if defined(__x86_64__)
    &atm_batch_avx512, &atm_batch_avx2,
#endif
    &atm_batch_plain};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static bool runs(const struct atm_batch_kernel *kernel) {
#if defined(__x86_64__)
    if (kernel == &atm_batch_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq");
    if (kernel == &atm_batch_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)kernel;
    return true;
}

static const struct atm_batch_kernel *kernel_of(int index) {
    for (int i = 0; i < KERNELS; i++)
        if (runs(kernels[i]) && index-- == 0)
            return kernels[i];
    return NULL;
}

const char *atm_batch_set(int index) {
    const struct atm_batch_kernel *kernel = kernel_of(index);
    return kernel ? kernel->name : NULL;
}

/* ---- Bounds in double precision, for what the lanes do not keep ---- */

struct model { /* of one fit: expectation and its derivatives with respect to what is fitted */
    double mean[ATM_BATCH_PIXELS], valid[ATM_BATCH_PIXELS];
    double column[ATM_BATCH_VALUES][ATM_BATCH_PIXELS];
    int parameters; /* the background the last */
};

static void fill_planes(const struct atm_batch_job *job, const struct atm_spot *spot,
                        struct atm_patch *patch) {
    const ptrdiff_t pixels = job->window * job->window;
    float planes[3 * ATM_BATCH_PIXELS];
    if (!job->psf->spline) {
        job->psf->kind->fill(job->psf, spot, patch);
        return;
    }
    atm_spline_fill_lane(job->psf->spline, (float)spot->x, (float)spot->y, job->window, planes,
                         pixels, 1);
    for (int k = 0; k < 3; k++)
        for (ptrdiff_t i = 0; i < pixels; i++)
            patch->plane[k][i] = (double)planes[k * pixels + i];
}

static void expect_model(const struct atm_batch_job *job, ptrdiff_t index,
                         const struct atm_batch_fit *fit, struct model *m) {
    const ptrdiff_t n = job->window, pixels = n * n;
    const float *v = fit->value;
    const struct atm_spot spot = {(double)v[0], (double)v[1], (double)v[2], (double)v[3],
                                  (double)v[4]};
    struct atm_patch patch = {.nx = n, .ny = n, .stride = n};
    const int shape = atm_psf_parameters(job->psf);
    for (int k = 0; k < shape; k++)
        patch.plane[k] = m->column[k];
    fill_planes(job, &spot, &patch);
    m->parameters = shape + 1;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        double shift = job->shift ? (double)job->shift[index * pixels + i] : 0;
        m->valid[i] = fabsf(job->counts[index * pixels + i]) < ATM_BATCH_COUNT_MAX;
        m->mean[i] = (double)v[ATM_BATCH_BACKGROUND] + shift +
                     spot.amplitude * m->column[ATM_SPOT_AMPLITUDE][i];
        for (int k = 0; k < shape; k++)
            m->column[k][i] *= k == ATM_SPOT_AMPLITUDE ? 1 : spot.amplitude;
        m->column[shape][i] = 1;
    }
}

void atm_batch_expect(const struct atm_batch_job *job, ptrdiff_t index,
                      const struct atm_batch_fit *fit, double *average, double *variance) {
    struct model m;
    expect_model(job, index, fit, &m);
    *average = -m.parameters, *variance = 0;
    atm_likelihoods[job->likelihood].expect(m.valid, m.mean, job->window * job->window, average,
                                            variance);
}

/* sum over pixels of weight * column p * column q */
static void products(const struct model *m, const double *weight, ptrdiff_t pixels, double *out) {
    for (int p = 0; p < m->parameters; p++)
        for (int q = 0; q < m->parameters; q++) {
            double sum = 0;
            for (ptrdiff_t i = 0; i < pixels; i++)
                sum += weight[i] * m->column[p][i] * m->column[q][i];
            out[p * m->parameters + q] = sum;
        }
}

/* Least squares of equal weights is not the likelihood of its data: its covariance is the sandwich
 * J^-1 K J^-1, K with the variance that the counts have. */
static void sandwich(const struct atm_batch_job *job, ptrdiff_t index, struct atm_batch_fit *fit) {
    struct model m;
    double j[ATM_BATCH_VALUES * ATM_BATCH_VALUES], k[ATM_BATCH_VALUES * ATM_BATCH_VALUES];
    double noise[ATM_BATCH_PIXELS];
    const ptrdiff_t pixels = job->window * job->window;
    expect_model(job, index, fit, &m);
    for (ptrdiff_t i = 0; i < pixels; i++)
        noise[i] = m.valid[i] * fmax(m.mean[i], 1e-3);
    const int n = m.parameters;
    products(&m, m.valid, pixels, j);
    products(&m, noise, pixels, k);
    gsl_matrix_view inverse = gsl_matrix_view_array(j, (size_t)n, (size_t)n);
    if (gsl_linalg_cholesky_decomp1(&inverse.matrix) != GSL_SUCCESS ||
        gsl_linalg_cholesky_invert(&inverse.matrix) != GSL_SUCCESS)
        return; /* undetermined: the kernel's uncertainties, which are huge then, stay */
    for (int p = 0; p < n; p++) {
        double variance = 0;
        for (int a = 0; a < n; a++)
            for (int b = 0; b < n; b++)
                variance += j[p * n + a] * k[a * n + b] * j[b * n + p];
        fit->unc[p == n - 1 ? ATM_BATCH_BACKGROUND : p] = (float)sqrt(variance);
    }
    if (job->psf->kind->widths == 1)
        fit->unc[ATM_SPOT_SY] = fit->unc[ATM_SPOT_SX];
}

/* ---- All fits ---- */

static void run_on(const struct atm_batch_kernel *kernel, const struct atm_batch_job *given,
                   struct atm_batch_fit *fits) {
    struct atm_batch_job job = *given;
    job.max_iterations = job.max_iterations > 0 ? job.max_iterations : ATM_BATCH_ITERATIONS;
    const ptrdiff_t portions = (job.count + PORTION - 1) / PORTION;
#pragma omp parallel for schedule(dynamic)
    for (ptrdiff_t p = 0; p < portions; p++) {
        ptrdiff_t first = p * PORTION, left = job.count - first;
        ptrdiff_t count = left < PORTION ? left : PORTION;
        kernel->run(&job, first, count, fits);
        for (ptrdiff_t i = first;
             job.likelihood == ATM_LIKELIHOOD_LEAST_SQUARES && i < first + count; i++)
            sandwich(&job, i, &fits[i]);
    }
}

void atm_batch_run(const struct atm_batch_job *job, struct atm_batch_fit *fits) {
    run_on(kernel_of(0), job, fits);
}

void atm_batch_run_on(int set, const struct atm_batch_job *job, struct atm_batch_fit *fits) {
    const struct atm_batch_kernel *kernel = kernel_of(set);
    if (kernel)
        run_on(kernel, job, fits);
}
