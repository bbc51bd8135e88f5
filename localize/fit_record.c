#include "fit_record.h"

#include "h5.h"
#include "mem.h"
#include "outfile.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- From the sums ---- */

/* Deviance over expected, its standard deviation, and the unexplained part with its own. */
struct ratios {
    double deviance, deviance_sd, unexplained, unexplained_sd;
};

static struct ratios ratios_of(const double sums[ATM_FIT_SUMS]) {
    const double expected = sums[ATM_FIT_EXPECTED], signal = sums[ATM_FIT_SIGNAL];
    struct ratios r = {NAN, NAN, NAN, NAN};
    if (expected > 0)
        r.deviance = sums[ATM_FIT_DEVIANCE] / expected,
        r.deviance_sd = sqrt(sums[ATM_FIT_VARIANCE]) / expected;
    const double noise_sd = sqrt(sums[ATM_FIT_NOISE_VARIANCE]);
    if (signal > 3 * noise_sd) /* else there is nothing to explain */
        r.unexplained = (sums[ATM_FIT_LEFT] - sums[ATM_FIT_NOISE]) / signal,
        r.unexplained_sd = noise_sd / signal;
    return r;
}

static void fill_maps(struct atm_fit_record *record, const struct atm_fit_tally *tally) {
    const ptrdiff_t tiles = record->grid.rows * record->grid.columns;
    double all[ATM_FIT_SUMS] = {0}, bad = 0, judged = 0;
    for (ptrdiff_t k = 0; k < tiles; k++) {
        const double *sums = tally->tiles + k * ATM_FIT_SUMS;
        const struct ratios tile = ratios_of(sums);
        record->deviance[k] = (float)tile.deviance;
        judged += isfinite(tile.deviance) ? 1 : 0;
        bad += atm_verdict_is_bad(tile.deviance, tile.deviance_sd) ? 1 : 0;
        for (int s = 0; s < ATM_FIT_SUMS; s++)
            all[s] += sums[s];
    }
    const struct ratios whole = ratios_of(all);
    for (ptrdiff_t k = 0; k < tiles; k++) {
        const double *sums = tally->tiles + k * ATM_FIT_SUMS;
        const double left = sums[ATM_FIT_LEFT] - sums[ATM_FIT_NOISE];
        record->unexplained[k] =
            (float)(isfinite(whole.unexplained) ? left / (all[ATM_FIT_SIGNAL] / (double)tiles)
                                                : NAN);
    }
    struct atm_fit_numbers *n = &record->numbers;
    n->deviance = whole.deviance, n->deviance_sd = whole.deviance_sd;
    n->unexplained = whole.unexplained, n->unexplained_sd = whole.unexplained_sd;
    n->bad_tiles = judged > 0 ? bad / judged : NAN;
}

static double bad_frames(const struct atm_frame_fit *frames, ptrdiff_t count) {
    double bad = 0, judged = 0;
    for (ptrdiff_t t = 0; t < count; t++) {
        judged += isfinite(frames[t].deviance) ? 1 : 0;
        bad +=
            atm_verdict_is_bad((double)frames[t].deviance, (double)frames[t].deviance_sd) ? 1 : 0;
    }
    return judged > 0 ? bad / judged : NAN;
}

static bool reserve(struct atm_fit_record *record) {
    const size_t tiles = (size_t)(record->grid.rows * record->grid.columns);
    record->deviance = atm_mem_alloc(tiles, sizeof *record->deviance);
    record->unexplained = atm_mem_alloc(tiles, sizeof *record->unexplained);
    record->by_frame = atm_mem_alloc((size_t)record->frames, sizeof *record->by_frame);
    return record->deviance && record->unexplained && record->by_frame;
}

