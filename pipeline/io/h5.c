/* Files, errors, names and attributes; arrays are in h5_array.c, tables in h5_table.c. */
#include "h5_private.h"

#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- errors ---- */

struct reason {
    char text[256];
    bool system; /* the operating system's own words: nothing is more specific */
};

/* Lowest record first; keep it, unless a record quotes the operating system. */
static herr_t visit_error(unsigned depth, const H5E_error2_t *record, void *context) {
    struct reason *reason = context;
    const char *text = record->desc ? record->desc : "";
    const char *quoted = strstr(text, "error message = '");
    if (quoted && !reason->system) {
        quoted += strlen("error message = '");
        snprintf(reason->text, sizeof reason->text, "%.*s", (int)strcspn(quoted, "'"), quoted);
        reason->system = true;
    } else if (depth == 0) {
        snprintf(reason->text, sizeof reason->text, "%s", text);
    }
    return 0;
}

static enum atm_status fail(const struct atm_h5 *file, struct atm_err *err, const char *format,
                            va_list args) {
    struct reason reason = {.text = "unknown reason"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit_error, &reason);
    char doing[512];
    vsnprintf(doing, sizeof doing, format, args);
    return atm_err_set(err, ATM_FAIL, "%s: cannot %s: %s", file->path, doing, reason.text);
}

enum atm_status atm_h5_fail(const struct atm_h5 *file, struct atm_err *err, const char *format,
                            ...) {
    va_list args;
    va_start(args, format);
    enum atm_status status = fail(file, err, format, args);
    va_end(args);
    return status;
}

enum atm_status atm_h5_check_write(struct atm_h5 *file, bool good, struct atm_err *err,
                                   const char *format, ...) {
    int error = file->write_error ? *file->write_error : 0;
    if (good && !error)
        return ATM_OK;
    va_list args;
    va_start(args, format);
    enum atm_status status = fail(file, err, format, args);
    va_end(args);
    if (error)
        status = atm_err_set(err, ATM_FAIL, "%s: cannot write: %s", file->path, strerror(error));
    return status;
}

/* ---- files ---- */

static struct atm_h5 *new_file(const char *path, struct atm_err *err) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* nothing is printed: see atm_h5_fail */
    struct atm_h5 *file = atm_mem_alloc(1, sizeof *file);
    struct atm_h5_frames *frames = atm_mem_alloc(1, sizeof *frames);
    char *copy = atm_mem_alloc(strlen(path) + 1, 1);
    if (!file || !frames || !copy) {
        atm_mem_free(file);
        atm_mem_free(frames);
        atm_mem_free(copy);
        atm_err_memory(err, path);
        return NULL;
    }
    memcpy(copy, path, strlen(path));
    frames->set = H5I_INVALID_HID;
    *file = (struct atm_h5){.id = H5I_INVALID_HID, .path = copy, .frames = frames};
    return file;
}

static void free_file(struct atm_h5 *file) {
    atm_mem_free(file->frames);
    atm_mem_free(file->path);
    atm_mem_free(file);
}

enum atm_status atm_h5_create(const char *path, struct atm_h5 **file, struct atm_err *err) {
    *file = NULL;
    struct atm_h5 *made = new_file(path, err);
    if (!made)
        return ATM_FAIL;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    void *handle = NULL;
    atm_h5_use_driver(access);
    H5Pset_obj_track_times(create, false);
    errno = 0;
    made->id = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    enum atm_status status = ATM_OK;
    if (made->id < 0)
        status = errno ? atm_err_errno(err, path, "write") : atm_h5_fail(made, err, "write");
    else if (H5Fget_vfd_handle(made->id, H5P_DEFAULT, &handle) >= 0)
        made->write_error = handle;
    H5Pclose(create);
    H5Pclose(access);
    if (status == ATM_OK)
        *file = made;
    else
        free_file(made);
    return status;
}

