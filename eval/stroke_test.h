/* A trained model on images of strokes: its numbers. configs/strokes.md defines each. */
#ifndef ATM_STROKE_TEST_H
#define ATM_STROKE_TEST_H

#include "localize.h"
#include "log.h"
#include "score.h"
#include "stroke_truth.h"

/* Where the test images come from. */
struct atm_stroke_images {
    struct atm_source *source;        /* borrowed */
    const struct atm_stroke *strokes; /* borrowed, by frame of the movie; NULL: unknown */
    ptrdiff_t stroke_count;
    struct atm_source *baseline; /* borrowed: images of the mean and the components; NULL: source */
};

/* Sums over the images that were looked at, or the interpolated ones. */
struct atm_stroke_sums {
    ptrdiff_t images, active, parts, single; /* single: active blocks of one part */
    double loss, energy;                     /* |x - output|^2, |x|^2 */
    double largest;                          /* of the active blocks: share of the largest part */
    double overlap;                          /* of the images */
    ptrdiff_t strokes, covered; /* true ones; with an intersection over union of 1/2 or more */
    double iou;
};

enum atm_stroke_kind { ATM_STROKES_RAW, ATM_STROKES_REFINED, ATM_STROKES_KINDS };

/* Zero-initialise; release by atm_stroke_test_free. */
struct atm_stroke_test {
    const struct atm_model *model; /* borrowed */
    double active;
    ptrdiff_t height, width;
    struct atm_stroke_sums sums[ATM_STROKES_KINDS];
    struct atm_stroke_pair *pairs; /* owned: of RAW, covered strokes and their blocks */
    float *z;                      /* owned: their numbers */
    ptrdiff_t pair_count, pair_room;
    double r2;                           /* of the control points; NAN unknown */
    struct atm_stroke_sums interpolated; /* loss: of encoding and decoding them again */
    ptrdiff_t components, baseline_images;
    double mean_loss, pca_loss; /* of the RAW images, sums as loss */
    bool own_baseline;          /* from the test images themselves */
};
/* Only models whose blocks are whole images. ATM_STOPPED when the sink says so. */
enum atm_status atm_stroke_test_run(struct atm_stroke_test *test, const struct atm_model *model,
                                    const struct atm_stroke_images *images,
                                    const struct atm_eval_options *options,
                                    const struct atm_sink *sink, struct atm_err *err);
void atm_stroke_test_free(struct atm_stroke_test *test);

/* Every number, for people and as JSON; owned by the caller (atm_mem_free). */
enum atm_status atm_stroke_test_report(const struct atm_stroke_test *test, char **text, char **json,
                                       struct atm_err *err);

#endif
