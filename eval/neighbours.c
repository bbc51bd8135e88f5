#include "neighbours.h"

#include "mem.h"
#include <gsl/gsl_statistics_double.h>
#include <string.h>

struct atm_neighbours {
    ptrdiff_t count, inputs, outputs;
    double *scale;  /* owned (inputs): 1 / standard deviation; 0 where there is none */
    double *z;      /* owned (count, inputs), scaled */
    double *values; /* owned (count, outputs) */
};

void atm_neighbours_destroy(struct atm_neighbours **neighbours) {
    if (!*neighbours)
        return;
    atm_mem_free((*neighbours)->scale);
    atm_mem_free((*neighbours)->z);
    atm_mem_free((*neighbours)->values);
    atm_mem_free(*neighbours);
    *neighbours = NULL;
}

enum atm_status atm_neighbours_create(const struct atm_regression_rows *rows,
                                      struct atm_neighbours **neighbours, struct atm_err *err) {
    size_t n = (size_t)rows->count, d = (size_t)rows->inputs, outputs = (size_t)rows->outputs;
    struct atm_neighbours *made = *neighbours = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "nearest neighbours");
    *made = (struct atm_neighbours){rows->count, rows->inputs, rows->outputs, NULL, NULL, NULL};
    made->scale = atm_mem_alloc(d, sizeof *made->scale);
    made->z = atm_mem_alloc(n * d, sizeof *made->z);
    made->values = atm_mem_alloc(n * outputs, sizeof *made->values);
    if (!made->scale || !made->z || !made->values) {
        atm_neighbours_destroy(neighbours);
        return atm_err_memory(err, "nearest neighbours");
    }
    for (size_t j = 0; j < d; j++) {
        double sd = gsl_stats_sd(rows->z + j, d, n);
        made->scale[j] = sd > 0 ? 1 / sd : 0;
    }
    for (size_t i = 0; i < n * d; i++)
        made->z[i] = rows->z[i] * made->scale[i % d];
    memcpy(made->values, rows->values, n * outputs * sizeof *made->values);
    return ATM_OK;
}

struct nearest {
    double distance[ATM_NEIGHBOURS]; /* squared, ascending */
    ptrdiff_t row[ATM_NEIGHBOURS];
    int count;
};

static void insert(struct nearest *nearest, double distance, ptrdiff_t row) {
    if (nearest->count == ATM_NEIGHBOURS && distance >= nearest->distance[ATM_NEIGHBOURS - 1])
        return;
    int i = nearest->count < ATM_NEIGHBOURS ? nearest->count++ : ATM_NEIGHBOURS - 1;
    for (; i > 0 && nearest->distance[i - 1] > distance; i--) {
        nearest->distance[i] = nearest->distance[i - 1];
        nearest->row[i] = nearest->row[i - 1];
    }
    nearest->distance[i] = distance, nearest->row[i] = row;
}

static void predict_one(const struct atm_neighbours *n, const double *z, double *out) {
    struct nearest nearest = {.count = 0};
    for (ptrdiff_t i = 0; i < n->count; i++) {
        double distance = 0;
        for (ptrdiff_t j = 0; j < n->inputs; j++) {
            double off = z[j] * n->scale[j] - n->z[i * n->inputs + j];
            distance += off * off;
        }
        insert(&nearest, distance, i);
    }
    for (ptrdiff_t k = 0; k < n->outputs; k++) {
        out[k] = 0;
        for (int i = 0; i < nearest.count; i++)
            out[k] += n->values[nearest.row[i] * n->outputs + k] / nearest.count;
    }
}

void atm_neighbours_predict(const struct atm_neighbours *n, const double *z, ptrdiff_t count,
                            double *out) {
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < count; i++)
        predict_one(n, z + i * n->inputs, out + i * n->outputs);
}
