/* Localizations to counts per super-resolution pixel. The picture is cut into bands of rows; each
 * is filled by one thread with its localizations in their order, so the sums do not depend on
 * threads. */
#include "render.h"

#include "colormap.h"
#include "mem.h"
#include "whole.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a pixel-integrated Gaussian no more than this is left out; what is kept is scaled to weight 1.
 */
#define REACH_SIGMAS 4
/* A worse localization would be a veil over the picture. */
static const double WORST_PX = 1;
/* Blur in camera pixels of a localization without uncertainty in a table without pixel size. */
static const double DEFAULT_BLUR_PX = 0.1;
/* The normal distribution's integral, linear in between: wrong by up to 1.2e-7 (0.242 / 8 / 512^2),
 * as much as a float. */
enum { STEPS_PER_SIGMA = 512, TABLE = 2 * REACH_SIGMAS * STEPS_PER_SIGMA };
enum { BAND_ROWS = 64 };

/* ---- size ---- */

struct region {
    double x0, y0, x1, y1; /* px, outer corners */
};

/* "x0 y0 x1 y1" or nothing. */
static enum atm_status parse_region(const char *text, struct region *region, bool *given,
                                    struct atm_err *err) {
    double values[4];
    char *end;
    const char *at = text;
    *given = text[strspn(text, " \t,")] != '\0';
    if (!*given)
        return ATM_OK;
    for (int i = 0; i < 4; i++) {
        values[i] = strtod(at, &end);
        if (end == at || !isfinite(values[i]) || fabs(values[i]) > 1e9)
            break;
        at = end + strspn(end, " \t,");
        if (i == 3 && !*at && values[2] > values[0] && values[3] > values[1]) {
            *region = (struct region){values[0], values[1], values[2], values[3]};
            return ATM_OK;
        }
    }
    return atm_err_set(err, ATM_USAGE,
                       "render.region: \"%.80s\" is no region; give left, top, right and bottom in "
                       "camera pixels, as 10 10 42.5 30",
                       text);
}

enum atm_status atm_render_check(const struct atm_render_options *options, struct atm_err *err) {
    struct region region;
    bool given;
    return parse_region(options->region, &region, &given, err);
}

/* Field in camera pixels: stated, or as far as the localizations go. */
static enum atm_status find_field(const struct atm_render_points *points, struct region *field,
                                  struct atm_err *err) {
    double height = (double)points->height, width = (double)points->width;
    if (!(height > 0 && width > 0)) {
        height = width = 0;
        for (ptrdiff_t i = 0; i < points->count; i++) {
            height = fmax(height, floor(points->y[i] + 0.5) + 1); /* fmax drops NAN */
            width = fmax(width, floor(points->x[i] + 0.5) + 1);
        }
    }
    *field = (struct region){-0.5, -0.5, width - 0.5, height - 0.5};
    if (height > 0 && width > 0)
        return ATM_OK;
    return atm_err_set(err, ATM_FAIL,
                       "nothing to draw: the table states no field size and has no localizations");
}

static enum atm_status plan_size(const struct atm_render_points *points,
                                 const struct atm_render_options *options,
                                 struct atm_render_counts *counts, struct atm_err *err) {
    struct region region;
    bool given;
    enum atm_status status = parse_region(options->region, &region, &given, err);
    if (status == ATM_OK && !given)
        status = find_field(points, &region, err);
    if (status != ATM_OK)
        return status;
    double height = region.y1 - region.y0, width = region.x1 - region.x0;
    double most = (double)options->max_size, zoom = options->zoom;
    if (fmax(height, width) * zoom > most)
        zoom = zoom < 1 ? 0 : floor(most / fmax(height, width));
    if (!(zoom > 0))
        return atm_err_set(err, ATM_FAIL,
                           "a field of %g x %g px is larger than render.max_size (%lld px): raise "
                           "it, or correct the positions",
                           width, height, (long long)options->max_size);
    counts->zoom = zoom;
    counts->x0 = region.x0, counts->y0 = region.y0;
    counts->height = (ptrdiff_t)fmax(1, ceil(height * zoom - 1e-6));
    counts->width = (ptrdiff_t)fmax(1, ceil(width * zoom - 1e-6));
    return ATM_OK;
}

/* ---- one localization ---- */

struct painter {
    const struct atm_render_points *points;
    struct atm_render_counts *counts;
    int blur;
    double fallback_px; /* camera pixels, where a localization has no blur of its own */
    double least_px;    /* of own blurs */
    ptrdiff_t shifts;
    const float *color; /* (256, 3) linear, by time; NULL */
    double frames;
    float integral[TABLE + 2]; /* of the normal distribution from -REACH_SIGMAS on */
};

