/* Journal of a localization run: finished chunks of frames, append-only, so that a run that was killed
 * continues where it was. Not portable between machines; gone when the outputs are written. */
#ifndef ATM_JOURNAL_H
#define ATM_JOURNAL_H

#include "table.h"
#include <stdbool.h>

struct atm_journal;

/* Open or create. Finished chunks of a run of the same identity (any text) are appended to table and, one
 * value a frame, to chi2 (capacity frames); *chunks receives their number. A half-written record at the
 * end is dropped; a journal of another identity is started afresh and *replaced says so; a file that is
 * no journal, or that another process is writing, is an error. */
struct atm_journal_state {
    ptrdiff_t chunks, frames;
    bool replaced;
};
enum atm_status atm_journal_open(const char *path, const char *identity, struct atm_table *table,
                                 float *chi2, ptrdiff_t capacity, struct atm_journal **journal,
                                 struct atm_journal_state *state, struct atm_err *err);
/* Append a chunk and sync it. */
enum atm_status atm_journal_append(struct atm_journal *journal, const struct atm_loc *rows,
                                   ptrdiff_t row_count, const float *chi2, ptrdiff_t frames,
                                   struct atm_err *err);
void atm_journal_close(struct atm_journal **journal);

#endif
