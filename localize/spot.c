#include "spot.h"

#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

static const double START_SIGMA = 1.3, LEAST_SIGMA = 0.4;

enum { REACH_SIGMAS = 7, CHUNK = 256 };

/* Pixels of a window under the weight w = exp(-r^2 / (2 sigma^2)) around (x, y). */
struct sums {
    double data[4];    /* sum of I w, I w dx, I w dy, I w r^2 */
    double x[5], y[5]; /* along each axis: sum of w^2 d^n */
};

struct range {
    ptrdiff_t begin, end;
};

/* Beyond seven sigma the weight is below 3e-11. */
static struct range reach(double centre, double sigma, ptrdiff_t begin, ptrdiff_t end) {
    double lo = fmax(centre - REACH_SIGMAS * sigma, (double)begin);
    double hi = fmin(centre + REACH_SIGMAS * sigma + 1, (double)end);
    return (struct range){(ptrdiff_t)lo, (ptrdiff_t)fmax(hi, lo)};
}

static double weight(double d, double scale, double moments[5]) {
    double w = exp(scale * d * d), power = w * w;
    for (int n = 0; n < 5; n++, power *= d)
        moments[n] += power;
    return w;
}

static void add_rows(const struct atm_spot_window *window, struct range columns, struct range rows,
                     const double at[3], struct sums *sums) {
    double scale = -0.5 / (at[2] * at[2]), w[CHUNK], moments[5] = {0};
    ptrdiff_t n = columns.end - columns.begin;
    for (ptrdiff_t i = 0; i < n; i++)
        w[i] = weight((double)(columns.begin + i) - at[0], scale, sums->x);
    for (ptrdiff_t iy = rows.begin; iy < rows.end; iy++) {
        const float *row = window->image + iy * window->stride + columns.begin;
        double dy = (double)iy - at[1], wy = weight(dy, scale, moments), s0 = 0, s1 = 0, s2 = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            double dx = (double)(columns.begin + i) - at[0], v = (double)row[i] * w[i];
            s0 += v, s1 += v * dx, s2 += v * dx * dx;
        }
        sums->data[0] += wy * s0, sums->data[1] += wy * s1, sums->data[2] += wy * dy * s0;
        sums->data[3] += wy * (s2 + dy * dy * s0);
    }
    memcpy(sums->y, moments, sizeof moments);
}

/* at: x, y, sigma. */
static struct sums weighted_sums(const struct atm_spot_window *window, const double at[3]) {
    struct sums sums = {0};
    struct range columns = reach(at[0], at[2], window->x0, window->x1);
    struct range rows = reach(at[1], at[2], window->y0, window->y1);
    for (struct range part = columns; part.begin < columns.end; part.begin = part.end) {
        part.end = part.begin + CHUNK < columns.end ? part.begin + CHUNK : columns.end;
        add_rows(window, part, rows, at, &sums);
    }
    return sums;
}

static bool inside(const struct atm_spot_window *w, double x, double y) {
    return x >= (double)w->x0 && y >= (double)w->y0 && x <= (double)w->x1 - 1 &&
           y <= (double)w->y1 - 1;
}

/* ---- Moments ---- */

static void start_at_peak(const struct atm_spot_window *w, double at[3]) {
    ptrdiff_t px = w->x0, py = w->y0;
    for (ptrdiff_t y = w->y0; y < w->y1; y++)
        for (ptrdiff_t x = w->x0; x < w->x1; x++)
            if (w->image[y * w->stride + x] > w->image[py * w->stride + px])
                px = x, py = y;
    at[0] = (double)px, at[1] = (double)py, at[2] = START_SIGMA;
}

/* For a Gaussian of mass m under the weight of its own width: sum w I = m / 2, <r^2>_w = sigma^2,
 * and the weighted mean is half way from the weight's centre to the spot's. */
static bool adapt(const struct atm_spot_window *window, double at[3], double *mass) {
    ptrdiff_t width = window->x1 - window->x0, height = window->y1 - window->y0;
    double widest = (double)(width > height ? width : height) / 4;
    for (int iteration = 0; iteration < 50; iteration++) {
        struct sums s = weighted_sums(window, at);
        if (!(s.data[0] > 0) || !(s.data[3] > 0))
            return false;
        double dx = 2 * s.data[1] / s.data[0], dy = 2 * s.data[2] / s.data[0];
        double sigma = sqrt(s.data[3] / s.data[0]);
        double change = fabs(sigma - at[2]) + fabs(dx) + fabs(dy);
        at[0] += dx, at[1] += dy, *mass = 2 * s.data[0];
        at[2] = fmin(fmax(sigma, LEAST_SIGMA), widest);
        if (!inside(window, at[0], at[1]))
            return false;
        if (change < 1e-6)
            return true;
    }
    return true;
}

