#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum atm_status atm_err_set(struct atm_err *err, enum atm_status status, const char *format, ...) {
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->status = status;
    return status;
}

enum atm_status atm_err_prefix(struct atm_err *err, const char *format, ...) {
    if (!err)
        return ATM_FAIL;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - (size_t)used, "%s", old);
    return err->status;
}

void atm_err_first(enum atm_status *first, struct atm_err *err, enum atm_status status,
                   const struct atm_err *own) {
    if (!status || *first)
        return;
    *first = status;
    if (err)
        *err = *own;
}

enum atm_status atm_err_memory(struct atm_err *err, const char *what) {
    return atm_err_set(err, ATM_FAIL, "out of memory for %s", what);
}

enum atm_status atm_err_errno(struct atm_err *err, const char *path, const char *doing) {
    return atm_err_set(err, ATM_FAIL, "%s: cannot %s: %s", path, doing, strerror(errno));
}
