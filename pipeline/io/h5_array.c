/* Arrays and frame stacks. */
#include "h5_private.h"

#include "mem.h"
#include <stdio.h>
#include <string.h>

/* Frames smaller than this are put several into one chunk, at most 64. */
static const size_t SMALL_CHUNK_BYTES = 65536;
/* Foreign stacks may have chunks of many frames; hold a few decoded. */
static const size_t READ_CACHE_BYTES = (size_t)32 << 20;

size_t atm_h5_type_size(enum atm_h5_type type) {
    static const size_t sizes[] = {
        [ATM_H5_U8] = 1,  [ATM_H5_U16] = 2, [ATM_H5_U32] = 4,
        [ATM_H5_I64] = 8, [ATM_H5_F32] = 4, [ATM_H5_F64] = 8,
    };
    return sizes[type];
}

/* HDF5's type names are variables of the library, so no constant table can hold them. */
hid_t atm_h5_file_type(enum atm_h5_type type) {
    const hid_t types[] = {
        [ATM_H5_U8] = H5T_STD_U8LE,   [ATM_H5_U16] = H5T_STD_U16LE,  [ATM_H5_U32] = H5T_STD_U32LE,
        [ATM_H5_I64] = H5T_STD_I64LE, [ATM_H5_F32] = H5T_IEEE_F32LE, [ATM_H5_F64] = H5T_IEEE_F64LE,
    };
    return types[type];
}

hid_t atm_h5_memory_type(enum atm_h5_type type) {
    const hid_t types[] = {
        [ATM_H5_U8] = H5T_NATIVE_UINT8,   [ATM_H5_U16] = H5T_NATIVE_UINT16,
        [ATM_H5_U32] = H5T_NATIVE_UINT32, [ATM_H5_I64] = H5T_NATIVE_INT64,
        [ATM_H5_F32] = H5T_NATIVE_FLOAT,  [ATM_H5_F64] = H5T_NATIVE_DOUBLE,
    };
    return types[type];
}

enum atm_status atm_h5_write(struct atm_h5 *file, const char *name, enum atm_h5_type type, int rank,
                             const ptrdiff_t *dims, const void *data, struct atm_err *err) {
    hsize_t extents[ATM_H5_MAX_RANK];
    hsize_t elements = 1;
    for (int i = 0; i < rank; i++)
        elements *= extents[i] = (hsize_t)dims[i];
    hid_t link = atm_h5_link_properties(), properties = atm_h5_set_properties();
    hid_t space = rank > 0 ? H5Screate_simple(rank, extents, NULL) : H5Screate(H5S_SCALAR);
    hid_t set =
        H5Dcreate2(file->id, name, atm_h5_file_type(type), space, link, properties, H5P_DEFAULT);
    bool good = set >= 0 && (elements == 0 || H5Dwrite(set, atm_h5_memory_type(type), H5S_ALL,
                                                       H5S_ALL, H5P_DEFAULT, data) >= 0);
    enum atm_status status = atm_h5_check_write(file, good, err, "write %s", name);
    if (set >= 0)
        H5Dclose(set);
    H5Sclose(space);
    H5Pclose(properties);
    H5Pclose(link);
    return status;
}

enum atm_status atm_h5_write_empty(struct atm_h5 *file, const char *name, enum atm_h5_type type,
                                   struct atm_err *err) {
    hid_t link = atm_h5_link_properties(), properties = atm_h5_set_properties();
    hid_t space = H5Screate(H5S_NULL);
    hid_t set =
        H5Dcreate2(file->id, name, atm_h5_file_type(type), space, link, properties, H5P_DEFAULT);
    enum atm_status status = atm_h5_check_write(file, set >= 0, err, "write %s", name);
    if (set >= 0)
        H5Dclose(set);
    H5Sclose(space);
    H5Pclose(properties);
    H5Pclose(link);
    return status;
}

/* Extents that fit our indices, and whose product does. */
static enum atm_status take_shape(const struct atm_h5 *file, const char *name, hid_t set, int *rank,
                                  ptrdiff_t dims[ATM_H5_MAX_RANK], struct atm_err *err) {
    hid_t space = H5Dget_space(set);
    hsize_t extents[ATM_H5_MAX_RANK];
    ptrdiff_t elements = 1;
    int found = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    bool good = found >= 0 && found <= ATM_H5_MAX_RANK &&
                H5Sget_simple_extent_dims(space, extents, NULL) >= 0;
    for (int i = 0; good && i < found; i++) {
        good = extents[i] <= PTRDIFF_MAX / sizeof(double);
        dims[i] = good ? (ptrdiff_t)extents[i] : 0;
        ptrdiff_t factor = dims[i] > 0 ? dims[i] : 1;
        good = good && !__builtin_mul_overflow(elements, factor, &elements);
    }
    if (space >= 0)
        H5Sclose(space);
    *rank = found;
    if (good)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: %s has an unusable shape (more than %d axes, or too large)", file->path,
                       name, ATM_H5_MAX_RANK);
}

