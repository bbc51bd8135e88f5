#include "envelope.h"
#include "mem.h"

#include <math.h>
#include <string.h>

enum atm_status atm_envelope_resize(struct atm_envelope *matrix, ptrdiff_t size,
                                    struct atm_err *err) {
    if (size > matrix->row_capacity) {
        size_t rows = (size_t)size + (size_t)size / 2;
        ptrdiff_t *first = atm_mem_alloc(rows, sizeof *first);
        ptrdiff_t *start = atm_mem_alloc(rows, sizeof *start);
        double *inverse = atm_mem_alloc(rows, sizeof *inverse);
        if (!first || !start || !inverse) {
            atm_mem_free(first);
            atm_mem_free(start);
            atm_mem_free(inverse);
            return atm_err_memory(err, "the rows of a normal matrix");
        }
        atm_mem_free(matrix->first);
        atm_mem_free(matrix->start);
        atm_mem_free(matrix->inverse);
        matrix->first = first, matrix->start = start, matrix->inverse = inverse;
        matrix->row_capacity = (ptrdiff_t)rows;
    }
    matrix->size = size;
    return ATM_OK;
}

enum atm_status atm_envelope_layout(struct atm_envelope *matrix, struct atm_err *err) {
    ptrdiff_t total = 0;
    for (ptrdiff_t i = 0; i < matrix->size; i++) {
        matrix->start[i] = total - matrix->first[i];
        total += i + 1 - matrix->first[i];
    }
    if (total > matrix->value_capacity) {
        size_t room = (size_t)total + (size_t)total / 2;
        double *values = atm_mem_alloc(room, sizeof *values);
        if (!values)
            return atm_err_memory(err, "a normal matrix");
        atm_mem_free(matrix->values);
        matrix->values = values, matrix->value_capacity = (ptrdiff_t)room;
    }
    return ATM_OK;
}

void atm_envelope_free(struct atm_envelope *matrix) {
    atm_mem_free(matrix->first);
    atm_mem_free(matrix->start);
    atm_mem_free(matrix->inverse);
    atm_mem_free(matrix->values);
    *matrix = (struct atm_envelope){0};
}

static inline __attribute__((always_inline)) double
dot(const double *restrict a, const double *restrict b, ptrdiff_t from, ptrdiff_t to) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (ptrdiff_t k = from; k < to; k++)
        sum += a[k] * b[k];
    return sum;
}

/* ---- Three rows by three columns at a time: six loads for nine products instead of eighteen ----
 */

enum { TRIPLE = 3, WIDTH = 4 };
typedef double vec __attribute__((vector_size(8 * WIDTH), aligned(8), may_alias));

/* Leading rows that come in threes with a common first column, which begins such a three itself:
 * those of spots with three parameters. */
static ptrdiff_t rows_in_threes(const struct atm_envelope *matrix) {
    const ptrdiff_t *first = matrix->first;
    ptrdiff_t i = 0;
    while (i + TRIPLE <= matrix->size && first[i] % TRIPLE == 0 && first[i + 1] == first[i] &&
           first[i + 2] == first[i])
        i += TRIPLE;
    return i;
}

/* out[k][m] = dot(a[k], b[m]) */
static inline __attribute__((always_inline)) void dots(double *const a[TRIPLE],
                                                       double *const b[TRIPLE], ptrdiff_t from,
                                                       ptrdiff_t to, double out[TRIPLE][TRIPLE]) {
    vec sum[TRIPLE][TRIPLE];
    ptrdiff_t t = from;
#pragma GCC unroll 3
    for (int k = 0; k < TRIPLE; k++)
#pragma GCC unroll 3
        for (int m = 0; m < TRIPLE; m++)
            sum[k][m] = (vec){0};
    for (; t + WIDTH <= to; t += WIDTH)
#pragma GCC unroll 3
        for (int k = 0; k < TRIPLE; k++)
#pragma GCC unroll 3
            for (int m = 0; m < TRIPLE; m++)
                sum[k][m] += *(const vec *)(a[k] + t) * *(const vec *)(b[m] + t);
#pragma GCC unroll 3
    for (int k = 0; k < TRIPLE; k++)
#pragma GCC unroll 3
        for (int m = 0; m < TRIPLE; m++) {
            const vec s = sum[k][m];
            out[k][m] = (s[0] + s[1]) + (s[2] + s[3]);
            for (ptrdiff_t rest = t; rest < to; rest++)
                out[k][m] += a[k][rest] * b[m][rest];
        }
}

