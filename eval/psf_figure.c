#include "psf_figure.h"

#include "canvas.h"
#include "chart.h"
#include "colormap.h"
#include "mem.h"
#include <math.h>
#include <string.h>

enum { SCALE = 2, WIDTH = SCALE * ATM_CHART_WIDTH, GAP = 24, TOP = 60, CAPTION = 56 };
enum { PANELS = 3, PANEL = (WIDTH - 4 * GAP) / PANELS };
static const double BLACK[3] = {0, 0, 0};

struct pictures {
    float *gaussian, *shown; /* (size, size): scaled to the PSF by least squares; scratch */
    double *x, *along_x, *along_y, *beside; /* (size): profiles */
    uint8_t *rgb;                           /* (size, size, 3) */
};

static void pictures_free(struct pictures *p) {
    atm_mem_free(p->gaussian);
    atm_mem_free(p->shown);
    atm_mem_free(p->x);
    atm_mem_free(p->rgb);
}

/* The Gaussian whose light on pixels is as wide at half its height. */
static enum atm_status make_gaussian(const struct atm_psf_image *psf,
                                     const struct atm_psf_measures *m, struct pictures *p,
                                     struct atm_err *err) {
    const double fwhm = 0.5 * (m->fwhm_x + m->fwhm_y), per_sigma = 2 * sqrt(2 * M_LN2);
    const double variance = fwhm * fwhm / (per_sigma * per_sigma) - 1.0 / 12;
    struct atm_psf_image image;
    enum atm_status status =
        atm_psf_image_create(psf->size / 2 / psf->oversampling, psf->oversampling, &image, err);
    if (status)
        return status;
    double product = 0, square = 0;
    atm_psf_image_gaussian(&image, sqrt(fmax(variance, 0.01)));
    for (ptrdiff_t i = 0; i < image.size * image.size; i++) {
        product += (double)image.samples[i] * (double)psf->samples[i];
        square += (double)image.samples[i] * (double)image.samples[i];
    }
    for (ptrdiff_t i = 0; i < image.size * image.size; i++)
        image.samples[i] *= (float)(product / square);
    p->gaussian = image.samples;
    return ATM_OK;
}

static enum atm_status pictures_create(const struct atm_psf_image *psf,
                                       const struct atm_psf_measures *m, struct pictures *p,
                                       struct atm_err *err) {
    size_t n = (size_t)psf->size;
    p->shown = atm_mem_alloc(n * n, sizeof *p->shown);
    p->rgb = atm_mem_alloc(n * n, 3);
    p->x = atm_mem_alloc(4 * n, sizeof *p->x);
    if (!p->shown || !p->rgb || !p->x)
        return atm_err_memory(err, "the picture of a PSF");
    p->along_x = p->x + n, p->along_y = p->along_x + n, p->beside = p->along_y + n;
    return make_gaussian(psf, m, p, err);
}

static void put_panel(struct atm_canvas *canvas, const struct pictures *p, ptrdiff_t size,
                      int place, struct atm_colormap_range range, const char *caption) {
    struct atm_colormap map;
    ptrdiff_t side = size < PANEL ? size : PANEL, zoom = PANEL / side, cut = (size - side) / 2;
    for (ptrdiff_t y = 0; y < side; y++) /* the middle, of what is too large for the panel */
        memmove(p->shown + y * side, p->shown + (y + cut) * size + cut,
                (size_t)side * sizeof *p->shown);
    atm_colormap_gray(&map);
    atm_colormap_apply(&map, p->shown, side * side, range, p->rgb);
    ptrdiff_t left = GAP + place * (PANEL + GAP) + (PANEL - zoom * side) / 2;
    const struct atm_canvas_pixels pixels = {p->rgb, side, side, zoom};
    atm_canvas_put(canvas, left, TOP, &pixels);
    atm_canvas_text(canvas, GAP + place * (PANEL + GAP) + PANEL / 2.0, TOP + PANEL + 32, 0.5,
                    caption);
}

static void put_panels(struct atm_canvas *canvas, const struct atm_psf_image *psf,
                       const struct pictures *p) {
    ptrdiff_t n = psf->size * psf->size;
    double peak = 0, most = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        peak = fmax(peak, (double)psf->samples[i]);
        most = fmax(most, fabs((double)psf->samples[i] - (double)p->gaussian[i]));
        p->shown[i] = psf->samples[i];
    }
    put_panel(canvas, p, psf->size, 0, (struct atm_colormap_range){0, peak}, "light on a pixel");
    for (ptrdiff_t i = 0; i < n; i++)
        p->shown[i] = sqrtf(fmaxf(psf->samples[i], 0));
    put_panel(canvas, p, psf->size, 1, (struct atm_colormap_range){0, sqrt(peak)},
              "its square root, for the wings");
    for (ptrdiff_t i = 0; i < n; i++)
        p->shown[i] = psf->samples[i] - p->gaussian[i];
    put_panel(canvas, p, psf->size, 2, (struct atm_colormap_range){-most, most},
              "less the Gaussian; grey is 0");
}

static void put_profiles(struct atm_canvas *canvas, const struct atm_psf_image *psf,
                         const struct pictures *p) {
    ptrdiff_t middle = psf->size / 2;
    for (ptrdiff_t i = 0; i < psf->size; i++) {
        p->x[i] = (double)(i - middle) / (double)psf->oversampling;
        p->along_x[i] = (double)psf->samples[middle * psf->size + i];
        p->along_y[i] = (double)psf->samples[i * psf->size + middle];
        p->beside[i] = (double)p->gaussian[middle * psf->size + i];
    }
    const struct atm_curve curves[] = {
        {.label = "along x", .x = p->x, .y = p->along_x, .count = psf->size},
        {.label = "along y", .x = p->x, .y = p->along_y, .count = psf->size},
        {.label = "Gaussian of the same FWHM",
         .x = p->x,
         .y = p->beside,
         .count = psf->size,
         .style = ATM_CURVE_DASHED}};
    const struct atm_chart chart = {.x_label = "distance from the emitter (px)",
                                    .y_label = "light on a pixel",
                                    .curves = curves,
                                    .count = 3};
    cairo_save(canvas->cr);
    cairo_scale(canvas->cr, SCALE, SCALE);
    atm_chart_draw(canvas, 0, (TOP + PANEL + CAPTION) / (double)SCALE, &chart);
    cairo_restore(canvas->cr);
}

enum atm_status atm_psf_figure(const char *path, const struct atm_psf_image *psf,
                               const struct atm_psf_measures *measures, const char *title,
                               struct atm_err *err) {
    struct pictures p = {0};
    struct atm_canvas canvas = {0};
    enum atm_status status = pictures_create(psf, measures, &p, err);
    if (!status)
        status = atm_canvas_create(&canvas, TOP + PANEL + CAPTION + SCALE * ATM_CHART_HEIGHT,
                                   WIDTH, err);
    if (!status) {
        atm_canvas_color(&canvas, BLACK);
        atm_canvas_font(&canvas, 32);
        atm_canvas_text(&canvas, GAP, 42, 0, title);
        atm_canvas_font(&canvas, 26);
        put_panels(&canvas, psf, &p);
        put_profiles(&canvas, psf, &p);
        status = atm_canvas_write(&canvas, path, err);
    }
    atm_canvas_destroy(&canvas);
    pictures_free(&p);
    return status;
}
