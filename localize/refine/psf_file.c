#include "psf_file.h"
#include "h5.h"
#include "mem.h"
#include "outfile.h"

#include <math.h>

static const char DATA[] = "/psf", OVERSAMPLING[] = "oversampling";
enum { SIZE_MOST = 2048 }; /* before anything is allocated for a file's word */

static enum atm_status read_samples(const struct atm_h5 *file, float **samples, ptrdiff_t *size,
                                    double *oversampling, struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    const char *path = atm_h5_path(file);
    if (!atm_h5_exists(file, DATA))
        return atm_err_set(err, ATM_FAIL, "%s: holds no PSF: no data set %s", path, DATA);
    enum atm_status status = atm_h5_shape(file, DATA, &rank, dims, err);
    if (!status && (rank != 2 || dims[0] != dims[1] || dims[0] < 1 || dims[0] > SIZE_MOST))
        status = atm_err_set(err, ATM_FAIL, "%s: %s is no square of at most %d samples a side",
                             path, DATA, SIZE_MOST);
    if (!status)
        status = atm_h5_read_number(file, DATA, OVERSAMPLING, oversampling, err);
    if (!status &&
        !(*oversampling >= 1 && *oversampling <= 64 && trunc(*oversampling) == *oversampling))
        status = atm_err_set(err, ATM_FAIL,
                             "%s: %s needs an attribute '%s', samples a pixel, from 1 to 64", path,
                             DATA, OVERSAMPLING);
    if (status)
        return status;
    *size = dims[0];
    *samples = atm_mem_alloc((size_t)(dims[0] * dims[0]), sizeof **samples);
    if (!*samples)
        return atm_err_memory(err, path);
    return atm_h5_read(file, DATA, ATM_H5_F32, dims[0] * dims[0], *samples, err);
}

enum atm_status atm_psf_read(const char *path, struct atm_spline **spline, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    float *samples = NULL;
    ptrdiff_t size = 0;
    double oversampling = NAN;
    *spline = NULL;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (!status)
        status = read_samples(file, &samples, &size, &oversampling, err);
    if (!status)
        status = atm_spline_create(samples, size, (ptrdiff_t)oversampling, spline, err);
    atm_mem_free(samples);
    atm_h5_close(&file, NULL);
    return status;
}

enum atm_status atm_psf_write(const char *path, const float *samples, ptrdiff_t size,
                              ptrdiff_t oversampling, struct atm_err *err) {
    struct atm_outfile out = {0};
    struct atm_h5 *file = NULL;
    const ptrdiff_t dims[2] = {size, size};
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (!status)
        status = atm_h5_create(out.temporary, &file, err);
    if (!status)
        status = atm_h5_write(file, DATA, ATM_H5_F32, 2, dims, samples, err);
    if (!status)
        status = atm_h5_write_number(file, DATA, OVERSAMPLING, (double)oversampling, err);
    enum atm_status closed = atm_h5_close(&file, status ? NULL : err);
    status = status ? status : closed;
    if (!status)
        status = atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    return status;
}
