/* What the machine can do: multiply-adds that never leave the registers, on all threads. */
#include "bench.h"
#include "kernel.h"

enum { ROUNDS = 20000000, SUMS = 12, WIDTH = 16 };

typedef float vec __attribute__((vector_size(4 * WIDTH)));

/* Twelve independent chains hide the latency; the sum is returned so that nothing is optimised
 * away. */
ATM_CLONES
static float chains(void) {
    vec sum[SUMS], factor, add;
    for (int i = 0; i < WIDTH; i++) {
        factor[i] = 0.999F;
        add[i] = 0.001F * (float)i;
    }
    for (int i = 0; i < SUMS; i++)
        sum[i] = add * (float)i;
    for (long round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = sum[i] * factor + add;
    }
    for (int i = 1; i < SUMS; i++)
        sum[0] += sum[i];
    return sum[0][0];
}

static void all_threads(void *context) {
    float *total = context;
    float sum = 0;
#pragma omp parallel reduction(+ : sum)
    sum += chains();
    *total += sum;
}

static void count_threads(int *threads) {
#pragma omp parallel reduction(+ : threads[:1])
    threads[0] += 1;
}

int main(void) {
    float total = 0;
    int threads = 0;
    char problem[32];
    count_threads(&threads);
    snprintf(problem, sizeof problem, "%d threads", threads);
    bench_report("fma_peak", problem, bench_median(all_threads, &total, 1),
                 2.0 * threads * SUMS * WIDTH * (double)ROUNDS);
    return total == 0.5F;
}
