/* Blocks against true spikes, image by image: who serves whom, and the rates that follow.
 *
 * Of an image, blocks and spikes are matched within the tolerance (most pairs, then least sum of
 * distances; or greedily). B(s), the blocks of spike s, are its matched one and every block left
 * over that lies within the tolerance of s and of no nearer spike. A block within the tolerance of
 * no spike is a ghost. A matched block is merged when a spike that got no block has it as its
 * nearest block within the tolerance: it stands for both. */
#ifndef ATM_BLOCK_MATCH_H
#define ATM_BLOCK_MATCH_H

#include "blocks.h"
#include "match.h"

struct atm_spike_fate {
    ptrdiff_t block;   /* matched one, in blocks->at; -1 none */
    ptrdiff_t blocks;  /* |B(s)| */
    ptrdiff_t instead; /* where there is none: the nearest block within the tolerance; -1 */
    double distance;   /* to the matched block, px */
    double energy_share, amplitude_share; /* purity: max / sum over B(s); NAN for none */
    double nearest;                       /* distance to the nearest other spike, px; INFINITY */
};
struct atm_block_fate {
    ptrdiff_t spike; /* s with this block in B(s); -1 ghost */
    ptrdiff_t near;  /* its spike, or for a ghost the nearest one at any distance; -1: none */
    bool matched, merged;
};

struct atm_block_match {
    const struct atm_spikes *spikes; /* borrowed, of the same images */
    const struct atm_blocks *blocks; /* borrowed */
    struct atm_spike_fate *spike;    /* owned, per spike */
    struct atm_block_fate *block;    /* owned, per block */
};
enum atm_status atm_block_match_init(struct atm_block_match *match, const struct atm_spikes *spikes,
                                     const struct atm_blocks *blocks, double tolerance_px,
                                     enum atm_match_method method, struct atm_err *err);
void atm_block_match_free(struct atm_block_match *match);

/* A part of the spikes: of images with count_least..count_most spikes, and with their nearest
 * neighbour at nearest_least <= d < nearest_most px; INFINITY: no limit, and alone in the image. A
 * block belongs to the part of its spike, a ghost to that of the spike that is nearest to it. */
struct atm_block_part {
    ptrdiff_t count_least, count_most;
    double nearest_least, nearest_most;
};
extern const struct atm_block_part atm_block_part_all;

/* Rates are NAN where there is nothing to count. */
struct atm_block_score {
    ptrdiff_t spikes, blocks, matched;
    double jaccard;                         /* matched / (spikes + blocks - matched) */
    double recall, precision;               /* matched / spikes, matched / blocks */
    double split;                           /* spikes with |B(s)| >= 2, of all spikes */
    double merged, ghost;                   /* of all blocks */
    double missed;                          /* spikes with no block within the tolerance, of all */
    double energy_purity, amplitude_purity; /* mean over the matched spikes */
    double rmse_px, rmse_axis_px;           /* sqrt(sum d^2 / matched), the same with 2 matched */
    double mean_px, median_px, p90_px;      /* of d */
    /* Of (block - spike) / spike; the median is that of the absolute value. */
    double amplitude_rms, amplitude_median, amplitude_bias;
    double fitted_median; /* the same with the amplitude of the fit that has a width of its own */
};
enum atm_status atm_block_match_score(const struct atm_block_match *match,
                                      const struct atm_block_part *part,
                                      struct atm_block_score *score, struct atm_err *err);

#endif
