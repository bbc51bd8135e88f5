/* Confidence intervals of scores: frames drawn with replacement, percentile method (Efron 1979,
 * doi:10.1214/aos/1176344552). */
#include "score_case.h"

#include "mem.h"
#include "rng.h"
#include "score_figures.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

enum { MOST_BLOCKS = 1000 };
static const double TAIL = 0.025;

/* The score of one resample; its stream depends on its number only. */
static void resample(const struct atm_score_sums *blocks, ptrdiff_t count, int64_t number,
                     struct atm_score *score) {
    struct atm_rng rng;
    struct atm_score_sums total = {{0}};
    atm_rng_init(&rng, 0, ATM_RNG_EVAL, (uint64_t)number);
    for (ptrdiff_t i = 0; i < count; i++)
        atm_score_sums_add(&total, &blocks[(ptrdiff_t)(atm_rng_uniform(&rng) * (double)count)]);
    atm_score_sums_finish(&total, score);
}

static void find_ends(const struct atm_score_figure *figure, const struct atm_score *scores,
                      int64_t count, double *values, struct atm_score *low,
                      struct atm_score *high) {
    size_t known = 0;
    for (int64_t i = 0; i < count; i++) {
        double value = atm_score_figure_get(figure, &scores[i]);
        if (isfinite(value))
            values[known++] = value;
    }
    gsl_sort(values, 1, known);
    bool any = known > 0;
    atm_score_figure_set(figure, low,
                         any ? gsl_stats_quantile_from_sorted_data(values, 1, known, TAIL) : NAN);
    atm_score_figure_set(
        figure, high, any ? gsl_stats_quantile_from_sorted_data(values, 1, known, 1 - TAIL) : NAN);
}

enum atm_status atm_score_case_bootstrap(const struct atm_score_case *c, double photon_threshold,
                                         int64_t resamples, struct atm_score *low,
                                         struct atm_score *high, struct atm_err *err) {
    ptrdiff_t blocks = atm_score_case_frames(c);
    blocks = blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS;
    int64_t count = blocks > 1 ? resamples : 0; /* a single frame says nothing about others */
    struct atm_score_sums *sums = atm_mem_alloc((size_t)(blocks + 1), sizeof *sums);
    struct atm_score *scores = atm_mem_alloc((size_t)(count + 1), sizeof *scores);
    double *values = atm_mem_alloc((size_t)(count + 1), sizeof *values);
    enum atm_status status =
        sums && scores && values ? ATM_OK : atm_err_memory(err, "confidence intervals");
    *low = *high = (struct atm_score){0};
    if (status == ATM_OK) {
        if (count)
            atm_score_case_sum(c, photon_threshold, blocks, sums);
        for (int64_t i = 0; i < count; i++)
            resample(sums, blocks, i, &scores[i]);
        for (int k = 0; k < atm_score_figure_count; k++)
            if (!atm_score_figures[k].is_count)
                find_ends(&atm_score_figures[k], scores, count, values, low, high);
    }
    atm_mem_free(sums);
    atm_mem_free(scores);
    atm_mem_free(values);
    return status;
}
