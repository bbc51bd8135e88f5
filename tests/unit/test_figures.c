/* Figures of a model over a test set: what they show where, their sizes, the ranges, the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "figures.h"
#include "mem.h"
#include "movie.h"
#include "picture.h"
#include "test_folder.h"
#include <math.h>
#include <string.h>

enum { SIDE = 64, PIXELS = SIDE * SIDE, FRAMES = 5, ZOOM = 4, PANEL = SIDE * ZOOM + 12 };

/* Frame t has one spike of amplitude 1 here. */
static const double spikes[FRAMES][2] = {{20, 12}, {40, 30}, {25, 50}, {50, 50}, {10, 33}};

static void fill_frames(float *frames) {
    for (int t = 0; t < FRAMES; t++)
        for (int i = 0; i < PIXELS; i++) {
            const double dx = i % SIDE - spikes[t][0], dy = i / SIDE - spikes[t][1];
            frames[t * PIXELS + i] = (float)exp(-(dx * dx + dy * dy) / (2 * 1.5 * 1.5));
        }
}

static struct atm_source *open_stack(void) {
    static float frames[FRAMES * PIXELS];
    fill_frames(frames);
    const struct atm_movie_layout layout = {FRAMES,
                                            SIDE,
                                            SIDE,
                                            ATM_MOVIE_F32,
                                            {.pixel_size_nm = 100,
                                             .gain = 1,
                                             .em_gain = 1,
                                             .qe = 1,
                                             .read_noise = NAN,
                                             .saturation = NAN},
                                            NULL, 0};
    const struct atm_input_options options = {.background = ATM_BACKGROUND_NONE, .scale = 1};
    struct atm_movie_writer *writer = NULL;
    struct atm_source *source = NULL;
    struct atm_err err = {0};
    if (atm_movie_create(at("stack.h5"), &layout, &writer, &err) ||
        atm_movie_append(writer, FRAMES, frames, &err) || atm_movie_finish(&writer, &err) ||
        atm_source_open(at("stack.h5"), &options, &layout.camera, &source, &err))
        fail_msg("%s", err.text);
    return source;
}

static struct atm_table true_spikes(void) {
    static struct atm_loc rows[FRAMES];
    for (int t = 0; t < FRAMES; t++)
        rows[t] = (struct atm_loc){.frame = t, .x = spikes[t][0], .y = spikes[t][1]};
    return (struct atm_table){.rows = rows, .count = FRAMES};
}

static struct atm_model *make_model(enum atm_model_kind kind) {
    struct atm_model_options options = {.kind = (int)kind,
                                        .cell_px = 8,
                                        .blocks_per_cell = 1,
                                        .features = 2,
                                        .assembly_kernel = 3,
                                        .first_kernel = 3};
    const struct atm_net_options net = {0};
    struct atm_model *model = NULL;
    struct atm_err err = {0};
    if (atm_model_create(&options, &net, 3, &model, &err))
        fail_msg("%s", err.text);
    return model;
}

/* A decoder by hand: every g(z) is the same gray everywhere, 0.6 / 10, so the sum is 0.6. */
static struct atm_model *gray_model(void) {
    struct atm_model *model = make_model(ATM_MODEL_PAPER_SPIKES_64);
    memset(model->params, 0, (size_t)model->param_count * sizeof *model->params);
    const struct atm_net *g = model->atom;
    const struct atm_tensor *last = atm_net_tensor(g, atm_net_tensor_count(g) - 1);
    assert_int_equal(last->count, 1); /* the bias of the last layer */
    model->params[atm_net_param_count(model->encoder) + last->offset] = 0.06F;
    return model;
}

struct fixture {
    struct atm_source *source;
    struct atm_model *model;
    struct atm_table truth;
    struct atm_figure_set set;
};

static struct fixture set_up(struct atm_model *model, bool truth) {
    static struct atm_table table;
    struct atm_err err = {0};
    struct fixture f = {.source = open_stack(), .model = model};
    table = true_spikes();
    if (atm_figure_set_init(&f.set, f.source, model, truth ? &table : NULL, 0.05, &err))
        fail_msg("%s", err.text);
    return f;
}

