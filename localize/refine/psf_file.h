/* A learned PSF in a file: HDF5 data set /psf (size, size), float32, with the attribute
 * `oversampling`: samples a pixel. Value (row, column): light on a pixel whose centre is
 * (column - c, row - c) / oversampling from the emitter, c = (size - 1) / 2; any scale. */
#ifndef ATM_PSF_FILE_H
#define ATM_PSF_FILE_H

#include "psf_spline.h"

enum atm_status atm_psf_read(const char *path, struct atm_spline **spline, struct atm_err *err);
enum atm_status atm_psf_write(const char *path, const float *samples, ptrdiff_t size,
                              ptrdiff_t oversampling, struct atm_err *err);

#endif