enum atm_status atm_h5_shape(const struct atm_h5 *file, const char *name, int *rank,
                             ptrdiff_t dims[ATM_H5_MAX_RANK], struct atm_err *err) {
    hid_t set = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (set < 0)
        return atm_h5_fail(file, err, "read %s", name);
    enum atm_status status = take_shape(file, name, set, rank, dims, err);
    H5Dclose(set);
    return status;
}

enum atm_status atm_h5_kind(const struct atm_h5 *file, const char *name,
                            char kind[ATM_H5_KIND_SIZE], struct atm_err *err) {
    hid_t set = H5Dopen2(file->id, name, H5P_DEFAULT);
    hid_t type = set >= 0 ? H5Dget_type(set) : H5I_INVALID_HID;
    if (type < 0) {
        enum atm_status status = atm_h5_fail(file, err, "read %s", name);
        if (set >= 0)
            H5Dclose(set);
        return status;
    }
    H5T_class_t class = H5Tget_class(type);
    int bits = (int)(H5Tget_size(type) * 8);
    if (class == H5T_INTEGER)
        snprintf(kind, ATM_H5_KIND_SIZE, "%sint%d", H5Tget_sign(type) ? "" : "u", bits);
    else if (class == H5T_FLOAT)
        snprintf(kind, ATM_H5_KIND_SIZE, "float%d", bits);
    else
        snprintf(kind, ATM_H5_KIND_SIZE, "%s",
                 class == H5T_COMPOUND ? "table"
                 : class == H5T_STRING ? "text"
                                       : "other");
    H5Tclose(type);
    H5Dclose(set);
    return ATM_OK;
}

static enum atm_status check_numbers(const struct atm_h5 *file, const char *name, hid_t set,
                                     struct atm_err *err) {
    hid_t type = H5Dget_type(set);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    if (type >= 0)
        H5Tclose(type);
    if (class == H5T_INTEGER || class == H5T_FLOAT)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL, "%s: %s does not hold plain numbers", file->path, name);
}

enum atm_status atm_h5_read(const struct atm_h5 *file, const char *name, enum atm_h5_type type,
                            ptrdiff_t count, void *data, struct atm_err *err) {
    hid_t set = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (set < 0)
        return atm_h5_fail(file, err, "read %s", name);
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK], elements = 1;
    enum atm_status status = take_shape(file, name, set, &rank, dims, err);
    if (status == ATM_OK)
        status = check_numbers(file, name, set, err);
    for (int i = 0; status == ATM_OK && i < rank; i++)
        elements *= dims[i];
    if (status == ATM_OK && elements != count)
        status = atm_err_set(err, ATM_FAIL, "%s: %s has %td elements where %td are needed",
                             file->path, name, elements, count);
    if (status == ATM_OK && count > 0 &&
        H5Dread(set, atm_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = atm_h5_fail(file, err, "read %s", name);
    H5Dclose(set);
    return status;
}

/* ---- frames ---- */

void atm_h5_frames_release(struct atm_h5 *file) {
    if (file->frames->set >= 0)
        H5Dclose(file->frames->set);
    atm_mem_free(file->frames->name);
    *file->frames = (struct atm_h5_frames){.set = H5I_INVALID_HID};
}

/* Keep `set` (owned from here on) as the open stack. */
static enum atm_status keep_frames(const struct atm_h5 *file, const char *name, hid_t set,
                                   struct atm_err *err) {
    struct atm_h5_frames *frames = file->frames;
    if (frames->set >= 0)
        H5Dclose(frames->set);
    atm_mem_free(frames->name);
    frames->set = set;
    frames->name = atm_mem_alloc(strlen(name) + 1, 1);
    if (!frames->name)
        return atm_err_memory(err, name);
    memcpy(frames->name, name, strlen(name));
    return ATM_OK;
}

static enum atm_status open_frames(const struct atm_h5 *file, const char *name,
                                   struct atm_err *err) {
    struct atm_h5_frames *frames = file->frames;
    if (frames->set >= 0 && frames->name && strcmp(frames->name, name) == 0)
        return ATM_OK;
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, READ_CACHE_BYTES,
                       H5D_CHUNK_CACHE_W0_DEFAULT);
    hid_t set = H5Dopen2(file->id, name, access);
    enum atm_status status = ATM_OK;
    if (set < 0)
        status = atm_h5_fail(file, err, "read %s", name);
    else
        status = keep_frames(file, name, set, err);
    H5Pclose(access);
    return status;
}

