/* Outputs appear under their name complete or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "outfile.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/atm_outfile_XXXXXX";

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1; /* fails if a test left a file */
}

static void expect_text(const char *path, const char *text) {
    char read_back[64] = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, read_back, sizeof read_back - 1), strlen(text));
    close(fd);
    assert_string_equal(read_back, text);
}

static void commit_renames(void **state) {
    (void)state;
    struct atm_outfile file;
    assert_int_equal(atm_outfile_begin(&file, "a.txt", NULL), ATM_OK);
    assert_string_equal(file.temporary, "a.txt.part");
    assert_int_equal(access("a.txt.part", F_OK), 0);
    assert_int_not_equal(access("a.txt", F_OK), 0);
    assert_int_equal(atm_outfile_commit(&file, NULL), ATM_OK);
    assert_int_equal(access("a.txt", F_OK), 0);
    assert_int_not_equal(access("a.txt.part", F_OK), 0);
    atm_outfile_discard(&file); /* harmless after commit */
    unlink("a.txt");
}

static void discard_keeps_the_old_file(void **state) {
    (void)state;
    struct atm_outfile file;
    assert_int_equal(atm_outfile_write_text("b.txt", "old", NULL), ATM_OK);
    assert_int_equal(atm_outfile_begin(&file, "b.txt", NULL), ATM_OK);
    atm_outfile_discard(&file);
    assert_int_not_equal(access("b.txt.part", F_OK), 0);
    expect_text("b.txt", "old");
    assert_int_equal(atm_outfile_write_text("b.txt", "new text", NULL), ATM_OK);
    expect_text("b.txt", "new text");
    unlink("b.txt");
}

static void refuse(const char *path, const char *reason) {
    struct atm_err err = {0};
    struct atm_outfile file;
    assert_int_equal(atm_outfile_begin(&file, path, &err), ATM_FAIL);
    if (!strstr(err.text, reason) || !strstr(err.text, path))
        fail_msg("%s", err.text);
    assert_null(file.path);
    atm_outfile_discard(&file);
}

static void bad_names_are_told_apart(void **state) {
    (void)state;
    refuse("", "without a name");
    refuse("missing/c.txt", "create the folder");
    refuse(folder, "is a folder");
    refuse("d/", "is a folder");
    refuse("/dev/null", "not a regular file");
    assert_int_equal(atm_outfile_write_text("plain", "x", NULL), ATM_OK);
    refuse("plain/e.txt", "cannot write");
    unlink("plain");
    if (geteuid() == 0)
        return; /* root may write everywhere */
    mkdir("locked", 0500);
    refuse("locked/f.txt", "may write to");
    rmdir("locked");
}

static void full_disk_leaves_nothing(void **state) {
    (void)state;
    static char text[100001];
    memset(text, 'x', sizeof text - 1);
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    struct atm_err err = {0};
    enum atm_status status = atm_outfile_write_text("g.txt", text, &err);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(status, ATM_FAIL);
    assert_string_equal(err.text, "g.txt: cannot write: File too large");
    assert_int_not_equal(access("g.txt", F_OK), 0);
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_renames),
        cmocka_unit_test(discard_keeps_the_old_file),
        cmocka_unit_test(bad_names_are_told_apart),
        cmocka_unit_test(full_disk_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
