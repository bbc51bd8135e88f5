#include "figures.h"

#include "mem.h"
#include "render.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All images are shown from black = 0 to white = 1, outside clipped. */
static const double BLACK = 0, WHITE = 1;

enum { CAPTION = 64, NOTE = 96, TITLE = 512 };

static enum atm_status no_memory(struct atm_err *err) { return atm_err_memory(err, "figures"); }

static struct atm_panel panel_of(const float *image, char *caption) {
    return (struct atm_panel){.image = image, .lo = BLACK, .hi = WHITE, .caption = caption};
}

static void add_truth(const struct atm_figure_set *set, ptrdiff_t image, struct atm_panel *panel) {
    panel->ring_count = atm_figure_set_truth(set, image, &panel->rings);
}

/* ---- An image taken apart ---- */

enum { BLOCKS_MOST = 16, BLOCK_COLUMNS = 6 };

/* An image, its latents and the norms of its atoms relative to its own. */
struct apart {
    float *input, *output, *latents;
    double *share;
    ptrdiff_t blocks;
};

static void apart_free(struct apart *apart) {
    atm_mem_free(apart->input);
    atm_mem_free(apart->latents);
    atm_mem_free(apart->share);
}

static enum atm_status take_apart(struct atm_figure_set *set, ptrdiff_t image, struct apart *apart,
                                  struct atm_err *err) {
    const size_t pixels = (size_t)(set->height * set->width), blocks = (size_t)set->size.blocks;
    apart->blocks = set->size.blocks;
    apart->input = atm_mem_alloc(2 * pixels, sizeof *apart->input);
    apart->latents = atm_mem_alloc(blocks, (size_t)set->model->latent * sizeof *apart->latents);
    apart->share = atm_mem_alloc(blocks, sizeof *apart->share);
    if (!apart->input || !apart->latents || !apart->share)
        return no_memory(err);
    apart->output = apart->input + pixels;
    enum atm_status status =
        atm_figure_set_encode(set, 1, &image, apart->input, apart->latents, err);
    if (!status)
        status = atm_figure_set_norms(set, apart->blocks, apart->latents, apart->share, err);
    if (status)
        return status;
    atm_figure_set_decode(set, 1, apart->latents, apart->output);
    const double norm = atm_figure_set_norm(set, apart->input);
    for (ptrdiff_t b = 0; b < apart->blocks; b++)
        apart->share[b] = norm > 0 ? apart->share[b] / norm : 0;
    return ATM_OK;
}

/* The blocks that are shown: all in their order, or the strongest first where they are many. */
static ptrdiff_t choose_blocks(const struct apart *apart, ptrdiff_t chosen[BLOCKS_MOST]) {
    if (apart->blocks <= BLOCKS_MOST) {
        for (ptrdiff_t b = 0; b < apart->blocks; b++)
            chosen[b] = b;
        return apart->blocks;
    }
    for (ptrdiff_t i = 0; i < BLOCKS_MOST; i++) {
        ptrdiff_t best = -1;
        for (ptrdiff_t b = 0; b < apart->blocks; b++) {
            bool taken = false;
            for (ptrdiff_t j = 0; j < i; j++)
                taken |= chosen[j] == b;
            if (!taken && (best < 0 || apart->share[b] > apart->share[best]))
                best = b;
        }
        chosen[i] = best;
    }
    return BLOCKS_MOST;
}

