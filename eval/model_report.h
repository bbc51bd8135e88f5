/* Inside eval: the report on a model, as it is put together. model_test.h is the interface. */
#ifndef ATM_MODEL_REPORT_H
#define ATM_MODEL_REPORT_H

#include "block_match.h"
#include "model_test.h"
#include "number_grid.h"

enum { ATM_REPORT_GRIDS = 32 };

struct atm_model_report {
    const struct atm_model_test *test;
    struct atm_spikes spikes[ATM_TEST_KINDS];     /* of the kind's images; borrowed from the test */
    struct atm_block_match match[ATM_TEST_KINDS]; /* Hungarian; without spikes: no such kind */
    struct atm_number_grid *grids;                /* (ATM_REPORT_GRIDS) */
    int count;
};

/* An empty grid, all of its values NAN; key and title are borrowed. */
struct atm_number_grid *atm_report_grid(struct atm_model_report *report, const char *key,
                                        const char *title);
/* One column for each kind. */
struct atm_number_grid *atm_report_kinds(struct atm_model_report *report, const char *key,
                                         const char *title);
void atm_report_row(struct atm_number_grid *grid, const char *key, const char *label,
                    const double *values);

/* The parts. */
void atm_report_sums(struct atm_model_report *report);
enum atm_status atm_report_blocks(struct atm_model_report *report, struct atm_err *err);
enum atm_status atm_report_latents(struct atm_model_report *report, struct atm_err *err);
enum atm_status atm_report_atoms(struct atm_model_report *report, struct atm_err *err);

#endif
