/* Timing for the benchmarks: median over repetitions, one JSON line per result. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of a call: at least 5 calls, until `seconds` have passed. */
static inline double bench_median(void (*call)(void *), void *context, double seconds) {
    enum { MOST = 1000 };
    double times[MOST];
    int n = 0;
    call(context);
    for (const double start = bench_now(); n < MOST && (n < 5 || bench_now() - start < seconds);) {
        const double t = bench_now();
        call(context);
        times[n++] = bench_now() - t;
    }
    qsort(times, (size_t)n, sizeof *times, bench_compare);
    return times[n / 2];
}

static inline void bench_report(const char *kernel, const char *problem, double seconds,
                                double flop) {
    printf("{\"kernel\": \"%s\", \"problem\": \"%s\", \"ns\": %.0f, \"gflops\": %.1f}\n", kernel,
           problem, seconds * 1e9, flop / seconds * 1e-9);
    fflush(stdout);
}

#endif
