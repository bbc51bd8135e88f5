/* A PSF in a file, by name: .tif of one float image whose description says psf_oversampling=N
 * (ImageJ ignores that line, and shows the size of a sample where the camera's pixel size is
 * known); or HDF5, data set /psf (size, size), float32, with the attribute `oversampling`. N,
 * `oversampling`: samples a pixel. Value (row, column): light on a pixel whose centre is (column -
 * c, row - c) / N from the emitter, c = (size - 1) / 2; any scale. */
#ifndef ATM_PSF_FILE_H
#define ATM_PSF_FILE_H

#include "psf_image.h"
#include "psf_spline.h"

enum atm_status atm_psf_read(const char *path, struct atm_spline **spline, struct atm_err *err);
enum atm_status atm_psf_read_image(const char *path, struct atm_psf_image *image,
                                   struct atm_err *err);
/* pixel_size_nm of the camera: NAN unknown. provenance may be NULL. */
enum atm_status atm_psf_write(const char *path, const struct atm_psf_image *image,
                              double pixel_size_nm, const char *provenance, struct atm_err *err);
/* ATM_USAGE for a name that is neither. */
enum atm_status atm_psf_check_name(const char *path, struct atm_err *err);

#endif
