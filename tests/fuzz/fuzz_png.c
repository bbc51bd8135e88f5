/* PNG pictures of 8 and 16 bits. */
#include "fuzz.h"

#include "fuzz_movie.h"
#include "image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct atm_movie_picture_options picture = {0};
    return fuzz_movie(data, size, &picture);
}

bool atm_fuzz_seed(int index, const char *path) {
    enum { H = 6, W = 9 };
    static const uint8_t rgb[3 * H * W] = {200, 100, 50, 7};
    static const uint16_t gray[H * W] = {65535, 1, 300};
    if (index == 0 && atm_image_write_png(path, H, W, rgb, NULL) != ATM_OK)
        __builtin_trap();
    if (index == 1 && atm_image_write_png16(path, H, W, gray, NULL) != ATM_OK)
        __builtin_trap();
    return index < 2;
}
