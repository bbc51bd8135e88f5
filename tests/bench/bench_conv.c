/* Single convolutions: forward and both gradients by each of our algorithms, and by oneDNN when
 * built with it (ATM_BENCH_DNNL). Checks that the algorithms agree before it times them. FLOP as
 * the layer is written. The last number of a problem is the images. */
#include "bench.h"
#include "bench_dnnl.h"
#include "conv.h"
#include "mem.h"

#include <math.h>
#include <string.h>

static const struct bench_problem problems[] = {
    {32, 32, 3, 1, 64, 16, false},  {16, 16, 3, 1, 64, 16, false},  {64, 64, 3, 1, 16, 32, false},
    {12, 12, 3, 1, 12, 512, false}, {12, 8, 3, 1, 24, 256, false},  {16, 32, 3, 2, 64, 16, false},
    {32, 64, 3, 2, 32, 16, false},  {1, 16, 5, 1, 64, 16, false},   {1, 16, 5, 2, 64, 32, false},
    {8, 8, 5, 1, 32, 32, false},    {64, 64, 1, 1, 16, 32, false},  {8, 1, 7, 1, 64, 16, false},
    {8, 1, 11, 1, 64, 16, false},   {8, 1, 15, 1, 64, 16, false},   {8, 1, 21, 1, 64, 16, false},
    {8, 1, 31, 1, 64, 16, false},   {1, 16, 9, 1, 64, 16, false},   {1, 16, 15, 1, 64, 16, false},
    {1, 16, 31, 1, 64, 16, false},  {8, 8, 9, 1, 64, 16, false},    {8, 8, 15, 1, 64, 16, false},
    {16, 16, 11, 1, 64, 16, false}, {16, 16, 21, 1, 64, 16, false}, {12, 12, 3, 1, 6, 512, true},
    {12, 8, 3, 1, 12, 256, true},   {32, 32, 3, 1, 32, 16, true},
};

struct data {
    struct conv_problem problem;
    void *state;
    const struct conv_algorithm *algorithm;
    float *x, *y, *gx, *gy, *weight, *gw;
};

static void forward(void *context) {
    struct data *d = context;
    d->algorithm->forward(d->state, d->x, d->y);
}
static void input_grad(void *context) {
    struct data *d = context;
    d->algorithm->input_grad(d->state, d->gy, d->x, d->gx);
}
static void weight_grad(void *context) {
    struct data *d = context;
    d->algorithm->weight_grad(d->state, d->x, d->gy, d->gw, NULL);
}
static void (*const operations[])(void *) = {forward, input_grad, weight_grad};
static const char *const operation_names[] = {"forward", "input_grad", "weight_grad"};

static void fill(const struct slab *s, float *data) {
    for (ptrdiff_t g = 0; g < slab_groups(s) * s->channels; g++)
        for (ptrdiff_t y = 0; y < s->height; y++)
            for (ptrdiff_t i = 0; i < s->width * ATM_LANES; i++)
                data[slab_at(s, 0, g, y, 0) + i] = (float)((g + 7 * y + 13 * i) % 17) / 17.0F;
}

static void set_up(struct data *d, const struct bench_problem *p) {
    d->problem = (struct conv_problem){.x = {p->images, 1, p->in, p->side, p->side, 0},
                                       .kernel = p->kernel,
                                       .stride = p->stride,
                                       .nearest = p->nearest,
                                       .training = true,
                                       .slope = 1,
                                       .x_slope = 1};
    const ptrdiff_t side = conv_extent(p->side, p->stride, p->nearest);
    d->problem.y = (struct slab){p->images, 1, p->out, side, side, 0};
    conv_margins(&d->problem, &d->problem.x.margin, &d->problem.y.margin);
    const size_t x = (size_t)slab_floats(&d->problem.x), y = (size_t)slab_floats(&d->problem.y);
    const size_t w = (size_t)(p->in * p->out * p->kernel * p->kernel);
    d->x = atm_mem_alloc(x, sizeof(float));
    d->gx = atm_mem_alloc(x, sizeof(float));
    d->y = atm_mem_alloc(y, sizeof(float));
    d->gy = atm_mem_alloc(y, sizeof(float));
    d->weight = atm_mem_alloc(w, sizeof(float));
    d->gw = atm_mem_alloc(w, sizeof(float));
    fill(&d->problem.x, d->x);
    fill(&d->problem.y, d->gy);
    for (size_t i = 0; i < w; i++)
        d->weight[i] = (float)(i % 11) / 11.0F - 0.5F;
}

static void tear_down(struct data *d) {
    float *all[] = {d->x, d->gx, d->y, d->gy, d->weight, d->gw};
    for (int i = 0; i < 6; i++)
        atm_mem_free(all[i]);
}

/* Norms of the three results, which all algorithms must share. */
static void check(struct data *d, size_t weights, double norms[3]) {
    memset(d->gw, 0, weights * sizeof *d->gw);
    for (int o = 0; o < 3; o++)
        operations[o](d);
    const struct slab *slabs[] = {&d->problem.y, &d->problem.x};
    const float *results[] = {d->y, d->gx};
    for (int r = 0; r < 3; r++) {
        const size_t n = r < 2 ? (size_t)slab_floats(slabs[r]) : weights;
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += pow(r < 2 ? results[r][i] : d->gw[i], 2);
        if (norms[r] > 0 && fabs(sum / norms[r] - 1) > 1e-3) {
            fprintf(stderr, "%s: result %d differs\n", d->algorithm->name, r);
            exit(1);
        }
        norms[r] = sum;
    }
}

static void bench(const struct bench_problem *p) {
    struct data d = {0};
    double norms[3] = {0};
    char text[96];
    set_up(&d, p);
    bench_problem_text(p, text, sizeof text);
    for (const struct conv_algorithm *const *a = conv_algorithms; *a; a++) {
        struct atm_err err = {0};
        d.algorithm = *a;
        const bool costly = *a == &conv_fft && p->kernel < 7;
        if (costly || !d.algorithm->fits(&d.problem) ||
            d.algorithm->create(&d.problem, &d.state, &err) != ATM_OK)
            continue;
        d.algorithm->load(d.state, d.weight, NULL);
        check(&d, (size_t)(p->in * p->out * p->kernel * p->kernel), norms);
        for (int o = 0; o < 3; o++) {
            char name[48];
            snprintf(name, sizeof name, "conv_%s_%s", d.algorithm->name, operation_names[o]);
            bench_report(name, text, bench_median(operations[o], &d, 0.15), conv_flop(&d.problem));
        }
        d.algorithm->destroy(d.state);
    }
    tear_down(&d);
    bench_dnnl(p);
}

int main(void) {
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        bench(&problems[i]);
    return 0;
}
