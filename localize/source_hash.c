#include "localize.h"
#include "mem.h"

#include <xxhash.h>

enum atm_status atm_source_hash(struct atm_source *source, uint64_t *hash, struct atm_err *err) {
    const struct atm_source_info *info = atm_source_info(source);
    const size_t pixels = (size_t)(info->height * info->width);
    float *image = atm_mem_alloc(ATM_SOURCE_CHUNK * pixels, 2 * sizeof *image);
    enum atm_status status = image ? ATM_OK : atm_err_memory(err, "reading the movie");
    *hash = 0;
    for (ptrdiff_t chunk = 0, count; !status && chunk < info->chunks; chunk++) {
        float *background = image + ATM_SOURCE_CHUNK * pixels;
        status = atm_source_read(source, chunk, image, background, &count, err);
        if (!status)
            *hash = XXH3_64bits_withSeed(image, (size_t)count * pixels * sizeof *image, *hash);
    }
    atm_mem_free(image);
    return status;
}
