/* The report for people. */
#include "score_report.h"

#include "mem.h"
#include "score_figures.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_cell(FILE *out, double value, int decimals) {
    if (isfinite(value))
        fprintf(out, "%13.*f", decimals, value);
    else
        fprintf(out, "%13s", "n/a");
}

static void print_adjustment(FILE *out, const struct atm_eval_options *o) {
    if (o->axes == ATM_EVAL_XY && o->scale == 1 && o->shift_x_nm == 0 && o->shift_y_nm == 0 &&
        o->shift_frames == 0)
        return;
    fprintf(out,
            "adjusted       localizations before scoring: axes %s, scale %g, shift (%g, %g) nm, "
            "%lld frames\n",
            o->axes == ATM_EVAL_YX ? "yx" : "xy", o->scale, o->shift_x_nm, o->shift_y_nm,
            (long long)o->shift_frames);
}

static void print_limit(FILE *out, const struct atm_score_report *r) {
    const struct atm_crlb_options *limit = &r->limit;
    fprintf(out, "CRLB           ");
    if (!r->limits_known) {
        fputs("not known: it needs the true photons, a background and a PSF width (eval.sigma_px, "
              "eval.background)\n",
              out);
        return;
    }
    fprintf(out, "of %td emitters with their neighbours: Gaussian of sigma %.3f px, ",
            r->limits_known, limit->sigma_px);
    if (r->truth->columns & ATM_COLUMN_BACKGROUND)
        fputs("the true background", out);
    else
        fprintf(out, "background %.4g photons", limit->background);
    if (limit->camera.read_noise > 0)
        fprintf(out, ", read noise %.3g e-", limit->camera.read_noise);
    if (limit->camera.qe > 0 && limit->camera.qe < 1)
        fprintf(out, ", QE %.3g", limit->camera.qe);
    fputs(limit->camera.em_gain > 1 ? ", EM gain\n" : "\n", out);
}

static void print_head(FILE *out, const struct atm_score_report *r) {
    fprintf(out, "truth          %td emitters, %td scored\n", r->truth->count, r->truth_scored);
    fprintf(out, "localizations  %td, %td scored\n", r->found->count, r->found_scored);
    print_adjustment(out, r->options);
    fprintf(out, "frames         %td\n", r->frames);
    fprintf(out, "matching       %s: %s, lateral distance within the tolerance\n",
            atm_score_matching_name(r->options), atm_score_matching_rule(r->options));
    fprintf(out, "border         %g nm left out of both lists\n", r->options->border_nm);
    fprintf(out, "pixel          %g nm", r->geometry.pixel_nm);
    if (r->geometry.width_px > 0 && r->geometry.height_px > 0)
        fprintf(out, ", field %g x %g px", r->geometry.width_px, r->geometry.height_px);
    fprintf(out, "\nphotons        ");
    if (isnan(r->threshold))
        fprintf(out, "no threshold; the truth states no photons, so there is no 'bright' score\n");
    else
        fprintf(out,
                "'all': no threshold; 'bright': emitters below the %g %% quantile of the true "
                "photons\n               (%.1f) ignored, and the localizations paired with them\n",
                100 * r->quantile, r->threshold);
    print_limit(out, r);
}

static bool known(const struct atm_score_report *r, int emitters) {
    return emitters == ATM_EMITTERS_ALL || !isnan(r->threshold);
}

