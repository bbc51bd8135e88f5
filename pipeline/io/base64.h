/* Base64 (RFC 4648) on a stream. */
#ifndef ATM_BASE64_H
#define ATM_BASE64_H

#include <stddef.h>
#include <stdio.h>

void atm_base64_put(FILE *out, const void *bytes, size_t count);

#endif
