/* Model files (HDF5):
 *   /             attributes kind, cell_px, ..., step, steps, seed, image_scale, background,
 * provenance /weights/NAME, /moments/first/NAME, /moments/second/NAME, in a checkpoint also
 * /kept/weights/NAME, /kept/first/NAME, /kept/second/NAME   by layer name /latents (n,
 * d0), /curve (n, 5): step, loss, validation, penalty, rate /calibration/coefficients (3, terms),
 * domain (4, d0): mean, scale, low, high; attributes; /seen/blocks, background (bins) */
#include "atoms.h"
#include "h5.h"
#include "mem.h"
#include "outfile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FORMAT_VERSION = 1 };

/* One number of a model, as an attribute of the file. The 64-bit seed goes as two halves: a double
 * holds 53 bits only. */
struct number {
    const char *name;
    double value, min, max;
    bool optional; /* 0 in files from before it was there */
};

enum {
    FORMAT,
    KIND,
    ENCODER,
    ATOM,
    AGGREGATION,
    BLOCKS,
    BLOCK_SIZE,
    LINEAR_LATENT,
    CELL_PX,
    BLOCKS_PER_CELL,
    FEATURES,
    ASSEMBLY_KERNEL,
    FIRST_KERNEL,
    INIT,
    STEP,
    STEPS,
    SEED_LOW,
    SEED_HIGH,
    IMAGE_SCALE,
    BACKGROUND,
    PENDING_LOSS,
    PENDING_PENALTY,
    PENDING_STEPS,
    KEPT_HELD_OUT,
    FALLS,
    NUMBERS
};

static void model_numbers(const struct atm_model *model, struct number numbers[NUMBERS]) {
    const struct atm_model_options *o = &model->options;
    const struct number all[NUMBERS] = {
        [FORMAT] = {"atomloc_model", FORMAT_VERSION, FORMAT_VERSION, FORMAT_VERSION, false},
        [KIND] = {"kind", o->kind, 0, ATM_MODEL_LAST, false},
        [ENCODER] = {"encoder", o->encoder, 0, ATM_ENCODER_PURSUIT, true},
        [ATOM] = {"atom", o->atom, 0, ATM_ATOM_HOMOGENEOUS, true},
        [AGGREGATION] = {"aggregation", o->aggregation, 0, ATM_AGGREGATION_MAX, true},
        [BLOCKS] = {"blocks", (double)o->blocks, 0, 256, true},
        [BLOCK_SIZE] = {"block_size", (double)o->block_size, 0, ATM_LATENT_MAX, true},
        [LINEAR_LATENT] = {"linear_latent", o->linear_latent, 0, 1, true},
        [CELL_PX] = {"cell_px", (double)o->cell_px, 0, 8, false},
        [BLOCKS_PER_CELL] = {"blocks_per_cell", (double)o->blocks_per_cell, 0, 8, false},
        [FEATURES] = {"features", (double)o->features, 1, 64, false},
        [ASSEMBLY_KERNEL] = {"assembly_kernel", (double)o->assembly_kernel, 1, 31, false},
        [FIRST_KERNEL] = {"first_kernel", (double)o->first_kernel, 1, 31, false},
        [INIT] = {"init", model->net_options.init, 1, 2, false},
        [STEP] = {"step", (double)model->step, 0, 1e9, false},
        [STEPS] = {"steps", (double)model->steps, 0, 1e9, false},
        [SEED_LOW] = {"seed_low", (double)(model->seed & 0xffffffffu), 0, 4294967295.0, false},
        [SEED_HIGH] = {"seed_high", (double)(model->seed >> 32), 0, 4294967295.0, false},
        [IMAGE_SCALE] = {"image_scale", model->image_scale, 1e-30, 1e30, false},
        [BACKGROUND] = {"background", model->background, -1e30, 1e30, false},
        [PENDING_LOSS] = {"pending_loss", model->pending.loss, -1e300, 1e300, false},
        [PENDING_PENALTY] = {"pending_penalty", model->pending.penalty, -1e300, 1e300, false},
        [PENDING_STEPS] = {"pending_steps", (double)model->pending.steps, 0, 1e9, false},
        [KEPT_HELD_OUT] = {"kept_held_out", model->kept.held_out, 0, 1e300, true},
        [FALLS] = {"falls", (double)model->kept.falls, 0, 1e3, true},
    };
    memcpy(numbers, all, sizeof all);
}

