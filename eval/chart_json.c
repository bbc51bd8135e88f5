#include "chart.h"

#include "json.h"
#include "outfile.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_array(FILE *out, const char *name, const double *values, ptrdiff_t count) {
    if (!values)
        return;
    fprintf(out, ", \"%s\": [", name);
    for (ptrdiff_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", out);
        atm_json_number(out, values[i]);
    }
    fputc(']', out);
}

static void put_chart(FILE *out, const struct atm_chart *chart) {
    fputs("{\"title\": ", out);
    atm_json_text(out, chart->title);
    fputs(", \"x_label\": ", out);
    atm_json_text(out, chart->x_label);
    fputs(", \"y_label\": ", out);
    atm_json_text(out, chart->y_label);
    for (int i = 0; i < chart->x_word_count; i++) {
        fputs(i ? ", " : ", \"x_words\": [", out);
        atm_json_text(out, chart->x_words[i]);
        fputs(i + 1 < chart->x_word_count ? "" : "]", out);
    }
    fputs(",\n \"curves\": [", out);
    for (int k = 0; k < chart->count; k++) {
        const struct atm_curve *curve = &chart->curves[k];
        fprintf(out, "%s\n  {\"label\": ", k ? "," : "");
        atm_json_text(out, curve->label);
        put_array(out, "x", curve->x, curve->count);
        put_array(out, "y", curve->y, curve->count);
        put_array(out, "low", curve->low, curve->count);
        put_array(out, "high", curve->high, curve->count);
        fputc('}', out);
    }
    fputs("]}\n", out);
}

enum atm_status atm_chart_write_json(const char *path, const struct atm_chart *chart,
                                     struct atm_err *err) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return atm_err_memory(err, path);
    put_chart(out, chart);
    bool whole = !ferror(out);
    whole = fclose(out) == 0 && whole;
    enum atm_status status =
        whole ? atm_outfile_write_text(path, text, err) : atm_err_memory(err, path);
    free(text);
    return status;
}