/* Is there a block for a file driver? Files in one part have none, and HDF5 takes memory for the
 * size that it claims (up to 4 GiB) before it looks at anything else. Superblock: version at 8,
 * size of an address at 13, the driver block's is the fourth address. It begins at 0, 512, 1024,
 * ... */
static bool has_driver_block(int fd, off_t size) {
    enum { ADDRESS_MOST = 32 };
    for (off_t at = 0; at < size; at = at ? 2 * at : 512) {
        unsigned char block[28 + 4 * ADDRESS_MOST] = {0};
        if (pread(fd, block, sizeof block, at) < 0 || memcmp(block, "\x89HDF\r\n\x1a\n", 8) != 0)
            continue;
        const size_t bytes = block[13], addresses = block[8] ? 28 : 24;
        if (block[8] > 1 || bytes > ADDRESS_MOST)
            return false;
        for (size_t i = 0; i < bytes; i++)
            if (block[addresses + 3 * bytes + i] != 0xff)
                return true;
        return false;
    }
    return false;
}

/* What can be said without HDF5, whose words for these are no help to anybody. */
static enum atm_status check_file(const char *path, struct atm_err *err) {
    struct stat info;
    if (stat(path, &info))
        return atm_err_errno(err, path, "open");
    if (S_ISDIR(info.st_mode))
        return atm_err_set(err, ATM_FAIL, "%s: is a folder; give an HDF5 file", path);
    if (!S_ISREG(info.st_mode))
        return atm_err_set(err, ATM_FAIL, "%s: is not a regular file", path);
    if (info.st_size == 0)
        return atm_err_set(err, ATM_FAIL, "%s: is empty; copy or make it again", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return atm_err_errno(err, path, "open");
    const bool in_parts = has_driver_block(fd, info.st_size);
    close(fd);
    return in_parts ? atm_err_set(err, ATM_FAIL,
                                  "%s: is part of an HDF5 file in several parts; it must be in one "
                                  "(h5repack makes it one)",
                                  path)
                    : ATM_OK;
}

static enum atm_status open_failed(const struct atm_h5 *file, struct atm_err *err) {
    atm_h5_fail(file, err, "open");
    if (err && strstr(err->text, "truncated file"))
        return atm_err_set(err, ATM_FAIL,
                           "%s: is cut off (shorter than its own header says); a part of an HDF5 "
                           "file cannot be read: copy or make it again",
                           file->path);
    if (err && strstr(err->text, "signature"))
        return atm_err_set(err, ATM_FAIL, "%s: is not an HDF5 file", file->path);
    return ATM_FAIL;
}

enum atm_status atm_h5_open(const char *path, struct atm_h5 **file, struct atm_err *err) {
    *file = NULL;
    enum atm_status status = check_file(path, err);
    if (status != ATM_OK)
        return status;
    struct atm_h5 *opened = new_file(path, err);
    if (!opened)
        return ATM_FAIL;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, false, true); /* locks fail on network file systems */
#endif
    opened->id = H5Fopen(path, H5F_ACC_RDONLY, access);
    status = opened->id >= 0 ? ATM_OK : open_failed(opened, err);
    H5Pclose(access);
    if (status == ATM_OK)
        *file = opened;
    else
        free_file(opened);
    return status;
}

enum atm_status atm_h5_close(struct atm_h5 **file, struct atm_err *err) {
    struct atm_h5 *closed = *file;
    *file = NULL;
    if (!closed)
        return ATM_OK;
    atm_h5_frames_release(closed);
    enum atm_status status = ATM_OK;
    if (closed->write_error) {
        bool flushed = H5Fflush(closed->id, H5F_SCOPE_GLOBAL) >= 0;
        status = atm_h5_check_write(closed, flushed, err, "finish writing");
    }
    if (H5Fclose(closed->id) < 0 && status == ATM_OK)
        status = atm_h5_fail(closed, err, "close");
    free_file(closed);
    return status;
}

