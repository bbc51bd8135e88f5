#include "json.h"

#include <math.h>

void atm_json_number(FILE *out, double value) {
    if (isfinite(value))
        fprintf(out, "%.10g", value);
    else
        fputs("null", out);
}

void atm_json_text(FILE *out, const char *text) {
    if (!text) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fprintf(out, "\\u%04x", (unsigned)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}
