/* A trained model on test images whose spikes are known: its numbers. configs/paper.md defines
 * each. */
#ifndef ATM_MODEL_TEST_H
#define ATM_MODEL_TEST_H

#include "block_set.h"
#include "localize.h"
#include "log.h"
#include "score.h"

/* Where the test images come from. */
struct atm_test_images {
    struct atm_source *source;     /* borrowed */
    const struct atm_table *truth; /* borrowed, sorted by frame */
    double sigma_px;               /* of the true spikes; NAN unknown: the model's atoms' */
    bool amplitude_is_mass;        /* the truth's photons are a spike's total, not its peak */
    uint64_t seed;                 /* of what is drawn at random */
};

/* Columns of the numbers. */
enum atm_test_kind { ATM_TEST_RAW, ATM_TEST_REFINED, ATM_TEST_PEAKS, ATM_TEST_KINDS };

/* Zero-initialise; release by atm_model_test_free. */
struct atm_model_test {
    const struct atm_model *model; /* borrowed */
    struct atm_eval_options options;
    struct atm_spikes spikes;
    double sigma_px;  /* used: always known */
    double width_px;  /* of a spike's image: sigma_px, and a pixel's own variance where pixels
                         integrate */
    bool sigma_known; /* from the stack's provenance or the configuration */
    uint64_t seed;
    struct atm_block_set raw, refined; /* refined: the first images only, or none */
    struct atm_blocks peaks;           /* the images themselves, by local maxima */
};
enum atm_status atm_model_test_run(struct atm_model_test *test, const struct atm_model *model,
                                   const struct atm_test_images *images,
                                   const struct atm_eval_options *options,
                                   const struct atm_sink *sink, struct atm_err *err);
void atm_model_test_free(struct atm_model_test *test);

/* Every number, for people and as JSON; owned by the caller (atm_mem_free). */
enum atm_status atm_model_test_report(const struct atm_model_test *test, char **text, char **json,
                                      struct atm_err *err);

#endif