static enum atm_status draw_apart(struct atm_figure_set *set, ptrdiff_t image,
                                  const struct apart *apart, const char *path,
                                  struct atm_err *err) {
    const ptrdiff_t pixels = set->height * set->width, latent = set->model->latent;
    ptrdiff_t chosen[BLOCKS_MOST], n = choose_blocks(apart, chosen);
    float latents[BLOCKS_MOST * ATM_LATENT_MAX];
    for (ptrdiff_t i = 0; i < n; i++)
        memcpy(latents + i * latent, apart->latents + chosen[i] * latent,
               (size_t)latent * sizeof *latents);
    float *atoms = atm_mem_alloc((size_t)(n * pixels), sizeof *atoms);
    enum atm_status status =
        atoms ? atm_figure_set_atoms(set, n, chosen, latents, atoms, err) : no_memory(err);
    struct atm_panel panels[2 + BLOCKS_MOST];
    char captions[2 + BLOCKS_MOST][CAPTION], title[TITLE];
    snprintf(captions[0], CAPTION, "input");
    snprintf(captions[1], CAPTION, "reconstruction");
    panels[0] = panel_of(apart->input, captions[0]);
    panels[1] = panel_of(apart->output, captions[1]);
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        const double share = apart->share[chosen[i]];
        snprintf(captions[2 + i], CAPTION, "block %td: %.0f %%%s", chosen[i] + 1, 100 * share,
                 share < set->active ? ", inactive" : "");
        panels[2 + i] = panel_of(atoms + i * pixels, captions[2 + i]);
    }
    for (ptrdiff_t i = 0; i < 2 + n; i++)
        add_truth(set, image, &panels[i]);
    snprintf(title, sizeof title,
             "Test image %td, its reconstruction and %s%td images g(z) of its blocks, 0 black to 1 "
             "white; relative squared error %.2g.\nPer cent: |g(z)| / |image|, g(z) clipped%s",
             set->first_frame + image, n < apart->blocks ? "the strongest " : "the ", n,
             atm_figure_set_error(set, apart->input, apart->output),
             set->truth ? ". Rings: true positions." : ".");
    const struct atm_panel_sheet sheet = {panels,     (int)(2 + n), BLOCK_COLUMNS, set->height,
                                          set->width, 256,          title};
    if (!status)
        status = atm_render_panels(path, &sheet, err);
    atm_mem_free(atoms);
    return status;
}

enum atm_status atm_figure_blocks(struct atm_figure_set *set, ptrdiff_t image, const char *path,
                                  struct atm_err *err) {
    struct apart apart = {0};
    enum atm_status status = take_apart(set, image, &apart, err);
    if (!status)
        status = draw_apart(set, image, &apart, path, err);
    apart_free(&apart);
    return status;
}

/* ---- Sweeps ---- */

enum { STEPS = 6, SWEEP_COLUMNS = STEPS + 1, COORDINATES_MOST = 12 };

/* Per coordinate two rows, the atom and the whole image: the original, then the steps. */
struct sweep {
    ptrdiff_t image, block, coordinates;
    const struct apart *apart;
    float *images;              /* (coordinates, 2, SWEEP_COLUMNS, H, W) */
    double (*motion)[STEPS][2]; /* (coordinates): centroids of the atoms */
    struct atm_panel *panels;   /* (coordinates, 2, SWEEP_COLUMNS) */
    char (*captions)[CAPTION];
};

static double step_value(const struct atm_figure_set *set, const struct sweep *sweep, ptrdiff_t d,
                         int step) {
    const ptrdiff_t at = sweep->block % set->size.per_cell * set->model->latent + d;
    const double low = (double)set->low[at], high = (double)set->high[at];
    return low + (high - low) * step / (STEPS - 1);
}

/* Centroid of what is bright in an image: of its pixels above half of its maximum. */
static void centroid(const struct atm_figure_set *set, const float *image, double at[2]) {
    double sum = 0, x_sum = 0, y_sum = 0;
    float top = 0;
    for (ptrdiff_t i = 0; i < set->height * set->width; i++)
        top = fmaxf(top, image[i]);
    for (ptrdiff_t i = 0; i < set->height * set->width; i++) {
        const double w = image[i] > top / 2 ? (double)image[i] : 0;
        sum += w;
        x_sum += w * (double)(i % set->width);
        y_sum += w * (double)(i / set->width);
    }
    at[0] = x_sum / sum; /* NAN for a dark image: not drawn */
    at[1] = y_sum / sum;
}

