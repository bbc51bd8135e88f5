/* Compound tables as PyTables, pandas and h5py read them. */
#include "h5_private.h"

#include "mem.h"
#include <string.h>

enum { GZIP_LEVEL = 4, ROWS_PER_CHUNK = 4096, MAX_FIELDS = 128 };

/* Packed type of the fields as stored in a file. */
static hid_t stored_type(const struct atm_h5_field *fields, int field_count) {
    size_t size = 0, offset = 0;
    for (int i = 0; i < field_count; i++)
        size += atm_h5_type_size(fields[i].file_type);
    hid_t type = H5Tcreate(H5T_COMPOUND, size);
    for (int i = 0; i < field_count; i++) {
        H5Tinsert(type, fields[i].name, offset, atm_h5_file_type(fields[i].file_type));
        offset += atm_h5_type_size(fields[i].file_type);
    }
    return type;
}

/* The same fields where they lie in the caller's rows. */
static hid_t row_type(const struct atm_h5_field *fields, int field_count, size_t row_size) {
    hid_t type = H5Tcreate(H5T_COMPOUND, row_size);
    for (int i = 0; i < field_count; i++)
        H5Tinsert(type, fields[i].name, fields[i].offset,
                  atm_h5_memory_type(fields[i].memory_type));
    return type;
}

enum atm_status atm_h5_write_table(struct atm_h5 *file, const char *name,
                                   const struct atm_h5_field *fields, int field_count,
                                   const void *rows, size_t row_size, ptrdiff_t count,
                                   struct atm_err *err) {
    const hsize_t extent = (hsize_t)count, most = H5S_UNLIMITED, chunk = ROWS_PER_CHUNK;
    hid_t link = atm_h5_link_properties(), properties = atm_h5_set_properties();
    hid_t stored = stored_type(fields, field_count);
    hid_t memory = row_type(fields, field_count, row_size);
    hid_t space = H5Screate_simple(1, &extent, &most);
    H5Pset_chunk(properties, 1, &chunk);
    H5Pset_shuffle(properties);
    H5Pset_deflate(properties, GZIP_LEVEL);
    hid_t set = H5Dcreate2(file->id, name, stored, space, link, properties, H5P_DEFAULT);
    bool good =
        set >= 0 && (count == 0 || H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    enum atm_status status = atm_h5_check_write(file, good, err, "write table %s", name);
    if (set >= 0)
        H5Dclose(set);
    H5Sclose(space);
    H5Tclose(memory);
    H5Tclose(stored);
    H5Pclose(properties);
    H5Pclose(link);
    return status;
}

/* Open a 1-D compound data set with its type (both closed by the caller on success). */
static enum atm_status open_table(const struct atm_h5 *file, const char *name, hid_t *set,
                                  hid_t *type, ptrdiff_t *count, struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    enum atm_status status = atm_h5_shape(file, name, &rank, dims, err);
    if (status != ATM_OK)
        return status;
    *set = H5Dopen2(file->id, name, H5P_DEFAULT);
    *type = *set >= 0 ? H5Dget_type(*set) : H5I_INVALID_HID;
    if (*type < 0) {
        status = atm_h5_fail(file, err, "read table %s", name);
    } else if (rank != 1 || H5Tget_class(*type) != H5T_COMPOUND) {
        status = atm_err_set(err, ATM_FAIL, "%s: %s is not a table", file->path, name);
        H5Tclose(*type);
    }
    if (status != ATM_OK && *set >= 0)
        H5Dclose(*set);
    *count = dims[0];
    return status;
}

enum atm_status atm_h5_table_size(const struct atm_h5 *file, const char *name, ptrdiff_t *count,
                                  struct atm_err *err) {
    hid_t set, type;
    enum atm_status status = open_table(file, name, &set, &type, count, err);
    if (status != ATM_OK)
        return status;
    H5Tclose(type);
    H5Dclose(set);
    return ATM_OK;
}

bool atm_h5_table_has(const struct atm_h5 *file, const char *name, const char *field) {
    hid_t set, type;
    ptrdiff_t count;
    if (open_table(file, name, &set, &type, &count, NULL) != ATM_OK)
        return false;
    bool has = H5Tget_member_index(type, field) >= 0;
    H5Tclose(type);
    H5Dclose(set);
    return has;
}

static bool is_number(hid_t type, unsigned member) {
    H5T_class_t class = H5Tget_member_class(type, member);
    return class == H5T_INTEGER || class == H5T_FLOAT;
}

enum atm_status atm_h5_table_fields(const struct atm_h5 *file, const char *name,
                                    enum atm_status (*visit)(void *context, const char *field),
                                    void *context, struct atm_err *err) {
    hid_t set, type;
    ptrdiff_t count;
    enum atm_status status = open_table(file, name, &set, &type, &count, err);
    if (status != ATM_OK)
        return status;
    for (int i = 0; i < H5Tget_nmembers(type) && status == ATM_OK; i++) {
        char *field = H5Tget_member_name(type, (unsigned)i);
        if (field && is_number(type, (unsigned)i))
            status = visit(context, field);
        H5free_memory(field);
    }
    H5Tclose(type);
    H5Dclose(set);
    return status;
}

/* Packed type of those fields that the file has as numbers; their indices go to `found`. */
static enum atm_status common_fields(const struct atm_h5 *file, const char *name, hid_t type,
                                     const struct atm_h5_field *fields, int field_count,
                                     int found[MAX_FIELDS], int *found_count, struct atm_err *err) {
    *found_count = 0;
    for (int i = 0; i < field_count && *found_count < MAX_FIELDS; i++) {
        int member = H5Tget_member_index(type, fields[i].name);
        if (member < 0)
            continue;
        if (!is_number(type, (unsigned)member))
            return atm_err_set(err, ATM_FAIL, "%s: column %s of %s is not a number", file->path,
                               fields[i].name, name);
        found[(*found_count)++] = i;
    }
    return ATM_OK;
}

/* A block of rows, packed, and where its fields go. */
struct packing {
    const struct atm_h5_field *fields;
    int found[MAX_FIELDS], count;
    size_t size; /* bytes of a packed row */
};

static hid_t packed_type(struct packing *packing) {
    packing->size = 0;
    for (int i = 0; i < packing->count; i++)
        packing->size += atm_h5_type_size(packing->fields[packing->found[i]].memory_type);
    hid_t type = H5Tcreate(H5T_COMPOUND, packing->size);
    size_t offset = 0;
    for (int i = 0; i < packing->count; i++) {
        const struct atm_h5_field *field = &packing->fields[packing->found[i]];
        H5Tinsert(type, field->name, offset, atm_h5_memory_type(field->memory_type));
        offset += atm_h5_type_size(field->memory_type);
    }
    return type;
}

static void unpack(const struct packing *packing, const char *block, ptrdiff_t count, char *rows,
                   size_t row_size) {
    for (ptrdiff_t r = 0; r < count; r++, rows += row_size)
        for (int i = 0; i < packing->count; i++) {
            const struct atm_h5_field *field = &packing->fields[packing->found[i]];
            size_t size = atm_h5_type_size(field->memory_type);
            memcpy(rows + field->offset, block, size);
            block += size;
        }
}

static enum atm_status read_rows(const struct atm_h5 *file, const char *name, hid_t set, hid_t type,
                                 ptrdiff_t first, ptrdiff_t count, void *block,
                                 struct atm_err *err) {
    enum atm_status status = ATM_OK;
    const hsize_t start = (hsize_t)first, extent = (hsize_t)count;
    hid_t memory = H5Screate_simple(1, &extent, NULL), space = H5Dget_space(set);
    if (space < 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &extent, NULL) < 0 ||
        H5Dread(set, type, memory, space, H5P_DEFAULT, block) < 0)
        status = atm_h5_fail(file, err, "read table %s from row %td", name, first);
    if (space >= 0)
        H5Sclose(space);
    H5Sclose(memory);
    return status;
}

