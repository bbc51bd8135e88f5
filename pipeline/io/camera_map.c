#include "camera.h"
#include "mem.h"

static enum atm_status read_values(struct atm_movie *movie, double least, float *map,
                                   struct atm_err *err) {
    const struct atm_movie_info *info = atm_movie_info(movie);
    enum atm_status status = atm_movie_read(movie, 0, 1, map, err);
    for (ptrdiff_t i = 0; i < info->height * info->width && !status; i++)
        if ((double)map[i] < least)
            status = atm_err_set(err, ATM_FAIL, "%s: %g at column %td, row %td is less than %g",
                                 atm_movie_path(movie), (double)map[i], i % info->width,
                                 i / info->width, least);
    return status;
}

enum atm_status atm_camera_read_map(const char *path, ptrdiff_t height, ptrdiff_t width,
                                    double least, float **map, uint64_t *hash,
                                    struct atm_err *err) {
    struct atm_movie *movie = NULL;
    uint64_t own = 0;
    *map = NULL;
    enum atm_status status = atm_movie_open(path, NULL, &movie, err);
    if (status)
        return status;
    const struct atm_movie_info *info = atm_movie_info(movie);
    if (info->frames != 1 || info->height != height || info->width != width)
        status = atm_err_set(err, ATM_FAIL,
                             "%s: %td images of %td x %td px; a map of this camera is one of %td x "
                             "%td",
                             path, info->frames, info->width, info->height, width, height);
    if (!status && !(*map = atm_mem_alloc((size_t)(height * width), sizeof **map)))
        status = atm_err_memory(err, path);
    if (!status)
        status = read_values(movie, least, *map, err);
    if (!status)
        status = atm_movie_hash(movie, &own, err);
    *hash = *hash * 1099511628211U + own;
    atm_movie_close(&movie);
    return status;
}
