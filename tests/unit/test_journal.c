/* The journal of a run: whatever is left of it, a run goes on from whole chunks. */
#include "journal.h"

#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "test_folder.h"

enum { CHUNKS = 3, FRAMES = 2, ROWS = 3, ALL_FRAMES = CHUNKS * FRAMES };
static const char NAME[] = "run.journal";

struct run {
    struct atm_journal *journal;
    struct atm_journal_state state;
    struct atm_table table;
    float chi2[ALL_FRAMES];
    double tally;
};

static struct atm_journal_data data_of(struct run *run) {
    return (struct atm_journal_data){run->chi2, sizeof *run->chi2, ALL_FRAMES, &run->tally,
                                     sizeof run->tally};
}

static void open_as(struct run *run, const char *identity) {
    struct atm_err err = {0};
    *run = (struct run){0};
    atm_table_init(&run->table);
    const struct atm_journal_data data = data_of(run);
    if (atm_journal_open(NAME, identity, &run->table, &data, &run->journal, &run->state, &err))
        fail_msg("%s", err.text);
}

static void close_run(struct run *run) {
    atm_journal_close(&run->journal);
    atm_table_free(&run->table);
}

static struct atm_loc row_of(int chunk, int i) {
    struct atm_loc row = atm_loc_empty();
    row.frame = chunk * FRAMES + i % FRAMES;
    row.x = 2.385 * i + chunk, row.y = 0.1 * i;
    return row;
}

static enum atm_status append(struct run *run, int chunk, struct atm_err *err) {
    struct atm_loc rows[ROWS];
    float chi2[FRAMES];
    for (int i = 0; i < ROWS; i++)
        rows[i] = row_of(chunk, i);
    for (int i = 0; i < FRAMES; i++)
        chi2[i] = (float)(chunk * FRAMES + i) / 7;
    double tally = 2.385 * (chunk + 1);
    const struct atm_journal_data data = {chi2, sizeof *chi2, FRAMES, &tally, sizeof tally};
    return atm_journal_append(run->journal, rows, ROWS, &data, err);
}

/* A finished journal, once written and kept as bytes: syncing is slow. */
static char whole[4096];
static ptrdiff_t whole_size, record_size;
enum { HEADER_SIZE = 40 };