static void tear_down(struct fixture *f) {
    atm_figure_set_free(&f->set);
    atm_source_close(&f->source);
    atm_model_destroy(&f->model);
    unlink(at("stack.h5"));
}

/* The middle of pixel (x, y) of a panel; titles have two lines of 22 px, captions 24. */
static const uint8_t *pixel(const struct picture *p, int title, int column, int row, int x, int y) {
    const int left = 12 + column * PANEL, top = 22 * title + 24 + row * (PANEL + 24);
    return p->rgb + 3 * ((top + y * ZOOM + 1) * p->width + left + x * ZOOM + 1);
}

static bool greenish(const uint8_t *rgb) { return rgb[1] > rgb[0] + 60 && rgb[1] > rgb[2] + 60; }

/* The input is white at the spike and ringed there; the sum is 0.6 and every block a tenth of it.
 */
static void blocks_show_input_sum_and_atoms(void **state) {
    (void)state;
    struct fixture f = set_up(gray_model(), true);
    struct atm_err err = {0};
    if (atm_figure_blocks(&f.set, 1, at("b.png"), &err))
        fail_msg("%s", err.text);
    struct picture p = read_back(at("b.png"));
    assert_int_equal(p.width, 12 + 6 * PANEL);
    assert_int_equal(p.height, 2 * 22 + 2 * (PANEL + 24));
    const int x = (int)spikes[1][0], y = (int)spikes[1][1];
    assert_int_equal(pixel(&p, 2, 0, 0, x, y)[0], 255);
    assert_int_equal(pixel(&p, 2, 0, 0, 5, 5)[0], 0);
    assert_int_equal(pixel(&p, 2, 1, 0, 5, 5)[0], 153);
    assert_int_equal(pixel(&p, 2, 2, 0, 5, 5)[0], 15);
    assert_int_equal(pixel(&p, 2, 5, 1, 5, 5)[0], 15);
    for (int panel = 0; panel < 12; panel++) { /* a ring of 5 px around the middle of the pixel */
        const uint8_t *right = pixel(&p, 2, panel % 6, panel / 6, x, y) + 3 * 5;
        assert_true(greenish(right - 3) || greenish(right) || greenish(right + 3));
    }
    free(p.rgb);
    tear_down(&f);
}

/* Block 4 of a random model is inactive, or not: asked for by its number, and the strongest one,
 * give the same pictures when the number stands for an inactive one. */
static void sweeps_have_a_row_pair_per_coordinate(void **state) {
    (void)state;
    struct fixture f = set_up(gray_model(), false);
    f.set.active = 2; /* nothing is active then: both take the strongest */
    assert_int_equal(atm_figure_sweep(&f.set, 0, 3, at("s.png"), NULL), ATM_OK);
    assert_int_equal(atm_figure_sweep(&f.set, 0, -1, at("t.png"), NULL), ATM_OK);
    struct picture p = read_back(at("s.png")), q = read_back(at("t.png"));
    assert_int_equal(p.width, 12 + 7 * PANEL);
    assert_int_equal(p.height, 3 * 22 + 6 * (PANEL + 24));
    const size_t title = (size_t)(3 * p.width * 3 * 22);
    assert_memory_equal(p.rgb + title, q.rgb + title, (size_t)(3 * p.width * p.height) - title);
    assert_memory_not_equal(p.rgb, q.rgb, title);                      /* it is said */
    assert_int_equal(pixel(&p, 3, 1, 0, 5, 5)[0], 15);                 /* atom */
    assert_int_equal(pixel(&p, 3, 1, 1, 5, 5)[0], 153);                /* whole */
    assert_memory_equal(pixel(&p, 3, 0, 0, 0, 30), "\xe6\x9f\x00", 3); /* the original's frame */
    free(p.rgb);
    free(q.rgb);
    tear_down(&f);
}

