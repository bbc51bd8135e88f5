/* IDX headers: big-endian, 0 0 type rank, then the extents as 32-bit numbers. */
#ifndef ATM_IDX_H
#define ATM_IDX_H

#include "zfile.h"

enum { ATM_IDX_MAX_RANK = 3, ATM_IDX_IMAGES_START = 16, ATM_IDX_LABELS_START = 8 };
struct atm_idx {
    uint32_t extents[ATM_IDX_MAX_RANK];
    uint64_t start; /* of the bytes behind the header */
};
/* Fails unless it is a file of bytes of that rank. */
enum atm_status atm_idx_read_header(struct atm_zfile *file, const char *path, int rank,
                                    struct atm_idx *idx, struct atm_err *err);

#endif
