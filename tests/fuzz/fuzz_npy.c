/* NumPy files, averaged to another size. */
#include "fuzz.h"

#include "fuzz_movie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct atm_movie_picture_options picture = {.size_px = 9};
    return fuzz_movie(data, size, &picture);
}

bool atm_fuzz_seed(int index, const char *path) {
    static const char *const dicts[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 10, 12), }",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (7, 9), }",
    };
    enum { HEADER = 80 };
    unsigned char bytes[HEADER + 400] = "\x93NUMPY\x01";
    if (index < 0 || index >= (int)(sizeof dicts / sizeof *dicts))
        return false;
    bytes[8] = HEADER - 10;
    memset(bytes + 10, ' ', HEADER - 10);
    memcpy(bytes + 10, dicts[index], strlen(dicts[index]));
    bytes[HEADER - 1] = '\n';
    fuzz_put(path, bytes, sizeof bytes);
    return true;
}
