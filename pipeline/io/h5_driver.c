/* A file driver for writing that never tells HDF5 of a failed write: it remembers the first one,
 * and pretends. HDF5 (1.10.8) cannot close a data set or file whose cached data do not reach the
 * disk: it keeps them open for ever and crashes at exit. Here everything closes, and we know that
 * it failed. */
#include "h5_private.h"

#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

struct driver {
    H5FD_t common; /* first: HDF5 passes pointers to it */
    int fd;
    int error; /* errno of the first failure, 0 */
    haddr_t allocated, end;
};

static struct driver *driver_of(H5FD_t *file) { return (struct driver *)file; }
static const struct driver *const_driver_of(const H5FD_t *file) {
    return (const struct driver *)file;
}

static H5FD_t *open_driver(const char *name, unsigned flags, hid_t access, haddr_t most) {
    (void)flags, (void)access, (void)most; /* atm_h5_create is the only user */
    struct driver *driver = atm_mem_alloc(1, sizeof *driver);
    if (!driver)
        return NULL;
    driver->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (driver->fd >= 0)
        return &driver->common;
    atm_mem_free(driver);
    return NULL;
}

static herr_t close_driver(H5FD_t *file) {
    close(driver_of(file)->fd); /* what was written is synced before the file gets its name */
    atm_mem_free(file);
    return 0;
}

static int compare(const H5FD_t *a, const H5FD_t *b) {
    return (a > b) - (a < b); /* each is a file of its own */
}

static herr_t query(const H5FD_t *file, unsigned long *features) {
    (void)file;
    *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
                H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t get_allocated(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return const_driver_of(file)->allocated;
}

static herr_t set_allocated(H5FD_t *file, H5FD_mem_t type, haddr_t end) {
    (void)type;
    driver_of(file)->allocated = end;
    return 0;
}

static haddr_t get_end(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return const_driver_of(file)->end;
}

static herr_t get_error(H5FD_t *file, hid_t access, void **handle) {
    (void)access;
    *handle = &driver_of(file)->error;
    return 0;
}

/* Behind the end of the file are zeros, as in HDF5's own drivers. */
static herr_t read_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address,
                         size_t size, void *bytes) {
    (void)type, (void)transfer;
    while (size > 0) {
        ssize_t got = pread(driver_of(file)->fd, bytes, size, (off_t)address);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            memset(bytes, 0, size);
        size_t done = got > 0 ? (size_t)got : size;
        bytes = (char *)bytes + done;
        address += done;
        size -= done;
    }
    return 0;
}

static herr_t write_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address,
                          size_t size, const void *bytes) {
    (void)type, (void)transfer;
    struct driver *driver = driver_of(file);
    if (address + size > driver->end)
        driver->end = address + size;
    while (size > 0 && !driver->error) {
        ssize_t put = pwrite(driver->fd, bytes, size, (off_t)address);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            driver->error = put < 0 ? errno : ENOSPC;
            break;
        }
        bytes = (const char *)bytes + put;
        address += (haddr_t)put;
        size -= (size_t)put;
    }
    return 0;
}

static herr_t truncate_file(H5FD_t *file, hid_t transfer, hbool_t closing) {
    (void)transfer, (void)closing;
    struct driver *driver = driver_of(file);
    if (driver->allocated == driver->end)
        return 0;
    if (!driver->error && ftruncate(driver->fd, (off_t)driver->allocated))
        driver->error = errno;
    driver->end = driver->allocated;
    return 0;
}

static const H5FD_class_t DRIVER = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600, /* above those reserved for the library */
#endif
    .name = "atomloc",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .open = open_driver,
    .close = close_driver,
    .cmp = compare,
    .query = query,
    .get_eoa = get_allocated,
    .set_eoa = set_allocated,
    .get_eof = get_end,
    .get_handle = get_error,
    .read = read_bytes,
    .write = write_bytes,
    .truncate = truncate_file,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

void atm_h5_use_driver(hid_t access) {
    hid_t id = H5FDregister(&DRIVER);
    H5Pset_driver(access, id, NULL);
    H5FDunregister(id); /* the list and the file hold it as long as they live */
}
