/* Reading movies from the page cache beside `cat FILE > /dev/null`, turn by turn.
 * OMP_WAIT_POLICY=passive bench_movie [FOLDER [MEGABYTES]]: files are written there and removed.
 * OMP_NUM_THREADS=1 compares one thread with one cat. */
#include "bench.h"
#include "mem.h"
#include "movie.h"
#include <fcntl.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <tiffio.h>
#include <unistd.h>

enum { SIDE = 256, PIXELS = SIDE * SIDE, AT_ONCE = 16, ROUNDS = 9 };

struct layout {
    const char *name, *mode;
    uint16_t compression, predictor;
    bool single; /* ImageJ's: one directory, the frames behind it */
};
static const struct layout LAYOUTS[] = {
    {"ImageJ stack, little-endian", "wl", COMPRESSION_NONE, 0, true},
    {"ImageJ stack, big-endian", "wb", COMPRESSION_NONE, 0, true},
    {"page by page, little-endian", "w8l", COMPRESSION_NONE, 0, false},
    {"page by page, big-endian", "w8b", COMPRESSION_NONE, 0, false},
    {"LZW", "w8l", COMPRESSION_LZW, 2, false},
    {"Deflate", "w8l", COMPRESSION_ADOBE_DEFLATE, 2, false},
};

/* Camera-like: a noisy low byte, so that compressors have work. */
static uint16_t value_at(int frame, int pixel) {
    uint32_t mixed = ((uint32_t)frame * 65537u + (uint32_t)pixel) * 2654435761u;
    return (uint16_t)(100 + (mixed >> 26));
}

static void fill(int frame, bool swapped, uint16_t *pixels) {
    for (int i = 0; i < PIXELS; i++) {
        uint16_t value = value_at(frame, i);
        pixels[i] = swapped ? __builtin_bswap16(value) : value;
    }
}

static void start_page(TIFF *tiff, const struct layout *layout) {
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, SIDE);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, SIDE);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, SIDE);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 16);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, layout->compression);
    if (layout->predictor)
        TIFFSetField(tiff, TIFFTAG_PREDICTOR, layout->predictor);
}

static unsigned char *put(unsigned char *at, bool big_endian, int bytes, uint32_t value) {
    for (int i = 0; i < bytes; i++)
        *at++ = (unsigned char)(value >> 8 * (big_endian ? bytes - 1 - i : i));
    return at;
}

/* As ImageJ does: header, directory, description, frames. */
static void write_single(const char *path, const struct layout *layout, int frames) {
    enum { TAGS = 8, TEXT_BYTES = 64, TEXT_AT = 8 + 2 + TAGS * 12 + 4 };
    const bool big = layout->mode[1] == 'b';
    const uint32_t tags[TAGS][3] = {
        {TIFFTAG_IMAGEWIDTH, 1, SIDE},
        {TIFFTAG_IMAGELENGTH, 1, SIDE},
        {TIFFTAG_BITSPERSAMPLE, 1, 16},
        {TIFFTAG_PHOTOMETRIC, 1, PHOTOMETRIC_MINISBLACK},
        {TIFFTAG_IMAGEDESCRIPTION, TEXT_BYTES, TEXT_AT},
        {TIFFTAG_STRIPOFFSETS, 1, TEXT_AT + TEXT_BYTES},
        {TIFFTAG_ROWSPERSTRIP, 1, SIDE},
        {TIFFTAG_STRIPBYTECOUNTS, 1, PIXELS * 2},
    };
    unsigned char head[TEXT_AT + TEXT_BYTES] = {0}, *at = head;
    memcpy(at, big ? "MM" : "II", 2);
    at = put(put(put(at + 2, big, 2, 42), big, 4, 8), big, 2, TAGS);
    for (int i = 0; i < TAGS; i++) {
        int type = tags[i][1] > 1 ? TIFF_ASCII : TIFF_LONG;
        at = put(put(at, big, 2, tags[i][0]), big, 2, (uint32_t)type);
        at = put(put(at, big, 4, tags[i][1]), big, 4, tags[i][2]);
    }
    snprintf((char *)head + TEXT_AT, TEXT_BYTES, "ImageJ=1.54f\nimages=%d\n", frames);
    static uint16_t pixels[PIXELS];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    bool good = write(fd, head, sizeof head) == sizeof head;
    for (int frame = 0; frame < frames && good; frame++) {
        fill(frame, big, pixels);
        good = write(fd, pixels, sizeof pixels) == sizeof pixels;
    }
    if (close(fd) || !good)
        exit(1);
}

