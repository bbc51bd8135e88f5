/* Headers of NumPy's .npy files, versions 1 to 3 (numpy.lib.format). */
#ifndef ATM_NPY_H
#define ATM_NPY_H

#include "err.h"
#include "sample.h"
#include <stdbool.h>
#include <stdint.h>

enum { ATM_NPY_MAX_RANK = 3 };
struct atm_npy {
    const struct atm_sample *sample;
    bool swapped; /* of the byte order that is not ours */
    int rank;
    ptrdiff_t extents[ATM_NPY_MAX_RANK];
    uint64_t start; /* of the values behind the header */
};
bool atm_npy_probe(const unsigned char *head, size_t size);
/* Fails on types that are no numbers, on Fortran's order and on damaged headers. */
enum atm_status atm_npy_read_header(int fd, const char *path, struct atm_npy *npy,
                                    struct atm_err *err);

#endif