static struct atm_model_options options_of(const struct number n[NUMBERS]) {
    return (struct atm_model_options){
        .kind = (int)n[KIND].value,
        .encoder = (int)n[ENCODER].value,
        .atom = (int)n[ATOM].value,
        .aggregation = (int)n[AGGREGATION].value,
        .blocks = (int64_t)n[BLOCKS].value,
        .block_size = (int64_t)n[BLOCK_SIZE].value,
        .linear_latent = n[LINEAR_LATENT].value != 0,
        .cell_px = (int64_t)n[CELL_PX].value,
        .blocks_per_cell = (int64_t)n[BLOCKS_PER_CELL].value,
        .features = (int64_t)n[FEATURES].value,
        .assembly_kernel = (int64_t)n[ASSEMBLY_KERNEL].value,
        .first_kernel = (int64_t)n[FIRST_KERNEL].value,
    };
}

/* ---- Tensors: the three chains one after the other ---- */

struct tensors {
    struct atm_h5 *file;
    const char *group;
    float *values; /* param_count, laid out as the parameters */
    bool write;
};

static enum atm_status each_tensor(const struct atm_model *model, const struct tensors *t,
                                   struct atm_err *err) {
    const struct atm_net *nets[3] = {model->encoder, model->atom, model->assembly};
    ptrdiff_t base = 0;
    for (int n = 0; n < 3; n++) {
        for (int i = 0; i < atm_net_tensor_count(nets[n]); i++) {
            const struct atm_tensor *tensor = atm_net_tensor(nets[n], i);
            float *values = t->values + base + tensor->offset;
            char name[80];
            snprintf(name, sizeof name, "%s/%s", t->group, tensor->name);
            enum atm_status status =
                t->write ? atm_h5_write(t->file, name, ATM_H5_F32, tensor->rank, tensor->dims,
                                        values, err)
                         : atm_h5_read(t->file, name, ATM_H5_F32, tensor->count, values, err);
            if (status)
                return status;
        }
        base += atm_net_param_count(nets[n]);
    }
    return ATM_OK;
}

static enum atm_status all_tensors(const struct atm_model *model, struct atm_h5 *file, bool write,
                                   bool with_optimizer, struct atm_err *err) {
    static const char *const groups[] = {"/weights",      "/moments/first", "/moments/second",
                                         "/kept/weights", "/kept/first",    "/kept/second"};
    const ptrdiff_t n = model->param_count;
    const int count = !with_optimizer ? 1 : model->kept.state ? 6 : 3;
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < count; i++) {
        float *values = i == 0  ? model->params
                        : i < 3 ? model->moments + (i - 1) * n
                                : model->kept.state + (i - 3) * n;
        const struct tensors t = {file, groups[i], values, write};
        status = each_tensor(model, &t, err);
    }
    return status;
}

/* ---- Calibration ---- */

static enum atm_status write_calibration(const struct atm_model *model, struct atm_h5 *file,
                                         struct atm_err *err) {
    const struct atm_calibration *c = &model->calibration;
    if (!c->done)
        return ATM_OK;
    ptrdiff_t d = model->latent, shape[2] = {3, c->terms}, domain_shape[2] = {4, d};
    double domain[4 * ATM_LATENT_MAX];
    for (ptrdiff_t i = 0; i < d; i++) {
        domain[i] = c->mean[i], domain[d + i] = c->scale[i];
        domain[2 * d + i] = c->low[i], domain[3 * d + i] = c->high[i];
    }
    const struct number numbers[] = {
        {"degree", c->degree, 0, 0, false},
        {"sigma_px", c->sigma_px, 0, 0, false},
        {"position_rms_px", c->position_rms_px, 0, 0, false},
        {"mass_rms", c->mass_rms, 0, 0, false},
        {"monotone", c->monotone, 0, 0, false},
        {"samples", (double)c->samples, 0, 0, false},
    };
    enum atm_status status =
        atm_h5_write(file, "/calibration/coefficients", ATM_H5_F64, 2, shape, c->coefficients, err);
    if (!status)
        status =
            atm_h5_write(file, "/calibration/domain", ATM_H5_F64, 2, domain_shape, domain, err);
    for (size_t i = 0; !status && i < sizeof numbers / sizeof *numbers; i++)
        status = atm_h5_write_number(file, "/calibration", numbers[i].name, numbers[i].value, err);
    return status;
}

