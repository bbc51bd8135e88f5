#include "number_grid.h"

#include <math.h>

static int widest_label(const struct atm_number_grid *grid) {
    int widest = 0;
    for (int r = 0; r < grid->rows; r++) {
        int length = 0;
        for (const char *c = grid->row[r].label; *c; c++)
            length += (*c & 0xC0) != 0x80; /* characters, not bytes */
        widest = length > widest ? length : widest;
    }
    return widest;
}

static void print_label(const char *label, int width, FILE *out) {
    fputs(label, out);
    for (const char *c = label; *c; c++)
        width -= (*c & 0xC0) != 0x80;
    for (; width > 0; width--)
        fputc(' ', out);
}

static void print_value(double value, FILE *out) {
    if (!isfinite(value))
        fprintf(out, "%11s", "-");
    else if (value == floor(value) && fabs(value) < 1e9)
        fprintf(out, "%11.0f", value);
    else
        fprintf(out, "%11.4g", value);
}

void atm_grid_print(const struct atm_number_grid *grid, FILE *out) {
    int width = widest_label(grid);
    fprintf(out, "\n%s\n", grid->title);
    print_label("", width, out);
    for (int c = 0; c < grid->columns; c++)
        fprintf(out, "%11s", grid->column[c].label);
    fputc('\n', out);
    for (int r = 0; r < grid->rows; r++) {
        print_label(grid->row[r].label, width, out);
        for (int c = 0; c < grid->columns; c++)
            print_value(grid->value[r][c], out);
        fputc('\n', out);
    }
}

void atm_grid_print_json(const struct atm_number_grid *grid, FILE *out) {
    fprintf(out, "  \"%s\": {", grid->key);
    for (int c = 0; c < grid->columns; c++) {
        fprintf(out, "%s\n    \"%s\": {", c ? "," : "", grid->column[c].key);
        for (int r = 0; r < grid->rows; r++) {
            fprintf(out, "%s\"%s\": ", r ? ", " : "", grid->row[r].key);
            double value = grid->value[r][c];
            if (isfinite(value))
                fprintf(out, "%.10g", value);
            else
                fputs("null", out);
        }
        fputc('}', out);
    }
    fputs("\n  }", out);
}
