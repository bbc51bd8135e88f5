/* The steps behind localization at full length: how well they find the truth of a simulation, and
 * how long they take. One JSON line each.
 *
 *     build/bench_post [drift] [link] [resolution] [render] [large]     (nothing: all but large)
 */
#include "../unit/post_case.h"
#include "bench.h"
#include "drift.h"
#include "frc.h"
#include "grid.h"
#include "link.h"
#include "nena.h"
#include "post.h"
#include <gsl/gsl_errno.h>
#include <string.h>

static void stop(const struct atm_err *err) {
    fprintf(stderr, "bench_post: %s\n", err->text);
    exit(1);
}

/* ---- drift: 20,000 frames, random walk, trend and six jumps: about 2 um in all ---- */

static void drift(int method, const char *name, uint64_t seed) {
    const struct case_options options = {.frames = 20000,
                                         .side = 64,
                                         .per_frame = 10,
                                         .walk_nm = 0.2,
                                         .trend_nm = 800,
                                         .jumps = 6,
                                         .jump_nm = 1500,
                                         .fiducials = method == ATM_DRIFT_FIDUCIALS ? 4 : 0,
                                         .bead_photons = 20000,
                                         .missed = 0.05,
                                         .seed = seed};
    struct atm_err err = {0};
    struct post_case c = case_make(&options);
    struct atm_locs locs;
    struct atm_drift found;
    ptrdiff_t *first;
    double largest = 0;
    for (ptrdiff_t f = 0; f < c.frames; f++)
        largest = fmax(largest, CASE_PIXEL_NM * hypot(c.x[f], c.y[f]));
    if (atm_locs_init(&locs, &c.table, &err) || atm_locs_index(&locs, c.frames, &first, &err))
        stop(&err);
    const struct atm_drift_points points = {
        locs.count, c.frames, locs.x, locs.y, atm_locs_find(&locs, "photons"), first};
    struct atm_drift_options how = {
        .method = method, .range = 25, .pixel = 0.2, .radius = 1.5, .share = 0.8};
    double start = bench_now();
    if (atm_drift_estimate(&points, &how, NULL, &found, &err))
        stop(&err);
    double seconds = bench_now() - start, error = case_error(&c, found.x, found.y);
    atm_drift_free(&found);
    how.check = true;
    if (atm_drift_estimate(&points, &how, NULL, &found, &err))
        stop(&err);
    printf(
        "{\"figure\": \"drift by %s\", \"seed\": %d, \"localizations\": %td, \"largest_drift_nm\": "
        "%.0f, \"error_nm\": %.2f, \"error_said_nm\": %.2f, \"jumps\": %td, \"seconds\": %.2f}\n",
        name, (int)seed, locs.count, largest, error, CASE_PIXEL_NM * found.error, found.jumps,
        seconds);
    fflush(stdout);
    atm_drift_free(&found);
    atm_locs_free(&locs);
    atm_mem_free(first);
    case_free(&c);
}

static void drifts(void) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        drift(ATM_DRIFT_AIM, "aim", seed);
        drift(ATM_DRIFT_RCC, "rcc", seed);
        drift(ATM_DRIFT_FIDUCIALS, "four fiducials", seed);
    }
}

/* ---- linking ---- */

static void link_at(double per_frame) {
    const struct case_options options = {
        .frames = 10000, .side = 64, .per_frame = per_frame, .missed = 0.08, .seed = 1};
    const struct atm_link_rule rule = {NAN, 2};
    struct atm_err err = {0};
    struct post_case c = case_make(&options);
    struct atm_locs locs;
    struct atm_links links;
    if (atm_locs_init(&locs, &c.table, &err))
        stop(&err);
    double start = bench_now();
    if (atm_link(&locs, &rule, &links, &err))
        stop(&err);
    printf("{\"figure\": \"linking\", \"per_frame_and_um2\": %.3f, \"localizations\": %td, "
           "\"emitters\": "
           "%td, \"blinks_found\": %td, \"ratio\": %.4f, \"seconds\": %.3f}\n",
           per_frame / 40.96, locs.count, c.emitters, links.count,
           (double)links.count / (double)c.emitters, bench_now() - start);
    fflush(stdout);
    atm_links_free(&links);
    atm_locs_free(&locs);
    case_free(&c);
}

