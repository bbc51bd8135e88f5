#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

bool atm_fuzz_file_open(struct atm_fuzz_file *file, const uint8_t *data, size_t size) {
    file->fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (file->fd < 0)
        return false;
    snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
    if (write(file->fd, data, size) == (ssize_t)size)
        return true;
    atm_fuzz_file_close(file);
    return false;
}

void atm_fuzz_file_close(struct atm_fuzz_file *file) { close(file->fd); }
