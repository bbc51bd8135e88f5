#include "idx.h"

enum { UNSIGNED_BYTE = 0x08 };

static uint32_t big_endian(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

enum atm_status atm_idx_read_header(struct atm_zfile *file, const char *path, int rank,
                                    struct atm_idx *idx, struct atm_err *err) {
    unsigned char header[4 + 4 * ATM_IDX_MAX_RANK] = {0};
    const size_t size = 4 + 4 * (size_t)rank;
    size_t got;
    enum atm_status status = atm_zfile_read(file, 0, size, header, &got, err);
    if (status != ATM_OK)
        return status;
    if (got < size || header[0] || header[1] || header[3] != rank)
        return atm_err_set(err, ATM_FAIL, "%s: is no IDX file of %s", path,
                           rank == 1 ? "labels" : "images");
    if (header[2] != UNSIGNED_BYTE)
        return atm_err_set(err, ATM_FAIL,
                           "%s: an IDX file of samples of type 0x%02x; unsigned bytes (0x08) are "
                           "read, convert it",
                           path, header[2]);
    for (int i = 0; i < rank; i++)
        idx->extents[i] = big_endian(header + 4 + 4 * i);
    idx->start = size;
    return ATM_OK;
}