/* ---- resolution ---- */

/* Sites at random, each localized a Poisson number of times, sigma off: see test_post_resolution.
 */
static void frc_of(double mean) {
    enum { SITES = 10000, FRAMES = 1000000 };
    const double sigma = 0.1, side = 128;
    struct atm_err err = {0};
    struct atm_table table;
    struct atm_locs locs;
    struct atm_links links;
    struct atm_frc frc;
    struct atm_rng rng;
    atm_table_init(&table);
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 9);
    for (int i = 0; i < SITES; i++) {
        double x = side * atm_rng_uniform(&rng), y = side * atm_rng_uniform(&rng);
        for (unsigned n = gsl_ran_poisson(&rng.gsl, mean); n > 0; n--) {
            struct atm_loc row = atm_loc_empty();
            row.frame = (int64_t)(FRAMES * atm_rng_uniform(&rng));
            row.x = x + gsl_ran_gaussian(&rng.gsl, sigma);
            row.y = y + gsl_ran_gaussian(&rng.gsl, sigma);
            row.x_unc = row.y_unc = sigma;
            if (atm_table_append(&table, &row, &err))
                stop(&err);
        }
    }
    atm_table_sort(&table);
    const struct atm_link_rule rule = {NAN, 2};
    if (atm_locs_init(&locs, &table, &err) || atm_link(&locs, &rule, &links, &err))
        stop(&err);
    const struct atm_frc_options options = {sigma / 2, 20, 1, links.blink, links.count};
    double start = bench_now(), truth = 2 * M_PI * sigma / sqrt(log(3 * mean));
    if (atm_frc_estimate(&locs, &options, &frc, &err))
        stop(&err);
    printf(
        "{\"figure\": \"FRC\", \"blinks_per_site\": %g, \"expected_nm\": %.2f, \"found_nm\": %.2f, "
        "\"spread_nm\": %.2f, \"ratio\": %.4f, \"seconds\": %.2f}\n",
        mean, CASE_PIXEL_NM * truth, CASE_PIXEL_NM * frc.resolution, CASE_PIXEL_NM * frc.error,
        frc.resolution / truth, bench_now() - start);
    fflush(stdout);
    atm_frc_free(&frc);
    atm_links_free(&links);
    atm_locs_free(&locs);
}

/* Brightness as the simulator has it: what NeNA gives is between the median and the mean. */
static void nena_at(double per_frame) {
    const struct case_options options = {
        .frames = 5000, .side = 64, .per_frame = per_frame, .missed = 0.05, .seed = 1};
    struct atm_err err = {0};
    struct post_case c = case_make(&options);
    struct atm_locs locs;
    struct atm_nena nena;
    double sum = 0, square = 0, median;
    for (ptrdiff_t i = 0; i < c.table.count; i++) {
        sum += c.table.rows[i].x_unc;
        square += c.table.rows[i].x_unc * c.table.rows[i].x_unc;
    }
    double n = (double)c.table.count;
    if (atm_locs_init(&locs, &c.table, &err) || atm_locs_median(&locs, "lpx", &median, &err))
        stop(&err);
    double start = bench_now();
    if (atm_nena_estimate(&locs, &nena, &err))
        stop(&err);
    printf("{\"figure\": \"NeNA\", \"per_frame_and_um2\": %.3f, \"found_nm\": %.2f, "
           "\"true_median_nm\": "
           "%.2f, \"true_mean_nm\": %.2f, \"true_rms_nm\": %.2f, \"seconds\": %.3f}\n",
           per_frame / 40.96, CASE_PIXEL_NM * nena.precision, CASE_PIXEL_NM * median,
           CASE_PIXEL_NM * sum / n, CASE_PIXEL_NM * sqrt(square / n), bench_now() - start);
    fflush(stdout);
    atm_locs_free(&locs);
    case_free(&c);
}

/* ---- rendering ---- */

struct scene {
    struct atm_render_points points;
    struct atm_render_options options;
    double total; /* of the last picture */
};

