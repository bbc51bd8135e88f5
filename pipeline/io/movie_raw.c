/* Picasso's raw movies: NAME.raw, the bare pixels, and NAME.yaml, which says what they are. */
#include "movie_format.h"

#include "mem.h"
#include "pieces.h"
#include "textfile.h"
#include "yaml_pairs.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SIDE_BYTES = 16 << 20 };

struct side {
    const char *path;
    long long frames, height, width; /* 0: not said */
    bool swapped;
    const struct atm_sample *sample;
    struct atm_camera *camera;
};

static bool probe(const char *path, const unsigned char *head, size_t size) {
    (void)head, (void)size;
    const char *dot = strrchr(path, '.');
    return dot && !strcasecmp(dot, ".raw");
}

static void take_camera(const char *key, const char *value, struct atm_camera *camera) {
    const struct {
        const char *key;
        double *value;
        double least;
    } numbers[] = {
        {"Pixelsize", &camera->pixel_size_nm, 1e-9},
        {"Baseline", &camera->offset, -1e6},
        {"Sensitivity", &camera->gain, 1e-9}, /* e- per ADU */
        {"Gain", &camera->em_gain, 1},
        {"Qe", &camera->qe, 1e-9},
        {"Exposure-ms", &camera->exposure_ms, 1e-9},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].key) != 0)
            continue;
        char *end;
        double number = strtod(value, &end);
        if (end != value && !*end && isfinite(number) && number >= numbers[i].least)
            *numbers[i].value = number;
    }
    if (!strcmp(key, "Camera"))
        snprintf(camera->name, sizeof camera->name, "%s", value);
}

static enum atm_status take_extent(const struct side *side, const char *key, const char *value,
                                   long long *extent, struct atm_err *err) {
    char *end;
    errno = 0;
    *extent = strtoll(value, &end, 10);
    if (end != value && !*end && !errno && *extent > 0 && *extent <= INT32_MAX)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL, "%s: %s is \"%.40s\", which is no size; correct it",
                       side->path, key, value);
}

/* NumPy's names: "uint16", and "<u2" with its own byte order. */
static enum atm_status take_type(struct side *side, const char *value, struct atm_err *err) {
    static const char *const shorts[][2] = {{"u1", "uint8"},   {"u2", "uint16"}, {"u4", "uint32"},
                                            {"i1", "int8"},    {"i2", "int16"},  {"i4", "int32"},
                                            {"f4", "float32"}, {"f8", "float64"}};
    const char *name = value + strspn(value, "<>=|");
    if (value[0] == '>')
        side->swapped = true;
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++)
        if (!strcmp(name, shorts[i][0]))
            name = shorts[i][1];
    side->sample = atm_sample_named(name);
    if (side->sample)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: Data Type is \"%.40s\"; read are uint8, uint16, uint32, int8, int16, "
                       "int32, float32 and float64",
                       side->path, value);
}

static enum atm_status take_pair(const char *key, const char *value, void *context,
                                 struct atm_err *err) {
    struct side *side = context;
    if (!strcmp(key, "Frames"))
        return take_extent(side, key, value, &side->frames, err);
    if (!strcmp(key, "Height"))
        return take_extent(side, key, value, &side->height, err);
    if (!strcmp(key, "Width"))
        return take_extent(side, key, value, &side->width, err);
    if (!strcmp(key, "Data Type"))
        return take_type(side, value, err);
    if (!strcmp(key, "Byte Order"))
        side->swapped = value[0] == '>';
    take_camera(key, value, side->camera);
    return ATM_OK;
}

