/* How many emitters: births from the residual, deaths, mergers and splits, each decided by
 * refitting the neighbourhood under both hypotheses. */
#ifndef ATM_MODEL_CHOICE_H
#define ATM_MODEL_CHOICE_H

#include "refine_tile.h"

struct atm_choice; /* scratch for hypotheses */
enum atm_status atm_choice_create(struct atm_choice **choice, struct atm_err *err);
void atm_choice_destroy(struct atm_choice **choice);

/* Deviance that an emitter must be worth so that noise alone yields false_per_frame of them in 1000
 * px. */
double atm_choice_threshold(double false_per_frame, double sigma_px);

/* Add emitters where the residual asks for them. *changes counts what was accepted. */
enum atm_status atm_choice_birth(struct atm_choice *choice, struct atm_tile *tile,
                                 ptrdiff_t *changes, struct atm_err *err);
/* Review every emitter: remove, merge with a neighbour, split in two. */
enum atm_status atm_choice_review(struct atm_choice *choice, struct atm_tile *tile,
                                  ptrdiff_t *changes, struct atm_err *err);

/* What the explanations that lost would make of every emitter: fills its mark's doubt. Only where a
 * population is known, without which scores are no evidence. */
enum atm_status atm_choice_doubt(struct atm_choice *choice, struct atm_tile *tile,
                                 struct atm_err *err);

#endif
