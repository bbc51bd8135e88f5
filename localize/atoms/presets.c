#include "presets.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const float slope = 0.2F;

struct chain {
    struct atm_layer *layers;
    int *count;
};

static struct atm_layer *add(struct chain chain, enum atm_layer_kind kind, const char *name) {
    assert(*chain.count < ATM_PRESET_LAYERS);
    struct atm_layer *layer = &chain.layers[(*chain.count)++];
    *layer = (struct atm_layer){.kind = kind, .stride = 1};
    snprintf(layer->name, sizeof layer->name, "%s", name);
    return layer;
}

static struct atm_layer *conv(struct chain chain, const char *name, int out, int kernel,
                              int stride) {
    struct atm_layer *layer = add(chain, ATM_LAYER_CONV, name);
    layer->out = out, layer->kernel = kernel, layer->stride = stride;
    return layer;
}

static void dense(struct chain chain, const char *name, int out) {
    add(chain, ATM_LAYER_DENSE, name)->out = out;
}

static void lrelu(struct chain chain) { add(chain, ATM_LAYER_LRELU, "")->slope = slope; }

static void reshape(struct chain chain, int c, int h, int w) {
    struct atm_layer *layer = add(chain, ATM_LAYER_RESHAPE, "");
    layer->shape[0] = c, layer->shape[1] = h, layer->shape[2] = w;
}

/* ---- The networks of the paper (data/reference/README.md) ---- */

struct paper {
    int side, blocks, latent;
    int encoder[5], encoder_count; /* channels after each stride-2 convolution */
    int decoder[8], stages;        /* ch[0..stages] */
    bool shrinks; /* attending encoders see the image at half its size, as that of half the side */
};

static void dense_encoder(const struct paper *paper, bool linear_latent, struct chain chain) {
    char name[24];
    for (int i = 0; i < paper->encoder_count; i++) {
        snprintf(name, sizeof name, "enc%d", i + 1);
        conv(chain, name, paper->encoder[i], 3, 2);
        lrelu(chain);
    }
    snprintf(name, sizeof name, "enc%d", paper->encoder_count + 1);
    dense(chain, name, 512);
    lrelu(chain);
    snprintf(name, sizeof name, "enc%d", paper->encoder_count + 2);
    dense(chain, name, paper->blocks * paper->latent);
    if (!linear_latent)
        lrelu(chain);
}

/* Convolutions down to maps of 16 x 16, which know their places; each head looks at one of them. */
static void attending_encoder(const struct paper *paper, int heads, struct chain chain) {
    enum { MAPS = 16, CHANNELS = 24 };
    char name[24] = "enc1";
    int i = 1, side = paper->side;
    if (paper->shrinks) {
        conv(chain, "shrink", 1, 3, 2);
        side /= 2;
    }
    for (; side > MAPS; side /= 2, snprintf(name, sizeof name, "enc%d", ++i)) {
        conv(chain, name, i == 1 ? CHANNELS / 2 : CHANNELS, i == 1 ? 5 : 3, 2);
        lrelu(chain);
    }
    conv(chain, name, CHANNELS, 3, 1);
    lrelu(chain);
    add(chain, ATM_LAYER_COORDINATES, "");
    conv(chain, "look1", CHANNELS, 1, 1);
    lrelu(chain);
    conv(chain, "look2", heads * (1 + paper->latent), 1, 1);
    add(chain, ATM_LAYER_ATTEND, "")->out = heads;
}

static void paper_encoder(const struct paper *paper, const struct atm_model_options *options,
                          struct chain chain) {
    if (options->encoder == ATM_ENCODER_DENSE)
        dense_encoder(paper, options->linear_latent, chain);
    else
        attending_encoder(paper, options->encoder == ATM_ENCODER_PURSUIT ? 1 : paper->blocks,
                          chain);
    add(chain, ATM_LAYER_SPLIT, "");
}

/* A function of the block's numbers and the place, on a grid of a quarter of the size (so that
 * position needs no learning of where pixels are), upsampled twice. */