static enum atm_status read_blocks(const struct atm_h5 *file, const char *name, hid_t set,
                                   struct packing *packing, char *rows, size_t row_size,
                                   ptrdiff_t count, struct atm_err *err) {
    enum atm_status status = ATM_OK;
    hid_t type = packed_type(packing);
    char *block = atm_mem_alloc(ROWS_PER_CHUNK, packing->size);
    if (!block)
        status = atm_err_memory(err, name);
    for (ptrdiff_t first = 0; first < count && status == ATM_OK; first += ROWS_PER_CHUNK) {
        ptrdiff_t some = count - first < ROWS_PER_CHUNK ? count - first : ROWS_PER_CHUNK;
        status = read_rows(file, name, set, type, first, some, block, err);
        if (status == ATM_OK)
            unpack(packing, block, some, rows + (size_t)first * row_size, row_size);
    }
    atm_mem_free(block);
    H5Tclose(type);
    return status;
}

enum atm_status atm_h5_read_table(const struct atm_h5 *file, const char *name,
                                  const struct atm_h5_field *fields, int field_count, void *rows,
                                  size_t row_size, ptrdiff_t count, struct atm_err *err) {
    hid_t set, type;
    ptrdiff_t stored;
    enum atm_status status = open_table(file, name, &set, &type, &stored, err);
    if (status != ATM_OK)
        return status;
    struct packing packing = {.fields = fields};
    status =
        common_fields(file, name, type, fields, field_count, packing.found, &packing.count, err);
    if (status == ATM_OK && stored != count)
        status = atm_err_set(err, ATM_FAIL, "%s: %s has %td rows where %td are needed", file->path,
                             name, stored, count);
    if (status == ATM_OK && count > 0 && packing.count > 0)
        status = read_blocks(file, name, set, &packing, rows, row_size, count, err);
    H5Tclose(type);
    H5Dclose(set);
    return status;
}