static void paint(void *context) {
    struct scene *s = context;
    struct atm_err err = {0};
    struct atm_render_counts counts;
    if (atm_render_points_init(&counts, &s->points, &s->options, &err))
        stop(&err);
    s->total = 0;
    for (ptrdiff_t i = 0; i < counts.height * counts.width; i++)
        s->total += (double)counts.image[i];
    atm_render_counts_free(&counts);
}

static void render(void) {
    enum { N = 1000000, SIDE = 256 };
    double *block = atm_mem_alloc(4 * N, sizeof *block);
    struct atm_rng rng;
    atm_rng_init(&rng, 1, ATM_RNG_TEST, 3);
    for (int i = 0; i < N; i++) { /* inside, so that nothing is lost at the edges */
        block[i] = 2 + (SIDE - 5) * atm_rng_uniform(&rng);
        block[N + i] = 2 + (SIDE - 5) * atm_rng_uniform(&rng);
        block[2 * N + i] = block[3 * N + i] = 0.06 + 0.08 * atm_rng_uniform(&rng);
    }
    static const char *const blurs[] = {"own precision", "fixed", "histogram", "ash"};
    for (int blur = 0; blur < 4; blur++) {
        struct scene s = {
            {N, block, block + N, block + 2 * N, block + 3 * N, NULL, 0, SIDE, SIDE, 100},
            {.zoom = 16, .blur = blur, .sigma_nm = 10, .shifts = 4, .max_size = 4096},
            0};
        double seconds = bench_median(paint, &s, 3);
        clock_t start = clock(); /* of all threads: on a machine that is busy otherwise too */
        paint(&s);
        printf("{\"figure\": \"render 1e6 to 4096x4096, %s\", \"drawn\": %d, \"sum\": %.3f, "
               "\"seconds\": %.3f, \"processor_seconds\": %.3f}\n",
               blurs[blur], N, s.total, seconds, (double)(clock() - start) / CLOCKS_PER_SEC);
        fflush(stdout);
    }
    atm_mem_free(block);
}

/* ---- ten million rows through a chain ---- */

static void large(void) {
    const char *const chains[] = {"filter(photons > 250 and lpx < 0.3)", "link",
                                  "density(radius_nm=20)", "drift(check=no)",
                                  "render(zoom=8, format=tiff)"};
    const struct case_options options = {
        .frames = 50000, .side = 512, .per_frame = 240, .walk_nm = 0.1, .trend_nm = 500, .seed = 1};
    struct atm_err err = {0};
    struct post_case c = case_make(&options);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct atm_table table = c.table;
        struct atm_post_result result;
        table.rows = atm_mem_alloc((size_t)table.count, sizeof *table.rows);
        if (!table.rows)
            return;
        memcpy(table.rows, c.table.rows, (size_t)table.count * sizeof *table.rows);
        const struct atm_post_config config = case_steps(chains[i]);
        clock_t clocks = clock(); /* of all threads */
        double start = bench_now();
        if (atm_post_run(&config, "bench_post", NULL, &table, &result, &err))
            stop(&err);
        printf("{\"figure\": \"%s\", \"localizations\": %td, \"seconds\": %.2f, "
               "\"processor_seconds\": %.2f}\n",
               chains[i], c.table.count, bench_now() - start,
               (double)(clock() - clocks) / CLOCKS_PER_SEC);
        fflush(stdout);
        atm_post_result_free(&result);
        atm_table_free(&table);
    }
    case_free(&c);
}

static bool wanted(int argc, char **argv, const char *name, bool by_default) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1 && by_default;
}

int main(int argc, char **argv) {
    gsl_set_error_handler_off();
    if (wanted(argc, argv, "drift", true))
        drifts();
    if (wanted(argc, argv, "link", true))
        for (int per_frame = 4; per_frame <= 32; per_frame *= 2)
            link_at(per_frame);
    if (wanted(argc, argv, "resolution", true)) {
        for (int k = 0; k < 3; k++)
            frc_of((double[]){3, 8, 20}[k]);
        for (int per_frame = 5; per_frame <= 40; per_frame *= 2)
            nena_at(per_frame);
    }
    if (wanted(argc, argv, "render", true))
        render();
    if (wanted(argc, argv, "large", false))
        large();
    return 0;
}
