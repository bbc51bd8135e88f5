/* Errors: every fallible function returns an atm_status and fills one atm_err, at the cause. */
#ifndef ATM_ERR_H
#define ATM_ERR_H

enum atm_status {
    ATM_OK = 0,
    ATM_FAIL,    /* exit code 1 */
    ATM_USAGE,   /* the command line or the configuration is wrong: exit code 2 */
    ATM_STOPPED, /* the user asked to stop; what is done is kept */
};

/* The message says what happened, to which file, key or frame, and what to do. Zero-initialise. */
struct atm_err {
    enum atm_status status;
    char text[1024];
};

/* Fill err (which may be NULL) and return status: callers write `return atm_err_set(...)`. */
enum atm_status atm_err_set(struct atm_err *err, enum atm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put context ("movie.tif: ") before the message that is there. Returns err->status. */
enum atm_status atm_err_prefix(struct atm_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where several threads fail, the first failure wins: *first and err take status and own where
 * *first is still ATM_OK and status is not. To be called by one thread at a time (omp critical or
 * ordered). */
void atm_err_first(enum atm_status *first, struct atm_err *err, enum atm_status status,
                   const struct atm_err *own);

/* Shorthands for the two failures that everybody meets. */
enum atm_status atm_err_memory(struct atm_err *err, const char *what);
enum atm_status atm_err_errno(struct atm_err *err, const char *path, const char *doing);

#endif