static void print_scores(FILE *out, const struct atm_score_report *r) {
    fprintf(out, "\n%-24s", "tolerance");
    for (int v = 0; v <= ATM_VIEW_100_NM; v++)
        fprintf(out, "%10g nm%10g nm", r->view[v].tolerance_nm, r->view[v].tolerance_nm);
    fprintf(out, "\n%-24s%13s%13s%13s%13s\n", "emitters", "all", "bright", "all", "bright");
    for (int k = 0; k < atm_score_figure_count; k++) {
        const struct atm_score_figure *figure = &atm_score_figures[k];
        fprintf(out, "%-24s", figure->label);
        for (int v = 0; v <= ATM_VIEW_100_NM; v++)
            for (int e = 0; e < ATM_EMITTERS; e++) {
                double value = atm_score_figure_get(figure, &r->view[v].score[e]);
                print_cell(out, known(r, e) ? value * figure->factor : NAN, figure->decimals);
            }
        fputc('\n', out);
    }
    fputs(
        "[1] sqrt(sum(dx^2 + dy^2) / TP), the challenge's\n"
        "[2] the same with 2 TP, as some papers print it: smaller by sqrt(2)\n"
        "[3] called RMSE by ThunderSTORM\n"
        "[4] mean of |dx| and |dy|, DECODE's MAD\n"
        "[5] 100 - sqrt((100 - J)^2 + RMSE^2), J in %, RMSE [1] in nm (alpha 1/nm)\n"
        "[6] mean, and root mean square, of (found - true) / true\n"
        "[7] Cramer-Rao limit: root mean square over the pairs of the least error that any "
        "unbiased\n    fit can reach; pairs whose limit is above a third of the tolerance left "
        "out, as it cuts\n    off their errors\n"
        "[8] the same of the uncertainties that the localizations state; 1 means honest\n"
        "[9] (found - true) / stated: mean 0, sd 1 and 0.683 of them within 1 when honest\n"
        "[10] root mean square of both axes' pulls without blends: localizations that stand for a\n"
        "     missed emitter too (missed ones matched with the localizations by the same rules)\n"
        "dx, dy: localization - truth\n",
        out);
}

static void print_challenge(FILE *out, const struct atm_score_report *r) {
    const struct atm_score_view *view = &r->view[ATM_VIEW_CHALLENGE];
    fputs("\nSMLM Challenge, to the letter: greedy, 250 nm, border of 450 nm left out\n", out);
    if (!view->known) {
        fputs("    not known: nobody states the size of the field (eval.field_width, "
              "eval.field_height)\n",
              out);
        return;
    }
    for (int e = 0; e < ATM_EMITTERS; e++)
        if (known(r, e))
            fprintf(out, "    %-20s J %6.2f %%   RMSE %6.2f nm   E %6.2f\n",
                    e == ATM_EMITTERS_ALL ? "no photon threshold" : "25 % dimmest ignored",
                    100 * view->score[e].jaccard, view->score[e].rmse_nm,
                    view->score[e].efficiency);
}

static void print_intervals(FILE *out, const struct atm_score_report *r) {
    static const char *const keys[] = {"jaccard",    "recall",      "precision",
                                       "rmse_nm",    "mean_dx_nm",  "mean_dy_nm",
                                       "efficiency", "photon_bias", "rmse_over_crlb"};
    if (!r->options->bootstrap)
        return;
    const struct atm_score_view *view = &r->view[ATM_VIEW_TOLERANCE];
    fprintf(out,
            "\n95 %% intervals at %g nm, all emitters (bootstrap: %lld resamples of the frames)\n",
            view->tolerance_nm, (long long)r->options->bootstrap);
    for (int k = 0; k < atm_score_figure_count; k++)
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            const struct atm_score_figure *figure = &atm_score_figures[k];
            if (strcmp(figure->key, keys[i]) != 0)
                continue;
            fprintf(out, "%-24s", figure->label);
            print_cell(out, figure->factor * atm_score_figure_get(figure, &view->low[0]),
                       figure->decimals);
            fputs(" to", out);
            print_cell(out, figure->factor * atm_score_figure_get(figure, &view->high[0]),
                       figure->decimals);
            fputc('\n', out);
        }
}

static void print_control(FILE *out, const char *name, const struct atm_score *scores) {
    fprintf(out, "%-50s", name);
    print_cell(out, scores[ATM_VIEW_TOLERANCE].jaccard, 4);
    fprintf(out, "%13s", "");
    print_cell(out, scores[ATM_VIEW_100_NM].jaccard, 4);
    fputc('\n', out);
}

static void write_text(FILE *out, const struct atm_score_report *r) {
    print_head(out, r);
    print_scores(out, r);
    print_challenge(out, r);
    print_intervals(out, r);
    fprintf(out, "\n%-53s%7g nm%26g nm\n", "controls (Jaccard, all emitters)",
            r->view[ATM_VIEW_TOLERANCE].tolerance_nm, r->view[ATM_VIEW_100_NM].tolerance_nm);
    print_control(out, "truth of the frame half a movie away", r->wrong_frame);
    print_control(out, "even grid with the true count per frame", r->grid);
    for (int i = 0; i < r->warning_count; i++)
        fprintf(out, "%swarning: %s\n", i ? "" : "\n", r->warnings[i]);
}

char *atm_score_report_text(const struct atm_score_report *report) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    write_text(out, report);
    bool whole = !ferror(out);
    if (fclose(out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}
