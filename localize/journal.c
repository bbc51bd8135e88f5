#include "journal.h"
#include "mem.h"
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const char magic[8] = "ATMJRNL2";

struct atm_journal {
    int fd;
    char *path; /* owned */
};

struct header {
    char magic[8];
    uint64_t identity, row_size, frame_size, tally_size;
};

struct record {
    uint64_t frames, rows, hash; /* hash of the frames, the tally and the rows behind this */
};

static enum atm_status write_all(struct atm_journal *j, const void *data, size_t size,
                                 struct atm_err *err) {
    const char *at = data;
    while (size) {
        ssize_t n = write(j->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return atm_err_errno(err, j->path, "write the journal");
        at += n, size -= (size_t)n;
    }
    return ATM_OK;
}

static bool read_all(int fd, void *data, size_t size) {
    char *at = data;
    while (size) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n, size -= (size_t)n;
    }
    return true;
}

static uint64_t hash_payload(const struct atm_journal_data *data, const struct atm_loc *rows,
                             const struct record *record) {
    uint64_t seed = XXH3_64bits(data->frames, (size_t)record->frames * data->frame_size);
    seed = XXH3_64bits_withSeed(data->tally, data->tally_size, seed);
    return XXH3_64bits_withSeed(rows, (size_t)record->rows * sizeof *rows, seed);
}

/* Read one record; false at the end, at a torn record, or where it claims more than the file has.
 * to: where it goes, with the room that is left. */
static bool read_record(struct atm_journal *j, off_t size, struct atm_table *table,
                        const struct atm_journal_data *to, ptrdiff_t *frames) {
    struct record record;
    off_t at = lseek(j->fd, 0, SEEK_CUR);
    if (!read_all(j->fd, &record, sizeof record))
        return false;
    uint64_t left = (uint64_t)(size - at) - sizeof record;
    if (record.frames > (uint64_t)to->capacity || record.rows > left / sizeof(struct atm_loc))
        return false;
    struct atm_loc *rows = atm_mem_alloc((size_t)record.rows, sizeof *rows);
    struct atm_journal_data read = *to;
    read.tally = atm_mem_alloc(to->tally_size, 1); /* a torn one must not spoil the last */
    bool good = rows && read.tally &&
                read_all(j->fd, read.frames, (size_t)record.frames * read.frame_size) &&
                read_all(j->fd, read.tally, read.tally_size) &&
                read_all(j->fd, rows, (size_t)record.rows * sizeof *rows) &&
                hash_payload(&read, rows, &record) == record.hash;
    ptrdiff_t before = table->count;
    for (uint64_t i = 0; good && i < record.rows; i++)
        good = atm_table_append(table, &rows[i], NULL) == ATM_OK;
    if (!good)
        table->count = before;
    else if (to->tally_size)
        memcpy(to->tally, read.tally, to->tally_size);
    atm_mem_free(rows);
    atm_mem_free(read.tally);
    *frames = good ? (ptrdiff_t)record.frames : 0;
    return good;
}

/* A journal whose first bytes never reached the disk: nothing, a part of them, or zeros in their
 * place, which some file systems leave after a power cut. */
static bool never_began(const struct header *had, ptrdiff_t size) {
    size_t length = size < (ptrdiff_t)sizeof magic ? (size_t)size : sizeof magic, at = 0;
    while (at < length && had->magic[at] == magic[at])
        at++;
    if (at == sizeof magic)
        return size < (ptrdiff_t)sizeof *had;
    while (at < length && had->magic[at] == 0)
        at++;
    return at == length;
}