enum atm_status atm_fit_record_init(struct atm_fit_record *record,
                                    const struct atm_fit_tally *tally,
                                    const struct atm_frame_fit *by_frame, ptrdiff_t frames,
                                    const struct atm_fit_numbers *numbers, struct atm_err *err) {
    *record = (struct atm_fit_record){.grid = tally->grid, .frames = frames, .numbers = *numbers};
    if (!reserve(record)) {
        atm_fit_record_free(record);
        return atm_err_memory(err, "the map of the fit");
    }
    memcpy(record->by_frame, by_frame, (size_t)frames * sizeof *by_frame);
    record->blocks = *tally->seeds, record->background = *tally->background;
    fill_maps(record, tally);
    record->numbers.bad_frames = bad_frames(by_frame, frames);
    record->numbers.localizations = *tally->localizations;
    record->numbers.from_residual =
        *tally->localizations > 0 ? *tally->from_residual / *tally->localizations : NAN;
    record->level = atm_verdict(&record->numbers, record->verdict);
    return ATM_OK;
}

void atm_fit_record_free(struct atm_fit_record *record) {
    atm_mem_free(record->deviance);
    atm_mem_free(record->unexplained);
    atm_mem_free(record->by_frame);
    *record = (struct atm_fit_record){0};
}

/* ---- The file ---- */

static const char VERDICT[] = "verdict";

/* Its attributes, and where they are. */
struct attribute {
    const char *name;
    double *value;
};
enum { FIGURES = 12, SIZES = 6 };

static void list_figures(struct atm_fit_numbers *n, struct attribute attributes[FIGURES]) {
    const struct attribute all[FIGURES] = {
        {"deviance", &n->deviance},
        {"deviance_sd", &n->deviance_sd},
        {"unexplained", &n->unexplained},
        {"unexplained_sd", &n->unexplained_sd},
        {"bad_tiles", &n->bad_tiles},
        {"bad_frames", &n->bad_frames},
        {"sigma_px", &n->sigma_px},
        {"model_sigma_px", &n->model_sigma_px},
        {"photons_factor", &n->photons_factor},
        {"background_factor", &n->background_factor},
        {"from_residual", &n->from_residual},
        {"localizations", &n->localizations},
    };
    memcpy(attributes, all, sizeof all);
}

static const char *const size_names[SIZES] = {"height",      "width", "tile_px",
                                              "first_frame", "level", "noise_measured"};

static enum atm_status write_attributes(struct atm_h5 *file, const struct atm_fit_record *record,
                                        const char *provenance, struct atm_err *err) {
    struct atm_fit_numbers copy = record->numbers;
    struct attribute figures[FIGURES];
    const double sizes[SIZES] = {(double)record->grid.height,  (double)record->grid.width,
                                 (double)record->grid.tile_px, (double)record->first_frame,
                                 (double)record->level,        record->numbers.noise_measured};
    enum atm_status status = atm_h5_write_text(file, "/", VERDICT, record->verdict, err);
    list_figures(&copy, figures);
    for (int i = 0; !status && i < FIGURES; i++)
        status = atm_h5_write_number(file, "/", figures[i].name, *figures[i].value, err);
    for (int i = 0; !status && i < SIZES; i++)
        status = atm_h5_write_number(file, "/", size_names[i], sizes[i], err);
    return status || !provenance ? status
                                 : atm_h5_write_text(file, "/", "provenance", provenance, err);
}

