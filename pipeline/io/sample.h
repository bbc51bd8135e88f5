/* Pixels as files have them: types by name, and their way to float in either byte order. */
#ifndef ATM_SAMPLE_H
#define ATM_SAMPLE_H

#include <stddef.h>

enum atm_sample_kind { ATM_SAMPLE_UINT, ATM_SAMPLE_INT, ATM_SAMPLE_FLOAT };

struct atm_sample {
    const char *name; /* "uint16" */
    enum atm_sample_kind kind;
    int bits;
    /* from: count samples, of any alignment; swapped: of the byte order that is not ours. */
    void (*convert)(const void *from, ptrdiff_t count, float *to);
    void (*convert_swapped)(const void *from, ptrdiff_t count, float *to);
};

/* NULL where there is none. */
const struct atm_sample *atm_sample_find(enum atm_sample_kind kind, int bits);
const struct atm_sample *atm_sample_named(const char *name);

#endif
