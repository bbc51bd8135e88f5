#include "strokes.h"

#include "mem.h"
#include "pen.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { SEGMENTS = 32, BLOCK = 64 };
static const double EDGE = 0.08, CHORD_MIN = 0.15, CHORD_MAX = 0.5, BULGE = 0.35, REACH = 4.5;

static double between(struct atm_rng *rng, double low, double high) {
    return low + (high - low) * atm_rng_uniform(rng);
}

static bool inside(double value, double extent) {
    return value >= EDGE * extent && value <= (1 - EDGE) * extent;
}

/* Control point `along` the chord from point 0 and `off` to its side, both in parts of it. */
static bool put_point(const struct atm_synth_options *o, struct atm_stroke *stroke, int i,
                      double dx, double dy, double along, double off) {
    stroke->x[i] = stroke->x[0] + along * dx - off * dy;
    stroke->y[i] = stroke->y[0] + along * dy + off * dx;
    return inside(stroke->x[i] + 0.5, (double)o->width) &&
           inside(stroke->y[i] + 0.5, (double)o->height);
}

/* The same curve with four control points. */
static void raise_degree(struct atm_stroke *stroke) {
    double *const axes[] = {stroke->x, stroke->y};
    for (int a = 0; a < 2; a++) {
        double *p = axes[a];
        p[3] = p[2];
        p[2] = (2 * p[1] + p[3]) / 3;
        p[1] = (p[0] + 2 * p[1]) / 3;
    }
}

/* False where it leaves the field. */
static bool try_stroke(const struct atm_synth_options *o, struct atm_rng *rng,
                       struct atm_stroke *stroke) {
    const double side = (double)(o->height < o->width ? o->height : o->width);
    const double length = side * between(rng, CHORD_MIN, CHORD_MAX);
    const double angle = between(rng, -M_PI, M_PI);
    const double dx = length * cos(angle), dy = length * sin(angle);
    stroke->degree = atm_rng_next(rng) & 1 ? 3 : 2;
    stroke->x[0] = between(rng, 0, (double)o->width) - 0.5;
    stroke->y[0] = between(rng, 0, (double)o->height) - 0.5;
    const double first = between(rng, -BULGE, BULGE), second = between(rng, -BULGE, BULGE);
    bool good = put_point(o, stroke, 0, 0, 0, 0, 0);
    if (stroke->degree == 3)
        return good && put_point(o, stroke, 1, dx, dy, 1.0 / 3, first) &&
               put_point(o, stroke, 2, dx, dy, 2.0 / 3, second) &&
               put_point(o, stroke, 3, dx, dy, 1, 0);
    good = good && put_point(o, stroke, 1, dx, dy, 0.5, first) &&
           put_point(o, stroke, 2, dx, dy, 1, 0);
    if (good)
        raise_degree(stroke);
    return good;
}

ptrdiff_t atm_strokes_draw(const struct atm_synth_options *o, struct atm_rng *rng, int64_t frame,
                           struct atm_stroke strokes[ATM_STROKES_MAX]) {
    const double range = (double)(o->strokes_max - o->strokes_min + 1);
    const ptrdiff_t count = (ptrdiff_t)(o->strokes_min + (int64_t)(range * atm_rng_uniform(rng)));
    for (ptrdiff_t i = 0; i < count; i++) {
        strokes[i] = (struct atm_stroke){.frame = frame, .pen_px = o->pen_px};
        while (!try_stroke(o, rng, &strokes[i]))
            ;
    }
    return count;
}

struct atm_pen_point atm_stroke_point(const struct atm_stroke *s, double t) {
    const double u = 1 - t;
    const double w[4] = {u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t};
    struct atm_pen_point point = {0, 0};
    for (int i = 0; i < 4; i++)
        point.x += w[i] * s->x[i], point.y += w[i] * s->y[i];
    return point;
}

void atm_strokes_render(const struct atm_stroke *strokes, ptrdiff_t count, ptrdiff_t height,
                        ptrdiff_t width, float *pixels) {
    const ptrdiff_t n = height * width;
    for (ptrdiff_t i = 0; i < n; i++)
        pixels[i] = INFINITY;
    for (ptrdiff_t s = 0; s < count; s++) {
        struct atm_pen_point line[SEGMENTS + 1];
        for (int i = 0; i <= SEGMENTS; i++)
            line[i] = atm_stroke_point(&strokes[s], (double)i / SEGMENTS);
        atm_pen_distance(line, SEGMENTS + 1, REACH * strokes[s].pen_px, height, width, pixels);
    }
    const double variance = count ? strokes[0].pen_px * strokes[0].pen_px : 1;
    for (ptrdiff_t i = 0; i < n; i++)
        pixels[i] = isfinite(pixels[i]) ? (float)exp(-0.5 * (double)pixels[i] / variance) : 0;
}