/* Weights of pixels first .. first + count - 1 along one axis. */
struct stripe {
    ptrdiff_t first, count;
    float *weights; /* room for the longest */
};

static float integral(const struct painter *p, double sigmas) {
    double at = (sigmas + REACH_SIGMAS) * STEPS_PER_SIGMA;
    if (!(at > 0))
        return 0;
    if (at >= TABLE)
        return 1;
    ptrdiff_t i = (ptrdiff_t)at;
    float part = (float)(at - (double)i);
    return p->integral[i] + part * (p->integral[i + 1] - p->integral[i]);
}

static void make_integral(struct painter *p) {
    double low = erf(-REACH_SIGMAS / M_SQRT2), scale = 1 / (-2 * low);
    for (int i = 0; i < TABLE + 2; i++)
        p->integral[i] =
            (float)((erf(((double)i / STEPS_PER_SIGMA - REACH_SIGMAS) / M_SQRT2) - low) * scale);
}

/* Of a pixel-integrated Gaussian; sigma and centre in super-resolution pixels. */
static void fill_gaussian(const struct painter *p, struct stripe *s, double centre, double sigma) {
    s->first = (ptrdiff_t)floor(centre - REACH_SIGMAS * sigma + 0.5);
    s->count = (ptrdiff_t)floor(centre + REACH_SIGMAS * sigma + 0.5) - s->first + 1;
    if (s->count == 1) {
        s->weights[0] = 1;
        return;
    }
    double scale = 1 / sigma, edge = ((double)s->first + 0.5 - centre) * scale;
    float left = 0;
    for (ptrdiff_t i = 0; i < s->count - 1; i++, edge += scale) {
        float right = integral(p, edge);
        s->weights[i] = right - left;
        left = right;
    }
    s->weights[s->count - 1] = 1 - left;
}

/* Histograms of bins m pixels wide, shifted by one pixel each, and averaged: a triangle (Scott
 * 1985, doi:10.1214/aos/1176349654). */
static void fill_ash(struct stripe *s, double centre, ptrdiff_t shifts) {
    s->first = (ptrdiff_t)floor(centre + 0.5) - (shifts - 1);
    s->count = 2 * shifts - 1;
    for (ptrdiff_t i = 0; i < s->count; i++)
        s->weights[i] = (float)(shifts - labs((long)(i - (shifts - 1)))) / (float)(shifts * shifts);
}

static double own_blur(const struct painter *p, const double *uncertainty, ptrdiff_t i) {
    double sigma = p->blur == ATM_BLUR_PRECISION && uncertainty ? uncertainty[i] : NAN;
    sigma = sigma > 0 ? fmax(sigma, p->least_px) : p->fallback_px;
    return fmin(sigma, WORST_PX) * p->counts->zoom;
}

static void fill_stripe(const struct painter *p, struct stripe *s, double centre,
                        const double *uncertainty, ptrdiff_t i) {
    if (p->blur == ATM_BLUR_ASH)
        fill_ash(s, centre, p->shifts);
    else
        fill_gaussian(p, s, centre, p->blur == ATM_BLUR_NONE ? 0 : own_blur(p, uncertainty, i));
}

/* Where it lies in super-resolution pixels. False outside of the picture, which also keeps NAN and
 * wild positions from the integers. */
static bool place(const struct painter *p, ptrdiff_t i, double *x, double *y) {
    const struct atm_render_counts *c = p->counts;
    *x = (p->points->x[i] - c->x0) * c->zoom - 0.5;
    *y = (p->points->y[i] - c->y0) * c->zoom - 0.5;
    return *x >= -0.5 && *x < (double)c->width - 0.5 && *y >= -0.5 && *y < (double)c->height - 0.5;
}

/* ---- bands ---- */

/* Rows of the picture that the localization reaches. */
static void reached_rows(const struct painter *p, ptrdiff_t i, double y, ptrdiff_t *first,
                         ptrdiff_t *last) {
    double reach = p->blur == ATM_BLUR_NONE  ? 0
                   : p->blur == ATM_BLUR_ASH ? (double)p->shifts
                                             : REACH_SIGMAS * own_blur(p, p->points->y_unc, i);
    *first = atm_larger(0, (ptrdiff_t)floor(y - reach + 0.5));
    *last = atm_smaller(p->counts->height - 1, (ptrdiff_t)floor(y + reach + 0.5));
}

struct bands {
    ptrdiff_t count;
    ptrdiff_t *start; /* owned (count + 1) */
    uint32_t *row;    /* owned; localizations of each band */
};

