/* Networks as chains of layers: a description (net), its weights (one flat array that the caller
 * owns) and a plan per size (every shape known, one arena). Tensors are float (N, C, H, W),
 * row-major. The plain definition of each layer stands in net_ref.h (tests compare against it).
 *
 * Convolutions are cross-correlations with zero padding, weights (out, in, ky, kx); dense layers
 * compute W x + b with W (out, in), on x flattened as (C, H, W). */
#ifndef ATM_NET_H
#define ATM_NET_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum atm_layer_kind {
    ATM_LAYER_CONV,     /* out, kernel (odd), stride 1 or 2, padding (kernel - 1) / 2, bias */
    ATM_LAYER_DENSE,    /* out; output (N, out, 1, 1) */
    ATM_LAYER_LRELU,    /* slope: y = x > 0 ? x : slope * x */
    ATM_LAYER_NEAREST,  /* upsampling by 2 */
    ATM_LAYER_BILINEAR, /* upsampling by 2, half-pixel centres, edges clamped */
    ATM_LAYER_RESHAPE,  /* (N, C, H, W) -> (N, shape[0], shape[1], shape[2]) */
    ATM_LAYER_WINDOW,   /* times a root-Hann window: sin(pi (y + 1/2) / H) sin(pi (x + 1/2) / W) */
    ATM_LAYER_COORDINATES, /* two more channels: x, then y of the pixel's centre, -1..1 over the
                              image */
    ATM_LAYER_ATTEND, /* out heads; channels j*(1+D) .. of head j: a score, then D values; output
                         (N, out * D, 1, 1): means of the values under the scores' softmax over the
                         image */
    ATM_LAYER_SPLIT,  /* (B, per_cell * D, gy, gx) -> (B * gy * gx * per_cell, D, 1, 1); block index
                         ((b * gy + cy) * gx + cx) * per_cell + j has channels j*D .. j*D + D-1 */
    ATM_LAYER_SUM,    /* (B * blocks, C, H, W) -> (B, C, H, W), blocks = gy * gx * per_cell */
    ATM_LAYER_MAX, /* the same with the pixelwise maximum; the gradient goes to the first maximum */
    ATM_LAYER_PLACE, /* (B * gy * gx * per_cell, C, P, P) -> (B, C, gy * cell, gx * cell): windows
                        added at top-left corner (cell * c - (P - cell) / 2), clipped to the image
                      */
};

struct atm_layer {
    enum atm_layer_kind kind;
    char name[24];      /* tensors NAME.weight, NAME.bias; "" for layers without weights */
    int out;            /* CONV: channels; DENSE: features */
    int kernel, stride; /* CONV */
    bool no_bias;       /* CONV, DENSE */
    float slope;        /* LRELU */
    int shape[3];       /* RESHAPE */
    int cell;           /* PLACE: pixels per cell */
};

/* One weight tensor inside the flat array. */
struct atm_tensor {
    char name[32];
    int rank;
    ptrdiff_t dims[4];
    ptrdiff_t offset, count; /* floats */
    ptrdiff_t fan_in;        /* 0 for a bias */
};

struct atm_net;
/* input: (C, H, W) of one item; for convolutional chains any H, W that the plans may change later
 * (dense layers fix it). Layers are copied. Fails on shapes that do not fit, naming the layer. */
enum atm_status atm_net_create(const struct atm_layer *layers, int count, const ptrdiff_t input[3],
                               struct atm_net **net, struct atm_err *err);
void atm_net_destroy(struct atm_net **net);
int atm_net_tensor_count(const struct atm_net *net);
const struct atm_tensor *atm_net_tensor(const struct atm_net *net, int index);
ptrdiff_t atm_net_param_count(const struct atm_net *net);

/* The description, for those who run or show a chain elsewhere: its layers in order, the input
 * (C, H, W) of one item, and the number of a layer's weight tensor (a bias is the next), -1 for
 * none. */
int atm_net_layer_count(const struct atm_net *net);
const struct atm_layer *atm_net_layer(const struct atm_net *net, int index);
int atm_net_layer_tensor(const struct atm_net *net, int index);
const ptrdiff_t *atm_net_input(const struct atm_net *net);
/* "conv", "dense", ... */
const char *atm_net_kind_name(enum atm_layer_kind kind);

