#include "score_case.h"

#include "mem.h"
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The challenge's second convention, used where the options name no other. */
static const double CHALLENGE_QUANTILE = 0.25;
static const double STRICT_TOLERANCE_NM = 100;

enum { AT_TOLERANCE, AT_100_NM, TOLERANCES };
enum { ALL_EMITTERS, BRIGHT_EMITTERS, THRESHOLDS };
enum { MAX_WARNINGS = 8, WARNING_SIZE = 256 };

struct report {
    const struct atm_table *truth, *found;
    const struct atm_eval_options *options;
    double tolerance_nm[TOLERANCES];
    double quantile, threshold; /* of BRIGHT_EMITTERS; threshold NAN: the truth has no photons */
    struct atm_score_geometry geometry;
    ptrdiff_t frames, truth_scored, found_scored, truth_skipped, found_skipped;
    struct atm_score score[TOLERANCES][THRESHOLDS];
    struct atm_score wrong_frame[TOLERANCES], grid[TOLERANCES];
    char warnings[MAX_WARNINGS][WARNING_SIZE];
    int warning_count;
};

static const char *matching_name(const struct report *r) {
    return r->options->matching == ATM_MATCH_HUNGARIAN ? "hungarian" : "greedy";
}

static const char *matching_rule(const struct report *r) {
    return r->options->matching == ATM_MATCH_HUNGARIAN
               ? "per frame the most pairs, then the least sum of distances"
               : "per frame nearest pair first, as the SMLM Challenge";
}

__attribute__((format(printf, 2, 3))) static void warn(struct report *r, const char *format, ...) {
    if (r->warning_count == MAX_WARNINGS)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->warnings[r->warning_count++], WARNING_SIZE, format, args);
    va_end(args);
}

/* ---- figures ---- */

static enum atm_status score_found(struct report *r, struct atm_score_case *c,
                                   struct atm_err *err) {
    enum atm_status status =
        atm_score_case_init(c, r->truth, r->found, r->options, ATM_SCORE_FOUND, err);
    if (status != ATM_OK)
        return status;
    r->geometry = c->geometry;
    r->frames = c->frames;
    r->truth_scored = c->truth_list.count;
    r->found_scored = c->found_list.count;
    r->truth_skipped = c->truth_skipped;
    r->found_skipped = c->found_skipped;
    for (int t = TOLERANCES - 1; t >= 0 && status == ATM_OK; t--) {
        status = atm_score_case_match(c, r->tolerance_nm[t], err);
        if (status != ATM_OK)
            break;
        atm_score_case_count(c, -INFINITY, &r->score[t][ALL_EMITTERS]);
        if (!isnan(r->threshold))
            atm_score_case_count(c, r->threshold, &r->score[t][BRIGHT_EMITTERS]);
    }
    return status;
}

static enum atm_status score_control(const struct report *r, enum atm_score_candidate candidate,
                                     struct atm_score *scores, struct atm_err *err) {
    struct atm_score_case c = {0};
    enum atm_status status =
        atm_score_case_init(&c, r->truth, r->found, r->options, candidate, err);
    for (int t = 0; t < TOLERANCES && status == ATM_OK; t++) {
        status = atm_score_case_match(&c, r->tolerance_nm[t], err);
        if (status == ATM_OK)
            atm_score_case_count(&c, -INFINITY, &scores[t]);
    }
    atm_score_case_free(&c);
    return status;
}

/* ---- what usually went wrong ---- */

static void warn_offset(struct report *r, const char *axis, double mean_nm) {
    double px = fabs(mean_nm) / r->geometry.pixel_nm;
    if (px > 0.35 && px < 0.65)
        warn(r,
             "mean d%s is %.2f px: half a pixel, as if one table counted positions from pixel "
             "corners and the other from centres",
             axis, mean_nm / r->geometry.pixel_nm);
    else if (px > 0.8 && px < 1.2)
        warn(r, "mean d%s is %.2f px: a whole pixel, as if one table counted pixels from 1", axis,
             mean_nm / r->geometry.pixel_nm);
}

static enum atm_status try_change(struct report *r, struct atm_score_case *c, const char *change,
                                  struct atm_err *err) {
    struct atm_score score;
    double now = r->score[AT_TOLERANCE][ALL_EMITTERS].jaccard;
    enum atm_status status = atm_score_case_match(c, r->tolerance_nm[AT_TOLERANCE], err);
    if (status != ATM_OK)
        return status;
    atm_score_case_count(c, -INFINITY, &score);
    if (score.jaccard > now + 0.15)
        warn(r, "with %s the Jaccard index would be %.3f instead of %.3f", change, score.jaccard,
             now);
    return ATM_OK;
}