/* Count or list the localizations of every band. */
static void visit_bands(const struct painter *p, struct bands *bands, bool list) {
    for (ptrdiff_t i = 0; i < p->points->count; i++) {
        double x, y;
        ptrdiff_t first, last;
        if (!place(p, i, &x, &y))
            continue;
        reached_rows(p, i, y, &first, &last);
        for (ptrdiff_t b = first / BAND_ROWS; b <= last / BAND_ROWS; b++)
            if (list)
                bands->row[bands->start[b]++] = (uint32_t)i;
            else
                bands->start[b + 1]++;
        p->counts->drawn += list;
    }
}

static enum atm_status sort_bands(const struct painter *p, struct bands *bands,
                                  struct atm_err *err) {
    bands->count = (p->counts->height + BAND_ROWS - 1) / BAND_ROWS;
    bands->start = atm_mem_alloc((size_t)bands->count + 1, sizeof *bands->start);
    if (!bands->start || p->points->count > UINT32_MAX)
        return atm_err_memory(err, "the super-resolution picture");
    visit_bands(p, bands, false);
    for (ptrdiff_t b = 0; b < bands->count; b++)
        bands->start[b + 1] += bands->start[b];
    bands->row = atm_mem_alloc((size_t)bands->start[bands->count], sizeof *bands->row);
    if (!bands->row)
        return atm_err_memory(err, "the super-resolution picture");
    visit_bands(p, bands, true);
    for (ptrdiff_t b = bands->count; b > 0; b--) /* every start has moved to its end */
        bands->start[b] = bands->start[b - 1];
    bands->start[0] = 0;
    return ATM_OK;
}

static const float *color_of(const struct painter *p, ptrdiff_t i) {
    double at = p->points->frame[i] / p->frames * 256;
    int index = at > 0 ? (int)fmin(at, 255) : 0;
    return p->color + (ptrdiff_t)(3 * index);
}

/* The part of a localization that lies in rows top .. end - 1. */
static void add_spot(const struct painter *p, ptrdiff_t i, const struct stripe *sx,
                     const struct stripe *sy, ptrdiff_t top, ptrdiff_t end) {
    const struct atm_render_counts *c = p->counts;
    const ptrdiff_t left = atm_larger(0, -sx->first),
                    right = atm_smaller(sx->count, c->width - sx->first);
    for (ptrdiff_t j = atm_larger(0, top - sy->first); j < atm_smaller(sy->count, end - sy->first);
         j++) {
        const float weight = sy->weights[j];
        const ptrdiff_t at = (sy->first + j) * c->width + sx->first;
        float *image = c->image;
        for (ptrdiff_t k = left; k < right; k++)
            image[at + k] += weight * sx->weights[k];
        if (!p->color)
            continue;
        const float *color = color_of(p, i);
        for (ptrdiff_t k = left; k < right; k++)
            for (int rgb = 0; rgb < 3; rgb++)
                c->color[3 * (at + k) + rgb] += weight * sx->weights[k] * color[rgb];
    }
}

static void fill_band(const struct painter *p, const struct bands *bands, ptrdiff_t band,
                      float *room, ptrdiff_t longest) {
    struct stripe sx = {.weights = room}, sy = {.weights = room + longest};
    const ptrdiff_t top = band * BAND_ROWS, end = atm_smaller(top + BAND_ROWS, p->counts->height);
    for (ptrdiff_t k = bands->start[band]; k < bands->start[band + 1]; k++) {
        const ptrdiff_t i = bands->row[k];
        double x, y;
        if (!place(p, i, &x, &y))
            continue;
        fill_stripe(p, &sx, x, p->points->x_unc, i);
        fill_stripe(p, &sy, y, p->points->y_unc, i);
        add_spot(p, i, &sx, &sy, top, end);
    }
}

static enum atm_status fill_bands(const struct painter *p, struct atm_err *err) {
    struct bands bands = {.start = NULL};
    bool failed = false;
    const ptrdiff_t longest =
        atm_larger((ptrdiff_t)(2 * REACH_SIGMAS * WORST_PX * p->counts->zoom) + 3, 2 * p->shifts);
    enum atm_status status = sort_bands(p, &bands, err);
    if (status == ATM_OK) {
#pragma omp parallel
        {
            float *room = atm_mem_alloc(2 * (size_t)longest, sizeof *room);
#pragma omp for schedule(dynamic)
            for (ptrdiff_t b = 0; b < bands.count; b++)
                if (room)
                    fill_band(p, &bands, b, room, longest);
#pragma omp critical
            failed = failed || !room;
            atm_mem_free(room);
        }
        if (failed)
            status = atm_err_memory(err, "the super-resolution picture");
    }
    atm_mem_free(bands.start);
    atm_mem_free(bands.row);
    return status;
}