static inline __attribute__((always_inline)) bool factor_row(const struct atm_envelope *matrix,
                                                             double damping, ptrdiff_t i,
                                                             ptrdiff_t from,
                                                             struct atm_envelope *factor) {
    const ptrdiff_t *first = matrix->first;
    const double *a = atm_envelope_row(matrix, i);
    double *l = atm_envelope_row(factor, i);
    for (ptrdiff_t j = from; j < i; j++) {
        const double *lj = atm_envelope_row(factor, j);
        ptrdiff_t begin = first[i] > first[j] ? first[i] : first[j];
        l[j] = (a[j] - dot(l, lj, begin, j)) * factor->inverse[j];
    }
    double pivot = a[i] * (1 + damping) - dot(l, l, first[i], i);
    if (!(pivot > 1e-14 * a[i]))
        return false;
    l[i] = sqrt(pivot), factor->inverse[i] = 1 / l[i];
    return true;
}

/* Rows i to i + 2 of the factor left of column i. */
static inline __attribute__((always_inline)) void
factor_three(const struct atm_envelope *matrix, ptrdiff_t i, struct atm_envelope *factor) {
    const ptrdiff_t first = matrix->first[i];
    double *l[TRIPLE], *up[TRIPLE], product[TRIPLE][TRIPLE];
    for (int k = 0; k < TRIPLE; k++)
        l[k] = atm_envelope_row(factor, i + k);
    for (ptrdiff_t j = first; j < i; j += TRIPLE) {
        for (int m = 0; m < TRIPLE; m++)
            up[m] = atm_envelope_row(factor, j + m);
        dots(l, up, first > matrix->first[j] ? first : matrix->first[j], j, product);
        for (int k = 0; k < TRIPLE; k++) {
            const double *a = atm_envelope_row(matrix, i + k) + j;
            const double *inverse = factor->inverse + j;
            double *to = l[k] + j;
            const double p = (a[0] - product[k][0]) * inverse[0];
            const double q = (a[1] - product[k][1] - p * up[1][j]) * inverse[1];
            to[0] = p, to[1] = q;
            to[2] = (a[2] - product[k][2] - p * up[2][j] - q * up[2][j + 1]) * inverse[2];
        }
    }
}

ATM_FIT_CLONES bool atm_envelope_factor(const struct atm_envelope *matrix, double damping,
                                        struct atm_envelope *factor) {
    const ptrdiff_t threes = rows_in_threes(matrix);
    for (ptrdiff_t i = 0; i < matrix->size; i++) {
        if (i < threes && i % TRIPLE == 0)
            factor_three(matrix, i, factor);
        const ptrdiff_t done = i < threes ? i - i % TRIPLE : matrix->first[i];
        if (!factor_row(matrix, damping, i, done, factor))
            return false;
    }
    return true;
}

static void solve_lower(const struct atm_envelope *factor, ptrdiff_t from, double *vector) {
    for (ptrdiff_t i = from; i < factor->size; i++) {
        const double *l = atm_envelope_row(factor, i);
        ptrdiff_t start = factor->first[i] > from ? factor->first[i] : from;
        vector[i] = (vector[i] - dot(l, vector, start, i)) * factor->inverse[i];
    }
}

void atm_envelope_solve(const struct atm_envelope *factor, double *vector) {
    solve_lower(factor, 0, vector);
    for (ptrdiff_t i = factor->size; i-- > 0;) {
        const double *l = atm_envelope_row(factor, i);
        double value = vector[i] *= factor->inverse[i];
        for (ptrdiff_t k = factor->first[i]; k < i; k++)
            vector[k] -= l[k] * value;
    }
}

double atm_envelope_log_det(const struct atm_envelope *factor) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < factor->size; i++)
        sum += log(atm_envelope_row(factor, i)[i]);
    return 2 * sum;
}

void atm_envelope_inverse_diagonal(const struct atm_envelope *factor, double *diagonal,
                                   double *scratch) {
    /* (L L')^-1 = L^-T L^-1: element (i, i) is the squared length of column i of L^-1 */
    for (ptrdiff_t i = 0; i < factor->size; i++) {
        memset(scratch + i, 0, (size_t)(factor->size - i) * sizeof *scratch);
        scratch[i] = 1;
        solve_lower(factor, i, scratch);
        diagonal[i] = dot(scratch, scratch, i, factor->size);
    }
}
