/* AVX2 kernels: sums in 12 of the 16 registers. */
#include "kernel.h"

#if defined(__x86_64__)
#define WIDTH 8
#define BLOCK 4
#define TARGET __attribute__((target("avx2,fma")))
#define NAME atm_kernels_avx2
#define NAME_TEXT "avx2"
#include "kernel.inc"
#endif
