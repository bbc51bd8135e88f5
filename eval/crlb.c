#include "crlb.h"

#include "fit_psf.h"
#include "mem.h"
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MOST_EMITTERS = 12, MOST_PARAMETERS = 3 * MOST_EMITTERS + 1, MOST_SPAN = 512 };
static const double REACH_SIGMAS = 4, WINDOW_SIGMAS = 4.5;

struct limits {
    const struct atm_table *truth;
    const struct atm_crlb_options *options;
    const struct atm_loc **order; /* by frame, then y */
    double qe, excess, read_variance;
};

/* An emitter with those that overlap it, itself first, and the pixels that see them. */
struct cluster {
    const struct atm_loc *emitters[MOST_EMITTERS];
    int count;
    ptrdiff_t x0, y0, x1, y1; /* pixels [x0, x1) x [y0, y1) */
    double background;
};

/* One emitter's mass and slope along the cluster's columns or rows. */
struct profile {
    double value[MOST_SPAN], slope[MOST_SPAN];
};

static int by_frame_and_y(const void *a, const void *b) {
    const struct atm_loc *p = *(const struct atm_loc *const *)a;
    const struct atm_loc *q = *(const struct atm_loc *const *)b;
    if (p->frame != q->frame)
        return p->frame < q->frame ? -1 : 1;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return p < q ? -1 : p > q;
}

static bool is_known(const struct atm_loc *row) {
    return isfinite(row->x) && isfinite(row->y) && row->photons > 0;
}

/* Add the neighbours on one side in the order; more than fit are the farther ones in y. */
static void add_neighbours(const struct limits *limits, ptrdiff_t at, int step, double reach,
                           struct cluster *cluster) {
    const struct atm_loc *own = limits->order[at];
    for (ptrdiff_t i = at + step; i >= 0 && i < limits->truth->count; i += step) {
        const struct atm_loc *other = limits->order[i];
        if (other->frame != own->frame || !(fabs(other->y - own->y) < reach) ||
            cluster->count == MOST_EMITTERS)
            return;
        if (is_known(other) && hypot(other->x - own->x, other->y - own->y) < reach)
            cluster->emitters[cluster->count++] = other;
    }
}

static void find_pixels(const struct limits *limits, struct cluster *cluster) {
    const ptrdiff_t half = (ptrdiff_t)ceil(WINDOW_SIGMAS * limits->options->sigma_px);
    double left = INFINITY, top = INFINITY, right = -INFINITY, bottom = -INFINITY;
    for (int k = 0; k < cluster->count; k++) {
        left = fmin(left, rint(cluster->emitters[k]->x));
        right = fmax(right, rint(cluster->emitters[k]->x));
        top = fmin(top, rint(cluster->emitters[k]->y));
        bottom = fmax(bottom, rint(cluster->emitters[k]->y));
    }
    cluster->x0 = (ptrdiff_t)left - half;
    cluster->x1 = (ptrdiff_t)right + half + 1;
    cluster->y0 = (ptrdiff_t)top - half;
    cluster->y1 = (ptrdiff_t)bottom + half + 1;
    const ptrdiff_t width = limits->truth->width, height = limits->truth->height;
    cluster->x0 = width && cluster->x0 < 0 ? 0 : cluster->x0;
    cluster->y0 = height && cluster->y0 < 0 ? 0 : cluster->y0;
    cluster->x1 = width && cluster->x1 > width ? width : cluster->x1;
    cluster->y1 = height && cluster->y1 > height ? height : cluster->y1;
}

static bool gather(const struct limits *limits, ptrdiff_t at, struct cluster *cluster) {
    const struct atm_loc *own = limits->order[at];
    double reach = REACH_SIGMAS * limits->options->sigma_px;
    *cluster = (struct cluster){.emitters = {own}, .count = 1};
    cluster->background = isfinite(own->background) ? own->background : limits->options->background;
    if (!is_known(own) || !(cluster->background >= 0) || fabs(own->x) > 1e6 || fabs(own->y) > 1e6)
        return false;
    add_neighbours(limits, at, -1, reach, cluster);
    add_neighbours(limits, at, 1, reach, cluster);
    find_pixels(limits, cluster);
    ptrdiff_t wide = cluster->x1 - cluster->x0, high = cluster->y1 - cluster->y0;
    return wide > 0 && high > 0 && wide <= MOST_SPAN && high <= MOST_SPAN;
}

/* Derivatives of a pixel's expected photo-electrons by x, y (px), relative photons of each emitter,
 * and relative background. Returns the expectation. */
static double differentiate(const struct limits *limits, const struct cluster *cluster,
                            const struct profile *columns, const struct profile *rows, ptrdiff_t x,
                            ptrdiff_t y, double *slopes) {
    double unit = fmax(cluster->background, 1), mean = limits->qe * cluster->background;
    for (int k = 0; k < cluster->count; k++) {
        double photons = limits->qe * cluster->emitters[k]->photons;
        slopes[3 * k] = photons * columns[k].slope[x] * rows[k].value[y];
        slopes[3 * k + 1] = photons * columns[k].value[x] * rows[k].slope[y];
        slopes[3 * k + 2] = photons * columns[k].value[x] * rows[k].value[y];
        mean += slopes[3 * k + 2];
    }
    slopes[3 * cluster->count] = limits->qe * unit;
    return mean;
}