static void write_pages(const char *path, const struct layout *layout, int frames) {
    static uint16_t pixels[PIXELS];
    TIFF *tiff = TIFFOpen(path, layout->mode);
    for (int frame = 0; frame < frames; frame++) {
        start_page(tiff, layout);
        fill(frame, false, pixels);
        TIFFWriteEncodedStrip(tiff, 0, pixels, sizeof pixels);
        TIFFWriteDirectory(tiff);
    }
    TIFFClose(tiff);
}

struct cost {
    double wall, processor;
};

static double processor_time(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static struct cost run_cat(const char *path) {
    char command[8192];
    snprintf(command, sizeof command, "cat '%s' > /dev/null", path);
    double start = bench_now(), used = processor_time(RUSAGE_CHILDREN);
    if (system(command))
        exit(1);
    return (struct cost){bench_now() - start, processor_time(RUSAGE_CHILDREN) - used};
}

/* check: every pixel is compared, once, before anything is timed. */
static struct cost run_read(const char *path, float *adu, bool check) {
    double start = bench_now(), used = processor_time(RUSAGE_SELF);
    struct atm_movie *movie = NULL;
    struct atm_err err = {0};
    enum atm_status status = atm_movie_open(path, NULL, &movie, &err);
    const ptrdiff_t frames = status ? 0 : atm_movie_info(movie)->frames;
    for (ptrdiff_t t = 0; t < frames && !status; t += AT_ONCE) {
        status = atm_movie_read(movie, t, AT_ONCE, adu, &err);
        for (ptrdiff_t i = 0; check && !status && i < AT_ONCE * PIXELS; i++)
            if (adu[i] != (float)value_at((int)(t + i / PIXELS), (int)(i % PIXELS)))
                status = atm_err_set(&err, ATM_FAIL, "frame %td is wrong", t + i / PIXELS);
    }
    atm_movie_close(&movie);
    if (status || !frames) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return (struct cost){bench_now() - start, processor_time(RUSAGE_SELF) - used};
}

static double middle(const struct cost *costs, bool processor) {
    double values[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        values[i] = processor ? costs[i].processor : costs[i].wall;
    qsort(values, ROUNDS, sizeof *values, bench_compare);
    return values[ROUNDS / 2];
}

static void measure(const char *path, const struct layout *layout, int frames, float *adu) {
    (layout->single ? write_single : write_pages)(path, layout, frames);
    const double pixels = 2e-9 * frames * (double)PIXELS; /* GB, decoded */
    struct cost cats[ROUNDS], reads[ROUNDS];
    run_read(path, adu, true);
    for (int i = 0; i < ROUNDS; i++) {
        cats[i] = run_cat(path);
        reads[i] = run_read(path, adu, false);
    }
    unlink(path);
    printf("{\"kernel\": \"movie\", \"problem\": \"%s, %d frames of %d x %d uint16\", "
           "\"threads\": %d, \"read_gb_s\": %.2f, \"cat_gb_s\": %.2f, \"read_over_cat\": %.2f, "
           "\"read_cpu_s\": %.3f, \"cat_cpu_s\": %.3f}\n",
           layout->name, frames, SIDE, SIDE, omp_get_max_threads(), pixels / middle(reads, false),
           pixels / middle(cats, false), middle(cats, false) / middle(reads, false),
           middle(reads, true), middle(cats, true));
    fflush(stdout);
}

int main(int count, char **arguments) {
    const char *folder = count > 1 ? arguments[1] : "/tmp";
    const int megabytes = count > 2 ? (int)strtol(arguments[2], NULL, 10) : 512;
    char path[4096];
    snprintf(path, sizeof path, "%s/bench_movie_%d.tif", folder, (int)getpid());
    float *adu = atm_mem_alloc(AT_ONCE * PIXELS, sizeof *adu);
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof *LAYOUTS; i++) {
        int part = LAYOUTS[i].compression == COMPRESSION_NONE ? 1 : 8;
        int frames = megabytes * 8 / part / AT_ONCE * AT_ONCE;
        measure(path, &LAYOUTS[i], frames, adu);
    }
    atm_mem_free(adu);
    return 0;
}
