/* From a movie to localizations: front end, learning on the movie, calibration, inference, journal. */
#ifndef ATM_LOCALIZE_H
#define ATM_LOCALIZE_H

#include "atoms.h"
#include "camera.h"
#include "camera_noise.h"
#include "fit_record.h"
#include "ini.h"
#include "log.h"
#include "movie.h"
#include "psf_learn.h"
#include "refine.h"
#include "table.h"

/* ---- Source: a movie as the network and the refinement see it ---- */

enum atm_input_background {
    ATM_BACKGROUND_SMOOTH, /* auto: smooth over the field and followed in time */
    ATM_BACKGROUND_NONE,
};
enum atm_input_bad_pixels { ATM_BAD_PIXELS_LEAVE_OUT, ATM_BAD_PIXELS_KEEP };
struct atm_input_options {
    char path[ATM_KEY_TEXT_SIZE]; /* movie of the train and localize stages; empty: the synth stage's */
    int64_t first_frame;
    int64_t frame_count;     /* 0: all */
    char roi[ATM_KEY_TEXT_SIZE]; /* as atm_movie_roi_parse reads it */
    int64_t binning;             /* 0 counts as 1 */
    int64_t size_px; /* atm_movie_picture_options; 0: as it is */
    bool invert;
    double pen_px;
    char labels[ATM_KEY_TEXT_SIZE];
    bool follow;
    double follow_s;
    int64_t follow_frames;
    bool allow_truncated;
    bool estimate_camera;    /* not a key: localize.photons = estimate */
    int background;          /* enum atm_input_background */
    int bad_pixels;          /* enum atm_input_bad_pixels */
    double scale;            /* image units that become 1 for the network; auto: from the movie */
};
extern const struct atm_section atm_input_section;
/* What of it concerns opening the movie. */
enum atm_status atm_input_movie_options(const struct atm_input_options *input,
                                        struct atm_movie_options *options, struct atm_err *err);

/* Frames come in chunks of ATM_SOURCE_CHUNK (the last may be shorter), which also is the stretch of time
 * over which the background is taken as constant, but for frames whose level jumps. */
enum { ATM_SOURCE_CHUNK = 64 };

struct atm_source_info {
    ptrdiff_t frames, height, width, chunks; /* after first_frame, frame_count, roi and binning */
    struct atm_movie_roi field; /* where that lies, in pixels of the camera: x, y and whole size */
    ptrdiff_t binning;
    ptrdiff_t first_frame;
    struct atm_camera camera; /* merged */
    bool photons;             /* images are photons; otherwise ADU ("relative units") */
    double scale;             /* of the network's input */
    double background, background_variance; /* typical, image units */
    double density_px;        /* significant local maxima per pixel and frame: a floor of the density */
    struct atm_noise noise;   /* first guess: see atm_noise */
    /* (H, W), owned by the source; NULL: none. Each pixel's own variance in photons^2, and the
     * value in image units from which on it is saturated: -INFINITY for bad pixels. */
    const float *variance, *saturation;
    ptrdiff_t bad_pixels; /* of the camera: always far brighter or darker than their neighbours */
    uint64_t maps_hash; /* of the camera's maps; 0: none */
    /* Where the gain is not known otherwise: what the noise says, and whether it is used. */
    struct atm_camera_estimate estimate;
    bool estimated;
};
struct atm_source;
/* Opens the movie and measures the statistics above on a sample of its frames. */
enum atm_status atm_source_open(const char *path, const struct atm_input_options *options,
                                const struct atm_camera *camera, struct atm_source **source,
                                struct atm_err *err);
const struct atm_source_info *atm_source_info(const struct atm_source *source);
struct atm_movie *atm_source_movie(struct atm_source *source); /* borrowed */
/* Chunk `index`: image and background, each (count, H, W) in photons or ADU; *count receives the frames. */
enum atm_status atm_source_read(struct atm_source *source, ptrdiff_t index, float *image,
                                float *background, ptrdiff_t *count, struct atm_err *err);
/* The background of other frames, (count, H, W) of one stretch, found in the same way. */
enum atm_status atm_source_background(struct atm_source *source, const float *image, ptrdiff_t count,
                                      float *background, struct atm_err *err);
/* Frames (count, H, W) as the camera would have numbered them: whole ADU, where the movie's are. */
void atm_source_digitise(const struct atm_source *source, float *image, ptrdiff_t count);
/* Where input.follow is set, the source begins with input.follow_frames frames, for which opening has
 * waited. Before each chunk from then on: wait until it is complete, the movie has not grown for
 * input.follow_s, or the sink wants to stop; the info's frames and chunks are then up to there. */
