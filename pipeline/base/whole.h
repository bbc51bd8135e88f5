/* Arithmetic of whole numbers that C leaves out. */
#ifndef ATM_WHOLE_H
#define ATM_WHOLE_H

#include <stddef.h>

static inline ptrdiff_t atm_smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t atm_larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
/* a / b rounded up; a >= 0, b > 0 */
static inline ptrdiff_t atm_ceil_div(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

#endif
