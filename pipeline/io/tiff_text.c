#include "tiff_text.h"

#include "length_unit.h"
#include "mem.h"
#include "ome_text.h"
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
    {"camera_exposure_ms", offsetof(struct atm_camera, exposure_ms)},
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

static double imagej_pixel_size(const char *description, double x_resolution) {
    const char *unit = find_line(description, "unit");
    return unit && x_resolution > 0
               ? atm_plausible_pixel_size(atm_length_unit_nm(unit) / x_resolution)
               : NAN;
}

/* Behind "key": in a JSON text, and behind the quote of a string; NULL where it is not there. */
static const char *find_member(const char *json, const char *key) {
    const size_t length = strlen(key);
    for (const char *at = strstr(json, key); at; at = strstr(at + 1, key)) {
        if (at == json || at[-1] != '"' || at[length] != '"')
            continue;
        const char *value = at + length + 1;
        value += strspn(value, " \t\r\n:");
        return value + (*value == '"');
    }
    return NULL;
}

static double positive(const char *text) {
    double value = text ? strtod(text, NULL) : NAN;
    return value > 0 && isfinite(value) ? value : NAN;
}

void atm_tiff_text_micromanager(const char *json, struct atm_camera *camera) {
    double um = positive(find_member(json, "PixelSizeUm"));
    if (isnan(um))
        um = positive(find_member(json, "PixelSize_um"));
    double nm = atm_plausible_pixel_size(1e3 * um), ms = positive(find_member(json, "Exposure-ms"));
    const char *name = find_member(json, "Camera");
    if (!name)
        name = find_member(json, "Core-Camera");
    camera->pixel_size_nm = isnan(nm) ? camera->pixel_size_nm : nm;
    camera->exposure_ms = isnan(ms) ? camera->exposure_ms : ms;
    if (name)
        snprintf(camera->name, sizeof camera->name, "%.*s", (int)strcspn(name, "\"\r\n"), name);
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

/* 1 to 1000; 1 where it is not said. */
static long line_number(const char *description, const char *name) {
    const char *text = find_line(description, name);
    const long value = text ? strtol(text, NULL, 10) : 1;
    return value < 1 ? 1 : value > 1000 ? 1000 : value;
}

ptrdiff_t atm_tiff_text_channels(const char *description) {
    if (atm_ome_is(description))
        return atm_ome_channels(description);
    if (strncmp(description, "ImageJ=", 7))
        return 1;
    const long channels = line_number(description, "channels");
    const long planes = line_number(description, "slices");
    /* planes alone are frames: ImageJ's stacks are, if nobody says what they are */
    return line_number(description, "frames") > 1 ? channels * planes : channels;
}

void atm_tiff_text_camera(const char *description, double x_resolution, struct atm_camera *camera) {
    double pixel_size = NAN;
    if (strncmp(description, "ImageJ=", 7) == 0)
        pixel_size = imagej_pixel_size(description, x_resolution);
    else if (atm_ome_is(description))
        atm_ome_camera(description, camera);
    if (isfinite(pixel_size))
        camera->pixel_size_nm = pixel_size;
    for (int i = 0; i < CAMERA_KEY_COUNT; i++) {
        const char *text = find_line(description, CAMERA_KEYS[i].name);
        double value = text ? strtod(text, NULL) : NAN;
        if (isfinite(value))
            memcpy((char *)camera + CAMERA_KEYS[i].offset, &value, sizeof value);
    }
}

static const char OVERSAMPLING[] = "psf_oversampling";

double atm_tiff_text_oversampling(const char *description) {
    const char *text = find_line(description, OVERSAMPLING);
    double value = text ? strtod(text, NULL) : 0;
    return value > 0 && isfinite(value) ? value : 0;
}

static int put_camera(const struct atm_camera *camera, char *text, int size) {
    int used = 0;
    for (int i = 0; i < CAMERA_KEY_COUNT; i++) {
        double value;
        memcpy(&value, (const char *)camera + CAMERA_KEYS[i].offset, sizeof value);
        if (isfinite(value))
            used += snprintf(text + used, (size_t)(size - used), "%s=%.15g\n", CAMERA_KEYS[i].name,
                             value);
    }
    return used;
}

/* No images=: ImageJ would then expect the frames without directories between them. */
static void put_imagej(const struct atm_movie_layout *layout, char *text, int size) {
    const struct atm_camera *camera = &layout->camera;
    int used = snprintf(text, (size_t)size, "ImageJ=1.54f\nunit=%s\nloop=false\n",
                        isfinite(camera->pixel_size_nm) ? "um" : "pixel");
    used += put_camera(camera, text + used, size - used);
    if (layout->oversampling > 0)
        snprintf(text + used, (size_t)(size - used), "%s=%.15g\n", OVERSAMPLING,
                 layout->oversampling);
}

/* What only we know stands in a comment. */
static void put_ome(const struct atm_movie_layout *layout, char *text, int size) {
    char extent[96] = "";
    const double um = 1e-3 * layout->camera.pixel_size_nm;
    if (isfinite(um))
        snprintf(extent, sizeof extent, " PhysicalSizeX=\"%.9g\" PhysicalSizeY=\"%.9g\"", um, um);
    int used = snprintf(
        text, (size_t)size,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\">"
        "<Image ID=\"Image:0\"><Pixels ID=\"Pixels:0\" DimensionOrder=\"XYCZT\" Type=\"%s\" "
        "SizeX=\"%td\" SizeY=\"%td\" SizeC=\"1\" SizeZ=\"1\" SizeT=\"%td\"%s>"
        "<Channel ID=\"Channel:0:0\" "
        "SamplesPerPixel=\"1\"/><TiffData/></Pixels></Image><!--\n",
        layout->sample == ATM_MOVIE_U16 ? "uint16" : "float", layout->width, layout->height,
        layout->frames, extent);
    used += put_camera(&layout->camera, text + used, size - used);
    snprintf(text + used, (size_t)(size - used), "--></OME>\n");
}

char *atm_tiff_text_format(const struct atm_movie_layout *layout, bool ome) {
    enum { SIZE = 2048 };
    char *text = atm_mem_alloc(SIZE, 1);
    if (text && ome)
        put_ome(layout, text, SIZE);
    else if (text)
        put_imagej(layout, text, SIZE);
    return text;
}
