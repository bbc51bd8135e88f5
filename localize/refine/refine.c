#include "log.h"
#include "mem.h"
#include "noise_model.h"
#include "psf_file.h"
#include "refine_private.h"

#include <math.h>
#include <omp.h>

static const char *const likelihood_names[] = {
    [ATM_NOISE_AUTO] = "auto",       [ATM_NOISE_POISSON] = "poisson",
    [ATM_NOISE_READ] = "read_noise", [ATM_NOISE_EMCCD] = "emccd",
    [ATM_NOISE_SCMOS] = "scmos",     [ATM_NOISE_LEAST_SQUARES] = "least_squares",
    [ATM_NOISE_MODELS] = NULL,
};
static const char *const psf_names[] = {
    [ATM_PSF_GAUSSIAN] = "gaussian",
    [ATM_PSF_GAUSSIAN_ROUND] = "gaussian_round",
    [ATM_PSF_GAUSSIAN_ELLIPTIC] = "gaussian_elliptic",
    [ATM_PSF_SPLINE] = "spline",
    [ATM_REFINE_PSF_AUTO] = "auto",
    [ATM_REFINE_PSF_LEARNED] = "learned",
    NULL,
};
_Static_assert((int)ATM_REFINE_PSF_AUTO == (int)ATM_PSF_KINDS, "the names are one list");
static const char *const background_names[] = {"constant", "plane", NULL};
static const char *const population_names[] = {"none", "count", "fit", NULL};
static const struct atm_key keys[] = {
    ATM_KEY_CHOOSE(struct atm_refine_options, likelihood, "auto", likelihood_names,
                   "noise that the fit believes in; auto: as [camera] says. emccd doubles the "
                   "light's variance, least_squares weighs by the variance of the model"),
    ATM_KEY_CHOOSE(
        struct atm_refine_options, psf, "auto", psf_names,
        "learned: from the movie's own emitters; auto: so, where that explains frames better that "
        "it was not learned from, else gaussian; gaussian: one width for all; _round, _elliptic: "
        "the final fit gives each emitter its own; spline: of psf_file"),
    ATM_KEY_STRING(struct atm_refine_options, psf_file, "",
                   "the sampled PSF: what atomloc psf writes, .tif or .h5"),
    ATM_KEY(struct atm_refine_options, sigma_px, DOUBLE, "auto", 0.3, 20, "px",
            "PSF sigma; auto: from the model's atom, then from the data"),
    ATM_KEY_CHOOSE(struct atm_refine_options, background, "constant", background_names,
                   "correction of the measured background, fitted with the emitters of a tile"),
    ATM_KEY(struct atm_refine_options, merge_radius, DOUBLE, "0.7", 0, 5, "sigma",
            "seeds nearer than this become one before fitting"),
    ATM_KEY(struct atm_refine_options, false_per_frame, DOUBLE, "0.002", 1e-9, 10, "emitters",
            "false emitters that noise alone may cause in a frame of 1000 pixels"),
    ATM_KEY(struct atm_refine_options, rounds, INT, "8", 0, 100, "",
            "of fitting, adding emitters from the residual and removing them"),
    ATM_KEY(struct atm_refine_options, max_iterations, INT, "60", 1, 10000, "",
            "of the fit of a frame"),
    ATM_KEY_CHOOSE(struct atm_refine_options, population, "fit", population_names,
                   "the movie's own distribution of brightness: unused, used to decide how many "
                   "emitters there are, or used for the positions too"),
};
const struct atm_section atm_refine_section = {"refine",
                                               "fit of overlapping emitters by maximum likelihood",
                                               keys, sizeof keys / sizeof *keys};

static const double ROUGH = 0.1, FINE = 1e-7; /* tolerances of the joint fit, in deviance */
enum { ROUGH_ITERATIONS = 12 };

