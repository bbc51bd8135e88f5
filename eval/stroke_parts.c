#include "stroke_parts.h"

#include <math.h>

static float clipped(float value) { return fminf(fmaxf(value, 0), 1); }

struct field {
    const float *atom;
    ptrdiff_t height, width;
    float threshold;
    ptrdiff_t *stack;
    unsigned char *seen;
};

/* Energy of the part that pixel `start` belongs to. */
static double fill(const struct field *f, ptrdiff_t start) {
    ptrdiff_t count = 1;
    double energy = 0;
    f->stack[0] = start;
    f->seen[start] = 1;
    while (count) {
        const ptrdiff_t p = f->stack[--count], y = p / f->width, x = p % f->width;
        energy += pow((double)clipped(f->atom[p]), 2);
        for (ptrdiff_t i = 0; i < 9; i++) {
            const ptrdiff_t ny = y + i / 3 - 1, nx = x + i % 3 - 1, next = ny * f->width + nx;
            if (ny < 0 || nx < 0 || ny >= f->height || nx >= f->width || f->seen[next] ||
                clipped(f->atom[next]) <= f->threshold)
                continue;
            f->seen[next] = 1;
            f->stack[count++] = next;
        }
    }
    return energy;
}

void atm_stroke_part_measure(const float *atom, ptrdiff_t height, ptrdiff_t width, ptrdiff_t *stack,
                             unsigned char *seen, struct atm_stroke_part *part) {
    const ptrdiff_t pixels = height * width;
    *part = (struct atm_stroke_part){0};
    for (ptrdiff_t p = 0; p < pixels; p++) {
        const float value = clipped(atom[p]);
        part->energy += (double)value * (double)value;
        part->greatest = fmaxf(part->greatest, value);
        seen[p] = 0;
    }
    const struct field field = {atom, height, width, 0.1F * part->greatest, stack, seen};
    double largest = 0;
    for (ptrdiff_t p = 0; p < pixels && part->greatest > 0; p++)
        if (!seen[p] && clipped(atom[p]) > field.threshold) {
            largest = fmax(largest, fill(&field, p));
            part->parts++;
        }
    part->largest = part->energy > 0 ? largest / part->energy : 0;
}

double atm_stroke_overlap(const float *atoms, const unsigned char *active, ptrdiff_t count,
                          ptrdiff_t pixels) {
    double most = 0, all = 0;
    for (ptrdiff_t p = 0; p < pixels; p++) {
        float greatest = 0;
        for (ptrdiff_t i = 0; i < count; i++) {
            const float value = active[i] ? clipped(atoms[i * pixels + p]) : 0;
            greatest = fmaxf(greatest, value);
            all += (double)value;
        }
        most += (double)greatest;
    }
    return all > 0 ? 1 - most / all : 0;
}
