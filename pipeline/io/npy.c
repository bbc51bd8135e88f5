#include "npy.h"

#include "tiff_chain.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char MAGIC[] = "\x93NUMPY";
enum { MAGIC_SIZE = 6, MAX_HEADER = 65536 };

bool atm_npy_probe(const unsigned char *head, size_t size) {
    return size > MAGIC_SIZE && memcmp(head, MAGIC, MAGIC_SIZE) == 0;
}

/* What stands behind 'key': in the header, a Python dict. NULL: nothing. */
static const char *value_of(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    if (*at != ':')
        return NULL;
    at++;
    return at + strspn(at, " ");
}

static enum atm_status take_type(const char *path, const char *value, struct atm_npy *npy,
                                 struct atm_err *err) {
    char order = 0, kind = 0;
    int bytes = 0;
    if (value && sscanf(value, "'%c%c%d'", &order, &kind, &bytes) == 3 && bytes > 0 && bytes <= 8 &&
        strchr("<>=|", order) && strchr("uif", kind)) {
        const enum atm_sample_kind kinds[] = {ATM_SAMPLE_UINT, ATM_SAMPLE_INT, ATM_SAMPLE_FLOAT};
        npy->sample = atm_sample_find(kinds[strchr("uif", kind) - "uif"], 8 * bytes);
    }
    const bool big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    npy->swapped = order == (big_endian ? '<' : '>');
    if (npy->sample)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: values of type %.12s are not read; store uint8, uint16, uint32, int8, "
                       "int16, int32, float32 or float64",
                       path, value ? value : "that is not said");
}

static enum atm_status take_shape(const char *path, const char *value, struct atm_npy *npy,
                                  struct atm_err *err) {
    bool good = value && *value == '(';
    const char *at = good ? value + 1 : "";
    for (at += strspn(at, " "); good && isdigit((unsigned char)*at); at += strspn(at, ", ")) {
        char *end;
        errno = 0;
        const long long extent = strtoll(at, &end, 10);
        good = npy->rank < ATM_NPY_MAX_RANK && !errno && extent > 0 && extent <= INT32_MAX;
        if (good)
            npy->extents[npy->rank++] = (ptrdiff_t)extent;
        at = end;
    }
    if (good && *at == ')' && npy->rank > 0)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: an array of shape %.40s; arrays of 1 to %d axes, none of them empty, "
                       "are read",
                       path, value ? value : "that is not said", ATM_NPY_MAX_RANK);
}

static enum atm_status take_header(const char *path, char *header, struct atm_npy *npy,
                                   struct atm_err *err) {
    char *end = strchr(header, '\n');
    if (end)
        *end = '\0';
    enum atm_status status = take_type(path, value_of(header, "descr"), npy, err);
    if (status == ATM_OK)
        status = take_shape(path, value_of(header, "shape"), npy, err);
    const char *fortran = value_of(header, "fortran_order");
    if (status == ATM_OK && (!fortran || strncmp(fortran, "False", 5) != 0))
        return atm_err_set(err, ATM_FAIL,
                           "%s: is in Fortran's order; save numpy.ascontiguousarray(a) instead",
                           path);
    return status;
}

enum atm_status atm_npy_read_header(int fd, const char *path, struct atm_npy *npy,
                                    struct atm_err *err) {
    unsigned char start[12];
    char header[MAX_HEADER + 1];
    *npy = (struct atm_npy){0};
    if (!atm_tiff_chain_pread(fd, start, sizeof start, 0))
        return atm_err_set(err, ATM_FAIL, "%s: is cut off in its header", path);
    const bool first = start[MAGIC_SIZE] == 1;
    const uint32_t low = start[8] | (uint32_t)start[9] << 8,
                   high = first ? 0 : start[10] | (uint32_t)start[11] << 8;
    npy->start = (first ? 10 : 12) + (uint64_t)low;
    if (high || low >= MAX_HEADER || start[MAGIC_SIZE] < 1 || start[MAGIC_SIZE] > 3)
        return atm_err_set(err, ATM_FAIL, "%s: is of an unknown version of .npy", path);
    if (!atm_tiff_chain_pread(fd, header, low, npy->start - low))
        return atm_err_set(err, ATM_FAIL, "%s: is cut off in its header", path);
    header[low] = '\0';
    return take_header(path, header, npy, err);
}