/* Would exchanged axes or frames that count from another number explain a poor score? */
static enum atm_status try_changes(struct report *r, struct atm_score_case *c,
                                   struct atm_err *err) {
    struct atm_match_list *list = &c->found_list;
    if (!(r->score[AT_TOLERANCE][ALL_EMITTERS].jaccard < 0.85))
        return ATM_OK;
    for (ptrdiff_t i = 0; i < list->count; i++)
        list->points[i].frame++;
    enum atm_status status = try_change(r, c, "localizations one frame later", err);
    for (ptrdiff_t i = 0; i < list->count; i++)
        list->points[i].frame -= 2;
    if (status == ATM_OK)
        status = try_change(r, c, "localizations one frame earlier", err);
    for (ptrdiff_t i = 0; i < list->count; i++) {
        struct atm_match_point *p = &list->points[i];
        *p = (struct atm_match_point){p->y_nm, p->x_nm, p->frame + 1, p->row};
    }
    return status == ATM_OK ? try_change(r, c, "x and y exchanged", err) : status;
}

static void warn_plain(struct report *r) {
    const struct atm_score *main = &r->score[AT_TOLERANCE][ALL_EMITTERS];
    warn_offset(r, "x", main->mean_dx_nm);
    warn_offset(r, "y", main->mean_dy_nm);
    if (r->truth->width && r->found->width &&
        (r->truth->width != r->found->width || r->truth->height != r->found->height))
        warn(r, "the truth states a field of %td x %td px, the localizations %td x %td px",
             r->truth->width, r->truth->height, r->found->width, r->found->height);
    if (r->truth_skipped || r->found_skipped)
        warn(r, "left out for want of a finite position: %td true emitters, %td localizations",
             r->truth_skipped, r->found_skipped);
    double control = fmax(r->wrong_frame[AT_TOLERANCE].jaccard, r->grid[AT_TOLERANCE].jaccard);
    if (main->jaccard <= control)
        warn(r, "no better than a control (%.3f): this score says nothing about positions",
             control);
}

/* ---- the figures' names, once for text and JSON ---- */

struct figure {
    const char *key, *label;
    size_t offset;
    bool is_count;
    int decimals;
    double factor; /* text only */
};

