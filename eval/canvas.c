#include "canvas.h"

#include "image.h"
#include "mem.h"
#include "outfile.h"
#include <cairo-svg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
/* fontconfig keeps patterns behind encoded pointers, which the leak checker cannot follow (2.14).
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libfontconfig\n"; }
#endif

/* surface: owned by the canvas from now on. */
static enum atm_status start(struct atm_canvas *canvas, cairo_surface_t *surface,
                             struct atm_err *err) {
    canvas->surface = surface;
    canvas->cr = cairo_create(surface);
    if (cairo_status(canvas->cr) != CAIRO_STATUS_SUCCESS) {
        atm_canvas_destroy(canvas);
        return atm_err_memory(err, "a picture");
    }
    cairo_set_source_rgb(canvas->cr, 1, 1, 1);
    cairo_paint(canvas->cr);
    return ATM_OK;
}

static enum atm_status check_size(struct atm_canvas *canvas, ptrdiff_t height, ptrdiff_t width,
                                  struct atm_err *err) {
    *canvas = (struct atm_canvas){.height = height, .width = width};
    if (height < 1 || width < 1 || height > ATM_CANVAS_MOST || width > ATM_CANVAS_MOST)
        return atm_err_set(err, ATM_FAIL,
                           "a picture of %td x %td px: sides must be 1 to %d px, choose a smaller "
                           "magnification or fewer panels",
                           width, height, ATM_CANVAS_MOST);
    return ATM_OK;
}

enum atm_status atm_canvas_create(struct atm_canvas *canvas, ptrdiff_t height, ptrdiff_t width,
                                  struct atm_err *err) {
    if (check_size(canvas, height, width, err) != ATM_OK)
        return ATM_FAIL;
    return start(canvas, cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height),
                 err);
}

static cairo_status_t put_bytes(void *stream, const unsigned char *bytes, unsigned count) {
    return fwrite(bytes, 1, count, stream) == count ? CAIRO_STATUS_SUCCESS
                                                    : CAIRO_STATUS_WRITE_ERROR;
}

