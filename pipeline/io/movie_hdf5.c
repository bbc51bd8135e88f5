/* HDF5 stacks: /frames (T, H, W) with the camera as attributes. */
#include "movie_format.h"

#include "h5.h"
#include "mem.h"
#include <stdio.h>
#include <string.h>

static const char FRAMES[] = "/frames";

/* The signature stands at 0 or, behind a user block, at 512, 1024, 2048, ... */
static bool probe(const char *path, const unsigned char *head, size_t size) {
    (void)path;
    static const unsigned char SIGNATURE[] = "\211HDF\r\n\032\n";
    for (size_t at = 0; at + 8 <= size; at = at ? 2 * at : 512)
        if (memcmp(head + at, SIGNATURE, 8) == 0)
            return true;
    return false;
}

static enum atm_status no_frames(const struct atm_movie *movie, const struct atm_h5 *file,
                                 struct atm_err *err) {
    if (atm_h5_exists(file, "/locs"))
        return atm_err_set(err, ATM_FAIL,
                           "%s: is a table of localizations, not a movie; give the movie",
                           movie->path);
    return atm_err_set(err, ATM_FAIL,
                       "%s: has no data set %s, so it is not an HDF5 stack; convert the movie to "
                       "TIFF, or name its frames %s",
                       movie->path, FRAMES, FRAMES);
}

static enum atm_status take_shape(struct atm_movie *movie, const struct atm_h5 *file,
                                  struct atm_err *err) {
    int rank = 0;
    ptrdiff_t dims[ATM_H5_MAX_RANK] = {0};
    char kind[ATM_H5_KIND_SIZE];
    enum atm_status status = atm_h5_shape(file, FRAMES, &rank, dims, err);
    if (status == ATM_OK)
        status = atm_h5_kind(file, FRAMES, kind, err);
    if (status != ATM_OK)
        return status;
    if (rank != 2 && rank != 3)
        return atm_err_set(err, ATM_FAIL, "%s: %s has %d axes; it must be (frames, height, width)",
                           movie->path, FRAMES, rank);
    if (!strstr(kind, "int") && !strstr(kind, "float"))
        return atm_err_set(err, ATM_FAIL, "%s: %s holds no numbers but %s", movie->path, FRAMES,
                           kind);
    movie->info.frames = rank == 3 ? dims[0] : 1;
    movie->info.height = dims[rank - 2];
    movie->info.width = dims[rank - 1];
    snprintf(movie->info.sample, sizeof movie->info.sample, "%s", kind);
    if (movie->info.frames == 0)
        return atm_err_set(err, ATM_FAIL, "%s: %s has no frames", movie->path, FRAMES);
    return atm_movie_check_size(movie->path, FRAMES, (uint64_t)movie->info.height,
                                (uint64_t)movie->info.width, err);
}

static enum atm_status take_camera(struct atm_movie *movie, const struct atm_h5 *file,
                                   struct atm_err *err) {
    struct atm_camera *camera = &movie->info.camera;
    const struct {
        const char *name;
        double *value;
    } attributes[] = {
        {"pixel_size_nm", &camera->pixel_size_nm},
        {"offset", &camera->offset},
        {"gain", &camera->gain},
        {"em_gain", &camera->em_gain},
        {"qe", &camera->qe},
        {"read_noise", &camera->read_noise},
        {"exposure_ms", &camera->exposure_ms},
    };
    enum atm_status status = ATM_OK;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes && status == ATM_OK; i++)
        status = atm_h5_read_number(file, FRAMES, attributes[i].name, attributes[i].value, err);
    return status;
}

static enum atm_status open_stack(struct atm_movie *movie, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    enum atm_status status = atm_h5_open(movie->path, &file, err);
    movie->state = file;
    if (status != ATM_OK)
        return status;
    if (!atm_h5_exists(file, FRAMES))
        return no_frames(movie, file, err);
    snprintf(movie->info.format, sizeof movie->info.format, "%s", movie->format->name);
    const bool truth = atm_h5_exists(file, "/truth");
    movie->info.has_strokes = truth && atm_h5_table_has(file, "/truth", "x3");
    movie->info.has_truth = truth && !movie->info.has_strokes;
    movie->info.has_labels = atm_h5_exists(file, "/labels");
    status = take_shape(movie, file, err);
    return status == ATM_OK ? take_camera(movie, file, err) : status;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    return atm_h5_frames_read(movie->state, FRAMES, first, count, adu, err);
}

static enum atm_status read_labels(struct atm_movie *movie, int32_t *labels, struct atm_err *err) {
    const ptrdiff_t frames = movie->info.frames;
    int64_t *wide = atm_mem_alloc((size_t)frames, sizeof *wide);
    enum atm_status status = wide ? ATM_OK : atm_err_memory(err, movie->path);
    if (status == ATM_OK)
        status = atm_h5_read(movie->state, "/labels", ATM_H5_I64, frames, wide, err);
    for (ptrdiff_t t = 0; status == ATM_OK && t < frames; t++)
        labels[t] = wide[t] >= 0 && wide[t] <= INT32_MAX ? (int32_t)wide[t] : -1;
    atm_mem_free(wide);
    return status;
}

static void close_stack(struct atm_movie *movie) {
    struct atm_h5 *file = movie->state;
    atm_h5_close(&file, NULL);
}

const struct atm_movie_format atm_movie_hdf5 = {
    .name = "HDF5 stack",
    .probe = probe,
    .open = open_stack,
    .read = read_frames,
    .read_labels = read_labels,
    .close = close_stack,
};
