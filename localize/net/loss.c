#include "net.h"

#include <math.h>

enum {
    BLOCK = 1024, /* elements added in one go; fixed, so the sum does not depend on threads */
    CHAINS = 16   /* sums side by side: one would wait for each addition */
};

static double squared_distance(ptrdiff_t count, const float *a, const float *b) {
    double part[CHAINS] = {0}, sum = 0;
    ptrdiff_t i = 0;
    for (; i + CHAINS <= count; i += CHAINS)
        for (int j = 0; j < CHAINS; j++) {
            const float difference = a[i + j] - b[i + j];
            part[j] += (double)difference * difference;
        }
    for (; i < count; i++)
        part[i % CHAINS] += (double)(a[i] - b[i]) * (a[i] - b[i]);
    for (int j = 0; j < CHAINS; j++)
        sum += part[j];
    return sum;
}

double atm_loss_mse(ptrdiff_t count, const float *a, const float *b, float *grad) {
    const float scale = (float)(2.0 / (double)count);
    double sum = 0;
    for (ptrdiff_t first = 0; first < count; first += BLOCK) {
        const ptrdiff_t end = first + BLOCK < count ? first + BLOCK : count;
        sum += squared_distance(end - first, a + first, b + first);
        for (ptrdiff_t i = first; grad && i < end; i++)
            grad[i] = scale * (a[i] - b[i]);
    }
    return sum / (double)count;
}

double atm_loss_norm(ptrdiff_t count, const float *a) {
    double sum = 0;
    for (ptrdiff_t first = 0; first < count; first += BLOCK) {
        const ptrdiff_t end = first + BLOCK < count ? first + BLOCK : count;
        double part = 0;
        for (ptrdiff_t i = first; i < end; i++)
            part += (double)a[i] * a[i];
        sum += part;
    }
    return sqrt(sum);
}
