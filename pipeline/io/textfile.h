/* Small text files in memory: configurations and side files. */
#ifndef ATM_TEXTFILE_H
#define ATM_TEXTFILE_H

#include "err.h"
#include <stddef.h>
#include <stdio.h>

/* Open for reading; the message tells a folder from a missing file. *size_bytes (may be NULL) is -1
 * for pipes. Close with fclose. */
enum atm_status atm_textfile_open(const char *path, FILE **file, long long *size_bytes,
                                  struct atm_err *err);

/* The whole file, NUL-terminated, owned by the caller (atm_mem_free). Fails above limit bytes and
 * on NUL bytes: such a file is no text of ours. */
enum atm_status atm_textfile_read(const char *path, size_t limit, char **text, struct atm_err *err);

#endif