/* The images of one coordinate. */
static enum atm_status sweep_images(struct atm_figure_set *set, struct sweep *sweep, ptrdiff_t d,
                                    struct atm_err *err) {
    const ptrdiff_t latent = set->model->latent, code = sweep->apart->blocks * latent;
    const ptrdiff_t pixels = set->height * set->width;
    float *atoms = sweep->images + d * 2 * SWEEP_COLUMNS * pixels;
    float z[SWEEP_COLUMNS * ATM_LATENT_MAX];
    ptrdiff_t block[SWEEP_COLUMNS];
    float *codes = atm_mem_alloc((size_t)(SWEEP_COLUMNS * code), sizeof *codes);
    if (!codes)
        return no_memory(err);
    for (int i = 0; i < SWEEP_COLUMNS; i++) {
        float *moved = codes + i * code + sweep->block * latent;
        block[i] = sweep->block;
        memcpy(codes + i * code, sweep->apart->latents, (size_t)code * sizeof *codes);
        if (i > 0)
            moved[d] = (float)step_value(set, sweep, d, i - 1);
        memcpy(z + i * latent, moved, (size_t)latent * sizeof *z);
    }
    atm_figure_set_decode(set, SWEEP_COLUMNS, codes, atoms + SWEEP_COLUMNS * pixels);
    atm_mem_free(codes);
    enum atm_status status = atm_figure_set_atoms(set, SWEEP_COLUMNS, block, z, atoms, err);
    for (int i = 0; !status && i < STEPS; i++)
        centroid(set, atoms + (i + 1) * pixels, sweep->motion[d][i]);
    return status;
}

static void sweep_panels(const struct atm_figure_set *set, struct sweep *sweep, ptrdiff_t d) {
    const ptrdiff_t pixels = set->height * set->width;
    const double original = (double)sweep->apart->latents[sweep->block * set->model->latent + d];
    for (int row = 0; row < 2; row++)
        for (int i = 0; i < SWEEP_COLUMNS; i++) {
            const ptrdiff_t at = (d * 2 + row) * SWEEP_COLUMNS + i;
            char *caption = sweep->captions[at];
            if (i == 0)
                snprintf(caption, CAPTION, "%s, z%td = %.3g", row ? "whole" : "atom", d + 1,
                         original);
            else
                snprintf(caption, CAPTION, "z%td = %.3g", d + 1, step_value(set, sweep, d, i - 1));
            struct atm_panel *panel = &sweep->panels[at];
            *panel = panel_of(sweep->images + at * pixels, caption);
            panel->framed = i == 0;
            if (i > 0) {
                panel->path = (const double(*)[2])sweep->motion[d];
                panel->path_count = STEPS;
                panel->path_at = i - 1;
            }
        }
}

static enum atm_status draw_sweep(struct atm_figure_set *set, struct sweep *sweep, const char *note,
                                  const char *path, struct atm_err *err) {
    char title[TITLE], shown[CAPTION] = "";
    enum atm_status status = ATM_OK;
    for (ptrdiff_t d = 0; !status && d < sweep->coordinates; d++) {
        status = sweep_images(set, sweep, d, err);
        if (!status)
            sweep_panels(set, sweep, d);
    }
    if (status)
        return status;
    if (sweep->coordinates < set->model->latent)
        snprintf(shown, sizeof shown, " (the first %td of %td)", sweep->coordinates,
                 set->model->latent);
    snprintf(title, sizeof title,
             "Test image %td, block %td%s.\nEach coordinate%s alone in %d steps over its range in "
             "the test set, %.0f %% to %.0f %% quantile; the other blocks are left as they are.\n"
             "Orange frame: the original. Line: the motion of the brightest place of g(z), ring: "
             "where this step stands.",
             set->first_frame + sweep->image, sweep->block + 1, note, shown, STEPS, 1.0, 99.0);
    const struct atm_panel_sheet sheet = {
        sweep->panels, (int)(sweep->coordinates * 2 * SWEEP_COLUMNS),
        SWEEP_COLUMNS, set->height,
        set->width,    256,
        title};
    return atm_render_panels(path, &sheet, err);
}