/* ---- Stacks ---- */

struct book {
    const struct atm_synth_options *options;
    uint64_t seed;
    struct atm_stroke *strokes; /* owned (frames * strokes_max), then those that are */
    ptrdiff_t count;
    float *images; /* owned (BLOCK, H, W) */
};

static void draw_block(struct book *book, ptrdiff_t first, ptrdiff_t frames) {
    const struct atm_synth_options *o = book->options;
    const ptrdiff_t pixels = o->height * o->width;
    ptrdiff_t counts[BLOCK];
#pragma omp parallel for schedule(static)
    for (ptrdiff_t f = 0; f < frames; f++) {
        struct atm_rng rng;
        struct atm_stroke strokes[ATM_STROKES_MAX];
        atm_rng_init(&rng, book->seed, ATM_RNG_SCENE, (uint64_t)(first + f));
        counts[f] = atm_strokes_draw(o, &rng, first + f, strokes);
        atm_strokes_render(strokes, counts[f], o->height, o->width, book->images + f * pixels);
        memcpy(book->strokes + (first + f) * o->strokes_max, strokes,
               (size_t)counts[f] * sizeof *strokes);
    }
    for (ptrdiff_t f = 0; f < frames; f++)
        for (ptrdiff_t i = 0; i < counts[f]; i++, book->count++) {
            book->strokes[book->count] = book->strokes[(first + f) * o->strokes_max + i];
            book->strokes[book->count].id = book->count;
        }
}

static enum atm_status draw_all(struct book *book, struct atm_movie_writer *writer,
                                const struct atm_sink *sink, struct atm_err *err) {
    const ptrdiff_t frames = book->options->frames;
    for (ptrdiff_t first = 0; first < frames; first += BLOCK) {
        const ptrdiff_t some = frames - first < BLOCK ? frames - first : BLOCK;
        if (atm_log_stopped(sink))
            return atm_err_set(err, ATM_STOPPED, "stopped: nothing was written");
        draw_block(book, first, some);
        enum atm_status status = atm_movie_append(writer, some, book->images, err);
        if (status != ATM_OK)
            return status;
        atm_log_progress(sink, "images", first + some, frames, "%s", "");
    }
    return ATM_OK;
}

static enum atm_status check(const struct atm_synth_options *o, struct atm_err *err) {
    if (o->strokes_min <= o->strokes_max)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE, "synth.strokes_min = %lld is above synth.strokes_max = %lld",
                       (long long)o->strokes_min, (long long)o->strokes_max);
}

static bool is_stack(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (!strcasecmp(dot, ".h5") || !strcasecmp(dot, ".hdf5"));
}

enum atm_status atm_strokes_write(const struct atm_synth_options *o,
                                  const struct atm_camera *camera, uint64_t seed, const char *path,
                                  const char *provenance, const struct atm_sink *sink,
                                  struct atm_err *err) {
    const struct atm_movie_layout layout = {.frames = o->frames,
                                            .height = o->height,
                                            .width = o->width,
                                            .sample = ATM_MOVIE_F32,
                                            .camera = *camera,
                                            .provenance = provenance};
    struct book book = {.options = o, .seed = seed};
    struct atm_movie_writer *writer = NULL;
    enum atm_status status = check(o, err);
    if (status == ATM_OK)
        status = atm_movie_create(path, &layout, &writer, err);
    if (status == ATM_OK) {
        book.strokes = atm_mem_alloc((size_t)(o->frames * o->strokes_max), sizeof *book.strokes);
        book.images = atm_mem_alloc((size_t)(o->height * o->width), BLOCK * sizeof *book.images);
        status = book.strokes && book.images ? ATM_OK : atm_err_memory(err, "the images");
    }
    if (status == ATM_OK)
        status = draw_all(&book, writer, sink, err);
    if (status == ATM_OK && is_stack(path))
        status = atm_movie_add_strokes(writer, book.strokes, book.count, err);
    if (status == ATM_OK)
        status = atm_movie_finish(&writer, err);
    atm_movie_discard(&writer);
    atm_mem_free(book.strokes);
    atm_mem_free(book.images);
    return status;
}
