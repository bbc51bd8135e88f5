#include "kernel.h"
#include "net.h"

#include <math.h>

enum {
    PIECE = 4096,  /* parameters that a thread takes at a time */
    SHARED = 65536 /* fewer are done before another thread wakes */
};

struct atm_adam atm_adam_defaults(void) {
    return (struct atm_adam){1e-3, 0.9, 0.999, 1e-8};
}

/* Made in double: 1 - 0.999F would be off by 1e-5. */
struct factors {
    float keep1, add1, keep2, add2, rate, root, epsilon;
};

/* p -= rate m^ / (sqrt(v^) + epsilon), the corrections of m^ and v^ folded into rate and root. */
ATM_CLONES
static void update(ptrdiff_t count, const struct factors f, float *restrict p,
                   const float *restrict g, float *restrict m, float *restrict v) {
    for (ptrdiff_t i = 0; i < count; i++) {
        m[i] = f.keep1 * m[i] + f.add1 * g[i];
        v[i] = f.keep2 * v[i] + f.add2 * g[i] * g[i];
        p[i] -= f.rate * m[i] / (sqrtf(v[i]) * f.root + f.epsilon);
    }
}

void atm_adam_step(const struct atm_adam *adam, int64_t step, ptrdiff_t count, float *params,
                   const float *grad, float *moments) {
    const double correction1 = 1.0 - pow(adam->beta1, (double)step);
    const double correction2 = 1.0 - pow(adam->beta2, (double)step);
    const struct factors f = {
        .keep1 = (float)adam->beta1,
        .add1 = (float)(1.0 - adam->beta1),
        .keep2 = (float)adam->beta2,
        .add2 = (float)(1.0 - adam->beta2),
        .rate = (float)(adam->rate / correction1),
        .root = (float)(1.0 / sqrt(correction2)),
        .epsilon = (float)adam->epsilon,
    };
#pragma omp parallel for schedule(static) if (count > SHARED)
    for (ptrdiff_t i = 0; i < count; i += PIECE)
        update(count - i < PIECE ? count - i : PIECE, f, params + i, grad + i, moments + i,
               moments + count + i);
}
