/* One page for a run: what was found, how good it is, and what was run. */
#include "stages.h"

#include "error_charts.h"
#include "fit_page.h"
#include "html.h"
#include "mem.h"
#include "paths.h"
#include "psf_chart.h"
#include "score_page.h"
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { EXAMPLES = 3, PICTURE_PX = 1200 };

struct sheet {
    const struct atm_report_input *input;
    struct atm_html *page;
    char figures[PATH_MAX]; /* folder of the figures */
};

static void name_figure(const struct sheet *sheet, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 64, sheet->figures, name);
}

/* ---- pictures ---- */

static enum atm_status put_picture(const struct sheet *sheet, struct atm_err *err) {
    char path[PATH_MAX];
    struct atm_render_options options = sheet->input->config->render;
    if (options.max_size > PICTURE_PX)
        options.max_size = PICTURE_PX;
    name_figure(sheet, "picture.png", path);
    enum atm_status status = atm_render_png(path, sheet->input->found, &options, err);
    return status ? status
                  : atm_html_image(sheet->page, path, "All localizations, drawn as [render] says.",
                                   err);
}

/* Rows [first, end) of a frame in a table that is sorted by frame. */
static void rows_of(const struct atm_table *table, int64_t frame, const struct atm_loc **rows,
                    ptrdiff_t *count) {
    ptrdiff_t first = 0, end;
    while (first < table->count && table->rows[first].frame < frame)
        first++;
    for (end = first; end < table->count && table->rows[end].frame == frame;)
        end++;
    *rows = table->rows + first;
    *count = end - first;
}

/* Input with marks, and reconstruction, of one frame. */
static enum atm_status fill_example(const struct sheet *sheet, int64_t frame, float *images,
                                    struct atm_panel *panels, char captions[2][96],
                                    struct atm_err *err) {
    const struct atm_report_input *in = sheet->input;
    const struct atm_source_info *info = atm_source_info(in->source);
    ptrdiff_t pixels = info->height * info->width;
    enum atm_status status = atm_localize_example(in->source, in->model, frame - info->first_frame,
                                                  images, images + pixels, 0, images, err);
    panels[0] = (struct atm_panel){.image = images, .caption = captions[0]};
    panels[1] = (struct atm_panel){.image = images + pixels, .caption = captions[1]};
    rows_of(in->found, frame, &panels[0].marks, &panels[0].mark_count);
    if (in->truth)
        rows_of(in->truth, frame, &panels[0].rings, &panels[0].ring_count);
    snprintf(captions[0], 96, "frame %lld: %td localizations%s", (long long)frame,
             panels[0].mark_count, in->truth ? ", truth green" : "");
    snprintf(captions[1], 96, "what the network makes of it");
    return status;
}

/* Frames from the beginning, the middle and the end of what was found. */
static enum atm_status put_examples(const struct sheet *sheet, struct atm_err *err) {
    const struct atm_report_input *in = sheet->input;
    const struct atm_source_info *info = atm_source_info(in->source);
    ptrdiff_t pixels = info->height * info->width;
    struct atm_panel panels[2 * EXAMPLES];
    char captions[2 * EXAMPLES][96], path[PATH_MAX];
    int count = 0;
    int64_t last = -1;
    float *images = atm_mem_alloc((size_t)pixels, 2 * EXAMPLES * sizeof *images);
    enum atm_status status = images ? ATM_OK : atm_err_memory(err, "example frames");
    for (int k = 0; !status && k < EXAMPLES; k++) {
        int64_t frame = in->found->count
                            ? in->found->rows[(2 * k + 1) * in->found->count / (2 * EXAMPLES)].frame
                            : info->first_frame + k;
        if (frame <= last || frame >= info->first_frame + info->frames)
            continue;
        last = frame;
        status = fill_example(sheet, frame, images + count * pixels, &panels[count],
                              &captions[count], err);
        count += 2;
    }
    const struct atm_panel_sheet panel_sheet = {.panels = panels,
                                                .count = count,
                                                .columns = 2,
                                                .height = info->height,
                                                .width = info->width,
                                                .origin_x = (double)info->field.x,
                                                .origin_y = (double)info->field.y,
                                                .binning = (double)info->binning};
    name_figure(sheet, "frames.png", path);
    if (!status && count)
        status = atm_render_panels(path, &panel_sheet, err);
    if (!status && count)
        status =
            atm_html_image(sheet->page, path,
                           "Left: frames without their background, localizations as red crosses. "
                           "Right: the sum of the network's blocks.",
                           err);
    atm_mem_free(images);
    return status;
}