const char *atm_h5_path(const struct atm_h5 *file) { return file->path; }

ptrdiff_t atm_h5_open_objects(void) { return H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL); }

/* ---- names ---- */

bool atm_h5_exists(const struct atm_h5 *file, const char *name) {
    return strcmp(name, "/") == 0 || H5Oexists_by_name(file->id, name, H5P_DEFAULT) > 0;
}

enum atm_status atm_h5_list(const struct atm_h5 *file, const char *group,
                            enum atm_status (*visit)(void *context, const char *name),
                            void *context, struct atm_err *err) {
    hid_t id = H5Gopen2(file->id, group, H5P_DEFAULT);
    if (id < 0)
        return atm_h5_fail(file, err, "list %s", group);
    enum atm_status status = ATM_OK;
    H5G_info_t info = {.nlinks = 0};
    if (H5Gget_info(id, &info) < 0)
        status = atm_h5_fail(file, err, "list %s", group);
    for (hsize_t i = 0; i < info.nlinks && status == ATM_OK; i++) {
        char name[1024];
        if (H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name,
                               H5P_DEFAULT) < 0)
            status = atm_h5_fail(file, err, "list %s", group);
        else
            status = visit(context, name);
    }
    H5Gclose(id);
    return status;
}

hid_t atm_h5_link_properties(void) {
    hid_t properties = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(properties, 1);
    return properties;
}

hid_t atm_h5_set_properties(void) {
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(properties, false);
    return properties;
}

enum atm_status atm_h5_write_group(struct atm_h5 *file, const char *name, struct atm_err *err) {
    hid_t create = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(create, false);
    hid_t group = H5Gcreate2(file->id, name, H5P_DEFAULT, create, H5P_DEFAULT);
    enum atm_status status = atm_h5_check_write(file, group >= 0, err, "make the group %s", name);
    if (group >= 0)
        H5Gclose(group);
    H5Pclose(create);
    return status;
}

/* ---- attributes ---- */

/* Create the attribute anew with `count` elements of `type` (0: a single value) and fill it. */
static enum atm_status write_attribute(struct atm_h5 *file, const char *object, const char *name,
                                       hid_t file_type, hid_t memory_type, hsize_t count,
                                       const void *value, struct atm_err *err) {
    if (H5Aexists_by_name(file->id, object, name, H5P_DEFAULT) > 0)
        H5Adelete_by_name(file->id, object, name, H5P_DEFAULT);
    hid_t space = count ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate_by_name(file->id, object, name, file_type, space, H5P_DEFAULT,
                                        H5P_DEFAULT, H5P_DEFAULT);
    bool good = attribute >= 0 && H5Awrite(attribute, memory_type, value) >= 0;
    enum atm_status status =
        atm_h5_check_write(file, good, err, "write attribute %s of %s", name, object);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return status;
}

enum atm_status atm_h5_write_number(struct atm_h5 *file, const char *object, const char *name,
                                    double value, struct atm_err *err) {
    return write_attribute(file, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 0, &value, err);
}

enum atm_status atm_h5_write_numbers(struct atm_h5 *file, const char *object, const char *name,
                                     const double *values, ptrdiff_t count, struct atm_err *err) {
    return write_attribute(file, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, (hsize_t)count,
                           values, err);
}

