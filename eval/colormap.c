#include "colormap.h"

#include <math.h>
#include <stdbool.h>

/* OKLab to linear sRGB (B. Ottosson, "A perceptual color space for image processing", 2020). */
static void oklab_to_linear(double lightness, double a, double b, double rgb[3]) {
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    rgb[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
    rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
    rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
}

static bool displayable(const double rgb[3]) {
    for (int i = 0; i < 3; i++)
        if (rgb[i] < -1e-6 || rgb[i] > 1 + 1e-6)
            return false;
    return true;
}

static uint8_t encode(double linear) {
    double c = fmin(fmax(linear, 0), 1);
    c = c <= 0.0031308 ? 12.92 * c : 1.055 * pow(c, 1 / 2.4) - 0.055;
    return (uint8_t)lrint(255 * c);
}

/* The most saturated displayable colour of this lightness and hue. */
static void saturated(double lightness, double hue, double rgb[3]) {
    double low = 0, high = 0.4;
    for (int step = 0; step < 30; step++) {
        double chroma = (low + high) / 2;
        oklab_to_linear(lightness, chroma * cos(hue), chroma * sin(hue), rgb);
        if (displayable(rgb))
            low = chroma;
        else
            high = chroma;
    }
    oklab_to_linear(lightness, low * cos(hue), low * sin(hue), rgb);
}

/* From black to white in lightness, from one hue to another (degrees). */
static void ramp(struct atm_colormap *map, double from, double to) {
    for (int i = 0; i < 256; i++) {
        double t = i / 255.0, linear[3];
        saturated(t, (from + (to - from) * t) * M_PI / 180, linear);
        for (int k = 0; k < 3; k++)
            map->rgb[i][k] = encode(linear[k]);
    }
}

void atm_colormap_hot(struct atm_colormap *map) { ramp(map, 20, 110); /* red to yellow */ }

void atm_colormap_ice(struct atm_colormap *map) { ramp(map, 265, 195); /* blue to cyan */ }

void atm_colormap_init(struct atm_colormap *map, int kind) {
    static void (*const init[ATM_COLORMAP_COUNT])(struct atm_colormap * map) = {
        atm_colormap_hot, atm_colormap_gray, atm_colormap_ice};
    init[kind >= 0 && kind < ATM_COLORMAP_COUNT ? kind : ATM_COLORMAP_HOT](map);
}

void atm_colormap_time(float *colors) {
    for (int i = 0; i < 256; i++) {
        double linear[3];
        saturated(0.72, (265 - 240 * (i / 255.0)) * M_PI / 180, linear);
        for (int k = 0; k < 3; k++)
            colors[3 * i + k] = (float)linear[k];
    }
}

void atm_colormap_blend(const float *weight, const float *color, ptrdiff_t count, double white,
                        uint8_t *rgb) {
    for (ptrdiff_t i = 0; i < count; i++) {
        double w = (double)weight[i], level = w > 0 ? fmin(w / white, 1) / w : 0;
        for (int k = 0; k < 3; k++)
            rgb[3 * i + k] = level > 0 ? encode(level * (double)color[3 * i + k]) : 0;
    }
}

void atm_colormap_gray(struct atm_colormap *map) {
    for (int i = 0; i < 256; i++)
        for (int k = 0; k < 3; k++)
            map->rgb[i][k] = (uint8_t)i;
}

static const uint8_t nothing[3] = {190, 208, 232};

void atm_colormap_apply(const struct atm_colormap *map, const float *values, ptrdiff_t count,
                        struct atm_colormap_range range, uint8_t *rgb) {
    double scale = range.hi > range.lo ? 255 / (range.hi - range.lo) : 0;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t i = 0; i < count; i++) {
        double level = (values[i] - range.lo) * scale;
        int index = level > 0 ? (int)fmin(level + 0.5, 255) : 0; /* NAN compares false */
        const uint8_t *color = isnan(values[i]) ? nothing : map->rgb[index];
        for (int k = 0; k < 3; k++)
            rgb[3 * i + k] = color[k];
    }
}
