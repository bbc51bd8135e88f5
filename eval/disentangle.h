/* How a code z holds the factors of a spike: regression, MIG, SAP and DCI on plain arrays. */
#ifndef ATM_DISENTANGLE_H
#define ATM_DISENTANGLE_H

#include "err.h"
#include <stddef.h>
#include <stdint.h>

enum { ATM_FACTORS = 3, ATM_FACTOR_BINS = 20 }; /* x, y, amplitude; for mutual information */

/* One row per pair of a block and its spike. The first `train` rows are fitted, those behind them
 * are held out; where there are more than some thousands of either, evenly spread ones are used. */
struct atm_factor_rows {
    const double *z;       /* borrowed (count, latent) */
    const double *factors; /* borrowed (count, ATM_FACTORS), x and y in px, amplitude > 0 */
    ptrdiff_t count, train, latent;
};

/* Of predictions v^ of the factors on rows held out. R^2 = 1 - sum |v - v^|^2 / sum |v - mean|^2,
 * of the position as a vector: turning the image's axes changes nothing. */
struct atm_prediction {
    double position_r2, amplitude_r2;
    double position_rms;  /* sqrt(mean |p - p^|^2), px */
    double amplitude_rms; /* sqrt(mean ((a - a^) / a)^2) */
};

struct atm_disentangle {
    ptrdiff_t held_out; /* rows used */
    struct atm_prediction linear, polynomial, neighbours;
    int degree; /* of the polynomial */
    double mig, mig_factor[ATM_FACTORS];
    double sap, sap_factor[ATM_FACTORS];
    double dci_disentanglement, dci_completeness, dci_informativeness;
};

/* Definitions: configs/paper.md. Everything is NAN when fewer than 100 rows are on either side.
 * seed: of the permutations. */
enum atm_status atm_disentangle_measure(const struct atm_factor_rows *rows, uint64_t seed,
                                        struct atm_disentangle *result, struct atm_err *err);

/* Bins of equal count, 0..ATM_FACTOR_BINS - 1, of the column values[0], values[stride], ...; equal
 * values by order of rows. */
enum atm_status atm_factor_bins(const double *values, ptrdiff_t stride, ptrdiff_t count,
                                uint8_t *bins, struct atm_err *err);
/* Mutual information of two columns of bins, nats. */
double atm_mutual_information(const uint8_t *a, const uint8_t *b, ptrdiff_t count);

#endif
