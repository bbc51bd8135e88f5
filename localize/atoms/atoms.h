/* Atomic autoencoders (Newson and Traonmilin, SampTA 2023, hal-03962759): x ~ sum_i g(z_i), the
 * same g for every block i. Three chains of layers: the encoder (image -> blocks of d0 numbers),
 * the atom g (block -> windowed feature maps) and the assembly (sum or placement of the blocks,
 * then an optional linear convolution h that is the same for all of them).
 *
 * Images are normalised by the caller: background about 0, a typical emitter's peak about 1. */
#ifndef ATM_ATOMS_H
#define ATM_ATOMS_H

#include "histogram.h"
#include "ini.h"
#include "log.h"
#include "net.h"

enum { ATM_LATENT_MAX = 256 }; /* largest d0 */

enum atm_model_kind {
    ATM_MODEL_CONVOLUTIONAL,   /* any frame size; blocks on a grid of cells */
    ATM_MODEL_PAPER_SPIKES,    /* 128x128, k = 10, d0 = 3: 307,097 parameters */
    ATM_MODEL_PAPER_STROKES,   /* 128x128, k = 16, d0 = 6: 341,051 parameters */
    ATM_MODEL_PAPER_SPIKES_64, /* 64x64, k = 10, d0 = 3: 289,289 parameters */
    ATM_MODEL_STROKES,         /* 128x128, k = 16, d0 = 6, thinner maps: for a CPU */
    ATM_MODEL_STROKES_64,      /* the same for 64x64 */
    ATM_MODEL_FOLLOWUP,        /* 28x28, k = 20, d0 = 10: Joundi et al., GRETSI 2025 */
};
enum { ATM_MODEL_LAST = ATM_MODEL_FOLLOWUP };
extern const char *const atm_model_kind_names[]; /* by kind; NULL behind the last */

/* g of the PAPER kinds (all but the convolutional one). */
enum atm_atom_kind {
    ATM_ATOM_PUBLISHED,   /* dense layers to maps of 2x2, convolutions and upsampling */
    ATM_ATOM_FIELD,       /* dense layers; a function of the block's numbers and the place, by 1x1
                             convolutions at a quarter of the size; upsampling */
    ATM_ATOM_HOMOGENEOUS, /* as published, without biases: g(t z) = t g(z) for t >= 0, so the length
                             of z is an amplitude and its direction a position; the sweeps of a
                             pursuit fit the amplitude (pursuit.h) */
    ATM_ATOM_AUTO,        /* published; no model has it */
};
enum atm_aggregation { ATM_AGGREGATION_SUM, ATM_AGGREGATION_MAX };

/* How the PAPER kinds come from an image to their k blocks; the decoder is the same for all. */
enum atm_encoder_kind {
    ATM_ENCODER_DENSE,         /* published: convolutions, then dense layers */
    ATM_ENCODER_CONVOLUTIONAL, /* convolutions, then k heads that each attend to one place */
    ATM_ENCODER_PURSUIT, /* the same with one head, k times, each time on what is left of the image
                          */
    ATM_ENCODER_AUTO,    /* dense; no model has it */
};

struct atm_model_options {
    int kind;           /* enum atm_model_kind */
    int encoder;        /* PAPER kinds: enum atm_encoder_kind */
    int atom;           /* PAPER kinds: enum atm_atom_kind */
    int aggregation;    /* PAPER kinds: enum atm_aggregation */
    int64_t blocks;     /* PAPER kinds: k; 0 as published */
    int64_t block_size; /* PAPER kinds: d0; 0 as published */
    bool linear_latent; /* dense encoder: no LeakyReLU on the latent */
    int64_t cell_px;    /* convolutional: stride S of the encoder, 4 or 8; 0 = from the density */
    int64_t blocks_per_cell; /* m; 0 = from the density */
    int64_t features;        /* feature maps C of an atom */
    int64_t assembly_kernel; /* kernel size of h, odd */
    int64_t first_kernel;    /* kernel size of the encoder's first layer, odd */
};
extern const struct atm_section atm_model_section;

enum atm_model_init { ATM_MODEL_INIT_AUTO, ATM_MODEL_INIT_HE, ATM_MODEL_INIT_UNIFORM };
struct atm_net_options {
    int convolution; /* enum atm_conv_choice */
    int init;        /* enum atm_model_init; resolved in a model: not auto */
};
extern const struct atm_section atm_net_section;

