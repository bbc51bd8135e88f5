/* HDF5 stacks and tables. */
#include "fuzz.h"

#include "h5.h"
#include "mem.h"
#include "movie.h"
#include <math.h>
#include <stdio.h>

enum { FRAMES = 3, HEIGHT = 19, WIDTH = 21, MOST_FRAMES = 8, MOST_PIXELS = 1 << 22 };

struct row {
    int64_t frame;
    double x, y;
};
static const struct atm_h5_field FIELDS[] = {
    {"frame", ATM_H5_U32, ATM_H5_I64, offsetof(struct row, frame)},
    {"x", ATM_H5_F32, ATM_H5_F64, offsetof(struct row, x)},
    {"y", ATM_H5_F32, ATM_H5_F64, offsetof(struct row, y)},
};

static void use_movie(const char *path) {
    struct atm_movie *movie = NULL;
    struct atm_err err = {0};
    if (atm_movie_open(path, NULL, &movie, &err) != ATM_OK) {
        if (!err.text[0])
            __builtin_trap();
        return;
    }
    const struct atm_movie_info *info = atm_movie_info(movie);
    ptrdiff_t pixels = info->height * info->width;
    float *adu = pixels <= MOST_PIXELS ? atm_mem_alloc((size_t)pixels, sizeof *adu) : NULL;
    for (ptrdiff_t t = 0; adu && t < info->frames && t < MOST_FRAMES; t++)
        atm_movie_read(movie, t, 1, adu, &err);
    atm_mem_free(adu);
    atm_movie_close(&movie);
}

static enum atm_status look(void *context, const char *name) {
    struct atm_h5 *file = context;
    char path[1100], *text = NULL;
    double number = NAN;
    snprintf(path, sizeof path, "/%s", name);
    atm_h5_read_number(file, path, "gain", &number, NULL);
    atm_h5_read_text(file, path, "provenance", &text, NULL);
    atm_mem_free(text);
    return ATM_OK;
}

static void use_table(const char *path) {
    struct atm_h5 *file = NULL;
    struct atm_err err = {0};
    ptrdiff_t count = 0;
    char *text = NULL;
    if (atm_h5_open(path, &file, &err) != ATM_OK)
        return;
    atm_h5_list(file, "/", look, file, &err);
    atm_h5_read_text(file, "/", "provenance", &text, &err);
    atm_mem_free(text);
    if (atm_h5_table_size(file, "/locs", &count, &err) == ATM_OK && count < 100000) {
        struct row *rows = atm_mem_alloc((size_t)count, sizeof *rows);
        if (rows)
            atm_h5_read_table(file, "/locs", FIELDS, 3, rows, sizeof *rows, count, &err);
        atm_mem_free(rows);
    }
    atm_h5_close(&file, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct atm_fuzz_file file;
    if (!atm_fuzz_file_open(&file, data, size))
        return 0;
    use_movie(file.path);
    use_table(file.path);
    if (atm_h5_open_objects() != 0)
        __builtin_trap();
    atm_fuzz_file_close(&file);
    return 0;
}

bool atm_fuzz_seed(int index, const char *path) {
    static float adu[FRAMES * HEIGHT * WIDTH];
    static struct row rows[50];
    struct atm_h5 *file = NULL;
    if (index < 0 || index > 2 || atm_h5_create(path, &file, NULL) != ATM_OK)
        return false;
    for (int i = 0; i < FRAMES * HEIGHT * WIDTH; i++)
        adu[i] = (float)(i % 17);
    bool good = true;
    if (index < 2) {
        enum atm_h5_type type = index ? ATM_H5_F32 : ATM_H5_U16;
        uint16_t u16[FRAMES * HEIGHT * WIDTH];
        for (int i = 0; i < FRAMES * HEIGHT * WIDTH; i++)
            u16[i] = (uint16_t)adu[i];
        const void *data = index ? (const void *)adu : (const void *)u16;
        good = atm_h5_frames_create(file, "frames", type, HEIGHT, WIDTH, index ? 0 : 2, NULL) ==
                   ATM_OK &&
               atm_h5_frames_append(file, "frames", type, FRAMES, HEIGHT, WIDTH, data, NULL) ==
                   ATM_OK &&
               atm_h5_write_number(file, "frames", "gain", 2.385, NULL) == ATM_OK;
    } else {
        for (int i = 0; i < 50; i++)
            rows[i] = (struct row){i, i * 0.5, 3};
        good = atm_h5_write_table(file, "locs", FIELDS, 3, rows, sizeof *rows, 50, NULL) == ATM_OK;
    }
    good = good && atm_h5_write_text(file, "/", "provenance", "[run]\nseed = 1\n", NULL) == ATM_OK;
    return (atm_h5_close(&file, NULL) == ATM_OK) && good;
}