static enum atm_status read_calibration(struct atm_model *model, struct atm_h5 *file,
                                        struct atm_err *err) {
    struct atm_calibration *c = &model->calibration;
    if (!atm_h5_exists(file, "/calibration/coefficients"))
        return ATM_OK;
    int rank;
    ptrdiff_t shape[ATM_H5_MAX_RANK], d = model->latent;
    enum atm_status status = atm_h5_shape(file, "/calibration/coefficients", &rank, shape, err);
    if (status)
        return status;
    if (rank != 2 || shape[0] != 3 || shape[1] < 1 || shape[1] > 100000)
        return atm_err_set(err, ATM_FAIL, "%s: damaged calibration; run atomloc calibrate on it",
                           atm_h5_path(file));
    c->terms = (int)shape[1];
    c->coefficients = atm_mem_alloc(3 * (size_t)c->terms, sizeof(double));
    if (!c->coefficients)
        return atm_err_memory(err, "the calibration");
    double domain[4 * ATM_LATENT_MAX], degree = 0, samples = 0;
    if ((status = atm_h5_read(file, "/calibration/coefficients", ATM_H5_F64, 3 * c->terms,
                              c->coefficients, err)) ||
        (status = atm_h5_read(file, "/calibration/domain", ATM_H5_F64, 4 * d, domain, err)) ||
        (status = atm_h5_read_number(file, "/calibration", "degree", &degree, err)) ||
        (status = atm_h5_read_number(file, "/calibration", "sigma_px", &c->sigma_px, err)) ||
        (status = atm_h5_read_number(file, "/calibration", "position_rms_px", &c->position_rms_px,
                                     err)) ||
        (status = atm_h5_read_number(file, "/calibration", "mass_rms", &c->mass_rms, err)) ||
        (status = atm_h5_read_number(file, "/calibration", "monotone", &c->monotone, err)) ||
        (status = atm_h5_read_number(file, "/calibration", "samples", &samples, err)))
        return status;
    for (ptrdiff_t i = 0; i < d; i++) {
        c->mean[i] = domain[i], c->scale[i] = domain[d + i];
        c->low[i] = domain[2 * d + i], c->high[i] = domain[3 * d + i];
    }
    c->degree = (int)degree;
    c->samples = (ptrdiff_t)samples;
    if (atm_calibration_terms((int)d, c->degree) != c->terms)
        return atm_err_set(err, ATM_FAIL, "%s: damaged calibration; run atomloc calibrate on it",
                           atm_h5_path(file));
    c->done = true;
    return ATM_OK;
}

/* ---- What it has seen ---- */

static const char SEEN_BLOCKS[] = "/seen/blocks", SEEN_BACKGROUND[] = "/seen/background";

static enum atm_status write_seen(const struct atm_model *model, struct atm_h5 *file,
                                  struct atm_err *err) {
    const struct atm_seen *seen = &model->seen;
    const ptrdiff_t bins = ATM_HISTOGRAM_BINS;
    if (!seen->known)
        return ATM_OK;
    enum atm_status status =
        atm_h5_write(file, SEEN_BLOCKS, ATM_H5_F64, 1, &bins, seen->blocks.counts, err);
    if (!status)
        status =
            atm_h5_write(file, SEEN_BACKGROUND, ATM_H5_F64, 1, &bins, seen->background.counts, err);
    return status ? status : atm_h5_write_number(file, "/seen", "threshold", seen->threshold, err);
}

