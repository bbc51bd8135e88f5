/* PNG pictures. */
#ifndef ATM_IMAGE_H
#define ATM_IMAGE_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

/* rgb: (height, width, 3). Written under a temporary name and renamed. */
enum atm_status atm_image_write_png(const char *path, ptrdiff_t height, ptrdiff_t width,
                                    const uint8_t *rgb, struct atm_err *err);

/* gray: (height, width) in 16 bits, 0 black. */
enum atm_status atm_image_write_png16(const char *path, ptrdiff_t height, ptrdiff_t width,
                                      const uint16_t *gray, struct atm_err *err);

#endif
