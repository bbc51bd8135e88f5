/* UNIPEN text, drawn. */
#include "fuzz.h"

#include "fuzz_movie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct atm_movie_picture_options picture = {.size_px = 24};
    return fuzz_movie(data, size, &picture);
}

bool atm_fuzz_seed(int index, const char *path) {
    static const char *const seeds[] = {
        ".HIERARCHY DIGIT\n.SEGMENT DIGIT 0 ? \"8\"\n.COMMENT 8 12  224\n.PEN_DOWN\n 267  333\n "
        "267  336\n.PEN_UP\n.DT 100\n.PEN_DOWN\n 1 2\n.PEN_UP\n.SEGMENT DIGIT 1-2 OK \"x\"\n"
        ".PEN_DOWN\n 5 5\n 7e1 -3.5\n.PEN_UP\n",
        ".PEN_DOWN\r\n1 2 3\r\n4 5 6\r\n",
    };
    if (index < 0 || index >= (int)(sizeof seeds / sizeof *seeds))
        return false;
    fuzz_put(path, seeds[index], strlen(seeds[index]));
    return true;
}
