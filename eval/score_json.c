/* The report for programs: keys are stable, unknown figures null. */
#include "score_report.h"

#include "json.h"
#include "score_figures.h"
#include <math.h>
#include <stdlib.h>

static void put_figures(FILE *out, const struct atm_score *score, bool counts) {
    bool first = true;
    fputc('{', out);
    for (int k = 0; k < atm_score_figure_count; k++) {
        const struct atm_score_figure *figure = &atm_score_figures[k];
        if (figure->is_count && !counts)
            continue;
        fprintf(out, "%s\"%s\": ", first ? "" : ", ", figure->key);
        atm_json_number(out, atm_score_figure_get(figure, score));
        first = false;
    }
    fputc('}', out);
}

static void put_member(FILE *out, const char *name, double value) {
    fprintf(out, "    \"%s\": ", name);
    atm_json_number(out, value);
    fputs(",\n", out);
}

static void put_conventions(FILE *out, const struct atm_score_report *r) {
    const struct atm_eval_options *o = r->options;
    fprintf(out,
            "  \"conventions\": {\n    \"matching\": \"%s\",\n    \"matching_rule\": \"%s\",\n",
            atm_score_matching_name(o), atm_score_matching_rule(o));
    put_member(out, "tolerance_nm", o->tolerance_nm);
    put_member(out, "border_nm", o->border_nm);
    put_member(out, "bright_quantile", r->quantile);
    put_member(out, "bright_threshold_photons", r->threshold);
    put_member(out, "pixel_size_nm", r->geometry.pixel_nm);
    put_member(out, "field_width_px", r->geometry.width_px > 0 ? r->geometry.width_px : NAN);
    put_member(out, "field_height_px", r->geometry.height_px > 0 ? r->geometry.height_px : NAN);
    put_member(out, "crlb_sigma_px", r->limit.sigma_px);
    put_member(out, "crlb_background_photons", r->limit.background);
    put_member(out, "crlb_read_noise_e", r->limit.camera.read_noise);
    fprintf(out, "    \"localizations_axes\": \"%s\",\n", o->axes == ATM_EVAL_YX ? "yx" : "xy");
    put_member(out, "localizations_scale", o->scale);
    put_member(out, "localizations_shift_x_nm", o->shift_x_nm);
    put_member(out, "localizations_shift_y_nm", o->shift_y_nm);
    put_member(out, "localizations_shift_frames", (double)o->shift_frames);
    put_member(out, "bootstrap_resamples", (double)o->bootstrap);
    fputs(
        "    \"rmse_nm\": \"sqrt(sum(dx^2 + dy^2) / TP)\",\n"
        "    \"rmse_axis_nm\": \"sqrt(sum(dx^2 + dy^2) / (2 TP))\",\n"
        "    \"mad_nm\": \"mean of |dx| and |dy|\",\n"
        "    \"efficiency\": \"100 - sqrt((100 - 100 J)^2 + rmse_nm^2)\",\n"
        "    \"challenge\": \"greedy, 250 nm, border of 450 nm left out of both lists\",\n"
        "    \"low_95, high_95\": \"percentiles 2.5 and 97.5 of a bootstrap over frames\"\n  },\n",
        out);
}

static void put_counts(FILE *out, const struct atm_score_report *r) {
    fprintf(out, "  \"frames\": %td,\n", r->frames);
    fprintf(out, "  \"truth\": {\"rows\": %td, \"scored\": %td, \"without_position\": %td},\n",
            r->truth->count, r->truth_scored, r->truth_skipped);
    fprintf(out,
            "  \"localizations\": {\"rows\": %td, \"scored\": %td, \"without_position\": %td},\n",
            r->found->count, r->found_scored, r->found_skipped);
}

static void put_view(FILE *out, const struct atm_score_report *r, int v) {
    static const char *const names[ATM_EMITTERS] = {"all", "bright"};
    const struct atm_score_view *view = &r->view[v];
    fprintf(out, "  \"%s\": ", atm_score_view_keys[v]);
    if (!view->known) {
        fputs("null,\n", out);
        return;
    }
    fputs("{\n", out);
    for (int e = 0; e < ATM_EMITTERS; e++) {
        bool is_known = e == ATM_EMITTERS_ALL || !isnan(r->threshold);
        const char *end = e + 1 < ATM_EMITTERS ? ",\n" : "\n";
        fprintf(out, "    \"%s\": ", names[e]);
        if (is_known)
            put_figures(out, &view->score[e], true);
        else
            fputs("null", out);
        if (is_known && r->options->bootstrap) {
            fprintf(out, ",\n    \"%s_low_95\": ", names[e]);
            put_figures(out, &view->low[e], false);
            fprintf(out, ",\n    \"%s_high_95\": ", names[e]);
            put_figures(out, &view->high[e], false);
        }
        fputs(end, out);
    }
    fputs("  },\n", out);
}

static void put_control(FILE *out, const char *name, const struct atm_score *scores,
                        bool possible) {
    fprintf(out, "    \"%s\": {", name);
    for (int v = 0; v <= ATM_VIEW_100_NM; v++) {
        fprintf(out, "%s\n      \"%s\": ", v ? "," : "", atm_score_view_keys[v]);
        if (possible)
            put_figures(out, &scores[v], true);
        else
            fputs("null", out);
    }
    fputs("\n    }", out);
}

static void write_json(FILE *out, const struct atm_score_report *r) {
    fputs("{\n", out);
    for (int v = 0; v < ATM_VIEWS; v++)
        put_view(out, r, v);
    put_counts(out, r);
    fputs("  \"controls\": {\n", out);
    put_control(out, "wrong_frame", r->wrong_frame, r->frames > 1);
    fputs(",\n", out);
    put_control(out, "grid", r->grid, true);
    fputs("\n  },\n", out);
    put_conventions(out, r);
    fputs("  \"warnings\": [", out);
    for (int i = 0; i < r->warning_count; i++) {
        fprintf(out, "%s\n    ", i ? "," : "");
        atm_json_text(out, r->warnings[i]);
    }
    fprintf(out, "%s]\n}\n", r->warning_count ? "\n  " : "");
}

char *atm_score_report_json(const struct atm_score_report *report) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    write_json(out, report);
    bool whole = !ferror(out);
    if (fclose(out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}
