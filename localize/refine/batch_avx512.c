/* Single fits on AVX-512. */
#include "batch_kernel.h"
#include "psf_spline.h"

#if defined(__x86_64__)
#define WIDTH 16
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")))
#define NAME atm_batch_avx512
#define NAME_TEXT "avx512"
#include "batch_kernel.inc"
#endif