/* Columns of the series, as members of atm_frame_fit. */
static const struct {
    const char *name;
    size_t member;
} columns[] = {
    {"/frames/deviance", offsetof(struct atm_frame_fit, deviance)},
    {"/frames/deviance_sd", offsetof(struct atm_frame_fit, deviance_sd)},
    {"/frames/unexplained", offsetof(struct atm_frame_fit, unexplained)},
    {"/frames/chi2", offsetof(struct atm_frame_fit, chi2)},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static enum atm_status write_frames(struct atm_h5 *file, const struct atm_fit_record *record,
                                    struct atm_err *err) {
    float *values = atm_mem_alloc((size_t)record->frames, sizeof *values);
    enum atm_status status = values ? ATM_OK : atm_err_memory(err, "the map of the fit");
    for (int c = 0; !status && c < COLUMNS; c++) {
        for (ptrdiff_t t = 0; t < record->frames; t++)
            memcpy(&values[t], (const char *)&record->by_frame[t] + columns[c].member,
                   sizeof *values);
        status = atm_h5_write(file, columns[c].name, ATM_H5_F32, 1, &record->frames, values, err);
    }
    atm_mem_free(values);
    return status;
}

struct named_histogram {
    const char *name;
    struct atm_histogram *histogram;
    bool trained;
};
enum { HISTOGRAMS = 4 };

static void list_histograms(struct atm_fit_record *record, struct named_histogram h[HISTOGRAMS]) {
    const struct named_histogram all[HISTOGRAMS] = {
        {"/histograms/blocks", &record->blocks, false},
        {"/histograms/background", &record->background, false},
        {"/histograms/trained_blocks", &record->trained_blocks, true},
        {"/histograms/trained_background", &record->trained_background, true},
    };
    memcpy(h, all, sizeof all);
}

static enum atm_status write_histograms(struct atm_h5 *file, const struct atm_fit_record *record,
                                        struct atm_err *err) {
    const ptrdiff_t bins = ATM_HISTOGRAM_BINS, edge_count = bins + 1;
    double edges[ATM_HISTOGRAM_BINS + 1];
    struct named_histogram histograms[HISTOGRAMS];
    struct atm_fit_record copy = *record;
    for (int i = 0; i <= ATM_HISTOGRAM_BINS; i++)
        edges[i] = atm_histogram_edge(i);
    list_histograms(&copy, histograms);
    enum atm_status status =
        atm_h5_write(file, "/histograms/edges", ATM_H5_F64, 1, &edge_count, edges, err);
    for (int i = 0; !status && i < HISTOGRAMS; i++)
        if (!histograms[i].trained || record->compared)
            status = atm_h5_write(file, histograms[i].name, ATM_H5_F64, 1, &bins,
                                  histograms[i].histogram->counts, err);
    return status;
}

static enum atm_status write_all(const char *path, const struct atm_fit_record *record,
                                 const char *provenance, struct atm_err *err) {
    struct atm_h5 *file = NULL;
    const ptrdiff_t shape[2] = {record->grid.rows, record->grid.columns};
    enum atm_status status = atm_h5_create(path, &file, err);
    if (!status)
        status = write_attributes(file, record, provenance, err);
    if (!status)
        status = atm_h5_write(file, "/maps/deviance", ATM_H5_F32, 2, shape, record->deviance, err);
    if (!status)
        status =
            atm_h5_write(file, "/maps/unexplained", ATM_H5_F32, 2, shape, record->unexplained, err);
    if (!status)
        status = write_frames(file, record, err);
    if (!status)
        status = write_histograms(file, record, err);
    enum atm_status closed = atm_h5_close(&file, status ? NULL : err);
    return status ? status : closed;
}

enum atm_status atm_fit_record_write(const char *path, const struct atm_fit_record *record,
                                     const char *provenance, struct atm_err *err) {
    struct atm_outfile out = {0};
    enum atm_status status = atm_outfile_begin(&out, path, err);
    if (!status)
        status = write_all(out.temporary, record, provenance, err);
    if (!status)
        return atm_outfile_commit(&out, err);
    atm_outfile_discard(&out);
    return status;
}

static enum atm_status read_attributes(const struct atm_h5 *file, struct atm_fit_record *record,
                                       struct atm_err *err) {
    struct attribute figures[FIGURES];
    double sizes[SIZES] = {0};
    char *text = NULL;
    enum atm_status status = atm_h5_read_text(file, "/", VERDICT, &text, err);
    if (!status && !text)
        return atm_err_set(err, ATM_FAIL,
                           "%s: not a file about a fit, as localize leaves beside its table",
                           atm_h5_path(file));
    if (!status)
        snprintf(record->verdict, sizeof record->verdict, "%s", text);
    atm_mem_free(text);
    list_figures(&record->numbers, figures);
    for (int i = 0; !status && i < FIGURES; i++)
        status = atm_h5_read_number(file, "/", figures[i].name, figures[i].value, err);
    for (int i = 0; !status && i < SIZES; i++)
        status = atm_h5_read_number(file, "/", size_names[i], &sizes[i], err);
    if (!status && !(sizes[0] >= 1 && sizes[0] < 1e6 && sizes[1] >= 1 && sizes[1] < 1e6 &&
                     sizes[4] >= ATM_FIT_UNKNOWN && sizes[4] <= ATM_FIT_FAILS))
        return atm_err_set(err, ATM_FAIL, "%s: damaged: %s, %s or %s is missing or out of range",
                           atm_h5_path(file), size_names[0], size_names[1], size_names[4]);
    if (status)
        return status;
    record->grid = atm_fit_grid((ptrdiff_t)sizes[0], (ptrdiff_t)sizes[1]);
    record->first_frame = (ptrdiff_t)sizes[3], record->level = (enum atm_fit_level)sizes[4];
    record->numbers.noise_measured = sizes[5] != 0;
    return ATM_OK;
}

static enum atm_status read_frames(const struct atm_h5 *file, struct atm_fit_record *record,
                                   struct atm_err *err) {
    float *values = atm_mem_alloc((size_t)record->frames, sizeof *values);
    enum atm_status status = values ? ATM_OK : atm_err_memory(err, "the map of the fit");
    for (int c = 0; !status && c < COLUMNS; c++) {
        status = atm_h5_read(file, columns[c].name, ATM_H5_F32, record->frames, values, err);
        for (ptrdiff_t t = 0; !status && t < record->frames; t++)
            memcpy((char *)&record->by_frame[t] + columns[c].member, &values[t], sizeof *values);
    }
    atm_mem_free(values);
    return status;
}

static enum atm_status read_histograms(const struct atm_h5 *file, struct atm_fit_record *record,
                                       struct atm_err *err) {
    struct named_histogram histograms[HISTOGRAMS];
    enum atm_status status = ATM_OK;
    list_histograms(record, histograms);
    record->compared = atm_h5_exists(file, histograms[HISTOGRAMS - 1].name);
    for (int i = 0; !status && i < HISTOGRAMS; i++)
        if (!histograms[i].trained || record->compared)
            status = atm_h5_read(file, histograms[i].name, ATM_H5_F64, ATM_HISTOGRAM_BINS,
                                 histograms[i].histogram->counts, err);
    return status;
}

static enum atm_status read_all(const struct atm_h5 *file, struct atm_fit_record *record,
                                struct atm_err *err) {
    int rank;
    ptrdiff_t shape[ATM_H5_MAX_RANK];
    enum atm_status status = read_attributes(file, record, err);
    if (!status)
        status = atm_h5_shape(file, columns[0].name, &rank, shape, err);
    if (status)
        return status;
    record->frames = rank == 1 ? shape[0] : 0;
    if (!reserve(record))
        return atm_err_memory(err, "the map of the fit");
    const ptrdiff_t tiles = record->grid.rows * record->grid.columns;
    status = atm_h5_read(file, "/maps/deviance", ATM_H5_F32, tiles, record->deviance, err);
    if (!status)
        status =
            atm_h5_read(file, "/maps/unexplained", ATM_H5_F32, tiles, record->unexplained, err);
    if (!status)
        status = read_frames(file, record, err);
    return status ? status : read_histograms(file, record, err);
}

enum atm_status atm_fit_record_read(const char *path, struct atm_fit_record *record,
                                    struct atm_err *err) {
    struct atm_h5 *file = NULL;
    *record = (struct atm_fit_record){0};
    enum atm_status status = atm_h5_open(path, &file, err);
    if (!status)
        status = read_all(file, record, err);
    enum atm_status closed = atm_h5_close(&file, status ? NULL : err);
    status = status ? status : closed;
    if (status)
        atm_fit_record_free(record);
    return status;
}
