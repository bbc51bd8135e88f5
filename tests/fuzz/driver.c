/* Replays the seeds of a fuzz target and mutations of them. Without arguments: the fixed set that
 * the test suite runs. Every mutation follows from its number alone, so a failure is repeated by
 *   fuzz_x -first N -runs 1
 * fuzz_x [-runs COUNT] [-first N] [-dump FOLDER] [FILE ...]   files are run as they are */
#include "fuzz.h"

#include "mem.h"
#include "rng.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SEEDS = 64, MAX_BYTES = 1 << 20, SUITE_RUNS = 400, SECONDS = 60 };

struct blob {
    uint8_t *bytes;
    size_t size;
};

static struct blob seeds[MAX_SEEDS];
static int seed_count;
static long long current = -1; /* read by the death callback */

/* Present under the address sanitizer only. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void on_death(void) { fprintf(stderr, "at -first %lld -runs 1\n", current); }

static bool load(const char *path, struct blob *blob) {
    struct stat info;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info))
        return false;
    blob->size = (size_t)info.st_size;
    blob->bytes = atm_mem_alloc(blob->size, 1);
    bool good = blob->bytes && read(fd, blob->bytes, blob->size) == (ssize_t)blob->size;
    close(fd);
    return good;
}

/* All seeds, by way of files in `folder` that stay if keep. */
static bool make_seeds(const char *folder, bool keep) {
    for (seed_count = 0; seed_count < MAX_SEEDS; seed_count++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/seed_%02d", folder, seed_count);
        if (!atm_fuzz_seed(seed_count, path))
            break;
        bool loaded = load(path, &seeds[seed_count]);
        if (!keep)
            unlink(path);
        if (!loaded)
            return false;
    }
    return seed_count > 0;
}

static size_t below(struct atm_rng *rng, size_t limit) {
    return limit ? (size_t)(atm_rng_next(rng) % limit) : 0;
}

/* Counts, sizes and offsets are where parsers trust: boundary values of every width, either order.
 */
static void overwrite_number(struct atm_rng *rng, struct blob *blob) {
    static const uint64_t VALUES[] = {0,       1,         2,          0x7f,       0xff,
                                      0x7fff,  0xffff,    0x7fffffff, 0x80000000, 0xffffffff,
                                      0x10000, INT64_MAX, UINT64_MAX};
    size_t width = (size_t)1 << below(rng, 4);
    if (blob->size < width)
        return;
    uint64_t value = VALUES[below(rng, sizeof VALUES / sizeof *VALUES)] + below(rng, 3) - 1;
    if (below(rng, 4) == 0)
        value = below(rng, blob->size + 8);
    if (below(rng, 2))
        value = __builtin_bswap64(value) >> (64 - 8 * width);
    memcpy(blob->bytes + below(rng, blob->size - width + 1), &value, width);
}

static void mutate_once(struct atm_rng *rng, struct blob *blob) {
    if (blob->size == 0)
        return;
    size_t at = below(rng, blob->size);
    switch (below(rng, 8)) {
    case 0:
        blob->bytes[at] ^= (uint8_t)(1u << below(rng, 8));
        break;
    case 1:
        blob->bytes[at] = (uint8_t)atm_rng_next(rng);
        break;
    case 2:
        if (below(rng, 4) == 0)
            blob->size = at;
        break;
    case 3: { /* move a piece: directories, chunks, names at the wrong place */
        size_t from = below(rng, blob->size), length = 1 + below(rng, 64);
        size_t room = blob->size - (at > from ? at : from);
        memmove(blob->bytes + at, blob->bytes + from, length < room ? length : room);
        break;
    }
    default:
        overwrite_number(rng, blob);
    }
}

/* Half of the changes go to the first bytes, where the headers are. */
static void run_mutation(long long number, struct blob *scratch) {
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, (uint64_t)number);
    const struct blob *seed = &seeds[below(&rng, (size_t)seed_count)];
    scratch->size = seed->size < MAX_BYTES ? seed->size : MAX_BYTES;
    memcpy(scratch->bytes, seed->bytes, scratch->size);
    size_t changes = 1 + below(&rng, 6);
    for (size_t i = 0; i < changes; i++) {
        struct blob head = *scratch;
        if (head.size > 512 && below(&rng, 2))
            head.size = 512;
        size_t before = head.size;
        mutate_once(&rng, &head);
        if (head.size != before)
            scratch->size = head.size;
    }
    /* a copy of the exact size, so that the sanitizer sees reads behind the end */
    struct blob exact = {malloc(scratch->size + !scratch->size), scratch->size};
    if (!exact.bytes)
        exit(1);
    memcpy(exact.bytes, scratch->bytes, exact.size);
    current = number;
    alarm(SECONDS);
    LLVMFuzzerTestOneInput(exact.bytes, exact.size);
    alarm(0);
    free(exact.bytes);
}

static int run_file(const char *path) {
    struct blob blob = {0};
    if (!load(path, &blob)) {
        fprintf(stderr, "%s: cannot read\n", path);
        return 1;
    }
    LLVMFuzzerTestOneInput(blob.bytes, blob.size);
    atm_mem_free(blob.bytes);
    return 0;
}

static int run_all(long long first, long long runs) {
    struct blob scratch = {atm_mem_alloc(MAX_BYTES, 1), 0};
    if (!scratch.bytes)
        return 1;
    for (int i = 0; i < seed_count; i++)
        LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
    for (long long i = first; i < first + runs; i++)
        run_mutation(i, &scratch);
    printf("%d seeds, %lld mutations from %lld\n", seed_count, runs, first);
    atm_mem_free(scratch.bytes);
    return 0;
}

int main(int count, char **arguments) {
    long long first = 0, runs = SUITE_RUNS;
    const char *dump = NULL;
    int files = 0, failed = 0;
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_death);
    for (int i = 1; i < count; i++) {
        bool more = i + 1 < count;
        if (more && strcmp(arguments[i], "-first") == 0)
            first = strtoll(arguments[++i], NULL, 10);
        else if (more && strcmp(arguments[i], "-runs") == 0)
            runs = strtoll(arguments[++i], NULL, 10);
        else if (more && strcmp(arguments[i], "-dump") == 0)
            dump = arguments[++i];
        else
            files++, failed |= run_file(arguments[i]);
    }
    if (files)
        return failed;
    char folder[] = "/tmp/atm_fuzz_XXXXXX";
    if (!dump && !mkdtemp(folder))
        return 1;
    bool made = make_seeds(dump ? dump : folder, dump != NULL);
    if (!dump)
        rmdir(folder);
    failed = !made || (!dump && run_all(first, runs));
    for (int i = 0; i < seed_count; i++)
        atm_mem_free(seeds[i].bytes);
    return failed;
}