/* Take over what is whole and cut the rest off. */
static enum atm_status resume(struct atm_journal *j, uint64_t identity, struct atm_table *table,
                              const struct atm_journal_data *data, struct atm_journal_state *state,
                              struct atm_err *err) {
    struct header header = {.identity = identity,
                            .row_size = sizeof(struct atm_loc),
                            .frame_size = data->frame_size,
                            .tally_size = data->tally_size},
                  had = {.identity = 0};
    memcpy(header.magic, magic, sizeof magic);
    struct stat st;
    if (fstat(j->fd, &st))
        return atm_err_errno(err, j->path, "read the journal");
    bool ours = read_all(j->fd, &had, sizeof had) && !memcmp(&had, &header, sizeof had);
    bool fresh = !ours && never_began(&had, st.st_size);
    if (!ours && !fresh && memcmp(had.magic, magic, sizeof magic) != 0)
        return atm_err_set(
            err, ATM_FAIL,
            "%s: would be the journal, but is a file of something else; move it away "
            "or choose another output",
            j->path);
    state->replaced = !ours && !fresh;
    off_t end = sizeof had;
    if (ours) {
        struct atm_journal_data to = *data;
        ptrdiff_t frames;
        while (read_record(j, st.st_size, table, &to, &frames)) {
            state->chunks++;
            state->frames += frames;
            to.frames = (char *)to.frames + (size_t)frames * to.frame_size;
            to.capacity -= frames;
            end = lseek(j->fd, 0, SEEK_CUR);
        }
    }
    if (ftruncate(j->fd, ours ? end : 0) || lseek(j->fd, ours ? end : 0, SEEK_SET) < 0)
        return atm_err_errno(err, j->path, "write the journal");
    return ours ? ATM_OK : write_all(j, &header, sizeof header, err);
}

/* Two runs that append to one journal would spoil it. The lock ends with the process. */
static enum atm_status lock(struct atm_journal *j, struct atm_err *err) {
    if (!flock(j->fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) /* without locks on this disk */
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: another run is writing it; wait for that, or choose another output",
                       j->path);
}

enum atm_status atm_journal_open(const char *path, const char *identity, struct atm_table *table,
                                 const struct atm_journal_data *data, struct atm_journal **journal,
                                 struct atm_journal_state *state, struct atm_err *err) {
    *state = (struct atm_journal_state){0};
    struct atm_journal *j = atm_mem_alloc(1, sizeof *j);
    size_t length = strlen(path) + 1;
    if (j)
        j->fd = -1, j->path = atm_mem_alloc(length, 1);
    if (!j || !j->path) {
        atm_journal_close(&j);
        return atm_err_memory(err, "the journal");
    }
    memcpy(j->path, path, length);
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    enum atm_status status = j->fd < 0 ? atm_err_errno(err, path, "open the journal") : ATM_OK;
    if (!status)
        status = lock(j, err);
    if (!status)
        atm_outfile_sync_folder(path); /* its name too survives a power cut */
    if (!status)
        status = resume(j, XXH3_64bits(identity, strlen(identity)), table, data, state, err);
    if (status)
        atm_journal_close(&j);
    *journal = j;
    return status;
}

enum atm_status atm_journal_append(struct atm_journal *j, const struct atm_loc *rows,
                                   ptrdiff_t row_count, const struct atm_journal_data *data,
                                   struct atm_err *err) {
    struct record record = {(uint64_t)data->capacity, (uint64_t)row_count, 0};
    record.hash = hash_payload(data, rows, &record);
    enum atm_status status = write_all(j, &record, sizeof record, err);
    if (!status)
        status = write_all(j, data->frames, (size_t)data->capacity * data->frame_size, err);
    if (!status)
        status = write_all(j, data->tally, data->tally_size, err);
    if (!status)
        status = write_all(j, rows, (size_t)row_count * sizeof *rows, err);
    if (!status && fdatasync(j->fd))
        status = atm_err_errno(err, j->path, "write the journal");
    if (status && err) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used,
                 "; the frames done before are kept, and the same command continues");
    }
    return status;
}

void atm_journal_close(struct atm_journal **journal) {
    if (!*journal)
        return;
    if ((*journal)->fd >= 0)
        close((*journal)->fd);
    atm_mem_free((*journal)->path);
    atm_mem_free(*journal);
    *journal = NULL;
}
