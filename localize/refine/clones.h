/* Inner loops in versions for what the processor has, and the C library's functions for whole
 * vectors. */
#ifndef ATM_CLONES_H
#define ATM_CLONES_H

#include <math.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ATM_FIT_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define ATM_FIT_CLONES
#endif

/* glibc has these, good to 4 units in the last place, but declares them under -ffast-math only. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
double log(double) __attribute__((simd("notinbranch")));
double exp(double) __attribute__((simd("notinbranch")));
#if __GLIBC_PREREQ(2, 35)
double erf(double) __attribute__((simd("notinbranch")));
#endif
#endif

#endif
