/* What the h5*.c files share; nobody else includes this. */
#ifndef ATM_H5_PRIVATE_H
#define ATM_H5_PRIVATE_H

#include "h5.h"
#include <hdf5.h>

/* The stack that is being read or appended to stays open: HDF5's chunk cache, which saves decoding
 * a chunk of several frames once per frame, lives as long as the data set is open. */
struct atm_h5_frames {
    hid_t set; /* H5I_INVALID_HID: none */
    char *name;
};

struct atm_h5 {
    hid_t id;
    char *path;
    const int *write_error; /* h5_driver.c's, as long as the file is open; NULL when reading */
    struct atm_h5_frames *frames;
};

hid_t atm_h5_file_type(enum atm_h5_type type);
hid_t atm_h5_memory_type(enum atm_h5_type type);

/* "<path>: cannot <doing>: <HDF5's most specific reason>" from HDF5's error stack, so call it
 * before any other HDF5 function. */
enum atm_status atm_h5_fail(const struct atm_h5 *file, struct atm_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The end of every writing function. good: HDF5 said yes, which is not enough (see h5_driver.c). */
enum atm_status atm_h5_check_write(struct atm_h5 *file, bool good, struct atm_err *err,
                                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Write through h5_driver.c. The driver's handle is an int: errno of the first failed write, or 0.
 */
void atm_h5_use_driver(hid_t access);

/* A data set's creation and link properties, both to be closed by the caller. */
hid_t atm_h5_set_properties(void);
hid_t atm_h5_link_properties(void);

void atm_h5_frames_release(struct atm_h5 *file);

#endif
