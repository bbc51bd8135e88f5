/* Schema rows of [model], [net] and [train]. */
#include "atoms.h"

const char *const atm_model_kind_names[] = {
    [ATM_MODEL_CONVOLUTIONAL] = "convolutional",
    [ATM_MODEL_PAPER_SPIKES] = "paper_spikes",
    [ATM_MODEL_PAPER_STROKES] = "paper_strokes",
    [ATM_MODEL_PAPER_SPIKES_64] = "paper_spikes_64",
    [ATM_MODEL_STROKES] = "strokes",
    [ATM_MODEL_STROKES_64] = "strokes_64",
    [ATM_MODEL_FOLLOWUP] = "followup",
    NULL,
};
static const char *const atoms[] = {"published", "field", "homogeneous", "auto", NULL};
static const char *const aggregations[] = {"sum", "max", NULL};
static const char *const encoders[] = {"dense", "convolutional", "pursuit", "auto", NULL};
static const char *const blurs[] = {"residual", "images", NULL};
static const char *const symmetries[] = {"auto", "none", "flips", "square", NULL};
static const char *const convolutions[] = {"auto", "fft", "direct", "winograd", NULL};
static const char *const inits[] = {"auto", "he", "uniform", NULL};

#define MODEL struct atm_model_options
static const struct atm_key model_keys[] = {
    ATM_KEY_CHOOSE(MODEL, kind, "convolutional", atm_model_kind_names,
                   "convolutional: any frame size; all others have one: paper_*: the published "
                   "networks; strokes, strokes_64: paper_strokes with thinner maps for 128x128 and "
                   "64x64; followup: the network of the follow-up paper, 28x28"),
    ATM_KEY_CHOOSE(
        MODEL, encoder, "auto", encoders,
        "paper_*: dense: as published; convolutional: k heads that each attend to one "
        "place; pursuit: one such head, k times, each time on what is left of the image; auto: "
        "that of train.from, or else dense"),
    ATM_KEY_CHOOSE(
        MODEL, atom, "auto", atoms,
        "paper_*, strokes*: g as published; as a field: a function of the block's numbers "
        "and the place, upsampled; homogeneous: as published without biases, so that "
        "g(t z) = t g(z), and pursuit can fit the amplitudes; auto: that of train.from, or else "
        "published"),
    ATM_KEY_CHOOSE(MODEL, aggregation, "sum", aggregations,
                   "how blocks become an image, for all kinds but convolutional: their sum, or the "
                   "largest at each pixel (not with encoder = pursuit, which subtracts them)"),
    ATM_KEY(MODEL, blocks, INT, "0", 0, 256, "", "paper_*: blocks k; 0: as published"),
    ATM_KEY(MODEL, block_size, INT, "0", 0, ATM_LATENT_MAX, "",
            "paper_*: numbers d0 of a block; 0: as published"),
    ATM_KEY(MODEL, linear_latent, BOOL, "no", 0, 0, "",
            "paper_*, dense: no LeakyReLU on the blocks' numbers (published: with)"),
    ATM_KEY(MODEL, cell_px, INT, "0", 0, 8, "px",
            "stride of the encoder's grid, 4 or 8; 0: from the density"),
    ATM_KEY(MODEL, blocks_per_cell, INT, "0", 0, 8, "", "blocks a cell emits; 0: from the density"),
    ATM_KEY(MODEL, features, INT, "8", 1, 64, "", "feature maps of an atom before the last layer"),
    ATM_KEY(MODEL, assembly_kernel, INT, "7", 1, 31, "px",
            "size of the linear convolution after the block sum, odd"),
    ATM_KEY(MODEL, first_kernel, INT, "5", 1, 31, "px", "size of the encoder's first kernel, odd"),
};
const struct atm_section atm_model_section = {
    "model", "the atomic autoencoder: x ~ sum of g(z_i), one g for all blocks", model_keys,
    sizeof model_keys / sizeof *model_keys};

#define NET struct atm_net_options
static const struct atm_key net_keys[] = {
    ATM_KEY_CHOOSE(NET, convolution, "auto", convolutions, "algorithm of the convolution layers"),
    ATM_KEY_CHOOSE(NET, init, "auto", inits,
                   "initial weights; auto: uniform for convolutional, he for paper_*"),
};
const struct atm_section atm_net_section = {"net", "how the network is computed", net_keys,
                                            sizeof net_keys / sizeof *net_keys};