/* How many input pixels beside an output's own cell (stride x stride pixels) it depends on, at
 * most: for chains of convolutions, upsampling aside. */
ptrdiff_t atm_net_reach(const struct atm_net *net);

/* ATM_INIT_HE: normal, variance 2 / ((1 + slope^2) fan_in) with the slope given, biases zero.
 * ATM_INIT_UNIFORM: uniform in +-1/sqrt(fan_in), biases too (PyTorch's default).
 * One random substream per tensor, index = first_stream + tensor number. */
enum atm_init { ATM_INIT_HE, ATM_INIT_UNIFORM };
void atm_net_initialise(const struct atm_net *net, enum atm_init init, float slope, uint64_t seed,
                        uint64_t first_stream, float *params);

/* WINOGRAD: where it can (stride 1, kernels of 3 to 15), AUTO elsewhere. */
enum atm_conv_choice { ATM_CONV_AUTO, ATM_CONV_FFT, ATM_CONV_DIRECT, ATM_CONV_WINOGRAD };

struct atm_plan_size {
    ptrdiff_t items;          /* N of the chain's input */
    ptrdiff_t height, width;  /* of the chain's input */
    ptrdiff_t images;         /* B: SUM, MAX, PLACE */
    ptrdiff_t grid_y, grid_x; /* cells: SUM, MAX, PLACE; 1 x 1 for a global code */
    ptrdiff_t per_cell;       /* SPLIT, SUM, MAX, PLACE */
    bool training;            /* keep what backward needs */
    enum atm_conv_choice convolution;
};

struct atm_plan;
enum atm_status atm_plan_create(const struct atm_net *net, const struct atm_plan_size *size,
                                struct atm_plan **plan, struct atm_err *err);
void atm_plan_destroy(struct atm_plan **plan);
/* Output shape (N, C, H, W). */
void atm_plan_output_shape(const struct atm_plan *plan, ptrdiff_t shape[4]);
size_t atm_plan_bytes(const struct atm_plan *plan);

/* Tell the plan the weights (packs kernels, transforms spectra). Again after every change of them.
 */
void atm_plan_load(struct atm_plan *plan, const float *params);
/* input (N, C, H, W) borrowed until backward is done. The output is the plan's, until the next
 * forward. Parallel inside by OpenMP; same bytes for any thread count. */
const float *atm_plan_forward(struct atm_plan *plan, const float *input);
/* After forward of a training plan: adds the weight gradients to param_grad (flat, as params),
 * returns the gradient with respect to the input, or NULL when want_input is false. */
const float *atm_plan_backward(struct atm_plan *plan, const float *output_grad, float *param_grad,
                               bool want_input);
/* Blocks where they are joined, at the input of the last SUM, MAX or PLACE: sum of squares of every
 * block of the last forward, in the order of SPLIT (images * blocks). The plan must have such a
 * layer. */
void atm_plan_block_energy(const struct atm_plan *plan, double *energy);
/* As atm_plan_backward, with scale[i] times block i added to the gradient of block i at that place:
 * the gradient of a penalty on the energies, for which scale is twice its derivative. */
const float *atm_plan_backward_blocks(struct atm_plan *plan, const float *output_grad,
                                      const float *scale, float *param_grad, bool want_input);
/* Lines of text, one a layer: shapes, algorithm, MFLOP as written, share. Owned by the caller
 * (atm_mem_free). */
char *atm_plan_describe(const struct atm_plan *plan);

/* Adam (Kingma and Ba, arXiv:1412.6980), as PyTorch computes it. moments: 2 * count floats, zero at
 * the start; step counts from 1. Bias corrections in double. */
struct atm_adam {
    double rate, beta1, beta2, epsilon;
};
struct atm_adam atm_adam_defaults(void); /* 1e-3, 0.9, 0.999, 1e-8 */
void atm_adam_step(const struct atm_adam *adam, int64_t step, ptrdiff_t count, float *params,
                   const float *grad, float *moments);

/* Mean over all `count` elements of (a - b)^2, added in fixed blocks in double; grad (may be NULL)
 * receives its derivative with respect to a. */
double atm_loss_mse(ptrdiff_t count, const float *a, const float *b, float *grad);
/* Euclidean norm, fixed blocks, double. */
double atm_loss_norm(ptrdiff_t count, const float *a);

#endif