static enum atm_status create_workers(struct atm_refine *refine, struct atm_err *err) {
    const int wanted = omp_get_max_threads();
    refine->workers = atm_mem_alloc((size_t)wanted, sizeof *refine->workers);
    if (!refine->workers)
        return atm_err_memory(err, "refinement");
    enum atm_status status = ATM_OK;
    for (; !status && refine->threads < wanted; refine->threads++) {
        refine->workers[refine->threads].refine = refine;
        status = atm_choice_create(&refine->workers[refine->threads].choice, err);
    }
    return status;
}

enum atm_status atm_refine_create(const struct atm_refine_options *options, ptrdiff_t height,
                                  ptrdiff_t width, struct atm_refine **refine,
                                  struct atm_err *err) {
    *refine = NULL;
    if (height < 1 || width < 1)
        return atm_err_set(err, ATM_FAIL, "cannot refine frames of %td x %td pixels", width,
                           height);
    struct atm_refine *made = atm_mem_alloc(1, sizeof *made);
    if (!made)
        return atm_err_memory(err, "refinement");
    made->options = *options, made->height = height, made->width = width;
    if (options->psf >= ATM_PSF_KINDS)
        made->options.psf = ATM_PSF_GAUSSIAN;
    made->model = atm_mem_alloc((size_t)height * (size_t)width, sizeof *made->model);
    enum atm_status status = made->model ? ATM_OK : atm_err_memory(err, "refinement");
    if (!status)
        status = create_workers(made, err);
    if (!status && options->psf == ATM_PSF_SPLINE)
        status = options->psf_file[0]
                     ? atm_psf_read(options->psf_file, &made->spline, err)
                     : atm_err_set(err, ATM_FAIL, "refine.psf = spline needs refine.psf_file");
    if (status)
        atm_refine_destroy(&made);
    *refine = made;
    return status;
}

void atm_refine_set_sink(struct atm_refine *refine, const struct atm_sink *sink) {
    refine->sink = sink;
}

enum atm_status atm_refine_set_psf(struct atm_refine *refine, const struct atm_psf_image *psf,
                                   struct atm_err *err) {
    struct atm_spline *spline = NULL;
    enum atm_status status =
        atm_spline_create(psf->samples, psf->size, psf->oversampling, &spline, err);
    if (status)
        return status;
    atm_spline_destroy(&refine->spline);
    refine->spline = spline;
    return ATM_OK;
}

void atm_refine_destroy(struct atm_refine **refine) {
    if (!*refine)
        return;
    for (int i = 0; i < (*refine)->threads; i++) {
        struct atm_refine_worker *worker = &(*refine)->workers[i];
        atm_tile_free(&worker->tile);
        atm_choice_destroy(&worker->choice);
        atm_mem_free(worker->spread);
    }
    atm_mem_free((*refine)->workers);
    atm_spline_destroy(&(*refine)->spline);
    atm_mem_free((*refine)->model);
    atm_mem_free((*refine)->strengths);
    atm_mem_free(*refine);
    *refine = NULL;
}

const double *atm_refine_strengths(const struct atm_refine *refine) { return refine->strengths; }

const float *atm_refine_model(const struct atm_refine *refine) { return refine->model; }

static enum atm_status solve(struct atm_refine_worker *worker, const struct atm_refine_input *input,
                             struct atm_err *err) {
    const struct atm_refine *refine = worker->refine;
    struct atm_tile *tile = &worker->tile;
    enum atm_status status = atm_refine_start(tile, err);
    if (!status)
        status = atm_tile_fit(tile, ROUGH, ROUGH_ITERATIONS, err);
    for (int64_t round = 0; round < refine->options.rounds && !status; round++) {
        ptrdiff_t changes = 0;
        atm_refine_weigh(tile, input->noise);
        status = atm_choice_birth(worker->choice, tile, &changes, err);
        if (!status)
            status = atm_choice_review(worker->choice, tile, &changes, err);
        if (!status && changes)
            status = atm_tile_fit(tile, ROUGH, ROUGH_ITERATIONS, err);
        if (!changes)
            break;
    }
    if (status)
        return status;
    atm_refine_weigh(tile, input->noise);
    if (!refine->estimating && (status = atm_choice_doubt(worker->choice, tile, err)))
        return status;
    if (refine->options.population != ATM_REFINE_POPULATION_FIT)
        tile->brightness.log_sd = 0; /* it has had its say about the number */
    if (!refine->spline && !refine->estimating)
        tile->psf.kind = &atm_psf_kinds[refine->options.psf];
    return atm_tile_fit(tile, FINE, refine->options.max_iterations, err);
}