#define TRAIN struct atm_train_options
static const struct atm_key train_keys[] = {
    ATM_KEY_STRING(
        TRAIN, from, "",
        "a model that the training starts from: with its network where model.kind is "
        "the same (a quarter of the steps then goes as far), else with its layers of the "
        "same names and shapes. Empty: random weights"),
    ATM_KEY(TRAIN, restarts, INT, "0", 0, 100, "",
            "trainings more, with other random numbers, at most, as long as the network explains "
            "less than half of what is beyond noise in the held-out frames; the best is kept"),
    ATM_KEY(TRAIN, steps, INT, "1000", 1, 1e9, "", "steps of Adam"),
    ATM_KEY(TRAIN, batch, INT, "16", 1, 4096, "", "patches a step"),
    ATM_KEY(TRAIN, patch_px, INT, "32", 8, 4096, "px",
            "side of the training patches; smaller frames are taken whole"),
    ATM_KEY(TRAIN, rate, DOUBLE, "2e-3", 1e-9, 1, "",
            "learning rate after warm-up; halved each time that the held-out error rises to three "
            "times its least, where training then goes back to"),
    ATM_KEY(TRAIN, warmup_steps, INT, "50", 0, 1e9, "", "steps of linear warm-up"),
    ATM_KEY(TRAIN, decay_fraction, DOUBLE, "0.4", 0, 1, "",
            "last part of the steps, in which the rate falls to 0 as a cosine"),
    ATM_KEY(TRAIN, clip_norm, DOUBLE, "5", 0, 1e9, "",
            "gradients are scaled down to this norm; 0: never"),
    ATM_KEY(TRAIN, penalty, DOUBLE, "0.02", 0, 1e3, "",
            "weight of the concave block penalty, which makes one block enough for an emitter"),
    ATM_KEY(TRAIN, penalty_start, DOUBLE, "0.3", 0, 1, "",
            "part of the steps after which the penalty acts"),
    ATM_KEY(TRAIN, penalty_end, DOUBLE, "1", 0, 1, "",
            "part of the steps after which it no longer acts: it makes atoms a little too dim"),
    ATM_KEY(TRAIN, validation, DOUBLE, "0.05", 0, 0.9, "", "part of the frames that is held out"),
    ATM_KEY(TRAIN, checkpoint_every, INT, "200", 1, 1e9, "", "steps between checkpoints"),
    ATM_KEY(TRAIN, memory_mb, DOUBLE, "512", 1, 1e6, "MB",
            "frames kept in memory; a longer movie is thinned evenly"),
    ATM_KEY(TRAIN, step_memory_mb, DOUBLE, "4096", 0, 1e6, "MB",
            "working memory of a step; a larger batch is computed in parts; 0: never"),
    ATM_KEY_CHOOSE(TRAIN, symmetry, "auto", symmetries,
                   "training images are also shown flipped (flips), and transposed (square); auto: "
                   "flips for convolutional, none for paper_*"),
    ATM_KEY_CHOOSE(TRAIN, blur, "residual", blurs,
                   "what blur_px blurs: the residual in the loss, or the images themselves"),
    ATM_KEY(
        TRAIN, blur_px, DOUBLE, "0", 0, 1000, "px",
        "coarse to fine: standard deviation of a Gaussian low-pass at the start, which falls to "
        "0; 0: never"),
    ATM_KEY(TRAIN, blur_keep, DOUBLE, "0.1", 0, 1, "",
            "part of the residual that is not blurred: without it nothing holds the atoms' shape "
            "while the blur is wide"),
    ATM_KEY(TRAIN, blur_end, DOUBLE, "0.5", 0, 1, "",
            "part of the steps after which nothing is blurred"),
    ATM_KEY(TRAIN, curriculum, DOUBLE, "0", 0, 1, "",
            "part of the steps over which the frames of least total brightness are joined by ever "
            "brighter ones; 0: all from the start"),
    ATM_KEY(TRAIN, pursuit_through, BOOL, "no", 0, 0, "",
            "encoder = pursuit: gradients also go back through the residuals that the encoder is "
            "given, from step to step"),
    ATM_KEY(TRAIN, hole_px, DOUBLE, "0", 0, 1e4, "px",
            "encoder = pursuit: while it grows, each image is seen through a round hole about a "
            "random bright place, of this radius times the blocks in use, so that one block begins "
            "with what one block can tell; 0: images are seen whole"),
    ATM_KEY(TRAIN, pursuit_grow, DOUBLE, "0.4", 0, 1, "",
            "encoder = pursuit: part of the steps over which it grows from one block to all"),
    ATM_KEY(
        TRAIN, pursuit_sweep, BOOL, "no", 0, 0, "",
        "encoder = pursuit, when it has grown: every other step trains a second search, of each "
        "block from what all others leave of the image"),
    ATM_KEY(TRAIN, pursuit_weight, DOUBLE, "0.3", 0, 1e3, "",
            "encoder = pursuit: weight of the squared residual after each step but the last"),
};
const struct atm_section atm_train_section = {"train", "learning, on the squared error of images",
                                              train_keys, sizeof train_keys / sizeof *train_keys};
