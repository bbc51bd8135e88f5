/* How well a movie is explained, as it is kept: maps over the field, a series over the frames,
 * histograms beside those of the training set, figures and verdict. */
#ifndef ATM_FIT_RECORD_H
#define ATM_FIT_RECORD_H

#include "fit_tally.h"
#include "verdict.h"

struct atm_fit_record {
    struct atm_fit_grid grid;
    ptrdiff_t frames, first_frame;
    /* Owned, (rows, columns), NAN unknown. Deviance: see atm_frame_fit; unexplained: in parts of
     * the mean signal of a tile, so that empty ones stay dark. */
    float *deviance, *unexplained;
    struct atm_frame_fit *by_frame; /* owned, (frames) */
    struct atm_histogram blocks, background, trained_blocks, trained_background;
    bool compared; /* the model has kept its training set's histograms */
    struct atm_fit_numbers numbers;
    enum atm_fit_level level;
    char verdict[ATM_VERDICT_SIZE];
};

/* From the sums of all frames. by_frame (frames) is copied. numbers: what the sums do not tell. */
enum atm_status atm_fit_record_init(struct atm_fit_record *record,
                                    const struct atm_fit_tally *tally,
                                    const struct atm_frame_fit *by_frame, ptrdiff_t frames,
                                    const struct atm_fit_numbers *numbers, struct atm_err *err);
void atm_fit_record_free(struct atm_fit_record *record);

/* HDF5: /maps/deviance, unexplained (rows, columns); /frames/deviance, deviance_sd, unexplained,
 * chi2 (frames); /histograms/edges, blocks, background, trained_blocks, trained_background;
 * attributes of "/": verdict, level, the figures, tile_px, height, width, first_frame, provenance
 * (may be NULL). Appears when complete. */
enum atm_status atm_fit_record_write(const char *path, const struct atm_fit_record *record,
                                     const char *provenance, struct atm_err *err);
/* *record is empty after a failure. */
enum atm_status atm_fit_record_read(const char *path, struct atm_fit_record *record,
                                    struct atm_err *err);

#endif
