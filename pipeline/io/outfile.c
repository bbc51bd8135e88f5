#include "outfile.h"

#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PART[] = ".part";

/* The folder of path, owned by the caller: "." for a bare name. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + (slash == path) : 1;
    char *folder = atm_mem_alloc(length + 1, 1);
    if (folder)
        memcpy(folder, slash ? path : ".", length);
    return folder;
}

static enum atm_status check_folder(const char *folder, const char *path, struct atm_err *err) {
    struct stat info;
    if (stat(folder, &info))
        return atm_err_set(err, ATM_FAIL,
                           "%s: cannot write: %s: %s; create the folder or give another name", path,
                           folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return atm_err_set(err, ATM_FAIL, "%s: cannot write: %s is not a folder", path, folder);
    return ATM_OK;
}

/* Renaming over a device would replace it (as root even /dev/null), so only files are replaced. */
static enum atm_status check_target(const char *path, struct atm_err *err) {
    struct stat info;
    size_t length = strlen(path);
    if (length == 0)
        return atm_err_set(err, ATM_FAIL, "cannot write a file without a name");
    if (path[length - 1] == '/' || (!stat(path, &info) && S_ISDIR(info.st_mode)))
        return atm_err_set(err, ATM_FAIL, "%s: is a folder; give the name of a file", path);
    if (!stat(path, &info) && !S_ISREG(info.st_mode))
        return atm_err_set(err, ATM_FAIL, "%s: is not a regular file; give another name", path);
    return ATM_OK;
}

static enum atm_status create_temporary(const struct atm_outfile *file, struct atm_err *err) {
    int fd = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return atm_err_set(err, ATM_FAIL,
                           "%s: cannot write: %s; choose a folder that you may write to",
                           file->path, strerror(errno));
    close(fd);
    return ATM_OK;
}

static void release(struct atm_outfile *file) {
    atm_mem_free(file->path);
    atm_mem_free(file->temporary);
    *file = (struct atm_outfile){0};
}

enum atm_status atm_outfile_begin(struct atm_outfile *file, const char *path, struct atm_err *err) {
    *file = (struct atm_outfile){0};
    enum atm_status status = check_target(path, err);
    if (status != ATM_OK)
        return status;
    size_t length = strlen(path);
    char *folder = folder_of(path);
    file->path = atm_mem_alloc(length + 1, 1);
    file->temporary = atm_mem_alloc(length + sizeof PART, 1);
    if (folder && file->path && file->temporary) {
        memcpy(file->path, path, length);
        memcpy(file->temporary, path, length);
        memcpy(file->temporary + length, PART, sizeof PART);
        status = check_folder(folder, path, err);
        if (status == ATM_OK)
            status = create_temporary(file, err);
    } else {
        status = atm_err_memory(err, path);
    }
    atm_mem_free(folder);
    if (status != ATM_OK)
        release(file);
    return status;
}

/* Errors of a full disk may come as late as here. */
static bool sync_path(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    return (close(fd) == 0) && synced;
}

enum atm_status atm_outfile_commit(struct atm_outfile *file, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    if (!sync_path(file->temporary, O_WRONLY))
        status = atm_err_errno(err, file->path, "finish writing");
    else if (rename(file->temporary, file->path))
        status = atm_err_errno(err, file->path, "give the finished file its name");
    if (status != ATM_OK) {
        atm_outfile_discard(file);
        return status;
    }
    /* The name itself survives a power cut only when the folder is synced. Some file systems refuse
     * that; the file is complete all the same. */
    atm_outfile_sync_folder(file->path);
    release(file);
    return ATM_OK;
}

void atm_outfile_sync_folder(const char *path) {
    char *folder = folder_of(path);
    if (folder)
        (void)sync_path(folder, O_RDONLY | O_DIRECTORY);
    atm_mem_free(folder);
}

void atm_outfile_discard(struct atm_outfile *file) {
    if (file->temporary)
        unlink(file->temporary);
    release(file);
}

static bool write_all(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        size -= (size_t)written;
    }
    return true;
}

enum atm_status atm_outfile_write_text(const char *path, const char *text, struct atm_err *err) {
    struct atm_outfile file;
    enum atm_status status = atm_outfile_begin(&file, path, err);
    if (status != ATM_OK)
        return status;
    int fd = open(file.temporary, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || !write_all(fd, text, strlen(text)))
        status = atm_err_errno(err, path, "write");
    if (fd >= 0 && close(fd) && status == ATM_OK)
        status = atm_err_errno(err, path, "write");
    if (status == ATM_OK)
        return atm_outfile_commit(&file, err);
    atm_outfile_discard(&file);
    return status;
}