/* Models from before it was there have none. */
static enum atm_status read_seen(struct atm_model *model, const struct atm_h5 *file,
                                 struct atm_err *err) {
    struct atm_seen *seen = &model->seen;
    if (!atm_h5_exists(file, SEEN_BLOCKS))
        return ATM_OK;
    enum atm_status status =
        atm_h5_read(file, SEEN_BLOCKS, ATM_H5_F64, ATM_HISTOGRAM_BINS, seen->blocks.counts, err);
    if (!status)
        status = atm_h5_read(file, SEEN_BACKGROUND, ATM_H5_F64, ATM_HISTOGRAM_BINS,
                             seen->background.counts, err);
    if (!status)
        status = atm_h5_read_number(file, "/seen", "threshold", &seen->threshold, err);
    seen->known = !status;
    return status;
}

/* ---- Latent sample and training curve ---- */

static enum atm_status write_curves(const struct atm_model *model, struct atm_h5 *file,
                                    struct atm_err *err) {
    enum atm_status status = ATM_OK;
    if (model->latent_count) {
        const ptrdiff_t shape[2] = {model->latent_count, model->latent};
        status = atm_h5_write(file, "/latents", ATM_H5_F32, 2, shape, model->latents, err);
    }
    if (status || !model->curve_count)
        return status;
    const ptrdiff_t shape[2] = {model->curve_count, 5};
    double *rows = atm_mem_alloc((size_t)model->curve_count, 5 * sizeof *rows);
    if (!rows)
        return atm_err_memory(err, "the training curve");
    for (ptrdiff_t i = 0; i < model->curve_count; i++) {
        const struct atm_curve_point *p = &model->curve[i];
        double *row = rows + 5 * i;
        row[0] = (double)p->step, row[1] = p->loss, row[2] = p->validation;
        row[3] = p->penalty, row[4] = p->rate;
    }
    status = atm_h5_write(file, "/curve", ATM_H5_F64, 2, shape, rows, err);
    atm_mem_free(rows);
    return status;
}

/* Rows of an optional (n, columns) data set; 0 if absent. */
static enum atm_status optional_rows(const struct atm_h5 *file, const char *name, ptrdiff_t columns,
                                     ptrdiff_t *rows, struct atm_err *err) {
    int rank;
    ptrdiff_t shape[ATM_H5_MAX_RANK];
    *rows = 0;
    if (!atm_h5_exists(file, name))
        return ATM_OK;
    enum atm_status status = atm_h5_shape(file, name, &rank, shape, err);
    if (status)
        return status;
    if (rank != 2 || shape[1] != columns || shape[0] > 10000000)
        return atm_err_set(err, ATM_FAIL, "%s: %s has the wrong shape; the file is damaged",
                           atm_h5_path(file), name);
    *rows = shape[0];
    return ATM_OK;
}

static enum atm_status read_curves(struct atm_model *model, struct atm_h5 *file,
                                   struct atm_err *err) {
    ptrdiff_t n;
    enum atm_status status = optional_rows(file, "/latents", model->latent, &n, err);
    if (!status && n) {
        model->latents = atm_mem_alloc((size_t)(n * model->latent), sizeof *model->latents);
        if (!model->latents)
            return atm_err_memory(err, "the latent sample");
        model->latent_count = n;
        status = atm_h5_read(file, "/latents", ATM_H5_F32, n * model->latent, model->latents, err);
    }
    if (!status)
        status = optional_rows(file, "/curve", 5, &n, err);
    if (status || !n)
        return status;
    double *rows = atm_mem_alloc((size_t)n, 5 * sizeof *rows);
    model->curve = atm_mem_alloc((size_t)n, sizeof *model->curve);
    if (!rows || !model->curve) {
        atm_mem_free(rows);
        return atm_err_memory(err, "the training curve");
    }
    status = atm_h5_read(file, "/curve", ATM_H5_F64, 5 * n, rows, err);
    for (ptrdiff_t i = 0; !status && i < n; i++) {
        const double *row = rows + 5 * i;
        model->curve[i] = (struct atm_curve_point){(int64_t)row[0], row[1], row[2], row[3], row[4]};
    }
    model->curve_count = model->curve_capacity = n;
    atm_mem_free(rows);
    return status;
}

/* ---- The whole file ---- */