static hsize_t frames_per_chunk(enum atm_h5_type type, ptrdiff_t height, ptrdiff_t width) {
    size_t fit = SMALL_CHUNK_BYTES / ((size_t)height * (size_t)width * atm_h5_type_size(type));
    return fit < 1 ? 1 : fit > 64 ? 64 : fit;
}

enum atm_status atm_h5_frames_create(struct atm_h5 *file, const char *name, enum atm_h5_type type,
                                     ptrdiff_t height, ptrdiff_t width, int gzip,
                                     struct atm_err *err) {
    const hsize_t h = (hsize_t)height, w = (hsize_t)width;
    const hsize_t none[3] = {0, h, w}, most[3] = {H5S_UNLIMITED, h, w};
    const hsize_t chunk[3] = {frames_per_chunk(type, height, width), h, w};
    hid_t link = atm_h5_link_properties(), properties = atm_h5_set_properties();
    hid_t space = H5Screate_simple(3, none, most);
    H5Pset_chunk(properties, 3, chunk);
    if (gzip > 0) {
        H5Pset_shuffle(properties);
        H5Pset_deflate(properties, (unsigned)gzip);
    }
    hid_t set =
        H5Dcreate2(file->id, name, atm_h5_file_type(type), space, link, properties, H5P_DEFAULT);
    enum atm_status status = atm_h5_check_write(file, set >= 0, err, "write %s", name);
    if (set >= 0 && status != ATM_OK)
        H5Dclose(set);
    else if (set >= 0)
        status = keep_frames(file, name, set, err);
    H5Sclose(space);
    H5Pclose(properties);
    H5Pclose(link);
    return status;
}

enum atm_status atm_h5_frames_append(struct atm_h5 *file, const char *name, enum atm_h5_type type,
                                     ptrdiff_t count, ptrdiff_t height, ptrdiff_t width,
                                     const void *data, struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK];
    enum atm_status status = open_frames(file, name, err);
    if (status != ATM_OK || count == 0)
        return status;
    hid_t set = file->frames->set, space = H5I_INVALID_HID, memory = H5I_INVALID_HID;
    status = take_shape(file, name, set, &rank, dims, err);
    if (status != ATM_OK)
        return status;
    if (rank != 3 || dims[1] != height || dims[2] != width)
        return atm_err_set(err, ATM_FAIL, "%s: frames of %td x %td do not fit into %s", file->path,
                           width, height, name);
    const hsize_t h = (hsize_t)height, w = (hsize_t)width;
    const hsize_t grown[3] = {(hsize_t)(dims[0] + count), h, w};
    const hsize_t start[3] = {(hsize_t)dims[0], 0, 0}, extent[3] = {(hsize_t)count, h, w};
    memory = H5Screate_simple(3, extent, NULL);
    bool good = H5Dset_extent(set, grown) >= 0 && (space = H5Dget_space(set)) >= 0 &&
                H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL) >= 0 &&
                H5Dwrite(set, atm_h5_memory_type(type), memory, space, H5P_DEFAULT, data) >= 0;
    status = atm_h5_check_write(file, good, err, "write frame %td of %s", dims[0], name);
    if (space >= 0)
        H5Sclose(space);
    H5Sclose(memory);
    return status;
}

enum atm_status atm_h5_frames_read(const struct atm_h5 *file, const char *name, ptrdiff_t first,
                                   ptrdiff_t count, float *data, struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK];
    enum atm_status status = open_frames(file, name, err);
    if (status == ATM_OK)
        status = take_shape(file, name, file->frames->set, &rank, dims, err);
    if (status == ATM_OK)
        status = check_numbers(file, name, file->frames->set, err);
    if (status != ATM_OK)
        return status;
    ptrdiff_t frames = rank == 3 ? dims[0] : 1;
    if ((rank != 2 && rank != 3) || first < 0 || count < 0 || count > frames - first)
        return atm_err_set(err, ATM_FAIL, "%s: %s has no frames %td to %td", file->path, name,
                           first, first + count - 1);
    if (count == 0)
        return ATM_OK;
    const hsize_t start[3] = {(hsize_t)first, 0, 0};
    const hsize_t extent[3] = {(hsize_t)count, (hsize_t)dims[rank - 2], (hsize_t)dims[rank - 1]};
    const int skip = 3 - rank; /* a single frame has no first axis */
    hid_t space = H5Dget_space(file->frames->set);
    hid_t memory = H5Screate_simple(rank, extent + skip, NULL);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start + skip, NULL, extent + skip, NULL) < 0 ||
        H5Dread(file->frames->set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, data) < 0)
        status =
            atm_h5_fail(file, err, "read frames %td to %td of %s", first, first + count - 1, name);
    H5Sclose(memory);
    H5Sclose(space);
    return status;
}
