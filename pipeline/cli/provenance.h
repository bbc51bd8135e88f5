/* Where an output comes from, as text that is kept in it: version, libraries, hashes of the inputs,
 * resolved configuration. The same on every machine and for every thread count: no clock, host,
 * path or thread count. It reads back as an INI file. */
#ifndef ATM_PROVENANCE_H
#define ATM_PROVENANCE_H

#include "config.h"

struct atm_provenance_input {
    const char *what; /* "movie" */
    uint64_t hash;
};

/* sections: those that decide the output; [run] seed is always there. Owned by the caller
 * (atm_mem_free); NULL if out of memory. */
char *atm_provenance_create(const struct atm_config *config, unsigned sections,
                            const struct atm_provenance_input *inputs, int count);

/* A camera that was estimated: its hash. */
struct atm_provenance_input atm_provenance_camera(const struct atm_camera *camera);

/* The part that tells whether an existing output is the wanted one: inputs and configuration,
 * without the versions. Borrowed from text. */
const char *atm_provenance_identity(const char *text);

/* True when both come from the same movie; either may be NULL. */
bool atm_provenance_same_movie(const char *a, const char *b);

/* A model's provenance with another calibration: the [calibrate] section at its end is replaced or
 * added. old may be NULL. Owned by the caller; NULL if out of memory. */
char *atm_provenance_calibrated(const char *old, const struct atm_config *config);
/* True when both come from the same training, whatever the calibration. */
bool atm_provenance_same_training(const char *a, const char *b);

/* XXH3 of the parts of a model that decide its localizations. */
uint64_t atm_provenance_model_hash(const struct atm_model *model);

#endif
