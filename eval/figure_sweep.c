/* Sweeps of single coordinates of a block (Fig. 4 of hal-03962759). */
#include "figures.h"

#include "figure_panel.h"
#include "mem.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static enum atm_status no_memory(struct atm_err *err) { return atm_err_memory(err, "figures"); }

enum { STEPS = 6, COLUMNS = STEPS + 1, COORDINATES_MOST = 12, NOTE = 96 };

/* Per coordinate a row of the atom and one of the whole image, which is the same where there is one
 * block only: the original, then the steps. */
struct sweep {
    ptrdiff_t image, block, coordinates, rows;
    const struct atm_figure_apart *apart;
    float *images;              /* (coordinates, rows, COLUMNS, H, W) */
    double (*motion)[STEPS][2]; /* (coordinates): centroids of the atoms, NAN of inactive ones */
    struct atm_panel *panels;   /* (coordinates, rows, COLUMNS) */
    char (*captions)[FIGURE_CAPTION];
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
    at[0] = x_sum / sum;
    at[1] = y_sum / sum;
}

/* The images of one coordinate. */
static enum atm_status sweep_images(struct atm_figure_set *set, struct sweep *sweep, ptrdiff_t d,
                                    struct atm_err *err) {
    const ptrdiff_t latent = set->model->latent, code = sweep->apart->blocks * latent;
    const ptrdiff_t pixels = set->height * set->width;
    float *atoms = sweep->images + d * sweep->rows * COLUMNS * pixels;
    float z[COLUMNS * ATM_LATENT_MAX];
    ptrdiff_t block[COLUMNS];
    float *codes = atm_mem_alloc((size_t)(COLUMNS * code), sizeof *codes);
    if (!codes)
        return no_memory(err);
    for (int i = 0; i < COLUMNS; i++) {
        float *moved = codes + i * code + sweep->block * latent;
        block[i] = sweep->block;
        memcpy(codes + i * code, sweep->apart->latents, (size_t)code * sizeof *codes);
        if (i > 0)
            moved[d] = (float)step_value(set, sweep, d, i - 1);
        memcpy(z + i * latent, moved, (size_t)latent * sizeof *z);
    }
    if (sweep->rows > 1)
        atm_figure_set_decode(set, COLUMNS, codes, atoms + COLUMNS * pixels);
    atm_mem_free(codes);
    enum atm_status status = atm_figure_set_atoms(set, COLUMNS, block, z, atoms, err);
    const double least = set->active * atm_figure_set_norm(set, sweep->apart->input);
    for (int i = 0; !status && i < STEPS; i++) {
        const float *atom = atoms + (i + 1) * pixels;
        double *at = sweep->motion[d][i];
        if (atm_figure_set_norm(set, atom) >= least)
            centroid(set, atom, at);
        else
            at[0] = at[1] = NAN; /* no line goes there */
    }
    return status;
}

static void sweep_panels(const struct atm_figure_set *set, struct sweep *sweep, ptrdiff_t d) {
    const ptrdiff_t pixels = set->height * set->width;
    const double original = (double)sweep->apart->latents[sweep->block * set->model->latent + d];
    for (ptrdiff_t row = 0; row < sweep->rows; row++)
        for (int i = 0; i < COLUMNS; i++) {
            const ptrdiff_t at = (d * sweep->rows + row) * COLUMNS + i;
            char *caption = sweep->captions[at];
            if (i == 0)
                snprintf(caption, FIGURE_CAPTION, "%s, z%td = %.3g", row ? "whole" : "atom", d + 1,
                         original);
            else
                snprintf(caption, FIGURE_CAPTION, "z%td = %.3g%s", d + 1,
                         step_value(set, sweep, d, i - 1),
                         row || isfinite(sweep->motion[d][i - 1][0]) ? "" : ", inactive");
            struct atm_panel *panel = &sweep->panels[at];
            *panel = figure_panel(sweep->images + at * pixels, caption);
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
    char title[FIGURE_TITLE], shown[FIGURE_CAPTION] = "";
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
             "the test set, %d %% to %d %% quantile; the other blocks are left as they are.\n"
             "Orange frame: the original. Line: the motion of the brightest place of g(z), ring: "
             "where this step stands.",
             set->first_frame + sweep->image, sweep->block + 1, note, shown, STEPS,
             ATM_FIGURE_LOW_PERCENT, ATM_FIGURE_HIGH_PERCENT);
    const struct atm_panel_sheet sheet = {.panels = sweep->panels,
                                          .count =
                                              (int)(sweep->coordinates * sweep->rows * COLUMNS),
                                          .columns = COLUMNS,
                                          .height = set->height,
                                          .width = set->width,
                                          .panel_px = FIGURE_PANEL_PX,
                                          .title = title};
    return atm_render_panels(path, &sheet, err);
}

/* The block that is moved, and why it is not the one that was asked for. */
static ptrdiff_t choose_moved(const struct atm_figure_apart *apart, double active, ptrdiff_t block,
                              char note[NOTE]) {
    ptrdiff_t best = 0;
    note[0] = 0;
    for (ptrdiff_t b = 1; b < apart->blocks; b++)
        best = apart->share[b] > apart->share[best] ? b : best;
    if (block >= 0 && block < apart->blocks && apart->share[block] >= active)
        return block;
    if (apart->blocks == 1)
        snprintf(note, NOTE, ", the only one");
    else if (block < 0)
        snprintf(note, NOTE, ", its most active one");
    else
        snprintf(note, NOTE, ", its most active one: block %td is %s", block + 1,
                 block < apart->blocks ? "inactive here" : "not there");
    return best;
}

enum atm_status atm_figure_sweep(struct atm_figure_set *set, ptrdiff_t image, ptrdiff_t block,
                                 const char *path, struct atm_err *err) {
    struct atm_figure_apart apart = {0};
    char note[NOTE];
    struct sweep sweep = {.image = image, .apart = &apart};
    sweep.coordinates =
        set->model->latent < COORDINATES_MOST ? set->model->latent : COORDINATES_MOST;
    sweep.rows = set->size.blocks > 1 ? 2 : 1;
    const size_t count = (size_t)(sweep.coordinates * sweep.rows * COLUMNS);
    sweep.images = atm_mem_alloc(count, (size_t)(set->height * set->width) * sizeof *sweep.images);
    sweep.motion = atm_mem_alloc((size_t)sweep.coordinates, sizeof *sweep.motion);
    sweep.panels = atm_mem_alloc(count, sizeof *sweep.panels);
    sweep.captions = atm_mem_alloc(count, sizeof *sweep.captions);
    enum atm_status status = sweep.images && sweep.motion && sweep.panels && sweep.captions
                                 ? atm_figure_set_take_apart(set, image, &apart, err)
                                 : no_memory(err);
    if (!status) {
        sweep.block = choose_moved(&apart, set->active, block, note);
        status = draw_sweep(set, &sweep, note, path, err);
    }
    atm_figure_apart_free(&apart);
    atm_mem_free(sweep.images);
    atm_mem_free(sweep.motion);
    atm_mem_free(sweep.panels);
    atm_mem_free(sweep.captions);
    return status;
}
