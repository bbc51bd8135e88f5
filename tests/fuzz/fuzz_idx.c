/* IDX files, plain and gzipped. */
#include "fuzz.h"

#include "fuzz_movie.h"
#include <stdlib.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct atm_movie_picture_options picture = {0};
    return fuzz_movie(data, size, &picture);
}

bool atm_fuzz_seed(int index, const char *path) {
    static const unsigned char seed[16 + 3 * 5 * 4] = {0, 0, 8, 3, 0, 0, 0, 3,  0,
                                                       0, 0, 5, 0, 0, 0, 4, 17, 99};
    if (index == 0) {
        fuzz_put(path, seed, sizeof seed);
    } else if (index == 1) {
        gzFile file = gzopen(path, "wb");
        if (!file || gzwrite(file, seed, sizeof seed) != (int)sizeof seed || gzclose(file) != Z_OK)
            exit(1);
    }
    return index < 2;
}