static void put(ptrdiff_t size) {
    int fd = open(NAME, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_int_equal(write(fd, whole, (size_t)size), size);
    close(fd);
}

static int make_whole(void **state) {
    struct run run;
    if (enter_folder(state))
        return -1;
    open_as(&run, "a");
    for (int chunk = 0; chunk < CHUNKS; chunk++)
        assert_int_equal(append(&run, chunk, NULL), ATM_OK);
    close_run(&run);
    int fd = open(NAME, O_RDONLY);
    whole_size = read(fd, whole, sizeof whole);
    record_size = (whole_size - HEADER_SIZE) / CHUNKS;
    close(fd);
    return unlink(NAME);
}

static void check_chunks(const struct run *run, ptrdiff_t chunks) {
    assert_int_equal(run->state.chunks, chunks);
    assert_int_equal(run->state.frames, chunks * FRAMES);
    assert_int_equal(run->table.count, chunks * ROWS);
    for (int i = 0; i < chunks * ROWS; i++) {
        const struct atm_loc wanted = row_of(i / ROWS, i % ROWS);
        assert_true(run->table.rows[i].x == wanted.x && run->table.rows[i].frame == wanted.frame);
    }
    for (int i = 0; i < chunks * FRAMES; i++)
        assert_true(run->chi2[i] == (float)i / 7);
    assert_true(run->tally == 2.385 * (double)chunks);
}

static ptrdiff_t size_of_file(void) {
    struct stat info;
    assert_int_equal(stat(NAME, &info), 0);
    return (ptrdiff_t)info.st_size;
}

/* A kill leaves any beginning of the file; a power cut may leave zeros behind it. A record may end
 * in zeros itself, so that what is cut from it comes back. */
static void goes_on_after_any_end(void **state) {
    (void)state;
    enum { STEP = 17 };
    for (int zeros = 0; zeros < 2; zeros++)
        for (ptrdiff_t length = 0; length <= whole_size; length += STEP) {
            struct run run;
            ptrdiff_t chunks = length < HEADER_SIZE ? 0 : (length - HEADER_SIZE) / record_size;
            put(length);
            if (zeros)
                assert_int_equal(truncate(NAME, whole_size + 100), 0);
            open_as(&run, "a");
            assert_false(run.state.replaced && length < 8);
            check_chunks(&run, zeros && run.state.chunks > chunks ? chunks + 1 : chunks);
            for (int chunk = (int)run.state.chunks; chunk < CHUNKS; chunk++)
                assert_int_equal(append(&run, chunk, NULL), ATM_OK);
            close_run(&run);
            assert_int_equal(size_of_file(), whole_size);
            open_as(&run, "a");
            check_chunks(&run, CHUNKS);
            close_run(&run);
        }
    unlink(NAME);
}

static void one_wrong_byte_costs_its_chunk(void **state) {
    (void)state;
    for (ptrdiff_t at = HEADER_SIZE; at < whole_size; at += 11) {
        struct run run;
        whole[at] ^= 0x10;
        put(whole_size);
        whole[at] ^= 0x10;
        open_as(&run, "a");
        check_chunks(&run, (at - HEADER_SIZE) / record_size);
        close_run(&run);
    }
    unlink(NAME);
}

static void another_run_begins_afresh(void **state) {
    (void)state;
    struct run run;
    put(whole_size);
    open_as(&run, "b");
    assert_true(run.state.replaced);
    check_chunks(&run, 0);
    close_run(&run);
    unlink(NAME);
}

static void refuse(const char *why) {
    struct atm_err err = {0};
    struct run run = {0};
    atm_table_init(&run.table);
    const struct atm_journal_data data = data_of(&run);
    assert_int_equal(
        atm_journal_open(NAME, "a", &run.table, &data, &run.journal, &run.state, &err), ATM_FAIL);
    assert_null(run.journal);
    if (!strstr(err.text, why))
        fail_msg("%s", err.text);
}

static void other_files_and_other_writers_are_left_alone(void **state) {
    (void)state;
    static const char text[] = "my own notes, which are not to be lost";
    char back[sizeof text];
    int fd = open(NAME, O_RDWR | O_CREAT, 0666);
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    refuse("a file of something else");
    assert_int_equal(pread(fd, back, sizeof back, 0), sizeof text);
    assert_string_equal(back, text);
    close(fd);
    struct run run;
    put(whole_size);
    open_as(&run, "a");
    refuse("another run is writing it");
    close_run(&run);
    open_as(&run, "a");
    check_chunks(&run, CHUNKS);
    close_run(&run);
    unlink(NAME);
}

/* A disk that is full in the middle of a record, and has room again. */
static void full_disk_is_said_and_survived(void **state) {
    (void)state;
    struct rlimit limit, small;
    struct run run;
    struct atm_err err = {0};
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    for (ptrdiff_t room = 1; room < record_size; room += 29) {
        put(HEADER_SIZE + record_size);
        open_as(&run, "a");
        small.rlim_cur = (rlim_t)(HEADER_SIZE + record_size + room);
        setrlimit(RLIMIT_FSIZE, &small);
        enum atm_status status = append(&run, 1, &err);
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(status, ATM_FAIL);
        assert_non_null(strstr(err.text, "the same command continues"));
        close_run(&run);
        open_as(&run, "a");
        check_chunks(&run, 1);
        close_run(&run);
    }
    unlink(NAME);
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_after_any_end),
        cmocka_unit_test(one_wrong_byte_costs_its_chunk),
        cmocka_unit_test(another_run_begins_afresh),
        cmocka_unit_test(other_files_and_other_writers_are_left_alone),
        cmocka_unit_test(full_disk_is_said_and_survived),
    };
    return cmocka_run_group_tests(tests, make_whole, leave_folder);
}