struct atm_train_options {
    char from[ATM_KEY_TEXT_SIZE]; /* model whose weights it starts from; "": random ones */
    int64_t restarts; /* with other random numbers, where the network has learned too little */
    int64_t steps, batch;
    int64_t patch_px; /* side of the training patches; smaller frames are taken whole */
    double rate;      /* Adam's, after warm-up */
    int64_t warmup_steps;
    double decay_fraction;    /* last part of the steps with cosine decay to 0 */
    double clip_norm;         /* gradients are scaled down to this norm; 0 off */
    double penalty;           /* lambda of the concave block penalty sum_i (e_i + 1e-3)^(1/4) */
    double penalty_start;     /* fraction of the steps after which it acts */
    double penalty_end;       /* and after which it does no longer: it makes atoms dimmer */
    double validation;        /* fraction of the frames held out */
    int64_t checkpoint_every; /* steps */
    double memory_mb;         /* frames kept in memory; a longer movie is thinned evenly */
    double step_memory_mb;    /* for a step's plans; larger batches go in parts; 0 off */
    int symmetry;             /* enum atm_train_symmetry */
    int blur;                 /* enum atm_train_blur: what is low-passed at the start */
    double blur_px;           /* standard deviation at the start, falls to 0; 0: none */
    double blur_keep;         /* part that is not blurred, 0..1 */
    double blur_end;          /* fraction of the steps after which nothing is blurred */
    double curriculum;        /* fraction of the steps in which dim frames come first; 0: none */
    bool pursuit_through;     /* gradients also pass the residuals that the encoder is given */
    double hole_px;     /* pursuit: radius of the hole through which images are seen while it grows,
                           times the blocks in use; 0: none */
    bool pursuit_sweep; /* grown: every other step trains a sweep over all blocks */
    double pursuit_grow;   /* fraction of the steps in which it grows from 1 to k blocks */
    double pursuit_weight; /* of the squared residuals after each step but the last */
};
extern const struct atm_section atm_train_section;
enum atm_train_blur { ATM_BLUR_RESIDUAL, ATM_BLUR_IMAGES };
enum atm_train_symmetry {
    ATM_SYMMETRY_AUTO, /* flips for the convolutional kind, none otherwise */
    ATM_SYMMETRY_NONE,
    ATM_SYMMETRY_FLIPS,  /* left-right, up-down */
    ATM_SYMMETRY_SQUARE, /* also transposed */
};

/* Map from a block's latent to amplitude and position, one for all blocks: polynomials. */
struct atm_calibration {
    bool done;
    int degree, terms;    /* of the polynomial in d0 variables */
    double *coefficients; /* owned, (3, terms): mass (image units x px), x, y (px from the cell
                             centre; PAPER kinds: image coordinates) */
    double mean[ATM_LATENT_MAX], scale[ATM_LATENT_MAX]; /* standardise z before the polynomial */
    double low[ATM_LATENT_MAX], high[ATM_LATENT_MAX];   /* domain: range of z in the sample */
    double sigma_px;                                    /* median width of the rendered atoms */
    double position_rms_px,
        mass_rms;    /* of the map on held-out samples; mass relative to its median */
    double monotone; /* rank correlation of mapped and measured mass, held-out samples */
    ptrdiff_t samples;
};

/* Terms of a polynomial of this total degree in `latent` variables. */
int atm_calibration_terms(int latent, int degree);
/* Apply: mass in normalised image units, x, y in px from the block's cell centre (PAPER kinds:
 * image px). */
void atm_calibration_apply(const struct atm_calibration *calibration, ptrdiff_t latent,
                           const float *z, double *mass, double *x, double *y);

struct atm_curve_point {
    int64_t step;
    double loss, validation, penalty, rate; /* validation is NAN when no frame is held out */
};

struct atm_model {
    struct atm_model_options options; /* resolved: no zeros left */
    struct atm_net_options net_options;
    ptrdiff_t height, width; /* PAPER kinds: the image size; 0 for any size */
    ptrdiff_t latent;        /* d0 */
    ptrdiff_t blocks;        /* k of the PAPER kinds; m otherwise */
    ptrdiff_t cell;          /* S; 0 for the PAPER kinds */
    ptrdiff_t window;        /* P, side of an atom's window before h */
    struct atm_net *encoder, *atom, *assembly;
    struct atm_net *decoder; /* atom and assembly as one chain; shares their weights */
    ptrdiff_t param_count;   /* of encoder, atom, assembly, one after the other in this order */
    float *params;           /* owned */
    float *moments;          /* owned, 2 * param_count: Adam's */
    int64_t step, steps;     /* done, planned */
    uint64_t seed;
    double image_scale; /* units of the movie per normalised unit, when learned on a movie */
    double background;  /* typical background of the training movie, photons or ADU */
    struct atm_calibration calibration;
    float *latents; /* owned, (latent_count, d0): sample of blocks for calibration */
    ptrdiff_t latent_count;
    struct atm_curve_point *curve; /* owned */
    ptrdiff_t curve_count, curve_capacity;
    struct atm_curve_sums { /* of the steps since the curve's last point */
        double loss, penalty;
        int64_t steps;
    } pending;
    struct atm_seen { /* in the movie that it was trained on; image units: photons or ADU */
        bool known;
        double threshold;                /* least photons of the blocks below */
        struct atm_histogram blocks;     /* photons of blocks, in a sample of frames */
        struct atm_histogram background; /* per pixel, of tiles of these frames */
    } seen;
    char *provenance; /* owned: resolved configuration, seed, hashes, versions; or NULL */
    struct atm_kept { /* in training: where the held-out error was least */
        float *state; /* owned: params, then moments; NULL: nothing yet */
        double held_out;
        int64_t falls; /* how often training went back there; each halves the rate */
    } kept;
};

