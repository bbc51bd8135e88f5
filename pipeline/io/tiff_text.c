#include "tiff_text.h"

#include "mem.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct camera_key {
    const char *name;
    size_t offset;
};
static const struct camera_key CAMERA_KEYS[] = {
    {"camera_pixel_size_nm", offsetof(struct atm_camera, pixel_size_nm)},
    {"camera_offset", offsetof(struct atm_camera, offset)},
    {"camera_gain", offsetof(struct atm_camera, gain)},
    {"camera_em_gain", offsetof(struct atm_camera, em_gain)},
    {"camera_qe", offsetof(struct atm_camera, qe)},
    {"camera_read_noise", offsetof(struct atm_camera, read_noise)},
};
enum { CAMERA_KEY_COUNT = sizeof CAMERA_KEYS / sizeof *CAMERA_KEYS };

/* Text behind "key=" at the start of a line, or NULL. */
static const char *find_line(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == '=')
            return line + length + 1;
    }
    return NULL;
}

/* The unit that `text` begins with and that ends where no letter follows, in nm; NAN unknown. */
static double unit_nm(const char *text) {
    static const struct {
        const char *name;
        double nm;
    } UNITS[] = {
        {"nm", 1},          {"nanometer", 1},    {"um", 1e3},        {"micron", 1e3},
        {"microns", 1e3},   {"micrometer", 1e3}, {"\302\265m", 1e3}, /* micro sign, UTF-8 */
        {"\316\274m", 1e3},                                          /* Greek mu, UTF-8 */
        {"\265m", 1e3},                                              /* Latin-1 */
        {"\\u00B5m", 1e3},                                           /* ImageJ's escape */
        {"&#181;m", 1e3},                                            /* XML */
        {"&#xB5;m", 1e3},                                            /* XML */
        {"mm", 1e6},        {"cm", 1e7},         {"pm", 1e-3},
    };
    size_t length = strcspn(text, "\r\n\"' ");
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (strlen(UNITS[i].name) == length && strncmp(text, UNITS[i].name, length) == 0)
            return UNITS[i].nm;
    return NAN;
}

/* Anything outside is another quantity, or the 72 dpi of a program that knows no microscope. */
static double plausible_pixel_size(double nm) { return nm > 0.1 && nm < 1e6 ? nm : NAN; }

static double imagej_pixel_size(const char *description, double x_resolution) {
    const char *unit = find_line(description, "unit");
    return unit && x_resolution > 0 ? plausible_pixel_size(unit_nm(unit) / x_resolution) : NAN;
}

static double ome_pixel_size(const char *description) {
    static const char SIZE[] = "PhysicalSizeX=\"", UNIT[] = "PhysicalSizeXUnit=\"";
    const char *size = strstr(description, SIZE), *unit = strstr(description, UNIT);
    if (!size)
        return NAN;
    double nm = unit ? unit_nm(unit + strlen(UNIT)) : 1e3; /* the schema's default is um */
    return plausible_pixel_size(strtod(size + strlen(SIZE), NULL) * nm);
}

/* Product of all but the last two of "[2, 50, 64, 64]"; 0 if it is not such a list. */
static ptrdiff_t shape_images(const char *list) {
    ptrdiff_t before[2] = {1, 1}, product = 1; /* the last two extents wait */
    int count = 0;
    for (const char *at = list; *at == '[' || *at == ','; count++) {
        char *end;
        long extent = strtol(at + 1, &end, 10);
        if (end == at + 1 || extent <= 0 || __builtin_mul_overflow(product, before[0], &product))
            return 0;
        before[0] = before[1];
        before[1] = extent;
        at = end;
    }
    return count > 2 ? product : 0;
}

ptrdiff_t atm_tiff_text_images(const char *description) {
    static const char SHAPE[] = "\"shape\": ";
    const char *shape = strstr(description, SHAPE);
    if (description[0] == '{' && shape && strstr(description, "\"truncated\": true"))
        return shape_images(shape + strlen(SHAPE));
    const char *images = find_line(description, "images");
    if (strncmp(description, "ImageJ=", 7) != 0 || !images)
        return 0;
    long count = strtol(images, NULL, 10);
    return count > 0 ? count : 0;
}

void atm_tiff_text_camera(const char *description, double x_resolution, struct atm_camera *camera) {
    double pixel_size = NAN;
    if (strncmp(description, "ImageJ=", 7) == 0)
        pixel_size = imagej_pixel_size(description, x_resolution);
    else if (strstr(description, "<OME"))
        pixel_size = ome_pixel_size(description);
    if (isfinite(pixel_size))
        camera->pixel_size_nm = pixel_size;
    for (int i = 0; i < CAMERA_KEY_COUNT; i++) {
        const char *text = find_line(description, CAMERA_KEYS[i].name);
        double value = text ? strtod(text, NULL) : NAN;
        if (isfinite(value))
            memcpy((char *)camera + CAMERA_KEYS[i].offset, &value, sizeof value);
    }
}

/* No images=: ImageJ would then expect the frames without directories between them. */
char *atm_tiff_text_format(const struct atm_camera *camera) {
    enum { SIZE = 1024 };
    char *text = atm_mem_alloc(SIZE, 1);
    if (!text)
        return NULL;
    int used = snprintf(text, SIZE, "ImageJ=1.54f\nunit=%s\nloop=false\n",
                        isfinite(camera->pixel_size_nm) ? "um" : "pixel");
    for (int i = 0; i < CAMERA_KEY_COUNT; i++) {
        double value;
        memcpy(&value, (const char *)camera + CAMERA_KEYS[i].offset, sizeof value);
        if (isfinite(value))
            used += snprintf(text + used, (size_t)(SIZE - used), "%s=%.15g\n", CAMERA_KEYS[i].name,
                             value);
    }
    return text;
}