static enum atm_status check(const struct atm_refine_input *input, struct atm_err *err) {
    const struct atm_noise *n = &input->noise;
    if (!(input->sigma_px > 0.05 && input->sigma_px < 100))
        return atm_err_set(err, ATM_FAIL, "frame %lld: a PSF sigma of %g px cannot be fitted",
                           (long long)input->frame, input->sigma_px);
    if (n->gain == 0 && n->floor == 0)
        return atm_err_set(err, ATM_FAIL,
                           "frame %lld: the movie shows no noise at all, as if nothing had been "
                           "recorded; if that is so on purpose, say its noise ([camera])",
                           (long long)input->frame);
    if (!(n->gain >= 0 && n->floor >= 0) || !isfinite(n->gain) || !isfinite(n->floor) ||
        !isfinite(n->zero))
        return atm_err_set(err, ATM_FAIL,
                           "frame %lld: noise of gain %g, zero %g and floor %g makes no sense",
                           (long long)input->frame, n->gain, n->zero, n->floor);
    return ATM_OK;
}

enum atm_status atm_refine_frame(struct atm_refine *refine, const struct atm_refine_input *input,
                                 struct atm_table *out, struct atm_err *err) {
    struct atm_refine_input known = *input;
    if (refine->spline)
        known.sigma_px = atm_spline_sigma(refine->spline);
    enum atm_status status = check(&known, err);
    if (!status && atm_log_stopped(refine->sink))
        status = atm_err_set(err, ATM_STOPPED,
                             "stopped before the first frame; the same command begins again");
    if (status)
        return status;
    refine->strength_count = 0;
    double merge_px = refine->options.merge_radius * known.sigma_px;
    ptrdiff_t first = out->count, areas = atm_refine_area_count(refine, known.sigma_px);
    if (refine->options.population == ATM_REFINE_POPULATION_NONE)
        known.population = (struct atm_refine_population){0};
#pragma omp parallel for ordered schedule(dynamic) num_threads(refine->threads)
    for (ptrdiff_t i = 0; i < areas; i++) {
        struct atm_refine_worker *worker = &refine->workers[omp_get_thread_num()];
        struct atm_refine_area area = atm_refine_area(refine, known.sigma_px, i);
        struct atm_err own = {0};
        enum atm_status solved = atm_refine_load(worker, &known, &area, merge_px, &own);
        if (!solved)
            solved = solve(worker, &known, &own);
#pragma omp ordered
        {
            if (!solved && !status)
                solved = atm_refine_report(refine, worker, &known, &area, first, out, &own);
            atm_err_first(&status, err, solved, &own);
        }
    }
    return status;
}

enum atm_status atm_refine_again(struct atm_refine *refine, const struct atm_refine_input *input,
                                 struct atm_err *err) {
    const struct atm_refine_options options = refine->options;
    const bool estimating = refine->estimating;
    struct atm_table unused;
    atm_table_init(&unused);
    refine->options.rounds = 0, refine->options.merge_radius = 0, refine->estimating = true;
    enum atm_status status = atm_refine_frame(refine, input, &unused, err);
    refine->options = options, refine->estimating = estimating;
    atm_table_free(&unused);
    return status;
}
