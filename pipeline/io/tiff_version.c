#include "versions.h"

#include <stdio.h>
#include <string.h>
#include <tiffio.h>

/* libtiff answers with a banner and its copyright: "LIBTIFF, Version 4.5.0\n...". */
const char *atm_tiff_library_version(void) {
    static char text[32];
    const char *banner = TIFFGetVersion();
    banner += strcspn(banner, "0123456789");
    snprintf(text, sizeof text, "%.*s", (int)strspn(banner, "0123456789."), banner);
    return text;
}
