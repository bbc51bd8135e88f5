#include "ome_text.h"

#include "length_unit.h"
#include "mem.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool atm_ome_is(const char *description) { return strstr(description, "<OME") != NULL; }

/* The value of an attribute of the element that begins at `element` ("<Pixels ..."), or NULL. */
static const char *attribute(const char *element, const char *name) {
    const size_t length = strlen(name);
    const char *end = strchr(element, '>');
    for (const char *at = strstr(element, name); at && (!end || at < end);
         at = strstr(at + 1, name))
        if ((at[-1] == ' ' || at[-1] == '\n' || at[-1] == '\t') && at[length] == '=' &&
            (at[length + 1] == '"' || at[length + 1] == '\''))
            return at + length + 2;
    return NULL;
}

static long whole(const char *element, const char *name, long fallback) {
    const char *text = element ? attribute(element, name) : NULL;
    char *end;
    long value = text ? strtol(text, &end, 10) : 0;
    return text && end != text && value >= 0 ? value : fallback;
}

static const char *pixels(const char *description) { return strstr(description, "<Pixels"); }

ptrdiff_t atm_ome_channels(const char *description) {
    const char *element = pixels(description);
    const ptrdiff_t channels = whole(element, "SizeC", 1), planes = whole(element, "SizeZ", 1);
    /* planes alone are frames: many programs write so */
    return whole(element, "SizeT", 1) > 1 && planes > 1 && channels < 1000 && planes < 1000
               ? channels * planes
               : channels;
}

ptrdiff_t atm_ome_frames(const char *description) {
    const char *element = pixels(description);
    ptrdiff_t frames = whole(element, "SizeT", 0);
    if (__builtin_mul_overflow(frames, whole(element, "SizeZ", 1), &frames) ||
        __builtin_mul_overflow(frames, whole(element, "SizeC", 1), &frames))
        return 0;
    return frames;
}

/* ---- files ---- */

enum { MOST_FILES = 10000 };

struct named {
    const char *name; /* in the text, up to a quote */
    size_t length;
    long first;
    ptrdiff_t order; /* of appearance */
};

static int compare_named(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static bool same_name(const struct named *named, const char *name, size_t length) {
    return named->length == length && !memcmp(named->name, name, length);
}

/* Planes of a file stand together, so the last one is looked at first. */
static void note(struct named *list, ptrdiff_t *count, const char *name, long first) {
    const size_t length = strcspn(name, "\"'");
    if (length == 0 || length > NAME_MAX || memchr(name, '/', length))
        return;
    ptrdiff_t i = *count - 1;
    while (i >= 0 && !same_name(&list[i], name, length))
        i--;
    if (i >= 0)
        list[i].first = first < list[i].first ? first : list[i].first;
    else if (*count < MOST_FILES) {
        list[*count] = (struct named){name, length, first, *count};
        ++*count;
    }
}

enum atm_status atm_ome_files(const char *description, const char *path, struct atm_files *files,
                              struct atm_err *err) {
    struct named *list = atm_mem_alloc(MOST_FILES, sizeof *list);
    if (!list)
        return atm_err_memory(err, path);
    ptrdiff_t count = 0;
    const char *at = description;
    while ((at = strstr(at, "<TiffData"))) {
        const char *next = strstr(at + 1, "<TiffData");
        const size_t length = next ? (size_t)(next - at) : strlen(at);
        const char *uuid = memmem(at, length, "<UUID", 5);
        const char *name = uuid ? attribute(uuid, "FileName") : NULL;
        if (name)
            note(list, &count, name, whole(at, "FirstT", 0));
        at += length;
    }
    qsort(list, (size_t)count, sizeof *list, compare_named);
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash - path) : 0;
    enum atm_status status = ATM_OK;
    for (ptrdiff_t i = 0; i < count && !status; i++) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)list[i].length, list[i].name);
        status = atm_files_add(files, path, folder, name, err);
    }
    atm_mem_free(list);
    return status;
}

/* ---- camera ---- */

static double exposure_ms(const char *description) {
    const char *plane = strstr(description, "<Plane");
    const char *text = plane ? attribute(plane, "ExposureTime") : NULL;
    const char *unit = plane ? attribute(plane, "ExposureTimeUnit") : NULL;
    double value = text ? strtod(text, NULL) : NAN;
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1},         {"\u00b5s", 1e-3}, {"\u03bcs", 1e-3}, {"us", 1e-3},
                 {"&#xb5;s", 1e-3}, {"&#181;s", 1e-3}, {"ns", 1e-6},      {"min", 6e4}};
    double ms = 1e3; /* s, the schema's default */
    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++)
        if (!strncasecmp(unit, units[i].unit, strlen(units[i].unit)))
            ms = units[i].ms;
    return value > 0 && isfinite(value) ? value * ms : NAN;
}

static void take_name(const char *description, struct atm_camera *camera) {
    const char *detector = strstr(description, "<Detector");
    const char *model = detector ? attribute(detector, "Model") : NULL;
    if (!model && detector)
        model = attribute(detector, "ID");
    if (model)
        snprintf(camera->name, sizeof camera->name, "%.*s", (int)strcspn(model, "\"'"), model);
}

void atm_ome_camera(const char *description, struct atm_camera *camera) {
    const char *element = pixels(description);
    const char *size = element ? attribute(element, "PhysicalSizeX") : NULL;
    const char *unit = element ? attribute(element, "PhysicalSizeXUnit") : NULL;
    if (size) {
        double nm = unit ? atm_length_unit_nm(unit) : 1e3; /* the schema's default is um */
        double value = atm_plausible_pixel_size(strtod(size, NULL) * nm);
        camera->pixel_size_nm = isnan(value) ? camera->pixel_size_nm : value;
    }
    double exposure = exposure_ms(description);
    camera->exposure_ms = isnan(exposure) ? camera->exposure_ms : exposure;
    take_name(description, camera);
}
