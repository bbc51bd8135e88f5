#include "zfile.h"

#include "mem.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

enum { BUFFER = 1 << 17, BLOCK = 1 << 16 };

struct atm_zfile {
    gzFile gz;
    char *path; /* owned */
};

enum atm_status atm_zfile_open(const char *path, struct atm_zfile **file, struct atm_err *err) {
    const size_t length = strlen(path);
    struct atm_zfile *made = atm_mem_alloc(1, sizeof *made);
    *file = made;
    if (!made || !(made->path = atm_mem_alloc(length + 1, 1))) {
        atm_zfile_close(file);
        return atm_err_memory(err, path);
    }
    memcpy(made->path, path, length);
    errno = 0;
    made->gz = gzopen(path, "rbe");
    if (made->gz) {
        gzbuffer(made->gz, BUFFER);
        return ATM_OK;
    }
    enum atm_status status =
        errno ? atm_err_errno(err, path, "open") : atm_err_memory(err, "unpacking");
    atm_zfile_close(file);
    return status;
}

void atm_zfile_close(struct atm_zfile **file) {
    struct atm_zfile *closed = *file;
    *file = NULL;
    if (!closed)
        return;
    if (closed->gz)
        gzclose(closed->gz);
    atm_mem_free(closed->path);
    atm_mem_free(closed);
}

/* A gzipped file that is cut off ends there. */
static bool is_cut(const struct atm_zfile *file) {
    int code = Z_OK;
    gzerror(file->gz, &code);
    return code == Z_BUF_ERROR;
}

enum atm_status atm_zfile_read(struct atm_zfile *file, uint64_t offset, size_t size, void *to,
                               size_t *got, struct atm_err *err) {
    *got = 0;
    bool good = offset <= INT64_MAX;
    if (good && gztell(file->gz) != (z_off_t)offset)
        good = gzseek(file->gz, (z_off_t)offset, SEEK_SET) == (z_off_t)offset;
    while (good && *got < size) {
        const size_t left = size - *got;
        int some = gzread(file->gz, (char *)to + *got, (unsigned)(left < BLOCK ? left : BLOCK));
        good = some >= 0;
        if (some <= 0)
            break;
        *got += (size_t)some;
    }
    if (good || is_cut(file)) {
        gzclearerr(file->gz);
        return ATM_OK;
    }
    int code = Z_OK;
    const char *reason = gzerror(file->gz, &code);
    return atm_err_set(err, ATM_FAIL, "%s: cannot be unpacked (%s); copy the file again",
                       file->path, code == Z_ERRNO ? strerror(errno) : reason);
}

uint64_t atm_zfile_count(struct atm_zfile *file, uint64_t most) {
    char block[BLOCK];
    uint64_t count = 0;
    int some = gzrewind(file->gz) == 0;
    while (some > 0 && count < most) {
        const uint64_t left = most - count;
        some = gzread(file->gz, block, (unsigned)(left < BLOCK ? left : BLOCK));
        count += some > 0 ? (uint64_t)some : 0;
    }
    gzclearerr(file->gz);
    gzrewind(file->gz);
    return count;
}

size_t atm_zfile_head(const char *path, const unsigned char *head, size_t head_size,
                      unsigned char *bytes, size_t size) {
    struct atm_zfile *file = NULL;
    size_t got = head_size < size ? head_size : size;
    memcpy(bytes, head, got);
    if (head_size < 2 || head[0] != 0x1f || head[1] != 0x8b ||
        atm_zfile_open(path, &file, NULL) != ATM_OK)
        return got;
    if (atm_zfile_read(file, 0, size, bytes, &got, NULL) != ATM_OK)
        got = 0;
    atm_zfile_close(&file);
    return got;
}

static enum atm_status read_text(struct atm_zfile *file, size_t limit, char **text, size_t *size,
                                 struct atm_err *err) {
    const uint64_t there = atm_zfile_count(file, (uint64_t)limit + 1);
    if (there > limit)
        return atm_err_set(err, ATM_FAIL, "%s: is larger than %zu bytes; cut it into several files",
                           file->path, limit);
    *text = atm_mem_alloc((size_t)there + 1, 1);
    if (!*text)
        return atm_err_memory(err, file->path);
    return atm_zfile_read(file, 0, (size_t)there, *text, size, err);
}

enum atm_status atm_zfile_text(const char *path, size_t limit, char **text, size_t *size,
                               struct atm_err *err) {
    struct atm_zfile *file = NULL;
    *text = NULL;
    enum atm_status status = atm_zfile_open(path, &file, err);
    if (status == ATM_OK)
        status = read_text(file, limit, text, size, err);
    if (status != ATM_OK) {
        atm_mem_free(*text);
        *text = NULL;
    }
    atm_zfile_close(&file);
    return status;
}
