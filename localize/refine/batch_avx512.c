/* Single fits on AVX-512. */
#include "batch_kernel.h"
#include "psf_spline.h"

#if defined(__x86_64__)
#define WIDTH 16
#ifdef __clang__ /* has no such name for the width; vectors of this size are used as they are */
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx2,fma")))
#else
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")))
#endif
#define NAME atm_batch_avx512
#define NAME_TEXT "avx512"
#include "batch_kernel.inc"
#endif
