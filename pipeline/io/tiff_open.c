#include "tiff_open.h"

#include <stdarg.h>
#include <stdio.h>

#if TIFFLIB_VERSION >= 20221213 /* 4.5.0: handlers per handle */

/* Headers may ask for any amount. */
static const tmsize_t MAX_ALLOCATION = (tmsize_t)1 << 31;

static int keep_error(TIFF *tiff, void *context, const char *module, const char *format,
                      va_list args) {
    (void)tiff, (void)module;
    struct atm_tiff_message *message = context;
    vsnprintf(message->text, sizeof message->text, format, args);
    return 1; /* the global handler, which prints, is not called */
}

static int drop_warning(TIFF *tiff, void *context, const char *module, const char *format,
                        va_list args) {
    (void)tiff, (void)context, (void)module, (void)format, (void)args;
    return 1;
}

TIFF *atm_tiff_open(const char *path, const char *mode, struct atm_tiff_message *message) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, message);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_warning, NULL);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_ALLOCATION);
    TIFF *tiff = TIFFOpenExt(path, mode, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

#else

/* Older libraries know only handlers for the whole process: silence them and do without the reason.
 */
TIFF *atm_tiff_open(const char *path, const char *mode, struct atm_tiff_message *message) {
    snprintf(message->text, sizeof message->text, "libtiff gives no reason");
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
    return TIFFOpen(path, mode);
}

#endif
