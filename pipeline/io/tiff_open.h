/* libtiff handles whose messages go into a struct instead of stderr. */
#ifndef ATM_TIFF_OPEN_H
#define ATM_TIFF_OPEN_H

#include <tiffio.h>

/* libtiff's last error since the text was emptied by the user of the handle. */
struct atm_tiff_message {
    char text[256];
};

/* message is borrowed and must outlive the handle. NULL on failure, as TIFFOpen. */
TIFF *atm_tiff_open(const char *path, const char *mode, struct atm_tiff_message *message);

#endif