/* ---- sections ---- */

/* Without truth: what a microscopist asks a table first. */
static void put_key_figures(const struct sheet *sheet) {
    const struct atm_table *found = sheet->input->found;
    const struct atm_source_info *info = atm_source_info(sheet->input->source);
    const double nm = info->camera.pixel_size_nm, length = nm > 0 ? nm : 1;
    const char *light = info->photons ? "" : " ADU", *unit = nm > 0 ? " nm" : " px";
    const struct {
        double value;
        const char *unit, *label, *meaning;
    } rows[] = {
        {(double)found->count, "", "Localizations", "Each is one emitter in one frame."},
        {(double)found->count / (double)info->frames, "", "Per frame", "Mean over the movie."},
        {atm_table_median(found, offsetof(struct atm_loc, photons)), light, "Brightness",
         info->photons ? "Median photons of a localization."
                       : "Median light of a localization; the camera's gain is not known."},
        {atm_table_median(found, offsetof(struct atm_loc, background)), light, "Background",
         "Median, per pixel."},
        {length * atm_table_median(found, offsetof(struct atm_loc, x_unc)), unit, "Precision",
         "Median standard deviation in x that the localizations state themselves."},
        {length * atm_table_median(found, offsetof(struct atm_loc, sx)), unit, "PSF sigma",
         "Width of an emitter's image, as measured on the movie."},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct atm_html_figure figures[ROWS];
    char texts[ROWS][40];
    int count = 0;
    for (int i = 0; i < ROWS; i++) {
        if (isnan(rows[i].value))
            continue;
        snprintf(texts[count], sizeof *texts, i ? "%.4g%s" : "%.0f%s", rows[i].value, rows[i].unit);
        figures[count] = (struct atm_html_figure){texts[count], rows[i].label, rows[i].meaning};
        count++;
    }
    atm_html_figures(sheet->page, figures, count);
}

static enum atm_status put_network(const struct sheet *sheet, struct atm_err *err) {
    const struct atm_report_input *in = sheet->input;
    char stem[PATH_MAX], curve[PATH_MAX], blocks[PATH_MAX];
    atm_html_section(sheet->page, "The network");
    atm_html_text(sheet->page, "%td parameters, %lld training steps on this movie, no labels.",
                  in->model->param_count, (long long)in->model->step);
    name_figure(sheet, "training", stem);
    name_figure(sheet, "training.svg", curve);
    name_figure(sheet, "blocks.png", blocks);
    enum atm_status status = ATM_OK;
    if (in->model->curve_count)
        status = atm_render_training_all(stem, in->model->curve, in->model->curve_count, err);
    if (!status && in->model->curve_count)
        status =
            atm_html_image(sheet->page, curve,
                           "Training: the mean squared error of the reconstruction. Validation "
                           "is on frames that are not trained on; where it rises while training "
                           "falls, the network learns the noise.",
                           err);
    if (!status)
        status = atm_psf_chart_put(sheet->page, in->model,
                                   atm_table_median(in->found, offsetof(struct atm_loc, sx)),
                                   sheet->figures, err);
    if (!status)
        status = atm_stage_blocks(in->source, in->model, in->found, in->truth, blocks, NULL, err);
    return status
               ? status
               : atm_html_image(sheet->page, blocks,
                                "One frame taken apart: each block is the same decoder's drawing "
                                "of three numbers.",
                                err);
}

static enum atm_status put_fit(const struct sheet *sheet, struct atm_err *err) {
    struct atm_fit_record record = {0};
    char stem[PATH_MAX];
    enum atm_status status = ATM_OK;
    name_figure(sheet, "", stem);
    atm_html_section(sheet->page, "Does the fit explain the data?");
    if (sheet->input->fit) {
        status = atm_fit_record_read(sheet->input->fit, &record, err);
        if (!status)
            status = atm_fit_page_put(sheet->page, &record, stem, true, err);
        atm_fit_record_free(&record);
    }
    return status ? status
                  : atm_fit_chart_put(sheet->page, sheet->input->found, sheet->figures, err);
}

static enum atm_status put_found(const struct sheet *sheet, struct atm_err *err) {
    const struct atm_report_input *in = sheet->input;
    enum atm_status status = ATM_OK;
    if (in->scores) {
        atm_html_section(sheet->page, "How good it is");
        atm_score_page_key_figures(sheet->page, in->scores->entries[0].report);
    } else {
        atm_html_section(sheet->page, "What was found");
        put_key_figures(sheet);
        atm_html_text(sheet->page, "There is no truth to compare them with.");
    }
    if (in->scores && in->scores->count > 1) {
        atm_html_section(sheet->page, "Beside other programs");
        status = atm_score_page_compare(sheet->page, in->scores->entries, in->scores->count, err);
    }
    if (!status) {
        atm_html_section(sheet->page, "Picture");
        status = put_picture(sheet, err);
    }
    if (!status) {
        atm_html_section(sheet->page, "Frames");
        status = put_examples(sheet, err);
    }
    return status ? status : put_fit(sheet, err);
}

static enum atm_status put_errors(const struct sheet *sheet, struct atm_err *err) {
    const struct atm_scores *scores = sheet->input->scores;
    if (!scores)
        return ATM_OK;
    const struct atm_scored *ours = &scores->tables[0];
    atm_html_section(sheet->page, "Errors");
    enum atm_status status =
        atm_error_charts_put(sheet->page, &ours->report, &ours->limits, sheet->figures, err);
    if (!status) {
        atm_html_section(sheet->page, "All scores");
        status = atm_score_page_table(sheet->page, &ours->report, err);
    }
    return status;
}

static void put_run(const struct sheet *sheet) {
    const struct atm_report_input *in = sheet->input;
    atm_html_section(sheet->page, "What was run");
    atm_html_text(sheet->page,
                  "atomloc %s, seed %lld. The same configuration on the same data gives "
                  "the same bytes.",
                  ATM_VERSION, (long long)in->config->run.seed);
    if (in->found->provenance)
        atm_html_details(sheet->page,
                         "Versions, hashes of the data, and what decided the localizations",
                         in->found->provenance);
    if (in->model->provenance)
        atm_html_details(sheet->page, "The same of the model", in->model->provenance);
    atm_html_details(sheet->page, "Resolved configuration", in->resolved);
}

enum atm_status atm_stage_report(const struct atm_report_input *input, const char *folder,
                                 const char *name, const struct atm_sink *sink,
                                 struct atm_err *err) {
    struct sheet sheet = {.input = input};
    char path[PATH_MAX], subtitle[160];
    snprintf(sheet.figures, sizeof sheet.figures, "%.*s/figures", PATH_MAX - 64, folder);
    snprintf(path, sizeof path, "%.*s/report.html", PATH_MAX - 64, folder);
    const struct atm_source_info *info = atm_source_info(input->source);
    snprintf(subtitle, sizeof subtitle, "%td frames of %td x %td pixels, atomloc %s", info->frames,
             info->width, info->height, ATM_VERSION);
    enum atm_status status = atm_path_make_folder(sheet.figures, err);
    if (!status)
        status = atm_html_create(name, subtitle, &sheet.page, err);
    if (!status)
        status = put_found(&sheet, err);
    if (!status)
        status = put_errors(&sheet, err);
    if (!status)
        status = put_network(&sheet, err);
    if (!status) {
        put_run(&sheet);
        status = atm_html_write(sheet.page, path, err);
    }
    if (!status)
        atm_log(sink, ATM_LOG_INFO, "wrote %s", path);
    atm_html_destroy(&sheet.page);
    return status;
}

/* ---- scores alone ---- */

enum atm_status atm_stage_score_page(const struct atm_scores *scores, const char *path,
                                     struct atm_err *err) {
    struct atm_html *page = NULL;
    char *folder = atm_path_beside(path, "_figures");
    enum atm_status status =
        folder ? atm_path_make_folder(folder, err) : atm_err_memory(err, "a file name");
    if (!status)
        status =
            atm_html_create("Localizations against the truth", "atomloc " ATM_VERSION, &page, err);
    if (!status && scores->count > 1) {
        atm_html_section(page, "Side by side");
        status = atm_score_page_compare(page, scores->entries, scores->count, err);
    }
    for (int i = 0; !status && i < scores->count; i++) {
        const struct atm_scored *one = &scores->tables[i];
        char own[PATH_MAX];
        snprintf(own, sizeof own, "%s/%d", folder, i + 1);
        status = atm_path_make_folder(own, err);
        atm_html_section(page, one->name);
        atm_score_page_key_figures(page, &one->report);
        if (!status)
            status = atm_error_charts_put(page, &one->report, &one->limits, own, err);
        if (!status)
            status = atm_score_page_table(page, &one->report, err);
    }
    if (!status)
        status = atm_html_write(page, path, err);
    atm_html_destroy(&page);
    atm_mem_free(folder);
    return status;
}
