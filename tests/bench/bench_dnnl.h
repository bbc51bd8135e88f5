/* The same convolutions by oneDNN's C API (version 2), when it is there: an anchor, never a
 * dependency. */
#ifndef BENCH_DNNL_H
#define BENCH_DNNL_H

#include "bench.h"

#include <stdbool.h>
#include <stddef.h>

struct bench_problem {
    ptrdiff_t in, out;
    int kernel, stride;
    ptrdiff_t side, images;
    bool nearest; /* upsampling by 2 first, which oneDNN finds done */
};

static inline void bench_problem_text(const struct bench_problem *p, char *text, size_t size) {
    snprintf(text, size, "%td->%td %dx%d stride %d, %tdx%td%s, %td images", p->in, p->out,
             p->kernel, p->kernel, p->stride, p->side, p->side, p->nearest ? " upsampled" : "",
             p->images);
}

#ifdef ATM_BENCH_DNNL
#include <dnnl.h>

static inline void bench_must(dnnl_status_t status) {
    if (status != dnnl_success) {
        fprintf(stderr, "oneDNN: status %d\n", (int)status);
        exit(1);
    }
}

struct bench_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[3];
    dnnl_memory_t memory[3];
};

static inline void bench_dnnl_call(void *context) {
    struct bench_dnnl *d = context;
    bench_must(dnnl_primitive_execute(d->primitive, d->stream, 3, d->args));
    bench_must(dnnl_stream_wait(d->stream));
}

/* Time one operation in the layouts that oneDNN likes best. */
static inline void bench_dnnl_time(struct bench_dnnl *d, dnnl_primitive_desc_t pd,
                                   const dnnl_query_t *query, const int *arg, const char *name,
                                   const char *text, double flop) {
    for (int i = 0; i < 3; i++) {
        const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, query[i], 0);
        bench_must(dnnl_memory_create(&d->memory[i], md, d->engine, DNNL_MEMORY_ALLOCATE));
        d->args[i] = (dnnl_exec_arg_t){arg[i], d->memory[i]};
        float *data = NULL;
        bench_must(dnnl_memory_map_data(d->memory[i], (void **)&data));
        for (size_t j = 0; j < dnnl_memory_desc_get_size(md) / sizeof *data; j++)
            data[j] = (float)(j % 17) / 17.0F;
        bench_must(dnnl_memory_unmap_data(d->memory[i], data));
    }
    bench_must(dnnl_primitive_create(&d->primitive, pd));
    bench_report(name, text, bench_median(bench_dnnl_call, d, 0.15), flop);
    dnnl_primitive_destroy(d->primitive);
    for (int i = 0; i < 3; i++)
        dnnl_memory_destroy(d->memory[i]);
}

static inline void bench_dnnl(const struct bench_problem *p) {
    const ptrdiff_t in_side = p->nearest ? 2 * p->side : p->side;
    const ptrdiff_t side = (in_side + p->stride - 1) / p->stride;
    const dnnl_dims_t xd = {p->images, p->in, in_side, in_side},
                      wd = {p->out, p->in, p->kernel, p->kernel},
                      yd = {p->images, p->out, side, side};
    const dnnl_dim_t pad = (p->kernel - 1) / 2,
                     rest = (side - 1) * p->stride + p->kernel - in_side - pad;
    const dnnl_dims_t strides = {p->stride, p->stride}, left = {pad, pad}, right = {rest, rest};
    dnnl_memory_desc_t x, w, y;
    const double flop =
        2.0 * (double)(p->images * p->out * side * side * p->in) * p->kernel * p->kernel;
    struct bench_dnnl d;
    char text[96];
    bench_problem_text(p, text, sizeof text);
    bench_must(dnnl_memory_desc_init_by_tag(&x, 4, xd, dnnl_f32, dnnl_format_tag_any));
    bench_must(dnnl_memory_desc_init_by_tag(&w, 4, wd, dnnl_f32, dnnl_format_tag_any));
    bench_must(dnnl_memory_desc_init_by_tag(&y, 4, yd, dnnl_f32, dnnl_format_tag_any));
    bench_must(dnnl_engine_create(&d.engine, dnnl_cpu, 0));
    bench_must(dnnl_stream_create(&d.stream, d.engine, dnnl_stream_default_flags));
    dnnl_convolution_desc_t forward, data, weights;
    dnnl_primitive_desc_t hint, pd;
    bench_must(dnnl_convolution_forward_desc_init(&forward, dnnl_forward_training,
                                                  dnnl_convolution_auto, &x, &w, NULL, &y, strides,
                                                  left, right));
    bench_must(dnnl_primitive_desc_create(&hint, &forward, NULL, d.engine, NULL));
    bench_dnnl_time(
        &d, hint, (dnnl_query_t[]){dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
        (int[]){DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST}, "conv_onednn_forward", text, flop);
    bench_must(dnnl_convolution_backward_data_desc_init(&data, dnnl_convolution_auto, &x, &w, &y,
                                                        strides, left, right));
    bench_must(dnnl_primitive_desc_create(&pd, &data, NULL, d.engine, hint));
    bench_dnnl_time(
        &d, pd,
        (dnnl_query_t[]){dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
        (int[]){DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST}, "conv_onednn_input_grad",
        text, flop);
    dnnl_primitive_desc_destroy(pd);
    bench_must(dnnl_convolution_backward_weights_desc_init(&weights, dnnl_convolution_auto, &x, &w,
                                                           NULL, &y, strides, left, right));
    bench_must(dnnl_primitive_desc_create(&pd, &weights, NULL, d.engine, hint));
    bench_dnnl_time(
        &d, pd,
        (dnnl_query_t[]){dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md},
        (int[]){DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}, "conv_onednn_weight_grad",
        text, flop);
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    dnnl_stream_destroy(d.stream);
    dnnl_engine_destroy(d.engine);
}
#else
static inline void bench_dnnl(const struct bench_problem *p) { (void)p; }
#endif

#endif