/* The block that is moved, and why it is not the one that was asked for. */
static ptrdiff_t choose_moved(const struct apart *apart, double active, ptrdiff_t block,
                              char note[NOTE]) {
    ptrdiff_t best = 0;
    note[0] = 0;
    for (ptrdiff_t b = 1; b < apart->blocks; b++)
        best = apart->share[b] > apart->share[best] ? b : best;
    if (block >= 0 && block < apart->blocks && apart->share[block] >= active)
        return block;
    if (block < 0)
        snprintf(note, NOTE, ", its most active one");
    else
        snprintf(note, NOTE, ", its most active one: block %td is %s", block + 1,
                 block < apart->blocks ? "inactive here" : "not there");
    return best;
}

enum atm_status atm_figure_sweep(struct atm_figure_set *set, ptrdiff_t image, ptrdiff_t block,
                                 const char *path, struct atm_err *err) {
    struct apart apart = {0};
    char note[NOTE];
    struct sweep sweep = {.image = image, .apart = &apart};
    sweep.coordinates =
        set->model->latent < COORDINATES_MOST ? set->model->latent : COORDINATES_MOST;
    const size_t count = (size_t)sweep.coordinates * 2 * SWEEP_COLUMNS;
    sweep.images = atm_mem_alloc(count, (size_t)(set->height * set->width) * sizeof *sweep.images);
    sweep.motion = atm_mem_alloc((size_t)sweep.coordinates, sizeof *sweep.motion);
    sweep.panels = atm_mem_alloc(count, sizeof *sweep.panels);
    sweep.captions = atm_mem_alloc(count, sizeof *sweep.captions);
    enum atm_status status = sweep.images && sweep.motion && sweep.panels && sweep.captions
                                 ? take_apart(set, image, &apart, err)
                                 : no_memory(err);
    if (!status) {
        sweep.block = choose_moved(&apart, set->active, block, note);
        status = draw_sweep(set, &sweep, note, path, err);
    }
    apart_free(&apart);
    atm_mem_free(sweep.images);
    atm_mem_free(sweep.motion);
    atm_mem_free(sweep.panels);
    atm_mem_free(sweep.captions);
    return status;
}

/* ---- Interpolation ---- */

enum { MIXTURES = 10, MIX_COLUMNS = 6 };

static enum atm_status draw_interpolation(struct atm_figure_set *set, const ptrdiff_t ends[2],
                                          float *images, float *codes, const char *path,
                                          struct atm_err *err) {
    const ptrdiff_t pixels = set->height * set->width;
    const ptrdiff_t code = set->size.blocks * set->model->latent;
    float *mixtures = codes + 2 * code, *outputs = images + 2 * pixels;
    enum atm_status status = atm_figure_set_encode(set, 2, ends, images, codes, err);
    if (status)
        return status;
    struct atm_panel panels[MIXTURES + 2];
    char captions[MIXTURES + 2][CAPTION], title[TITLE];
    for (int i = 0; i < MIXTURES; i++) {
        const double t = (double)i / (MIXTURES - 1);
        for (ptrdiff_t j = 0; j < code; j++)
            mixtures[i * code + j] =
                (float)((1 - t) * (double)codes[j] + t * (double)codes[code + j]);
        snprintf(captions[i + 1], CAPTION, "t = %.2f", t);
        panels[i + 1] = panel_of(outputs + i * pixels, captions[i + 1]);
    }
    atm_figure_set_decode(set, MIXTURES, mixtures, outputs);
    for (int end = 0; end < 2; end++) {
        const int at = end * (MIXTURES + 1);
        snprintf(captions[at], CAPTION, "input %td", set->first_frame + ends[end]);
        panels[at] = panel_of(images + end * pixels, captions[at]);
        panels[at].framed = true;
    }
    snprintf(
        title, sizeof title,
        "From test image %td to %td in %d steps: every block's latents (1 - t) z + t z', block "
        "by block; framed: the inputs.",
        set->first_frame + ends[0], set->first_frame + ends[1], MIXTURES);
    const struct atm_panel_sheet sheet = {panels,     MIXTURES + 2, MIX_COLUMNS, set->height,
                                          set->width, 256,          title};
    return atm_render_panels(path, &sheet, err);
}

