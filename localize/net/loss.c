#include "net.h"

#include <math.h>

enum { BLOCK = 1024 }; /* elements added in one go; fixed, so the sum does not depend on threads */

double atm_loss_mse(ptrdiff_t count, const float *a, const float *b, float *grad) {
    const float scale = (float)(2.0 / (double)count);
    double sum = 0;
    for (ptrdiff_t first = 0; first < count; first += BLOCK) {
        const ptrdiff_t end = first + BLOCK < count ? first + BLOCK : count;
        double part = 0;
        for (ptrdiff_t i = first; i < end; i++) {
            const float difference = a[i] - b[i];
            part += (double)difference * difference;
            if (grad)
                grad[i] = scale * difference;
        }
        sum += part;
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
