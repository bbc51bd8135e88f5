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
        if (!first || !start) {
            atm_mem_free(first);
            atm_mem_free(start);
            return atm_err_memory(err, "the rows of a normal matrix");
        }
        atm_mem_free(matrix->first);
        atm_mem_free(matrix->start);
        matrix->first = first, matrix->start = start, matrix->row_capacity = (ptrdiff_t)rows;
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
    if (total)
        memset(matrix->values, 0, (size_t)total * sizeof *matrix->values);
    return ATM_OK;
}

void atm_envelope_free(struct atm_envelope *matrix) {
    atm_mem_free(matrix->first);
    atm_mem_free(matrix->start);
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

ATM_FIT_CLONES bool atm_envelope_factor(const struct atm_envelope *matrix, double damping,
                                        struct atm_envelope *factor) {
    const ptrdiff_t *first = matrix->first;
    for (ptrdiff_t i = 0; i < matrix->size; i++) {
        const double *a = atm_envelope_row(matrix, i);
        double *l = atm_envelope_row(factor, i);
        for (ptrdiff_t j = first[i]; j < i; j++) {
            const double *lj = atm_envelope_row(factor, j);
            ptrdiff_t from = first[i] > first[j] ? first[i] : first[j];
            l[j] = (a[j] - dot(l, lj, from, j)) / lj[j];
        }
        double pivot = a[i] * (1 + damping) - dot(l, l, first[i], i);
        if (!(pivot > 1e-14 * a[i]))
            return false;
        l[i] = sqrt(pivot);
    }
    return true;
}

static void solve_lower(const struct atm_envelope *factor, ptrdiff_t from, double *vector) {
    for (ptrdiff_t i = from; i < factor->size; i++) {
        const double *l = atm_envelope_row(factor, i);
        ptrdiff_t start = factor->first[i] > from ? factor->first[i] : from;
        vector[i] = (vector[i] - dot(l, vector, start, i)) / l[i];
    }
}

void atm_envelope_solve(const struct atm_envelope *factor, double *vector) {
    solve_lower(factor, 0, vector);
    for (ptrdiff_t i = factor->size; i-- > 0;) {
        const double *l = atm_envelope_row(factor, i);
        double value = vector[i] /= l[i];
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
