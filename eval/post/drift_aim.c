/* Drift by adaptive intersection maximisation, after Ma, Chen, Sun et al. 2024
 * (doi:10.1126/sciadv.adm7765): a segment is moved to where most of its localizations meet others.
 * What it is compared with never contains the segment itself, which would hold it where it is. */
#include "drift_private.h"

#include "correlate.h"
#include "mem.h"
#include <math.h>

enum { COARSE_MAP = 1100, FINE_MAP = 4096, SWEEPS = 3 };

/* ---- coarse ---- */

struct coarse {
    const struct atm_drift_moved *moved;
    struct atm_drift_map reference, one; /* what is aligned; the segment */
    struct atm_correlator *correlator;
    float complex *a, *b;
    float *padded;
};

static enum atm_status coarse_init(struct coarse *c, const struct atm_drift_options *options,
                                   struct atm_err *err) {
    enum atm_status status = atm_drift_map_init(&c->reference, c->moved, options->pixel,
                                                options->range, COARSE_MAP, err);
    if (status == ATM_OK)
        status =
            atm_drift_map_init(&c->one, c->moved, options->pixel, options->range, COARSE_MAP, err);
    if (status == ATM_OK)
        status = atm_correlator_create(c->one.height, c->one.width,
                                       (ptrdiff_t)(options->range / c->one.pixel) + 1,
                                       &c->correlator, err);
    if (status != ATM_OK)
        return status;
    size_t bins = atm_correlator_bins(c->correlator);
    c->a = atm_mem_alloc(bins, sizeof *c->a);
    c->b = atm_mem_alloc(bins, sizeof *c->b);
    c->padded = atm_mem_alloc(atm_correlator_pixels(c->correlator), sizeof *c->padded);
    return c->a && c->b && c->padded ? ATM_OK : atm_err_memory(err, "the drift");
}

static void coarse_free(struct coarse *c) {
    atm_drift_map_free(&c->reference);
    atm_drift_map_free(&c->one);
    atm_correlator_destroy(&c->correlator);
    atm_mem_free(c->a);
    atm_mem_free(c->b);
    atm_mem_free(c->padded);
}

static void rows_of(const struct coarse *c, const struct atm_drift_segment *s, ptrdiff_t *first,
                    ptrdiff_t *end) {
    *first = c->moved->points->first[s->first];
    *end = c->moved->points->first[s->end];
}

/* Anywhere within the range. */
static void look_far(struct coarse *c, struct atm_drift_segment *s) {
    ptrdiff_t first, end;
    rows_of(c, s, &first, &end);
    atm_drift_map_clear(&c->one);
    atm_drift_map_add(&c->one, c->moved, first, end, 0, 0, 1);
    atm_correlator_transform(c->correlator, c->reference.image, c->padded, c->a);
    atm_correlator_transform(c->correlator, c->one.image, c->padded, c->b);
    struct atm_correlator_peak peak =
        atm_correlator_meet(c->correlator, c->a, c->b, c->b, c->padded);
    s->x = peak.dx * c->one.pixel;
    s->y = peak.dy * c->one.pixel;
}

/* One segment after the other joins those before it; then each once more against all others. */
static void coarse_align(struct coarse *c, struct atm_drift_cut *cut) {
    bool any = false;
    for (int sweep = 0; sweep < 2; sweep++)
        for (ptrdiff_t k = 0; k < cut->count; k++) {
            struct atm_drift_segment *s = &cut->segments[k];
            ptrdiff_t first, end;
            rows_of(c, s, &first, &end);
            s->known = end > first;
            if (!s->known)
                continue;
            if (sweep) /* take it out */
                atm_drift_map_add(&c->reference, c->moved, first, end, s->x, s->y, -1);
            else if (any)
                look_far(c, s);
            if (any)
                atm_drift_map_climb(&c->reference, NULL, c->moved, first, end, &s->x, &s->y);
            atm_drift_map_add(&c->reference, c->moved, first, end, s->x, s->y, 1);
            any = true;
        }
}

enum atm_status atm_drift_aim_coarse(const struct atm_drift_moved *moved,
                                     const struct atm_drift_options *options,
                                     struct atm_drift_cut *cut, struct atm_err *err) {
    struct coarse coarse = {.moved = moved};
    enum atm_status status = coarse_init(&coarse, options, err);
    if (status == ATM_OK)
        coarse_align(&coarse, cut);
    coarse_free(&coarse);
    return status;
}

/* ---- fine ---- */

static void align_one(const struct atm_drift_map *reference, struct atm_drift_map *own,
                      const struct atm_drift_moved *moved, struct atm_drift_segment *s) {
    const ptrdiff_t first = moved->points->first[s->first], end = moved->points->first[s->end];
    double x = s->x, y = s->y;
    if (end == first)
        return;
    atm_drift_map_add(own, moved, first, end, x, y, 1);
    s->known = atm_drift_map_climb(reference, own, moved, first, end, &s->x, &s->y);
    atm_drift_map_wipe(own, moved, first, end, x, y);
}

/* Every segment against all others where the last sweep left them. */
static enum atm_status sweep(const struct atm_drift_map *reference,
                             const struct atm_drift_moved *moved, struct atm_drift_cut *cut,
                             struct atm_err *err) {
    bool failed = false;
#pragma omp parallel
    {
        struct atm_drift_map own = *reference;
        own.image = atm_mem_alloc((size_t)(own.width * own.height), sizeof *own.image);
#pragma omp for schedule(dynamic)
        for (ptrdiff_t k = 0; k < cut->count; k++)
            if (own.image)
                align_one(reference, &own, moved, &cut->segments[k]);
#pragma omp critical
        failed = failed || !own.image;
        atm_drift_map_free(&own);
    }
    return failed ? atm_err_memory(err, "a picture of the drift") : ATM_OK;
}

enum atm_status atm_drift_aim_fine(const struct atm_drift_moved *moved,
                                   const struct atm_drift_options *options,
                                   struct atm_drift_cut *cut, struct atm_err *err) {
    struct atm_drift_map reference = {.image = NULL};
    enum atm_status status =
        atm_drift_map_init(&reference, moved, options->pixel, 8 * options->pixel, FINE_MAP, err);
    for (int n = 0; n < SWEEPS && status == ATM_OK; n++) {
        atm_drift_map_clear(&reference);
        for (ptrdiff_t k = 0; k < cut->count; k++) {
            const struct atm_drift_segment *s = &cut->segments[k];
            atm_drift_map_add(&reference, moved, moved->points->first[s->first],
                              moved->points->first[s->end], s->x, s->y, 1);
        }
        status = sweep(&reference, moved, cut, err);
    }
    atm_drift_map_free(&reference);
    return status;
}
