/* Journal of a localization run: finished chunks of frames, append-only, so that a run that was
 * killed continues where it was. Not portable between machines; gone when the outputs are written.
 */
#ifndef ATM_JOURNAL_H
#define ATM_JOURNAL_H

#include "table.h"
#include <stdbool.h>

struct atm_journal;

/* What a run has beside its rows: a record of frame_size bytes for each frame, and one block of
 * tally_size bytes that sums up all frames so far (0: none). */
struct atm_journal_data {
    void *frames; /* (capacity) */
    size_t frame_size;
    ptrdiff_t capacity;
    void *tally;
    size_t tally_size;
};

/* Open or create. Finished chunks of a run of the same identity (any text) and sizes are appended
 * to table and to data->frames, and data->tally receives the sums up to the last of them; *state
 * their number. A half-written record at the end is dropped; a journal of another identity is
 * started afresh and state->replaced says so; a file that is no journal, or that another process is
 * writing, is an error. */
struct atm_journal_state {
    ptrdiff_t chunks, frames;
    bool replaced;
};
enum atm_status atm_journal_open(const char *path, const char *identity, struct atm_table *table,
                                 const struct atm_journal_data *data, struct atm_journal **journal,
                                 struct atm_journal_state *state, struct atm_err *err);
/* Append a chunk and sync it: its rows, its frames' records (data->frames and capacity), and the
 * tally with it. */
enum atm_status atm_journal_append(struct atm_journal *journal, const struct atm_loc *rows,
                                   ptrdiff_t row_count, const struct atm_journal_data *data,
                                   struct atm_err *err);
void atm_journal_close(struct atm_journal **journal);

#endif