/* Build with initial weights. Fails on options that do not fit, naming the key. */
enum atm_status atm_model_create(const struct atm_model_options *options,
                                 const struct atm_net_options *net_options, uint64_t seed,
                                 struct atm_model **model, struct atm_err *err);
void atm_model_destroy(struct atm_model **model);
/* Copy the weights and moments into kept. */
enum atm_status atm_model_keep(struct atm_model *model, struct atm_err *err);
/* HDF5 file, appears when complete. with_optimizer: keep what continuing needs. */
enum atm_status atm_model_save(const struct atm_model *model, const char *path, bool with_optimizer,
                               struct atm_err *err);
/* A wrong or damaged file is an error that names it. */
enum atm_status atm_model_load(const char *path, struct atm_model **model, struct atm_err *err);
/* The follow-up paper's published network, from a file with its weights by their names in PyTorch,
 * as a model of ours. Fails on all other files. */
enum atm_status atm_model_import(const char *path, struct atm_model **model, struct atm_err *err);

/* Sizes for images (B, 1, H, W). H and W must be multiples of the cell, or the PAPER kind's. */
struct atm_model_size {
    ptrdiff_t images, height, width;
    ptrdiff_t grid_y, grid_x, per_cell,
        blocks; /* blocks of one image = grid_y * grid_x * per_cell */
};
enum atm_status atm_model_size(const struct atm_model *model, ptrdiff_t images, ptrdiff_t height,
                               ptrdiff_t width, struct atm_model_size *size, struct atm_err *err);

/* Weights of another model, wherever a tensor has the same name and shape; returns the number of
 * parameters that were taken. */
ptrdiff_t atm_model_take_weights(struct atm_model *model, const struct atm_model *from);

/* Execution at one size. Latents are (B * blocks, d0), block order of ATM_LAYER_SPLIT. */
enum atm_coder_parts { ATM_CODER_ENCODE = 1, ATM_CODER_DECODE = 2, ATM_CODER_TRAIN = 7 };
struct atm_coder;
enum atm_status atm_coder_create(const struct atm_model *model, const struct atm_model_size *size,
                                 enum atm_coder_parts parts, struct atm_coder **coder,
                                 struct atm_err *err);
void atm_coder_destroy(struct atm_coder **coder);
/* Tell the coder the weights; again after every change of them. */
void atm_coder_load(struct atm_coder *coder, const float *params);
const float *atm_coder_encode(struct atm_coder *coder, const float *images);
/* (B, 1, H, W) reconstruction of latents; borrowed. */
const float *atm_coder_decode(struct atm_coder *coder, const float *latents);

/* Single atoms g(z), each alone in the middle of an empty image of atm_model_atom_side() pixels:
 * latents (count, d0), images (count, side, side). The middle cell's centre is at (side - 1) / 2,
 * so positions in these images minus that are positions from a block's cell centre. PAPER kinds:
 * the block's whole image. */
ptrdiff_t atm_model_atom_side(const struct atm_model *model);
enum atm_status atm_model_render_atoms(const struct atm_model *model, ptrdiff_t count,
                                       const float *latents, float *images, struct atm_err *err);

/* Where the first pixel of a block's atom image lies in the frame (also outside of it: negative).
 */
struct atm_atom_place {
    ptrdiff_t x, y;
};
struct atm_atom_place atm_model_atom_place(const struct atm_model *model,
                                           const struct atm_model_size *size, ptrdiff_t block);
/* Add the atom of one block, times scale, to a frame that may be smaller than the model's size. */
struct atm_frame {
    float *pixels; /* borrowed (height, width) */
    ptrdiff_t height, width;
};
void atm_model_add_atom(const struct atm_model *model, const struct atm_model_size *size,
                        ptrdiff_t block, const float *atom, double scale,
                        const struct atm_frame *frame);

/* Training: init / step / done, the caller owns the loop. frames (count, H, W), borrowed; the last
 * validation_count of them are held out. Continues from model->step. */
struct atm_training_set {
    const float *frames;
    ptrdiff_t count, height, width, validation_count;
};
struct atm_trainer;
enum atm_status atm_trainer_create(struct atm_model *model, const struct atm_train_options *options,
                                   const struct atm_training_set *set, struct atm_trainer **trainer,
                                   struct atm_err *err);
/* One step of Adam; fails when the loss is no longer finite. Appends to the curve now and then, and
 * goes back to where the held-out error was least, with half the rate, when it has risen far. */
enum atm_status atm_trainer_step(struct atm_trainer *trainer, struct atm_err *err);
bool atm_trainer_done(const struct atm_trainer *trainer);
/* Last point of the curve, NULL before the first. */
const struct atm_curve_point *atm_trainer_last(const struct atm_trainer *trainer);
/* Collect the sample of latents that calibration uses. Once, at the end. */
enum atm_status atm_trainer_finish(struct atm_trainer *trainer, struct atm_err *err);
void atm_trainer_destroy(struct atm_trainer **trainer);

#endif