static enum atm_status read_side(struct atm_movie *movie, struct side *side, struct atm_err *err) {
    char *text = NULL;
    if (access(side->path, F_OK) != 0)
        return atm_err_set(err, ATM_FAIL,
                           "%s: needs %s beside it, with Byte Order, Data Type, Frames, Height and "
                           "Width",
                           movie->path, side->path);
    enum atm_status status = atm_textfile_read(side->path, MAX_SIDE_BYTES, &text, err);
    if (status == ATM_OK)
        status = atm_yaml_pairs(side->path, text, take_pair, side, err);
    atm_mem_free(text);
    if (status == ATM_OK && !(side->frames && side->height && side->width && side->sample))
        return atm_err_set(err, ATM_FAIL,
                           "%s: does not say all of Frames, Height, Width and Data Type",
                           side->path);
    if (status != ATM_OK)
        return status;
    return atm_movie_check_size(side->path, "it", (uint64_t)side->height, (uint64_t)side->width,
                                err);
}

/* Frames that are there against those that are announced. */
static enum atm_status count_frames(struct atm_movie *movie, const struct side *side,
                                    struct atm_err *err) {
    const struct atm_pieces *pieces = movie->state;
    struct stat info;
    if (fstat(pieces->fd, &info))
        return atm_err_errno(err, movie->path, "look at");
    const long long whole = info.st_size / (pieces->pixels * side->sample->bits / 8);
    movie->info.frames = (ptrdiff_t)(whole < side->frames ? whole : side->frames);
    movie->info.missing_frames = (ptrdiff_t)side->frames - movie->info.frames;
    if (!movie->info.missing_frames || (movie->options.allow_truncated && whole > 0))
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "%s: frame %lld (counting from 0) is cut off: %s says %lld frames; copy the "
                       "file again, or use --allow-truncated to read the %lld whole frames",
                       movie->path, whole, side->path, side->frames, whole);
}

static enum atm_status open_raw(struct atm_movie *movie, struct atm_err *err) {
    char side_path[PATH_MAX];
    struct side side = {.path = side_path, .camera = &movie->info.camera};
    const int stem = (int)strlen(movie->path) - (int)strlen(".raw");
    struct atm_pieces *pieces = movie->state = atm_mem_alloc(1, sizeof *pieces);
    if (!pieces)
        return atm_err_memory(err, movie->path);
    pieces->fd = -1;
    if (snprintf(side_path, sizeof side_path, "%.*s.yaml", stem, movie->path) >= PATH_MAX)
        return atm_err_set(err, ATM_FAIL, "%s: the name is too long", movie->path);
    enum atm_status status = read_side(movie, &side, err);
    if (status != ATM_OK)
        return status;
    movie->info.height = (ptrdiff_t)side.height;
    movie->info.width = (ptrdiff_t)side.width;
    snprintf(movie->info.format, sizeof movie->info.format, "%s", movie->format->name);
    snprintf(movie->info.sample, sizeof movie->info.sample, "%s", side.sample->name);
    const bool big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    *pieces = (struct atm_pieces){.fd = open(movie->path, O_RDONLY | O_CLOEXEC),
                                  .sample = side.sample,
                                  .swapped = side.swapped != big_endian,
                                  .pixels = movie->info.height * movie->info.width};
    if (pieces->fd < 0)
        return atm_err_errno(err, movie->path, "open");
    status = count_frames(movie, &side, err);
    if (status == ATM_OK) /* both decide what is read */
        status = atm_files_add(&movie->files, "", 0, movie->path, err);
    return status == ATM_OK ? atm_files_add(&movie->files, "", 0, side_path, err) : status;
}

static enum atm_status read_frames(struct atm_movie *movie, ptrdiff_t first, ptrdiff_t count,
                                   float *adu, struct atm_err *err) {
    return atm_pieces_read(movie->state, movie->path, first, count, adu, err);
}

static void close_raw(struct atm_movie *movie) {
    struct atm_pieces *pieces = movie->state;
    if (pieces && pieces->fd >= 0)
        close(pieces->fd);
    atm_mem_free(pieces);
}

const struct atm_movie_format atm_movie_raw = {
    .name = "raw with YAML",
    .probe = probe,
    .open = open_raw,
    .read = read_frames,
    .close = close_raw,
};