void atm_spot_measure(const struct atm_spot_window *window, struct atm_spot_moments *spot) {
    double at[3], mass = 0;
    start_at_peak(window, at);
    bool compact = adapt(window, at, &mass);
    if (!compact) {
        at[0] = (double)(window->x0 + window->x1 - 1) / 2;
        at[1] = (double)(window->y0 + window->y1 - 1) / 2;
        at[2] = START_SIGMA;
        mass = 2 * weighted_sums(window, at).data[0];
    }
    *spot = (struct atm_spot_moments){mass, at[0], at[1], at[2], compact};
}

/* ---- Least squares ---- */

/* The best amplitude at a place, what it leaves of |I|^2, and the sums there. */
struct trial {
    double at[3], amplitude, loss;
    struct sums sums;
};

static struct trial try_at(const struct atm_spot_window *window, const double at[3],
                           double energy) {
    struct trial t = {.at = {at[0], at[1], at[2]}};
    t.sums = weighted_sums(window, at);
    double norm = t.sums.x[0] * t.sums.y[0];
    t.amplitude = norm > 0 ? t.sums.data[0] / norm : 0;
    t.loss = energy - t.amplitude * t.sums.data[0];
    return t;
}

/* Normal equations for (amplitude, x, y, sigma), damped; false where they are singular. Derivatives
 * of A w: w, A w dx / s^2, A w dy / s^2, A w r^2 / s^3. */
static bool damped_step(const struct trial *t, double damping, double step[4]) {
    const double *x = t->sums.x, *y = t->sums.y, *data = t->sums.data, s = t->at[2];
    double a = t->amplitude, unit[4] = {1, a / (s * s), a / (s * s), a / (s * s * s)};
    double products[16] = {
        x[0] * y[0], x[1] * y[0], x[0] * y[1], x[2] * y[0] + x[0] * y[2],
        0,           x[2] * y[0], x[1] * y[1], x[3] * y[0] + x[1] * y[2],
        0,           0,           x[0] * y[2], x[2] * y[1] + x[0] * y[3],
        0,           0,           0,           x[4] * y[0] + 2 * x[2] * y[2] + x[0] * y[4]};
    double normal[16], gradient[4];
    for (int i = 0; i < 4; i++) {
        gradient[i] = unit[i] * (data[i] - a * products[i]);
        for (int j = i; j < 4; j++)
            normal[4 * i + j] = normal[4 * j + i] = unit[i] * unit[j] * products[4 * i + j];
        normal[5 * i] *= 1 + damping;
    }
    gsl_matrix_view matrix = gsl_matrix_view_array(normal, 4, 4);
    gsl_vector_view right = gsl_vector_view_array(gradient, 4);
    gsl_vector_view solution = gsl_vector_view_array(step, 4);
    return !gsl_linalg_cholesky_decomp1(&matrix.matrix) &&
           !gsl_linalg_cholesky_solve(&matrix.matrix, &right.vector, &solution.vector);
}

static double window_energy(const struct atm_spot_window *w) {
    double energy = 0;
    for (ptrdiff_t y = w->y0; y < w->y1; y++)
        for (ptrdiff_t x = w->x0; x < w->x1; x++) {
            double v = (double)w->image[y * w->stride + x];
            energy += v * v;
        }
    return energy;
}

/* One accepted step, or false when none lowers the loss any more. */
static bool improve(const struct atm_spot_window *window, double energy, double *damping,
                    struct trial *best) {
    for (; *damping < 1e6; *damping *= 8) {
        double step[4];
        if (!damped_step(best, *damping, step))
            continue;
        double at[3] = {best->at[0] + step[1], best->at[1] + step[2], best->at[2] + step[3]};
        if (!(at[2] > LEAST_SIGMA / 2) || !inside(window, at[0], at[1]))
            continue;
        struct trial next = try_at(window, at, energy);
        if (!(next.loss < best->loss))
            continue;
        *best = next;
        *damping = fmax(*damping / 8, 1e-9);
        return fabs(step[1]) + fabs(step[2]) + fabs(step[3]) > 1e-8;
    }
    return false;
}

bool atm_spot_fit(const struct atm_spot_window *window, struct atm_spot_fit *fit) {
    double start[3] = {fit->x, fit->y, fit->sigma}, damping = 1e-3;
    double energy = window_energy(window);
    if (!(energy > 0) || !(fit->sigma > 0) || !inside(window, fit->x, fit->y))
        return false;
    struct trial best = try_at(window, start, energy);
    for (int i = 0; i < 50 && improve(window, energy, &damping, &best); i++)
        ;
    if (!(best.amplitude > 0))
        return false;
    *fit = (struct atm_spot_fit){best.amplitude, best.at[0], best.at[1], best.at[2],
                                 sqrt(fmax(best.loss, 0) / energy)};
    return true;
}

double atm_spot_amplitude(const struct atm_spot_window *window, double x, double y, double sigma) {
    const double at[3] = {x, y, sigma};
    return try_at(window, at, 0).amplitude;
}
