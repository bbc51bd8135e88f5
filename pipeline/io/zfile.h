/* Files that may be gzipped, read as if they were not. The only place where zlib is called. */
#ifndef ATM_ZFILE_H
#define ATM_ZFILE_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

struct atm_zfile;
enum atm_status atm_zfile_open(const char *path, struct atm_zfile **file, struct atm_err *err);
/* NULL is fine. *file becomes NULL. */
void atm_zfile_close(struct atm_zfile **file);
/* Up to size bytes from offset on; *got is less at the end only. Forward reading of a gzipped file
 * is cheap, going back begins at its start. Not thread-safe. Fails on damaged files. */
enum atm_status atm_zfile_read(struct atm_zfile *file, uint64_t offset, size_t size, void *to,
                               size_t *got, struct atm_err *err);
/* Bytes that are there, at most `most`; a gzipped file is unpacked for it, in bounded memory. One
 * that is cut off counts as far as it goes. */
uint64_t atm_zfile_count(struct atm_zfile *file, uint64_t most);
/* The first bytes: head itself, or of a gzipped file what it begins with. Returns their number. */
size_t atm_zfile_head(const char *path, const unsigned char *head, size_t head_size,
                      unsigned char *bytes, size_t size);
/* The whole file with a 0 behind it, at most limit bytes. Owned by the caller (atm_mem_free). */
enum atm_status atm_zfile_text(const char *path, size_t limit, char **text, size_t *size,
                               struct atm_err *err);

#endif