/* At t = 0 and 1 the interpolation is the reconstruction of its ends. */
static void interpolation_begins_and_ends_at_the_images(void **state) {
    (void)state;
    struct atm_model *model = make_model(ATM_MODEL_PAPER_SPIKES_64);
    for (ptrdiff_t i = atm_net_param_count(model->encoder); i < model->param_count; i++)
        model->params[i] *= 1.7F; /* brighter atoms */
    struct fixture f = set_up(model, false);
    assert_int_equal(atm_figure_interpolation(&f.set, 1, 3, at("i.png"), NULL), ATM_OK);
    struct picture p = read_back(at("i.png"));
    assert_int_equal(p.width, 12 + 6 * PANEL);
    assert_int_equal(p.height, 22 + 2 * (PANEL + 24));
    const int ends[2] = {1, 3}, columns[2] = {1, 4}, rows[2] = {0, 1};
    for (int end = 0; end < 2; end++) {
        assert_int_equal(atm_figure_blocks(&f.set, ends[end], at("b.png"), NULL), ATM_OK);
        struct picture b = read_back(at("b.png"));
        int bright = 0;
        for (int i = 0; i < PIXELS; i++) {
            const uint8_t *is = pixel(&p, 1, columns[end], rows[end], i % SIDE, i / SIDE);
            assert_memory_equal(is, pixel(&b, 2, 1, 0, i % SIDE, i / SIDE), 3);
            bright += is[0] > 10;
        }
        assert_true(bright > 50);
        free(b.rgb);
    }
    free(p.rgb);
    tear_down(&f);
}

static void pairs_stand_side_by_side(void **state) {
    (void)state;
    struct fixture f = set_up(gray_model(), true);
    assert_int_equal(atm_figure_pairs(&f.set, 48, at("p.png"), NULL), ATM_OK);
    struct picture p = read_back(at("p.png")); /* five images only; zoom 2 */
    assert_int_equal(p.width, 12 + 10 * (2 * SIDE + 12));
    assert_int_equal(p.height, 22 + 2 * SIDE + 24 + 12);
    free(p.rgb);
    tear_down(&f);
}

/* With few images the quantiles are the extremes; of a latent that is always active, of all. */
static void ranges_are_those_of_the_set(void **state) {
    (void)state;
    struct fixture f = set_up(make_model(ATM_MODEL_PAPER_SPIKES_64), false);
    atm_figure_set_free(&f.set);
    assert_int_equal(atm_figure_set_init(&f.set, f.source, f.model, NULL, 0, NULL), ATM_OK);
    const ptrdiff_t index[FRAMES] = {0, 1, 2, 3, 4};
    float latents[FRAMES * 10 * 3];
    assert_int_equal(atm_figure_set_encode(&f.set, FRAMES, index, NULL, latents, NULL), ATM_OK);
    assert_int_equal(f.set.sampled, FRAMES);
    for (int j = 0; j < 30; j++) {
        float low = INFINITY, high = -INFINITY;
        for (int t = 0; t < FRAMES; t++) {
            low = fminf(low, latents[t * 30 + j]);
            high = fmaxf(high, latents[t * 30 + j]);
        }
        assert_true(f.set.low[j] == low && f.set.high[j] == high);
    }
    tear_down(&f);
}

/* A model on a grid: the sum of its atoms, each put in its place, is its image. (At the border h
 * does not see what lies outside, of an atom alone it does.) */
