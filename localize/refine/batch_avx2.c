/* Single fits on AVX2. */
#include "batch_kernel.h"
#include "psf_spline.h"

#if defined(__x86_64__)
#define WIDTH 8
#define TARGET __attribute__((target("avx2,fma")))
#define NAME atm_batch_avx2
#define NAME_TEXT "avx2"
#include "batch_kernel.inc"
#endif