enum atm_status atm_figure_interpolation(struct atm_figure_set *set, ptrdiff_t from, ptrdiff_t to,
                                         const char *path, struct atm_err *err) {
    const ptrdiff_t ends[2] = {from, to};
    const size_t count = MIXTURES + 2;
    float *images = atm_mem_alloc(count * (size_t)(set->height * set->width), sizeof *images);
    float *codes =
        atm_mem_alloc(count * (size_t)(set->size.blocks * set->model->latent), sizeof *codes);
    enum atm_status status =
        images && codes ? draw_interpolation(set, ends, images, codes, path, err) : no_memory(err);
    atm_mem_free(images);
    atm_mem_free(codes);
    return status;
}

/* ---- Pairs ---- */

enum { PAIRS_PER_ROW = 6 };

struct pairs {
    ptrdiff_t *index;
    float *input, *output, *codes;
    struct atm_panel *panels; /* (pairs, 2) */
    char (*captions)[CAPTION];
};

static enum atm_status draw_pairs(struct atm_figure_set *set, ptrdiff_t n, struct pairs *p,
                                  const char *path, struct atm_err *err) {
    const ptrdiff_t pixels = set->height * set->width;
    char title[TITLE];
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        p->index[i] = i * set->count / n;
    enum atm_status status = atm_figure_set_encode(set, n, p->index, p->input, p->codes, err);
    if (status)
        return status;
    atm_figure_set_decode(set, n, p->codes, p->output);
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *input = p->input + i * pixels, *output = p->output + i * pixels;
        const double error = atm_figure_set_error(set, input, output);
        sum += error;
        snprintf(p->captions[2 * i], CAPTION, "%td", set->first_frame + p->index[i]);
        snprintf(p->captions[2 * i + 1], CAPTION, "error %.2g", error);
        p->panels[2 * i] = panel_of(input, p->captions[2 * i]);
        p->panels[2 * i + 1] = panel_of(output, p->captions[2 * i + 1]);
    }
    snprintf(title, sizeof title,
             "%td test images spread evenly over the set: input and output, 0 black to 1 white, "
             "and relative squared error; their mean %.2g.",
             n, sum / (double)n);
    const struct atm_panel_sheet sheet = {
        p->panels, (int)(2 * n), 2 * PAIRS_PER_ROW, set->height, set->width, 128, title};
    return atm_render_panels(path, &sheet, err);
}

enum atm_status atm_figure_pairs(struct atm_figure_set *set, ptrdiff_t pairs, const char *path,
                                 struct atm_err *err) {
    const ptrdiff_t n = pairs < set->count ? pairs : set->count;
    const size_t pixels = (size_t)(set->height * set->width), count = (size_t)n;
    struct pairs p = {
        .index = atm_mem_alloc(count, sizeof *p.index),
        .input = atm_mem_alloc(count, 2 * pixels * sizeof *p.input),
        .codes =
            atm_mem_alloc(count * (size_t)(set->size.blocks * set->model->latent), sizeof *p.codes),
        .panels = atm_mem_alloc(count, 2 * sizeof *p.panels),
        .captions = atm_mem_alloc(count, 2 * sizeof *p.captions),
    };
    enum atm_status status = no_memory(NULL);
    if (p.index && p.input && p.codes && p.panels && p.captions) {
        p.output = p.input + count * pixels;
        status = draw_pairs(set, n, &p, path, err);
    } else {
        status = no_memory(err);
    }
    atm_mem_free(p.index);
    atm_mem_free(p.input);
    atm_mem_free(p.codes);
    atm_mem_free(p.panels);
    atm_mem_free(p.captions);
    return status;
}