static void atoms_of_a_grid_add_up(void **state) {
    (void)state;
    struct fixture f = set_up(make_model(ATM_MODEL_CONVOLUTIONAL), false);
    enum { BLOCKS = SIDE / 8 * (SIDE / 8) };
    static float latents[BLOCKS * 3], atoms[BLOCKS * PIXELS], image[PIXELS];
    ptrdiff_t block[BLOCKS], index = 2;
    assert_int_equal(f.set.size.blocks, BLOCKS);
    for (int b = 0; b < BLOCKS; b++)
        block[b] = b;
    assert_int_equal(atm_figure_set_encode(&f.set, 1, &index, NULL, latents, NULL), ATM_OK);
    assert_int_equal(atm_figure_set_atoms(&f.set, BLOCKS, block, latents, atoms, NULL), ATM_OK);
    atm_figure_set_decode(&f.set, 1, latents, image);
    for (int i = 0; i < PIXELS; i++) {
        double sum = 0;
        if (i % SIDE == 0 || i % SIDE == SIDE - 1 || i / SIDE == 0 || i / SIDE == SIDE - 1)
            continue;
        for (int b = 0; b < BLOCKS; b++)
            sum += (double)atoms[b * PIXELS + i];
        assert_true(fabs(sum - (double)image[i]) < 1e-5);
    }
    assert_int_equal(atm_figure_blocks(&f.set, 2, at("g.png"), NULL), ATM_OK); /* 16 strongest */
    struct picture p = read_back(at("g.png"));
    assert_int_equal(p.height, 2 * 22 + 3 * (PANEL + 24));
    free(p.rgb);
    tear_down(&f);
}

static char *read_text(const char *path, size_t *size) {
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char *text = malloc(1 << 22);
    *size = fread(text, 1, (1 << 22) - 1, in);
    text[*size] = 0;
    fclose(in);
    return text;
}

/* Everything under its name; the page asks nobody for anything, and comes out the same again. */
static void all_are_written_and_the_page_stands_alone(void **state) {
    (void)state;
    struct fixture f = set_up(make_model(ATM_MODEL_PAPER_SPIKES_64), true);
    struct atm_figure_options options = {
        .images = "0, 3", .sweep_image = 100, .to_image = 1, .pairs = 2, .page_images = 3};
    char target[64], *first, *second;
    size_t size, again;
    struct atm_err err = {0};
    snprintf(target, sizeof target, "%s", folder);
    if (atm_figures_write(&f.set, &options, target, NULL, &err))
        fail_msg("%s", err.text);
    first = read_text(at("index.html"), &size);
    assert_null(strstr(first, "http:"));
    assert_null(strstr(first, "https:"));
    assert_null(strstr(first, "\"//"));
    assert_non_null(strstr(first, "\"blocks_3.png\""));
    assert_non_null(strstr(first, "[20.00,12.00]")); /* the truth of image 0 */
    if (atm_figures_write(&f.set, &options, target, NULL, &err))
        fail_msg("%s", err.text);
    second = read_text(at("index.html"), &again);
    assert_int_equal(size, again);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
    const char *names[] = {"blocks_0.png",      "blocks_3.png", "sweep.png",
                           "interpolation.png", "pairs.png",    "index.html"};
    for (int i = 0; i < 6; i++)
        assert_int_equal(unlink(at(names[i])), 0);
    tear_down(&f);
}

static void bad_lists_are_refused(void **state) {
    (void)state;
    struct fixture f = set_up(gray_model(), false);
    const char *lists[] = {"1, x", "5", "-1", "1;2"};
    for (int i = 0; i < 4; i++) {
        struct atm_figure_options options = {.pairs = 1};
        struct atm_err err = {0};
        snprintf(options.images, sizeof options.images, "%s", lists[i]);
        assert_int_equal(atm_figures_write(&f.set, &options, folder, NULL, &err), ATM_USAGE);
        assert_non_null(strstr(err.text, "figures.images"));
    }
    tear_down(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_show_input_sum_and_atoms),
        cmocka_unit_test(sweeps_have_a_row_pair_per_coordinate),
        cmocka_unit_test(interpolation_begins_and_ends_at_the_images),
        cmocka_unit_test(pairs_stand_side_by_side),
        cmocka_unit_test(ranges_are_those_of_the_set),
        cmocka_unit_test(atoms_of_a_grid_add_up),
        cmocka_unit_test(all_are_written_and_the_page_stands_alone),
        cmocka_unit_test(bad_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