#define FIGURE(field, label, decimals, factor)                                                     \
    { #field, label, offsetof(struct atm_score, field), false, decimals, factor }
#define COUNT(field, label)                                                                        \
    { #field, label, offsetof(struct atm_score, field), true, 0, 1 }

static const struct figure figures[] = {
    COUNT(true_positive, "pairs (TP)"),
    COUNT(false_positive, "false positives (FP)"),
    COUNT(false_negative, "false negatives (FN)"),
    FIGURE(jaccard, "Jaccard TP/(TP+FP+FN)", 4, 1),
    FIGURE(recall, "recall TP/(TP+FN)", 4, 1),
    FIGURE(precision, "precision TP/(TP+FP)", 4, 1),
    FIGURE(rmse_nm, "RMSE lateral [1]  nm", 2, 1),
    FIGURE(rmse_axis_nm, "RMSE per axis [2]  nm", 2, 1),
    FIGURE(mean_distance_nm, "mean distance [3]  nm", 2, 1),
    FIGURE(mean_dx_nm, "mean dx  nm", 2, 1),
    FIGURE(mean_dy_nm, "mean dy  nm", 2, 1),
    FIGURE(efficiency, "efficiency E [4]", 2, 1),
    FIGURE(photon_bias, "photon bias  %", 2, 100),
    FIGURE(photon_correlation, "photon correlation", 4, 1),
};
enum { FIGURES = sizeof figures / sizeof *figures };

static double figure_value(const struct figure *figure, const struct atm_score *score) {
    const char *field = (const char *)score + figure->offset;
    if (figure->is_count) {
        ptrdiff_t count;
        memcpy(&count, field, sizeof count);
        return (double)count;
    }
    double value;
    memcpy(&value, field, sizeof value);
    return value;
}

/* ---- text for people ---- */

static void print_cell(FILE *out, double value, int decimals) {
    if (isfinite(value))
        fprintf(out, "%13.*f", decimals, value);
    else
        fprintf(out, "%13s", "n/a");
}

static void print_head(FILE *out, const struct report *r) {
    fprintf(out, "truth          %td emitters, %td scored\n", r->truth->count, r->truth_scored);
    fprintf(out, "localizations  %td, %td scored\n", r->found->count, r->found_scored);
    fprintf(out, "frames         %td\n", r->frames);
    fprintf(out, "matching       %s: %s, lateral distance within the tolerance\n", matching_name(r),
            matching_rule(r));
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
}

static void print_scores(FILE *out, const struct report *r) {
    fprintf(out, "\n%-24s", "tolerance");
    for (int t = 0; t < TOLERANCES; t++)
        fprintf(out, "%10g nm%10g nm", r->tolerance_nm[t], r->tolerance_nm[t]);
    fprintf(out, "\n%-24s%13s%13s%13s%13s\n", "emitters", "all", "bright", "all", "bright");
    for (int k = 0; k < FIGURES; k++) {
        fprintf(out, "%-24s", figures[k].label);
        for (int t = 0; t < TOLERANCES; t++)
            for (int b = 0; b < THRESHOLDS; b++) {
                double value = figure_value(&figures[k], &r->score[t][b]);
                bool known = b == ALL_EMITTERS || !isnan(r->threshold);
                print_cell(out, known ? value * figures[k].factor : NAN, figures[k].decimals);
            }
        fputc('\n', out);
    }
    fprintf(out, "[1] sqrt(sum(dx^2 + dy^2) / TP), the challenge's\n"
                 "[2] the same with 2 TP, as some papers print it: smaller by sqrt(2)\n"
                 "[3] called RMSE by ThunderSTORM\n"
                 "[4] 100 - sqrt((100 - J)^2 + RMSE^2), J in %%, RMSE [1] in nm (alpha 1/nm)\n"
                 "dx, dy: localization - truth; photon bias: mean of (found - true) / true\n");
}

static void print_control(FILE *out, const char *name, const struct atm_score *scores) {
    fprintf(out, "%-50s", name);
    print_cell(out, scores[AT_TOLERANCE].jaccard, 4);
    fprintf(out, "%13s", "");
    print_cell(out, scores[AT_100_NM].jaccard, 4);
    fputc('\n', out);
}

static void write_text(FILE *out, const struct report *r) {
    print_head(out, r);
    print_scores(out, r);
    fprintf(out, "\n%-53s%7g nm%26g nm\n", "controls (Jaccard, all emitters)",
            r->tolerance_nm[AT_TOLERANCE], r->tolerance_nm[AT_100_NM]);
    print_control(out, "truth of the frame half a movie away", r->wrong_frame);
    print_control(out, "even grid with the true count per frame", r->grid);
    for (int i = 0; i < r->warning_count; i++)
        fprintf(out, "%swarning: %s\n", i ? "" : "\n", r->warnings[i]);
}

/* ---- JSON: keys are stable, unknown figures null ---- */

static void json_number(FILE *out, double value) {
    if (isfinite(value))
        fprintf(out, "%.10g", value);
    else
        fputs("null", out);
}

static void json_score(FILE *out, const char *indent, const char *name,
                       const struct atm_score *score) {
    fprintf(out, "%s\"%s\": ", indent, name);
    if (!score) {
        fputs("null", out);
        return;
    }
    fputc('{', out);
    for (int k = 0; k < FIGURES; k++) {
        fprintf(out, "%s\"%s\": ", k ? ", " : "", figures[k].key);
        json_number(out, figure_value(&figures[k], score));
    }
    fputc('}', out);
}

static void json_member(FILE *out, const char *name, double value) {
    fprintf(out, "    \"%s\": ", name);
    json_number(out, value);
    fputs(",\n", out);
}

static void json_head(FILE *out, const struct report *r) {
    fprintf(out,
            "  \"conventions\": {\n    \"matching\": \"%s\",\n    \"matching_rule\": \"%s\",\n",
            matching_name(r), matching_rule(r));
    json_member(out, "tolerance_nm", r->tolerance_nm[AT_TOLERANCE]);
    json_member(out, "border_nm", r->options->border_nm);
    json_member(out, "bright_quantile", r->quantile);
    json_member(out, "bright_threshold_photons", r->threshold);
    json_member(out, "pixel_size_nm", r->geometry.pixel_nm);
    json_member(out, "field_width_px", r->geometry.width_px > 0 ? r->geometry.width_px : NAN);
    json_member(out, "field_height_px", r->geometry.height_px > 0 ? r->geometry.height_px : NAN);
    fprintf(out, "    \"rmse_nm\": \"sqrt(sum(dx^2 + dy^2) / TP)\",\n"
                 "    \"rmse_axis_nm\": \"sqrt(sum(dx^2 + dy^2) / (2 TP))\",\n"
                 "    \"efficiency\": \"100 - sqrt((100 - 100 J)^2 + rmse_nm^2)\"\n  },\n");
    fprintf(out, "  \"frames\": %td,\n", r->frames);
    fprintf(out, "  \"truth\": {\"rows\": %td, \"scored\": %td, \"without_position\": %td},\n",
            r->truth->count, r->truth_scored, r->truth_skipped);
    fprintf(out,
            "  \"localizations\": {\"rows\": %td, \"scored\": %td, \"without_position\": %td},\n",
            r->found->count, r->found_scored, r->found_skipped);
}

static void json_controls(FILE *out, const char *name, const struct atm_score *scores,
                          bool possible) {
    fprintf(out, "    \"%s\": {\n", name);
    json_score(out, "      ", "at_tolerance", possible ? &scores[AT_TOLERANCE] : NULL);
    fputs(",\n", out);
    json_score(out, "      ", "at_100_nm", possible ? &scores[AT_100_NM] : NULL);
    fputs("\n    }", out);
}

static void write_json(FILE *out, const struct report *r) {
    static const char *const names[TOLERANCES] = {"at_tolerance", "at_100_nm"};
    fputs("{\n", out);
    json_head(out, r);
    for (int t = 0; t < TOLERANCES; t++) {
        fprintf(out, "  \"%s\": {\n", names[t]);
        json_score(out, "    ", "all", &r->score[t][ALL_EMITTERS]);
        fputs(",\n", out);
        json_score(out, "    ", "bright",
                   isnan(r->threshold) ? NULL : &r->score[t][BRIGHT_EMITTERS]);
        fputs("\n  },\n", out);
    }
    fputs("  \"controls\": {\n", out);
    json_controls(out, "wrong_frame", r->wrong_frame, r->frames > 1);
    fputs(",\n", out);
    json_controls(out, "grid", r->grid, true);
    fputs("\n  },\n  \"warnings\": [", out);
    for (int i = 0; i < r->warning_count; i++) /* no character in them needs escaping */
        fprintf(out, "%s\n    \"%s\"", i ? "," : "", r->warnings[i]);
    fprintf(out, "%s]\n}\n", r->warning_count ? "\n  " : "");
}

/* ---- together ---- */

/* Text of one writer, owned by the caller. */
static char *compose(void (*write)(FILE *, const struct report *), const struct report *r) {
    char *buffer = NULL, *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&buffer, &size);
    if (!out)
        return NULL;
    write(out, r);
    bool good = !ferror(out);
    good = !fclose(out) && good;
    if (good)
        text = atm_mem_alloc(size + 1, 1);
    if (text)
        memcpy(text, buffer, size);
    free(buffer);
    return text;
}

static enum atm_status find_figures(struct report *r, struct atm_err *err) {
    struct atm_score_case c = {0};
    enum atm_status status = score_found(r, &c, err);
    if (status == ATM_OK)
        status = score_control(r, ATM_SCORE_WRONG_FRAME, r->wrong_frame, err);
    if (status == ATM_OK)
        status = score_control(r, ATM_SCORE_GRID, r->grid, err);
    if (status == ATM_OK) {
        warn_plain(r);
        status = try_changes(r, &c, err);
    }
    atm_score_case_free(&c);
    return status;
}

enum atm_status atm_score_report(const struct atm_table *truth, const struct atm_table *found,
                                 const struct atm_eval_options *options, char **text, char **json,
                                 struct atm_err *err) {
    struct report r = {
        .truth = truth,
        .found = found,
        .options = options,
        .tolerance_nm = {options->tolerance_nm, STRICT_TOLERANCE_NM},
        .quantile = options->photon_quantile > 0 ? options->photon_quantile : CHALLENGE_QUANTILE,
    };
    *text = *json = NULL;
    /* Only a quantile that the user asked for makes a truth without photons an error. */
    if (atm_score_threshold(truth, r.quantile, &r.threshold, NULL) != ATM_OK) {
        if (options->photon_quantile > 0)
            return atm_score_threshold(truth, r.quantile, &r.threshold, err);
        r.threshold = NAN;
    }
    enum atm_status status = find_figures(&r, err);
    if (status != ATM_OK)
        return status;
    *text = compose(write_text, &r);
    *json = compose(write_json, &r);
    if (*text && *json)
        return ATM_OK;
    atm_mem_free(*text);
    atm_mem_free(*json);
    *text = *json = NULL;
    return atm_err_memory(err, "the report");
}
