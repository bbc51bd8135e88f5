/* The decoder of the page index.html, run by node where there is one, beside the program's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base64.h"
#include "explorer.h"
#include "mem.h"
#include "rng.h"
#include "test_folder.h"
#include <string.h>

enum { LATENT = 3, BLOCKS_MOST = 64 };

static void put_floats(FILE *out, const float *values, ptrdiff_t count) {
    fputc('"', out);
    atm_base64_put(out, values, (size_t)count * sizeof *values);
    fputc('"', out);
}

/* A decoder of these layers with random weights and latents, its image, and both in one file. */
static void write_case(const char *file, const struct atm_layer *layers, int count,
                       const struct atm_plan_size *grid) {
    const ptrdiff_t input[3] = {LATENT, 1, 1};
    struct atm_plan_size size = *grid;
    struct atm_net *net = NULL;
    struct atm_plan *plan = NULL;
    struct atm_err err = {0};
    size.images = 1, size.height = size.width = 1;
    size.items = grid->grid_y * grid->grid_x * grid->per_cell;
    if (atm_net_create(layers, count, input, &net, &err) ||
        atm_plan_create(net, &size, &plan, &err))
        fail_msg("%s", err.text);
    float *params = atm_mem_alloc((size_t)atm_net_param_count(net), sizeof *params);
    atm_net_initialise(net, ATM_INIT_UNIFORM, 0.2F, 5, 0, params);
    float latents[BLOCKS_MOST * LATENT];
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 0);
    for (int i = 0; i < BLOCKS_MOST * LATENT; i++)
        latents[i] = (float)(6 * atm_rng_uniform(&rng) - 3);
    atm_plan_load(plan, params);
    const float *image = atm_plan_forward(plan, latents);
    ptrdiff_t shape[4];
    atm_plan_output_shape(plan, shape);

    FILE *out = fopen(at(file), "w");
    assert_non_null(out);
    const struct atm_explorer_model model = {net, params, grid->grid_y, grid->grid_x,
                                             grid->per_cell};
    fputs("{\"model\":", out);
    atm_explorer_put_model(out, &model);
    fputs(",\"latents\":", out);
    put_floats(out, latents, size.items * LATENT);
    fputs(",\"expected\":", out);
    put_floats(out, image, shape[0] * shape[1] * shape[2] * shape[3]);
    fputs("}\n", out);
    assert_int_equal(fclose(out), 0);
    atm_mem_free(params);
    atm_plan_destroy(&plan);
    atm_net_destroy(&net);
}

static void check(const char *file) {
    char command[1024];
    if (system("node --version >/dev/null 2>&1")) {
        unlink(at(file));
        print_message("node is not installed: the page's decoder was not run\n");
        skip();
    }
    snprintf(command, sizeof command,
             "node %s/tests/unit/check_decoder.js %s/eval/explorer_decoder.js %s", ATM_SOURCE_DIR,
             ATM_SOURCE_DIR, at(file));
    const int code = system(command);
    unlink(at(file));
    assert_int_equal(code, 0);
}

/* Bilinear upsampling, a kernel of 5 without bias, windows placed on a grid, and h behind them. */
static void placed_windows(void **state) {
    (void)state;
    const struct atm_layer layers[] = {
        {.kind = ATM_LAYER_DENSE, .name = "g1", .out = 12},
        {.kind = ATM_LAYER_LRELU, .slope = 0.2F},
        {.kind = ATM_LAYER_RESHAPE, .shape = {3, 2, 2}},
        {.kind = ATM_LAYER_BILINEAR},
        {.kind = ATM_LAYER_CONV, .name = "g2", .out = 4, .kernel = 3, .stride = 1},
        {.kind = ATM_LAYER_LRELU, .slope = 0.1F},
        {.kind = ATM_LAYER_NEAREST},
        {.kind = ATM_LAYER_CONV, .name = "g3", .out = 2, .kernel = 5, .stride = 1, .no_bias = true},
        {.kind = ATM_LAYER_WINDOW},
        {.kind = ATM_LAYER_PLACE, .cell = 4},
        {.kind = ATM_LAYER_CONV, .name = "h", .out = 1, .kernel = 7, .stride = 1, .no_bias = true},
    };
    const struct atm_plan_size grid = {.grid_y = 3, .grid_x = 4, .per_cell = 2};
    write_case("place.json", layers, sizeof layers / sizeof *layers, &grid);
    check("place.json");
}

/* Strides in a decoder, a dense layer on an image, odd sides, and the pixelwise maximum. */
static void maximum_of_blocks(void **state) {
    (void)state;
    const struct atm_layer layers[] = {
        {.kind = ATM_LAYER_DENSE, .name = "g1", .out = 30},
        {.kind = ATM_LAYER_RESHAPE, .shape = {2, 5, 3}},
        {.kind = ATM_LAYER_BILINEAR},
        {.kind = ATM_LAYER_CONV, .name = "g2", .out = 3, .kernel = 3, .stride = 2},
        {.kind = ATM_LAYER_LRELU, .slope = 0.2F},
        {.kind = ATM_LAYER_DENSE, .name = "g3", .out = 35},
        {.kind = ATM_LAYER_RESHAPE, .shape = {1, 7, 5}},
        {.kind = ATM_LAYER_CONV, .name = "g4", .out = 1, .kernel = 3, .stride = 2},
        {.kind = ATM_LAYER_MAX},
    };
    const struct atm_plan_size grid = {.grid_y = 1, .grid_x = 1, .per_cell = 16};
    write_case("max.json", layers, sizeof layers / sizeof *layers, &grid);
    check("max.json");
}

/* Also a dense layer without bias, and the place as two more channels. */
static void sum_of_blocks(void **state) {
    (void)state;
    const struct atm_layer layers[] = {
        {.kind = ATM_LAYER_DENSE, .name = "g1", .out = 32, .no_bias = true},
        {.kind = ATM_LAYER_LRELU, .slope = 0.2F},
        {.kind = ATM_LAYER_RESHAPE, .shape = {8, 2, 2}},
        {.kind = ATM_LAYER_COORDINATES},
        {.kind = ATM_LAYER_CONV, .name = "g2", .out = 8, .kernel = 3, .stride = 1},
        {.kind = ATM_LAYER_NEAREST},
        {.kind = ATM_LAYER_LRELU, .slope = 0.2F},
        {.kind = ATM_LAYER_CONV, .name = "g3", .out = 1, .kernel = 3, .stride = 1},
        {.kind = ATM_LAYER_SUM},
    };
    const struct atm_plan_size grid = {.grid_y = 1, .grid_x = 1, .per_cell = 10};
    write_case("sum.json", layers, sizeof layers / sizeof *layers, &grid);
    check("sum.json");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placed_windows),
        cmocka_unit_test(maximum_of_blocks),
        cmocka_unit_test(sum_of_blocks),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
