/* Numbers too small for the usual form of a float (below 1e-38) are 0 in the calling thread and in
 * those that it starts from then on. Processors take a hundred times as long for them, and a
 * trained network makes many where its atoms have gone out: a step of training pursuit takes seven
 * times as long without this. */
#ifndef ATM_DENORMALS_H
#define ATM_DENORMALS_H

#if defined __SSE2__
#include <xmmintrin.h>
static inline void atm_flush_denormals(void) {
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZEROS = 0x40 };
    _mm_setcsr(_mm_getcsr() | FLUSH_TO_ZERO | DENORMALS_ARE_ZEROS);
}
#elif defined __aarch64__
static inline void atm_flush_denormals(void) {
    unsigned long control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control | 1ul << 24));
}
#else
static inline void atm_flush_denormals(void) {}
#endif

#endif