void atm_source_follow(struct atm_source *source, ptrdiff_t chunk, const struct atm_sink *sink);
/* Frames that are there by now. */
ptrdiff_t atm_source_there(struct atm_source *source);
/* XXH3 of the frames as opened: what a movie that grows is known by. */
enum atm_status atm_source_hash(struct atm_source *source, uint64_t *hash, struct atm_err *err);
/* Rows in pixels of the source become such of the camera's whole field. */
void atm_source_to_field(const struct atm_source *source, struct atm_loc *rows, ptrdiff_t count);
void atm_source_close(struct atm_source **source);

/* ---- Learning and calibration ---- */

struct atm_calibrate_options {
    int64_t samples;     /* blocks measured */
    int64_t max_degree;  /* of the polynomial map; chosen by held-out error up to this */
};
struct atm_learn_options {
    struct atm_model_options model;
    struct atm_net_options net;
    struct atm_train_options train;
    struct atm_calibrate_options calibrate;
    uint64_t seed;
    const struct atm_model *start; /* borrowed; its weights and kind of network; NULL: afresh */
};
/* Train a model on the movie; it comes back calibrated. What the options leave to the movie is chosen from its
 * density and logged. checkpoint (may be NULL): file that is written every checkpoint_every steps and on a
 * stop (ATM_STOPPED), continued from when provenance (may be NULL) is the same, removed by
 * atm_learn_forget when the model is safe. */
enum atm_status atm_learn_movie(struct atm_source *source, const struct atm_learn_options *options,
                                const char *checkpoint, const char *provenance,
                                const struct atm_sink *sink, struct atm_model **model,
                                struct atm_err *err);
/* Remove the checkpoint, and the best model of earlier restarts beside it; either may be missing. */
void atm_learn_forget(const char *checkpoint);

extern const struct atm_section atm_calibrate_section;
/* What the network sees in evenly spread frames of the movie that it was trained on, into model->seen: kept
 * with the model, for comparison with the movies that it is used on. The model must be calibrated. */
enum atm_status atm_learn_seen(struct atm_source *source, struct atm_model *model,
                               struct atm_err *err);
/* Render atoms of the model's latent sample, measure them, fit the map. Deterministic. */
enum atm_status atm_calibrate_model(struct atm_model *model,
                                    const struct atm_calibrate_options *options,
                                    struct atm_err *err);

/* ---- Localizing ---- */

enum atm_seeds { ATM_SEEDS_NETWORK, ATM_SEEDS_PEAKS };
enum atm_photons { ATM_PHOTONS_CAMERA, ATM_PHOTONS_ESTIMATE };
struct atm_localize_options {
    int photons;           /* enum atm_photons */
    double false_rate;     /* false positives that noise causes in a frame; NAN: refine.false_per_frame */
    int seeds;             /* enum atm_seeds */
    double seed_threshold; /* blocks weaker than this many background standard deviations are no seeds */
    bool refine;           /* false: raw blocks */
    bool own_movie;        /* not a key: the model was trained on this movie */
    bool follow;           /* not a key: the source follows its movie; a stop is then its end */
};
extern const struct atm_section atm_localize_section;

struct atm_localize_summary {
    ptrdiff_t frames, localizations;
    double sigma_px;          /* PSF width used */
    struct atm_noise noise;   /* used */
    struct atm_refine_population population; /* used; log_sd 0: too few emitters to learn it */
    double threshold;         /* likelihood ratio, in deviance, that an emitter must be worth */
    double false_rate;        /* false positives that noise alone passes in a frame; NAN: not simulated */
    double chi2;              /* median over frames of the residual's chi-square per pixel; 1 is a perfect fit */
    struct atm_fit_record fit; /* owned: atm_fit_record_free */
    struct atm_psf_learned psf; /* used, owned by the caller (atm_psf_learned_free); no image: a Gaussian, or a file's */
};

/* Localize all frames. journal (may be NULL): append-only file; a run that was stopped continues from it when
 * model, movie and options are the same (identity: any text that tells runs apart, e.g. resolved INI + hashes).
 * Removed by the caller after the outputs are written. table receives everything, in order of frames, with
 * its columns, size and pixel size set. Returns ATM_STOPPED with the journal complete up to there. */
enum atm_status atm_localize_movie(struct atm_source *source, const struct atm_model *model,
                                   const struct atm_localize_options *options,
                                   const struct atm_refine_options *refine_options,
                                   const char *journal, const char *identity,
                                   const struct atm_sink *sink, struct atm_table *table,
                                   struct atm_localize_summary *summary, struct atm_err *err);

/* One frame (counted from the source's first) for a picture: input (background removed), reconstruction, both
 * (H, W), and the n brightest blocks, brightest first, (n, H, W); missing blocks are zero. Units of
 * the movie. Caller's memory. */
enum atm_status atm_localize_example(struct atm_source *source, const struct atm_model *model,
                                     ptrdiff_t frame, float *input, float *reconstruction,
                                     ptrdiff_t n, float *blocks, struct atm_err *err);

#endif
