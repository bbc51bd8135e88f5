/* A fuzz target is one file tests/fuzz/fuzz_<input>.c with these two functions. It runs under
 * driver.c in the test suite, and under libFuzzer by explore.sh. */
#ifndef ATM_FUZZ_H
#define ATM_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Use the bytes as a user's file would be used. Errors are fine; crashes, leaks and hours are not.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write the index-th valid file; false when there are no more. */
bool atm_fuzz_seed(int index, const char *path);

/* The bytes as a file in memory. Owned by the caller: atm_fuzz_file_close. */
struct atm_fuzz_file {
    int fd;
    char path[64];
};
bool atm_fuzz_file_open(struct atm_fuzz_file *file, const uint8_t *data, size_t size);
void atm_fuzz_file_close(struct atm_fuzz_file *file);

#endif
