/* Preloaded into a program under test: what happens to its files at a chosen moment.
 *
 * Writes, syncs, renames and cuts of regular files are counted. FAULTY_AT=N: at the N-th of them,
 * half of what is to be written is written, and then FAULTY=kill   the process is killed, as by
 * kill -9 or the power FAULTY=full   the disk is full, and stays so: writes fail from here on
 *   FAULTY=once   that one call fails (EIO), as on a bad disk
 * FAULTY_COUNT=FILE: at the end the number of calls is written there. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long calls;

static bool is_file(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

/* Is this call to fail? Does not return where the process is to be killed. */
static bool fails(bool writes) {
    const char *how = getenv("FAULTY");
    long at = number_of("FAULTY_AT"), now = ++calls;
    if (!how || !at || now < at)
        return false;
    if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    errno = strcmp(how, "full") == 0 ? ENOSPC : EIO;
    return strcmp(how, "full") == 0 ? writes : now == at;
}

static bool is_due(void) { return number_of("FAULTY_AT") == calls + 1; }

__attribute__((destructor)) static void write_count(void) {
    const char *path = getenv("FAULTY_COUNT");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (out)
        fprintf(out, "%ld\n", calls), fclose(out);
}

#define REAL(type, name, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!is_file(fd))
        return real(fd, data, size);
    if (is_due())
        real(fd, data, size / 2);
    return fails(true) ? -1 : real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    if (is_due())
        real(fd, data, size / 2, at);
    return fails(true) ? -1 : real(fd, data, size, at);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return fails(false) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return fails(false) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    return fails(false) ? -1 : real(fd, size);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return fails(false) ? -1 : real(from, to);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    return fails(false) ? -1 : real(path);
}

/* Streams write inside of the C library: here is where they are seen. */
int fflush(FILE *stream) {
    REAL(int, "fflush", FILE *);
    if (!stream || !is_file(fileno(stream)))
        return real(stream);
    return fails(true) ? EOF : real(stream);
}