/* Text of variable length: fixed ones above 64 KB do not fit into an attribute. */
static hid_t text_type(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

enum atm_status atm_h5_write_text(struct atm_h5 *file, const char *object, const char *name,
                                  const char *text, struct atm_err *err) {
    hid_t type = text_type();
    enum atm_status status = write_attribute(file, object, name, type, type, 0, &text, err);
    H5Tclose(type);
    return status;
}

/* *attribute stays invalid where there is none. Anything but 1 to `most` elements is refused. */
static enum atm_status open_attribute(const struct atm_h5 *file, const char *object,
                                      const char *name, ptrdiff_t most, hid_t *attribute,
                                      hid_t *type, ptrdiff_t *count, struct atm_err *err) {
    *attribute = *type = H5I_INVALID_HID;
    if (!atm_h5_exists(file, object) || H5Aexists_by_name(file->id, object, name, H5P_DEFAULT) <= 0)
        return ATM_OK;
    *attribute = H5Aopen_by_name(file->id, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (*attribute < 0)
        return atm_h5_fail(file, err, "read attribute %s of %s", name, object);
    *type = H5Aget_type(*attribute);
    hid_t space = H5Aget_space(*attribute);
    hssize_t elements = space >= 0 ? H5Sget_simple_extent_npoints(space) : 0;
    if (space >= 0)
        H5Sclose(space);
    if (*type < 0 || elements < 1 || elements > most)
        return atm_err_set(err, ATM_FAIL, "%s: attribute %s of %s is not %s", file->path, name,
                           object, most == 1 ? "a single value" : "a short list");
    *count = (ptrdiff_t)elements;
    return ATM_OK;
}

static void close_attribute(hid_t attribute, hid_t type) {
    if (type >= 0)
        H5Tclose(type);
    if (attribute >= 0)
        H5Aclose(attribute);
}

enum atm_status atm_h5_read_numbers(const struct atm_h5 *file, const char *object, const char *name,
                                    double *values, ptrdiff_t most, ptrdiff_t *count,
                                    struct atm_err *err) {
    hid_t attribute, type;
    *count = 0;
    enum atm_status status =
        open_attribute(file, object, name, most, &attribute, &type, count, err);
    if (status == ATM_OK && attribute >= 0) {
        H5T_class_t class = H5Tget_class(type);
        if (class != H5T_INTEGER && class != H5T_FLOAT)
            status = atm_err_set(err, ATM_FAIL, "%s: attribute %s of %s is not a number",
                                 file->path, name, object);
        else if (H5Aread(attribute, H5T_NATIVE_DOUBLE, values) < 0)
            status = atm_h5_fail(file, err, "read attribute %s of %s", name, object);
    }
    close_attribute(attribute, type);
    return status;
}

enum atm_status atm_h5_read_number(const struct atm_h5 *file, const char *object, const char *name,
                                   double *value, struct atm_err *err) {
    ptrdiff_t count;
    return atm_h5_read_numbers(file, object, name, value, 1, &count, err);
}

/* Read text of either storage; *text is NULL if memory or the file fails. */
static void read_text(hid_t attribute, hid_t type, char **text) {
    if (H5Tis_variable_str(type) > 0) {
        char *raw = NULL;
        if (H5Aread(attribute, type, &raw) < 0)
            return;
        size_t length = raw ? strlen(raw) : 0;
        *text = atm_mem_alloc(length + 1, 1);
        if (*text && raw)
            memcpy(*text, raw, length);
        H5free_memory(raw);
        return;
    }
    *text = atm_mem_alloc(H5Tget_size(type) + 1, 1);
    if (*text && H5Aread(attribute, type, *text) < 0) {
        atm_mem_free(*text);
        *text = NULL;
    }
}

enum atm_status atm_h5_read_text(const struct atm_h5 *file, const char *object, const char *name,
                                 char **text, struct atm_err *err) {
    *text = NULL;
    hid_t attribute, type;
    ptrdiff_t count;
    enum atm_status status = open_attribute(file, object, name, 1, &attribute, &type, &count, err);
    if (status == ATM_OK && attribute >= 0) {
        if (H5Tget_class(type) != H5T_STRING)
            status = atm_err_set(err, ATM_FAIL, "%s: attribute %s of %s is not text", file->path,
                                 name, object);
        else
            read_text(attribute, type, text);
        if (status == ATM_OK && !*text)
            status = atm_h5_fail(file, err, "read attribute %s of %s", name, object);
    }
    close_attribute(attribute, type);
    return status;
}
