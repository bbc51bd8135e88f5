/* A folder of its own for each test program; every test takes its files away, so leaving the folder
 * fails where one was left. To be included after cmocka. */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/atm_test_XXXXXX";

/* Path of a file in the folder, until the next call. */
static inline const char *at(const char *file) {
    static char name[128];
    snprintf(name, sizeof name, "%s/%s", folder, file);
    return name;
}

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int drop_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

/* The same with the folder as the current one. */
static inline int enter_folder(void **state) {
    return make_folder(state) == 0 && chdir(folder) == 0 ? 0 : -1;
}

static inline int leave_folder(void **state) { return chdir("/") == 0 ? drop_folder(state) : -1; }

#endif
