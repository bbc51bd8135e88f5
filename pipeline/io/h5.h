/* The only place where HDF5 is called. Objects carry no times, so equal content is equal bytes.
 * Not thread-safe: use from one thread. HDF5's own messages are captured into atm_err. */
#ifndef ATM_H5_H
#define ATM_H5_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct atm_h5; /* an open file */

enum atm_h5_type { ATM_H5_U8, ATM_H5_U16, ATM_H5_U32, ATM_H5_I64, ATM_H5_F32, ATM_H5_F64 };
size_t atm_h5_type_size(enum atm_h5_type type);

enum { ATM_H5_MAX_RANK = 4 };

/* Create truncates. Missing parent groups of a name ("/weights/enc1.weight") are created. */
enum atm_status atm_h5_create(const char *path, struct atm_h5 **file, struct atm_err *err);
/* Open for reading. The message tells a missing file from one that is not HDF5. */
enum atm_status atm_h5_open(const char *path, struct atm_h5 **file, struct atm_err *err);
/* Flush is checked. NULL is fine. *file becomes NULL. */
enum atm_status atm_h5_close(struct atm_h5 **file, struct atm_err *err);
const char *atm_h5_path(const struct atm_h5 *file);
bool atm_h5_exists(const struct atm_h5 *file, const char *name);
/* Objects that HDF5 still holds open in this process; tests assert 0 after success and failure. */
ptrdiff_t atm_h5_open_objects(void);

/* Names of the members of a group in alphabetical order. Stops early when visit does not return
 * ATM_OK. */
enum atm_status atm_h5_list(const struct atm_h5 *file, const char *group,
                            enum atm_status (*visit)(void *context, const char *name),
                            void *context, struct atm_err *err);

/* Whole arrays, row-major; the file type is `type`, little-endian. */
enum atm_status atm_h5_write(struct atm_h5 *file, const char *name, enum atm_h5_type type, int rank,
                             const ptrdiff_t *dims, const void *data, struct atm_err *err);
/* A data set without a value (h5py: Empty), for what is not known. */
enum atm_status atm_h5_write_empty(struct atm_h5 *file, const char *name, enum atm_h5_type type,
                                   struct atm_err *err);
/* A group, to carry attributes. */
enum atm_status atm_h5_write_group(struct atm_h5 *file, const char *name, struct atm_err *err);
/* Shape of a data set; rank <= ATM_H5_MAX_RANK is checked. */
enum atm_status atm_h5_shape(const struct atm_h5 *file, const char *name, int *rank,
                             ptrdiff_t dims[ATM_H5_MAX_RANK], struct atm_err *err);
/* What the file stores: "uint16", "float32", ..., "text", "table" (compound) or "other". */
enum { ATM_H5_KIND_SIZE = 16 };
enum atm_status atm_h5_kind(const struct atm_h5 *file, const char *name,
                            char kind[ATM_H5_KIND_SIZE], struct atm_err *err);
/* Read a whole data set of exactly `count` elements, converted to `type`. */
enum atm_status atm_h5_read(const struct atm_h5 *file, const char *name, enum atm_h5_type type,
                            ptrdiff_t count, void *data, struct atm_err *err);

/* Attributes of an object ("/" for the file). read_number leaves *value alone if absent. */
enum atm_status atm_h5_write_number(struct atm_h5 *file, const char *object, const char *name,
                                    double value, struct atm_err *err);
enum atm_status atm_h5_write_numbers(struct atm_h5 *file, const char *object, const char *name,
                                     const double *values, ptrdiff_t count, struct atm_err *err);
enum atm_status atm_h5_read_number(const struct atm_h5 *file, const char *object, const char *name,
                                   double *value, struct atm_err *err);
/* The same for an array of 1 to `most` numbers; *count stays 0 if absent. */
enum atm_status atm_h5_read_numbers(const struct atm_h5 *file, const char *object, const char *name,
                                    double *values, ptrdiff_t most, ptrdiff_t *count,
                                    struct atm_err *err);
enum atm_status atm_h5_write_text(struct atm_h5 *file, const char *object, const char *name,
                                  const char *text, struct atm_err *err);
/* *text is owned by the caller (atm_mem_free); NULL if absent. */
enum atm_status atm_h5_read_text(const struct atm_h5 *file, const char *object, const char *name,
                                 char **text, struct atm_err *err);

/* Compound tables: 1-D, chunked, extensible, gzip, little-endian, as PyTables and pandas read them.
 */
struct atm_h5_field {
    const char *name;
    enum atm_h5_type file_type;
    enum atm_h5_type memory_type;
    size_t offset; /* in the row struct in memory */
};
enum atm_status atm_h5_write_table(struct atm_h5 *file, const char *name,
                                   const struct atm_h5_field *fields, int field_count,
                                   const void *rows, size_t row_size, ptrdiff_t count,
                                   struct atm_err *err);
enum atm_status atm_h5_table_size(const struct atm_h5 *file, const char *name, ptrdiff_t *count,
                                  struct atm_err *err);
/* Names of the columns that are numbers, in the file's order. */
enum atm_status atm_h5_table_fields(const struct atm_h5 *file, const char *name,
                                    enum atm_status (*visit)(void *context, const char *field),
                                    void *context, struct atm_err *err);
bool atm_h5_table_has(const struct atm_h5 *file, const char *name, const char *field);
/* Fields that the file has are converted and filled; others are left as the caller set them. */
enum atm_status atm_h5_read_table(const struct atm_h5 *file, const char *name,
                                  const struct atm_h5_field *fields, int field_count, void *rows,
                                  size_t row_size, ptrdiff_t count, struct atm_err *err);

/* Frame stacks (T, H, W), one chunk per frame (or a few small ones), gzip level 0..9; appended and
 * read frame by frame. T need not be known. A single (H, W) data set reads as one frame. */
enum atm_status atm_h5_frames_create(struct atm_h5 *file, const char *name, enum atm_h5_type type,
                                     ptrdiff_t height, ptrdiff_t width, int gzip,
                                     struct atm_err *err);
enum atm_status atm_h5_frames_append(struct atm_h5 *file, const char *name, enum atm_h5_type type,
                                     ptrdiff_t count, ptrdiff_t height, ptrdiff_t width,
                                     const void *data, struct atm_err *err);
enum atm_status atm_h5_frames_read(const struct atm_h5 *file, const char *name, ptrdiff_t first,
                                   ptrdiff_t count, float *data, struct atm_err *err);

#endif
