#include "stamp.h"

#include "mem.h"
#include "outfile.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { BUFFER_SIZE = 1 << 16 };

static enum atm_status hash_open_file(int file, const char *path, uint64_t *hash,
                                      struct atm_err *err) {
    char *buffer = atm_mem_alloc(BUFFER_SIZE, 1);
    XXH3_state_t *state = XXH3_createState();
    enum atm_status status = buffer && state ? ATM_OK : atm_err_memory(err, "hashing");
    if (!status)
        XXH3_64bits_reset(state);
    while (!status) {
        ssize_t got = read(file, buffer, BUFFER_SIZE);
        if (got < 0 && errno != EINTR)
            status = atm_err_errno(err, path, "read");
        if (got == 0)
            break;
        if (got > 0)
            XXH3_64bits_update(state, buffer, (size_t)got);
    }
    if (!status)
        *hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    atm_mem_free(buffer);
    return status;
}

enum atm_status atm_stamp_hash(const char *path, uint64_t *hash, struct atm_err *err) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return atm_err_errno(err, path, "open");
    enum atm_status status = hash_open_file(file, path, hash, err);
    close(file);
    return status;
}

static enum atm_status make_text(const char *identity, const char *const *files, char **text,
                                 struct atm_err *err) {
    size_t size;
    enum atm_status status = ATM_OK;
    FILE *stream = open_memstream(text, &size);
    if (!stream)
        return atm_err_memory(err, "a stamp");
    fprintf(stream, "%s\n", identity);
    for (; !status && *files; files++) {
        const char *slash = strrchr(*files, '/');
        uint64_t hash = 0;
        status = atm_stamp_hash(*files, &hash, err);
        fprintf(stream, "# output: %s xxh3 %016llx\n", slash ? slash + 1 : *files,
                (unsigned long long)hash);
    }
    if (fclose(stream) && !status)
        status = atm_err_memory(err, "a stamp");
    return status;
}

/* True when the file holds exactly this text. */
static bool file_equals(const char *path, const char *text) {
    size_t length = strlen(text), at = 0;
    char *content = atm_mem_alloc(length + 1, 1);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;
    while (content && file >= 0 && at <= length && got > 0) {
        got = read(file, content + at, length + 1 - at);
        at += got > 0 ? (size_t)got : 0;
    }
    bool equal = content && file >= 0 && at == length && !memcmp(content, text, length);
    if (file >= 0)
        close(file);
    atm_mem_free(content);
    return equal;
}

bool atm_stamp_matches(const char *stamp, const char *identity, const char *const *files) {
    char *text = NULL;
    bool matches = !make_text(identity, files, &text, NULL) && file_equals(stamp, text);
    free(text);
    return matches;
}

enum atm_status atm_stamp_write(const char *stamp, const char *identity, const char *const *files,
                                struct atm_err *err) {
    char *text = NULL;
    enum atm_status status = make_text(identity, files, &text, err);
    if (!status)
        status = atm_outfile_write_text(stamp, text, err);
    free(text);
    return status;
}