static void add_information(const struct limits *limits, const struct cluster *cluster,
                            const struct profile *columns, const struct profile *rows,
                            gsl_matrix *information) {
    double slopes[MOST_PARAMETERS];
    const size_t n = information->size1;
    for (ptrdiff_t y = 0; y < cluster->y1 - cluster->y0; y++)
        for (ptrdiff_t x = 0; x < cluster->x1 - cluster->x0; x++) {
            double mean = differentiate(limits, cluster, columns, rows, x, y, slopes);
            double variance = limits->excess * mean + limits->read_variance;
            if (!(variance > 0))
                continue;
            for (size_t i = 0; i < n; i++) {
                double *row = gsl_matrix_ptr(information, i, 0), share = slopes[i] / variance;
                for (size_t j = 0; j <= i; j++)
                    row[j] += share * slopes[j];
            }
        }
}

/* Variances of the first two parameters; false where the information is singular. */
static bool invert(gsl_matrix *information, double *x, double *y) {
    const size_t n = information->size1;
    double unit[MOST_PARAMETERS] = {1};
    if (gsl_linalg_cholesky_decomp1(information))
        return false;
    gsl_vector_view vector = gsl_vector_view_array(unit, n);
    gsl_linalg_cholesky_svx(information, &vector.vector);
    *x = sqrt(unit[0]);
    for (size_t i = 0; i < n; i++)
        unit[i] = i == 1;
    gsl_linalg_cholesky_svx(information, &vector.vector);
    *y = sqrt(unit[1]);
    return isfinite(*x) && isfinite(*y);
}

/* profiles: room for 2 * MOST_EMITTERS. */
static bool find_limit(const struct limits *limits, ptrdiff_t at, struct profile *profiles,
                       double *x, double *y) {
    struct cluster cluster;
    double storage[MOST_PARAMETERS * MOST_PARAMETERS] = {0};
    if (!gather(limits, at, &cluster))
        return false;
    struct profile *columns = profiles, *rows = profiles + MOST_EMITTERS;
    for (int k = 0; k < cluster.count; k++) {
        const struct atm_loc *emitter = cluster.emitters[k];
        double sigma = limits->options->sigma_px;
        atm_psf_axis(emitter->x, sigma, cluster.x0, cluster.x1 - cluster.x0,
                     (struct atm_psf_axis){columns[k].value, columns[k].slope, NULL});
        atm_psf_axis(emitter->y, sigma, cluster.y0, cluster.y1 - cluster.y0,
                     (struct atm_psf_axis){rows[k].value, rows[k].slope, NULL});
    }
    size_t n = 3 * (size_t)cluster.count + 1;
    gsl_matrix_view information = gsl_matrix_view_array(storage, n, n);
    add_information(limits, &cluster, columns, rows, &information.matrix);
    return invert(&information.matrix, x, y);
}

static void find_all(const struct limits *limits, struct profile *profiles, struct atm_crlb *crlb) {
    const ptrdiff_t count = limits->truth->count;
    const ptrdiff_t step = (count + ATM_CRLB_MOST - 1) / ATM_CRLB_MOST;
    for (ptrdiff_t i = 0; i < count; i++)
        crlb->x_px[i] = crlb->y_px[i] = NAN;
    for (ptrdiff_t i = 0; i < count; i += step) {
        ptrdiff_t row = limits->order[i] - limits->truth->rows;
        double x, y;
        if (!find_limit(limits, i, profiles, &x, &y))
            continue;
        crlb->x_px[row] = x;
        crlb->y_px[row] = y;
        crlb->known++;
    }
}

enum atm_status atm_crlb_init(struct atm_crlb *crlb, const struct atm_table *truth,
                              const struct atm_crlb_options *options, struct atm_err *err) {
    *crlb = (struct atm_crlb){0};
    const struct atm_camera *camera = &options->camera;
    const size_t count = (size_t)truth->count;
    struct limits limits = {.truth = truth,
                            .options = options,
                            .qe = camera->qe > 0 ? camera->qe : 1,
                            .excess = camera->em_gain > 1 ? 2 : 1,
                            .read_variance =
                                camera->read_noise > 0 ? pow(camera->read_noise, 2) : 0};
    crlb->x_px = atm_mem_alloc(count, sizeof *crlb->x_px);
    crlb->y_px = atm_mem_alloc(count, sizeof *crlb->y_px);
    limits.order = atm_mem_alloc(count, sizeof *limits.order);
    struct profile *profiles = atm_mem_alloc(2 * MOST_EMITTERS, sizeof *profiles);
    enum atm_status status = ATM_OK;
    if (crlb->x_px && crlb->y_px && limits.order && profiles) {
        for (size_t i = 0; i < count; i++)
            limits.order[i] = &truth->rows[i];
        qsort(limits.order, count, sizeof *limits.order, by_frame_and_y);
        find_all(&limits, profiles, crlb);
    } else {
        status = atm_err_memory(err, "the Cramer-Rao limit");
        atm_crlb_free(crlb);
    }
    atm_mem_free(limits.order);
    atm_mem_free(profiles);
    return status;
}

void atm_crlb_free(struct atm_crlb *crlb) {
    atm_mem_free(crlb->x_px);
    atm_mem_free(crlb->y_px);
    *crlb = (struct atm_crlb){0};
}
