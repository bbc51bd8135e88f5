/* Spikes and blocks as plain arrays, image by image: what the numbers of a model are made of. All
 * in the units of the network's images: px, pixel centres at integers, and normalised brightness.
 */
#ifndef ATM_BLOCKS_H
#define ATM_BLOCKS_H

#include "err.h"
#include "spot.h"
#include "table.h"

/* A true spike. */
struct atm_spike {
    double x, y, amplitude; /* amplitude: value at its centre */
};
struct atm_spikes {
    ptrdiff_t images;
    ptrdiff_t *first; /* owned (images + 1): spikes of image n are first[n] .. first[n + 1] - 1 */
    struct atm_spike *at; /* owned */
};

/* The spikes of frames [first_frame, first_frame + images) of a truth table (sorted by frame);
 * amplitude = photons * scale. Rows without a finite position or photons are an error. */
struct atm_spikes_cut {
    ptrdiff_t first_frame, images;
    double scale;
};
enum atm_status atm_spikes_from_table(const struct atm_table *table,
                                      const struct atm_spikes_cut *cut, struct atm_spikes *spikes,
                                      struct atm_err *err);
/* The same images in another order: image n of *rotated is image n + by of spikes.
 */
enum atm_status atm_spikes_rotate(const struct atm_spikes *spikes, ptrdiff_t by,
                                  struct atm_spikes *rotated, struct atm_err *err);
void atm_spikes_free(struct atm_spikes *spikes);

/* An active block, or a spot of an image that is no sum of blocks. */
struct atm_block {
    ptrdiff_t index; /* among the blocks of its image, for its latent; -1: no block */
    double energy;   /* |g|^2 with g clipped to 0..1 */
    bool fitted;     /* false: no Gaussian fits, and spot is a rough place with residual 1 */
    struct atm_spot_fit spot;
    double amplitude; /* of the spike that fits best there, as wide as a spike is (spot.sigma is the
                         block's own width) */
};
struct atm_blocks {
    ptrdiff_t images, image_capacity, count, capacity;
    ptrdiff_t *first; /* owned (images + 1) */
    struct atm_block *at;
};
/* Zero-initialise. Append one more image with its blocks. */
enum atm_status atm_blocks_append(struct atm_blocks *blocks, const struct atm_block *more,
                                  ptrdiff_t count, struct atm_err *err);
void atm_blocks_free(struct atm_blocks *blocks);

/* The best Gaussian for the whole window, started at its moments. */
void atm_block_measure(const struct atm_spot_window *window, struct atm_block *block);

/* A classical localizer: local maxima (of the eight neighbours) of at least `least` times the
 * highest pixel, each with its own least-squares Gaussian within `radius_px`; at most `room` of
 * them, in order of rows. Returns their number. */
struct atm_peak_options {
    double least, sigma_px;
    ptrdiff_t radius_px;
};
enum { ATM_PEAKS_MOST = 256 };
/* A tenth of the highest pixel, two sigma around. */
struct atm_peak_options atm_peak_defaults(double sigma_px);
ptrdiff_t atm_peaks_find(const float *image, ptrdiff_t height, ptrdiff_t width,
                         const struct atm_peak_options *options, struct atm_block *peaks,
                         ptrdiff_t room);

#endif
