#include "fewer_atoms.h"

#include "mem.h"
#include "psf.h"
#include "rng.h"

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

bool atm_fewer_choose(const struct atm_block_match *match, ptrdiff_t image, uint64_t seed,
                      bool *block_deleted, bool *spike_deleted) {
    ptrdiff_t first_block = match->blocks->first[image], first_spike = match->spikes->first[image];
    ptrdiff_t blocks = match->blocks->first[image + 1] - first_block;
    ptrdiff_t spikes = match->spikes->first[image + 1] - first_spike;
    ptrdiff_t deleted = 0, left = spikes;
    struct atm_rng rng;
    atm_rng_init(&rng, seed, ATM_RNG_EVAL, (uint64_t)image);
    for (ptrdiff_t b = 0; b < blocks; b++)
        deleted += block_deleted[b] = atm_rng_uniform(&rng) < 0.5;
    for (ptrdiff_t s = 0; s < spikes; s++) {
        const struct atm_spike_fate *fate = &match->spike[first_spike + s];
        ptrdiff_t main = fate->block >= 0 ? fate->block : fate->instead;
        spike_deleted[s] = main >= 0 && block_deleted[main - first_block];
        left -= spike_deleted[s];
    }
    return deleted > 0 && deleted < blocks && left > 0;
}

/* Room for one image. */
struct workspace {
    double *image, *spikes; /* (H, W): sum of blocks, of spikes */
    double *all_image, *all_spikes;
    bool *block_deleted, *spike_deleted;
    float *atoms;
};

static void add_window(const struct atm_spot_window *w, struct atm_atom_place place,
                       ptrdiff_t width, double *image) {
    for (ptrdiff_t y = w->y0; y < w->y1; y++)
        for (ptrdiff_t x = w->x0; x < w->x1; x++)
            image[(place.y + y) * width + place.x + x] += (double)w->image[y * w->stride + x];
}

/* All blocks into all_image, those that are not deleted also into image. */
static void add_blocks(const struct atm_block_set *set, ptrdiff_t n, struct workspace *work) {
    ptrdiff_t side = atm_model_atom_side(set->model), next = set->blocks.first[n];
    for (ptrdiff_t b = 0; b < set->size.blocks; b++) {
        struct atm_spot_window window;
        struct atm_atom_place place;
        bool active = next < set->blocks.first[n + 1] && set->blocks.at[next].index == b;
        bool deleted = active && work->block_deleted[next - set->blocks.first[n]];
        next += active;
        if (!atm_block_window(set->model, &set->size, b, work->atoms + b * side * side, &window,
                              &place))
            continue;
        add_window(&window, place, set->size.width, work->all_image);
        if (!deleted)
            add_window(&window, place, set->size.width, work->image);
    }
}

static void add_spikes(const struct atm_block_set *set, const struct atm_spikes *spikes,
                       ptrdiff_t n, double sigma, struct workspace *work) {
    for (ptrdiff_t s = spikes->first[n]; s < spikes->first[n + 1]; s++) {
        struct atm_psf_spot spot = {spikes->at[s].x, spikes->at[s].y, sigma,
                                    spikes->at[s].amplitude};
        const struct atm_psf *psf = &atm_psfs[ATM_PSF_SAMPLED];
        atm_psf_add(psf, &spot, set->size.height, set->size.width, work->all_spikes);
        if (!work->spike_deleted[s - spikes->first[n]])
            atm_psf_add(psf, &spot, set->size.height, set->size.width, work->spikes);
    }
}

static double relative_error(const double *image, const double *truth, ptrdiff_t pixels) {
    double loss = 0, energy = 0;
    for (ptrdiff_t i = 0; i < pixels; i++) {
        loss += (image[i] - truth[i]) * (image[i] - truth[i]);
        energy += truth[i] * truth[i];
    }
    return loss / energy;
}

static enum atm_status compare(const struct atm_block_set *set, const struct atm_block_match *match,
                               const struct atm_fewer_options *options, struct workspace *work,
                               double *full, double *fewer, ptrdiff_t *count, struct atm_err *err) {
    ptrdiff_t pixels = set->size.height * set->size.width;
    ptrdiff_t numbers = set->size.blocks * set->model->latent;
    for (ptrdiff_t n = 0; n < options->images && n < set->blocks.images; n++) {
        if (!atm_fewer_choose(match, n, options->seed, work->block_deleted, work->spike_deleted))
            continue;
        enum atm_status status = atm_model_render_atoms(
            set->model, set->size.blocks, set->latents + n * numbers, work->atoms, err);
        if (status)
            return status;
        memset(work->image, 0, (size_t)(4 * pixels) * sizeof *work->image);
        add_blocks(set, n, work);
        add_spikes(set, match->spikes, n, options->sigma_px, work);
        full[*count] = relative_error(work->all_image, work->all_spikes, pixels);
        fewer[(*count)++] = relative_error(work->image, work->spikes, pixels);
    }
    return ATM_OK;
}

static ptrdiff_t most_spikes(const struct atm_spikes *spikes) {
    ptrdiff_t most = 0;
    for (ptrdiff_t n = 0; n < spikes->images; n++) {
        ptrdiff_t count = spikes->first[n + 1] - spikes->first[n];
        most = count > most ? count : most;
    }
    return most;
}

enum atm_status atm_fewer_measure(const struct atm_block_set *set,
                                  const struct atm_block_match *match,
                                  const struct atm_fewer_options *options, struct atm_fewer *fewer,
                                  struct atm_err *err) {
    size_t pixels = (size_t)(set->size.height * set->size.width), images = (size_t)options->images;
    size_t side = (size_t)atm_model_atom_side(set->model), blocks = (size_t)set->size.blocks;
    ptrdiff_t count = 0;
    struct workspace work = {.image = atm_mem_alloc(4 * pixels, sizeof(double))};
    work.block_deleted = atm_mem_alloc(blocks, sizeof(bool));
    work.spike_deleted = atm_mem_alloc((size_t)most_spikes(match->spikes) + 1, sizeof(bool));
    work.atoms = atm_mem_alloc(blocks * side * side, sizeof *work.atoms);
    double *errors = atm_mem_alloc(2 * images, sizeof *errors);
    enum atm_status status = ATM_OK;
    *fewer = (struct atm_fewer){0, NAN, NAN, NAN, NAN};
    if (work.image && work.block_deleted && work.spike_deleted && work.atoms && errors) {
        work.spikes = work.image + pixels, work.all_image = work.spikes + pixels;
        work.all_spikes = work.all_image + pixels;
        status = compare(set, match, options, &work, errors, errors + images, &count, err);
    } else {
        status = atm_err_memory(err, "sums of fewer atoms");
    }
    if (!status && count) {
        size_t n = (size_t)count;
        gsl_sort(errors, 1, n), gsl_sort(errors + images, 1, n);
        *fewer = (struct atm_fewer){count, gsl_stats_mean(errors, 1, n),
                                    gsl_stats_mean(errors + images, 1, n),
                                    gsl_stats_median_from_sorted_data(errors, 1, n),
                                    gsl_stats_median_from_sorted_data(errors + images, 1, n)};
    }
    atm_mem_free(work.image), atm_mem_free(work.atoms), atm_mem_free(errors);
    atm_mem_free(work.block_deleted), atm_mem_free(work.spike_deleted);
    return status;
}