static enum atm_status write_all(const struct atm_model *model, struct atm_h5 *file,
                                 bool with_optimizer, struct atm_err *err) {
    struct number numbers[NUMBERS];
    model_numbers(model, numbers);
    enum atm_status status = ATM_OK;
    for (int i = 0; !status && i < NUMBERS; i++)
        status = atm_h5_write_number(file, "/", numbers[i].name, numbers[i].value, err);
    if (!status && model->provenance)
        status = atm_h5_write_text(file, "/", "provenance", model->provenance, err);
    if (!status)
        status = all_tensors(model, file, true, with_optimizer, err);
    if (!status)
        status = write_curves(model, file, err);
    if (!status)
        status = write_calibration(model, file, err);
    if (!status)
        status = write_seen(model, file, err);
    return status;
}

enum atm_status atm_model_save(const struct atm_model *model, const char *path, bool with_optimizer,
                               struct atm_err *err) {
    struct atm_outfile out = {0};
    struct atm_h5 *file = NULL;
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (!status)
        status = atm_h5_create(out.temporary, &file, err);
    if (!status)
        status = write_all(model, file, with_optimizer, err);
    if (file) {
        enum atm_status closed = atm_h5_close(&file, status ? NULL : err);
        status = status ? status : closed;
    }
    if (!status)
        return atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    return status;
}

static enum atm_status read_numbers(const struct atm_h5 *file, struct number numbers[NUMBERS],
                                    struct atm_err *err) {
    for (int i = 0; i < NUMBERS; i++) {
        struct number *number = &numbers[i];
        number->value = number->optional ? 0 : NAN;
        enum atm_status status = atm_h5_read_number(file, "/", number->name, &number->value, err);
        if (status)
            return status;
        if (!(number->value >= number->min && number->value <= number->max))
            return atm_err_set(err, ATM_FAIL,
                               i ? "%s: damaged model: %s is missing or out of range"
                                 : "%s: not a model of atomloc (no attribute %s); give a file that "
                                   "atomloc train wrote",
                               atm_h5_path(file), number->name);
    }
    return ATM_OK;
}

static enum atm_status read_all(struct atm_h5 *file, struct atm_model **model,
                                struct atm_err *err) {
    struct number n[NUMBERS];
    struct atm_model blank = {0};
    model_numbers(&blank, n);
    enum atm_status status = read_numbers(file, n, err);
    if (status)
        return status;
    const struct atm_model_options options = options_of(n);
    const struct atm_net_options net = {0, (int)n[INIT].value};
    uint64_t seed = (uint64_t)n[SEED_LOW].value | (uint64_t)n[SEED_HIGH].value << 32;
    status = atm_model_create(&options, &net, seed, model, err);
    if (status)
        return status;
    struct atm_model *m = *model;
    m->step = (int64_t)n[STEP].value, m->steps = (int64_t)n[STEPS].value;
    m->image_scale = n[IMAGE_SCALE].value, m->background = n[BACKGROUND].value;
    m->pending = (struct atm_curve_sums){n[PENDING_LOSS].value, n[PENDING_PENALTY].value,
                                         (int64_t)n[PENDING_STEPS].value};
    m->kept.held_out = n[KEPT_HELD_OUT].value, m->kept.falls = (int64_t)n[FALLS].value;
    bool with_optimizer = atm_h5_exists(file, "/moments/first");
    if (with_optimizer && atm_h5_exists(file, "/kept/weights") && (status = atm_model_keep(m, err)))
        return status;
    if ((status = all_tensors(m, file, false, with_optimizer, err)) ||
        (status = read_curves(m, file, err)) || (status = read_calibration(m, file, err)) ||
        (status = read_seen(m, file, err)) ||
        (status = atm_h5_read_text(file, "/", "provenance", &m->provenance, err)))
        return status;
    for (ptrdiff_t i = 0; i < m->param_count; i++)
        if (!isfinite(m->params[i]))
            return atm_err_set(err, ATM_FAIL, "%s: damaged model: a weight is not finite",
                               atm_h5_path(file));
    return ATM_OK;
}

enum atm_status atm_model_load(const char *path, struct atm_model **model, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    *model = NULL;
    enum atm_status status = atm_h5_open(path, &file, err);
    if (status)
        return status;
    status = read_all(file, model, err);
    atm_h5_close(&file, NULL);
    if (status)
        atm_model_destroy(model);
    return status;
}