/* ---- all ---- */

/* Blur in camera pixels where a localization has none of its own. */
static enum atm_status fallback_blur(const struct atm_render_points *points,
                                     const struct atm_render_options *options, double *blur_px,
                                     struct atm_err *err) {
    *blur_px = options->sigma_nm / points->pixel_size_nm;
    if (points->pixel_size_nm > 0)
        return ATM_OK;
    *blur_px = DEFAULT_BLUR_PX;
    if (options->blur != ATM_BLUR_FIXED)
        return ATM_OK;
    return atm_err_set(err, ATM_USAGE,
                       "render.blur=fixed needs the pixel size, which the table does not state: "
                       "give it when reading the table, or choose precision or none");
}

static double frames_of(const struct atm_render_points *points) {
    double frames = (double)points->frames;
    for (ptrdiff_t i = 0; i < points->count; i++)
        frames = fmax(frames, points->frame[i] + 1);
    return frames;
}

static enum atm_status allocate(struct atm_render_counts *counts, bool color, struct atm_err *err) {
    size_t pixels = (size_t)counts->height * (size_t)counts->width;
    counts->image = atm_mem_alloc(pixels, sizeof *counts->image);
    if (color)
        counts->color = atm_mem_alloc(pixels, 3 * sizeof *counts->color);
    if (!counts->image || (color && !counts->color))
        return atm_err_memory(err, "the super-resolution picture");
    return ATM_OK;
}

enum atm_status atm_render_points_init(struct atm_render_counts *counts,
                                       const struct atm_render_points *points,
                                       const struct atm_render_options *options,
                                       struct atm_err *err) {
    *counts = (struct atm_render_counts){0};
    float colors[256 * 3];
    struct painter painter = {
        .points = points, .counts = counts, .blur = options->blur, .shifts = options->shifts};
    bool by_time = options->colors == ATM_COLORMAP_COUNT && points->frame;
    if (points->pixel_size_nm > 0)
        painter.least_px = options->min_sigma_nm / points->pixel_size_nm;
    enum atm_status status = fallback_blur(points, options, &painter.fallback_px, err);
    if (status == ATM_OK)
        status = plan_size(points, options, counts, err);
    if (status == ATM_OK)
        status = allocate(counts, by_time, err);
    if (status == ATM_OK) {
        make_integral(&painter);
        if (by_time) {
            atm_colormap_time(colors);
            painter.color = colors;
            painter.frames = frames_of(points);
        }
        status = fill_bands(&painter, err);
    }
    if (status != ATM_OK)
        atm_render_counts_free(counts);
    return status;
}

void atm_render_counts_free(struct atm_render_counts *counts) {
    atm_mem_free(counts->image);
    atm_mem_free(counts->color);
    *counts = (struct atm_render_counts){0};
}

/* ---- quantile: positive floats have the order of their bits ---- */

enum { HALF = 1 << 16 };

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Of the positive values whose upper half is `upper` (or all, for upper < 0), how many there are of
 * each lower (upper) half. Whole numbers: the order of adding does not matter. */
static void count_halves(const float *image, ptrdiff_t count, int64_t upper, int64_t *counts) {
    memset(counts, 0, HALF * sizeof *counts);
    for (ptrdiff_t i = 0; i < count; i++) {
        if (!(image[i] > 0))
            continue;
        uint32_t bits = bits_of(image[i]);
        if (upper < 0)
            counts[bits >> 16]++;
        else if (bits >> 16 == (uint32_t)upper)
            counts[bits & (HALF - 1)]++;
    }
}

/* The half that holds the element of that rank, which is then counted from its start. */
static int64_t find_half(const int64_t *counts, int64_t *rank) {
    int64_t half = 0;
    while (half < HALF - 1 && *rank >= counts[half])
        *rank -= counts[half++];
    return half;
}

double atm_render_quantile(const float *image, ptrdiff_t count, double quantile) {
    int64_t *counts = atm_mem_alloc(HALF, sizeof *counts), filled = 0;
    if (!counts)
        return 1;
    count_halves(image, count, -1, counts);
    for (int i = 0; i < HALF; i++)
        filled += counts[i];
    float value = 1;
    if (filled) {
        int64_t rank = (int64_t)(quantile * (double)(filled - 1));
        int64_t upper = find_half(counts, &rank);
        count_halves(image, count, upper, counts);
        uint32_t bits = (uint32_t)upper << 16 | (uint32_t)find_half(counts, &rank);
        memcpy(&value, &bits, sizeof value);
    }
    atm_mem_free(counts);
    return (double)value;
}
