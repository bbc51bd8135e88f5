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

/* Opened so that its image is as large as the frames. */
static enum atm_status open_map(const char *path, const struct atm_movie_info *frames,
                                struct atm_movie **map, struct atm_err *err) {
    const struct atm_movie_roi *field = &frames->field;
    enum atm_status status = atm_movie_open(path, NULL, map, err);
    if (status)
        return status;
    const struct atm_movie_info *info = atm_movie_info(*map);
    bool same = info->height == frames->height && info->width == frames->width;
    bool whole = info->height == field->height && info->width == field->width;
    if (info->frames == 1 && same)
        return ATM_OK;
    if (info->frames != 1 || !whole) {
        status =
            atm_err_set(err, ATM_FAIL,
                        "%s: %td images of %td x %td px; a map of this camera is one of %td x "
                        "%td",
                        path, info->frames, info->width, info->height, field->width, field->height);
        atm_movie_close(map);
        return status;
    }
    const struct atm_movie_options part = {
        .roi = {field->x, field->y, frames->width, frames->height}};
    atm_movie_close(map);
    return atm_movie_open(path, &part, map, err);
}

enum atm_status atm_camera_read_map(const char *path, const struct atm_movie_info *movie,
                                    double least, float **map, uint64_t *hash,
                                    struct atm_err *err) {
    struct atm_movie *image = NULL;
    uint64_t own = 0;
    *map = NULL;
    enum atm_status status = open_map(path, movie, &image, err);
    if (!status && !(*map = atm_mem_alloc((size_t)(movie->height * movie->width), sizeof **map)))
        status = atm_err_memory(err, path);
    if (!status)
        status = read_values(image, least, *map, err);
    if (!status)
        status = atm_movie_hash(image, &own, err);
    *hash = *hash * 1099511628211U + own;
    atm_movie_close(&image);
    return status;
}