static void field_atom(const struct paper *paper, struct chain chain) {
    static const int fields[] = {32, 32, 16};
    char name[24];
    dense(chain, "g1", 32);
    lrelu(chain);
    dense(chain, "g2", 32);
    lrelu(chain);
    for (int side = 1; side < paper->side / 4; side *= 2)
        add(chain, ATM_LAYER_NEAREST, "");
    add(chain, ATM_LAYER_COORDINATES, "");
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "g%d", 3 + i);
        conv(chain, name, fields[i], 1, 1);
        lrelu(chain);
    }
    add(chain, ATM_LAYER_NEAREST, "");
    conv(chain, "g6", 4, 3, 1);
    lrelu(chain);
    add(chain, ATM_LAYER_NEAREST, "");
    conv(chain, "g7", 1, 3, 1);
    lrelu(chain);
}

static void paper_atom(const struct paper *paper, struct chain chain) {
    dense(chain, "g1", 32);
    lrelu(chain);
    dense(chain, "g2", 32);
    lrelu(chain);
    reshape(chain, 8, 2, 2);
    for (int i = paper->stages; i >= 1; i--) {
        char name[24];
        snprintf(name, sizeof name, "g_s%da", i);
        conv(chain, name, paper->decoder[i - 1], 3, 1);
        add(chain, ATM_LAYER_NEAREST, "");
        lrelu(chain);
        snprintf(name, sizeof name, "g_s%db", i);
        conv(chain, name, paper->decoder[i - 1], 3, 1);
        lrelu(chain);
    }
}

static const struct paper papers[] = {
    [ATM_MODEL_PAPER_SPIKES] = {128, 10, 3, {32, 16, 8, 8}, 4, {1, 32, 16, 8, 8, 8, 8}, 6},
    [ATM_MODEL_PAPER_STROKES] = {128, 16, 6, {32, 16, 8, 8}, 4, {1, 32, 16, 8, 8, 8, 8}, 6},
    [ATM_MODEL_PAPER_SPIKES_64] = {64, 10, 3, {8, 16, 8}, 3, {1, 8, 16, 8, 8, 8}, 5},
    [ATM_MODEL_STROKES] = {128, 16, 6, {8, 16, 16, 8}, 4, {1, 8, 16, 16, 8, 8, 8}, 6, true},
    [ATM_MODEL_STROKES_64] = {64, 16, 6, {8, 16, 8}, 3, {1, 8, 16, 8, 8, 8}, 5},
};

/* ---- The network of the follow-up paper (Joundi, Traonmilin, Newson, GRETSI 2025) ---- */

static void thin_lrelu(struct chain chain) { add(chain, ATM_LAYER_LRELU, "")->slope = 0.01F; }

static void followup_encoder(const struct paper *paper, struct chain chain) {
    conv(chain, "encoder.0", 4, 3, 2);
    thin_lrelu(chain);
    conv(chain, "encoder.2", 8, 3, 2);
    thin_lrelu(chain);
    dense(chain, "encoder.5", 210);
    thin_lrelu(chain);
    dense(chain, "encoder.7", paper->blocks * paper->latent);
    thin_lrelu(chain);
    add(chain, ATM_LAYER_SPLIT, "");
}

static void followup_atom(struct chain chain) {
    static const int features[] = {20, 100, 200, 392}, channels[] = {8, 4, 1};
    char name[24];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "mini_decoder.%d", 2 * i);
        dense(chain, name, features[i]);
        if (i < 3)
            thin_lrelu(chain);
    }
    reshape(chain, 8, 7, 7);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "mini_decoder_deconv.%d", 3 * i);
        conv(chain, name, channels[i], 3, 1);
        if (i == 2)
            return;
        add(chain, ATM_LAYER_BILINEAR, "");
        thin_lrelu(chain);
    }
}

