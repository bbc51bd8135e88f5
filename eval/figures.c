#include "figures.h"

#include "figure_panel.h"
#include "mem.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static enum atm_status no_memory(struct atm_err *err) { return atm_err_memory(err, "figures"); }

/* ---- An image taken apart ---- */

enum { BLOCKS_MOST = 16, BLOCK_COLUMNS = 6 };

/* The blocks that are shown: all in their order, or the strongest first where they are many. */
static ptrdiff_t choose_blocks(const struct atm_figure_apart *apart,
                               ptrdiff_t chosen[BLOCKS_MOST]) {
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
                                  const struct atm_figure_apart *apart, const char *path,
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
    char captions[2 + BLOCKS_MOST][FIGURE_CAPTION], title[FIGURE_TITLE];
    snprintf(captions[0], FIGURE_CAPTION, "input");
    snprintf(captions[1], FIGURE_CAPTION, "reconstruction");
    panels[0] = figure_panel(apart->input, captions[0]);
    panels[1] = figure_panel(apart->output, captions[1]);
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        const double share = apart->share[chosen[i]];
        snprintf(captions[2 + i], FIGURE_CAPTION, "block %td: %.0f %%%s", chosen[i] + 1,
                 100 * share, share < set->active ? ", inactive" : "");
        panels[2 + i] = figure_panel(atoms + i * pixels, captions[2 + i]);
    }
    for (ptrdiff_t i = 0; i < 2 + n; i++)
        panels[i].ring_count = atm_figure_set_truth(set, image, &panels[i].rings);
    snprintf(title, sizeof title,
             "Test image %td, its reconstruction and %s%td images g(z) of its blocks, 0 black to 1 "
             "white; relative squared error %.2g.\nPer cent: |g(z)| / |image|, g(z) clipped%s",
             set->first_frame + image, n < apart->blocks ? "the strongest " : "the ", n,
             atm_figure_set_error(set, apart->input, apart->output),
             set->truth ? ". Rings: true positions." : ".");
    const struct atm_panel_sheet sheet = {.panels = panels,
                                          .count = (int)(2 + n),
                                          .columns = BLOCK_COLUMNS,
                                          .height = set->height,
                                          .width = set->width,
                                          .panel_px = FIGURE_PANEL_PX,
                                          .title = title};
    if (!status)
        status = atm_render_panels(path, &sheet, err);
    atm_mem_free(atoms);
    return status;
}

enum atm_status atm_figure_blocks(struct atm_figure_set *set, ptrdiff_t image, const char *path,
                                  struct atm_err *err) {
    struct atm_figure_apart apart = {0};
    enum atm_status status = atm_figure_set_take_apart(set, image, &apart, err);
    if (!status)
        status = draw_apart(set, image, &apart, path, err);
    atm_figure_apart_free(&apart);
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
    char captions[MIXTURES + 2][FIGURE_CAPTION], title[FIGURE_TITLE];
    for (int i = 0; i < MIXTURES; i++) {
        const double t = (double)i / (MIXTURES - 1);
        for (ptrdiff_t j = 0; j < code; j++)
            mixtures[i * code + j] =
                (float)((1 - t) * (double)codes[j] + t * (double)codes[code + j]);
        snprintf(captions[i + 1], FIGURE_CAPTION, "t = %.2f", t);
        panels[i + 1] = figure_panel(outputs + i * pixels, captions[i + 1]);
    }
    atm_figure_set_decode(set, MIXTURES, mixtures, outputs);
    for (int end = 0; end < 2; end++) {
        const int at = end * (MIXTURES + 1);
        snprintf(captions[at], FIGURE_CAPTION, "input %td", set->first_frame + ends[end]);
        panels[at] = figure_panel(images + end * pixels, captions[at]);
        panels[at].framed = true;
    }
    snprintf(
        title, sizeof title,
        "From test image %td to %td in %d steps: every block's latents (1 - t) z + t z', block "
        "by block; framed: the inputs.",
        set->first_frame + ends[0], set->first_frame + ends[1], MIXTURES);
    const struct atm_panel_sheet sheet = {.panels = panels,
                                          .count = MIXTURES + 2,
                                          .columns = MIX_COLUMNS,
                                          .height = set->height,
                                          .width = set->width,
                                          .panel_px = FIGURE_PANEL_PX,
                                          .title = title};
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
    char (*captions)[FIGURE_CAPTION];
};

static enum atm_status draw_pairs(struct atm_figure_set *set, ptrdiff_t n, struct pairs *p,
                                  const char *path, struct atm_err *err) {
    const ptrdiff_t pixels = set->height * set->width;
    char title[FIGURE_TITLE];
    double sum = 0;
    int counted = 0; /* images that are not empty */
    for (ptrdiff_t i = 0; i < n; i++)
        p->index[i] = i * set->count / n;
    enum atm_status status = atm_figure_set_encode(set, n, p->index, p->input, p->codes, err);
    if (status)
        return status;
    atm_figure_set_decode(set, n, p->codes, p->output);
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *input = p->input + i * pixels, *output = p->output + i * pixels;
        const double error = atm_figure_set_error(set, input, output);
        sum += isnan(error) ? 0 : error;
        counted += !isnan(error);
        snprintf(p->captions[2 * i], FIGURE_CAPTION, "%td", set->first_frame + p->index[i]);
        snprintf(p->captions[2 * i + 1], FIGURE_CAPTION, isnan(error) ? "empty" : "error %.2g",
                 error);
        p->panels[2 * i] = figure_panel(input, p->captions[2 * i]);
        p->panels[2 * i + 1] = figure_panel(output, p->captions[2 * i + 1]);
    }
    snprintf(title, sizeof title,
             "%td test images spread evenly over the set: input and output, 0 black to 1 white, "
             "and relative squared error; their mean %.2g.",
             n, sum / counted);
    const struct atm_panel_sheet sheet = {.panels = p->panels,
                                          .count = (int)(2 * n),
                                          .columns = 2 * PAIRS_PER_ROW,
                                          .height = set->height,
                                          .width = set->width,
                                          .panel_px = 128,
                                          .title = title};
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
    if (p.input)
        p.output = p.input + count * pixels;
    enum atm_status status = p.index && p.input && p.codes && p.panels && p.captions
                                 ? draw_pairs(set, n, &p, path, err)
                                 : no_memory(err);
    atm_mem_free(p.index);
    atm_mem_free(p.input);
    atm_mem_free(p.codes);
    atm_mem_free(p.panels);
    atm_mem_free(p.captions);
    return status;
}