enum atm_status atm_canvas_create_svg(struct atm_canvas *canvas, ptrdiff_t height, ptrdiff_t width,
                                      struct atm_err *err) {
    if (check_size(canvas, height, width, err) != ATM_OK)
        return ATM_FAIL;
    canvas->stream = open_memstream(&canvas->svg, &canvas->svg_size);
    if (!canvas->stream)
        return atm_err_memory(err, "a picture");
    cairo_surface_t *surface = cairo_svg_surface_create_for_stream(put_bytes, canvas->stream,
                                                                   (double)width, (double)height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
    return start(canvas, surface, err);
}

void atm_canvas_destroy(struct atm_canvas *canvas) {
    cairo_destroy(canvas->cr);
    cairo_surface_destroy(canvas->surface);
    if (canvas->stream)
        fclose(canvas->stream);
    free(canvas->svg);
    *canvas = (struct atm_canvas){0};
}

static unsigned char *pixel_row(const struct atm_canvas *canvas, ptrdiff_t y) {
    return cairo_image_surface_get_data(canvas->surface) +
           y * cairo_image_surface_get_stride(canvas->surface);
}

void atm_canvas_put(struct atm_canvas *canvas, ptrdiff_t left, ptrdiff_t top,
                    const struct atm_canvas_pixels *pixels) {
    ptrdiff_t zoom = pixels->zoom;
    cairo_surface_flush(canvas->surface);
    for (ptrdiff_t y = 0; y < pixels->height * zoom; y++) {
        unsigned char *row = pixel_row(canvas, top + y);
        const uint8_t *from = pixels->rgb + y / zoom * pixels->width * 3;
        for (ptrdiff_t x = 0; x < pixels->width * zoom; x++) {
            const uint8_t *rgb = from + x / zoom * 3;
            uint32_t word = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
            memcpy(row + (left + x) * 4, &word, sizeof word);
        }
    }
    cairo_surface_mark_dirty(canvas->surface);
}

/* A font in error would silently end all drawing on the context, so it is tried apart first. */
static cairo_scaled_font_t *scaled_font(const char *family, double size_px) {
    cairo_matrix_t size, identity;
    cairo_font_options_t *options = cairo_font_options_create();
    /* The same glyph shapes and advances whatever the user's desktop settings say. */
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_face_t *face =
        cairo_toy_font_face_create(family, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_matrix_init_scale(&size, size_px, size_px);
    cairo_matrix_init_identity(&identity);
    cairo_scaled_font_t *font = cairo_scaled_font_create(face, &size, &identity, options);
    cairo_font_face_destroy(face);
    cairo_font_options_destroy(options);
    return font;
}

void atm_canvas_font(struct atm_canvas *canvas, double size_px) {
    cairo_scaled_font_t *font = scaled_font("DejaVu Sans", size_px);
    canvas->ascii_only = false;
    if (cairo_scaled_font_status(font) != CAIRO_STATUS_SUCCESS) {
        cairo_scaled_font_destroy(font);
        font = scaled_font("@cairo:", size_px);
        canvas->ascii_only = true;
    }
    cairo_set_scaled_font(canvas->cr, font);
    cairo_scaled_font_destroy(font);
}

/* Text in the current font's characters, cut to the buffer. */
static const char *spell(const struct atm_canvas *canvas, const char *text, char buffer[256]) {
    if (!canvas->ascii_only)
        return text;
    size_t n = 0;
    for (const char *c = text; *c && n < 255; c++) {
        bool starts = ((unsigned char)*c & 0xC0) == 0xC0, continues = (*c & 0x80) && !starts;
        if (!continues)
            buffer[n++] = !starts ? *c : strncmp(c, "µ", 2) == 0 ? 'u' : '?';
    }
    buffer[n] = 0;
    return buffer;
}

double atm_canvas_text_width(struct atm_canvas *canvas, const char *text) {
    cairo_text_extents_t extents;
    char buffer[256];
    cairo_text_extents(canvas->cr, spell(canvas, text, buffer), &extents);
    return extents.x_advance;
}

void atm_canvas_text(struct atm_canvas *canvas, double x, double y, double align,
                     const char *text) {
    char buffer[256];
    double left = align > 0 ? x - align * atm_canvas_text_width(canvas, text) : x;
    cairo_move_to(canvas->cr, left, y);
    cairo_show_text(canvas->cr, spell(canvas, text, buffer));
    cairo_new_path(canvas->cr);
}

void atm_canvas_color(struct atm_canvas *canvas, const double rgb[3]) {
    cairo_set_source_rgb(canvas->cr, rgb[0], rgb[1], rgb[2]);
}

/* Cairo numbers its surfaces over the life of the process; counting them within the document makes
 * the same drawing the same bytes. The new numbers are never longer. */
static void number_surfaces(char *svg) {
    enum { MOST = 16 };
    static const char word[] = "surface";
    unsigned long known[MOST];
    int count = 0;
    char *to = svg;
    for (const char *from = svg; *from;) {
        const char *digits = from + sizeof word - 1;
        if (strncmp(from, word, sizeof word - 1) != 0 || *digits < '0' || *digits > '9') {
            *to++ = *from++;
            continue;
        }
        char *end;
        unsigned long number = strtoul(digits, &end, 10);
        int k = 0;
        while (k < count && known[k] != number)
            k++;
        if (k == count && count < MOST)
            known[count++] = number;
        char name[32];
        size_t length = (size_t)snprintf(name, sizeof name, "%s%d", word, k);
        memcpy(to, name, length);
        to += length;
        from = end;
    }
    *to = 0;
}

static enum atm_status write_svg(struct atm_canvas *canvas, const char *path, struct atm_err *err) {
    cairo_surface_finish(canvas->surface); /* the text is complete now */
    bool whole = cairo_surface_status(canvas->surface) == CAIRO_STATUS_SUCCESS;
    whole = fflush(canvas->stream) == 0 && whole;
    if (!whole)
        return atm_err_memory(err, "a picture");
    number_surfaces(canvas->svg);
    return atm_outfile_write_text(path, canvas->svg, err);
}

static enum atm_status write_png(struct atm_canvas *canvas, const char *path, struct atm_err *err) {
    uint8_t *rgb = atm_mem_alloc((size_t)(canvas->height * canvas->width), 3);
    if (!rgb)
        return atm_err_memory(err, "a picture");
    cairo_surface_flush(canvas->surface);
    for (ptrdiff_t y = 0; y < canvas->height; y++) {
        const unsigned char *row = pixel_row(canvas, y);
        for (ptrdiff_t x = 0; x < canvas->width; x++) {
            uint32_t word;
            memcpy(&word, row + x * 4, sizeof word);
            uint8_t *to = rgb + (y * canvas->width + x) * 3;
            to[0] = (uint8_t)(word >> 16);
            to[1] = (uint8_t)(word >> 8);
            to[2] = (uint8_t)word;
        }
    }
    enum atm_status status = atm_image_write_png(path, canvas->height, canvas->width, rgb, err);
    atm_mem_free(rgb);
    return status;
}

enum atm_status atm_canvas_write(struct atm_canvas *canvas, const char *path, struct atm_err *err) {
    if (cairo_status(canvas->cr) != CAIRO_STATUS_SUCCESS)
        return atm_err_set(err, ATM_FAIL, "%s: drawing failed: %s", path,
                           cairo_status_to_string(cairo_status(canvas->cr)));
    return canvas->stream ? write_svg(canvas, path, err) : write_png(canvas, path, err);
}