static enum atm_status fill_paper(const struct atm_model_options *options,
                                  struct atm_preset *preset, struct atm_err *err) {
    const bool followup = options->kind == ATM_MODEL_FOLLOWUP;
    const bool max = options->aggregation == ATM_AGGREGATION_MAX;
    struct paper paper =
        followup ? (struct paper){.side = 28, .blocks = 20, .latent = 10} : papers[options->kind];
    if (max && options->encoder == ATM_ENCODER_PURSUIT)
        return atm_err_set(
            err, ATM_USAGE,
            "model.aggregation = max: encoder = pursuit subtracts the blocks that it "
            "has found, so they must add up; take another encoder");
    paper.blocks = options->blocks ? (int)options->blocks : paper.blocks;
    paper.latent = options->block_size ? (int)options->block_size : paper.latent;
    preset->height = preset->width = preset->window = paper.side;
    preset->latent = paper.latent;
    preset->blocks = paper.blocks;
    preset->features = 1;
    const struct chain encoder = {preset->encoder, &preset->encoder_count};
    const struct chain atom = {preset->atom, &preset->atom_count};
    if (followup)
        followup_encoder(&paper, encoder);
    else
        paper_encoder(&paper, options, encoder);
    if (followup)
        followup_atom(atom);
    else if (options->atom == ATM_ATOM_FIELD)
        field_atom(&paper, atom);
    else
        paper_atom(&paper, atom);
    for (int i = 0; i < preset->atom_count; i++)
        preset->atom[i].no_bias = options->atom == ATM_ATOM_HOMOGENEOUS;
    add((struct chain){preset->assembly, &preset->assembly_count},
        max ? ATM_LAYER_MAX : ATM_LAYER_SUM, "");
    return ATM_OK;
}

/* ---- The convolutional one (DESIGN.md 5.2) ---- */

static void conv_encoder(const struct atm_model_options *options, struct chain chain) {
    static const int channels[4] = {16, 32, 64, 64};
    const int strides[4] = {1, 2, 2, options->cell_px == 8 ? 2 : 1};
    char name[24];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "enc%d", i + 1);
        conv(chain, name, channels[i], i ? 3 : (int)options->first_kernel, strides[i]);
        lrelu(chain);
    }
    conv(chain, "enc5", 64, 1, 1);
    lrelu(chain);
    conv(chain, "enc6", (int)(3 * options->blocks_per_cell), 1, 1);
    add(chain, ATM_LAYER_SPLIT, "");
}

static void conv_atom(const struct atm_model_options *options, int window, struct chain chain) {
    enum { CHANNELS = 12 };
    int side = window / 4;
    dense(chain, "g1", 32);
    lrelu(chain);
    dense(chain, "g2", 64);
    lrelu(chain);
    dense(chain, "g3", CHANNELS * side * side);
    lrelu(chain);
    reshape(chain, CHANNELS, side, side);
    add(chain, ATM_LAYER_NEAREST, "");
    conv(chain, "g4", CHANNELS, 3, 1);
    lrelu(chain);
    add(chain, ATM_LAYER_NEAREST, "");
    conv(chain, "g5", (int)options->features, 3, 1);
    add(chain, ATM_LAYER_WINDOW, "");
}

static enum atm_status fill_convolutional(const struct atm_model_options *options,
                                          struct atm_preset *preset, struct atm_err *err) {
    if (options->cell_px != 4 && options->cell_px != 8)
        return atm_err_set(err, ATM_USAGE, "model.cell_px = %d: it must be 4 or 8",
                           (int)options->cell_px);
    if (options->blocks_per_cell < 1)
        return atm_err_set(err, ATM_USAGE, "model.blocks_per_cell must be at least 1");
    if (options->assembly_kernel % 2 == 0 || options->first_kernel % 2 == 0)
        return atm_err_set(err, ATM_USAGE, "model.assembly_kernel and first_kernel must be odd");
    int cell = (int)options->cell_px;
    preset->latent = 3;
    preset->blocks = options->blocks_per_cell;
    preset->cell = cell;
    preset->window = 3 * cell;
    preset->features = options->features;
    conv_encoder(options, (struct chain){preset->encoder, &preset->encoder_count});
    conv_atom(options, 3 * cell, (struct chain){preset->atom, &preset->atom_count});
    struct chain assembly = {preset->assembly, &preset->assembly_count};
    add(assembly, ATM_LAYER_PLACE, "")->cell = cell;
    conv(assembly, "h", 1, (int)options->assembly_kernel, 1)->no_bias = true;
    return ATM_OK;
}

enum atm_status atm_preset_fill(const struct atm_model_options *options, struct atm_preset *preset,
                                struct atm_err *err) {
    memset(preset, 0, sizeof *preset);
    if (options->kind == ATM_MODEL_CONVOLUTIONAL)
        return fill_convolutional(options, preset, err);
    return fill_paper(options, preset, err);
}
