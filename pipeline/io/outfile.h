/* Outputs appear under their final name only when complete: written beside it under a temporary
 * name, synced, then renamed. */
#ifndef ATM_OUTFILE_H
#define ATM_OUTFILE_H

#include "err.h"

struct atm_outfile {
    char *path;      /* owned: final name */
    char *temporary; /* owned: name to write to, "<path>.part" */
};

/* Check that the folder exists and is writable, create an empty temporary file. */
enum atm_status atm_outfile_begin(struct atm_outfile *file, const char *path, struct atm_err *err);
/* Sync the temporary file and rename it. Releases the struct in every case; on failure the
 * temporary file is removed. */
enum atm_status atm_outfile_commit(struct atm_outfile *file, struct atm_err *err);
/* Remove the temporary file; harmless after commit and on a zeroed struct. */
void atm_outfile_discard(struct atm_outfile *file);

/* Let the names in path's folder reach the disk, as far as the file system can. */
void atm_outfile_sync_folder(const char *path);

/* One-call form for text that is in memory. */
enum atm_status atm_outfile_write_text(const char *path, const char *text, struct atm_err *err);

#endif
