#include "psf_chart.h"

#include "chart.h"
#include "mem.h"
#include "render.h"
#include "spot.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ATOMS = 400, BINS = 40, SIDE = 15 };

struct mean_atom {
    float image[SIDE * SIDE];
    double profile[BINS], weight[BINS], reach_px;
    int atoms;
};

struct measured {
    const float *image;
    struct atm_spot_moments spot;
};

static int by_mass(const void *a, const void *b) {
    const struct measured *p = a, *q = b;
    return p->spot.mass != q->spot.mass ? (p->spot.mass < q->spot.mass ? 1 : -1)
                                        : (p->image > q->image) - (p->image < q->image);
}

/* Linear interpolation; 0 outside. */
static double value_at(const float *image, ptrdiff_t side, double x, double y) {
    double x0 = floor(x), y0 = floor(y), fx = x - x0, fy = y - y0, sum = 0;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++) {
            double px = x0 + i, py = y0 + j;
            if (px >= 0 && py >= 0 && px < (double)side && py < (double)side)
                sum += (i ? fx : 1 - fx) * (j ? fy : 1 - fy) *
                       (double)image[(ptrdiff_t)py * side + (ptrdiff_t)px];
        }
    return sum;
}

static void add_atom(struct mean_atom *mean, const struct measured *atom, ptrdiff_t side) {
    const struct atm_spot_moments *spot = &atom->spot;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            mean->image[y * SIDE + x] += (float)(value_at(atom->image, side, spot->x + x - SIDE / 2,
                                                          spot->y + y - SIDE / 2) /
                                                 spot->mass);
    for (ptrdiff_t i = 0; i < side * side; i++) {
        double distance = hypot((double)(i % side) - spot->x, (double)(i / side) - spot->y);
        int bin = (int)(distance / mean->reach_px * BINS);
        if (bin >= BINS)
            continue;
        mean->profile[bin] += (double)atom->image[i] / spot->mass;
        mean->weight[bin]++;
    }
    mean->atoms++;
}

/* The brighter half: dim blocks are mostly what the network does not know. */
static void average(const float *images, ptrdiff_t count, ptrdiff_t side, struct measured *atoms,
                    struct mean_atom *mean) {
    ptrdiff_t compact = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const float *image = images + i * side * side;
        const struct atm_spot_window window = {image, side, 0, 0, side, side};
        atoms[compact].image = image;
        atm_spot_measure(&window, &atoms[compact].spot);
        compact += atoms[compact].spot.compact && atoms[compact].spot.mass > 0;
    }
    qsort(atoms, (size_t)compact, sizeof *atoms, by_mass);
    for (ptrdiff_t i = 0; i < (compact + 1) / 2; i++)
        add_atom(mean, &atoms[i], side);
    for (int i = 0; i < SIDE * SIDE && mean->atoms; i++)
        mean->image[i] /= (float)mean->atoms;
}

static enum atm_status find_mean(const struct atm_model *model, struct mean_atom *mean,
                                 struct atm_err *err) {
    ptrdiff_t count = model->latent_count < MOST_ATOMS ? model->latent_count : MOST_ATOMS;
    ptrdiff_t side = atm_model_atom_side(model);
    float *latents = atm_mem_alloc((size_t)(count * model->latent), sizeof *latents);
    float *images = atm_mem_alloc((size_t)(count * side * side), sizeof *images);
    struct measured *atoms = atm_mem_alloc((size_t)count + 1, sizeof *atoms);
    enum atm_status status =
        latents && images && atoms ? ATM_OK : atm_err_memory(err, "the average atom");
    for (ptrdiff_t i = 0; status == ATM_OK && i < count; i++) { /* evenly from the sample */
        const float *from = model->latents + i * model->latent_count / count * model->latent;
        for (ptrdiff_t k = 0; k < model->latent; k++)
            latents[i * model->latent + k] = from[k];
    }
    if (status == ATM_OK)
        status = atm_model_render_atoms(model, count, latents, images, err);
    if (status == ATM_OK)
        average(images, count, side, atoms, mean);
    atm_mem_free(latents);
    atm_mem_free(images);
    atm_mem_free(atoms);
    return status;
}

static enum atm_status put_profile(struct atm_html *page, const struct mean_atom *mean,
                                   double sigma_px, const char *stem, struct atm_err *err) {
    double x[BINS], y[BINS], gaussian[BINS];
    char svg[PATH_MAX + 8], caption[256];
    for (int k = 0; k < BINS; k++) {
        x[k] = (k + 0.5) * mean->reach_px / BINS;
        y[k] = mean->weight[k] > 0 ? mean->profile[k] / mean->weight[k] : NAN;
        gaussian[k] =
            exp(-x[k] * x[k] / (2 * sigma_px * sigma_px)) / (2 * acos(-1) * sigma_px * sigma_px);
    }
    const struct atm_curve curves[] = {
        {.label = "average atom", .x = x, .y = y, .count = BINS},
        {.label = "Gaussian", .x = x, .y = gaussian, .count = BINS, .style = ATM_CURVE_DASHED}};
    const struct atm_chart chart = {.title = "The atom as a PSF",
                                    .x_label = "distance from its centroid (px)",
                                    .y_label = "light per pixel",
                                    .curves = curves,
                                    .count = 2};
    snprintf(svg, sizeof svg, "%s.svg", stem);
    snprintf(
        caption, sizeof caption,
        "Profile of %d atoms, each of mass 1 about its own centroid, beside a Gaussian of sigma "
        "%.2f px. Nobody told the network what an emitter looks like.",
        mean->atoms, sigma_px);
    enum atm_status status = atm_chart_write_all(stem, &chart, err);
    return status == ATM_OK ? atm_html_image(page, svg, caption, err) : status;
}

enum atm_status atm_psf_chart_put(struct atm_html *page, const struct atm_model *model,
                                  double sigma_px, const char *folder, struct atm_err *err) {
    char picture[PATH_MAX], stem[PATH_MAX];
    if (snprintf(picture, sizeof picture, "%s/atom.png", folder) >= (int)sizeof picture ||
        snprintf(stem, sizeof stem, "%s/psf", folder) >= (int)sizeof stem)
        return atm_err_set(err, ATM_FAIL, "%s: the name is too long", folder);
    double own = model->calibration.done ? model->calibration.sigma_px : NAN;
    sigma_px = sigma_px > 0 ? sigma_px : own;
    struct mean_atom mean = {.reach_px = 5 * (sigma_px > 0 ? sigma_px : 1.5)};
    enum atm_status status = model->latent_count ? find_mean(model, &mean, err) : ATM_OK;
    if (status != ATM_OK || !mean.atoms)
        return status;
    const struct atm_panel panel = {.image = mean.image, .caption = "average atom"};
    const struct atm_panel_sheet sheet = {
        .panels = &panel, .count = 1, .columns = 1, .height = SIDE, .width = SIDE};
    status = atm_render_panels(picture, &sheet, err);
    if (status == ATM_OK)
        status = atm_html_image(page, picture,
                                "The average atom: what the network draws for one emitter, learned "
                                "from the movie alone.",
                                err);
    return status == ATM_OK && sigma_px > 0 ? put_profile(page, &mean, sigma_px, stem, err)
                                            : status;
}
