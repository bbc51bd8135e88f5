/* Journals: whatever is in the file, what comes back fits where it is put. (That damage is seen
 * test_journal shows; who looks for inputs sees the checksums compared, and forges them.) */
#include "fuzz.h"

#include "journal.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNKS = 4, FRAMES = 5, ROWS = 3 };
static const char IDENTITY[] = "a run";

static void make_chunk(int chunk, struct atm_loc rows[ROWS], float chi2[FRAMES]) {
    for (int i = 0; i < ROWS; i++) {
        rows[i] = atm_loc_empty();
        rows[i].frame = chunk * FRAMES + i;
        rows[i].x = 2.385 * i, rows[i].y = chunk;
    }
    for (int i = 0; i < FRAMES; i++)
        chi2[i] = (float)(chunk + i) / 7;
}

static double tally_of(ptrdiff_t chunks) { return 2.385 * (double)chunks; }

static struct atm_journal_data data_of(float *chi2, ptrdiff_t frames, double *tally) {
    return (struct atm_journal_data){chi2, sizeof *chi2, frames, tally, sizeof *tally};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct atm_journal *journal = NULL;
    struct atm_journal_state state = {0};
    struct atm_table table;
    struct atm_err err = {0};
    struct atm_fuzz_file file;
    float chi2[CHUNKS * FRAMES];
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    atm_table_init(&table);
    double tally = 0;
    const struct atm_journal_data to = data_of(chi2, CHUNKS * FRAMES, &tally);
    enum atm_status status =
        atm_journal_open(file.path, IDENTITY, &table, &to, &journal, &state, &err);
    if (status != ATM_OK && !err.text[0])
        abort();
    if (status == ATM_OK && (state.frames < 0 || state.frames > CHUNKS * FRAMES ||
                             state.chunks < 0 || table.count > table.capacity))
        abort();
    atm_journal_close(&journal);
    atm_table_free(&table);
    atm_fuzz_file_close(&file);
    return 0;
}

bool atm_fuzz_seed(int index, const char *path) {
    struct atm_journal *journal = NULL;
    struct atm_journal_state state;
    struct atm_table table;
    float chi2[CHUNKS * FRAMES];
    if (index != 0)
        return false;
    atm_table_init(&table);
    double tally = 0;
    const struct atm_journal_data to = data_of(chi2, CHUNKS * FRAMES, &tally);
    bool good = atm_journal_open(path, IDENTITY, &table, &to, &journal, &state, NULL) == ATM_OK;
    for (int chunk = 0; good && chunk < CHUNKS; chunk++) {
        struct atm_loc rows[ROWS];
        make_chunk(chunk, rows, chi2);
        tally = tally_of(chunk + 1);
        const struct atm_journal_data chunk_data = data_of(chi2, FRAMES, &tally);
        good = atm_journal_append(journal, rows, ROWS, &chunk_data, NULL) == ATM_OK;
    }
    atm_journal_close(&journal);
    atm_table_free(&table);
    return good;
}
