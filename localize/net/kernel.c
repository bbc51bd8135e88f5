#include "kernel.h"

int atm_kernel_block(int largest, ptrdiff_t left) {
    if (largest >= 8 && left >= 8 && left != 12)
        return 8;
    if (largest >= 8 && (left == 12 || left == 6 || left == 7))
        return 6;
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

const struct atm_kernels *atm_kernels_choose(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return &atm_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &atm_kernels_avx2;
#endif
    return &atm_kernels_plain;
}
